"""Who is in which segment since when, in memory: one instant per profile and segment, compared and changed in bulk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
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
        self._row: dict[int, int] = {}
        self._since = np.full((len(self.segments), 1024), NEVER)

    @classmethod
    def of_table(cls, table: pa.Table, segments: Sequence[str]) -> Memberships:
        """From ``member_since``: profile_id, one instant per segment; segments that it lacks are empty."""
        made = cls(segments)
        rows = made._rows(table["profile_id"].to_pylist())
        for place, name in enumerate(made.segments):
            if name in table.column_names:
                column = table[name].cast(pa.timestamp("us", "UTC")).cast(pa.int64())
                made._since[place, rows] = column.fill_null(NEVER).to_numpy()
        return made

    @classmethod
    def of_rows(cls, rows: Iterable[tuple[int, str, int]], segments: Sequence[str]) -> Memberships:
        """From (profile_id, segment, since); of segments that there are no longer nothing is kept."""
        made = cls(segments)
        place = {name: number for number, name in enumerate(made.segments)}
        known = [(profile_id, place[name], since) for profile_id, name, since in rows if name in place]
        at = made._rows([profile_id for profile_id, _, _ in known])
        made._since[[number for _, number, _ in known], at] = [since for _, _, since in known]
        return made

    def rows(self, whose: Iterable[int] | None = None) -> list[tuple[int, str, int]]:
        """(profile_id, segment, since) of every member, or of those among some profiles."""
        ids = np.fromiter(self._row.keys() if whose is None else [one for one in whose if one in self._row], np.int64)
        at = np.arange(len(ids)) if whose is None else self._rows(ids.tolist())
        since = self._since[:, at]
        places, found = np.nonzero(since != NEVER)
        told = zip(ids[found].tolist(), places.tolist(), since[places, found].tolist(), strict=True)
        return [(profile_id, self.segments[place], when) for profile_id, place, when in told]

    def members(self) -> dict[str, set[int]]:
        """Segment → profile ids."""
        found: dict[str, set[int]] = {name: set() for name in self.segments}
        for profile_id, segment, _ in self.rows():
            found[segment].add(profile_id)
        return found

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
            if old in self._row:
                [target, source] = self._rows([new, old])
                before, given = self._since[:, target], self._since[:, source]
                both = np.where((before != NEVER) & (given != NEVER), np.minimum(before, given), 0)
                one = np.where(before != NEVER, before, given)
                self._since[:, target] = np.where(both != 0, both, one)
                self._since[:, source] = NEVER

    def move(self, wide: pa.Table, whose: Iterable[int] | None, now: datetime) -> list[Moved]:
        """Take over what is true now; who moved.

        wide  : profile_id, one boolean per segment
        whose : the profiles that it is about, None for everybody; those of them that it lacks are in no segment
        """
        present = wide["profile_id"].to_pylist()
        absent = (self._row.keys() if whose is None else set(whose)) - set(present)
        order = [*present, *sorted(absent)]
        rows = self._rows(order)
        moved: list[Moved] = []
        instant = (now - EPOCH) // timedelta(microseconds=1)
        for place, name in enumerate(self.segments):
            is_member = np.zeros(len(order), bool)
            is_member[: len(present)] = wide[name].to_numpy(zero_copy_only=False)
            was_member = self._since[place, rows] != NEVER
            for at in np.flatnonzero(is_member != was_member).tolist():
                moved.append(Moved(order[at], name, bool(is_member[at])))
            entered, left = is_member & ~was_member, was_member & ~is_member
            self._since[place, rows[entered]] = instant
            self._since[place, rows[left]] = NEVER
        return sorted(moved, key=lambda one: (one.profile_id, self.segments.index(one.segment)))

    def since(self, profile_id: int, segment: str) -> int | None:
        """Since when somebody is a member, in microseconds; None for who is not."""
        row = self._row.get(profile_id)
        found = NEVER if row is None else int(self._since[self.segments.index(segment), row])
        return None if found == NEVER else found

    def _rows(self, ids: Sequence[int]) -> np.ndarray:
        """The rows of profiles, new ones for those that have none."""
        for profile_id in ids:
            self._row.setdefault(profile_id, len(self._row))
        room = self._since.shape[1]
        if len(self._row) > room:
            more = np.full((len(self.segments), max(len(self._row), 2 * room) - room), NEVER)
            self._since = np.concatenate([self._since, more], axis=1)
        return np.fromiter((self._row[profile_id] for profile_id in ids), np.int64, len(ids))
