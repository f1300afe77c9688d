"""The store of the embedded warehouse: tables as lists of Parquet files, published together in one atomic step.

A run writes new files beside the current ones, then replaces ``published.json``. Readers see the previous snapshot
until that instant and the new one from then on; files that no kept snapshot names are removed by the next run.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any
from uuid import uuid4

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq

from facette.clock import Moment
from facette.errors import NotFoundError, RunError
from facette.warehouse.connect import (
    STORE,
    put_in_place,
    read_parquet,
    remove_abandoned_spills,
    unwritable,
    write_parquet,
)

KEPT_SNAPSHOTS = 5
"""How many published snapshots stay for comparison and rollback."""

UNFINISHED = re.compile(r"\..+\.(unfinished|[0-9a-f]{8})")
"""The names of files that get their own name when they are complete."""


@dataclass(frozen=True)
class Snapshot:
    """What one run published.

    tables       : table → files, relative to the store
    rows         : table → number of rows
    fingerprints : part of the definitions → its hash when the tables were made
    definitions  : the features, models and segments that it was made with, as data; empty if it does not say
    consumed     : landings whose rows are in the tables
    fits         : what cleaning fitted (bounds of outliers), by source and field
    cuts         : quantile score → its cuts
    applied      : model → the version that was applied
    chosen       : model → the version that somebody chose for it, of those
    held         : segment or model → what of it is held back: see :meth:`facette.stages.work.Work.hold`
    highest_profile_id : the highest profile id ever given, so that none is given twice
    pending_from : instant (ISO 8601, UTC) at which the next event or record begins to count; empty if there is none
    """

    run: str
    as_of: str
    zone: str
    published_at: str = ""
    tables: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    rows: Mapping[str, int] = field(default_factory=dict)
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    definitions: Mapping[str, Any] = field(default_factory=dict)
    consumed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    fits: Mapping[str, Any] = field(default_factory=dict)
    cuts: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    applied: Mapping[str, int] = field(default_factory=dict)
    chosen: Mapping[str, int] = field(default_factory=dict)
    held: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    highest_profile_id: int = 0
    pending_from: str = ""

    @property
    def moment(self) -> Moment:
        return Moment(datetime.fromisoformat(self.as_of), self.zone)


class Store:
    """The files of one project's warehouse."""

    def __init__(self, project: Path) -> None:
        self.folder = project / STORE

    def identity(self) -> str:
        """By which this store, in this folder, is known from those of other projects, also where they have one name."""
        path = self.folder / "id"
        if not path.exists():
            self._put(path, uuid4().hex)
        text = f"{path.read_text(encoding='utf-8')}\n{self.folder.resolve()}"
        return blake2b(text.encode(), digest_size=8).hexdigest()

    # ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def published(self) -> Snapshot | None:
        """The published snapshot, or None before the first run."""
        return self._read(self.folder / "published.json")

    def must_be_published(self) -> Snapshot:
        """The published snapshot; NotFoundError before the first run."""
        snapshot = self.published()
        if snapshot is None:
            raise NotFoundError(
                f"Nothing has been published in {self.folder.parent} yet.", remedy="Run `facette run` there first."
            )
        return snapshot

    def snapshots(self) -> list[Snapshot]:
        """The kept snapshots, oldest first."""
        found = [self._read(path) for path in sorted((self.folder / "snapshots").glob("*.json"))]
        return [snapshot for snapshot in found if snapshot is not None]

    def table(self, con: ibis.BaseBackend, snapshot: Snapshot, name: str) -> ir.Table:
        """A table of a snapshot; NotFoundError if the snapshot has none of that name, RunError if a file is missing."""
        files = snapshot.tables.get(name)
        if not files:
            raise NotFoundError(
                f"The published run {snapshot.run} has no table {name}.", remedy="Run `facette run` again."
            )
        for file in files:
            if not (self.folder / file).is_file():
                raise RunError(
                    f"{self.folder / file} is missing, a file of the published table {name}.",
                    remedy="Put it back, or make the tables anew with `facette run --full`. Should that need it too,"
                    f" remove {self.folder / 'published.json'}: the next run is then like the first.",
                )
        return read_parquet(con, [self.folder / file for file in files])

    def optional_table(self, con: ibis.BaseBackend, snapshot: Snapshot | None, name: str) -> ir.Table | None:
        """A table of a snapshot, or None if there is no such table or no snapshot."""
        return self.table(con, snapshot, name) if snapshot and snapshot.tables.get(name) else None

    def span(self, snapshot: Snapshot, name: str, column: str) -> tuple[Any, Any] | None:
        """The least and the greatest value of a column, from what its files tell; None if they do not tell."""
        ends: list[Any] = []
        for file in snapshot.tables.get(name, ()):
            metadata = pq.read_metadata(self.folder / file)
            place = pq.read_schema(self.folder / file).get_field_index(column)
            for group in range(metadata.num_row_groups):
                told = metadata.row_group(group).column(place).statistics
                if metadata.row_group(group).num_rows and not (told and told.has_min_max):
                    return None
                ends += [told.min, told.max] if told else []
        return (min(ends), max(ends)) if ends else None

    # ── writing ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def write(self, table: ir.Table | pa.Table, name: str, part: str) -> tuple[str, int]:
        """Write a file of a table; its path relative to the store, and its number of rows."""
        path = Path("tables") / name / f"{part}.parquet"
        return str(path), write_parquet(table, self.folder / path)

    def publish(self, snapshot: Snapshot) -> None:
        """Make a snapshot the published one. Everything before this call is invisible to readers."""
        text = json.dumps(asdict(snapshot), ensure_ascii=False, indent=1)
        self._put(self.folder / "snapshots" / f"{snapshot.run}.json", text)
        self._put(self.folder / "published.json", text)

    def sweep(self) -> int:
        """Remove what no kept snapshot names: old snapshots, files of tables, what runs that were killed left behind.

        What Facette does not write stays. Returns the number of files of tables removed. Only for the holder of the
        lock: files of a run under way are not named yet.
        """
        current = self.published()
        copies = sorted((self.folder / "snapshots").glob("*.json"))
        # A run killed in `publish` leaves the copy of a snapshot that was never published, later than the current one.
        published = [path for path in copies if current is not None and path.stem <= current.run]
        kept = published[-KEPT_SNAPSHOTS:]
        named = {
            file
            for snapshot in (current, *map(self._read, kept))
            if snapshot is not None
            for files in snapshot.tables.values()
            for file in files
        }
        unnamed = [
            path
            for path in (self.folder / "tables").glob("*/*.parquet")
            if path.is_file() and path.relative_to(self.folder).as_posix() not in named
        ]
        unfinished = [
            path
            for place in ("raw/*", "tables/*", "snapshots", ".")
            for path in self.folder.glob(f"{place}/.*")
            if UNFINISHED.fullmatch(path.name) and path.is_file()
        ]
        for path in (*(set(copies) - set(kept)), *unnamed, *unfinished):
            path.unlink()
        remove_abandoned_spills(self.folder)
        return len(unnamed)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the project for writing; RunError at once if another process does. A killed process lets go."""
        path = self.folder / "lock"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            file = path.open("a+b", buffering=0)
        except OSError as error:
            raise unwritable(path, error) from error
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                process = file.read().decode() or "unknown"
                raise RunError(
                    f"Another run is under way in {self.folder.parent} (process {process}).",
                    remedy="Wait for it to end, or stop that process; its work is not lost.",
                ) from None
            try:
                file.truncate(0)
                file.write(str(os.getpid()).encode())
            except OSError as error:
                raise unwritable(path, error) from error
            yield

    @staticmethod
    def _put(path: Path, text: str) -> None:
        unfinished = path.with_name(f".{path.name}.unfinished")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            unfinished.write_text(text, encoding="utf-8")
            put_in_place(unfinished, path)
        except OSError as error:
            raise unwritable(path, error) from error
        finally:
            unfinished.unlink(missing_ok=True)

    @staticmethod
    def _read(path: Path) -> Snapshot | None:
        if not path.exists():
            return None
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            for key in ("tables", "consumed", "cuts"):
                data[key] = {name: tuple(values) for name, values in data[key].items()}
            return Snapshot(**data)
        except (ValueError, KeyError, TypeError) as error:
            raise RunError(
                f"{path} is not a snapshot that this version of Facette can read: {error}",
                remedy="Put back a copy from `snapshots` beside it, or remove it: a run then computes everything anew.",
            ) from error


@dataclass
class Draft:
    """The snapshot that a run is making: starts from the previous one and takes new files table by table."""

    store: Store
    snapshot: Snapshot

    @property
    def run(self) -> str:
        return self.snapshot.run

    def replace(self, name: str, table: ir.Table | pa.Table) -> int:
        """Write a table anew; the number of its rows."""
        file, rows = self.store.write(table, name, self.run)
        self._set(name, (file,), rows)
        return rows

    def append(self, con: ibis.BaseBackend, name: str, table: ir.Table | pa.Table) -> ir.Table:
        """Add a file to a table and read back only what was added."""
        before = self.snapshot.tables.get(name, ())
        file, rows = self.store.write(table, name, f"{self.run}-{len(before)}")
        self._set(name, (*before, file), self.snapshot.rows.get(name, 0) + rows)
        return read_parquet(con, [self.store.folder / file])

    def drop(self, name: str) -> None:
        """Take a table out of the snapshot."""
        self.snapshot = replace(
            self.snapshot,
            tables={key: value for key, value in self.snapshot.tables.items() if key != name},
            rows={key: value for key, value in self.snapshot.rows.items() if key != name},
        )

    def note(self, **changes: Any) -> None:
        """Change other parts of the snapshot."""
        self.snapshot = replace(self.snapshot, **changes)

    def _set(self, name: str, files: tuple[str, ...], rows: int) -> None:
        self.snapshot = replace(
            self.snapshot,
            tables={**self.snapshot.tables, name: files},
            rows={**self.snapshot.rows, name: rows},
        )
