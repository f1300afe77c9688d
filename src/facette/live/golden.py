"""The golden record of a few people, by the query of a run, which is made once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cached_property

import duckdb
import ibis
import pyarrow as pa
import pyarrow.compute as pc

from facette.clock import Moment
from facette.definitions import model
from facette.profiles.golden import profiles_at
from facette.profiles.updates import CHANGES, UPDATE

BEFORE, AFTER = (datetime(9000, month, 1, tzinfo=UTC) for month in (1, 2))
"""The query is of this instant; what is not known yet becomes known at that one."""


class Golden:
    """Makes profiles of cleaned records and identities.

    records, identities : the schemas of the tables ``records_<source>`` and ``identities``
    """

    def __init__(
        self, con: ibis.BaseBackend, project: model.Project, records: Mapping[str, pa.Schema], identities: pa.Schema
    ) -> None:
        self._con = con.con
        self._changing = _Query(project, records, identities)
        given = {name: pa.schema([each for each in of if each.name not in CHANGES]) for name, of in records.items()}
        self._giving = _Query(project, given, identities)

    def of(self, records: Mapping[str, pa.Table], identities: pa.Table, moment: Moment) -> pa.Table:
        """The profiles of some identities, with the traits that were known at a moment.

        records    : source → at least the records that have one of their identifiers
        identities : at least those of the profiles, and of whoever else these records mention
        """
        known_at = pa.scalar(moment.known_at, pa.timestamp("us", "UTC"))
        tables = {f"of_{name}": table.filter(_is_known(table["known_at"], known_at)) for name, table in records.items()}
        since = pc.if_else(_is_known(identities["known_from"], known_at), None, pa.scalar(AFTER, known_at.type))
        place = identities.column_names.index("known_from")
        is_changed = any(UPDATE in table.column_names and _has_any(table[UPDATE]) for table in tables.values())
        tables["identities"] = identities.set_column(place, "known_from", since)
        return (self._changing if is_changed else self._giving).of(self._con, tables)


class _Query:
    """The query for records of some columns, translated when it is needed."""

    def __init__(self, project: model.Project, records: Mapping[str, pa.Schema], identities: pa.Schema) -> None:
        self._project, self._sources = project, list(records)
        self._schemas = {f"of_{name}": schema for name, schema in records.items()} | {"identities": identities}

    def of(self, con: duckdb.DuckDBPyConnection, tables: Mapping[str, pa.Table]) -> pa.Table:
        sql, result = self._translated
        try:
            for name, schema in self._schemas.items():
                table = tables.get(name, schema.empty_table())
                con.register(_named(name), table.select(schema.names).cast(schema))
            return con.execute(sql).to_arrow_table().cast(result)
        finally:
            for name in self._schemas:
                con.unregister(_named(name))

    @cached_property
    def _translated(self) -> tuple[str, pa.Schema]:
        project = self._project
        tables = {
            name: ibis.table(ibis.Schema.from_pyarrow(of), name=_named(name)) for name, of in self._schemas.items()
        }
        of_sources = {name: tables[f"of_{name}"] for name in self._sources}
        profiles = profiles_at(of_sources, tables["identities"], project, Moment(BEFORE, project.time_zone))
        return str(ibis.to_sql(profiles, dialect="duckdb")), profiles.schema().to_pyarrow()


def _named(table: str) -> str:
    return f"golden_{table}"


def _has_any(column: pa.ChunkedArray) -> bool:
    return bool(column.null_count < len(column))


def _is_known(since: pa.ChunkedArray, now: pa.Scalar) -> pa.ChunkedArray:
    return pc.fill_null(pc.less_equal(since.cast(now.type), now), True)
