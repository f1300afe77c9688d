"""New rows of a log made clean: what is plain without a query, all else by the query of a run, each row once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from facette.definitions import model
from facette.definitions.records import columns_named
from facette.live.plain import Plain, column_of
from facette.live.records import columns_read
from facette.live.seen import Seen
from facette.live.texts import Said, Texts
from facette.profiles.clean import described_by, fields_of, rows_that_stay
from facette.profiles.values import LookupTable, ReadText, read_key, uniform

RAW = "raw_now"


@ibis.udf.scalar.builtin(name="read_email", signature=((dt.string,), dt.string))
def read_email(text):  # type: ignore[no-untyped-def]
    """An e-mail address made uniform, null if it is none."""


@ibis.udf.scalar.builtin(name="read_phone", signature=((dt.string,), dt.string))
def read_phone(text):  # type: ignore[no-untyped-def]
    """A phone number made uniform, null if it is none."""


READS: dict[str, ReadText] = {"email": read_email, "phone": read_phone}


@dataclass(frozen=True)
class Query:
    """A query, translated when it is needed, and once."""

    table: ir.Table

    @cached_property
    def sql(self) -> str:
        return str(ibis.to_sql(self.table, dialect="duckdb"))


@dataclass
class Cleaner:
    """Cleans the rows of one reader of a log: people, or the events of a kind.

    settings : as :func:`facette.profiles.clean.rows_that_stay` takes them
    reads    : likewise
    schema   : of what comes out
    seen     : by what its rows are known again, and those of the other readers of the same events
    """

    con: ibis.BaseBackend
    source: model.LogSource
    reader: model.People | model.Events
    settings: Mapping[str, Any]
    reads: Mapping[str, ReadText]
    texts: Texts
    seen: Seen = field(default_factory=Seen)

    def __post_init__(self) -> None:
        raw = {**dict.fromkeys((*columns_read(self.source), "_landing", "_file"), "string"), "_row": "int64"}
        stays = self._stays(ibis.table(raw, name=RAW))
        self._query = Query(stays)
        self._columns = [*raw]
        self.schema = pa.schema([each for each in stays.schema().to_pyarrow() if each.name != "_row"])
        self._plain = Plain(
            self.source.name,
            self.reader,
            tuple(self.settings["identifiers"]),
            self.settings["country"],
            self.settings["fits"] or {},
            self.texts,
            self.schema,
        )
        self._is_plain = self._plain.knows
        named = {column.casefold() for _, column in columns_named(self.reader)}
        self._read = [name for name in raw if name.casefold() in named or name in ("_landing", "_row")]

    @property
    def is_of_events(self) -> bool:
        return isinstance(self.reader, model.Events)

    @property
    def reader_name(self) -> str:
        """The kind of events; of people the source."""
        return self.reader.name if isinstance(self.reader, model.Events) else self.source.name

    @property
    def name(self) -> str:
        """The name of the table that its rows are part of."""
        return f"{'events' if self.is_of_events else 'records'}_{self.reader_name}"

    @property
    def marked_by(self) -> list[str]:
        """The columns by which a row is known again: its id, of people all that is said of them."""
        return ["event_id"] if self.is_of_events else described_by(fields_of(self.reader, self.settings["identifiers"]))

    def know(self, rows: pa.Table) -> None:
        """Take cleaned rows as having come before."""
        self.seen.add(self._marks(rows))

    def new(self, raw: pa.Table) -> pa.Table:
        """The rows that are good and did not come before; they have come from now on."""
        rows = self.clean(raw)
        if not len(rows):
            return rows
        new = self.seen.new(self._marks(rows))
        return rows if len(new) == len(rows) else rows.take(new)

    def clean(self, raw: pa.Table) -> pa.Table:
        """The rows that are good, in their order."""
        if raw.column_names != self._columns:  # all that the records have
            return self._by_query(raw, Query(self._stays(_like(raw)))).drop("_row")
        own = self._only(raw)
        if not len(own):
            return self.schema.empty_table()
        if not self._is_plain:
            return self._by_query(raw.take(own), self._query).drop("_row")
        rows, places, others = self._plain.read(raw.select(self._read).take(own))
        if not len(others):
            return rows
        found = self._by_query(raw.take(own[others]), self._query)
        order = np.concatenate([own[places], np.searchsorted(raw["_row"].to_numpy(), found["_row"].to_numpy())])
        return pa.concat_tables([rows, found.drop("_row")]).take(np.argsort(order, kind="stable"))

    def _marks(self, rows: pa.Table) -> pa.Array:
        """What each row has in the columns by which it is known again."""
        if self.is_of_events:
            return rows["event_id"]
        texts = []
        for name in self.marked_by:
            column = rows[name].combine_chunks()
            if pa.types.is_timestamp(column.type):
                column = column.cast(pa.timestamp("us", "UTC")).cast(pa.int64())
            if pa.types.is_floating(column.type):
                column = pc.add(column, 0.0)  # there is one zero
            texts.append(column.cast(pa.string()))
        return pc.binary_join_element_wise(*texts, "\x1f", null_handling="replace", null_replacement="")

    def _only(self, raw: pa.Table) -> np.ndarray[Any, Any]:
        """The places of the rows that are this reader's business."""
        is_wanted = np.ones(len(raw), bool)
        for name, text in self.reader.only.items():
            found = pc.equal(self.texts.fold(column_of(raw, name)), uniform(text))
            is_wanted &= pc.fill_null(found, False).to_numpy(zero_copy_only=False)
        return np.flatnonzero(is_wanted)

    def _stays(self, raw: ir.Table) -> ir.Table:
        return rows_that_stay(raw, self.source.name, self.reader, reads=self.reads, **self.settings)

    def _by_query(self, raw: pa.Table, query: Query) -> pa.Table:
        con = self.con.con
        con.register(RAW, raw)
        try:
            found = con.execute(query.sql).to_arrow_table()
        finally:
            con.unregister(RAW)
        found = found.cast(pa.schema([("_row", pa.int64()), *self.schema]))
        return found.sort_by("_row")


def cleaners(con: ibis.BaseBackend, sources: Iterable[model.LogSource], settings: Mapping[str, Any]) -> list[Cleaner]:
    """One for each reader of these sources.

    settings : by the names that the sources' readers have
    """
    sources = list(sources)
    one = next(iter(settings.values()))
    said = _said(sources, settings)
    texts = Texts(con, one["zone"], one["country"], {key: read for key, (_, read) in said.items()})
    reads = {**READS, **{key: _function(key, type_) for key, (type_, _) in said.items()}}
    for key in reads:
        type_ = said[key][0] if key in said else "string"
        con.con.create_function(f"read_{key}", texts.reader(key), ["VARCHAR"], SQL[type_], null_handling="special")
    kept: dict[str, LookupTable] = {}
    seen: dict[str, Seen] = {}
    made = []
    for source in sources:
        for key, reader in source.readers():
            lookups = {name: _in_memory(con, name, table, kept) for name, table in settings[key]["lookups"].items()}
            own = {name: each for name, each in settings[key].items() if name != "readers"}
            cleaner = Cleaner(con, source, reader, {**own, "lookups": lookups}, reads, texts)
            cleaner.seen = seen.setdefault(cleaner.name, cleaner.seen)
            made.append(cleaner)
    return made


SQL = {"string": "VARCHAR", "float64": "DOUBLE"}
"""Type of what is read, in Ibis → in DuckDB."""


def _said(
    sources: Iterable[model.LogSource], settings: Mapping[str, Any]
) -> dict[str, tuple[str, Callable[[str], Said]]]:
    """By :func:`read_key`, the type of what a text says, and how it is found out."""
    found: dict[str, tuple[str, Callable[[str], Said]]] = {}
    for source in sources:
        for key, reader in source.readers():
            for each in reader.fields.values():
                if each.read is not None:
                    read = partial(settings[key]["readers"][each.read].value, kind=each.type)
                    found[read_key(each)] = ("float64" if each.type == "number" else "string", read)
    return found


def _function(key: str, type_: str) -> ReadText:
    """What a text says, as a function that the warehouse knows."""

    def read(text):  # type: ignore[no-untyped-def]
        """What a text says."""

    function: ReadText = ibis.udf.scalar.builtin(read, name=f"read_{key}", signature=((dt.string,), dt.dtype(type_)))
    return function


def _in_memory(con: ibis.BaseBackend, name: str, table: LookupTable, kept: dict[str, LookupTable]) -> LookupTable:
    if name not in kept:
        kept[name] = LookupTable(con.create_table(f"lookup_{name}", table.rows), table.key)
    return kept[name]


def _like(raw: pa.Table) -> ir.Table:
    """The columns of a table that is registered as such."""
    return ibis.table({name: "int64" if name == "_row" else "string" for name in raw.column_names}, name=RAW)
