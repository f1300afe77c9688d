"""Partials: for every profile the mergeable state of every aggregate over one kind of event, as of a moment.

How a later run makes them from those of the run before is in ``features/rolling.py``.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Mapping

import ibis
import ibis.expr.types as ir

from facette.definitions.language import tree
from facette.features.aggregates import Matching, algebra
from facette.features.sequences import EventTables, nexts_in, with_next
from facette.warehouse.compiler import When, compile_rule, in_window, visible
from facette.warehouse.engines import engine_of

Aggregates = Mapping[str, tree.Aggregate]
Texts = Mapping[str, tuple[str, ...]]

FEW_TEXTS = 63
"""So many values have a bit of a number each."""

SOME_ROWS = 100_000


def by_event(aggregates: Mapping[str, tree.Aggregate]) -> dict[str, dict[str, tree.Aggregate]]:
    """Aggregates grouped by the kind of event they are over."""
    grouped: dict[str, dict[str, tree.Aggregate]] = {}
    for column, aggregate in aggregates.items():
        grouped.setdefault(aggregate.event, {})[column] = aggregate
    return grouped


def prepare(
    events: ir.Table,
    aggregates: Aggregates,
    moment: When,
    tables: EventTables | None = None,
    texts: Texts | None = None,
) -> ir.Table:
    """The state of each aggregate for each profile with a visible event.

    events     : profile_id, event_id, at, known_at, day, hour, weekday, properties
    aggregates : column → aggregate, all over this kind of event
    tables     : all events of the kinds that its sequences name; needed only where there are sequences
    texts      : what :func:`texts_in` found; without it the same, more slowly
    returns    : profile_id, <column>__<state> …
    cost       : one scan and one hash aggregation, whatever the number of aggregates; a sort for each sequence
    """
    return states_of(with_nexts(events, aggregates, tables or {}, moment), aggregates, moment, texts=texts)


def texts_in(events: ir.Table, aggregates: Aggregates) -> dict[str, tuple[str, ...]]:
    """Text property whose different values are asked for → all that it has, in lower case, where they are few.

    Reads that column of the events, unless the first rows already have many values. Only on DuckDB.
    """
    found = {}
    asked = {item.of for item in aggregates.values() if item.function == "distinct" and item.of in events.columns}
    for name in sorted(name for name in asked if name and events[name].type().is_string()):
        if engine_of(events[name]) != "duckdb":
            continue
        texts: list[str] = []
        for rows in (events.limit(SOME_ROWS), events):
            lowered = rows.filter(rows[name].notnull()).select(text=rows[name].lower())
            texts = lowered.distinct().limit(FEW_TEXTS + 1).to_pyarrow()["text"].to_pylist()
            if len(texts) > FEW_TEXTS:
                break
        if texts and len(texts) <= FEW_TEXTS:
            found[name] = tuple(sorted(texts))
    return found


def kinds_needed(aggregates: Aggregates) -> set[str]:
    """The kinds of events that the sequences among the aggregates name."""
    return {following.event for following in nexts_in(aggregates.values()).values()}


def with_nexts(events: ir.Table, aggregates: Aggregates, tables: EventTables, moment: When) -> ir.Table:
    """The events with what comes after each of them, for every sequence among the aggregates."""
    nexts = nexts_in(aggregates.values())
    if not nexts:
        return events
    kind = next(iter(aggregates.values())).event
    return with_next(events, kind, nexts, tables, moment)


def states_of(
    events: ir.Table,
    aggregates: Aggregates,
    moment: When,
    unless: When | None = None,
    texts: Texts | None = None,
) -> ir.Table:
    """The states of the aggregates; with ``unless`` of those events alone that did not take part at that moment."""
    seen = events.filter(visible(events, moment))
    conditions = _conditions(seen, aggregates, moment)
    if unless is not None:
        others = _conditions(seen, aggregates, unless)
        conditions = {key: (name, _but_not(now, others[key][1])) for key, (name, now) in conditions.items()}
    columns = {name: condition for name, condition in conditions.values() if condition is not None}
    columns |= {_property(item): _read(item, seen) for item in aggregates.values() if algebra(item).read}
    seen = seen.mutate(**columns) if columns else seen
    states: dict[str, ir.Scalar] = {}
    for column, aggregate in aggregates.items():
        name, condition = conditions[aggregate.where, aggregate.window]
        of = None if aggregate.of is None else seen[_property(aggregate)]
        values = (texts or {}).get(aggregate.of or "")
        matching = Matching(seen, None if condition is None else seen[name], of, values)
        for suffix, make in algebra(aggregate).prepare.items():
            states[f"{column}__{suffix}"] = make(matching)
    return seen.group_by("profile_id").agg(**states)


def merge(partials: tuple[ir.Table, ...], aggregates: Aggregates) -> ir.Table:
    """Partials of disjoint sets of events as the partials of all of them; same columns."""
    together = ibis.union(*partials) if len(partials) > 1 else partials[0]
    states: dict[str, ir.Scalar] = {}
    for column, aggregate in aggregates.items():
        of = algebra(aggregate)
        parts = {suffix: together[f"{column}__{suffix}"] for suffix in of.merge}
        states |= {f"{column}__{suffix}": join(parts) for suffix, join in of.merge.items()}
    return together.group_by("profile_id").agg(**states)


def finalize(row: ir.Table, aggregates: Aggregates, moment: When) -> dict[str, ir.Value]:
    """The value of each aggregate from state columns of ``row`` (null where a profile has no such event)."""
    moment = moment.of(row)
    values = {}
    for column, aggregate in aggregates.items():
        of = algebra(aggregate)
        parts = {suffix: row[f"{column}__{suffix}"] for suffix in of.prepare}
        values[column] = of.finalize(parts, moment)
    return values


def _property(aggregate: tree.Aggregate) -> str:
    """The column that an aggregate is computed from: the property, or what its function reads it as."""
    read = algebra(aggregate).read
    return f"_{read.__name__}_{aggregate.of}" if read else aggregate.of or ""


def _read(aggregate: tree.Aggregate, events: ir.Table) -> ir.Value:
    read = algebra(aggregate).read
    assert read is not None and aggregate.of is not None
    return read(events[aggregate.of])


Condition = tuple[tree.Rule | None, tree.Window | None]


def _but_not(now: ir.BooleanValue | None, then: ir.BooleanValue | None) -> ir.BooleanValue:
    assert now is not None and then is not None, "what has neither a window nor a condition never moves"
    return now & ~then


def _conditions(
    events: ir.Table, aggregates: Aggregates, moment: When
) -> dict[Condition, tuple[str, ir.BooleanValue | None]]:
    """A name and an expression for each different WHERE and window; no expression where every event is meant."""
    found: dict[Condition, tuple[str, ir.BooleanValue | None]] = {}
    for aggregate in aggregates.values():
        key = (aggregate.where, aggregate.window)
        if key in found:
            continue
        parts = [in_window(aggregate.window, events, moment)] if aggregate.window else []
        if aggregate.where is not None:
            parts.append(compile_rule(aggregate.where, events, moment))
        found[key] = (f"_if_{len(found)}", functools.reduce(operator.and_, parts) if parts else None)
    return found
