"""Which events decided that somebody entered or left: those behind the conditions that make the rule true, or false.

Asked for changes only, of all that a step brings together: one query for each kind of event, about whoever moved.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from facette.clock import Moment
from facette.definitions.language import next_name, tree
from facette.features.partials import by_event, kinds_needed
from facette.features.sequences import candidates, key_of, nexts_in, with_next
from facette.features.table import FeaturePlan, needed
from facette.live.columnar.columns import Array
from facette.live.columnar.engine import Engine
from facette.live.columnar.features import program_of
from facette.live.memberships import Moved
from facette.segments.deciding import followed_in, takes_part
from facette.segments.trees import Rules, column_of, conditions, inside
from facette.warehouse.compiler import visible

MOST = 100
"""Of more events that decided one change the latest are told."""

PORTION = 20_000
"""So many profiles are asked about at once."""

EventsOf = Callable[[str], ir.Table]
"""Kind → the events of whoever is asked about, under today's profile ids."""

Decided = dict[tuple[int, str], tuple[str, ...]]
"""Profile and segment → the ids of the events that decided the change, in the order of their instants."""

Event = tuple[int, str]
"""When, in microseconds, and its id."""


class Deciding:
    """Finds the events behind changes, for the rules that an engine evaluates."""

    def __init__(self, plan: FeaturePlan, rules: Rules, cuts: Mapping[str, tuple[float, ...]], engine: Engine) -> None:
        self.plan, self.rules, self.engine = plan, rules, engine
        self._conditions = {name: conditions(cast(tree.Rule, each.rule), rules) for name, each in rules.items()}
        every = dict.fromkeys(one for each in self._conditions.values() for one in each)
        self._names = {condition: f"condition {number}" for number, condition in enumerate(every)}
        self._program = program_of(plan, {}, cuts)
        for condition, name in self._names.items():
            self._program.define_rule(name, condition)
        self._behind = {condition: self._aggregates(condition) for condition in every}

    def decided(self, moved: Sequence[Moved], ask: Callable[[Collection[int]], EventsOf]) -> Decided:
        """The events that decided some changes.

        ask : gives the events of some profiles
        """
        found: Decided = {}
        profiles = sorted({one.profile_id for one in moved})
        for start in range(0, len(profiles), PORTION):
            some = set(profiles[start : start + PORTION])
            found |= self._of([one for one in moved if one.profile_id in some], ask)
        return found

    def _of(self, moved: Sequence[Moved], ask: Callable[[Collection[int]], EventsOf]) -> Decided:
        behind = self._aggregates_behind(moved)
        asked = {name for names in behind.values() for name in names}
        if not asked:
            return {}
        whose = {profile_id for profile_id, _ in behind}
        events = _deciding_events({name: self.plan.aggregates[name] for name in asked}, ask(whose), self.engine.moment)
        return {
            (profile_id, segment): tuple(
                id_ for _, id_ in sorted({one for name in names for one in events[name].get(profile_id, ())})[-MOST:]
            )
            for (profile_id, segment), names in behind.items()
        }

    # ── which conditions ────────────────────────────────────────────────────────────────────────────────────────────

    def _aggregates_behind(self, moved: Sequence[Moved]) -> dict[tuple[int, str], set[str]]:
        """Profile and segment → the aggregates behind the conditions that decided."""
        by_segment: dict[str, list[Moved]] = defaultdict(list)
        for one in moved:
            by_segment[one.segment].append(one)
        found: dict[tuple[int, str], set[str]] = defaultdict(set)
        for segment, group in by_segment.items():
            ids = np.array([one.profile_id for one in group], np.int64)
            verdicts = self._verdicts(segment, ids)
            rule = cast(tree.Rule, self.rules[segment].rule)
            is_member = np.array([one.is_member for one in group])
            agrees = _verdict(rule, self.rules, verdicts) == is_member  # else whoever left no longer counts
            carried: dict[tree.Rule, Array] = {}
            _carry(rule, agrees, self.rules, verdicts, carried)
            for condition, of_these in carried.items():
                for profile_id in ids[of_these].tolist() if self._behind[condition] else ():
                    found[profile_id, segment] |= self._behind[condition]
        return found

    def _verdicts(self, segment: str, ids: Array) -> dict[tree.Rule, Array]:
        answers = self.engine.evaluate(self.engine.people.rows(ids), self._program)
        return {one: np.broadcast_to(answers[self._names[one]], len(ids)) for one in self._conditions[segment]}

    def _aggregates(self, condition: tree.Rule) -> frozenset[str]:
        column = column_of(condition)
        return frozenset(needed(self.plan, {column.name}, is_fitted=True).aggregates) if column else frozenset()


def _verdict(node: tree.Rule, rules: Rules, verdicts: Mapping[tree.Rule, Array]) -> Array:
    items = [_verdict(item, rules, verdicts) for item in inside(node, rules)]
    match node:
        case tree.Or():
            return np.asarray(np.logical_or.reduce(items))
        case tree.Not():
            return ~items[0]
        case tree.And() | tree.InSegment():
            return np.asarray(np.logical_and.reduce(items))
    return verdicts[node]


def _carry(
    node: tree.Rule, whose: Array, rules: Rules, verdicts: Mapping[tree.Rule, Array], carried: dict[tree.Rule, Array]
) -> None:
    """Mark the conditions that make a node what it is: all of an AND that holds, of one that does not those that fail.

    whose : of whom this is asked
    """
    items = inside(node, rules)
    if not items:
        carried[node] = carried.get(node, np.False_) | whose
        return
    own = _verdict(node, rules, verdicts)
    for item in items:
        of_item = whose
        if isinstance(node, tree.And | tree.Or):
            of_item = whose & (_verdict(item, rules, verdicts) == own)
        if of_item.any():
            _carry(item, of_item, rules, verdicts, carried)


# ── which events ────────────────────────────────────────────────────────────────────────────────────────────────────


def _deciding_events(
    aggregates: Mapping[str, tree.Aggregate], events: EventsOf, moment: Moment
) -> dict[str, dict[int, list[Event]]]:
    """Aggregate → profile → the events that decided it, as an explanation tells them."""
    found: dict[str, dict[int, list[Event]]] = {}
    for kind, group in by_event(aggregates).items():
        tables = {name: events(name) for name in {kind, *kinds_needed(group)}}
        taking_part = _taking_part(kind, group, tables, moment)
        nexts = nexts_in(group.values())
        followers = {prefix: _followers(tables[each.event], each, moment) for prefix, each in nexts.items()}
        for name, aggregate in group.items():
            mine = taking_part.filter(taking_part[f"_in_{name}"])
            chosen = _chosen(name, aggregate, mine)
            found[name] = defaultdict(list)
            for profile_id, at, event_id in _rows(chosen):
                found[name][profile_id].append((at, event_id))
            if followed := followed_in(aggregate):
                prefix = next_name(followed.next)
                itself = followed.next.event == kind
                for profile_id, event in _next_of(chosen, prefix, followers[prefix], is_same_kind=itself):
                    found[name][profile_id].append(event)
    return found


def _taking_part(
    kind: str, aggregates: Mapping[str, tree.Aggregate], tables: Mapping[str, ir.Table], moment: Moment
) -> pa.Table:
    """The events of a kind, by profile and earliest first, and for each aggregate whether they take part in it."""
    nexts = nexts_in(aggregates.values())
    events = with_next(tables[kind], kind, nexts, tables, moment)
    events = events.filter(visible(events, moment))
    flags = {f"_in_{name}": takes_part(aggregate, events, moment) for name, aggregate in aggregates.items()}
    flags |= {f"_key_{prefix}": key_of(events, following.on) for prefix, following in nexts.items()}
    flags |= {f"_of_{name}": events[each.of] for name, each in aggregates.items() if each.function in ("min", "max")}
    kept = [f"{prefix}__at" for prefix in nexts]
    found = events.mutate(**flags).select("profile_id", "event_id", "at", *kept, *flags).to_pyarrow()
    return found.sort_by([("profile_id", "ascending"), ("at", "ascending"), ("event_id", "ascending")])


def _chosen(name: str, aggregate: tree.Aggregate, events: pa.Table) -> pa.Table:
    """Of the events that take part those that decide: the latest of all, or of each profile the one that was taken."""
    match aggregate.function:
        case "min" | "max":
            better = min if aggregate.function == "min" else max
            return events.filter(pa.array(_firsts_of_best(events, events[f"_of_{name}"].to_pylist(), better)))
        case "first":
            return events.filter(pa.array(_place(events) == 0))
        case "last" | "recency":
            return events.filter(pa.array(_place_from_end(events) == 0))
    return events.filter(pa.array(_place_from_end(events) < MOST))


def _place(events: pa.Table) -> Array:
    """The how-manieth of its profile each event is, from 0."""
    ids = events["profile_id"].to_numpy()
    starts = np.flatnonzero(np.r_[True, ids[1:] != ids[:-1]]) if len(ids) else np.empty(0, np.intp)
    lengths = np.diff(np.r_[starts, len(ids)])
    return np.arange(len(ids)) - np.repeat(starts, lengths)


def _place_from_end(events: pa.Table) -> Array:
    return _place(events.take(pa.array(np.arange(len(events))[::-1])))[::-1]


def _firsts_of_best(events: pa.Table, values: Sequence[Any], better: Callable[[Any, Any], Any]) -> Array:
    """Of each profile the earliest event that has the least value, or the greatest."""
    ids = events["profile_id"].to_pylist()
    best: dict[int, Any] = {}
    for who, value in zip(ids, values, strict=True):
        best[who] = better(best.get(who, value), value)
    is_best = np.array([best[who] == value for who, value in zip(ids, values, strict=True)], np.bool_)
    place = np.full(len(ids), -1)
    place[is_best] = _place(events.filter(pa.array(is_best)))
    return np.asarray(place == 0)


def _rows(events: pa.Table) -> Iterator[tuple[int, int, str]]:
    at = pc.cast(pc.cast(events["at"], pa.timestamp("us", "UTC")), pa.int64())
    return zip(events["profile_id"].to_pylist(), at.to_pylist(), events["event_id"].to_pylist(), strict=True)


Followers = Mapping[tuple[int, int, Any], list[str]]
"""Profile, instant and what must be equal → ids of the events that may follow, in their order."""


def _followers(events: ir.Table, following: tree.Next, moment: Moment) -> Followers:
    others = candidates(events, following, moment)
    rows = others.select("profile_id", "event_id", "at", _key=key_of(others, following.other)).to_pyarrow()
    found: dict[tuple[int, int, Any], list[str]] = defaultdict(list)
    for (profile_id, at, event_id), key in zip(_rows(rows), rows["_key"].to_pylist(), strict=True):
        found[profile_id, at, key].append(event_id)
    return {key: sorted(ids) for key, ids in found.items()}


def _next_of(events: pa.Table, prefix: str, followers: Followers, *, is_same_kind: bool) -> Iterable[tuple[int, Event]]:
    """What followed each of some events."""
    instants = pc.cast(pc.cast(events[f"{prefix}__at"], pa.timestamp("us", "UTC")), pa.int64()).to_pylist()
    keys = events[f"_key_{prefix}"].to_pylist()
    for (profile_id, _, event_id), at, key in zip(_rows(events), instants, keys, strict=True):
        itself = event_id if is_same_kind else None
        other = next(each for each in followers[profile_id, at, key] if each != itself)
        yield profile_id, (at, other)
