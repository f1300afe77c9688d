"""What was cleaned since the snapshot, as the state keeps it: a part of a table for each step, small ones put together.

Otherwise whoever reads a table would read a part for each step: two a second, hundreds of thousands after some days.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa

SCHEMA = """
create table if not exists parts (n integer not null, name text not null, body blob not null);
create index if not exists parts_named on parts (name);
"""
TOGETHER = 16
"""So many parts become one."""
MOST = 4 << 20
"""Bytes of parts that are put together; a step need not wait for more."""

LATEST = "select rowid, length(body) from parts where name = ? order by rowid desc limit ?"
Rows = Callable[..., Iterator[Any]]
"""Asks the state: a query, and its values."""


def put(db: sqlite3.Connection, n: int, name: str, table: pa.Table) -> None:
    """Add rows of step n to a table, in a transaction."""
    db.execute("insert into parts values (?, ?, ?)", (n, name, _written(table)))
    latest = list(db.execute(LATEST, (name, TOGETHER)))
    sizes = [size for _, size in latest]
    if len(latest) == TOGETHER and sizes[-1] <= sum(sizes[:-1]) <= MOST:
        first = latest[-1][0]
        body = _written(pa.concat_tables(tables(lambda query, *values: db.execute(query, values), name, first)))
        db.execute("delete from parts where name = ? and rowid >= ?", (name, first))
        db.execute("insert into parts values (?, ?, ?)", (n, name, body))


def names(rows: Rows) -> list[str]:
    """The tables that there are."""
    return [name for (name,) in rows("select distinct name from parts order by name")]


def tables(rows: Rows, name: str, first: int = 0) -> Iterator[pa.Table]:
    """The parts of a table, in the order in which its rows came."""
    for (body,) in rows("select body from parts where name = ? and rowid >= ? order by rowid", name, first):
        yield pa.ipc.open_stream(body).read_all()


def _written(table: pa.Table) -> bytes:
    table, sink = table.combine_chunks(), pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())
