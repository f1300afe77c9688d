"""The golden record of a few people, by the query of a run, which is made once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import ibis
import pyarrow as pa
import pyarrow.compute as pc

from facette.clock import Moment
from facette.definitions import model
from facette.profiles.golden import profiles_at

BEFORE, AFTER = (datetime(9000, month, 1, tzinfo=UTC) for month in (1, 2))
"""The query is of this instant; what is not known yet becomes known at that one."""


class Golden:
    """Makes profiles of cleaned records and identities.

    records, identities : the schemas of the tables ``records_<source>`` and ``identities``
    """

    def __init__(
        self, con: ibis.BaseBackend, project: model.Project, records: Mapping[str, pa.Schema], identities: pa.Schema
    ) -> None:
        self._con, self._schemas = con.con, {f"of_{name}": schema for name, schema in records.items()}
        self._schemas["identities"] = identities
        tables = {
            name: ibis.table(ibis.Schema.from_pyarrow(of), name=_named(name)) for name, of in self._schemas.items()
        }
        of_sources = {name: tables[f"of_{name}"] for name in records}
        profiles = profiles_at(of_sources, tables["identities"], project, Moment(BEFORE, project.time_zone))
        self._query = str(ibis.to_sql(profiles, dialect="duckdb"))
        self._schema = profiles.schema().to_pyarrow()

    def of(self, records: Mapping[str, pa.Table], identities: pa.Table, moment: Moment) -> pa.Table:
        """The profiles of some identities, with the traits that were known at a moment.

        records    : source → at least the records that have one of their identifiers
        identities : at least those of the profiles, and of whoever else these records mention
        """
        known_at = pa.scalar(moment.known_at, pa.timestamp("us", "UTC"))
        tables = {f"of_{name}": table.filter(_is_known(table["known_at"], known_at)) for name, table in records.items()}
        since = pc.if_else(_is_known(identities["known_from"], known_at), None, pa.scalar(AFTER, known_at.type))
        place = identities.column_names.index("known_from")
        tables["identities"] = identities.set_column(place, "known_from", since)
        try:
            for name, schema in self._schemas.items():
                table = tables.get(name, schema.empty_table())
                self._con.register(_named(name), table.select(schema.names).cast(schema))
            return self._con.execute(self._query).to_arrow_table().cast(self._schema)
        finally:
            for name in self._schemas:
                self._con.unregister(_named(name))


def _named(table: str) -> str:
    return f"golden_{table}"


def _is_known(since: pa.ChunkedArray, now: pa.Scalar) -> pa.ChunkedArray:
    return pc.fill_null(pc.less_equal(since.cast(now.type), now), True)
