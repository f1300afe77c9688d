"""Models: what is learned from profiles, kept as data, and applied as expressions."""
