"""The algebra of aggregates: prepare (events → state), merge (states → state), finalize (state → value).

One :class:`Algebra` per function of the rule language. A state is a few columns; each says how it is prepared from
events and how two of them merge, so that ``finalize(merge(prepare(a), prepare(b)))`` is ``finalize(prepare(a + b))``
however the events are cut. Events where the aggregated property is unknown do not count.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir

from facette.clock import DAYS_AS_BITS, Moment, days_at_most
from facette.definitions.language import tree
from facette.warehouse.compiler import Bound
from facette.warehouse.engines import (
    any_bit,
    bit,
    expressible,
    n_bits,
    ordered,
    set_among,
    set_of,
    to_decimal,
    total_of,
    union_of,
)


@dataclass(frozen=True)
class Matching:
    """The events an aggregate is about: ``keep`` says which, ``of`` is the aggregated property, if there is one.

    texts : all values that the property has, where that is known
    """

    events: ir.Table
    keep: ir.BooleanValue | None
    of: Any
    texts: tuple[str, ...] | None = None

    def values(self) -> ir.Value:
        """The property of the events that are meant, else null."""
        return self._where(self.keep, self.of)

    def only(self, column: ir.Value) -> ir.Value:
        """Another column of the events that are meant and whose property is known, else null."""
        known = None if self.of is None else self.of.notnull()
        return self._where(known if self.keep is None else self.keep if known is None else self.keep & known, column)

    def count(self) -> ir.IntegerScalar:
        """How many events are meant, of those whose property is known."""
        return (self.only(self.events.profile_id) if self.of is None else self.values()).count()

    @staticmethod
    def _where(condition: ir.BooleanValue | None, column: ir.Value) -> ir.Value:
        return column if condition is None else ibis.ifelse(condition, column, ibis.null(column.type()))


States = Mapping[str, ir.Column]
Prepare = Callable[[Matching], ir.Scalar]
Merge = Callable[[ir.Column], ir.Scalar]
Age = Callable[[States, tree.InTheLast, Moment, Moment], dict[str, ir.Value]]


@dataclass(frozen=True)
class Algebra:
    """How one function is computed.

    prepare, merge : state column's suffix → how to make it
    finalize       : state columns and moment → value
    read           : what is made of the property before it is aggregated, once for all aggregates of it
    is_summed      : all state columns are sums, from which the states of events can be taken away again, exactly
    age            : state columns, window in days, moment of the state, and now → the same without what has left
                     the window since; None if the state does not tell
    """

    prepare: Mapping[str, Prepare]
    merge: Mapping[str, Callable[[Mapping[str, ir.Column]], ir.Scalar]]
    finalize: Callable[[Mapping[str, ir.Column], Bound], ir.Value]
    read: Callable[[ir.Value], ir.Value] | None = None
    is_summed: bool = False
    age: Age | None = None


WHOLE = 2.0**53
"""Every floating-point number beyond this is a whole number."""


def _exact(column: ir.NumericValue) -> ir.NumericValue:
    """A number with six decimals in fixed point: sums of these do not depend on the order of adding.

    Numbers beyond 1e12 (either sign) cannot be summed exactly and do not count.
    """
    return column if column.type().is_integer() else to_decimal(column, 18, 6)


def _total(column: ir.NumericColumn) -> ir.NumericScalar:
    """The sum of integers or of fixed-point numbers, in a type that does not depend on the engine."""
    if column.type().is_integer():  # DuckDB makes it 128 bits wide, which Ibis does not see and Parquet cannot hold
        return column.sum().cast("decimal(38, 0)").cast("int64")
    return total_of(column, 6)


def _day(day: Any) -> ir.DateValue:
    return day if isinstance(day, ir.Value) else ibis.literal(day)


def _comparable(column: ir.Value) -> ir.Value:
    """Texts that differ in case only are one."""
    return column.lower() if column.type().is_string() else column


def _number(total: ir.NumericColumn) -> ir.NumericColumn:
    return total if total.type().is_integer() else total.cast("float64")


def _mean(total: ir.NumericColumn, n: ir.IntegerColumn) -> ir.FloatingColumn:
    """Of whole millionths, so that it is rounded once: 59.70 / 3 is 19.90, not 19.900000000000002."""
    millionths = total.cast("float64") * 1e6
    broken = ibis.ifelse(millionths.abs() < WHOLE, millionths, ibis.null("float64"))
    whole = ibis.coalesce(broken.round().cast("float64"), millionths)  # rounding to 0 digits keeps 15 on PostgreSQL
    return whole / (n.cast("float64") * 1e6).nullif(0.0)


def _least(column: ir.Column) -> ir.Scalar:
    return column.argmin(_rank(column), where=column.notnull()) if column.type().is_string() else column.min()


def _greatest(column: ir.Column) -> ir.Scalar:
    return column.argmax(_rank(column), where=column.notnull()) if column.type().is_string() else column.max()


def _rank(text: ir.StringColumn) -> ir.StructColumn:
    """Text is ordered without regard to case; of texts that differ in case only, upper case comes first."""
    return ibis.struct({"comparable": ordered(_comparable(text)), "written": ordered(text)})


def _ranked(order: str) -> Algebra:
    """The property of the earliest or latest event; ties at one instant go by event_id."""

    def pick(value: ir.Value, at: ir.Value, event_id: ir.Value) -> ir.Scalar:
        key = ibis.struct({"at": at, "event_id": ordered(event_id)})
        chosen = at.notnull()
        return value.argmin(key, where=chosen) if order == "first" else value.argmax(key, where=chosen)

    def extreme(column: ir.Value) -> ir.Scalar:
        return column.min() if order == "first" else column.max()

    return Algebra(
        prepare={
            "value": lambda m: pick(m.of, m.only(m.events.at), m.events.event_id),
            "at": lambda m: extreme(m.only(m.events.at)),
            "id": lambda m: pick(m.events.event_id, m.only(m.events.at), m.events.event_id),
        },
        merge={
            "value": lambda s: pick(s["value"], s["at"], s["id"]),
            "at": lambda s: extreme(s["at"]),
            "id": lambda s: pick(s["id"], s["at"], s["id"]),
        },
        finalize=lambda s, moment: s["value"],
    )


def _reduced(
    prepare: Prepare,
    merge: Merge,
    finalize: Callable[[ir.Column, Bound], ir.Value],
    read: Callable[[ir.Value], ir.Value] | None = None,
    is_summed: bool = False,
    age: Age | None = None,
) -> Algebra:
    """A state of one column."""
    joined = {"state": lambda s: merge(s["state"])}
    return Algebra({"state": prepare}, joined, lambda s, m: finalize(s["state"], m), read, is_summed, age)


def _latest_in_window(states: States, window: tree.InTheLast, before: Moment, now: Moment) -> dict[str, ir.Value]:
    """The latest day, if it is in the window still; if it is not, no other is."""
    day = states["state"]
    return {"state": ibis.ifelse(day >= now.day_ago(window.amount, window.unit), day, ibis.null(day.type()))}


def _days_in_window(states: States, window: tree.InTheLast, before: Moment, now: Moment) -> dict[str, ir.Value]:
    """The days that were seen before and are in the window still; days that come take the places of those that left."""
    days = range(now.day_ago(window.amount, window.unit).toordinal(), before.today.toordinal() + 1)
    return {"state": states["state"] & sum(1 << (day - date.min.toordinal()) % DAYS_AS_BITS for day in days)}


def _opening(days: ir.Column, values: ir.Column) -> ir.Scalar:
    """The sum of the values of the first of the days."""
    found = ibis.ifelse(days.notnull(), ibis.struct({"day": days, "value": values}), ibis.null(_dated(days, values)))
    first = _once(found.collect(), _of_the_first_day)
    total = first.map(lambda one: one["value"]).sums()
    return total.cast("int64" if values.type().is_integer() else "decimal(38, 6)")


def _of_the_first_day(found: ir.ArrayValue) -> ir.ArrayValue:
    days = found.map(lambda one: one["day"])
    return _once(days.mins(), lambda first: found.filter(lambda one: one["day"] == first))


def _dated(days: ir.Column, values: ir.Column) -> dt.Struct:
    return dt.Struct({"day": days.type(), "value": values.type()})


def _most_frequent(found: ir.ArrayColumn) -> ir.Value:
    """Of the values of all events that are meant: the most frequent, of several the latest, of those the smallest."""
    kinds = found.map(lambda one: _comparable(one["value"])).unique()
    counted = kinds.map(
        lambda kind: _once(found.filter(lambda one: _comparable(one["value"]) == kind), lambda of: _counted(kind, of))
    )
    return _once(counted, _winner)


def _counted(kind: ir.Value, found: ir.ArrayValue) -> ir.StructValue:
    return ibis.struct(
        {
            "n": found.length(),
            "at": found.map(lambda one: one["at"]).maxs(),
            "kind": kind,
            "value": found.map(lambda one: one["value"]).mins(),
        }
    )


def _winner(counted: ir.ArrayValue) -> ir.Value:
    most = counted.map(lambda one: ibis.struct({"n": one["n"], "at": one["at"]})).maxs()
    best = _once(most, lambda most: counted.filter(lambda one: (one["n"] == most["n"]) & (one["at"] == most["at"])))
    return best.map(lambda one: ibis.struct({"kind": one["kind"], "value": one["value"]})).mins()["value"]


def _once(value: ir.Value, use: Callable[[Any], ir.Value]) -> ir.Value:
    """What is made of a value that is computed once: in a lambda, engines compute it again for every element."""
    return ibis.array([value]).map(use)[0]


ALGEBRAS: dict[tree.Measure, Algebra] = {
    "count": _reduced(lambda m: m.count(), _total, lambda s, moment: s.fill_null(0), is_summed=True),
    "sum": _reduced(
        lambda m: _total(m.values()), _total, lambda s, moment: _number(s).fill_null(0), read=_exact, is_summed=True
    ),
    "avg": Algebra(
        prepare={"total": lambda m: _total(m.values()), "n": lambda m: m.count()},
        merge={"total": lambda s: _total(s["total"]), "n": lambda s: _total(s["n"])},
        finalize=lambda s, moment: _mean(s["total"], s["n"]),
        read=_exact,
        is_summed=True,
    ),
    "min": _reduced(lambda m: _least(m.values()), _least, lambda s, moment: s),
    "max": _reduced(lambda m: _greatest(m.values()), _greatest, lambda s, moment: s),
    "first": _ranked("first"),
    "last": _ranked("last"),
    "mode": _reduced(
        lambda m: m.only(ibis.struct({"value": m.of, "at": expressible("mode", m.events.at)})).collect(),
        lambda s: s.collect().flatten(),
        lambda s, moment: _most_frequent(s),
    ),
    "distinct": _reduced(
        lambda m: set_of(m.values()) if m.texts is None else set_among(m.values(), m.texts),
        union_of,
        lambda s, moment: s.length().fill_null(0),
        read=_comparable,
    ),
    "recency": _reduced(
        lambda m: m.only(m.events.day).max(),
        lambda s: s.max(),
        lambda s, moment: _day(moment.today).delta(s, unit="day"),
        age=_latest_in_window,
    ),
    "opening": Algebra(
        prepare={
            "day": lambda m: m.only(m.events.day).min(),
            "total": lambda m: _opening(m.only(expressible("opening", m.events.day)), m.values()),
        },
        merge={"day": lambda s: s["day"].min(), "total": lambda s: _opening(s["day"], s["total"])},
        finalize=lambda s, moment: _number(s["total"]),
        read=_exact,
    ),
}

# The days of a short window are bits of one number, the day's place in a cycle of 63 days: far cheaper than a set.
DAYS_OF_A_SHORT_WINDOW = _reduced(
    lambda m: any_bit(bit(m.values().delta(date.min, unit="day") % DAYS_AS_BITS)),
    any_bit,
    lambda s, moment: n_bits(s).fill_null(0),
    age=_days_in_window,
)

# The first or last instant needs no separate key: it is its own.
FIRST_AT = ALGEBRAS["min"]
LAST_AT = ALGEBRAS["max"]


def algebra(aggregate: tree.Aggregate) -> Algebra:
    """The algebra that computes an aggregate."""
    if aggregate.of == "at" and aggregate.function in ("first", "last"):
        return FIRST_AT if aggregate.function == "first" else LAST_AT
    if aggregate.function == "distinct" and aggregate.of == "day" and _fits(aggregate.window):
        return DAYS_OF_A_SHORT_WINDOW
    return ALGEBRAS[aggregate.function]


def _fits(window: tree.Window | None) -> bool:
    """Whether all days of a window, today among them, have places of their own in the cycle."""
    return isinstance(window, tree.InTheLast) and days_at_most(window.amount, window.unit) <= DAYS_AS_BITS
