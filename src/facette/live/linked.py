"""Links between identifiers, and which of them belong together: columns of whole numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from facette.live.columnar.index import Index, extended
from facette.profiles.identity import INSTANT, UNKNOWN_INSTANT

Array = np.ndarray[Any, Any]

SOURCES = 1 << 16
"""There are fewer sources than this."""


class Links:
    """Links between codes of identifiers; one per pair and source.

    a, b, source, seen : of each link its codes (a of the more trusted kind), its source, when it was first seen (µs)
    over               : why it is refused, the place of the reason; -1 if it stands
    refused            : the places of the links that are refused
    """

    STORED = ("a", "b", "source", "seen", "over", "refused", "sources", "reasons", "_pairs", "_index")

    def __init__(self) -> None:
        self.a, self.b, self.seen = (np.empty(0, np.int64) for _ in range(3))
        self.source, self.over = (np.empty(0, np.int32) for _ in range(2))
        self.refused = np.empty(0, np.int64)
        self.sources: list[str] = []
        self.reasons: list[str] = []
        self._pairs, self._index = Index(), Index()

    def __len__(self) -> int:
        return len(self._index)

    def find(self, a: Array, b: Array, source: str) -> Array:
        """The place of each link, -1 where it is not there."""
        if source not in self.sources:
            return np.full(len(a), -1)
        pair = self._pairs.find(_pair(a, b))
        return np.where(pair < 0, -1, self._index.find(pair * SOURCES + self.sources.index(source)))

    def put(self, a: Array, b: Array, links: pa.Table) -> tuple[int, Array]:
        """Know links in place of those with their keys.

        links   : source, seen_at, is_refused, reason of the links between the codes
        returns : the place of the first new one; the places of those that are new or other than they were
        """
        source = _numbered(links["source"], self.sources)
        seen = np.where(links["seen_at"].is_null(), UNKNOWN_INSTANT, micros(links["seen_at"]))
        over = _numbered(links["reason"], self.reasons)
        first = len(self)
        places = self._index.add(self._pairs.add(_pair(a, b)) * SOURCES + source)
        n = len(self)
        self.a, self.b, self.seen = (extended(each, n) for each in (self.a, self.b, self.seen))
        self.source, self.over = extended(self.source, n), extended(self.over, n)
        differs = (places >= first) | (self.seen[places] != seen) | (self.over[places] != over)
        was_refused = (self.over[places[places < first]] >= 0).any()
        self.a[places], self.b[places], self.source[places] = a, b, source
        self.seen[places], self.over[places] = seen, over
        if was_refused or (over >= 0).any():
            self.refused = np.flatnonzero(self.over[:n] >= 0)
        return first, places[differs]


class Groups:
    """Which elements (0, 1, 2 …) each group has."""

    def __init__(self, groups: Array | None = None) -> None:
        """groups : of each element its group"""
        self._given = np.empty(0, np.int64) if groups is None else groups.copy()
        self._ordered: tuple[Array, Array] | None = None
        self._now: dict[int, list[int]] = {}  # in place of those before
        self._more: dict[int, list[int]] = {}  # besides those before

    def of(self, groups: Array) -> Array:
        """The elements of some groups."""
        found: list[int] = []
        as_before = []
        for group in groups.tolist():
            own = self._now.get(group)
            if own is None:
                as_before.append(group)
                own = self._more.get(group, [])
            found += own
        return np.concatenate([self._before(np.array(as_before, np.int64)), np.array(found, np.int64)])

    def add(self, groups: Array, first: int) -> None:
        """New elements, from ``first`` on, with their groups."""
        for element, group in enumerate(groups.tolist(), first):
            if group in self._now:
                self._now[group].append(element)
            else:
                self._more.setdefault(group, []).append(element)

    def replace(self, gone: Array, elements: Array, groups: Array) -> frozenset[int]:
        """All elements of some groups, and others, are in these groups now; returns those."""
        for group in gone.tolist():
            self._now[group] = []
        for element, group in zip(elements.tolist(), groups.tolist(), strict=True):
            self._now.setdefault(group, []).append(element)
        return frozenset(groups.tolist())

    def _before(self, groups: Array) -> Array:
        if self._ordered is None:  # not before somebody asks
            order = np.argsort(self._given, kind="stable")
            self._ordered, self._given = (self._given[order], order), self._given[:0]
        ordered, elements = self._ordered
        start, end = (np.searchsorted(ordered, groups, side) for side in ("left", "right"))
        n = end - start
        return elements[np.repeat(start - np.cumsum(n) + n, n) + np.arange(n.sum())]


def micros(instants: pa.Array | pa.ChunkedArray) -> Array:
    """Microseconds; 0 where there is none."""
    return np.asarray(pc.fill_null(instants.cast(INSTANT).cast(pa.int64()), 0))


def _pair(a: Array, b: Array) -> Array:
    return a << 32 | b


def _numbered(names: pa.ChunkedArray, known: list[str]) -> Array:
    """The place of each name among those known, which grow; -1 for none."""
    known += [name for name in names.unique().to_pylist() if name is not None and name not in known]
    return np.asarray(pc.fill_null(pc.index_in(names, pa.array(known, pa.string())), -1)).astype(np.int64)
