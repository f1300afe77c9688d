"""Which events decided that somebody entered or left: those behind the conditions that make the rule true, or false.

Asked for changes only, of all that a step brings together: one query for each kind of event, about whoever moved.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from duckdb import DuckDBPyConnection

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
from facette.warehouse.moments import Moments

MOST = 100
"""Of more events that decided one change the latest are told."""

PORTION = 20_000
"""So many profiles are asked about at once."""

SOME_MOMENT = Moment(datetime(2000, 1, 1, tzinfo=UTC))
"""Stands in queries that are of no moment yet."""

EventsOf = Callable[[str], pa.Table]
"""Kind → the events of whoever is asked about, under today's profile ids."""

Decided = dict[tuple[int, str], tuple[str, ...]]
"""Profile and segment → the ids of the events that decided the change, in the order of their instants."""

Event = tuple[int, str]
"""When, in microseconds, and its id."""


class Deciding:
    """Finds the events behind changes, for the rules that an engine evaluates."""

    def __init__(
        self,
        plan: FeaturePlan,
        rules: Rules,
        cuts: Mapping[str, tuple[float, ...]],
        engine: Engine,
        schemas: Mapping[str, pa.Schema],
        con: DuckDBPyConnection,
    ) -> None:
        """schemas : kind → that of its events; con : where queries are asked"""
        self.plan, self.rules, self.engine, self.con = plan, rules, engine, con
        self._kinds = {kind: _Kind(kind, group, schemas) for kind, group in by_event(plan.aggregates).items()}
        self._conditions = {name: conditions(cast(tree.Rule, each.rule), rules) for name, each in rules.items()}
        every = dict.fromkeys(one for each in self._conditions.values() for one in each)
        self._names = {condition: f"condition {number}" for number, condition in enumerate(every)}
        self._program = program_of(plan, {}, cuts)
        for condition, name in self._names.items():
            self._program.define_rule(name, condition)
        self._behind = {condition: self._aggregates(condition) for condition in every}

    @property
    def reads(self) -> set[str]:
        """The kinds of events that are asked for."""
        return {name for kind in self._kinds.values() for name in kind.reads}

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
        events: dict[str, dict[int, list[Event]]] = {name: defaultdict(list) for name in asked}
        for of_kind in self._kinds.values():
            names = asked & of_kind.aggregates.keys()
            if names:
                for name, profile_id, event in of_kind.deciding(names, ask(whose), self.con, self.engine.moment):
                    events[name][profile_id].append(event)
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
        everybody = np.unique(np.array([one.profile_id for one in moved], np.int64))
        answers = self.engine.evaluate(self.engine.people.rows(everybody), self._program)
        found: dict[tuple[int, str], set[str]] = defaultdict(set)
        for segment, group in by_segment.items():
            ids = np.array([one.profile_id for one in group], np.int64)
            verdicts = self._verdicts(segment, answers, len(everybody), np.searchsorted(everybody, ids))
            rule = cast(tree.Rule, self.rules[segment].rule)
            is_member = np.array([one.is_member for one in group])
            agrees = _verdict(rule, self.rules, verdicts) == is_member  # else whoever left no longer counts
            carried: dict[tree.Rule, Array] = {}
            _carry(rule, agrees, self.rules, verdicts, carried)
            for condition, of_these in carried.items():
                for profile_id in ids[of_these].tolist() if self._behind[condition] else ():
                    found[profile_id, segment] |= self._behind[condition]
        return found

    def _verdicts(self, segment: str, answers: Mapping[str, Any], n: int, places: Array) -> dict[tree.Rule, Array]:
        """What the conditions of a segment say of some of n profiles that the program was asked about."""
        names = {one: self._names[one] for one in self._conditions[segment]}
        return {one: np.broadcast_to(answers[name], n)[places] for one, name in names.items()}

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


class _Kind:
    """The events of one kind that decide aggregates over it. The queries are made once: moments are columns in them."""

    def __init__(self, kind: str, aggregates: Mapping[str, tree.Aggregate], schemas: Mapping[str, pa.Schema]) -> None:
        """schemas : kind → that of its events, of all kinds that the aggregates need"""
        self.kind, self.aggregates = kind, aggregates
        self.nexts = nexts_in(aggregates.values())
        self.reads = {kind, *kinds_needed(aggregates)}
        moments = Moments((SOME_MOMENT,), tree.durations([*aggregates.values()]))
        self._durations = moments.durations
        columns = {field.name: field.type for field in moments.rows().drop_columns("_position").schema}
        tables = {
            name: ibis.table(
                ibis.Schema.from_pyarrow(pa.schema([*schemas[name], *columns.items()])), name=_registered(name)
            )
            for name in self.reads
        }
        self._taking_part = _sql(self._flagged(tables, moments))
        self._candidates = {
            prefix: _sql(
                (others := candidates(tables[each.event], each, moments)).select(
                    "profile_id", "event_id", "at", _key=key_of(others, each.other)
                )
            )
            for prefix, each in self.nexts.items()
        }

    def _flagged(self, tables: Mapping[str, ir.Table], moment: Moments) -> ir.Table:
        """The events, and for each aggregate whether they take part in it."""
        events = with_next(tables[self.kind], self.kind, self.nexts, tables, moment)
        events = events.filter(visible(events, moment))
        flags = {f"_in_{name}": takes_part(aggregate, events, moment) for name, aggregate in self.aggregates.items()}
        flags |= {f"_key_{prefix}": key_of(events, following.on) for prefix, following in self.nexts.items()}
        least_or_most = {name: each for name, each in self.aggregates.items() if each.function in ("min", "max")}
        flags |= {f"_of_{name}": events[each.of] for name, each in least_or_most.items()}
        kept = [f"{prefix}__at" for prefix in self.nexts]
        return events.mutate(**flags).select("profile_id", "event_id", "at", *kept, *flags)

    def deciding(
        self, asked: Collection[str], events: EventsOf, con: DuckDBPyConnection, moment: Moment
    ) -> Iterator[tuple[str, int, Event]]:
        """Aggregate, profile and event, of the aggregates that are asked about, as an explanation tells them."""
        now = Moments((moment,), self._durations).rows().drop_columns("_position")
        try:
            for name in self.reads:
                con.register(_registered(name), _with_constants(events(name), now))
            found = con.execute(self._taking_part).to_arrow_table()
            followers = {
                prefix: _by_instant(con.execute(sql).to_arrow_table()) for prefix, sql in self._candidates.items()
            }
        finally:
            for name in self.reads:
                con.unregister(_registered(name))
        found = found.sort_by([("profile_id", "ascending"), ("at", "ascending"), ("event_id", "ascending")])
        for name in asked:
            aggregate = self.aggregates[name]
            chosen = _chosen(name, aggregate, found.filter(found[f"_in_{name}"]))
            for profile_id, at, event_id in _rows(chosen):
                yield name, profile_id, (at, event_id)
            if followed := followed_in(aggregate):
                prefix = next_name(followed.next)
                itself = followed.next.event == self.kind
                for profile_id, event in _next_of(chosen, prefix, followers[prefix], is_same_kind=itself):
                    yield name, profile_id, event


def _sql(query: ir.Table) -> str:
    return str(ibis.to_sql(query, dialect="duckdb"))


def _registered(kind: str) -> str:
    return f"deciding_{kind}"


def _with_constants(rows: pa.Table, constants: pa.Table) -> pa.Table:
    for name in constants.column_names:
        rows = rows.append_column(name, pa.repeat(constants[name][0], len(rows)))
    return rows


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


def _by_instant(rows: pa.Table) -> Followers:
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
