"""Aggregates that are made anew from all events of a profile when something happens to it, or when time may matter.

Those are sequences, since a new event can change what came of earlier ones, and conditions on events that change as
time passes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pyarrow as pa

from facette.clock import CALENDAR_UNITS, CLOCK_UNITS, Moment
from facette.definitions.language import tree
from facette.features.partials import by_event
from facette.live.columnar.aggregates import state_of
from facette.live.columnar.columns import Array, Column, Texts, column_of, dtype_of, encoded, is_text
from facette.live.columnar.extremes import Ranked
from facette.live.columnar.held import Held
from facette.live.columnar.kept import Picked
from facette.live.columnar.meant import Group, columns_read, visible
from facette.live.columnar.printer import ago, interval, is_in_days
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
        self._groups = [Group(kind, group) for kind, group in by_event(aggregates).items()]
        self._texts = Texts()  # one for all columns, so that those of two kinds of events can be compared
        self.states = {name: self._state(item, schemas[item.event]) for name, item in aggregates.items()}
        self.reads = {kind: names & {*schemas[kind].names} for kind, names in self._read().items()}
        self._held = {kind: Held(columns) for kind, columns in self.reads.items()}
        self._waiting: list[tuple[Array, Array, Array]] = []
        self._stale: list[Array] = []

    def _state(self, aggregate: tree.Aggregate, schema: pa.Schema) -> State:
        texts = {field.name: self._texts for field in schema if is_text(field.type) and field.name != "event_id"}
        return state_of(aggregate, {field.name: dtype_of(field.type) for field in schema}, texts)

    def _read(self) -> dict[str, set[str]]:
        found = columns_read(self._groups)
        for name, aggregate in self.aggregates.items():
            found[aggregate.event] |= {"event_id"} if isinstance(self.states[name], Ranked) else set()
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
        later = ~visible(columns, moment)
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
            seen = visible({"at": Column(at), "known_at": Column(known_at)}, now)
            touched.append(canonical(rows[seen]))
            if not seen.all():
                self._waiting.append((rows[~seen], at[~seen], known_at[~seen]))
        for kind, axis, start, end in sorted({*self._edges(before, now)}):
            touched.append(self._held[kind].owners_between(axis, start, end))
        units = {unit for unit in CALENDAR_UNITS if before.today != now.today}
        units |= {unit for unit in CLOCK_UNITS if before.step != now.step}
        for group in self._groups:
            if any(_aging(item.where) & units for item in group.aggregates.values()):
                touched.append(self._held[group.kind].owners())
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
        for group in self._groups:
            for name in group.aggregates:
                self.states[name].clear(rows)
            own = events[group.kind]
            if own is not None:
                self._make(group, own, events, moment)

    def _make(self, group: Group, own: Picked, events: Mapping[str, Picked | None], moment: Moment) -> None:
        columns, meant, _ = group.meant(own, events, moment)
        every = Picked(own.rows, columns)
        for name, mask in meant.items():
            self.states[name].add(every.where(mask))


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
