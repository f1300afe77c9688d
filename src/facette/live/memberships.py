"""Who is in which segment since when, in memory: one instant per profile and segment, changed in bulk."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa

from facette.live.columnar.columns import Array, microseconds
from facette.live.columnar.index import Index, extended

NEVER = np.iinfo(np.int64).min
"""Stands where somebody is no member."""


@dataclass(frozen=True, slots=True)
class Moved:
    """One profile that entered or left one segment."""

    profile_id: int
    segment: str
    is_member: bool


class Memberships:
    """Since when everybody is in every segment, in microseconds of UTC."""

    def __init__(self, segments: Sequence[str]) -> None:
        self.segments = tuple(segments)
        self._index = Index()
        self._since = [np.empty(0, np.int64) for _ in self.segments]

    @classmethod
    def of_table(cls, table: pa.Table, segments: Sequence[str]) -> Memberships:
        """From ``member_since``: profile_id, one instant per segment; segments that it lacks are empty."""
        made = cls(segments)
        rows = made._rows(table["profile_id"].to_numpy())
        for since, name in zip(made._since, made.segments, strict=True):
            if name in table.column_names:
                column = table[name].cast(pa.timestamp("us", "UTC")).cast(pa.int64())
                since[rows] = column.fill_null(NEVER).to_numpy()
        return made

    @classmethod
    def of_rows(cls, rows: Iterable[tuple[int, str, int]], segments: Sequence[str]) -> Memberships:
        """From (profile_id, segment, since); of segments that there are no longer nothing is kept."""
        made = cls(segments)
        place = {name: number for number, name in enumerate(made.segments)}
        told = [(profile_id, place[name], when) for profile_id, name, when in rows if name in place]
        ids, places, since = np.array(told, np.int64).reshape(-1, 3).T
        at = made._rows(np.ascontiguousarray(ids))
        for number, of in enumerate(made._since):
            meant = places == number
            of[at[meant]] = since[meant]
        return made

    def rows(self, whose: Collection[int] | None = None) -> list[tuple[int, str, int]]:
        """(profile_id, segment, since) of every member, or of those among some profiles."""
        at = np.arange(len(self._index)) if whose is None else self._index.find(np.fromiter(whose, np.int64))
        at = at[at >= 0]
        found = []
        for name, of in zip(self.segments, self._since, strict=True):
            members = at[of[at] != NEVER]
            ids, since = self._index.keys[members].tolist(), of[members].tolist()
            found += [(profile_id, name, when) for profile_id, when in zip(ids, since, strict=True)]
        return found

    def ids(self, segment: str) -> Array:
        """The profile ids of the members of a segment."""
        since = self._since[self.segments.index(segment)][: len(self._index)]
        return self._index.keys[since != NEVER]

    def members(self) -> dict[str, set[int]]:
        """Segment → profile ids."""
        return {name: set(self.ids(name).tolist()) for name in self.segments}

    def follow(self, moved: Mapping[int, int]) -> Memberships:
        """The same under other profile ids; where two become one it is a member since the earlier instant."""
        made: dict[tuple[int, str], int] = {}
        for profile_id, segment, since in self.rows():
            key = (moved.get(profile_id, profile_id), segment)
            made[key] = min(since, made.get(key, since))
        return Memberships.of_rows([(*key, since) for key, since in made.items()], self.segments)

    def merge(self, merged: Mapping[int, int]) -> None:
        """Give those of merged profiles to what they became part of."""
        for old, new in merged.items():
            if self._index.find(np.array([old], np.int64))[0] >= 0:
                target, source = self._rows(np.array([new, old], np.int64))
                for since in self._since:
                    of_both = [each for each in (since[target], since[source]) if each != NEVER]
                    since[target], since[source] = min(of_both, default=NEVER), NEVER

    def move(self, changes: pa.Table, now: datetime) -> list[Moved]:
        """Take over what changed; who moved, by profile and in the order of segments.

        changes : profile_id, segment, change ("entered" | "left"), the last two as dictionaries
        """
        names, codes = _codes(changes["segment"])
        words, kinds = _codes(changes["change"])
        ids = changes["profile_id"].to_numpy()
        places = np.array([self.segments.index(name) for name in names], np.int64)[codes]
        is_member = np.array([word == "entered" for word in words], np.bool_)[kinds]
        rows = self._rows(ids)
        instant = microseconds(now)
        for place in np.unique(places):
            meant = places == place
            self._since[place][rows[meant]] = np.where(is_member[meant], instant, NEVER)
        order = np.lexsort((places, ids))
        told = zip(ids[order].tolist(), places[order].tolist(), is_member[order].tolist(), strict=True)
        return [Moved(profile_id, self.segments[place], entered) for profile_id, place, entered in told]

    def since(self, profile_id: int, segment: str) -> int | None:
        """Since when somebody is a member, in microseconds; None for who is not."""
        (row,) = self._index.find(np.array([profile_id], np.int64))
        found = NEVER if row < 0 else int(self._since[self.segments.index(segment)][row])
        return None if found == NEVER else found

    def _rows(self, ids: Array) -> Array:
        """The rows of profiles, new ones for those that have none."""
        rows = self._index.add(ids)
        self._since = [extended(since, len(self._index), NEVER) for since in self._since]
        return rows


def _codes(column: pa.ChunkedArray) -> tuple[list[str], Array]:
    """The texts of a column's dictionary, and the place there of each value."""
    array = column.combine_chunks()
    return array.dictionary.to_pylist(), array.indices.to_numpy()
