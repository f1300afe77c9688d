"""Counts and exact sums, from which events can be taken away again."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from facette.clock import Moment
from facette.errors import RunError
from facette.live.columnar.columns import Array, Column, column_of
from facette.live.columnar.index import extended
from facette.live.columnar.states import ONE, Events, Simple

MOST_MILLIONTHS = 1e18  # 12 digits before the point and 6 after
WHOLE = 2**53
SPILL = 2**62


class Count(Simple):
    """How many events."""

    is_summed = True
    n: Array

    def __init__(self) -> None:
        super().__init__({"n": (np.int32, 0)})

    def add(self, events: Events) -> None:
        np.add.at(self.n, events.rows, ONE)

    def take(self, events: Events) -> None:
        np.subtract.at(self.n, events.rows, ONE)

    def merge(self, gone: Array, into: Array) -> None:
        np.add.at(self.n, into, self.n[gone])

    def load(self, parts: Mapping[str, pa.ChunkedArray], rows: Array) -> None:
        self.n[rows] = column_of(parts["state"]).values

    def value(self, rows: Array, moment: Moment) -> Column:
        return Column(self.n[rows].astype(np.int64))


class Total(Simple):
    """The exact sum of whole numbers, or of numbers in millionths; and how many they are.

    A total is ``low``, in the unit of the numbers. Long before that could overflow, whole units of totals in
    millionths are kept apart in ``high``; whole numbers beyond 2^62 are refused, as in batch.
    """

    is_summed = True
    low: Array
    n: Array

    def __init__(self, of: str, is_whole: bool, is_mean: bool) -> None:
        super().__init__({"low": (np.int64, 0)} | ({"n": (np.int32, 0)} if is_mean else {}))
        self.of, self.is_whole, self.is_mean = of, is_whole, is_mean
        self.high: Array | None = None
        self._bound = 0  # no total in ``low`` is further from 0

    def grow(self, n: int) -> None:
        super().grow(n)
        if self.high is not None:
            self.high = extended(self.high, n, 0, spare=0)

    def add(self, events: Events) -> None:
        self._sum(events.rows, events[self.of].values, 1)

    def take(self, events: Events) -> None:
        self._sum(events.rows, events[self.of].values, -1)

    def _sum(self, rows: Array, values: Array, sign: int) -> None:
        if not self.is_whole:
            values, fits = millionths(values)
            if not fits.all():
                rows, values = rows[fits], values[fits]
        if self.is_mean:
            np.add.at(self.n, rows, np.int32(sign))
        self._add(rows, values * sign)

    def _add(self, rows: Array, numbers: Array) -> None:
        most = max(abs(int(numbers.max())), abs(int(numbers.min()))) * len(numbers) if len(numbers) else 0
        if self._bound + most >= SPILL:
            self._spill()
            if self.high is not None:
                np.add.at(self.high, rows, numbers // 1_000_000)
                numbers, most = numbers % 1_000_000, 1_000_000 * len(numbers)
            elif self._bound + most >= SPILL:
                raise RunError(
                    f"the sums of {self.of} are too large to be exact",
                    remedy="Declare it in a larger unit, or as a number that is not whole.",
                )
        np.add.at(self.low, rows, numbers)
        self._bound += most

    def _spill(self) -> None:
        """Move whole units out of ``low``; of whole numbers, look how large the totals really are."""
        if not self.is_whole:
            self.high = np.zeros(len(self.low), np.int64) if self.high is None else self.high
            self.high += self.low // 1_000_000
            self.low %= 1_000_000
        self._bound = int(np.abs(self.low).max(initial=0))

    def clear(self, rows: Array) -> None:
        super().clear(rows)
        if self.high is not None:
            self.high[rows] = 0

    def merge(self, gone: Array, into: Array) -> None:
        if self.is_mean:
            np.add.at(self.n, into, self.n[gone])
        high = None if self.high is None else self.high[gone]
        self._add(into, self.low[gone])
        if self.high is not None and high is not None:
            np.add.at(self.high, into, high)

    def load(self, parts: Mapping[str, pa.ChunkedArray], rows: Array) -> None:
        if self.is_mean:
            self.n[rows] = column_of(parts["n"]).values
        total = parts["total" if self.is_mean else "state"]
        if self.is_whole:
            self._add(rows, column_of(total).values)
            return
        low, fits = _unscaled(total)
        self._add(rows[fits], low[fits])
        for row, number in zip(rows[~fits], total.filter(pa.array(~fits)).to_pylist(), strict=True):
            self._spill()
            assert self.high is not None
            self.high[row], self.low[row] = divmod(int(number.scaleb(6)), 1_000_000)

    def value(self, rows: Array, moment: Moment) -> Column:
        low, high = self.low[rows], None if self.high is None else self.high[rows]
        if not self.is_mean:
            return Column(low if self.is_whole else _number(low, high))
        total = (low.astype(np.float64) if self.is_whole else _number(low, high)) * 1e6
        n = self.n[rows]
        exact = np.where(np.abs(total) < WHOLE, np.rint(total), total)  # so that the mean is rounded once
        return Column(exact / (np.maximum(n, 1) * 1e6), n > 0)


def millionths(values: Array) -> tuple[Array, Array]:
    """Numbers in whole millionths, half of one away from zero, and which of them fit in 12 digits before the point."""
    scaled = values * 1e6
    fits = np.abs(scaled) < MOST_MILLIONTHS
    whole = np.trunc(scaled)
    whole += np.sign(scaled) * (np.abs(scaled - whole) >= 0.5)
    return np.where(fits, whole, 0).astype(np.int64), fits


def _unscaled(totals: pa.ChunkedArray) -> tuple[Array, Array]:
    """Fixed-point numbers of 128 bits in their last digit's unit, 0 for null, and which of them fit in 63 bits."""
    array = totals.cast(pa.decimal128(38, 6)).combine_chunks()
    words = np.frombuffer(array.buffers()[1], np.int64)[2 * array.offset :][: 2 * len(array)].reshape(-1, 2)
    known = array.is_valid().to_numpy(zero_copy_only=False)
    low, high = (np.where(known, words[:, place], 0) for place in (0, 1))
    fits = (high == low >> 63) & (np.abs(low) < SPILL)
    return low, fits


def _number(low: Array, high: Array | None) -> Array:
    """Millionths as the nearest number; beyond 2^53 the whole part and the rest are each rounded, as in DuckDB."""
    if high is None and not (np.abs(low) > WHOLE).any():
        return low / 1e6
    whole, rest = low // 1_000_000, low % 1_000_000
    whole = whole if high is None else whole + high
    is_below = (whole < 0) & (rest > 0)
    whole, rest = whole + is_below, rest - 1_000_000 * is_below
    is_small = np.abs(whole) < WHOLE // 1_000_000
    return np.where(is_small, (np.where(is_small, whole, 0) * 1_000_000 + rest) / 1e6, whole + rest / 1e6)
