"""The golden record of a few people, in columns: the twin of ``profiles/golden.py``.

Where records change traits instead of giving them, it is made by the query of a run, which is translated once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

import duckdb
import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from facette.clock import Moment
from facette.definitions import model
from facette.live.columnar.columns import Array
from facette.live.linked import micros
from facette.profiles.golden import profiles_at
from facette.profiles.identity import INSTANT
from facette.profiles.updates import CHANGES, UPDATE

BEFORE, AFTER = (datetime(9000, month, 1, tzinfo=UTC) for month in (1, 2))
"""The query is of this instant; what is not known yet becomes known at that one."""

OLDEST = np.iinfo(np.int64).max
"""In place of how long ago it was, of what is always known."""


class Golden:
    """Makes profiles of cleaned records and identities.

    records, identities : the schemas of the tables ``records_<source>`` and ``identities``
    """

    def __init__(
        self, con: ibis.BaseBackend, project: model.Project, records: Mapping[str, pa.Schema], identities: pa.Schema
    ) -> None:
        self._con, self._project = con.con, project
        self._changing = _Query(project, records, identities)
        given = {name: pa.schema([each for each in of if each.name not in CHANGES]) for name, of in records.items()}
        ranks = {source.name: rank for rank, source in enumerate(project.sources)}
        self._given = [(ranks[name], name, given[name]) for name in sorted(given, key=ranks.__getitem__)]
        self._schema = _Query(project, given, identities).profiles.schema().to_pyarrow()

    def of(self, records: Mapping[str, pa.Table], identities: pa.Table, moment: Moment) -> pa.Table:
        """The profiles of some identities, with the traits that were known at a moment.

        records    : source → at least the records that have one of their identifiers
        identities : at least those of the profiles, and of whoever else these records mention
        """
        now = pa.scalar(moment.known_at, INSTANT)
        records = {name: table.filter(_is_known(table["known_at"], now)) for name, table in records.items()}
        is_known = _is_known(identities["known_from"], now)
        if any(UPDATE in table.column_names and _has_any(table[UPDATE]) for table in records.values()):
            since = pc.if_else(is_known, None, pa.scalar(AFTER, INSTANT))
            place = identities.column_names.index("known_from")
            tables = {f"of_{name}": table for name, table in records.items()}
            tables["identities"] = identities.set_column(place, "known_from", since)
            return self._changing.of(self._con, tables)
        return self._of_given(records, identities, is_known.to_numpy())

    def _of_given(self, records: Mapping[str, pa.Table], identities: pa.Table, is_known: Array) -> pa.Table:
        """Of records that give traits, and of identifiers of which some are known."""
        profiles, owners = np.unique(identities["profile_id"].to_numpy(), return_inverse=True)
        n, kinds, values = len(profiles), identities["kind"], identities["value"].combine_chunks()
        population = self._project.population
        counts = is_known & pc.is_in(kinds, pa.array(population)).to_numpy() if population else is_known
        columns = {
            "profile_id": pa.array(profiles),
            "is_counted": pa.array(np.bincount(owners[counts], minlength=n) > 0),
            "n_identifiers": pa.array(np.bincount(owners[is_known], minlength=n)),
        }
        of_kinds = {
            kind.name: np.flatnonzero(pc.equal(kinds, kind.name).to_numpy()) for kind in self._project.identifiers
        }
        rows = self._resolved(records, {kind: (values.take(own), owners[own]) for kind, own in of_kinds.items()})
        for kind, own in of_kinds.items():
            known = own[is_known[own]]
            smallest = _firsts(owners[known], [], values.take(known), n)
            columns[kind] = pc.coalesce(rows.survivor(f"id_{kind}", "recent", n), smallest) if rows else smallest
        for name in self._schema.names:
            if name not in columns:
                assert rows is not None  # or there would be no traits
                rule = self._project.trait_survivorship.get(name, self._project.survivorship)
                columns[name] = rows.survivor(name, rule, n)
        return pa.table({name: columns[name] for name in self._schema.names}).cast(self._schema)

    def _resolved(self, records: Mapping[str, pa.Table], owners: Mapping[str, tuple[pa.Array, Array]]) -> _Rows | None:
        """All records, each of the profile of its most trusted identifier; None if no source gives any.

        owners : kind → its identifiers, and the place of the profile of each
        """
        if not self._given:
            return None
        tables = [
            records[name].select(of.names) if name in records else of.empty_table() for _, name, of in self._given
        ]
        rows = pa.concat_tables(tables, promote_options="default")
        places = []
        for kind, (values, of_values) in owners.items():
            if f"id_{kind}" in rows.column_names:
                found = pc.index_in(rows[f"id_{kind}"], values).fill_null(-1).to_numpy()
                places.append(np.where(found < 0, -1, np.append(of_values, -1)[found]))
            else:
                rows = rows.append_column(f"id_{kind}", pa.nulls(len(rows), pa.string()))
                places.append(np.full(len(rows), -1))
        profile = places[-1]
        for place in reversed(places[:-1]):
            profile = np.where(place >= 0, place, profile)
        for kind, place in zip(owners, places, strict=True):  # what is another one's, as its link is refused, is null
            column = rows.schema.get_field_index(f"id_{kind}")
            own = pc.if_else(pa.array(place == profile), rows[column], None)
            rows = rows.set_column(column, f"id_{kind}", own)
        age = np.where(rows["known_at"].is_null(), OLDEST, -micros(rows["known_at"]))
        rank = np.repeat([rank for rank, _, _ in self._given], [len(table) for table in tables])
        is_meant = profile >= 0
        return _Rows(rows.filter(pa.array(is_meant)), profile[is_meant], age[is_meant], rank[is_meant])


@dataclass(frozen=True)
class _Rows:
    """Records of some profiles.

    profile : of each the place of its profile
    age     : the smaller, the more recently it became known
    rank    : of its source; the smaller, the more trusted
    """

    rows: pa.Table
    profile: Array
    age: Array
    rank: Array

    def survivor(self, name: str, rule: str, n: int) -> pa.Array:
        """The surviving value of a column of each of n profiles."""
        column = self.rows[name].combine_chunks()
        known = np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False))
        if rule == "frequent":
            known = known[_are_most_frequent(self.profile[known], column.take(known))]
        keys = [self.rank, self.age] if rule == "trusted" else [self.age, self.rank]
        return _firsts(self.profile[known], [key[known] for key in keys], column.take(known), n)


def _firsts(owners: Array, keys: Sequence[Array], values: pa.Array, n: int) -> pa.Array:
    """Of each of n owners the value that comes first by keys, of several the smallest; null of whom has none."""
    by = {"owner": owners, **{f"key_{number}": key for number, key in enumerate(keys)}, "value": values}
    order = pc.sort_indices(pa.table(by), [(name, "ascending") for name in by]).to_numpy()
    first = order[np.diff(owners[order], prepend=-1) != 0]
    places = np.full(n, -1)
    places[owners[first]] = first
    return values.take(pa.array(places, mask=places < 0))


def _are_most_frequent(owners: Array, values: pa.Array) -> Array:
    """Which values none is more frequent than, of its owner."""
    codes = values.dictionary_encode().indices.to_numpy()
    _, which, counts = np.unique(np.stack([owners, codes]), axis=1, return_inverse=True, return_counts=True)
    most = np.zeros(int(owners.max(initial=-1)) + 1, np.intp)
    np.maximum.at(most, owners, counts[which])
    return np.asarray(counts[which] == most[owners])


class _Query:
    """The query for records of some columns, translated when it is needed."""

    def __init__(self, project: model.Project, records: Mapping[str, pa.Schema], identities: pa.Schema) -> None:
        self._project, self._sources = project, list(records)
        self._schemas = {f"of_{name}": schema for name, schema in records.items()} | {"identities": identities}

    def of(self, con: duckdb.DuckDBPyConnection, tables: Mapping[str, pa.Table]) -> pa.Table:
        sql, result = self._sql, self.profiles.schema().to_pyarrow()
        try:
            for name, schema in self._schemas.items():
                table = tables.get(name, schema.empty_table())
                con.register(_named(name), table.select(schema.names).cast(schema))
            return con.execute(sql).to_arrow_table().cast(result)
        finally:
            for name in self._schemas:
                con.unregister(_named(name))

    @cached_property
    def profiles(self) -> ir.Table:
        project = self._project
        tables = {
            name: ibis.table(ibis.Schema.from_pyarrow(of), name=_named(name)) for name, of in self._schemas.items()
        }
        of_sources = {name: tables[f"of_{name}"] for name in self._sources}
        return profiles_at(of_sources, tables["identities"], project, Moment(BEFORE, project.time_zone))

    @cached_property
    def _sql(self) -> str:
        return str(ibis.to_sql(self.profiles, dialect="duckdb"))


def _named(table: str) -> str:
    return f"golden_{table}"


def _has_any(column: pa.ChunkedArray) -> bool:
    return bool(column.null_count < len(column))


def _is_known(since: pa.ChunkedArray, now: pa.Scalar) -> pa.ChunkedArray:
    return pc.fill_null(pc.less_equal(since.cast(now.type), now), True)
