"""Where changes go: one file for each kind of sink. ``sink`` says what all have in common."""
