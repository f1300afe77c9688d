"""The state of every aggregate over one kind of event, kept up to date by batches of events and by time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from facette.clock import Moment
from facette.definitions.language import tree
from facette.live.columnar.aggregates import state_of
from facette.live.columnar.columns import Array, Column, Texts, column_of, dtype_of, encoded, is_text, microseconds
from facette.live.columnar.extremes import Ranked
from facette.live.columnar.kept import Kept, Picked
from facette.live.columnar.printer import EARLIEST, LATEST, Interval, Program, interval, is_in_days
from facette.live.columnar.sets import DaysOfAShortWindow, Distinct
from facette.live.columnar.states import State

Canonical = Callable[[Array], Array]
"""Rows of profiles → the rows of the profiles that they are part of today."""
UNKEPT: Mapping[tree.Measure, str] = {
    "mode": "the most frequent value needs all events of the window",
    "opening": "only models ask for it, and those are given",
}
NOBODY = np.empty(0, np.intp)


def unkept(aggregates: Mapping[str, tree.Aggregate]) -> dict[str, str]:
    """The aggregates that are not kept, and why; whoever needs them reads all of a person's events."""
    return {name: UNKEPT[aggregate.function] for name, aggregate in aggregates.items() if aggregate.function in UNKEPT}


def remade(aggregates: Mapping[str, tree.Aggregate]) -> dict[str, tree.Aggregate]:
    """Those that are kept by making them anew from all of a person's events.

    A new event can change what came of earlier ones, or a condition on events changes as time passes.
    """
    return {
        name: aggregate
        for name, aggregate in aggregates.items()
        if aggregate.function not in UNKEPT and (_has_sequence(aggregate.where) or tree.durations(aggregate.where))
    }


def _has_sequence(rule: tree.Rule | None) -> bool:
    match rule:
        case tree.And(items) | tree.Or(items):
            return any(_has_sequence(item) for item in items)
        case tree.Not(item):
            return _has_sequence(item)
    return isinstance(rule, tree.Followed)


@dataclass(frozen=True)
class Kind:
    """Aggregates that look at the same events: of one condition, window and property."""

    where: str | None
    window: tree.Window | None
    of: str | None


class EventState:
    """The states of aggregates over one kind of event, as of the moment of the last call.

    aggregates : column → aggregate, none of them :func:`unkept` or :func:`remade`
    schema     : of the events: profile_id, event_id, at, known_at, day, hour, weekday, source, properties
    reads      : the columns that events must have
    """

    def __init__(self, aggregates: Mapping[str, tree.Aggregate], schema: pa.Schema) -> None:
        self.aggregates = dict(aggregates)
        self.texts = {field.name: Texts() for field in schema if is_text(field.type) and field.name != "event_id"}
        dtypes = {field.name: dtype_of(field.type) for field in schema}
        self.states: dict[str, State] = {
            name: state_of(aggregate, dtypes, self.texts) for name, aggregate in aggregates.items()
        }
        self._conditions = Program()
        self._kinds: dict[Kind, list[str]] = {}
        for name, aggregate in aggregates.items():
            where = self._condition(aggregate.where)
            of = None if aggregate.of in ("at", "day") else aggregate.of  # those are always known
            self._kinds.setdefault(Kind(where, aggregate.window, of), []).append(name)
        moving = [kind for kind in self._kinds if tree.durations(kind.window)]
        self._windows = tuple(dict.fromkeys(kind.window for kind in moving if kind.window))
        self._kept = Kept([column for kind in moving for column in self._reads(kind)])
        self._waiting: list[Picked] = []
        self.reads = {*self._conditions.reads, "at", "day", "known_at"}
        for kind in self._kinds:
            self.reads |= self._reads(kind)
        self.reads &= {*schema.names}

    def __len__(self) -> int:
        """How many events are kept."""
        return len(self._kept) + sum(map(len, self._waiting))

    def _condition(self, where: tree.Rule | None) -> str | None:
        if where is None:
            return None
        name = f"where {where!r}"
        self._conditions.define_rule(name, where)
        return name

    def _reads(self, kind: Kind) -> set[str]:
        """The columns of events that the states of these aggregates are made from."""
        states = [self.states[name] for name in self._kinds[kind]]
        found = {self.aggregates[name].of or "day" for name in self._kinds[kind]}
        found |= {"event_id"} if any(isinstance(state, Ranked) for state in states) else set()
        return found | ({kind.where} if kind.where else set())

    def grow(self, n: int) -> None:
        """Make room for ``n`` profiles."""
        for state in self.states.values():
            state.grow(n)

    # ── events ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def apply(self, events: pa.Table, rows: Array, moment: Moment) -> Array:
        """Take in new events; those that are not visible yet wait.

        events  : a batch of ``events_<event>`` of docs/path.md; none of them was taken in before
        rows    : the profile's row of each
        returns : the rows of the profiles whose state may have changed
        """
        columns = {name: self._column(name, events[name]) for name in self.reads}
        picked = Picked(rows, columns)
        seen = _visible(picked, moment)
        if not seen.all():
            self._waiting.append(picked.where(~seen))
            picked = picked.where(seen)
        self._take_in(picked, moment)
        return picked.rows

    def _column(self, name: str, array: pa.ChunkedArray) -> Column:
        if name == "event_id":
            return Column(encoded(array))
        return column_of(array, self.texts.get(name))

    def load(self, partials: pa.Table, rows: Array) -> None:
        """Take in the partials of profiles, of those aggregates in ``loaded`` that they are of."""
        for name in self.loaded:
            prefix = f"{name}__"
            parts = [column for column in partials.column_names if column.startswith(prefix)]
            if parts:
                self.states[name].load({part.removeprefix(prefix): partials[part] for part in parts}, rows)

    @property
    def loaded(self) -> list[str]:
        """The aggregates whose partials are needed: others are made by :meth:`load_events`."""
        return [name for kind, names in self._kinds.items() if not self._is_all_kept(kind) for name in names]

    def load_events(self, events: pa.Table, rows: Array, moment: Moment) -> None:
        """Take in events that the partials count already, as far as these are not kept; and those not visible yet."""
        picked = Picked(rows, {name: self._column(name, events[name]) for name in self.reads})
        seen = _visible(picked, moment)
        if not seen.all():
            self._waiting.append(picked.where(~seen))
        self._take_in(picked.where(seen), moment, [*filter(self._is_all_kept, self._kinds)])

    def _is_all_kept(self, kind: Kind) -> bool:
        """Whether all events in the window are kept; of what happened before some day, only later events are."""
        return kind.window in self._windows and not isinstance(kind.window, tree.Before)

    def _take_in(self, events: Picked, moment: Moment, kinds: Iterable[Kind] | None = None) -> None:
        """Give events to the states of some kinds (None: all), and keep those that time may still move."""
        if not len(events):
            return
        columns = {name: events[name] for name in self.reads}
        found = self._conditions.run({name: columns[name] for name in self._conditions.reads}, moment)
        columns |= {name: Column(np.broadcast_to(condition, len(events))) for name, condition in found.items()}
        events = Picked(events.rows, columns)
        kinds = self._kinds if kinds is None else kinds
        inside = {window: _inside(events, window, moment) for window in {kind.window for kind in kinds}}
        for kind in kinds:
            meant = _meant(events, kind, inside[kind.window])
            if len(meant):
                for name in self._kinds[kind]:
                    self.states[name].add(meant)
        if self._windows:
            self._kept.add(events.where(self._is_needed(events, moment)))

    def _is_needed(self, events: Picked, moment: Moment) -> Array:
        """Which events time may still move."""
        needed = np.zeros(len(events), np.bool_)
        for axis, start in self.needed_from(moment).items():
            needed |= events[axis].values >= start
        return needed

    def needed_from(self, moment: Moment) -> dict[str, int]:
        """``day`` or ``at`` → from when on (since 1970) time may still move events."""
        found: dict[str, int] = {}
        for window in self._windows:
            start, end = interval(window, moment)
            axis = "day" if is_in_days(window) else "at"
            found[axis] = min(found.get(axis, LATEST), end if start == EARLIEST else start)
        return found

    # ── time ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def roll(self, before: Moment, now: Moment, canonical: Canonical) -> Array:
        """Let time pass: events enter and leave windows, and those that were waited for become visible.

        returns : the rows of the profiles whose state may have changed; some may be there more than once
        """
        touched = [self._move(window, before, now, canonical) for window in self._windows]
        waiting, self._waiting = self._waiting, []
        for events in waiting:
            seen = _visible(events, now)
            if not seen.all():
                self._waiting.append(events.where(~seen))
            ripe = events.where(seen) if seen.any() else Picked(NOBODY, {})
            if len(ripe):
                columns = {name: ripe[name] for name in self.reads}
                self._take_in(Picked(canonical(ripe.rows), columns), now)
                touched.append(canonical(ripe.rows))
        if self._windows:
            self._kept.forget(self.needed_from(now))
        return np.concatenate(touched) if touched else NOBODY

    def _move(self, window: tree.Window, before: Moment, now: Moment, canonical: Canonical) -> Array:
        old, new = interval(window, before), interval(window, now)
        if old == new:
            return NOBODY
        axis = "day" if is_in_days(window) else "at"
        edges = [(old[0], new[0]), (old[1], new[1])]
        moved = []
        for rows, columns in self._kept.between(axis, edges):
            was, will = (_is_between(columns[axis].values, part) for part in (old, new))
            if (was != will).any():
                events = Picked(canonical(rows), columns)
                moved.append((events.where(was & ~will), events.where(will & ~was)))
        for kind, names in self._kinds.items():
            if kind.window == window:
                parts = [(_meant(left, kind), _meant(entered, kind)) for left, entered in moved]
                for name in names:
                    state = self.states[name]
                    if isinstance(state, DaysOfAShortWindow):
                        state.forget(old[0], new[0])
                    else:
                        self._move_state(state, kind, parts, (axis, new, canonical))
        return np.concatenate([part.rows for pair in moved for part in pair]) if moved else NOBODY

    def _move_state(
        self,
        state: State,
        kind: Kind,
        moved: list[tuple[Picked, Picked]],
        now: tuple[str, Interval, Canonical],
    ) -> None:
        """Let events that left go and take in those that entered; what cannot let go is made anew where it must be."""
        axis, inside, canonical = now
        if state.is_summed:
            for left, _ in moved:
                state.take(left)
        elif moved:
            again = np.unique(np.concatenate([state.affected(left) for left, _ in moved]))
            state.clear(again)
            for events in self._events_of(again, axis, inside, canonical):
                state.add(_meant(events, kind))
        for _, entered in moved:
            state.add(entered)
        if isinstance(state, Distinct):
            state.tidy()

    def _events_of(self, rows: Array, axis: str, inside: Interval, canonical: Canonical) -> Iterator[Picked]:
        """The kept events of some profiles in an interval."""
        if not len(rows):
            return
        for every, columns in self._kept.between(axis, [inside]):
            owners = canonical(every)
            is_meant = np.zeros(int(max(owners.max(), rows.max())) + 1, np.bool_)
            is_meant[rows] = True
            chosen = is_meant[owners] & _is_between(columns[axis].values, inside)
            yield Picked(owners, columns).where(chosen)

    # ── people ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def merge(self, gone: Array, into: Array) -> None:
        """Give all that some profiles had to other ones, for good. Kept events follow by ``canonical``."""
        for state in self.states.values():
            state.merge(gone, into)
            state.clear(gone)

    def forget(self, rows: Array, canonical: Canonical) -> None:
        """Forget all that some profiles had, their events too."""
        for state in self.states.values():
            state.clear(rows)
        self._kept.remove(rows, canonical)
        waiting, self._waiting = self._waiting, []
        for events in waiting:
            others = events.where(~np.isin(canonical(events.rows), rows))
            if len(others):
                self._waiting.append(others)


def _visible(events: Picked, moment: Moment) -> Array:
    assert moment.known_at is not None
    at, known_at = events["at"].values, events["known_at"].values
    return (at <= microseconds(moment.as_of)) & (known_at <= microseconds(moment.known_at))


def _inside(events: Picked, window: tree.Window | None, moment: Moment) -> Array | None:
    """Which events lie in a window; None where all do."""
    if window is None:
        return None
    inside = _is_between(events["day" if is_in_days(window) else "at"].values, interval(window, moment))
    return None if inside.all() else inside


def _is_between(values: Array, part: Interval) -> Array:
    start, end = part
    found = values >= start if start != EARLIEST else np.ones(len(values), np.bool_)
    return found if end == LATEST else found & (values < end)


def _meant(events: Picked, kind: Kind, inside: Array | None = None) -> Picked:
    """The events that some aggregates are about: in the window, by the condition, with the property known."""
    conditions = [] if inside is None else [inside]
    if kind.where is not None:
        conditions.append(events[kind.where].values)
    if kind.of is not None and events[kind.of].known is not None:
        conditions.append(events[kind.of].known)
    for more in conditions[1:]:
        conditions[0] = conditions[0] & more
    return events.where(conditions[0]) if conditions else events
