"""A French shop that never was: its people, what they do, and what its systems export about it."""
