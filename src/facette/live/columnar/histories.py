"""Aggregates that are made anew from all events of a profile when something happens to it, or when time may matter.

Those are sequences, since a new event can change what came of earlier ones, and conditions on events that change as
time passes. The twin of ``features/sequences.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from facette.clock import CALENDAR_UNITS, CLOCK_UNITS, Moment
from facette.definitions.language import tree
from facette.features.partials import by_event
from facette.features.sequences import nexts_in
from facette.live.columnar.aggregates import state_of
from facette.live.columnar.columns import Array, Column, Texts, column_of, dtype_of, encoded, is_text, microseconds
from facette.live.columnar.extremes import Ranked
from facette.live.columnar.held import Held
from facette.live.columnar.kept import Picked
from facette.live.columnar.printer import Program, ago, interval, is_in_days
from facette.live.columnar.states import State, different

Canonical = Callable[[Array], Array]


class Histories:
    """The states of such aggregates, and all events that they are made from.

    aggregates : column → aggregate, none of them a mode
    schemas    : event → schema of its table
    reads      : event → the columns that its events must have
    """

    def __init__(self, aggregates: Mapping[str, tree.Aggregate], schemas: Mapping[str, pa.Schema]) -> None:
        self.aggregates = dict(aggregates)
        self._groups = by_event(aggregates)
        self._nexts = {kind: nexts_in(group.values()) for kind, group in self._groups.items()}
        self._where = {
            kind: _program({name: item.where for name, item in group.items()}) for kind, group in self._groups.items()
        }
        self._may_follow = {
            prefix: _program({prefix: item.where}) for nexts in self._nexts.values() for prefix, item in nexts.items()
        }
        self._texts = Texts()  # one for all columns, so that those of two kinds of events can be compared
        self.states = {name: self._state(item, schemas[item.event]) for name, item in aggregates.items()}
        followers = {item.event for nexts in self._nexts.values() for item in nexts.values()}
        self.reads = {kind: self._reads(kind) & {*schemas[kind].names} for kind in {*self._groups} | followers}
        self._held = {kind: Held(columns) for kind, columns in self.reads.items()}
        self._waiting: list[tuple[Array, Array, Array]] = []
        self._stale: list[Array] = []

    def _state(self, aggregate: tree.Aggregate, schema: pa.Schema) -> State:
        texts = {field.name: self._texts for field in schema if is_text(field.type) and field.name != "event_id"}
        return state_of(aggregate, {field.name: dtype_of(field.type) for field in schema}, texts)

    def _reads(self, kind: str) -> set[str]:
        group, nexts = self._groups.get(kind, {}), self._nexts.get(kind, {})
        found = {"at", "day", "known_at", *(item.of for item in group.values() if item.of)}
        found |= {"event_id"} if any(isinstance(self.states[name], Ranked) for name in group) else set()
        found |= {*self._where[kind].reads} if group else set()
        found |= {item.on for item in nexts.values() if item.on}
        for of in self._nexts.values():
            for prefix, item in of.items():
                if item.event == kind:
                    found |= {*self._may_follow[prefix].reads} | ({item.other} if item.other else set())
        return found

    # ── what comes in ───────────────────────────────────────────────────────────────────────────────────────────────

    def grow(self, n: int) -> None:
        """Make room for ``n`` profiles."""
        for state in self.states.values():
            state.grow(n)

    def add(self, kind: str, events: pa.Table, rows: Array, moment: Moment) -> None:
        """Take in new events of a kind, also those that are not visible yet; the profile's row of each."""
        columns = {name: self._column(name, events[name]) for name in self.reads[kind]}
        self._held[kind].add(rows, columns)
        self._stale.append(rows)
        later = ~_visible(columns, moment)
        if later.any():
            self._waiting.append((rows[later], columns["at"].values[later], columns["known_at"].values[later]))

    def _column(self, name: str, array: pa.ChunkedArray) -> Column:
        return Column(encoded(array)) if name == "event_id" else column_of(array, self._texts)

    def merge(self, gone: Array, into: Array) -> None:
        """Give the events of some profiles to other ones."""
        for held in self._held.values():
            held.move(gone, into)
        self._stale += [gone, into]

    def remove(self, rows: Array) -> None:
        """Forget the events of some profiles."""
        for held in self._held.values():
            held.remove(rows)
        self._stale.append(rows)

    def roll(self, before: Moment, now: Moment, canonical: Canonical) -> Array:
        """Let time pass; the rows of the profiles that it may matter to, some more than once."""
        touched = []
        waiting, self._waiting = self._waiting, []
        for rows, at, known_at in waiting:
            seen = _visible({"at": Column(at), "known_at": Column(known_at)}, now)
            touched.append(canonical(rows[seen]))
            if not seen.all():
                self._waiting.append((rows[~seen], at[~seen], known_at[~seen]))
        for kind, axis, start, end in sorted({*self._edges(before, now)}):
            touched.append(self._held[kind].owners_between(axis, start, end))
        units = {unit for unit in CALENDAR_UNITS if before.today != now.today}
        units |= {unit for unit in CLOCK_UNITS if before.step != now.step}
        for kind, group in self._groups.items():
            if any(_aging(item.where) & units for item in group.values()):
                touched.append(self._held[kind].owners())
        self._stale += touched
        return np.concatenate([*touched, np.empty(0, np.intp)])

    def _edges(self, before: Moment, now: Moment) -> Iterator[tuple[str, str, int, int]]:
        """The kinds, and intervals of ``day`` or ``at``, of events that time moved into or out of a window."""
        for aggregate in self.aggregates.values():
            windows = [(aggregate.event, aggregate.window)]
            for followed in _sequences(aggregate.where):
                windows.append((followed.next.event, followed.next.window))
                if followed.is_absent:
                    unit = followed.delay.unit
                    then, since = (ago(followed.delay.amount, unit, moment) for moment in (before, now))
                    axis = "day" if unit in CALENDAR_UNITS else "at"
                    yield aggregate.event, axis, min(then, since), max(then, since)
            for kind, window in windows:
                if window is not None:
                    for then, since in zip(interval(window, before), interval(window, now), strict=True):
                        yield kind, "day" if is_in_days(window) else "at", min(then, since), max(then, since)

    # ── what comes out ──────────────────────────────────────────────────────────────────────────────────────────────

    def refresh(self, moment: Moment) -> None:
        """Make anew what may not be as it was."""
        if not self._stale:
            return
        rows = different(np.concatenate(self._stale))
        self._stale.clear()
        events = {kind: held.of(rows) for kind, held in self._held.items()}
        for kind, group in self._groups.items():
            for name in group:
                self.states[name].clear(rows)
            own = events[kind]
            if own is not None:
                self._make(kind, own, events, moment)

    def _make(self, kind: str, own: Picked, events: Mapping[str, Picked | None], moment: Moment) -> None:
        columns = {name: own[name] for name in self.reads[kind]}
        for prefix, following in self._nexts[kind].items():
            others = self._candidates(prefix, following, events[following.event], moment)
            is_same = following.event == kind
            columns |= _next_columns(prefix, own, others, following, is_same)
        found = self._where[kind].run({name: columns[name] for name in self._where[kind].reads}, moment)
        seen = _visible(columns, moment)
        every = Picked(own.rows, columns)
        for name, aggregate in self._groups[kind].items():
            meant = seen & found[name] if aggregate.where is not None else seen
            meant = meant & _in_window(columns, aggregate.window, moment)
            if aggregate.of not in (None, "at", "day"):
                meant = meant & columns[aggregate.of].is_known
            self.states[name].add(every.where(meant))

    def _candidates(self, prefix: str, following: tree.Next, events: Picked | None, moment: Moment) -> _Others | None:
        """The events that may follow another one."""
        if events is None:
            return None
        columns = {name: events[name] for name in self.reads[following.event]}
        meant = _visible(columns, moment) & _in_window(columns, following.window, moment)
        if following.where is not None:
            program = self._may_follow[prefix]
            meant = meant & program.run({name: columns[name] for name in program.reads}, moment)[prefix]
        if following.other is not None:
            meant = meant & columns[following.other].is_known
        places = np.flatnonzero(meant)
        return _Others(events, places) if len(places) else None


@dataclass(frozen=True)
class _Others:
    """Some of many events: which of them."""

    events: Picked
    places: Array


def _next_columns(
    prefix: str, own: Picked, others: _Others | None, following: tree.Next, is_same: bool
) -> dict[str, Column]:
    """When the next of some events comes after each event, and on which day.

    own     : the events
    others  : those that may follow
    is_same : they are events of one kind, so that one can be both; it never follows itself
    """
    n = len(own)
    if others is None:
        nothing = np.zeros(n, np.bool_)
        return {
            f"{prefix}__at": Column(np.zeros(n, np.int64), nothing),
            f"{prefix}__day": Column(np.zeros(n, np.int32), nothing),
        }
    places = others.places
    at = np.concatenate([own["at"].values, others.events["at"].values[places]])
    rows = np.concatenate([own.rows, others.events.rows[places]])
    groups = _groups_of(rows, own, others, following)
    is_other = np.arange(len(at)) >= n
    order = np.lexsort((is_other, at, groups))  # at one instant the events come before the others
    in_order = order[is_other[order]]
    following_place = np.empty(len(at), np.int64)
    following_place[order] = np.cumsum(is_other[order])
    first = following_place[:n]
    last = len(in_order) - 1
    if is_same:
        itself = places[in_order[np.minimum(first, last)] - n] == np.arange(n)
        first = first + (itself & (first <= last))
    found = in_order[np.minimum(first, last)]
    known = (first <= last) & (groups[found] == groups[:n])
    if following.on is not None:
        known &= own[following.on].is_known
    found = places[found - n]
    return {
        f"{prefix}__at": Column(others.events["at"].values[found], known),
        f"{prefix}__day": Column(others.events["day"].values[found], known),
    }


def _groups_of(rows: Array, own: Picked, others: _Others, following: tree.Next) -> Array:
    """A number for each of the events and of the others: of one profile, and of one value where that must be equal."""
    if following.on is None or following.other is None:
        return rows
    values = np.concatenate(
        [_comparable(own[following.on]), _comparable(others.events[following.other])[others.places]]
    )
    different_values, codes = np.unique(values, return_inverse=True)
    return rows * (len(different_values) + 1) + codes


def _comparable(column: Column) -> Array:
    """Numbers as one type, and texts as what they are in any case."""
    if column.texts is not None:
        return column.texts.comparable[column.values]
    return column.values if column.values.dtype == np.bool_ else column.values.astype(np.float64)


def _program(rules: Mapping[str, tree.Rule | None]) -> Program:
    program = Program()
    for name, rule in rules.items():
        if rule is not None:
            program.define_rule(name, rule)
    return program


def _visible(columns: Mapping[str, Column], moment: Moment) -> Array:
    assert moment.known_at is not None
    seen: Array = columns["at"].values <= microseconds(moment.as_of)
    return seen & (columns["known_at"].values <= microseconds(moment.known_at))


def _in_window(columns: Mapping[str, Column], window: tree.Window | None, moment: Moment) -> Array:
    if window is None:
        return np.ones(len(columns["at"].values), np.bool_)
    values = columns["day" if is_in_days(window) else "at"].values
    start, end = interval(window, moment)
    inside: Array = (values >= start) & (values < end)
    return inside


def _sequences(rule: tree.Rule | None) -> Iterator[tree.Followed]:
    """The sequences in a condition on events."""
    match rule:
        case tree.And(items) | tree.Or(items):
            for item in items:
                yield from _sequences(item)
        case tree.Not(item):
            yield from _sequences(item)
        case tree.Followed():
            yield rule


def _aging(rule: tree.Rule | None) -> set[str]:
    """The units in which time changes a condition on events, windows and delays of its sequences apart."""
    match rule:
        case tree.And(items) | tree.Or(items):
            return {unit for item in items for unit in _aging(item)}
        case tree.Not(item):
            return _aging(item)
        case tree.Followed(following):
            return {unit for _, unit in tree.durations(following.where)}
    return {unit for _, unit in tree.durations(rule)}
