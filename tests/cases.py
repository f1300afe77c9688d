"""How many answers were compared, by what they are about."""

from collections import Counter

COMPARED: Counter[str] = Counter()
