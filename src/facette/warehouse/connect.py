"""The embedded warehouse: an in-memory DuckDB through Ibis that reads and writes Parquet, and local time on it."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable
from functools import cache
from glob import escape
from pathlib import Path
from uuid import uuid4

import duckdb
import ibis
import ibis.expr.datatypes as dt
import ibis.expr.operations as ops
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq
from ibis.backends.sql.datatypes import DuckDBType

from facette.errors import RunError

# Engines flatten nested selects themselves; Ibis takes half of its time of translation to do it beforehand.
ibis.options.sql.fuse_selects = False

STORE = ".facette"
"""Folder of a project in which everything that Facette makes is kept."""

GROUP = 61_440
"""Rows of a row group, half of what DuckDB writes unasked: a core writes and reads whole groups, so a table of a few
hundred thousand people would otherwise be the work of one or two (30 vectors of 2,048 rows)."""

_spills: set[str] = set()
"""Names of the folders that connections of this process spill into: two in one folder would read each other's data."""


def connect(
    folder: Path | None = None, *, memory_limit: str | None = None, threads: int | None = None
) -> ibis.BaseBackend:
    """An in-memory DuckDB that spills into a folder of its own, ``<folder>/.facette/tmp-…``.

    folder       : the project's folder; without it DuckDB spills into the system's temporary folder
    memory_limit : as DuckDB writes it, e.g. ``"4GB"``; its own default (80 % of the memory) unless given
    threads      : all cores unless given

    Instants are shown in UTC, extensions are never downloaded, Python variables are never read as tables, and the
    order of rows means nothing (sort where it matters). RunError if the project's store cannot be made.
    """
    settings: dict[str, object] = {
        "autoinstall_known_extensions": False,
        "python_enable_replacements": False,
        "preserve_insertion_order": False,
    }
    if folder is not None:
        store = Path(folder) / STORE
        try:
            store.mkdir(parents=True, exist_ok=True)  # DuckDB makes its own folder, but none above it
        except OSError as error:
            raise unwritable(store, error) from error
        spill = f"tmp-{os.getpid()}-{uuid4().hex[:8]}"
        _spills.add(spill)
        settings["temp_directory"] = str(store / spill)
    if memory_limit is not None:
        settings["memory_limit"] = memory_limit
    if threads is not None:
        settings["threads"] = threads
    return ibis.duckdb.connect(":memory:", **settings)  # Ibis sets TimeZone='UTC' itself


def remove_abandoned_spills(store: Path) -> None:
    """Remove what processes that were killed have spilled into a store."""
    for folder in store.glob("tmp-*-*"):
        pid = int(folder.name.split("-")[1])
        if folder.name not in _spills and (pid == os.getpid() or not _is_running(pid)):
            shutil.rmtree(folder, ignore_errors=True)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True


# ── local time ──────────────────────────────────────────────────────────────────────────────────────────────────────


@ibis.udf.scalar.builtin(name="timezone", signature=((dt.string, dt.Timestamp("UTC")), dt.timestamp))
def wall_clock(zone, instant):  # type: ignore[no-untyped-def]
    """What a clock on the wall in ``zone`` shows at ``instant``: a timestamp without zone (DuckDB, PostgreSQL)."""


@ibis.udf.scalar.builtin(name="timezone", signature=((dt.string, dt.timestamp), dt.Timestamp("UTC")))
def instant_of(zone, wall):  # type: ignore[no-untyped-def]
    """The instant at which a clock on the wall in ``zone`` shows ``wall`` (DuckDB, PostgreSQL).

    A time that the change of clocks skips moves forward by the hour skipped; of two equal times the later is taken.
    """


def local_day(instant: ir.TimestampValue, zone: str) -> ir.DateValue:
    """The date of an instant in a time zone."""
    return wall_clock(zone, instant).date()


def local_hour(instant: ir.TimestampValue, zone: str) -> ir.IntegerValue:
    """The hour (0 to 23) of an instant in a time zone."""
    return wall_clock(zone, instant).hour().cast("int8")


def local_weekday(instant: ir.TimestampValue, zone: str) -> ir.IntegerValue:
    """The day of the week (Monday is 1, Sunday is 7) of an instant in a time zone."""
    return (wall_clock(zone, instant).day_of_week.index() + 1).cast("int8")


# ── Parquet ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def read_parquet(con: ibis.BaseBackend, files: Iterable[Path]) -> ir.Table:
    """The rows of all files, columns matched by name; a column that a file lacks is null there.

    Needs at least one file. Characters that are special in patterns stand for themselves.

    As Ibis reads them, but for the types of columns: Ibis asks DuckDB for them by a query of its own and parses each
    anew, which takes longer than to open a small file.
    """
    name = ibis.util.gen_name("parquet")
    rows = con.con.read_parquet([escape(str(file)) for file in files], union_by_name=True)
    rows.create_view(name)
    schema = ibis.schema({column: _type(str(kind)) for column, kind in zip(rows.columns, rows.types, strict=True)})
    return ops.DatabaseTable(name, schema=schema, source=con, namespace=ops.Namespace()).to_expr()


@cache
def _type(duckdb_type: str) -> dt.DataType:
    return DuckDBType.from_string(duckdb_type)


def write_parquet(table: ir.Table | pa.Table, path: Path) -> int:
    """Write a table, computed first if it is an expression, into one Parquet file; the number of its rows.

    The file is there completely or not at all. Creates the folder. RunError if it cannot be written, or if the
    computation does not fit in memory and on disk.
    """
    unfinished = path.with_name(f".{path.name}.{uuid4().hex[:8]}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(table, pa.Table):
            pq.write_table(table, unfinished, compression="zstd", row_group_size=GROUP)
        else:
            ibis.get_backend(table).to_parquet(table, unfinished, compression="zstd", row_group_size=GROUP)
        n_rows = pq.read_metadata(unfinished).num_rows
        put_in_place(unfinished, path)
    except (OSError, duckdb.IOException, duckdb.OutOfMemoryException) as error:
        raise unwritable(path, error) from error
    finally:
        unfinished.unlink(missing_ok=True)
    return n_rows


def put_in_place(unfinished: Path, path: Path) -> None:
    """Make a complete file appear under its final name in one step that survives a crash."""
    for name, replace in ((unfinished, True), (path.parent, False)):
        handle = os.open(name, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        if replace:
            unfinished.replace(path)


def unwritable(path: Path, error: Exception) -> RunError:
    """What to tell about a table that could not be written."""
    if isinstance(error, duckdb.OutOfMemoryException):
        return RunError(
            f"Computing {path.name} takes more memory than there is: {error}",
            remedy="Give the run more memory, or free space on the disk it spills to, then run again.",
        )
    if getattr(error, "errno", None) == errno.ENOSPC or "No space left" in str(error):
        return RunError(
            f"The disk is full: {path} cannot be written.",
            remedy="Free space on that disk and run again; what was published before is untouched.",
        )
    return RunError(
        f"{path} cannot be written: {error}",
        remedy="Check that the folder exists and that you may write to it, then run again.",
    )
