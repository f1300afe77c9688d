"""How many different values, and how many different days."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from facette.clock import DAYS_AS_BITS, Moment
from facette.live.columnar.columns import Array, Column, Texts, column_of
from facette.live.columnar.index import Index, extended
from facette.live.columnar.states import ONE, Events, Simple, different

ORDINAL_OF_1970 = 719_163


class DaysOfAShortWindow(Simple):
    """How many different days, as bits of one number: the day's place in a cycle of 63 days."""

    bits: Array

    def __init__(self) -> None:
        super().__init__({"bits": (np.uint64, 0)})

    def add(self, events: Events) -> None:
        np.bitwise_or.at(self.bits, events.rows, _bit(events["day"].values))

    def forget(self, first: int, end: int) -> None:
        """Forget the days from the first to before the end, which have left the window."""
        left = _bit(np.arange(first, min(end, first + DAYS_AS_BITS)))
        self.bits &= ~np.bitwise_or.reduce(left, initial=np.uint64(0))

    def merge(self, gone: Array, into: Array) -> None:
        np.bitwise_or.at(self.bits, into, self.bits[gone])

    def load(self, parts: Mapping[str, pa.ChunkedArray], rows: Array) -> None:
        raise TypeError("the days of a moving window are made from its events")

    def value(self, rows: Array, moment: Moment) -> Column:
        return Column(np.bitwise_count(self.bits[rows]).astype(np.int64))


def _bit(day: Array) -> Array:
    return np.uint64(1) << ((day + (ORDINAL_OF_1970 - 1)) % DAYS_AS_BITS).astype(np.uint64)


class Distinct(Simple):
    """How many different values: each pair of a profile and a value has a place, with how many events have it."""

    is_summed = True
    n: Array

    def __init__(self, of: str, texts: Texts | None) -> None:
        super().__init__({"n": (np.int32, 0)})
        self.of, self.texts = of, texts
        self._pairs, self._values = Index(), Index()
        self._times = np.empty(0, np.int32)

    def add(self, events: Events) -> None:
        self._count(self._keys(events.rows, events[self.of]), 1)

    def _count(self, keys: Array, times: Any) -> None:
        places = self._pairs.add(keys)
        self._times = extended(self._times, len(self._pairs), 0)
        fresh = different(places[self._times[places] == 0])
        np.add.at(self._times, places, np.asarray(times, np.int32))
        np.add.at(self.n, self._pairs.keys[fresh] >> 32, ONE)

    def take(self, events: Events) -> None:
        places = self._pairs.find(self._keys(events.rows, events[self.of]))
        np.subtract.at(self._times, places, ONE)
        gone = different(places[self._times[places] == 0])
        np.subtract.at(self.n, self._pairs.keys[gone] >> 32, ONE)

    def _keys(self, rows: Array, column: Column) -> Array:
        return rows << 32 | self._code(column).astype(np.int64) & 0xFFFFFFFF

    def _code(self, column: Column) -> Array:
        """A number of 32 bits for each different value."""
        if column.texts is not None:
            return column.texts.comparable[column.values]
        if column.values.dtype in (np.int32, np.bool_):
            return column.values
        values = column.values + 0.0 if column.values.dtype == np.float64 else column.values  # -0.0 is 0.0
        return self._values.add(values.view(np.int64))

    def clear(self, rows: Array) -> None:
        self._times[self._of(rows)] = 0
        self.n[rows] = 0

    def merge(self, gone: Array, into: Array) -> None:
        places = self._of(gone)
        order = np.argsort(gone)
        owner = into[order][np.searchsorted(gone[order], self._pairs.keys[places] >> 32)]
        self._count(owner << 32 | self._pairs.keys[places] & 0xFFFFFFFF, self._times[places])

    def _of(self, rows: Array) -> Array:
        """The places of all pairs of some profiles."""
        is_meant = np.zeros(len(self.n), np.bool_)
        is_meant[rows] = True
        places = np.flatnonzero(is_meant[self._pairs.keys >> 32])
        return places[self._times[places] > 0]

    def tidy(self) -> None:
        """Give back the room of pairs that are no more, where those are most."""
        kept = self._times[: len(self._pairs)] > 0
        if 2 * kept.sum() < len(kept):
            keys, times = self._pairs.keys[kept], self._times[: len(kept)][kept]
            self._pairs, self._times = Index(), times
            self._pairs.add(keys)

    def load(self, parts: Mapping[str, pa.ChunkedArray], rows: Array) -> None:
        sets = parts["state"].combine_chunks()
        owner = rows[pc.list_parent_indices(sets).to_numpy()]
        column = column_of(pc.list_flatten(sets), self.texts)
        places = np.flatnonzero(np.broadcast_to(column.is_known, len(owner)))
        self._count(self._keys(owner[places], column[places]), 1)

    def value(self, rows: Array, moment: Moment) -> Column:
        return Column(self.n[rows].astype(np.int64))
