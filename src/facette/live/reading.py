"""The worker's state as others see it: after whole steps only, while the worker goes on.

Every object here has a connection of its own, and belongs to one thread.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import pyarrow as pa

from facette.definitions.error_texts import said
from facette.errors import NotFoundError, RunError
from facette.live import blocks, parts
from facette.live.changes import Numbered
from facette.live.state import FOLDER, IDENTITIES, SEGMENTS, errors, instant_of, micros_of, table_of
from facette.live.values import Values, published_values
from facette.warehouse.published import Snapshot, Store

PATIENCE = 30.0  # seconds to wait for the worker's own step, where something is noted


class NoStateError(NotFoundError):
    """No worker has been at work yet."""


Place = tuple[str, int]
"""Segment and profile."""


@dataclass(frozen=True, slots=True)
class Member:
    """A profile that is in a segment, and since when."""

    profile_id: int
    segment: str
    since: datetime


class Reading:
    """The state, to be looked at. NoStateError if no worker has been at work yet, RunError if it cannot be read."""

    mode = "ro"

    def __init__(self, store: Path) -> None:
        self.path = store / FOLDER / "state.db"
        if not self.path.is_file():
            raise said(NoStateError, "no_state", project=store.parent)
        with errors(self.path):
            uri = f"{self.path.absolute().as_uri()}?mode={self.mode}"
            self._db = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=PATIENCE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """All that is asked meanwhile is of one instant."""
        self._db.execute("begin")
        try:
            yield
        finally:
            self._db.execute("rollback")

    # ── who is where ────────────────────────────────────────────────────────────────────────────────────────────────

    def meta(self) -> dict[str, str]:
        """How far the worker has come: base, definitions, positions, as_of, highest, n_steps; empty before a step."""
        return dict(self.rows("select key, value from meta"))

    def as_of(self) -> datetime | None:
        """The instant of the last step."""
        found = self.meta().get("as_of")
        return None if found is None else instant_of(int(found))

    def members(self, portion: int, after: Place = ("", 0)) -> Iterator[list[Member]]:
        """Everybody who is in a segment, some at a time, in the order of segments and ids; those after one place."""
        query = "select profile_id, segment, since from members where (segment, profile_id) > (?, ?) "
        with errors(self.path):
            cursor = self._db.execute(f"{query} order by segment, profile_id", after)
            while rows := cursor.fetchmany(portion):
                yield [Member(profile_id, segment, instant_of(since)) for profile_id, segment, since in rows]

    def segments_of(self, profile_id: int) -> list[Member]:
        query = f"select segment, since from ({SEGMENTS}) join members using (segment) where profile_id = ?"
        return [Member(profile_id, segment, instant_of(since)) for segment, since in self.rows(query, profile_id)]

    def members_of(self, segment: str, after: int, most: int) -> list[Member]:
        """Members of a segment with ids above one, in their order."""
        query = "select profile_id, since from members where segment = ? and profile_id > ? order by profile_id limit ?"
        return [Member(one, segment, instant_of(since)) for one, since in self.rows(query, segment, after, most)]

    def counts(self) -> dict[str, int]:
        """Segment → members; those that nobody is in are missing."""
        return dict(self.rows("select segment, count(*) from members group by segment"))

    def count(self, segment: str) -> int:
        [(number,)] = self.rows("select count(*) from members where segment = ?", segment)
        return int(number)

    # ── who is who ──────────────────────────────────────────────────────────────────────────────────────────────────

    def owner(self, kind: str, value: str) -> int | None:
        """The profile of an identifier, of those that came or changed live."""
        for (profile_id,) in self.rows("select profile_id from identities where kind = ? and value = ?", kind, value):
            return int(profile_id)
        return None

    def called_now(self, profile_id: int) -> int:
        """What a profile became part of, in however many steps; itself if nothing."""
        seen: set[int] = set()
        while profile_id not in seen:
            seen.add(profile_id)
            became = [new for (new,) in self.rows("select new_id from merged where old_id = ?", profile_id)]
            if not became:
                told = [
                    one for _, one in blocks.after(self.rows, profile_id=profile_id) if one.profile_id == profile_id
                ]
                became = [one.into for one in told[-1:] if one.into is not None]
            if became:
                profile_id = became[0]
        return profile_id

    def identity(self, kind: str, value: str, schema: pa.Schema) -> pa.Table:
        """An identifier that came or changed live, as a row of the table ``identities``; none if it did not."""
        rows = self.rows("select * from identities where kind = ? and value = ?", kind, value)
        return table_of(rows, IDENTITIES, schema)

    def identities_of(self, profile_id: int, schema: pa.Schema) -> pa.Table:
        """The same of all those of a profile."""
        return table_of(self.rows("select * from identities where profile_id = ?", profile_id), IDENTITIES, schema)

    def parts_of(self, profile_id: int) -> list[int]:
        """The profiles that became part of one, in this state or in its run."""
        return [old for (old,) in self.rows("select old_id from merged where new_id = ?", profile_id)]

    # ── what sinks keep ─────────────────────────────────────────────────────────────────────────────────────────────

    def kept(self) -> tuple[str, tuple[str, ...]]:
        """The run that the state builds on, and the names of what sinks keep of profiles."""
        meta = self.meta()
        return meta.get("base", ""), tuple(json.loads(meta.get("kept", "[]")))

    def traits(self, after: int, portion: int) -> Iterator[list[tuple[int, int, Values]]]:
        """Profile, step and values of whom they may be other than as published, of the steps after one, in order."""
        query = "select profile_id, n, body from traits where n > ? order by n, profile_id"
        with errors(self.path):
            cursor = self._db.execute(query, (after,))
            while rows := cursor.fetchmany(portion):
                yield [(one, n, json.loads(body) if body else {}) for one, n, body in rows]

    def published_traits(self, names: Sequence[str], portion: int) -> Iterator[list[tuple[int, Values]]]:
        """Profile and values of everybody, as the run has published them that the state builds on."""
        run, store = self.meta()["base"], Store(self.path.parent.parent.parent)
        snapshots = (store.must_be_published(), *store.snapshots())
        snapshot = next((one for one in snapshots if one.run == run), None)
        if snapshot is None:
            raise said(RunError, "base_gone", run=run)
        yield from published_values(store, snapshot, names, portion)

    # ── who is who, of some ─────────────────────────────────────────────────────────────────────────────────────────

    def has_profile(self, profile_id: int) -> bool:
        """Whether a profile has identifiers that came or changed live."""
        return bool([*self.rows("select 1 from identities where profile_id = ? limit 1", profile_id)])

    def parts(self, name: str) -> Iterator[pa.Table]:
        """What came after the run of ``events_<kind>`` or ``records_<source>``, with identifiers, in pieces."""
        return parts.tables(self.rows, name)

    def n_live_profiles(self, from_id: int) -> int:
        """Profiles with ids from one on, of those that have identifiers."""
        [(number,)] = self.rows("select count(distinct profile_id) from identities where profile_id >= ?", from_id)
        return int(number)

    # ── what was told ───────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def token(self) -> str:
        """By which this state is known from another of the same project."""
        return self.meta()["state"]

    def last_seq(self) -> int:
        [(number,)] = self.rows(blocks.LAST)
        return int(number)

    def changes(self, after: int = 0, most: int = -1) -> list[Numbered]:
        """What was told, with its number, in order."""
        return blocks.after(self.rows, after, most)

    def changes_of(
        self, after: int, most: int, *, profile_id: int | None = None, segment: str | None = None
    ) -> list[Numbered]:
        """The same of one profile (with what became part of it), or of one segment, or both."""
        return blocks.after(self.rows, after, most, profile_id=profile_id, segment=segment)

    def latest_changes(self, most: int, *, profile_id: int | None = None, segment: str | None = None) -> list[Numbered]:
        """The same, those that were told last, in order."""
        return blocks.latest(self.rows, most, profile_id=profile_id, segment=segment)

    def moves(self, published: Snapshot) -> dict[str, int]:
        """Kind of change → how many were told since a run; not those that it brought about."""
        meta = self.meta()
        is_base = meta["base"] == published.run
        since = "first > ?" if is_base else "at > ?"  # what built on an earlier run may be of the run's instant
        told = int(meta.get("told_before", 0)) if is_base else micros_of(published.moment.as_of)
        [counts] = self.rows(f"select sum(entered), sum(left), sum(merged) from told where {since}", told)
        return {name: n for name, n in zip(("entered", "left", "merged"), counts, strict=True) if n}

    def has(self, seq: int, id_: str) -> bool:
        """Whether this state has told a change, with this number."""
        return any((number, one.id) == (seq, id_) for number, one in blocks.after(self.rows, seq - 1, 1))

    def sent(self, sink: str) -> int | None:
        """The number of the last change that a sink has; None if it is new."""
        rows = [*self.rows("select seq from sinks where name = ?", sink)]
        return rows[0][0] if rows else None

    def lag(self, sink: str) -> int:
        """How many changes a sink lacks."""
        return self.last_seq() - (self.sent(sink) or 0)

    def rows(self, query: str, *values: Any) -> Iterator[Any]:
        with errors(self.path):
            yield from self._db.execute(query, values)


class Told(Reading):
    """The same for whoever delivers changes, and notes how far each sink has come."""

    mode = "rw"

    def __init__(self, store: Path) -> None:
        super().__init__(store)
        self._db.execute("pragma synchronous = normal")  # a note that a power failure undoes is made again

    def mark_sent(self, sink: str, seq: int) -> None:
        with errors(self.path):
            self._db.execute("insert or replace into sinks values (?, ?)", (sink, seq))
