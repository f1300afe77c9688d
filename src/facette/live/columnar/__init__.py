"""An engine whose state is NumPy columns: batches of events in, changes of memberships out.

columns, index                   : what everything is made of
printer, features                : rules and features as one program over columns
states, sums, extremes, sets     : the state of each kind of aggregate; aggregates says which one has which
kept, kinds                      : events that time may still move, and all states over one kind of event
people, engine                   : profiles, and the whole
"""
