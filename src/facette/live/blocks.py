"""Changes as the state keeps them: those of a step together, found by their numbers, by profile and by segment.

A row for each takes longer to write.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

import msgspec
import pyarrow as pa

from facette.live.changes import Change, Numbered
from facette.live.columnar.columns import EPOCH, MICROSECOND, microseconds

SCHEMA = """
create table if not exists told (
    first integer primary key, last integer not null, at integer not null,
    entered integer not null, left integer not null, merged integer not null,
    size integer not null, body blob not null);
create table if not exists told_of (
    profile_id integer, first integer, primary key (profile_id, first)) without rowid;
create table if not exists told_in (segment text, first integer, primary key (segment, first)) without rowid;
"""
MOST = 2_000
"""Changes in a block."""

CODEC = "zstd"
LAST = "select coalesce(max(last), 0) from told"
FROM = "first >= coalesce((select max(first) from told where first <= ? + 1), 0)"
"""Of the blocks that have changes after one."""

Rows = Callable[..., Iterator[Any]]
"""Asks the state: a query, and its values."""

_ENCODE = msgspec.msgpack.Encoder().encode
_DECODE = msgspec.msgpack.Decoder(list[Change]).decode


def put(db: sqlite3.Connection, changes: Sequence[Change]) -> None:
    """Add changes, in a transaction; their numbers follow the last one."""
    ((last,),) = db.execute(LAST)
    for start in range(0, len(changes), MOST):
        _put(db, last + start + 1, changes[start : start + MOST])


def _put(db: sqlite3.Connection, first: int, changes: Sequence[Change]) -> None:
    body = _ENCODE(changes)
    counts = Counter(one.change for one in changes if one.why != "run")
    at = microseconds(max(one.at for one in changes))
    row = (first, first + len(changes) - 1, at, counts["entered"], counts["left"], counts["merged"], len(body))
    db.execute("insert into told values (?, ?, ?, ?, ?, ?, ?, ?)", (*row, pa.compress(body, codec=CODEC, asbytes=True)))
    db.executemany("insert into told_of values (?, ?)", [(one, first) for one in sorted(_profiles(changes))])
    db.executemany("insert into told_in values (?, ?)", [(one, first) for one in sorted({c.segment for c in changes})])


def _profiles(changes: Sequence[Change]) -> set[int]:
    return {one.profile_id for one in changes} | {one.into for one in changes if one.into is not None}


def after(
    rows: Rows, number: int = 0, most: int = -1, *, profile_id: int | None = None, segment: str | None = None
) -> list[Numbered]:
    """Changes with their numbers, in order: those after one, at most so many; of a profile, of a segment."""
    found: list[Numbered] = []
    for block in _blocks(rows, FROM, number, profile_id=profile_id, segment=segment):
        found += [each for each in block if each[0] > number]
        if 0 <= most <= len(found):
            break
    return found if most < 0 else found[:most]


def latest(rows: Rows, most: int, *, profile_id: int | None = None, segment: str | None = None) -> list[Numbered]:
    """The same, those that were told last, in order."""
    found: list[Numbered] = []
    for block in _blocks(rows, "true", profile_id=profile_id, segment=segment, order="desc"):
        found = block + found
        if len(found) >= most:
            break
    return found[max(len(found) - most, 0) :]


def trim(db: sqlite3.Connection, number: int, before: datetime, most: int) -> int:
    """Forget the oldest blocks up to a change, told before an instant, until so many changes are; how many were.

    The last block stays, by which it is known how far the numbers have come.
    """
    limits = "where last <= ? and at < ? and last < (select max(last) from told) order by first"
    n = 0
    for first, last, size, body in list(
        db.execute(f"select first, last, size, body from told {limits} limit ?", (number, microseconds(before), most))
    ):
        changes = _changes(size, body)
        pairs = [(one, first) for one in sorted(_profiles(changes))]
        db.executemany("delete from told_of where profile_id = ? and first = ?", pairs)
        pairs_in = [(one, first) for one in {each.segment for each in changes}]
        db.executemany("delete from told_in where segment = ? and first = ?", pairs_in)
        db.execute("delete from told where first = ?", (first,))
        n += last - first + 1
        if n >= most:
            break
    return n


def upgrade(db: sqlite3.Connection) -> None:
    """Put changes that were kept with a row for each into blocks, in a transaction."""
    if not db.execute("select 1 from sqlite_master where name = 'changes'").fetchone():
        return
    query = "select seq, id, profile_id, segment, change, at, why, events, into_id from changes order by seq"
    waiting: list[Numbered] = []
    for seq, id_, profile_id, segment, change, at, why, events, into in db.execute(query):
        if waiting and (len(waiting) == MOST or waiting[-1][0] + 1 != seq):
            _put(db, waiting[0][0], [one for _, one in waiting])
            waiting.clear()
        told = tuple(msgspec.json.decode(events, type=list[str]))
        one = Change(id_, profile_id, segment, change, EPOCH + at * MICROSECOND, why, told, into)
        waiting.append((seq, one))
    if waiting:
        _put(db, waiting[0][0], [one for _, one in waiting])
    db.execute("drop table changes")


def _blocks(
    rows: Rows, where: str, *values: int, profile_id: int | None, segment: str | None, order: str = "asc"
) -> Iterator[list[Numbered]]:
    asked: list[int | str] = [*values]
    if profile_id is not None:
        where += " and first in (select first from told_of where profile_id = ?)"
        asked.append(profile_id)
    if segment is not None:
        where += " and first in (select first from told_in where segment = ?)"
        asked.append(segment)
    for first, size, body in rows(f"select first, size, body from told where {where} order by first {order}", *asked):
        yield [
            (number, one)
            for number, one in enumerate(_changes(size, body), start=first)
            if (profile_id is None or profile_id in (one.profile_id, one.into)) and segment in (None, one.segment)
        ]


def _changes(size: int, body: bytes) -> list[Change]:
    return _DECODE(pa.decompress(body, size, codec=CODEC))
