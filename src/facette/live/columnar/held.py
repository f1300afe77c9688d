"""All events of one kind, found by profile."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import numpy as np

from facette.live.columnar.columns import Array, Column, joined
from facette.live.columnar.kept import Picked
from facette.live.columnar.states import different

MOST_UNSORTED = 1 << 18
GONE = -1
"""Stands in place of the profile of an event that was moved or removed."""

Part = tuple[Array, dict[str, Column]]
"""The profile's row of each of some events, and their columns."""


class Held:
    """Events in the order of their profiles, and beside them those that came since they were last put in order.

    names : the columns that are held
    """

    def __init__(self, names: Collection[str]) -> None:
        self.names = sorted(names)
        self._sorted: Part | None = None
        self._starts = np.zeros(1, np.intp)  # where the events of each row begin there; at last, where they end
        self._others: list[Part] = []

    def add(self, rows: Array, columns: Mapping[str, Column]) -> None:
        """Take in events: the profile's row of each, and at least the columns that are held."""
        if not len(rows):
            return
        self._others.append((rows.astype(np.int32), {name: columns[name] for name in self.names}))
        if sum(len(part) for part, _ in self._others) > MOST_UNSORTED:
            self._sort()

    def of(self, rows: Array) -> Picked | None:
        """The events of some profiles, all different; None if there are none."""
        found = [
            (part[places], {name: column[places] for name, column in columns.items()})
            for part, columns, places in self._places(rows)
            if len(places)
        ]
        if not found:
            return None
        owners, columns = _together(found)
        return Picked(owners.astype(np.intp), columns)

    def owners(self) -> Array:
        """The rows of profiles that have events."""
        return self._different([part for part, _ in self._parts()])

    def owners_between(self, axis: str, start: int, end: int) -> Array:
        """The rows of profiles that have events in an interval of ``day`` or ``at``."""
        columns = ((part, columns[axis].values) for part, columns in self._parts())
        return self._different([part[(values >= start) & (values < end)] for part, values in columns])

    def remove(self, rows: Array) -> None:
        """Forget the events of some profiles, all different."""
        for part, _, places in self._places(rows):
            part[places] = GONE

    def move(self, gone: Array, into: Array) -> None:
        """Give the events of some profiles, all different, to others."""
        events = self.of(gone)
        if events is not None:
            self.remove(gone)
            order = np.argsort(gone)
            owners = into[order][np.searchsorted(gone[order], events.rows)]
            self.add(owners, {name: events[name] for name in self.names})

    def _parts(self) -> list[Part]:
        if len(self._others) > 1:
            self._others = [_together(self._others)]
        return [*([self._sorted] if self._sorted else []), *self._others]

    def _places(self, rows: Array) -> Iterator[tuple[Array, dict[str, Column], Array]]:
        """Both parts, and where the events of some profiles are in them."""
        is_meant = np.zeros(int(rows.max(initial=-1)) + 2, np.bool_)  # the last one is that of GONE
        is_meant[rows] = True
        for part, columns in self._parts():
            if self._sorted and part is self._sorted[0]:
                there = rows[rows < len(self._starts) - 1]
                starts, lengths = self._starts[there], self._starts[there + 1] - self._starts[there]
                places = np.repeat(starts - np.cumsum(lengths) + lengths, lengths) + np.arange(lengths.sum())
                yield part, columns, places[part[places] != GONE]
            else:
                yield part, columns, np.flatnonzero(is_meant[np.minimum(part, len(is_meant) - 1)])

    def _sort(self) -> None:
        rows, columns = _together(self._parts())
        places = np.flatnonzero(rows != GONE)
        order = places[np.argsort(rows[places], kind="stable")]
        rows = rows[order]
        self._sorted = (rows, {name: column[order] for name, column in columns.items()})
        self._starts = np.searchsorted(rows, np.arange(int(rows.max(initial=-1)) + 2))
        self._others = []

    @staticmethod
    def _different(found: list[Array]) -> Array:
        rows = different(np.concatenate([*found, np.empty(0, np.int32)]))
        return rows[rows != GONE].astype(np.intp)


def _together(parts: list[Part]) -> Part:
    names = parts[0][1]
    columns = {name: joined([columns[name] for _, columns in parts]) for name in names}
    return np.concatenate([rows for rows, _ in parts]), columns
