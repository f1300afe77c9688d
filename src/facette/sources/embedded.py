"""The embedded log: one SQLite file in WAL mode, for any number of writing processes on one machine.

An append is one transaction, on disk when it is done (``synchronous=FULL``), there wholly or not at all after a crash.
A row holds a portion of
the records, one per line. A position is the number of records before it since the log began.
"""

from __future__ import annotations

import fcntl
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO

from facette.definitions import model
from facette.errors import LogError, LogFullError
from facette.sources.log import BYTES, LogPosition, Records, check, chunks, lock_group

POLL = 0.002  # seconds between two looks for new records
BUSY = 30  # seconds that a writer waits for its turn
AT_ONCE = 1_000  # rows that an append deletes at most, so that it is not slow when much has become old
MINUTE = 60_000_000  # microseconds between two trimmings
SIZES = ("page_count", "freelist_count", "page_size")

SCHEMA = """
create table if not exists chunks (
    first integer primary key,       -- number of the first record, 0 for the first ever
    n_records integer not null,
    appended_at integer not null,    -- microseconds since 1970
    body blob not null);             -- the records, with an end of line between two of them
create index if not exists chunks_by_time on chunks (appended_at);
create table if not exists groups (name text primary key, position integer not null);
create table if not exists log (next integer not null, trimmed_at integer not null);
insert into log select 0, 0 where not exists (select * from log);
"""


class EmbeddedLog:
    """The log in one SQLite file."""

    def __init__(self, definition: model.EmbeddedLog, folder: Path) -> None:
        self.definition = definition
        self.path = folder / definition.path
        with _errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._db = _Database(self.path)

    def append(self, records: Sequence[bytes]) -> None:
        if not records:
            return
        check(records)
        rows_of = list(chunks(records))
        with _errors(self.path), self._db.transaction():
            now = time.time_ns() // 1_000
            next_, trimmed_at = self._db.execute("select next, trimmed_at from log").fetchone()
            if self.definition.keep_days is not None and now - trimmed_at >= MINUTE:
                self._trim(now - int(self.definition.keep_days * 86_400_000_000), AT_ONCE)
                trimmed_at = now
            self._refuse_if_full(next_ + len(records))
            rows = []
            for chunk in rows_of:
                rows.append((next_, len(chunk), now, b"\n".join(chunk)))
                next_ += len(chunk)
            self._db.executemany("insert into chunks values (?, ?, ?, ?)", rows)
            self._db.execute("update log set next = ?, trimmed_at = ?", (next_, trimmed_at))

    def reader(self, group: str, after: LogPosition | None = None) -> EmbeddedReader:
        position = after or self.committed(group) or self.start()
        lock = lock_group(self.path, group)
        try:
            return EmbeddedReader(self.path, group, position, lock)
        except LogError:
            lock.close()
            raise

    def committed(self, group: str) -> LogPosition | None:
        row = self._one("select position from groups where name = ?", group)
        return {"record": row[0]} if row else None

    def start(self) -> LogPosition:
        [first] = self._one("select coalesce(min(first), (select next from log)) from chunks")
        return {"record": first}

    def end(self) -> LogPosition:
        [next_] = self._one("select next from log")
        return {"record": next_}

    def since(self, instant: datetime) -> LogPosition:
        query = "select coalesce(min(first), (select next from log)) from chunks where appended_at >= ?"
        [first] = self._one(query, _microseconds(instant))
        return {"record": first}

    def waiting(self, after: LogPosition | None) -> int:
        position = 0 if after is None else after["record"]
        return max(self.end()["record"] - max(position, self.start()["record"]), 0)

    def trim(self, before: datetime) -> int:
        with _errors(self.path), self._db.transaction():
            return self._trim(_microseconds(before))

    def close(self) -> None:
        self._db.close()

    def _one(self, query: str, *values: object) -> tuple[int, ...]:
        with _errors(self.path):
            row: tuple[int, ...] = self._db.execute(query, values).fetchone()
            return row

    def _trim(self, before: int, most: int = -1) -> int:
        """Delete what all groups have read and was appended before (microseconds), so many rows; in a transaction."""
        [read] = self._db.execute("select coalesce(min(position), 0) from groups").fetchone()
        old = "(select first from chunks where appended_at < ? and first + n_records <= ? order by first limit ?)"
        counted = f"select coalesce(sum(n_records), 0) from chunks where first in {old}"
        [count] = self._db.execute(counted, (before, read, most)).fetchone()
        self._db.execute(f"delete from chunks where first in {old}", (before, read, most))
        return int(count)

    def _refuse_if_full(self, next_: int) -> None:
        definition = self.definition
        if definition.most_waiting is not None:
            [read] = self._db.execute("select coalesce(min(position), 0) from groups").fetchone()
            if next_ - read > definition.most_waiting:
                raise LogFullError(
                    f"The log {self.path.name} is full: {next_ - read:,} records would wait to be read, and at most "
                    f"{definition.most_waiting:,} may.",
                    remedy="Start what reads it (facette stream, facette run), or raise `most_waiting`.",
                )
        if definition.most_megabytes is not None:
            pages, free, size = (
                self._db.execute(f"pragma {name}").fetchone()[0]
                for name in ("page_count", "freelist_count", "page_size")
            )
            if (pages - free) * size > definition.most_megabytes * 1_000_000:
                raise LogFullError(
                    f"The log {self.path.name} is full: it holds the {definition.most_megabytes:,} MB that it may.",
                    remedy="Start what reads it, lower `keep_days`, or raise `most_megabytes`.",
                )


class EmbeddedReader:
    """Reads the file as one group, holding a lock that says so."""

    def __init__(self, path: Path, group: str, after: LogPosition, lock: IO[bytes]) -> None:
        self.path, self.group = path, group
        self._position = after["record"]
        self._lock = lock
        with _errors(path):
            self._db = _Database(path)
            self._refuse_if_beyond()
            with self._db.transaction():  # so that nothing is trimmed that this group has not read
                self._db.execute("insert or ignore into groups values (?, ?)", (group, self._position))

    def read(self, most: int = 10_000, wait: float = 0.0) -> Records:
        until = time.monotonic() + wait
        while not (found := self._found(most)).bodies and time.monotonic() < until:
            time.sleep(POLL)
        self._position = found.after["record"]
        return found

    def commit(self, position: LogPosition) -> None:
        with _errors(self.path), self._db.transaction():
            self._db.execute("insert or replace into groups values (?, ?)", (self.group, position["record"]))

    def close(self) -> None:
        self._db.close()
        self._lock.close()

    def _refuse_if_beyond(self) -> None:
        [end] = self._db.execute("select next from log").fetchone()
        if self._position > end:
            self.close()
            raise LogError(
                f"The log {self.path.name} holds {end:,} records, and {self._position:,} of it were read before.",
                remedy="Put back the file that was there, or read this one from the start as another group.",
            )

    def _found(self, most: int) -> Records:
        position, missed, size = self._position, 0, 0
        bodies: list[bytes] = []
        query = """select first, n_records, body from chunks where first >=
            (select coalesce(max(first), 0) from chunks where first <= ?) order by first"""
        with _errors(self.path):
            rows = self._db.execute(query, (position,))
            try:
                for first, n_records, body in rows:
                    if first + n_records <= position:
                        continue
                    missed += max(first - position, 0)
                    position = max(first, position)
                    lines = body.split(b"\n")[position - first :][: most - len(bodies)]
                    bodies += lines
                    position += len(lines)
                    size += len(body)
                    if len(bodies) >= most or size >= BYTES:
                        break
            finally:
                rows.close()  # or the write-ahead log could not be emptied
        return Records(bodies, {"record": position}, missed)


# ── the file ────────────────────────────────────────────────────────────────────────────────────────────────────────


class _Database:
    """The file with its tables, in autocommit mode; made if it is not there.

    Writers take turns by a lock of the system, which wakes the next one at once; SQLite itself would have it ask again
    after longer and longer sleeps.
    """

    def __init__(self, path: Path) -> None:
        self._lock = path.with_name(f"{path.name}.lock").open("ab")
        self._db = sqlite3.connect(path, timeout=BUSY, isolation_level=None, check_same_thread=False)
        self.execute, self.executemany = self._db.execute, self._db.executemany
        try:
            with self._turn():
                if not path.stat().st_size:
                    self.execute("pragma page_size = 16384")
                self.execute("pragma journal_mode = wal")
                self.execute("pragma synchronous = full")
                self.execute(f"pragma journal_size_limit = {64 << 20}")
                self._db.executescript(SCHEMA)
        except BaseException:
            self.close()
            raise

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Alone among the writers, and wholly or not at all."""
        with self._turn():
            self.execute("begin immediate")
            try:
                yield
            except BaseException:
                self._db.rollback()
                raise
            self._db.commit()

    def close(self) -> None:
        self._db.close()
        self._lock.close()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)


@contextmanager
def _errors(path: Path) -> Iterator[None]:
    """What SQLite and the disk say, as errors of the log."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_FULL:
            raise LogFullError(f"The disk of the log {path} is full.", remedy="Make room on it.") from error
        remedy = "Check that the file is a log of Facette, and that its folder may be written."
        raise LogError(f"The log {path} cannot be used: {error}.", remedy=remedy) from error


def _microseconds(instant: datetime) -> int:
    return int(instant.timestamp() * 1_000_000)
