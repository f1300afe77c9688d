"""Many moments at once: each row is evaluated at a moment of its own, with the boundaries of time as columns.

A :class:`Moments` stands wherever a ``Moment`` is asked for. The rows it is used on carry the columns of
:meth:`Moments.spread`; what ``Moment`` answers with a constant, it answers with one of those columns.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from facette.clock import CALENDAR_UNITS, Moment

INSTANT = pa.timestamp("us", "UTC")


@dataclass(frozen=True)
class Moments:
    """Some moments in one time zone, for rules and aggregates that reach back by the given durations.

    durations : (amount, unit) of every duration, window and relative day that will be asked for
    """

    moments: tuple[Moment, ...]
    durations: frozenset[tuple[int, str]]

    def spread(self, table: ir.Table) -> ir.Table:
        """Each row once per moment, with the position of the moment (0, 1, …) in place of its profile_id."""
        return table.drop("profile_id").cross_join(self._table()).rename(profile_id="_position")

    def of(self, table: ir.Table) -> MomentOfRow:
        return MomentOfRow(table, self.moments[0])

    def _table(self) -> ir.Table:
        return ibis.memtable(self.rows())

    def rows(self) -> pa.Table:
        """What :meth:`spread` adds: a row for each moment."""
        columns = {
            "_position": pa.array(range(len(self.moments)), pa.int64()),
            "_as_of": self._instants(moment.as_of for moment in self.moments),
            "_known_at": self._instants(moment.known_at for moment in self.moments),
            "_today": pa.array([moment.today for moment in self.moments], pa.date32()),
        }
        for amount, unit in sorted(self.durations):
            name = boundary(amount, unit)
            if unit in CALENDAR_UNITS:
                days = [moment.day_ago(amount, unit) for moment in self.moments]
                pairs = list(zip(self.moments, days, strict=True))
                columns[name] = pa.array(days, pa.date32())
                columns[f"{name}_start"] = self._instants(moment.start_of(day) for moment, day in pairs)
                columns[f"{name}_end"] = self._instants(moment.end_of(day) for moment, day in pairs)
            else:
                for steps in (amount, amount + 1):  # an age of n hours ends where one of n + 1 begins
                    ago = self._instants(moment.step_ago(steps, unit) for moment in self.moments)
                    columns[boundary(steps, unit)] = ago
        return pa.table(columns)

    @staticmethod
    def _instants(values: Iterable[object]) -> pa.Array:
        return pa.array(list(values), INSTANT)


@dataclass(frozen=True)
class MomentOfRow:
    """The moment of each row of a table: answers like ``Moment``, in columns."""

    table: ir.Table
    first: Moment

    @property
    def as_of(self) -> ir.TimestampColumn:
        return self.table["_as_of"]

    @property
    def known_at(self) -> ir.TimestampColumn:
        return self.table["_known_at"]

    @property
    def today(self) -> ir.DateColumn:
        return self.table["_today"]

    def day_ago(self, amount: int, unit: str) -> ir.DateColumn:
        return self.table[boundary(amount, unit)]

    def step_ago(self, amount: int, unit: str) -> ir.TimestampColumn:
        return self.table[boundary(amount, unit)]

    def start_of(self, day: date | ir.DateColumn) -> object:
        return self.first.start_of(day) if isinstance(day, date) else self.table[f"{day.get_name()}_start"]

    def end_of(self, day: date | ir.DateColumn) -> object:
        return self.first.end_of(day) if isinstance(day, date) else self.table[f"{day.get_name()}_end"]

    def of(self, table: ir.Table) -> MomentOfRow:
        return MomentOfRow(table, self.first)


def boundary(amount: int, unit: str) -> str:
    """The column that holds what lies ``amount`` units before each row's moment."""
    return f"_{amount}_{unit}_ago"
