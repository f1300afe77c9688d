"""Which events decided that somebody entered or left: those behind the conditions that make the rule true, or false.

Asked for changes only, of all that a step brings together: who moved has events, and each rule decides by some of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, cast

import numpy as np
import pyarrow as pa

from facette.clock import Moment
from facette.definitions.language import next_name, tree
from facette.features.partials import by_event
from facette.features.table import FeaturePlan, needed
from facette.live.columnar.columns import Array, Column, Texts, column_of
from facette.live.columnar.engine import Engine
from facette.live.columnar.features import program_of
from facette.live.columnar.kept import Picked
from facette.live.columnar.meant import Group, columns_read
from facette.live.columnar.states import ends, ranges
from facette.live.columnar.sums import millionths
from facette.live.memberships import Moves
from facette.segments import trees
from facette.segments.deciding import followed_in
from facette.segments.trees import Rules, conditions, inside

MOST = 100
"""Of more events that decided one change the latest are told."""

PORTION = 20_000
"""So many changes are looked into at once."""

EventsOf = Callable[[str, Collection[int], Collection[str]], pa.Table]
"""Kind, profiles and columns → those columns of their events, under today's profile ids."""

TOLD = pa.list_(pa.string())


class Deciding:
    """Finds the events behind changes, for the rules that an engine evaluates."""

    def __init__(
        self,
        plan: FeaturePlan,
        rules: Rules,
        cuts: Mapping[str, tuple[float, ...]],
        engine: Engine,
        schemas: Mapping[str, pa.Schema],
    ) -> None:
        """schemas : kind → that of its events"""
        self.plan, self.rules, self.engine = plan, rules, engine
        self._groups = [Group(kind, group) for kind, group in by_event(plan.aggregates).items()]
        columns = {kind: names & {*schemas[kind].names} for kind, names in columns_read(self._groups).items()}
        self._columns = {kind: sorted(names | {"profile_id", "event_id"}) for kind, names in columns.items()}
        self._conditions = {name: conditions(cast(tree.Rule, each.rule), rules) for name, each in rules.items()}
        every = dict.fromkeys(one for each in self._conditions.values() for one in each)
        self._names = {condition: f"condition {number}" for number, condition in enumerate(every)}
        self._program = program_of(plan, {}, cuts)
        for condition, name in self._names.items():
            self._program.define_rule(name, condition)
        self._aggregates = {name: place for place, name in enumerate(plan.aggregates)}
        self._behind = {condition: self._places(condition) for condition in every}

    @property
    def reads(self) -> Collection[str]:
        """The kinds of events that are asked for."""
        return self._columns.keys()

    def decided(self, moves: Moves, events: EventsOf) -> pa.ListArray:
        """Of each move the ids of the events that decided it, in the order of their instants."""
        found = [pa.array([], TOLD)]
        starts = np.flatnonzero(np.diff(moves.profiles, prepend=-1))  # where each profile begins: they stay together
        start = 0
        while start < len(moves):
            later = starts[np.searchsorted(starts, start + PORTION) :]
            end = int(later[0]) if len(later) else len(moves)
            found.append(self._of(moves[start:end], events))
            start = end
        return pa.concat_arrays(found)

    def _of(self, moves: Moves, events: EventsOf) -> pa.ListArray:
        behind = self._aggregates_behind(moves)
        is_decided = behind.any(axis=1)
        profiles = np.unique(moves.profiles[is_decided])
        if not len(profiles):
            return pa.nulls(len(moves), TOLD).fill_null([])
        asked = {name for name, place in self._aggregates.items() if behind[:, place].any()}
        groups = [group for group in self._groups if asked & group.aggregates.keys()]
        kinds = {kind for group in groups for kind in group.reads}
        every = Every({kind: events(kind, profiles.tolist(), self._columns[kind]) for kind in sorted(kinds)})
        chosen: dict[str, Array] = {}
        for group in groups:
            chosen |= every.deciding(group, asked & group.aggregates.keys(), self.engine.moment)
        return every.told(moves.profiles, behind, [chosen.get(name, NOTHING) for name in self._aggregates])

    # ── which conditions ────────────────────────────────────────────────────────────────────────────────────────────

    def _aggregates_behind(self, moves: Moves) -> Array:
        """Of each move, and each aggregate, whether it is behind a condition that decided."""
        everybody, who = np.unique(moves.profiles, return_inverse=True)
        answers = self.engine.evaluate(self.engine.people.rows(everybody), self._program)
        found = np.zeros((len(moves), len(self._aggregates)), np.bool_)
        for place in np.unique(moves.places).tolist():
            segment = moves.segments[place]
            group = np.flatnonzero(moves.places == place)
            verdicts = self._verdicts(segment, answers, len(everybody), who[group])
            rule = cast(tree.Rule, self.rules[segment].rule)
            agrees = _verdict(rule, self.rules, verdicts) == moves.is_member[group]  # else who left no longer counts
            carried: dict[tree.Rule, Array] = {}
            _carry(rule, agrees, self.rules, verdicts, carried)
            for condition, of_these in carried.items():
                found[np.ix_(group[of_these], self._behind[condition])] = True
        return found

    def _verdicts(self, segment: str, answers: Mapping[str, Any], n: int, places: Array) -> dict[tree.Rule, Array]:
        """What the conditions of a segment say of some of n profiles that the program was asked about."""
        names = {one: self._names[one] for one in self._conditions[segment]}
        return {one: np.broadcast_to(answers[name], n)[places] for one, name in names.items()}

    def _places(self, condition: tree.Rule) -> Array:
        """The aggregates behind a condition."""
        column = trees.column_of(condition)
        aggregates = needed(self.plan, {column.name}, is_fitted=True).aggregates if column else ()
        return np.array([self._aggregates[name] for name in aggregates], np.intp)


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

NOTHING = np.empty(0, np.intp)


class Every:
    """All events of some profiles, of several kinds, in one order: of profiles, of instants, of ids.

    They have places there. What is there twice, as events of two kinds, is told once.
    """

    def __init__(self, tables: Mapping[str, pa.Table]) -> None:
        """tables : kind → profile_id, event_id, and the columns that groups read"""
        profiles, at = (
            np.concatenate([column_of(table[name]).values for table in tables.values()])
            for name in ("profile_id", "at")
        )
        ids = pa.chunked_array([chunk for table in tables.values() for chunk in table["event_id"].chunks], pa.string())
        order, self._numbers = _in_order(profiles, at, ids)
        self.profiles, self._ids = profiles[order], ids.take(pa.array(order))
        places = np.empty(len(order), np.intp)
        places[order] = np.arange(len(order))
        self._texts = Texts()  # one for all columns, so that those of two kinds of events can be compared
        self._of: dict[str, Picked] = {}
        self._places: dict[str, Array] = {}
        start = 0
        for kind, table in tables.items():
            own = places[start : start + len(table)]
            self._places[kind] = np.sort(own)
            self._of[kind] = self._picked(table.take(pa.array(np.argsort(own))))
            start += len(table)

    def _picked(self, table: pa.Table) -> Picked:
        names = [name for name in table.column_names if name not in ("profile_id", "event_id")]
        columns = {name: column_of(table[name], self._texts) for name in names}
        return Picked(table["profile_id"].to_numpy(), columns)

    def deciding(self, group: Group, asked: Collection[str], moment: Moment) -> dict[str, Array]:
        """Aggregate → the places of the events that decide it, as an explanation tells them; of those asked about."""
        own, places = self._of[group.kind], self._places[group.kind]
        columns, meant, following = group.meant(own, self._of, moment)
        found = {}
        for name in asked:
            aggregate = group.aggregates[name]
            chosen = _chosen(aggregate, columns, np.flatnonzero(meant[name]), own.rows)
            found[name] = places[chosen]
            if followed := followed_in(aggregate):
                others = self._places[followed.next.event][following[next_name(followed.next)][chosen]]
                found[name] = np.concatenate([found[name], others])
        return found

    def told(self, profiles: Array, behind: Array, chosen: list[Array]) -> pa.ListArray:
        """Of each move the ids of the events behind it.

        profiles : of each move
        behind   : of each move, and each aggregate, whether that is behind it
        chosen   : of each aggregate the places of its events
        """
        different, which = np.unique(np.packbits(behind, axis=1), axis=0, return_index=True, return_inverse=True)[1:]
        firsts, afters = np.zeros(len(profiles), np.intp), np.zeros(len(profiles), np.intp)
        told, n_told = [NOTHING], 0
        for number, example in enumerate(different.tolist()):
            is_chosen = np.zeros(len(self.profiles), np.bool_)
            for place in np.flatnonzero(behind[example]).tolist():
                is_chosen[chosen[place]] = True
            places = np.flatnonzero(is_chosen)
            places = places[ends(self._numbers[places])]
            alike = np.flatnonzero(which == number)
            owners = self.profiles[places]
            afters[alike] = n_told + np.searchsorted(owners, profiles[alike], "right")
            firsts[alike] = n_told + np.searchsorted(owners, profiles[alike], "left")
            told.append(places)
            n_told += len(places)
        firsts = np.maximum(firsts, afters - MOST)
        places = np.concatenate(told)[ranges(firsts, afters)]
        offsets = np.concatenate([[0], np.cumsum(afters - firsts)]).astype(np.int32)
        return pa.ListArray.from_arrays(pa.array(offsets), self._ids.take(pa.array(places)).combine_chunks())


def _in_order(profiles: Array, at: Array, ids: pa.ChunkedArray) -> tuple[Array, Array]:
    """The order of events; and in that order a number for each, which is the same where it is one event twice."""
    order = np.lexsort((at, profiles))
    is_tied = _is_as_before(profiles[order], at[order])
    if not is_tied.any():
        return order, np.arange(len(order))
    tied = order[is_tied | np.append(is_tied[1:], False)]
    ranks = np.zeros(len(order), np.intp)
    ranks[tied] = np.unique(np.array(ids.take(pa.array(tied)).to_pylist(), object), return_inverse=True)[1]
    order = np.lexsort((ranks, at, profiles))
    return order, np.cumsum(~_is_as_before(profiles[order], at[order], ranks[order]))


def _is_as_before(*columns: Array) -> Array:
    """Which rows are as the one before."""
    return np.append(False, np.logical_and.reduce([column[1:] == column[:-1] for column in columns]))[: len(columns[0])]


def _chosen(aggregate: tree.Aggregate, columns: Mapping[str, Column], meant: Array, profiles: Array) -> Array:
    """Of events that take part, in their order, those that decide: of each profile the latest, or the one taken.

    meant    : which events take part
    profiles : of every event
    """
    if not len(meant):
        return meant
    function = aggregate.function
    starts = np.flatnonzero(np.diff(profiles[meant], prepend=-1))
    lengths = np.diff(np.append(starts, len(meant)))
    match function:
        case "min" | "max":
            column = columns[aggregate.of or ""]
            values = column.values[meant]
            values = values if column.texts is None else column.texts.ranks(values)
            best = (np.minimum if function == "min" else np.maximum).reduceat(values, starts)
            meant = meant[values == np.repeat(best, lengths)]
            return meant[np.flatnonzero(np.diff(profiles[meant], prepend=-1))]
        case "first":
            return meant[starts]
        case "last" | "recency":
            return meant[starts + lengths - 1]
        case "sum" | "avg" | "opening":
            values = columns[aggregate.of or ""].values[meant]
            if values.dtype == np.float64:
                meant = meant[millionths(values)[1]]
                return _chosen(COUNTED, columns, meant, profiles)
    afters = starts + lengths
    return meant[ranges(np.maximum(starts, afters - MOST), afters)]


COUNTED = tree.Aggregate("count", "")
