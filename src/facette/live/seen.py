"""What came before, so that it counts once: of each text 128 bits, by which it is known again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from facette.live.columnar.index import Index, extended, first_places

PORTION = 1 << 20


class Seen:
    """Texts that came. Two that are not the same are taken for the same once in 10^38.

    The two halves are the hashes that Python gives the text, and the text with another beginning: SipHash
    (J.-P. Aumasson and D. J. Bernstein, 2012) by a key of the process, so that nobody can write texts that meet.
    """

    def __init__(self) -> None:
        self._index = Index()
        self._seconds = np.empty(0, np.int64)
        self._others: set[tuple[int, int]] = set()

    def __len__(self) -> int:
        return len(self._index) + len(self._others)

    def add(self, texts: pa.Array | pa.ChunkedArray) -> None:
        """Know these from now on."""
        for start in range(0, len(texts), PORTION):
            self.new(texts.slice(start, PORTION))

    def new(self, texts: pa.Array | pa.ChunkedArray) -> np.ndarray:
        """The places of the texts that did not come before, of equal ones the first; they have come from now on."""
        firsts, seconds = _halves(texts.to_pylist())
        before = len(self._index)
        places = self._index.find(firsts)
        others = np.flatnonzero(places < 0)
        opening = others[first_places(firsts[others])]
        self._index.insert(firsts[opening])
        self._seconds = extended(self._seconds, len(self._index))
        self._seconds[before : len(self._index)] = seconds[opening]
        if len(opening) < len(others):  # some come twice
            places[others] = self._index.find(firsts[others])
        else:
            places[opening] = np.arange(before, len(self._index))
        found = [opening]
        for place in np.flatnonzero(self._seconds[places] != seconds).tolist():  # alike in the first half only
            key = (int(firsts[place]), int(seconds[place]))
            if key not in self._others:
                self._others.add(key)
                found.append(np.array([place]))
        return np.sort(np.concatenate(found))


def _halves(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    n = len(texts)
    firsts = np.fromiter(map(hash, texts), np.int64, n)
    return firsts, np.fromiter(map(hash, map("\x00".__add__, texts)), np.int64, n)
