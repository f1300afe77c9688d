"""The live engine: state that grows event by event, and the same rules over it."""
