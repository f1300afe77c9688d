"""Events in the order of their profiles: those of some people are found without looking through all.

Of published ones: Parquet files are read in groups of rows, and a thousand people have events in nearly every group.
So the events of a kind are written once for each published run into a file of Arrow's, which is mapped into memory and
not read: what is asked for takes a search among profile ids, and the pages on which its rows lie.

Of those that come live: runs in memory, each in this order, of which some of about one size become one larger run, as
in a log-structured merge tree (P. O'Neil et al., 1996).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from uuid import uuid4

import duckdb
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
import pyarrow.ipc

from facette.live.columnar.columns import Array
from facette.live.columnar.states import ranges
from facette.warehouse.connect import put_in_place, unwritable

ROWS = 1 << 20
"""Rows that lie together in the file, about."""

ABANDONED = 3_600
"""Seconds after which nobody is writing an unfinished file any more."""


RUNS = 4
"""So many runs of one size become one."""

MOST = 1 << 22
"""Runs of so many rows stay as they are."""


class Run:
    """Some rows in the order of their profiles."""

    def __init__(self, rows: pa.RecordBatch) -> None:
        self.rows, self.ids = rows, rows["profile_id"].to_numpy()

    def __len__(self) -> int:
        return len(self.ids)

    def of(self, ids: Array, names: Sequence[str]) -> pa.RecordBatch:
        """Some columns of the rows of some profiles; ids each once, in their order."""
        firsts, afters = (np.searchsorted(self.ids, ids, side) for side in ("left", "right"))
        return self.rows.select(names).take(pa.array(ranges(firsts, afters)))


class Ordered:
    """Events that are in the order of their profiles, in a file."""

    def __init__(self, path: Path) -> None:
        reader = pa.ipc.open_file(pa.memory_map(str(path)))
        self.schema = reader.schema
        self._runs = [Run(reader.get_batch(n)) for n in range(reader.num_record_batches)]
        self._spans = np.array([(run.ids[0], run.ids[-1]) for run in self._runs], np.int64).reshape(-1, 2)

    def of(self, ids: Array, names: Sequence[str]) -> pa.Table:
        """Some columns of the events of some profiles; ids that are none have none.

        ids : each once, in their order
        """
        starts, ends = np.searchsorted(ids, self._spans[:, 0]), np.searchsorted(ids, self._spans[:, 1], "right")
        asked = np.flatnonzero(starts < ends).tolist()
        found = [self._runs[n].of(ids[starts[n] : ends[n]], names) for n in asked]
        return pa.Table.from_batches(found, _of(self.schema, names))


class Growing:
    """Rows that come one after another, in runs; put in order when they are first asked for."""

    def __init__(self) -> None:
        self.schema = pa.schema([])
        self._waiting: list[pa.Table] = []
        self._runs: list[Run] = []

    def append(self, rows: pa.Table) -> None:
        """Rows of one schema; with a profile_id each, where they are asked for by it."""
        self.schema = rows.schema
        put(self._waiting, rows)

    def all(self) -> pa.Table:
        """Every row that came, in no order."""
        return pa.concat_tables([*(pa.Table.from_batches([run.rows]) for run in self._runs), *self._waiting])

    def of(self, ids: Array, names: Sequence[str]) -> pa.Table:
        """Some columns of the rows of some profiles, ids each once, in their order."""
        if self._waiting:
            self._settle(pa.concat_tables(self._waiting))
            self._waiting = []
        return pa.Table.from_batches([run.of(ids, names) for run in self._runs], _of(self.schema, names))

    def _settle(self, rows: pa.Table) -> None:
        """Put rows in order as a run, and those runs together of which there are enough of its size."""
        order = np.argsort(rows["profile_id"].to_numpy(), kind="stable")
        self._runs += map(Run, rows.take(pa.array(order)).combine_chunks().to_batches())
        last = self._runs[-RUNS:]
        if len(last) == RUNS and RUNS * len(last[-1]) > max(map(len, last)) and sum(map(len, last)) <= MOST:
            del self._runs[-RUNS:]
            self._settle(pa.Table.from_batches([run.rows for run in last]))


def put(tables: list[pa.Table], rows: pa.Table) -> None:
    """Put a table to others, which stay few: neighbours become one unless the later is much the smaller."""
    tables.append(rows)
    while len(tables) > 1 and len(tables[-2]) <= 2 * len(tables[-1]):
        tables[-2:] = [pa.concat_tables(tables[-2:]).combine_chunks()]


def with_profiles(rows: pa.Table, profiles: Array) -> pa.Table:
    """Rows under other profile ids."""
    return rows.set_column(rows.schema.get_field_index("profile_id"), "profile_id", pa.array(profiles))


def _of(schema: pa.Schema, names: Sequence[str]) -> pa.Schema:
    return pa.schema([schema.field(name) for name in names])


def ordered(con: duckdb.DuckDBPyConnection, events: ir.Table, files: tuple[str, ...], folder: Path) -> Ordered:
    """The published events of a kind, ordered now if they have not been before.

    events : a table that reads files
    files  : their names, by which they are known: files of a store never change
    folder : for what is ordered; of each kind of events it has those that were asked for last

    RunError if they cannot be written.
    """
    kind = Path(files[0]).parent.name
    known_by = blake2b("\n".join(files).encode(), digest_size=8).hexdigest()
    path = folder / f"{kind}-{known_by}.arrow"
    if not path.exists():
        for other in folder.glob("*.arrow"):
            if other.stem.rpartition("-")[0] == kind:
                other.unlink(missing_ok=True)
        try:
            _write(con, events, path)
        except (OSError, duckdb.IOException, duckdb.OutOfMemoryException) as error:
            raise unwritable(path, error) from error
    return Ordered(path)


def _write(con: duckdb.DuckDBPyConnection, events: ir.Table, path: Path) -> None:
    """It is there completely or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for abandoned in path.parent.glob(f".{path.name}.*"):
        if time.time() - abandoned.stat().st_mtime > ABANDONED:
            abandoned.unlink(missing_ok=True)
    unfinished = path.with_name(f".{path.name}.{uuid4().hex[:8]}")  # several processes may make the same
    rows = con.execute(str(events.order_by("profile_id").compile())).to_arrow_reader(ROWS)
    with pa.OSFile(str(unfinished), "wb") as file, pa.ipc.new_file(file, rows.schema) as writer:
        for part in rows:
            writer.write_batch(part)
    put_in_place(unfinished, path)
