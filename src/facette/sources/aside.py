"""Events that a collector refused, kept aside with their reasons: ``refused.db`` in the project's store.

Of every source the last ``KEPT`` are kept with what was sent; how many there were is counted by day without end.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from facette.errors import SourceError

KEPT = 10_000
BUSY = 30  # seconds to wait for another writer
SCHEMA = """
create table if not exists refused (
    id integer primary key, source text not null, protocol text not null,
    received_at text not null, reason text not null, raw text not null);
create index if not exists refused_by_source on refused (source, id);
create table if not exists counts (
    source text not null, day text not null, n integer not null, primary key (source, day)) without rowid;
"""


@dataclass(frozen=True, slots=True)
class RefusedEvent:
    """An event that was not accepted: from where, when (ISO 8601, UTC), why, and what was sent (its first part)."""

    source: str
    protocol: str
    received_at: str
    reason: str
    raw: str


@dataclass(frozen=True, slots=True)
class RefusedCount:
    """How many events of a source were refused on a day (UTC)."""

    source: str
    day: str
    n: int


class Aside:
    """The refused events of a project; may be opened by several processes, an object is for one thread at a time."""

    def __init__(self, folder: Path) -> None:
        path = aside_path(folder)
        path.parent.mkdir(exist_ok=True)
        self._db = sqlite3.connect(path, timeout=BUSY, isolation_level=None, check_same_thread=False)
        self._db.execute("pragma journal_mode = wal")
        self._db.execute("pragma synchronous = normal")
        self._db.executescript(SCHEMA)

    def add(self, refused: Iterable[RefusedEvent]) -> None:
        """Keep some, and of each of their sources only the last ``KEPT``."""
        rows = [(row.source, row.protocol, row.received_at, row.reason, row.raw) for row in refused]
        counts = Counter((row[0], row[2][:10]) for row in rows)
        self._db.execute("begin immediate")
        try:
            self._db.executemany(
                "insert into refused (source, protocol, received_at, reason, raw) values (?, ?, ?, ?, ?)", rows
            )
            self._db.executemany(
                "insert into counts values (?, ?, ?) on conflict do update set n = n + excluded.n",
                [(*key, n) for key, n in counts.items()],
            )
            oldest = "select id from refused where source = ? order by id desc limit 1 offset ?"
            sources = {source for source, _ in counts}
            self._db.executemany(
                f"delete from refused where source = ? and id <= ({oldest})",
                [(source, source, KEPT) for source in sources],
            )
        except BaseException:
            self._db.execute("rollback")
            raise
        self._db.execute("commit")

    def close(self) -> None:
        self._db.close()


def aside_path(folder: Path) -> Path:
    return folder / ".facette" / "refused.db"


def refused_of(
    folder: Path, source: str | None = None, most: int = 20
) -> tuple[list[RefusedCount], list[RefusedEvent]]:
    """What a project's collector refused, of one source or of all: counts by source and day; the last, newest first.

    SourceError if the file cannot be read.
    """
    path = aside_path(folder)
    if not path.exists():
        return [], []
    where, values = ("where source = ?", (source,)) if source else ("", ())
    try:
        with closing(sqlite3.connect(path, timeout=BUSY)) as db:
            counts = db.execute(f"select source, day, n from counts {where} order by source, day", values).fetchall()
            fields = "source, protocol, received_at, reason, raw"
            last = db.execute(
                f"select {fields} from refused {where} order by id desc limit ?", (*values, most)
            ).fetchall()
    except sqlite3.Error as error:
        raise SourceError(
            f"{path} cannot be read: {error}.", remedy="Delete it; a collector begins a new one."
        ) from error
    return [RefusedCount(*row) for row in counts], [RefusedEvent(*row) for row in last]
