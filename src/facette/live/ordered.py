"""Published events in the order of their profiles: those of some people are found without looking through all.

Parquet files are read in groups of rows, and a thousand people have events in nearly every group. So the events of a
kind are written once for each published run into a file of Arrow's, which is mapped into memory and not read: what is
asked for takes a search among profile ids, and the pages on which its rows lie.
"""

from __future__ import annotations

import time
from hashlib import blake2b
from pathlib import Path
from uuid import uuid4

import duckdb
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
import pyarrow.ipc

from facette.live.columnar.columns import Array
from facette.warehouse.connect import put_in_place, unwritable

ROWS = 1 << 20
"""Rows that lie together in the file, about."""

ABANDONED = 3_600
"""Seconds after which nobody is writing an unfinished file any more."""


class Ordered:
    """Events that are in the order of their profiles, in a file."""

    def __init__(self, path: Path) -> None:
        reader = pa.ipc.open_file(pa.memory_map(str(path)))
        self.schema = reader.schema
        self._parts = [reader.get_batch(n) for n in range(reader.num_record_batches)]
        self._ids = [part["profile_id"].to_numpy() for part in self._parts]
        self._spans = np.array([(ids[0], ids[-1]) for ids in self._ids], np.int64).reshape(-1, 2)

    def of(self, ids: Array) -> pa.Table:
        """The events of some profiles; ids that are none have none.

        ids : each once, in their order
        """
        found = []
        starts, ends = np.searchsorted(ids, self._spans[:, 0]), np.searchsorted(ids, self._spans[:, 1], "right")
        for n in np.flatnonzero(starts < ends).tolist():
            asked = ids[starts[n] : ends[n]]
            firsts, afters = (np.searchsorted(self._ids[n], asked, side) for side in ("left", "right"))
            found.append(self._parts[n].take(pa.array(_ranges(firsts, afters))))
        return pa.Table.from_batches(found, self.schema)


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


def _ranges(firsts: Array, afters: Array) -> Array:
    """All numbers from each first one until the one after the last."""
    lengths = afters - firsts
    before = np.cumsum(lengths) - lengths
    return np.arange(lengths.sum()) + np.repeat(firsts - before, lengths)
