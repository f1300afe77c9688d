"""The worker's state on disk: what it knows beyond the published snapshot, who is where, and how far it has read.

One SQLite file in WAL mode. A step of the worker is one transaction: after a crash all of it is there, or nothing. One
process at a time has it open.
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import repeat
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from facette.definitions.error_texts import said
from facette.errors import RunError
from facette.live import blocks, parts
from facette.live.changes import Change, Numbered, Positions
from facette.live.columnar.columns import EPOCH
from facette.live.knowledge import Arrived
from facette.live.memberships import Members

FOLDER = "live"
CACHE_KB = 64 * 1024
CHECKPOINT_PAGES = 8_192
"""Pages of 4 KB that gather beside the file: those that many steps write go into it once."""
SCHEMA = """
create table if not exists meta (key text primary key, value text not null) without rowid;
create table if not exists identities (
    kind text, value text, profile_id integer, first_id integer, known_from integer,
    primary key (kind, value)) without rowid;
create table if not exists links (
    kind_a text, value_a text, kind_b text, value_b text, source text, seen_at integer, is_refused integer, reason text,
    primary key (kind_a, value_a, kind_b, value_b, source)) without rowid;
create table if not exists merged (old_id integer primary key, new_id integer not null);
create table if not exists members (
    profile_id integer, segment text, since integer not null, primary key (segment, profile_id)) without rowid;
create table if not exists traits (profile_id integer primary key, n integer not null, body text not null);
create index if not exists traits_since on traits (n);
create table if not exists sinks (name text primary key, seq integer not null) without rowid;
insert or ignore into meta values ('state', lower(hex(randomblob(12))));
"""
PORTION = 10_000
NO_START, NO_END = -(2**63), 2**63 - 1
MEMBERS = """select
    group_concat(iif(since = ?1, profile_id, null)), group_concat(iif(since = ?1, null, profile_id || ',' || since)),
    max(profile_id)
from (select profile_id, since from members where segment = ?2 and profile_id > ?3 order by profile_id limit ?4)"""
"""Those who are in a segment since a given instant, and the others with theirs, as texts: several times as fast as a
row of Python's for each. Most are since one instant, that of the run."""
MEMBERS_AT_ONCE = 1_000_000
SEGMENTS = """with recursive there (segment) as (
    select min(segment) from members
    union all
    select (select min(segment) from members where segment > there.segment) from there where segment is not null
) select segment from there where segment is not null"""
"""The segments that have members: one look at the key for each, not one for each member."""
USUAL = "select since from members where members.segment = of_all.segment limit 1"

IDENTITIES = ("kind", "value", "profile_id", "first_id", "known_from")
LINKS = ("kind_a", "value_a", "kind_b", "value_b", "source", "seen_at", "is_refused", "reason")
PUT = {
    "identities": "insert or replace into identities values (?, ?, ?, ?, ?)",
    "links": "insert or replace into links values (?, ?, ?, ?, ?, ?, ?, ?)",
}
INSTANTS = ("known_from", "seen_at")


@dataclass(frozen=True)
class Known:
    """How far the worker has come.

    base        : the published run that it builds on
    definitions : fingerprint of what memberships were computed by
    positions   : how far each log has been read
    as_of       : the instant of the last step
    highest     : the highest profile id given, provisional ones included, so that none is given twice
    n_steps     : steps so far
    """

    base: str
    definitions: str
    positions: Positions
    as_of: datetime
    highest: int = 0
    n_steps: int = 0


@dataclass(frozen=True)
class Saved:
    """One step, as it is saved.

    arrived   : what came in
    merged    : every merge that still holds
    changes   : what is told
    concerned : the profiles of whom all memberships are given; None where the state is made anew
    everybody : all memberships, where it is
    members   : (profile_id, segment, since) of theirs, and of others those that are new; at best in the order of
                segments and profiles, in which they are written fastest
    left      : (profile_id, segment) of the memberships of others that are no longer
    segments  : those that there are now, where they may be others than before; members of others are forgotten
    traits    : profile and JSON of what sinks keep of it, of whom that may be other than before
    kept      : the names of what sinks keep
    """

    known: Known
    arrived: Sequence[Arrived]
    merged: Mapping[int, int]
    changes: Sequence[Change]
    concerned: Collection[int] | None
    members: Iterable[tuple[int, str, int]] = ()
    segments: Sequence[str] | None = None
    left: Sequence[tuple[int, str]] = ()
    traits: Sequence[tuple[int, str]] = ()
    kept: Sequence[str] = ()
    everybody: Iterable[Members] = ()


class State:
    """The state of one project's worker. RunError if another process has it open, or if it cannot be used."""

    def __init__(self, store: Path) -> None:
        self.path = store / FOLDER / "state.db"
        with errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = (self.path.parent / "lock").open("a+b", buffering=0)
        self._take_lock()
        with errors(self.path):
            self._db = sqlite3.connect(self.path, isolation_level=None)
            self._db.execute("pragma journal_mode = wal")
            self._db.execute("pragma synchronous = full")
            self._db.execute(f"pragma cache_size = -{CACHE_KB}")
            self._db.execute(f"pragma wal_autocheckpoint = {CHECKPOINT_PAGES}")
            self._db.executescript(SCHEMA + parts.SCHEMA + blocks.SCHEMA)
            with self._transaction() as db:
                blocks.upgrade(db)

    def close(self) -> None:
        self._db.close()
        self._lock.close()

    # ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def known(self) -> Known | None:
        """How far the worker had come; None before its first step."""
        meta = dict(self._rows("select key, value from meta"))
        if "base" not in meta:
            return None
        return Known(
            meta["base"],
            meta["definitions"],
            json.loads(meta["positions"]),
            instant_of(int(meta["as_of"])),
            int(meta["highest"]),
            int(meta["n_steps"]),
        )

    def parts(self) -> dict[str, pa.Table]:
        """What was cleaned since the snapshot: ``events_<kind>`` and ``records_<source>`` → rows."""
        return {name: pa.concat_tables(parts.tables(self._rows, name)) for name in parts.names(self._rows)}

    def identities(self, schema: pa.Schema) -> pa.Table:
        return table_of(self._rows("select * from identities"), IDENTITIES, schema)

    def links(self, schema: pa.Schema) -> pa.Table:
        return table_of(self._rows("select * from links"), LINKS, schema)

    def merged(self) -> dict[int, int]:
        return dict(self._rows("select old_id, new_id from merged"))

    def members(self) -> Iterator[Members]:
        """The members of each segment, some at a time."""
        with errors(self.path):
            yield from _members(self._db)

    @contextmanager
    def members_meanwhile(self) -> Iterator[Callable[[], list[Members]]]:
        """The same, read by another thread while this one does something else; whoever calls waits for it."""

        def read() -> list[Members]:
            with errors(self.path), closing(sqlite3.connect(self.path, isolation_level=None)) as db:
                return list(_members(db))

        with ThreadPoolExecutor(1) as reader:
            yield reader.submit(read).result

    def identifiers(self, from_id: int) -> dict[int, list[tuple[str, str]]]:
        """Profiles from an id on → their identifiers, of those that came live."""
        found: dict[int, list[tuple[str, str]]] = {}
        query = "select profile_id, kind, value from identities where profile_id >= ? order by kind, value"
        for profile_id, kind, value in self._rows(query, from_id):
            found.setdefault(profile_id, []).append((kind, value))
        return found

    def kept(self) -> tuple[str, ...]:
        """The names of what sinks keep of profiles, as of the last step."""
        return tuple(json.loads(dict(self._rows("select key, value from meta")).get("kept", "[]")))

    def with_traits(self) -> list[int]:
        """The profiles of which values are kept that are not as published."""
        return [profile_id for (profile_id,) in self._rows("select profile_id from traits")]

    def changes(self, after: int = 0, most: int = -1) -> list[Numbered]:
        """What was told, with its number, in order."""
        return blocks.after(self._rows, after, most)

    # ── writing ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def save(self, step: Saved) -> None:
        """One step of the worker, wholly or not at all; on disk when it returns."""
        with self._transaction() as db:
            if step.concerned is None:
                for emptied in EMPTIED:
                    db.execute(emptied)
                db.execute("insert or replace into meta select 'told_before', coalesce(max(last), 0) from told")
                self._put_everybody(db, step.everybody)
            elif step.concerned:
                pairs = [(profile_id, name) for (name,) in db.execute(SEGMENTS) for profile_id in step.concerned]
                db.executemany("delete from members where profile_id = ? and segment = ?", pairs)
            db.executemany("delete from members where profile_id = ? and segment = ?", sorted(step.left, key=BY_PLACE))
            db.executemany("insert or replace into members values (?, ?, ?)", step.members)
            if step.segments is not None:
                there = {name for (name,) in db.execute(SEGMENTS)}
                gone = [(name,) for name in there.difference(step.segments)]
                db.executemany("delete from members where segment = ?", gone)
            for arrived in step.arrived:
                self._put(db, step.known.n_steps, arrived)
            if step.concerned is None:
                db.executemany("insert into merged values (?, ?)", list(step.merged.items()))
            else:
                followed = [pair for arrived in step.arrived for pair in arrived.followed.items()]
                db.executemany("insert or replace into merged values (?, ?)", [pair for pair in followed if pair[1]])
                db.executemany("delete from merged where old_id = ?", [(old,) for old, new in followed if not new])
            blocks.put(db, step.changes)
            known = step.known
            rows = [(profile_id, known.n_steps, body) for profile_id, body in step.traits]
            db.executemany("insert or replace into traits values (?, ?, ?)", rows)
            meta = {
                "kept": json.dumps(list(step.kept)),
                "base": known.base,
                "definitions": known.definitions,
                "positions": json.dumps(known.positions, sort_keys=True),
                "as_of": str(micros_of(known.as_of)),
                "highest": str(known.highest),
                "n_steps": str(known.n_steps),
            }
            db.executemany("insert or replace into meta values (?, ?)", list(meta.items()))

    def trim(self, before: datetime, sinks: Collection[str], most: int = PORTION) -> int:
        """Forget the oldest changes that were told before an instant, about so many at once; how many were forgotten.

        sinks : what one of them has not got yet is kept
        """
        with self._transaction() as db:
            sent = dict(db.execute("select name, seq from sinks"))
            had_by_all = min((sent.get(name, 0) for name in sinks), default=NO_END)
            return blocks.trim(db, had_by_all, before, most)

    @staticmethod
    def _put_everybody(db: sqlite3.Connection, everybody: Iterable[Members]) -> None:
        """Put all memberships where there are none; fast for those that are since one instant."""
        for segment, ids, since in everybody:
            different, counts = np.unique(since, return_counts=True)
            usual = int(different[counts.argmax()]) if len(ids) else 0
            alike, others = ids[since == usual], since != usual
            for start in range(0, len(alike), PORTION):
                told = json.dumps(alike[start : start + PORTION].tolist())
                db.execute("insert into members select value, ?, ? from json_each(?)", (segment, usual, told))
            rows = zip(ids[others].tolist(), repeat(segment), since[others].tolist())
            db.executemany("insert into members values (?, ?, ?)", rows)

    @staticmethod
    def _put(db: sqlite3.Connection, n: int, arrived: Arrived) -> None:
        for kind, table in arrived.events.items():
            parts.put(db, n, f"events_{kind}", table)
        for source, table in arrived.records.items():
            parts.put(db, n, f"records_{source}", table)
        for name, columns, table in (("identities", IDENTITIES, arrived.identities), ("links", LINKS, arrived.links)):
            if table is not None and len(table):
                db.executemany(PUT[name], zip(*(_plain(table, column) for column in columns), strict=True))

    def _rows(self, query: str, *values: Any) -> Iterator[Any]:
        with errors(self.path):
            yield from self._db.execute(query, values)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with errors(self.path):
            self._db.execute("begin immediate")
            try:
                yield self._db
            except BaseException:
                self._db.rollback()
                raise
            self._db.commit()

    def _take_lock(self) -> None:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.seek(0)
            process = self._lock.read().decode() or "unknown"
            self._lock.close()
            raise RunError(
                f"Another worker keeps {self.path.parent.parent.parent} up to date (process {process}).",
                remedy="Stop it first: there is one worker for each project.",
            ) from None
        self._lock.truncate(0)
        self._lock.write(str(os.getpid()).encode())


BY_PLACE = itemgetter(1, 0)
"""Where a membership is in its table, by segment and profile: in that order rows are found and written fastest."""

EMPTIED = (
    "delete from parts",
    "delete from identities",
    "delete from links",
    "delete from merged",
    "delete from members",
    "delete from traits",
)


def _members(db: sqlite3.Connection) -> Iterator[Members]:
    for segment, usual in db.execute(f"select segment, ({USUAL}) from ({SEGMENTS}) as of_all").fetchall():
        last: int | None = NO_START
        while last is not None:
            ((alike, others, last),) = db.execute(MEMBERS, (usual, segment, last, MEMBERS_AT_ONCE))
            if alike:
                ids = np.fromstring(alike, np.int64, sep=",")
                yield segment, ids, np.full(len(ids), usual)
            if others:
                yield segment, *np.fromstring(others, np.int64, sep=",").reshape(-1, 2).T


def _plain(table: pa.Table, column: str) -> list[Any]:
    """Values as SQLite keeps them: instants as microseconds."""
    values = table[column]
    if column in INSTANTS:
        values = values.cast(pa.timestamp("us", "UTC")).cast(pa.int64())
    return list(values.to_pylist())


def table_of(rows: Iterable[tuple[Any, ...]], columns: tuple[str, ...], schema: pa.Schema) -> pa.Table:
    """Rows of identities or links as a table."""
    values = list(zip(*rows, strict=True)) or [()] * len(columns)
    made = {}
    for name, column in zip(columns, values, strict=True):
        kind = schema.field(name).type
        if pa.types.is_timestamp(kind):
            made[name] = pa.array(column, pa.int64()).cast(pa.timestamp("us", "UTC")).cast(kind)
        elif pa.types.is_boolean(kind):
            made[name] = pa.array([bool(value) for value in column], kind)
        else:
            made[name] = pa.array(column, kind)
    return pa.table(made)


def micros_of(at: datetime) -> int:
    return (at - EPOCH) // timedelta(microseconds=1)


def instant_of(micros: int) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=micros)


@contextmanager
def errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise said(RunError, "unusable_state", path=path, folder=path.parent, why=error) from error
