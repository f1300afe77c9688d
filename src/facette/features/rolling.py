"""Partials of a later run, from those of the run before, what has arrived since, and the time that has passed.

What became visible is prepared and merged. What entered or left a window by time alone is added to sums and taken away
from them, and left out of states that tell their days. The profiles for which that is not enough are prepared again
from all their events: those with an event that entered or left the window of another aggregate, those with an event
that may now follow another one in a sequence, and those whose identity changed.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import ibis
import ibis.expr.types as ir

from facette.clock import CALENDAR_UNITS, Moment
from facette.definitions.language import tree
from facette.features.aggregates import algebra
from facette.features.partials import Aggregates, merge, states_of, with_nexts
from facette.features.sequences import is_candidate, nexts_in
from facette.warehouse.compiler import compile_rule, in_window, visible


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
    """Partials at ``now`` from those at ``before``; their values are those that ``prepare`` would make from all events.

    previous : partials at ``before``, of the same aggregates
    events   : kind → its events, of the kind that the aggregates are over and of those that their sequences name
    changed  : profile_id of profiles whose identity changed since, under their old and new ids
    cost     : one scan of the days of ``old``, and aggregation of what is new or touched
    """
    kind = next(iter(aggregates.values())).event
    tables = {name: ibis.union(grown.old, grown.arrived) for name, grown in events.items()}
    old, arrived = (with_nexts(table, aggregates, tables, now) for table in (events[kind].old, events[kind].arrived))
    known = old.filter(visible(old, before))
    aged, summed, others = by_what_time_does(aggregates, known, before, now)
    touched = [changed.select("profile_id"), *_followers(aggregates, events, before, now)]
    if others:
        touched.append(crossing(known, others, before, now).select("profile_id"))
    again = ibis.union(*touched, distinct=True) if len(touched) > 1 else touched[0].distinct()
    ripened = old.filter(visible(old, now) & ~visible(old, before))
    new = ibis.union(ripened, arrived).anti_join(again, "profile_id")
    parts = [_aged(previous.anti_join(again, "profile_id"), aged, before, now), states_of(new, aggregates, now)]
    if summed:
        moved = crossing(known, summed, before, now).anti_join(again, "profile_id")
        parts.append(_widened(states_of(moved, summed, now, unless=before), previous))
        parts.append(_widened(_negated(states_of(moved, summed, before, unless=now)), previous))
    everything = ibis.union(old, arrived).semi_join(again, "profile_id")
    return ibis.union(merge(tuple(parts), aggregates), states_of(everything, aggregates, now))


def by_what_time_does(
    aggregates: Aggregates, events: ir.Table, before: Moment, now: Moment
) -> tuple[Aggregates, Aggregates, Aggregates]:
    """Those whose states tell what has left their window, sums, and others; what time leaves alone is in none."""
    aged, summed, others = {}, {}, {}
    for column, aggregate in aggregates.items():
        of = algebra(aggregate)
        if _crosses(events, [aggregate], before, now) is None:
            continue
        everywhere = replace(aggregate, window=None)
        if of.age and _is_in_days(aggregate.window) and _crosses(events, [everywhere], before, now) is None:
            aged[column] = aggregate
        elif of.is_summed:
            summed[column] = aggregate
        else:
            others[column] = aggregate
    return aged, summed, others


def _is_in_days(window: tree.Window | None) -> bool:
    return isinstance(window, tree.InTheLast) and window.unit in CALENDAR_UNITS


def _crosses(
    events: ir.Table, aggregates: Iterable[tree.Aggregate], before: Moment, now: Moment
) -> ir.BooleanValue | None:
    """Whether time alone moved an event into or out of a window, or changed a condition on it; None if none can."""
    windows = {aggregate.window for aggregate in aggregates if aggregate.window}
    rules = {aggregate.where for aggregate in aggregates if aggregate.where}
    both: list[Any] = [(in_window(window, events, before), in_window(window, events, now)) for window in windows]
    both += [(compile_rule(rule, events, before), compile_rule(rule, events, now)) for rule in rules]
    crossings = [then != since for then, since in both if not then.equals(since)]
    return functools.reduce(operator.or_, crossings) if crossings else None


def crossing(events: ir.Table, aggregates: Aggregates, before: Moment, now: Moment) -> ir.Table:
    """The events that time alone moved, as far as these aggregates are concerned."""
    crosses = _crosses(events, [*aggregates.values()], before, now)
    assert crosses is not None
    return events.filter(crosses)


def _aged(partials: ir.Table, aggregates: Aggregates, before: Moment, now: Moment) -> ir.Table:
    """Partials without what has left the windows of these aggregates."""
    columns: dict[str, ir.Value] = {}
    for column, aggregate in aggregates.items():
        of = algebra(aggregate)
        assert of.age is not None and isinstance(aggregate.window, tree.InTheLast)
        states = {suffix: partials[f"{column}__{suffix}"] for suffix in of.merge}
        aged = of.age(states, aggregate.window, before, now)
        columns |= {f"{column}__{suffix}": state for suffix, state in aged.items()}
    return partials.mutate(**columns) if columns else partials


def _negated(sums: ir.Table) -> ir.Table:
    return sums.mutate(**{name: -sums[name] for name in sums.columns if name != "profile_id"})


def _widened(partials: ir.Table, whole: ir.Table) -> ir.Table:
    """Partials of some aggregates with the columns of all, unknown where they have none."""
    schema = whole.schema()
    return partials.select(
        **{
            name: partials[name].cast(kind) if name in partials.columns else ibis.null(kind)
            for name, kind in schema.items()
        }
    )


def _followers(aggregates: Aggregates, events: Mapping[str, Grown], before: Moment, now: Moment) -> list[ir.Table]:
    """profile_id of those with an event that may follow another one now and could not before, or the reverse."""
    found = []
    for following in nexts_in(aggregates.values()).values():
        old, arrived = events[following.event].old, events[following.event].arrived
        then, since = is_candidate(old, following, before), is_candidate(old, following, now)
        found += [old.filter(then != since), arrived.filter(is_candidate(arrived, following, now))]
    return [table.select("profile_id") for table in found]
