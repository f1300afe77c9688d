"""Which of some events aggregates are about, sequences included: the twin of ``features/sequences.py``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from facette.clock import Moment
from facette.definitions.language import tree
from facette.features.sequences import nexts_in
from facette.live.columnar.columns import Array, Column, microseconds
from facette.live.columnar.kept import Picked
from facette.live.columnar.printer import Program, interval, is_in_days


class Group:
    """Aggregates over events of one kind.

    nexts : column prefix → what is to be found after each event, of all their sequences
    """

    def __init__(self, kind: str, aggregates: Mapping[str, tree.Aggregate]) -> None:
        self.kind, self.aggregates = kind, aggregates
        self.nexts = nexts_in(aggregates.values())
        self._where = _program({name: item.where for name, item in aggregates.items()})
        self._may_follow = {prefix: _program({prefix: item.where}) for prefix, item in self.nexts.items()}

    @property
    def reads(self) -> dict[str, set[str]]:
        """Kind of event → the columns that its events must have; some in ``where`` come of sequences."""
        own = {item.of for item in self.aggregates.values() if item.of} | {*self._where.reads}
        found = {self.kind: {*ALWAYS, *own, *(item.on for item in self.nexts.values() if item.on)}}
        for prefix, item in self.nexts.items():
            others = {*ALWAYS, *self._may_follow[prefix].reads} | ({item.other} if item.other else set())
            found[item.event] = found.get(item.event, set()) | others
        return found

    def meant(
        self, own: Picked, events: Mapping[str, Picked | None], moment: Moment
    ) -> tuple[dict[str, Column], dict[str, Array], dict[str, Array]]:
        """The columns of some events, with when the next ones come; which of them each aggregate is about; and for each
        prefix in ``nexts``, which of the events of its kind comes next (-1: none).

        own    : the events
        events : all events of their profiles, of every kind that sequences name; of several at one instant the first
                 comes next
        """
        columns = own.columns
        following: dict[str, Array] = {}
        for prefix, item in self.nexts.items():
            others = self._candidates(prefix, item, events[item.event], moment)
            found, following[prefix] = _next_columns(prefix, own, others, item, item.event == self.kind)
            columns |= found
        holds = self._where.run({name: columns[name] for name in self._where.reads}, moment)
        seen = visible(columns, moment)
        meant = {}
        for name, aggregate in self.aggregates.items():
            mask = seen & holds[name] if aggregate.where is not None else seen
            mask = mask & _in_window(columns, aggregate.window, moment)
            if aggregate.of not in (None, "at", "day"):
                mask = mask & columns[aggregate.of].is_known
            meant[name] = mask
        return columns, meant, following

    def _candidates(self, prefix: str, following: tree.Next, events: Picked | None, moment: Moment) -> _Others | None:
        """The events that may follow another one."""
        if events is None:
            return None
        columns = events.columns
        meant = visible(columns, moment) & _in_window(columns, following.window, moment)
        if following.where is not None:
            program = self._may_follow[prefix]
            meant = meant & program.run({name: columns[name] for name in program.reads}, moment)[prefix]
        if following.other is not None:
            meant = meant & columns[following.other].is_known
        places = np.flatnonzero(meant)
        return _Others(events, places) if len(places) else None


ALWAYS = ("at", "day", "known_at")


def columns_read(groups: Iterable[Group]) -> dict[str, set[str]]:
    """Kind of event → the columns that its events must have for some groups."""
    found: dict[str, set[str]] = {}
    for group in groups:
        for kind, names in group.reads.items():
            found[kind] = found.get(kind, set()) | names
    return found


@dataclass(frozen=True)
class _Others:
    """Some of many events: which of them."""

    events: Picked
    places: Array


def _next_columns(
    prefix: str, own: Picked, others: _Others | None, following: tree.Next, is_same: bool
) -> tuple[dict[str, Column], Array]:
    """When the next of some events comes after each event, and on which day; and which it is, -1 where there is none.

    own     : the events
    others  : those that may follow
    is_same : they are events of one kind, so that one can be both; it never follows itself
    """
    n = len(own)
    if others is None:
        nothing = np.zeros(n, np.bool_)
        columns = {
            f"{prefix}__at": Column(np.zeros(n, np.int64), nothing),
            f"{prefix}__day": Column(np.zeros(n, np.int32), nothing),
        }
        return columns, np.full(n, -1)
    places = others.places
    others_at = others.events["at"].values[places]
    groups, of_others = _groups_of(own, others, following)
    instants = np.unique(others_at)

    def in_time(groups: Array, at: Array) -> Array:
        return groups * (len(instants) + 1) + np.searchsorted(instants, at)

    keys = in_time(of_others, others_at)
    in_order = np.argsort(keys, kind="stable")
    first = np.searchsorted(keys[in_order], in_time(groups, own["at"].values))
    last = len(in_order) - 1
    if is_same:
        itself = places[in_order[np.minimum(first, last)]] == np.arange(n)
        first = first + (itself & (first <= last))
    found = in_order[np.minimum(first, last)]
    known = (first <= last) & (of_others[found] == groups)
    if following.on is not None:
        known &= own[following.on].is_known
    found = places[found]
    columns = {
        f"{prefix}__at": Column(others.events["at"].values[found], known),
        f"{prefix}__day": Column(others.events["day"].values[found], known),
    }
    return columns, np.where(known, found, -1)


def _groups_of(own: Picked, others: _Others, following: tree.Next) -> tuple[Array, Array]:
    """A number for each of the events, and of the others: of one profile, and of one value where that must be equal."""
    rows = own.rows, others.events.rows[others.places]
    if following.on is None or following.other is None:
        return rows
    values = _comparable(own[following.on]), _comparable(others.events[following.other])[others.places]
    different_values, codes = np.unique(np.concatenate(values), return_inverse=True)
    pairs = np.concatenate(rows) * len(different_values) + codes
    numbers = np.unique(pairs, return_inverse=True)[1]  # small, to be multiplied
    return numbers[: len(own)], numbers[len(own) :]


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


def visible(columns: Mapping[str, Column], moment: Moment) -> Array:
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
