"""Tables and queries of SQL databases, through SQLAlchemy, streamed in chunks.

Values keep the type that the database's driver gives them. A date with time but without zone is an instant in UTC;
whole numbers, floats, decimals, booleans, dates and bytes keep their type; objects and lists become JSON text;
everything else, and a column that mixes types, becomes text. So does what the driver itself could not read: text that
is not UTF-8 in SQLite, days and instants beyond Python's calendar (``infinity``) in PostgreSQL.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from hashlib import blake2b
from itertools import islice
from math import ceil
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import sqlalchemy as sa

from facette.definitions.model import SqlSource
from facette.errors import SourceError
from facette.sources.files import json_text
from facette.sources.source import Batch, Part, Position

ROWS = 20_000  # rows in a chunk
LISTED = 10_000  # at most so many rows with the cursor's highest value are told apart


class Database:
    """The table or query of one source: the rows that are new by its cursor, or all of them where there is none."""

    def __init__(self, source: SqlSource, folder: Path) -> None:
        self.source, self.folder = source, folder

    def batches(self, position: Position) -> Iterator[Batch]:
        """One part: everything, or what lies above the highest cursor read so far minus the lag.

        Without a lag, rows that came later with that highest value are read too: all that have it are read again, and
        those that were read before are left out. (Beyond ``LISTED`` of them, they land again, once; cleaning keeps one
        of rows that are the same.) With a lag, what lies within it lands again.

        The fingerprint is that of the content, so that a part with the same rows again is seen to be unchanged. Above
        a cursor, no rows are no part. Rows whose cursor is null are read only the first time.
        """
        source = self.source
        title = source.table_name or "query"
        reached = _reached(position) if source.cursor else None
        name = title if reached is None else f"{title} above {reached}"
        digest = blake2b(repr((source.table_name, source.query, source.cursor)).encode(), digest_size=12)
        progress = _Progress(source, reached)
        n_rows = 0
        for names, chunk in self._chunks(reached):
            rows = progress.new(names, chunk)
            if not rows and reached is not None:
                continue
            columns = list(zip(*rows, strict=True)) or [()] * len(names)
            table = pa.table([column_of(column) for column in columns], names)
            digest.update(str(table.schema).encode())
            for batch in table.to_batches():
                digest.update(batch.serialize())
            yield Batch(name, rows=table, numbers=pa.array(np.arange(n_rows + 1, n_rows + len(rows) + 1)))
            n_rows += len(rows)
        if n_rows or name == title:
            yield Batch(name, after=Part(name, digest.hexdigest(), position=progress.position))
        for part in _with_needless_rows(position, reached):
            yield Batch(part.name, after=part)

    def _chunks(self, reached: Reached | None) -> Iterator[tuple[list[str], Sequence[sa.Row[Any]]]]:
        """Names of the columns and some rows, through a cursor on the server; at least once if all is read."""
        url, secrets = database_url(self.source, self.folder)
        try:
            engine = sa.create_engine(url)
            sa.event.listen(engine, "connect", _be_lenient)
            try:
                with (
                    engine.connect().execution_options(stream_results=True) as connection,
                    connection.execute(self._select(reached)) as result,
                ):
                    names, n_chunks = list(result.keys()), 0
                    for rows in result.partitions(ROWS):
                        n_chunks += 1
                        yield names, rows
                    if not n_chunks and reached is None:
                        yield names, []
            finally:
                engine.dispose()
        except (sa.exc.SQLAlchemyError, ImportError) as error:
            raise _unreadable(self.source.name, error, secrets) from None  # the cause may show the password

    def _select(self, reached: Reached | None) -> sa.Select[Any]:
        """Everything, or what lies above the mark minus the lag; without a lag, also what lies on it."""
        source = self.source
        if source.query is not None:
            text = source.query.strip().rstrip(";").replace(":", r"\:")
            rows: Any = sa.text(f"{text}\n").columns().subquery("rows_of_query")
        else:
            *schema, table = (source.table_name or "").rsplit(".", 1)
            rows = sa.table(table, schema=schema[0] if schema else None)
        select: sa.Select[Any] = sa.select(sa.literal_column("*")).select_from(rows)
        if source.cursor and reached is not None:
            cursor: sa.ColumnClause[Any] = sa.column(source.cursor)
            lower = reached.mark.minus(source.lag).value
            select = select.where(cursor > lower if source.lag else cursor >= lower)
        return select


# ── how far a cursor has read ───────────────────────────────────────────────────────────────────────────────────────


class _Progress:
    """Which rows of a reading are new, and how far it has come."""

    def __init__(self, source: SqlSource, reached: Reached | None) -> None:
        self.source, self.reached = source, reached
        self._mark = reached.mark if reached else None
        self._at_mark: set[str] = set()  # hashes of the new rows with that value

    def new(self, names: Sequence[str], rows: Sequence[sa.Row[Any]]) -> Sequence[sa.Row[Any]]:
        """The rows of a chunk that were not read before; moves on."""
        if not self.source.cursor:
            return rows
        if self.source.cursor not in names:
            raise SourceError(
                f"Source {self.source.name} has no column {self.source.cursor!r} to be its cursor.",
                remedy=f"It has: {', '.join(names)}.",
            )
        place = names.index(self.source.cursor)
        if known := self.reached:
            rows = [row for row in rows if row[place] != known.mark.value or _row_hash(row) not in known.rows]
        before, self._mark = self._mark, self._highest(row[place] for row in rows)
        if self._mark != before:
            self._at_mark = set()
        if self._mark and not self.source.lag:
            at_mark = (row for row in rows if row[place] == self._mark.value)
            self._at_mark.update(_row_hash(row) for row in islice(at_mark, LISTED + 1 - len(self._at_mark)))
        return rows

    @property
    def position(self) -> str | None:
        if self._mark is None:
            return None
        return Reached(self._mark, frozenset(self._at_mark if len(self._at_mark) <= LISTED else ())).text

    def _highest(self, values: Iterable[Any]) -> Mark | None:
        marks = [Mark(value) for value in values if value is not None]
        try:
            return max(marks + ([self._mark] if self._mark else []), default=None)
        except TypeError as error:
            raise SourceError(
                f"Source {self.source.name}: values of its cursor {self.source.cursor!r} cannot be compared: {error}",
                remedy="Choose a column of whole numbers, dates or instants that only grows.",
            ) from error


@dataclass(frozen=True)
class Reached:
    """The highest value of a cursor so far, and the hashes of the rows read that have it (none if they are many)."""

    mark: Mark
    rows: frozenset[str] = frozenset()

    def __str__(self) -> str:
        """Another text whenever anything new has been read."""
        return f"{self.mark} ({len(self.rows)} known)" if self.rows else str(self.mark)

    @property
    def text(self) -> str:
        """As it is kept; to be read again."""
        return json_text({"mark": str(self.mark), "rows": sorted(self.rows)}) if self.rows else str(self.mark)

    @classmethod
    def read(cls, text: str) -> Reached:
        if not text.startswith("{"):
            return cls(Mark.read(text))
        kept = json.loads(text)
        return cls(Mark.read(kept["mark"]), frozenset(kept["rows"]))


@dataclass(frozen=True, order=True)
class Mark:
    """A value of a cursor's column. Its text says the type, so that it can be kept and read again."""

    value: Any

    TYPES: ClassVar[dict[str, Callable[[str], Any]]] = {
        "int": int,
        "float": float,
        "Decimal": Decimal,
        "datetime": datetime.fromisoformat,
        "date": date.fromisoformat,
        "str": str,
    }

    def __str__(self) -> str:
        text = self.value.isoformat() if isinstance(self.value, date) else str(self.value)
        return f"{type(self.value).__name__}:{text}"

    @classmethod
    def read(cls, text: str) -> Mark:
        kind, _, value = text.partition(":")
        return cls(cls.TYPES[kind](value))

    def minus(self, lag: float) -> Mark:
        """Lower by the lag: seconds for instants (also ISO text) and dates (whole days), units for numbers."""
        value = self.value
        if not lag:
            return self
        if isinstance(value, datetime):
            return Mark(value - timedelta(seconds=lag))
        if isinstance(value, date):
            return Mark(value - timedelta(days=ceil(lag / 86400)))
        if isinstance(value, str):
            try:
                lower = datetime.fromisoformat(value) - timedelta(seconds=lag)
            except ValueError as error:
                raise SourceError(
                    f"The cursor's value {value!r} is no instant that a lag could be taken from.",
                    remedy="Remove `lag`, or choose a cursor of numbers, dates or instants.",
                ) from error
            return Mark(lower.isoformat(sep="T" if "T" in value else " "))
        return Mark(value - type(value)(lag))


def _reached(position: Position) -> Reached | None:
    """How far all parts together have come."""
    parts = [Reached.read(part.position) for part in position.values() if part.position]
    highest = max((part.mark for part in parts), default=None)
    if highest is None:
        return None
    return Reached(highest, frozenset().union(*(part.rows for part in parts if part.mark == highest)))


def _with_needless_rows(position: Position, reached: Reached | None) -> Iterator[Part]:
    """The parts below the highest mark that still list rows, without them."""
    for part in position.values():
        if reached and part.position and (own := Reached.read(part.position)).rows and own.mark != reached.mark:
            yield replace(part, position=str(own.mark))


def _row_hash(row: Iterable[Any]) -> str:
    values = [None if value is None else _text(value) for value in row]
    return blake2b(json_text(values).encode("utf-8", "backslashreplace"), digest_size=8).hexdigest()


# ── where the database is ───────────────────────────────────────────────────────────────────────────────────────────


def database_url(
    source: SqlSource, folder: Path, environment: Mapping[str, str] = os.environ
) -> tuple[sa.URL, list[str]]:
    """The URL with ``${NAME}`` from the environment, and the texts in it that nobody must see.

    A user name or password from the environment may have any characters; SQLite paths are relative to ``folder``.
    SourceError if a variable is not set, if the URL makes no sense, or if there is no such SQLite file.
    """
    template = source.url
    secrets: list[str] = []

    def value_of(reference: re.Match[str]) -> str:
        name = reference[1]
        if name not in environment:
            raise SourceError(
                f"Source {source.name} needs the environment variable {name}, which is not set.",
                remedy=f"Set it before the run: export {name}=…",
            )
        secrets.append(environment[name])
        is_credential = "@" in template[reference.end() :] and reference.start() > 0
        return quote(environment[name], safe="") if is_credential else environment[name]

    text = re.sub(r"\$\{(\w+)\}", value_of, template)
    try:
        url = sa.make_url(text)
    except (sa.exc.ArgumentError, ValueError):
        raise SourceError(
            f"Source {source.name}: its `url` is not a database URL.",
            remedy="Write it as postgresql://user:${PASSWORD}@host/database or sqlite:///path/to/file.db.",
        ) from None
    if url.password:
        secrets.append(str(url.password))
    if url.drivername in ("postgresql", "postgres"):
        url = url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() == "sqlite" and url.database and url.database != ":memory:":
        path = folder / url.database
        if not path.is_file():
            raise SourceError(f"Source {source.name}: there is no SQLite file {path}.", remedy="Check its `url`.")
        url = url.set(database=str(path))
    return url, [secret for secret in secrets if secret]


def _unreadable(name: str, error: Exception, secrets: Sequence[str]) -> SourceError:
    if isinstance(error, ImportError):
        return SourceError(
            f"Source {name}: the database's driver is not installed ({error.name}).",
            remedy="For PostgreSQL: pip install 'facette[postgres]'; for others, the driver that SQLAlchemy names.",
        )
    text = str(getattr(error, "orig", None) or error).strip()
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    remedy = "Check that the database is running and reachable, and the source's `url`, `table_name` or `query`."
    if isinstance(error, sa.exc.DataError):
        remedy = "Read the source with a `query` that leaves out what cannot be read, or casts it to text."
    return SourceError(f"Source {name} cannot be read: {text}", remedy=remedy)


# ── what drivers refuse ─────────────────────────────────────────────────────────────────────────────────────────────


def _be_lenient(connection: Any, _record: object) -> None:
    """Make a new connection give as text what its driver could not read."""
    if isinstance(connection, sqlite3.Connection):
        connection.text_factory = lambda text: text.decode("utf-8", "backslashreplace")
    elif type(connection).__module__.split(".")[0] == "psycopg":
        for name in ("date", "timestamp", "timestamptz"):
            connection.adapters.register_loader(name, _lenient_loader(connection.adapters, name))


def _lenient_loader(adapters: Any, name: str) -> type[Any]:
    from psycopg import DataError, adapt, pq  # noqa: PLC0415 - only who reads PostgreSQL has it

    usual = adapters.get_loader(adapters.types[name].oid, pq.Format.TEXT)

    class LenientLoader(adapt.Loader):
        """The usual loader of a type, and the text as it came where that one fails."""

        def __init__(self, oid: int, context: Any = None) -> None:
            super().__init__(oid, context)
            self.usual = usual(oid, context)

        def load(self, data: Any) -> Any:
            try:
                return self.usual.load(data)
            except DataError:
                return bytes(data).decode()

    return LenientLoader


# ── types ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def column_of(values: Sequence[Any]) -> pa.Array:
    """Values as a driver gives them, as one Arrow column (see the module's docstring); all null gives a null column."""
    kinds = {type(value) for value in values if value is not None}
    try:
        if kinds <= {bool} or kinds <= {int, float} or kinds <= {str} or kinds <= {date}:
            return pa.array(values, pa.float64() if kinds == {int, float} else None)
        if kinds <= {int, Decimal}:
            return pa.array([None if value is None else Decimal(value) for value in values])
        if kinds <= {bytes, memoryview}:
            return pa.array([None if value is None else bytes(value) for value in values])
        if kinds <= {datetime}:
            return pa.array([value and _in_utc(value) for value in values], pa.timestamp("us", tz="UTC"))
    except (pa.ArrowException, OverflowError, ValueError):
        pass  # numbers too large for a machine's, NaN among decimals, text that is none: all can be written as text
    return pa.array([None if value is None else _text(value) for value in values], pa.string())


def _in_utc(instant: datetime) -> datetime:
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    if isinstance(value, datetime):
        return _in_utc(value).isoformat(sep=" ")
    return json_text(value) if isinstance(value, dict | list | bool) else str(value)
