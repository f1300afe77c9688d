"""Texts that came, each known again by 128 bits, without a look at any of the others and without a loop over texts."""

from __future__ import annotations

import os
from hashlib import blake2b

import numpy as np
import pyarrow as pa

from facette.live.columnar.columns import Array
from facette.live.columnar.index import Index, extended

PORTION = 1 << 13
"""Texts hashed at once, so that what is made of them stays in the processor's cache."""

LONGEST = 256
"""Bytes of a text that are hashed as they are; of longer ones their BLAKE2b is."""

WORD = 4
CONSTANT, LENGTH, KIND, FIRST = range(4)
KEYS = np.frombuffer(os.urandom((FIRST + LONGEST // WORD) * 4 * 8), np.uint64).reshape(-1, 4)
"""Drawn by lot, so that nobody can write texts that meet."""


class Seen:
    """Texts of some kinds, with places 0, 1, 2 … Two that are not the same are taken for the same once in 10^38."""

    STORED = ("_keys", "_index", "_seconds")

    def __init__(self) -> None:
        self._keys = KEYS
        self._index = Index()
        self._seconds = np.empty(0, np.int64)

    def __len__(self) -> int:
        return len(self._index)

    def find(self, texts: pa.Array | pa.ChunkedArray, kind: int = 0) -> Array:
        """The place of each text, -1 where it did not come; of a null anything."""
        firsts, seconds = _halves(texts, kind, self._keys)
        places = self._index.find(firsts)
        others = np.flatnonzero((places >= 0) & (self._seconds[places] != seconds)) if len(self) else places[:0]
        while len(others):  # alike in the first half only: the next one is looked at
            firsts[others] += 1
            places[others] = self._index.find(firsts[others])
            others = others[(places[others] >= 0) & (self._seconds[places[others]] != seconds[others])]
        return places

    def add(self, texts: pa.Array | pa.ChunkedArray, kind: int = 0) -> Array:
        """The place of each text, a new one where it did not come before; none is null."""
        firsts, seconds = _halves(texts, kind, self._keys)
        places = np.empty(len(firsts), np.intp)
        rows = np.arange(len(firsts))
        while len(rows):
            before = len(self)
            places[rows] = self._index.add(firsts[rows])
            self._seconds = extended(self._seconds, len(self))
            first = first_rows(places[rows], before, len(self))
            self._seconds[before : len(self)] = seconds[rows[first]]
            rows = rows[self._seconds[places[rows]] != seconds[rows]]
            firsts[rows] += 1
        return places

    def new(self, texts: pa.Array | pa.ChunkedArray) -> Array:
        """The places among these of texts that did not come before, of equal ones the first; they have come now."""
        before = len(self)
        return np.sort(first_rows(self.add(texts), before, len(self)))


class Texts:
    """Texts kept by place, in columns."""

    STORED = ("whole",)

    def __init__(self) -> None:
        self._parts: list[pa.Array] = []

    @property
    def whole(self) -> pa.LargeStringArray:
        """All of them, in one column."""
        return pa.concat_arrays([pa.array([], pa.large_string()), *self._parts])

    @whole.setter
    def whole(self, texts: pa.LargeStringArray) -> None:
        self._parts = [texts]

    def append(self, texts: pa.Array) -> None:
        """Texts with the next places."""
        self._parts.append(texts.cast(pa.large_string()))
        while len(self._parts) > 1 and 2 * len(self._parts[-1]) >= len(self._parts[-2]):
            self._parts[-2:] = [pa.concat_arrays(self._parts[-2:])]  # each is copied as often as there are parts

    def take(self, places: Array) -> pa.Array:
        """The texts at some places; null where one is negative."""
        starts = np.cumsum([0, *map(len, self._parts)])
        part_of = np.searchsorted(starts, places, "right") - 1
        order = np.full(len(places), -1)
        found, n = [pa.array([], pa.large_string())], 0
        for part, texts in enumerate(self._parts):
            own = np.flatnonzero(part_of == part)
            found.append(texts.take(pa.array(places[own] - starts[part])))
            order[own] = np.arange(n, n + len(own))
            n += len(own)
        return pa.concat_arrays(found).take(pa.array(order, mask=order < 0))


def first_rows(places: Array, start: int, end: int) -> Array:
    """Where each place from ``start`` on first comes among some; each is there."""
    rows = np.flatnonzero(places >= start)[::-1]
    first = np.empty(end - start, np.intp)
    first[places[rows] - start] = rows  # of several the last that is assigned stays: the first row
    return first


def _halves(texts: pa.Array | pa.ChunkedArray, kind: int, keys: Array) -> tuple[Array, Array]:
    """128 bits of each text, as two numbers.

    Each quarter is a sum of its words of 32 bits, its length and its kind, each times a number of 64 bits drawn by lot,
    of which the upper half is taken: D. Lemire and O. Kaser, Strongly universal string hashing is fast (2014),
    MULTILINEAR.
    """
    plain = texts.cast(pa.large_binary())
    plain = plain.combine_chunks() if isinstance(plain, pa.ChunkedArray) else plain
    halves = np.empty((len(plain), 2), np.uint64)
    for start in range(0, len(plain), PORTION):
        words, lengths = _words(plain.slice(start, PORTION))
        sums = words @ keys[FIRST : FIRST + words.shape[1]]
        sums += lengths[:, None] * keys[LENGTH] + (keys[CONSTANT] + np.uint64(kind) * keys[KIND])
        sums >>= np.uint64(32)
        halves[start : start + PORTION] = sums[:, ::2] << np.uint64(32) | sums[:, 1::2]
    firsts, seconds = halves.view(np.int64).T
    return firsts.copy(), seconds.copy()


def _words(texts: pa.Array) -> tuple[Array, Array]:
    """The bytes of texts as whole numbers of 32 bits, filled up with zeros, and how many bytes there are."""
    offsets = np.frombuffer(texts.buffers()[1], np.int64, len(texts) + 1, texts.offset * 8)
    lengths = np.diff(offsets)
    longest = int(lengths.max(initial=0))
    if longest > LONGEST:
        return _words_of_long(texts, lengths)
    data = np.frombuffer(texts.buffers()[2] or b"", np.uint8)[offsets[0] : offsets[-1]]
    bytes_ = np.zeros((len(texts), -(-longest // WORD) * WORD), np.uint8)
    bytes_[np.arange(bytes_.shape[1]) < lengths[:, None]] = data
    return bytes_.view(np.uint32).astype(np.uint64), lengths.astype(np.uint64)


def _words_of_long(texts: pa.Array, lengths: Array) -> tuple[Array, Array]:
    short = [text if len(text or b"") <= LONGEST else blake2b(text).digest() for text in texts.to_pylist()]
    return _words(pa.array(short, pa.large_binary()))[0], lengths.astype(np.uint64)
