"""The least and the greatest, the first and the last."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from facette.clock import Moment
from facette.live.columnar.columns import Array, Column, Texts, column_of, days, encoded
from facette.live.columnar.states import Events, Simple, ends


class Extreme(Simple):
    """The least or greatest number, date or instant; of days, how long ago it was.

    The value that stands for no event is one that none is beyond.
    """

    best: Array

    def __init__(self, of: str, dtype: np.dtype[Any], is_least: bool, is_recency: bool = False) -> None:
        self.of, self.is_recency = of, is_recency
        self._better = np.minimum if is_least else np.maximum
        if dtype == np.float64:
            self.none: float = np.inf if is_least else -np.inf
        else:
            self.none = np.iinfo(dtype).max if is_least else np.iinfo(dtype).min
        super().__init__({"best": (dtype, self.none)})

    def add(self, events: Events) -> None:
        self._better.at(self.best, events.rows, events[self.of].values)

    def affected(self, events: Events) -> Array:
        """The rows whose state rests on one of these events, which leave."""
        return events.rows[events[self.of].values == self.best[events.rows]]

    def merge(self, gone: Array, into: Array) -> None:
        self._better.at(self.best, into, self.best[gone])

    def load(self, parts: Mapping[str, pa.ChunkedArray], rows: Array) -> None:
        column = column_of(parts["state"])
        self.best[rows] = np.where(column.is_known, column.values, self.none)

    def value(self, rows: Array, moment: Moment) -> Column:
        best = self.best[rows]
        found = days(moment.today) - best.astype(np.int64) if self.is_recency else best
        return Column(found, best != self.none)


class TextExtreme(Simple):
    """The first or last text in the order of the alphabet, without regard to case."""

    best: Array

    def __init__(self, of: str, texts: Texts, is_least: bool) -> None:
        self.of, self.texts, self._sign = of, texts, -1 if is_least else 1
        super().__init__({"best": (np.int32, 0)})

    def add(self, events: Events) -> None:
        self._offer(events.rows, events[self.of].values)

    def _offer(self, rows: Array, codes: Array) -> None:
        rows, codes = np.append(rows, rows), np.append(codes, self.best[rows])
        rows, codes = rows[codes > 0], codes[codes > 0]
        ranks = self.texts.ranks(codes) * self._sign
        order = np.lexsort((ranks, rows))
        last = order[ends(rows[order])]
        self.best[rows[last]] = codes[last]

    def affected(self, events: Events) -> Array:
        return events.rows[events[self.of].values == self.best[events.rows]]

    def merge(self, gone: Array, into: Array) -> None:
        self._offer(into, self.best[gone])

    def load(self, parts: Mapping[str, pa.ChunkedArray], rows: Array) -> None:
        self.best[rows] = column_of(parts["state"], self.texts).values

    def value(self, rows: Array, moment: Moment) -> Column:
        codes = self.best[rows]
        return Column(codes, codes != 0, self.texts)


class Ranked(Simple):
    """The property of the earliest or latest event; ties at one instant go by event_id."""

    found: Array
    at: Array
    ids: Array

    def __init__(self, of: str, dtype: np.dtype[Any], texts: Texts | None, is_first: bool) -> None:
        self.of, self.texts, self._sign = of, texts, -1 if is_first else 1
        self.none = -self._sign * np.iinfo(np.int64).max
        super().__init__({"found": (dtype, 0), "at": (np.int64, self.none), "ids": ("S1", b"")})

    def add(self, events: Events) -> None:
        self._offer(events.rows, events[self.of].values, events["at"].values, events["event_id"].values)

    def _offer(self, rows: Array, values: Array, at: Array, ids: Array) -> None:
        """Let events stand beside what there is, and keep the best of each profile."""
        self.ids = self.ids.astype(np.promote_types(self.ids.dtype, ids.dtype), copy=False)
        best = self._best(rows, at, ids)
        rows, values, at, ids = (array[best] for array in (rows, values, at, ids))
        tied = np.flatnonzero(at == self.at[rows])
        is_better = at * self._sign > self.at[rows] * self._sign
        is_better[tied] = ids[tied] > self.ids[rows[tied]] if self._sign > 0 else ids[tied] < self.ids[rows[tied]]
        rows = rows[is_better]
        self.found[rows], self.at[rows], self.ids[rows] = values[is_better], at[is_better], ids[is_better]

    def _best(self, rows: Array, at: Array, ids: Array) -> Array:
        """The place of the best event of each row."""
        order = np.lexsort((at * self._sign, rows))
        places = np.flatnonzero(ends(rows[order]))
        best, before = order[places], order[np.maximum(places - 1, 0)]
        tied = (rows[before] == rows[best]) & (at[before] == at[best]) & (places > 0)
        for place in np.flatnonzero(tied):
            end = start = places[place]
            while start > 0 and rows[order[start - 1]] == rows[order[end]] and at[order[start - 1]] == at[order[end]]:
                start -= 1
            among = order[start : end + 1]
            best[place] = (max if self._sign > 0 else min)(among, key=ids.__getitem__)
        return best

    def affected(self, events: Events) -> Array:
        return events.rows[events["at"].values == self.at[events.rows]]

    def merge(self, gone: Array, into: Array) -> None:
        known = self.at[gone] != self.none
        self._offer(into[known], *(array[gone[known]] for array in (self.found, self.at, self.ids)))

    def load(self, parts: Mapping[str, pa.ChunkedArray], rows: Array) -> None:
        value, at = column_of(parts["value"], self.texts), column_of(parts["at"])
        known = np.broadcast_to(at.is_known, len(rows))
        self._offer(*(array[known] for array in (rows, value.values, at.values, encoded(parts["id"]))))

    def value(self, rows: Array, moment: Moment) -> Column:
        return Column(self.found[rows], self.at[rows] != self.none, self.texts)
