"""Who is in which segment since when, in memory: one instant per profile and segment, changed in bulk."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
import numpy as np
import pyarrow as pa

from facette.live.columnar.columns import Array, microseconds
from facette.live.columnar.index import Index, extended
from facette.live.columnar.states import ends

NEVER = np.iinfo(np.int64).min
"""Stands where somebody is no member."""

Members = tuple[str, Array, Array]
"""A segment, the profile ids of members of it, and since when each is one, in microseconds."""


class Moved(msgspec.Struct, frozen=True, gc=False):
    """One profile that entered or left one segment."""

    profile_id: int
    segment: str
    is_member: bool


@dataclass(frozen=True)
class Moves:
    """Who entered and who left which segment, by profile and in the order of segments.

    segments  : all there are
    profiles  : of each move who it is
    places    : the place of the segment
    is_member : whether it was entered
    """

    segments: tuple[str, ...]
    profiles: Array
    places: Array
    is_member: Array

    def __len__(self) -> int:
        return len(self.profiles)

    def __getitem__(self, some: slice) -> Moves:
        return Moves(self.segments, self.profiles[some], self.places[some], self.is_member[some])

    def by_segment(self, *, is_member: bool) -> Iterator[tuple[int, str]]:
        """Who entered and what, or who left it: in the order of the segments' names, and of profiles."""
        for segment in sorted(self.segments):
            meant = (self.places == self.segments.index(segment)) & (self.is_member == is_member)
            yield from ((profile_id, segment) for profile_id in self.profiles[meant].tolist())

    def __iter__(self) -> Iterator[Moved]:
        told = zip(self.profiles.tolist(), self.places.tolist(), self.is_member.tolist(), strict=True)
        return (Moved(profile_id, self.segments[place], is_member) for profile_id, place, is_member in told)


class Memberships:
    """Since when everybody is in every segment, in microseconds of UTC.

    Many have one instant, that of a run or of a step: what is kept of each is its place among all instants, 0 of who is
    no member.
    """

    def __init__(self, segments: Sequence[str]) -> None:
        self.segments = tuple(segments)
        self._index = Index()
        self._since = [np.empty(0, np.int32) for _ in self.segments]
        self._instants = Index()
        self._instants.insert(np.array([NEVER]))

    @classmethod
    def of_table(cls, table: pa.Table, segments: Sequence[str]) -> Memberships:
        """From ``member_since``: profile_id, one instant per segment; segments that it lacks are empty."""
        made = cls(segments)
        rows = made._rows(table["profile_id"].to_numpy())
        for since, name in zip(made._since, made.segments, strict=True):
            if name in table.column_names:
                column = table[name].cast(pa.timestamp("us", "UTC")).cast(pa.int64())
                since[rows] = made._placed(column.fill_null(NEVER).to_numpy())
        return made

    @classmethod
    def of_columns(cls, columns: Iterable[Members], segments: Sequence[str]) -> Memberships:
        """From members of segments, in portions; of segments that there are no longer nothing is kept."""
        made = cls(segments)
        for name, ids, since in columns:
            if name in made.segments:
                rows = made._rows(ids)
                made._since[made.segments.index(name)][rows] = made._placed(since)
        return made

    @classmethod
    def of_rows(cls, rows: Iterable[tuple[int, str, int]], segments: Sequence[str]) -> Memberships:
        """From (profile_id, segment, since)."""
        portions = ((name, np.array([profile_id]), np.array([since])) for profile_id, name, since in rows)
        return cls.of_columns(portions, segments)

    def columns(self, whose: Collection[int] | None = None) -> Iterator[Members]:
        """The members of each segment, or those among some profiles; in the order of segments and ids."""
        at = np.arange(len(self._index)) if whose is None else self._index.find(np.fromiter(whose, np.int64))
        at = at[at >= 0]
        at = at[np.argsort(self._index.keys[at], kind="stable")]
        instants = self._instants.keys
        for name in sorted(self.segments):
            since = self._since[self.segments.index(name)][at]
            is_member = since != 0
            yield name, self._index.keys[at[is_member]], instants[since[is_member]]

    def rows(self, whose: Collection[int] | None = None) -> Iterator[tuple[int, str, int]]:
        """(profile_id, segment, since) of every member, or of those among some profiles; in the same order."""
        for name, ids, since in self.columns(whose):
            yield from zip(ids.tolist(), itertools.repeat(name), since.tolist())

    def ids(self, segment: str) -> Array:
        """The profile ids of the members of a segment."""
        since = self._since[self.segments.index(segment)][: len(self._index)]
        return self._index.keys[since != 0]

    def members(self) -> dict[str, set[int]]:
        """Segment → profile ids."""
        return {name: set(self.ids(name).tolist()) for name in self.segments}

    def follow(self, moved: Mapping[int, int]) -> Memberships:
        """The same under other profile ids; where two become one it is a member since the earlier instant."""
        old = np.array(sorted(moved), np.int64)
        new = np.array([moved[profile_id] for profile_id in old.tolist()], np.int64)

        def renamed(ids: Array) -> Array:
            place = np.searchsorted(old, ids).clip(max=max(len(old) - 1, 0))
            return np.where(old[place] == ids, new[place], ids) if len(old) else ids

        def followed() -> Iterator[Members]:
            for name, before, since in self.columns():
                ids = renamed(before)
                order = np.lexsort((-since, ids))
                earliest = order[ends(ids[order])]
                yield name, ids[earliest], since[earliest]

        return Memberships.of_columns(followed(), self.segments)

    def merge(self, merged: Mapping[int, int]) -> None:
        """Give those of merged profiles to what they became part of."""
        for old, new in merged.items():
            if self._index.find(np.array([old], np.int64))[0] >= 0:
                target, source = self._rows(np.array([new, old], np.int64))
                for since in self._since:
                    of_both = [each for each in (since[target], since[source]) if each]
                    since[target] = min(of_both, key=self._instants.keys.__getitem__, default=0)
                    since[source] = 0

    def move(self, changes: pa.Table, now: datetime) -> Moves:
        """Take over what changed; who moved.

        changes : profile_id, segment, change ("entered" | "left"), the last two as dictionaries
        """
        names, codes = _codes(changes["segment"])
        words, kinds = _codes(changes["change"])
        ids = changes["profile_id"].to_numpy()
        places = np.array([self.segments.index(name) for name in names], np.int64)[codes]
        is_member = np.array([word == "entered" for word in words], np.bool_)[kinds]
        rows = self._rows(ids)
        (entered,) = self._placed(np.array([microseconds(now)]))
        for place in np.unique(places):
            meant = places == place
            self._since[place][rows[meant]] = np.where(is_member[meant], entered, 0)
        order = np.lexsort((places, ids))
        return Moves(self.segments, ids[order], places[order], is_member[order])

    def since(self, profile_id: int, segment: str) -> int | None:
        """Since when somebody is a member, in microseconds; None for who is not."""
        (row,) = self._index.find(np.array([profile_id], np.int64))
        place = 0 if row < 0 else self._since[self.segments.index(segment)][row]
        return int(self._instants.keys[place]) if place else None

    def _rows(self, ids: Array) -> Array:
        """The rows of profiles, new ones for those that have none."""
        rows = self._index.add(ids)
        self._since = [extended(since, len(self._index), 0) for since in self._since]
        return rows

    def _placed(self, instants: Array) -> Array:
        """The place of each instant, a new one where it has none."""
        return self._instants.add(instants).astype(np.int32)


def _codes(column: pa.ChunkedArray) -> tuple[list[str], Array]:
    """The texts of a column's dictionary, and the place there of each value."""
    array = column.combine_chunks()
    return array.dictionary.to_pylist(), array.indices.to_numpy()
