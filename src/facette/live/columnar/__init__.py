"""An engine whose state is NumPy columns: batches of events in, changes of memberships out.

columns, index          : what everything is made of
printer, features       : rules and features as one program over columns
aggregates, kept, state : the states of aggregates, and the events that time may still move
people, engine, saved   : profiles, the whole, and the whole in a file
"""
