"""Values of profiles that sinks keep besides memberships: traits, features, what models say; as texts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from math import isfinite
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from facette.definitions.error_texts import said
from facette.definitions.model import Project, RedisSink
from facette.errors import RunError
from facette.warehouse.published import Snapshot, Store

Values = dict[str, str]
"""Column → what it is; those that are unknown are missing."""


def columns_kept(project: Project) -> tuple[str, ...]:
    """The columns that any sink of a project keeps."""
    return tuple(sorted({name for sink in project.sinks if isinstance(sink, RedisSink) for name in sink.traits}))


def rows_of(columns: pa.Table, names: Sequence[str], profiles: Iterable[int]) -> list[tuple[int, str]]:
    """Profile and JSON of its values, as the state keeps them; empty text of who does not count, or is no longer.

    columns : profile_id, is_counted and the columns that are kept
    """
    found = {row["profile_id"]: texts(row, names) for row in columns.to_pylist() if row["is_counted"]}
    return [(one, json.dumps(found[one], ensure_ascii=False) if one in found else "") for one in profiles]


def texts(row: Mapping[str, Any], names: Sequence[str]) -> Values:
    return {name: _text(row[name]) for name in names if row.get(name) is not None}


def published_values(
    store: Store, snapshot: Snapshot, names: Sequence[str], portion: int
) -> Iterator[list[tuple[int, Values]]]:
    """The values of everybody who counts, as a run has published them, some at a time."""
    try:
        table = _read(store, snapshot, "features", names)
        assert table is not None
        scored = _read(store, snapshot, "scored", [name for name in names if name not in table.column_names])
    except OSError as error:
        raise said(RunError, "unreadable", table="features", why=error) from error
    if scored is not None and scored.num_columns > 1:
        table = table.join(scored, "profile_id")
    for batch in table.to_batches(max_chunksize=portion):
        yield [(row["profile_id"], texts(row, names)) for row in batch.to_pylist()]


def _read(store: Store, snapshot: Snapshot, table: str, names: Sequence[str]) -> pa.Table | None:
    """The profile ids and those of some columns that a table has."""
    parts = []
    for file in snapshot.tables.get(table, ()):
        there = set(pq.read_schema(store.folder / file).names)
        columns = ["profile_id", *(name for name in names if name in there)]
        parts.append(pq.read_table(store.folder / file, columns=columns, partitioning=None))
    return pa.concat_tables(parts) if parts else None


def _text(value: Any) -> str:
    """As JSON writes it; days and instants in ISO 8601, whole numbers without a point."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case date() | datetime():
            return value.isoformat()
        case Decimal() | float() if isfinite(value) and value == int(value):
            return str(int(value))
        case Decimal():
            return repr(float(value))
    return repr(value)
