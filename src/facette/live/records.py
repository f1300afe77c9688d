"""The records of a log as raw tables, one for each source, as batch lands them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from facette.definitions import model
from facette.definitions.records import columns_of_objects
from facette.sources.logged import Columns
from facette.sources.record import Record, decode


@dataclass(frozen=True)
class Raw:
    """What a reading of the logs gave.

    tables    : source → its rows as found, with ``_landing``, ``_file`` and ``_row``
    n_records : lines read, those of sources that there are not included
    n_refused : lines that are no record; batch keeps them aside, with their reason
    """

    tables: Mapping[str, pa.Table]
    n_records: int = 0
    n_refused: int = 0


NOTHING = Raw({})


def raw_tables(sources: Sequence[model.LogSource], lines: Sequence[bytes], landing: str) -> Raw:
    """Lines of a log, in their order, as rows of the sources that they name."""
    rows: dict[str, list[tuple[int, Record]]] = {source.name: [] for source in sources}
    n_refused = 0
    for number, line in enumerate(lines, 1):
        try:
            record = decode(line)
        except ValueError:
            n_refused += 1
            continue
        if record.source in rows:
            rows[record.source].append((number, record))
    tables = {source.name: _table(source, rows[source.name], landing) for source in sources if rows[source.name]}
    return Raw(tables, len(lines), n_refused)


def _table(source: model.LogSource, records: Sequence[tuple[int, Record]], landing: str) -> pa.Table:
    columns = Columns(columns_of_objects(source))
    rows = [columns.row(record) for _, record in records]
    table = {name: pa.array([row.get(name) for row in rows], pa.string()) for name in columns.names}
    table |= {name: pa.repeat(landing, len(rows)) for name in ("_landing", "_file")}
    return pa.table({**table, "_row": pa.array([number for number, _ in records], pa.int64())})
