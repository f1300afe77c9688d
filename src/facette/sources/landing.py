"""Landing: the rows of a source as Parquet files exactly as found, one file for each part, read once.

A landing is one content of one part. Unchanged parts are not read again; a part with a new content lands anew, and the
new landing takes the place of the old one; what was read of a part that has gone stays. A landing's file is complete or
absent, and its name follows from the part and the landing before it: after a crash the same file is written again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from importlib.metadata import entry_points
from itertools import groupby
from pathlib import Path
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq

from facette.definitions.model import FileSource, LogSource, Source
from facette.errors import SourceError
from facette.sources.database import Database
from facette.sources.files import Files
from facette.sources.source import PROVENANCE, REFUSED, Batch, Connector, Part, Refusal
from facette.warehouse.connect import put_in_place, unwritable


def _logged(source: LogSource, folder: Path) -> Connector:
    from facette.sources.logged import Logged  # noqa: PLC0415 - needs what only who has a log has installed

    return Logged(source, folder)


CONNECTORS: dict[str, Callable[..., Connector]] = {"file": Files, "sql": Database, "log": _logged}
"""Connectors by the `kind` of source; others come from installed packages (entry points `facette.sources`)."""

Progress = Callable[[str, int], None]
"""Told, while a part is read, its name and how many rows have been read of it."""


@dataclass(frozen=True)
class Landing:
    """One content of one part of a source, as it was landed. All fields are plain JSON values.

    landing     : its id, unique within the source
    file        : name of the part: a file's path relative to the project, or a table's name
    landed_path : the Parquet file, relative to the folder of raw files
    address     : hash of where the source was (path, database, table) when the part was last found
    position, size, mtime_ns : see Part
    """

    source: str
    landing: str
    file: str
    rows: int
    refused: int
    fingerprint: str
    landed_path: str
    address: str = ""
    position: str | None = None
    size: int | None = None
    mtime_ns: int | None = None

    @property
    def part(self) -> Part:
        return Part(self.file, self.fingerprint, self.position, self.size, self.mtime_ns)


@dataclass(frozen=True)
class LandResult:
    """What landing a source gave.

    landed    : new on disk
    replaced  : earlier landings whose part has another content now; their files are still there
    unchanged : earlier landings that still hold (with the file's new time of change, if only that is new)
    refused   : rows that could not be read, of the new landings (schema REFUSED)
    notes     : what the user may want to know
    """

    landed: tuple[Landing, ...]
    replaced: tuple[Landing, ...]
    unchanged: tuple[Landing, ...]
    refused: pa.Table
    notes: tuple[str, ...]

    @property
    def current(self) -> tuple[Landing, ...]:
        """The landings that make up the source now."""
        return (*self.unchanged, *self.landed)


def land(
    source: Source, *, folder: Path, raw: Path, known: Iterable[Landing] = (), progress: Progress | None = None
) -> LandResult:
    """Read what is new in a source into ``<raw>/<source>/<landing>.parquet``.

    folder : the project's folder
    raw    : the folder of raw files
    known  : the source's current landings from before; one whose file is no longer there is landed again. Those of
             another address are forgotten: the source is somewhere else now

    SourceError if the source cannot be read, RunError if a file cannot be written. Landings made before an error stay
    on disk but are told to nobody, so that they are made again.
    """
    earlier = {each.file: each for each in known if each.source == source.name}
    before = _still_there(earlier.values(), source, raw)
    position = {name: each.part for name, each in before.items()}
    landed, refused, notes = [], [], []
    unchanged = dict(before)
    for name, batches in groupby(connector(source, folder).batches(position), key=lambda batch: batch.part):
        writing = _Writing(source, name, raw, earlier.get(name), progress)
        result = writing.land(batches, is_there=name in before)
        notes += writing.notes
        if result is None:
            continue
        if name in before and result.landing == before[name].landing:
            unchanged[name] = result
            continue
        unchanged.pop(name, None)
        landed.append(result)
        refused += [
            (source.name, result.landing, row.row, None, row.value, row.reason, row.raw) for row in writing.refused
        ]
    replaced = tuple(earlier[each.file] for each in landed if each.file in earlier)
    columns = zip(*refused, strict=True) if refused else ([] for _ in REFUSED)
    table = pa.table([pa.array(column, field.type) for column, field in zip(columns, REFUSED, strict=True)], REFUSED)
    return LandResult(tuple(landed), replaced, tuple(unchanged.values()), table, tuple(notes))


def connector(source: Source, folder: Path) -> Connector:
    """What reads a source of this kind; SourceError if nothing installed does."""
    if source.kind in CONNECTORS:
        return CONNECTORS[source.kind](source, folder)
    for entry in entry_points(group="facette.sources", name=source.kind):
        made: Connector = entry.load()(source, folder)
        return made
    raise SourceError(
        f"Source {source.name}: nothing installed reads sources of kind {source.kind!r}.",
        remedy=f"Install the package that provides it, or use one of: {', '.join(CONNECTORS)}.",
    )


def survey(source: Source, *, folder: Path, raw: Path, known: Iterable[Landing] = ()) -> tuple[int | None, int]:
    """Without landing anything: how many parts are new (None: only reading tells), and how many have changed.

    Of a log: how many records wait.
    """
    if isinstance(source, LogSource):
        return _waiting(source, folder, _still_there(known, source, raw)), 0
    if not isinstance(source, FileSource):
        return None, 0
    before = {name: each.part for name, each in _still_there(known, source, raw).items()}
    now = Files(source, folder).parts(before)
    changed = sum(name in before and part.fingerprint != before[name].fingerprint for name, part in now.items())
    return len(now.keys() - before.keys()), changed


def _waiting(source: LogSource, folder: Path, before: dict[str, Landing]) -> int | None:
    from facette.sources.logged import waiting  # noqa: PLC0415 - as above

    return waiting(source, folder, [each.part for each in before.values()])


def _still_there(landings: Iterable[Landing], source: Source, raw: Path) -> dict[str, Landing]:
    """By part, the landings that hold if their part is unchanged: of the source's address, and with their file."""
    address = _address(source)
    return {each.file: each for each in landings if each.address == address and (raw / each.landed_path).is_file()}


def _address(source: Source) -> str:
    where = source.model_dump(include={"path", "url", "table_name", "query", "cursor"})
    if isinstance(source, LogSource):
        where = source.log.model_dump(include={"kind", "path", "servers", "topic", "url", "queue"})
    return blake2b(repr(sorted(where.items())).encode(), digest_size=6).hexdigest()


# ── one part ────────────────────────────────────────────────────────────────────────────────────────────────────────


class _Writing:
    """The landing of one part: batches go to an unfinished file, which gets its name when the part has ended."""

    def __init__(
        self, source: Source, name: str, raw: Path, earlier: Landing | None, progress: Progress | None
    ) -> None:
        self.source, self.address = source.name, _address(source)
        self.needs_rows = not isinstance(source, LogSource)  # a log does not stop at what strangers sent
        self.name, self.raw, self.earlier, self.progress = name, raw, earlier, progress
        self.landing = _landing_id(name, earlier)
        self.refused: list[Refusal] = []
        self.notes: list[str] = []
        self.n_rows = 0
        self._pieces: list[tuple[Path, pa.Schema]] = []  # unfinished files, a new one whenever the columns change
        self._writer: pq.ParquetWriter | None = None

    def land(self, batches: Iterable[Batch], *, is_there: bool) -> Landing | None:
        """The landing of the part; the earlier one, brought up to date, if it is there and has the same content."""
        after: Part | None = None
        try:
            for batch in batches:
                self.notes += [batch.note] if batch.note else []
                self.refused += batch.refused
                after = batch.after or after
                if batch.rows is not None and batch.numbers is not None:
                    self._write(batch.rows, batch.numbers)
            if after is None:
                return None
            if is_there and self.earlier and self.earlier.fingerprint == after.fingerprint:
                return replace(self.earlier, position=after.position, size=after.size, mtime_ns=after.mtime_ns)
            return self._finish(after)
        except OSError as error:
            raise unwritable(self.raw / self.source, error) from error
        finally:
            self._close()
            for path, _ in self._pieces:
                path.unlink(missing_ok=True)

    def _write(self, rows: pa.Table, numbers: pa.Array) -> None:
        n_rows = rows.num_rows
        for name, column in zip(
            PROVENANCE, (pa.repeat(self.landing, n_rows), pa.repeat(self.name, n_rows), numbers), strict=True
        ):
            if name in rows.column_names:
                raise SourceError(
                    f"{self.name} has a column {name!r}, a name that Facette uses itself.", remedy="Rename the column."
                )
            rows = rows.append_column(name, column)
        fitting = _fit(rows, self._pieces[-1][1]) if self._pieces else None
        if fitting is None:
            fitting = rows
            self._open(rows.schema)
        if self._writer is not None:
            self._writer.write_table(fitting)
        self.n_rows += n_rows
        if self.progress:
            self.progress(self.name, self.n_rows)

    def _open(self, schema: pa.Schema) -> None:
        self._close()
        folder = self.raw / self.source
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f".{self.landing}.{uuid4().hex[:8]}"
        self._pieces.append((path, schema))
        self._writer = pq.ParquetWriter(path, schema, compression="zstd")

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _finish(self, after: Part) -> Landing:
        """Put the file in its place."""
        if self.needs_rows and self.refused and not self.n_rows:
            first = self.refused[0]
            raise SourceError(
                f"{self.name}: none of its {len(self.refused)} rows can be read; row {first.row}: {first.reason}.",
                remedy="Check the file, and the source's `format`, `encoding` and `delimiter`.",
            )
        schema = _common(self.name, [schema for _, schema in self._pieces])
        if len(self._pieces) > 1:
            self._join(schema)
        self._close()
        path = Path(self.source) / f"{self.landing}.parquet"
        put_in_place(self._pieces[-1][0], self.raw / path)
        return Landing(
            source=self.source,
            landing=self.landing,
            file=self.name,
            rows=self.n_rows,
            refused=len(self.refused),
            fingerprint=after.fingerprint,
            landed_path=path.as_posix(),
            address=self.address,
            position=after.position,
            size=after.size,
            mtime_ns=after.mtime_ns,
        )

    def _join(self, schema: pa.Schema) -> None:
        """Join the pieces in one file with the columns of all."""
        pieces = list(self._pieces)
        try:
            self._rewrite([path for path, _ in pieces], schema)
        except pa.ArrowInvalid:  # as whole numbers beyond 2**53 that would become floats: all can be written as text
            kinds = {name: {each.field(name).type for _, each in pieces if name in each.names} for name in schema.names}
            is_mixed = {name: len(types - {pa.null()}) > 1 for name, types in kinds.items()}
            fields = [field.with_type(pa.string()) if is_mixed[field.name] else field for field in schema]
            self._rewrite([path for path, _ in pieces], pa.schema(fields))

    def _rewrite(self, pieces: Sequence[Path], schema: pa.Schema) -> None:
        self._open(schema)
        for piece in pieces:
            with pq.ParquetFile(piece) as file:
                for rows in file.iter_batches():
                    fitting = _fit(pa.Table.from_batches([rows]), schema, cast=True)
                    if self._writer is not None and fitting is not None:
                        self._writer.write_table(fitting)


def _landing_id(name: str, earlier: Landing | None) -> str:
    chain = blake2b(f"{earlier.landing if earlier else ''}\n{name}".encode(), digest_size=6).hexdigest()
    return f"{re.sub('[^a-z0-9]+', '-', Path(name).stem.lower())[:40].strip('-')}-{chain}"


def _fit(rows: pa.Table, schema: pa.Schema, *, cast: bool = False) -> pa.Table | None:
    """The rows with exactly these columns: those that they lack are null. None if something would be lost."""
    if not set(rows.column_names) <= set(schema.names):
        return None
    columns = []
    for field in schema:
        column = rows[field.name] if field.name in rows.column_names else pa.nulls(rows.num_rows)
        if not (cast or column.type == field.type or pa.types.is_null(column.type)):
            return None
        columns.append(column.cast(field.type))
    return pa.table(columns, schema)


def _common(name: str, schemas: Sequence[pa.Schema]) -> pa.Schema:
    """The columns of all schemas, each in a type that holds all its values: text if there is no other."""
    types: dict[str, list[pa.DataType]] = {}
    for schema in schemas:
        for field in schema:
            types.setdefault(field.name, []).append(field.type)
    spellings: dict[str, str] = {}
    for column in types:
        other = spellings.setdefault(column.casefold(), column)
        if other != column:
            raise SourceError(
                f"{name} has the columns {other!r} and {column!r}, which differ only in upper and lower case.",
                remedy="Rename one of them.",
            )
    return pa.schema([(column, _common_type(kinds)) for column, kinds in types.items()])


def _common_type(types: Sequence[pa.DataType]) -> pa.DataType:
    try:
        return pa.unify_schemas([pa.schema([("x", kind)]) for kind in types], promote_options="permissive")[0].type
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        return pa.string()
