"""Partials: for every profile the mergeable state of every aggregate over one kind of event, as of a moment.

A first run prepares them from all events. A later run prepares only what became visible since, merges it into the
previous partials, and prepares again from all their events the few profiles for which merging is not exact: those
with an event that entered or left a window by time alone, those with an event that may now follow another one in a
sequence, and those whose identity changed.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Mapping
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir

from facette.clock import Moment
from facette.definitions.language import tree
from facette.features.aggregates import Matching, algebra
from facette.features.sequences import EventTables, is_candidate, nexts_in, with_next
from facette.warehouse.compiler import When, compile_rule, in_window, visible

Aggregates = Mapping[str, tree.Aggregate]


def by_event(aggregates: Mapping[str, tree.Aggregate]) -> dict[str, dict[str, tree.Aggregate]]:
    """Aggregates grouped by the kind of event they are over."""
    grouped: dict[str, dict[str, tree.Aggregate]] = {}
    for column, aggregate in aggregates.items():
        grouped.setdefault(aggregate.event, {})[column] = aggregate
    return grouped


def prepare(events: ir.Table, aggregates: Aggregates, moment: When, tables: EventTables | None = None) -> ir.Table:
    """The state of each aggregate for each profile with a visible event.

    events     : profile_id, event_id, at, known_at, day, hour, weekday, properties
    aggregates : column → aggregate, all over this kind of event
    tables     : all events of the kinds that its sequences name; needed only where there are sequences
    returns    : profile_id, <column>__<state> …
    cost       : one scan and one hash aggregation, whatever the number of aggregates; a sort for each sequence
    """
    return _states(_with_nexts(events, aggregates, tables or {}, moment), aggregates, moment)


def kinds_needed(aggregates: Aggregates) -> set[str]:
    """The kinds of events that the sequences among the aggregates name."""
    return {following.event for following in nexts_in(aggregates.values()).values()}


def _with_nexts(events: ir.Table, aggregates: Aggregates, tables: EventTables, moment: When) -> ir.Table:
    nexts = nexts_in(aggregates.values())
    if not nexts:
        return events
    kind = next(iter(aggregates.values())).event
    return with_next(events, kind, nexts, tables, moment)


def _states(events: ir.Table, aggregates: Aggregates, moment: When) -> ir.Table:
    seen = events.filter(visible(events, moment))
    conditions = _conditions(seen, aggregates, moment)
    columns = {name: condition for name, condition in conditions.values() if condition is not None}
    columns |= {_property(item): _read(item, seen) for item in aggregates.values() if algebra(item).read}
    seen = seen.mutate(**columns) if columns else seen
    states: dict[str, ir.Scalar] = {}
    for column, aggregate in aggregates.items():
        name, condition = conditions[aggregate.where, aggregate.window]
        of = None if aggregate.of is None else seen[_property(aggregate)]
        matching = Matching(seen, None if condition is None else seen[name], of)
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


@dataclass(frozen=True)
class Grown:
    """The events of a kind: those that had arrived at the run before, with today's profile ids, and those since."""

    old: ir.Table
    arrived: ir.Table


def roll(
    previous: ir.Table,
    events: Mapping[str, Grown],
    changed: ir.Table,
    aggregates: Aggregates,
    before: Moment,
    now: Moment,
) -> ir.Table:
    """Partials at ``now`` from those at ``before``; the same table that ``prepare`` would make from all events.

    previous : partials at ``before``, of the same aggregates
    events   : kind → its events, of the kind that the aggregates are over and of those that their sequences name
    changed  : profile_id of profiles whose identity changed since, under their old and new ids
    cost     : one scan of the days of ``old``, and aggregation of what is new or touched
    """
    kind = next(iter(aggregates.values())).event
    tables = {name: ibis.union(grown.old, grown.arrived) for name, grown in events.items()}
    old, arrived = (_with_nexts(table, aggregates, tables, now) for table in (events[kind].old, events[kind].arrived))
    changed = ibis.union(changed, *_followers(aggregates, events, before, now), distinct=True)
    crossed = old.filter(visible(old, before) & _crosses_a_window(old, aggregates, before, now))
    again = ibis.union(crossed.select("profile_id"), changed.select("profile_id"), distinct=True)
    ripened = old.filter(visible(old, now) & ~visible(old, before))
    new = ibis.union(ripened, arrived).anti_join(again, "profile_id")
    merged = merge((previous.anti_join(again, "profile_id"), _states(new, aggregates, now)), aggregates)
    everything = ibis.union(old, arrived).semi_join(again, "profile_id")
    return ibis.union(merged, _states(everything, aggregates, now))


def _followers(aggregates: Aggregates, events: Mapping[str, Grown], before: Moment, now: Moment) -> list[ir.Table]:
    """profile_id of those with an event that may follow another one now and could not before, or the reverse."""
    found = []
    for following in nexts_in(aggregates.values()).values():
        old, arrived = events[following.event].old, events[following.event].arrived
        then, since = is_candidate(old, following, before), is_candidate(old, following, now)
        found += [old.filter(then != since), arrived.filter(is_candidate(arrived, following, now))]
    return [table.select("profile_id") for table in found]


def _property(aggregate: tree.Aggregate) -> str:
    """The column that an aggregate is computed from: the property, or what its function reads it as."""
    read = algebra(aggregate).read
    return f"_{read.__name__}_{aggregate.of}" if read else aggregate.of or ""


def _read(aggregate: tree.Aggregate, events: ir.Table) -> ir.Value:
    read = algebra(aggregate).read
    assert read is not None and aggregate.of is not None
    return read(events[aggregate.of])


Condition = tuple[tree.Rule | None, tree.Window | None]


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


def _crosses_a_window(events: ir.Table, aggregates: Aggregates, before: Moment, now: Moment) -> ir.BooleanValue:
    """Whether time alone moved an event into or out of a window, or changed a condition on the event's age."""
    crossings: list[ir.BooleanValue] = [ibis.literal(False)]

    def compare(then: ir.BooleanValue, since: ir.BooleanValue) -> None:
        if not then.equals(since):
            crossings.append(then != since)

    for window in {aggregate.window for aggregate in aggregates.values() if aggregate.window}:
        compare(in_window(window, events, before), in_window(window, events, now))
    for where in {aggregate.where for aggregate in aggregates.values() if aggregate.where}:
        compare(compile_rule(where, events, before), compile_rule(where, events, now))
    return functools.reduce(operator.or_, crossings)
