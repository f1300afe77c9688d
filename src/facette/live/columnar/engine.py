"""The live engine: profiles in memory, events in, memberships and their changes out."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from facette.clock import CLOCK_UNITS, Moment
from facette.definitions.language import tree
from facette.errors import RunError
from facette.features.partials import by_event
from facette.features.table import FeaturePlan
from facette.live.columnar.columns import EPOCH, Array, Column, arrow_of
from facette.live.columnar.features import program_of
from facette.live.columnar.histories import Histories
from facette.live.columnar.kinds import EventState, remade, unkept
from facette.live.columnar.people import People
from facette.live.columnar.printer import Program
from facette.live.columnar.states import different

PIECE = 1 << 16
"""Profiles evaluated at once, so that what is made of them stays in the processor's cache."""

CHANGES = pa.schema(
    [
        ("profile_id", pa.int64()),
        ("segment", pa.dictionary(pa.int32(), pa.string())),
        ("change", pa.dictionary(pa.int32(), pa.string())),
        ("at", pa.timestamp("us", "UTC")),
    ]
)
"""As the table ``changes`` of docs/path.md, without the run."""


class Engine:
    """All profiles of a project as of a moment, which moves forward only.

    plan     : features and aggregates; those in ``unkept`` are given by ``put``, like traits
    rules    : segment → checked rule, a segment after those it refers to
    cuts     : see :func:`facette.features.table.feature_table`
    events   : event → schema of its table
    profiles : schema of what ``put`` gives: profile_id, is_counted, traits, outputs of models, unkept aggregates …
    moment   : where to start
    others   : columns that :meth:`columns` is asked for, besides those that rules read
    program  : that of plan, rules and cuts, where there is one already
    """

    def __init__(
        self,
        plan: FeaturePlan,
        rules: Mapping[str, tree.Checked],
        cuts: Mapping[str, tuple[float, ...]],
        *,
        events: Mapping[str, pa.Schema],
        profiles: pa.Schema,
        moment: Moment,
        others: Collection[str] = (),
        program: Program | None = None,
    ) -> None:
        self.moment = moment
        self.segments = (*rules,)
        self.unkept = unkept(plan.aggregates)
        self._program = program or program_of(plan, rules, cuts)
        anew = remade(plan.aggregates)
        given = self.unkept.keys() | anew.keys()
        kept = {name: aggregate for name, aggregate in plan.aggregates.items() if name not in given}
        self.states = {event: EventState(group, events[event]) for event, group in by_event(kept).items()}
        self.histories = Histories(anew, events)
        self._owner = {name: event for event, state in self.states.items() for name in state.aggregates}
        made = self._owner.keys() | anew.keys() | {feature.name for feature in plan.features}
        self.people = People(profiles, {*self._program.reads, *given, *others} - made)
        self._bits = np.zeros((0, -(-len(rules) // 64)), np.uint64)
        units = {unit for _, unit in tree.durations([checked.rule for checked in rules.values()])}
        self._is_stepwise = bool(units & {*CLOCK_UNITS})

    @property
    def reads(self) -> dict[str, set[str]]:
        """Event → the columns that its events must have, besides profile_id; of the kinds that matter."""
        found = {event: {*state.reads} for event, state in self.states.items()}
        for event, columns in self.histories.reads.items():
            found[event] = found.get(event, set()) | columns
        return found

    # ── what comes in ───────────────────────────────────────────────────────────────────────────────────────────────

    def put(self, profiles: pa.Table) -> Array:
        """Take in what is known of profiles besides their events, in place of what was.

        profiles : profile_id, is_counted, and any of the other columns
        returns  : the rows of those profiles, for :meth:`changes`
        """
        rows = self.people.put(profiles)
        self._grow()
        return rows

    def apply(self, events: Mapping[str, pa.Table], moment: Moment | None = None) -> Array:
        """Let time pass until a moment, then take in new events.

        events  : event → a batch of its table ``events_<event>``; none of them was taken in before
        returns : the rows of the profiles that it may matter to, for :meth:`changes`
        """
        touched = [self.roll(moment)] if moment is not None else []
        for event, table in events.items():
            rows = self.people.rows(table["profile_id"].to_numpy())
            self._grow()
            if event in self.states:
                touched.append(self.states[event].apply(table, rows, self.moment))
            if event in self.histories.reads:
                self.histories.add(event, table, rows, self.moment)
                touched.append(rows)
        return self._together(touched)

    def roll(self, moment: Moment) -> Array:
        """Let time pass until a moment: windows move, and events that were waited for count.

        returns : the rows of the profiles that it may matter to, for :meth:`changes`
        """
        before, self.moment = self.moment, moment
        assert before.known_at is not None and moment.known_at is not None
        if moment.as_of < before.as_of or moment.known_at < before.known_at or moment.zone != before.zone:
            raise RunError(
                f"time cannot go back from {before.as_of} to {moment.as_of}",
                remedy="Load the published snapshot again.",
            )
        touched = [state.roll(before, moment, self.people.canonical) for state in self.states.values()]
        touched.append(self.histories.roll(before, moment, self.people.canonical))
        if before.today != moment.today or (self._is_stepwise and before.step != moment.step):
            return np.arange(len(self.people))
        return self._together(touched)

    def load(self, partials: Mapping[str, pa.Table], events: Mapping[str, pa.Table]) -> Array:
        """Take in all events of profiles of which there are none yet: as partials, and those that time may still move.

        partials : event → ``partials_<event>`` of docs/path.md, as of this engine's moment
        events   : event → those of its events that :meth:`needs` tells
        returns  : the rows of those profiles, for :meth:`changes`
        """
        touched = []
        for event, table in partials.items():
            if event in self.states:
                rows = self.people.rows(table["profile_id"].to_numpy())
                self._grow()
                self.states[event].load(table, rows)
                touched.append(rows)
        for event, table in events.items():
            rows = self.people.rows(table["profile_id"].to_numpy())
            self._grow()
            if event in self.states:
                self.states[event].load_events(table, rows, self.moment)
            if event in self.histories.reads:
                self.histories.add(event, table, rows, self.moment)
            touched.append(rows)
        return self._together(touched)

    def needs(self, event: str) -> tuple[date | None, datetime | None]:
        """What of the events of a kind :meth:`load` needs: those of this day or later, and those of this instant or
        later (None: none on that account); besides these, those that are not visible yet. Where all are needed, the day
        is the first of the calendar.
        """
        if event in self.histories.reads:
            return date.min, None
        needed = self.states[event].needed_from(self.moment) if event in self.states else {}
        day, at = needed.get("day"), needed.get("at")
        return (
            None if day is None else EPOCH.date() + timedelta(days=day),
            None if at is None else EPOCH + timedelta(microseconds=at),
        )

    def replace(self, profile_ids: Array, partials: Mapping[str, pa.Table], events: Mapping[str, pa.Table]) -> Array:
        """Forget all events of some profiles and load them anew: after one turned out to be several, or a correction.

        profile_ids : each is a profile of its own from now on
        partials, events, returns : see :meth:`load`; of these profiles alone
        """
        before = self.people.rows(profile_ids)
        self._grow()
        own = self.people.separate(profile_ids)
        for state in self.states.values():
            state.forget(np.union1d(before, own), self.people.canonical)
        self.histories.remove(np.union1d(before, own))
        return np.union1d(own, self.load(partials, events))

    def merge(self, merged: pa.Table) -> Array:
        """Profiles become part of others: states and events are joined, and memberships follow.

        merged  : old_id, new_id (itself not an old_id)
        returns : the rows of the profiles that they became part of, for :meth:`changes`
        """
        gone, into = (self.people.rows(merged[name].to_numpy()) for name in ("old_id", "new_id"))
        gone, into = gone[gone != into], into[gone != into]
        self._grow()
        for state in self.states.values():
            state.merge(gone, into)
        self.histories.merge(gone, into)
        np.bitwise_or.at(self._bits, into, self._bits[gone])
        self._bits[gone] = 0
        self.people.merge(gone, into)
        return np.unique(into)

    def remember(self, members: Mapping[str, Array]) -> None:
        """Who is in which segment already, before :meth:`changes` is first asked.

        members : segment → profile ids
        """
        for place, segment in enumerate(self.segments):
            if segment in members:
                rows = self.people.rows(members[segment])
                self._grow()
                word, bit = divmod(place, 64)
                self._bits[rows, word] |= np.uint64(1) << np.uint64(bit)

    def _grow(self) -> None:
        n = self.people.room
        if len(self._bits) < n:
            longer = np.zeros((n, self._bits.shape[1]), np.uint64)
            longer[: len(self._bits)] = self._bits
            self._bits = longer
            for state in self.states.values():
                state.grow(n)
            self.histories.grow(n)

    def _together(self, touched: list[Array]) -> Array:
        """Different rows, ascending."""
        rows = np.concatenate(touched) if touched else np.empty(0, np.intp)
        return different(rows)

    # ── what comes out ──────────────────────────────────────────────────────────────────────────────────────────────

    def changes(self, rows: Array | None = None) -> pa.Table:
        """Who enters and who leaves which segment, of some profiles (None: all), since this was last asked of them.

        returns : schema CHANGES
        """
        rows = np.arange(len(self.people)) if rows is None else rows
        found: list[tuple[Array, Array, Array]] = []
        for piece in _pieces(rows):
            new = self._packed(piece)
            moved = new ^ self._bits[piece]
            places = np.flatnonzero(moved if moved.shape[1] == 1 else moved.any(axis=1))
            if len(places):
                new, moved, changed = new[places], moved[places], piece[places]
                self._bits[changed] = new
                place = np.flatnonzero(_unpacked(moved))
                row, segment = np.divmod(place, 64 * moved.shape[1])
                found.append((changed[row], segment, _unpacked(new)[place]))
        return self._told(found)

    def _told(self, found: list[tuple[Array, Array, Array]]) -> pa.Table:
        row, segment, entered = (
            np.concatenate([part[i] for part in found]) if found else np.empty(0, np.int64) for i in range(3)
        )
        arrays = [
            pa.array(self.people.ids[row]),
            pa.DictionaryArray.from_arrays(pa.array(segment.astype(np.int32)), pa.array(self.segments, pa.string())),
            pa.DictionaryArray.from_arrays(pa.array(entered.astype(np.int32)), pa.array(["left", "entered"])),
            pa.array(np.full(len(row), np.datetime64(self.moment.as_of.replace(tzinfo=None), "us"))).cast(
                CHANGES.field("at").type
            ),
        ]
        return pa.Table.from_arrays(arrays, schema=CHANGES)

    def _packed(self, rows: Array) -> Array:
        """The memberships of some profiles as bits, a number for 64 segments; of whoever does not count, none."""
        found = self.evaluate(rows)
        is_counted = self.people.is_counted[rows]
        packed = np.zeros((8 * self._bits.shape[1], len(rows)), np.uint8)
        for place, name in enumerate(self.segments):
            is_member = found[name] & is_counted
            packed[place // 8] |= is_member.view(np.uint8) << np.uint8(place % 8)
        return np.ascontiguousarray(packed.T).view(np.dtype("<u8"))

    def wide(self, rows: Array | None = None) -> pa.Table:
        """The table ``wide`` of docs/path.md for some profiles (None: all), evaluated now.

        returns : profile_id, one boolean per segment; of those among them that count
        """
        rows = np.arange(len(self.people)) if rows is None else different(rows)
        rows = rows[self.people.is_counted[rows]]
        pieces = [self._wide(piece) for piece in _pieces(rows)]
        return pa.concat_tables(pieces) if pieces else self._wide(rows)

    def _wide(self, rows: Array) -> pa.Table:
        found = self.evaluate(rows)
        members = {name: pa.array(np.broadcast_to(found[name], len(rows)), pa.bool_()) for name in self.segments}
        return pa.table({"profile_id": pa.array(self.people.ids[rows]), **members})

    def evaluate(self, rows: Array, program: Program | None = None) -> dict[str, Any]:
        """Every feature and segment of some profiles; see :meth:`facette.live.columnar.printer.Program.run`.

        program : what else is asked of the columns that rules read
        """
        program = program or self._program
        self.histories.refresh(self.moment)
        columns = {name: self._column(name, rows) for name in program.reads}
        return program.run(columns, self.moment)

    def columns(self, program: Program, kinds: Mapping[str, pa.DataType], rows: Array) -> pa.Table:
        """Columns that a program makes or that rules read, of some profiles.

        kinds   : column → its type
        returns : profile_id, is_counted and these
        """
        made = self.evaluate(rows, program)
        table = {"profile_id": pa.array(self.people.ids[rows]), "is_counted": pa.array(self.people.is_counted[rows])}
        for name, kind in kinds.items():
            column = made[name] if name in made else self._column(name, rows)
            table[name] = arrow_of(column, kind, len(rows))
        return pa.table(table)

    def _column(self, name: str, rows: Array) -> Column:
        if name in self._owner:
            return self.states[self._owner[name]].states[name].value(rows, self.moment)
        if name in self.histories.states:
            return self.histories.states[name].value(rows, self.moment)
        return self.people.column(name)[rows]

    def members(self, segment: str) -> Array:
        """The ids of the members of a segment, as of the last :meth:`changes`."""
        word, bit = divmod(self.segments.index(segment), 64)
        is_member = self._bits[: len(self.people), word] >> np.uint64(bit) & np.uint64(1)
        return self.people.ids[np.flatnonzero(is_member)]

    def segments_of(self, profile_id: int) -> tuple[str, ...]:
        """The segments of a profile, as of the last :meth:`changes`."""
        row = self.people.find(profile_id)
        if row is None:
            return ()
        return tuple(self.segments[place] for place in np.flatnonzero(_unpacked(self._bits[row])))


def _unpacked(bits: Array) -> Array:
    """Each bit as a boolean, in one row."""
    return np.unpackbits(bits.view(np.uint8).ravel(), bitorder="little").view(np.bool_)


def _pieces(rows: Array) -> Iterator[Array]:
    for start in range(0, len(rows), PIECE):
        yield rows[start : start + PIECE]
