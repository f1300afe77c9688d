"""Whole numbers to places: a hash table whose every operation is on many keys at once."""

from __future__ import annotations

from typing import Any

import numpy as np

from facette.live.columnar.columns import Array

GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio (Knuth, TAOCP vol. 3, 2nd ed., 6.4)
LEAST_BITS = 10
SPARE = 0.25


class Index:
    """Each different key (int64) has a place: 0, 1, 2 … in the order in which they came.

    Open addressing with linear probing (Knuth, TAOCP vol. 3, 2nd ed., 6.4, algorithm L), at most half full. The table
    holds places, so that a key costs 16 to 24 bytes.
    """

    STORED = ("_bits", "_table", "_keys", "_n")

    def __init__(self) -> None:
        self._bits = LEAST_BITS
        self._table = np.full(1 << self._bits, -1, np.int32)
        self._keys = np.empty(0, np.int64)
        self._n = 0

    def __len__(self) -> int:
        return self._n

    @property
    def keys(self) -> Array:
        """The key of each place."""
        return self._keys[: self._n]

    def find(self, keys: Array) -> Array:
        """The place of each key, -1 where it has none."""
        slots = self._slots(keys)
        places = self._table[slots]
        waiting = self._others(keys, places)
        while len(waiting):
            slots[waiting] = (slots[waiting] + 1) & (len(self._table) - 1)
            places[waiting] = self._table[slots[waiting]]
            waiting = waiting[self._others(keys[waiting], places[waiting])]
        return places.astype(np.intp)

    def add(self, keys: Array) -> Array:
        """The place of each key, a new one where it has none."""
        places = self.find(keys)
        is_new = places < 0
        if is_new.any():
            new = keys[is_new]
            firsts, before = first_places(new), self._n
            self.insert(new[firsts])
            places[is_new] = np.arange(before, self._n) if len(firsts) == len(new) else self.find(new)
        return places

    def insert(self, keys: Array) -> None:
        """Give places to different keys, none of which is there."""
        n = self._n + len(keys)
        self._keys = extended(self._keys, n)
        self._keys[self._n : n] = keys
        first, self._n = self._n, n
        if 2 * n > len(self._table):
            while 2 * n > 1 << self._bits:
                self._bits += 1
            self._table = np.full(1 << self._bits, -1, np.int32)
            first = 0
        self._settle(np.arange(first, n, dtype=np.int32))

    def _settle(self, places: Array) -> None:
        """Give each place the first free slot from where its key belongs; of several that want one, the last has it."""
        slots = self._slots(self._keys[places])
        while len(places):
            free = self._table[slots] < 0
            self._table[slots[free]] = places[free]
            waiting = self._table[slots] != places
            places, slots = places[waiting], (slots[waiting] + 1) & (len(self._table) - 1)

    def _slots(self, keys: Array) -> Array:
        return (keys.view(np.uint64) * GOLDEN >> np.uint64(64 - self._bits)).view(np.int64)

    def _others(self, keys: Array, places: Array) -> Array:
        """Where another key is."""
        if not self._n:
            return np.empty(0, np.intp)
        return np.flatnonzero((places >= 0) & (self._keys[places] != keys))


def extended(array: Array, n: int, fill: Any = None, *, spare: float = SPARE) -> Array:
    """An array with room for ``n`` elements at least, the new ones ``fill`` (None: anything); the same if it has.

    spare : room for this share of elements more, so that it need not grow soon; zeros take no memory before they are
            written to
    """
    if len(array) >= n:
        return array
    shape = (n + int(n * spare) + (16 if spare else 0), *array.shape[1:])
    is_zero = fill is not None and not fill and array.dtype != object
    longer = np.zeros(shape, array.dtype) if is_zero else np.empty(shape, array.dtype)
    longer[: len(array)] = array
    if fill is not None and not is_zero:
        longer[len(array) :] = fill
    return longer


def first_places(keys: Array) -> Array:
    """The place of each different number where it first comes, ascending; fast where all are different."""
    ordered = np.sort(keys)
    if (ordered[1:] != ordered[:-1]).all():
        return np.arange(len(keys))
    return np.sort(np.unique(keys, return_index=True)[1])
