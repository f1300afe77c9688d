"""The live engine: what a run would publish, after every few events."""
