"""The records of a log as raw tables, one for each source, as batch lands them: the columns that are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from types import NoneType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from facette.definitions import model
from facette.definitions.records import OBJECTS, TEXTS, columns_named, columns_of_objects
from facette.profiles.values import uniform
from facette.sources.logged import DEEPEST, Columns, json_value
from facette.sources.record import Record, decode

LEGIBLE = "[!-~]"
"""In a text that has one of these something is left once it is tidy."""

SURE = "^[!-~]+( [!-~]+)*$"
"""Texts that are tidy as they are, and of which lower case is beyond doubt."""

MOST_NAMES = 10_000
"""So many names of what records have are remembered for each object."""


@dataclass(frozen=True)
class Raw:
    """What a reading of the logs gave.

    tables    : source → its rows as found, with ``_landing``, ``_file`` and ``_row``: the columns that are read of the
                source (:func:`columns_read`), or all where an event is known by all of them
    received_at : when each record was received, those of other sources included
    n_records : lines read, those of sources that there are not included
    n_refused : lines that are no record; batch keeps them aside, with their reason
    """

    tables: Mapping[str, pa.Table]
    received_at: Sequence[str] = ()
    n_records: int = 0
    n_refused: int = 0


NOTHING = Raw({})


def raw_tables(sources: Sequence[model.LogSource], lines: Sequence[bytes], landing: str) -> Raw:
    """Lines of a log, in their order, as rows of the sources that they name."""
    records, numbers, n_refused = _decoded(lines)
    received_at = list(map(attrgetter("received_at"), records))
    if len(sources) == 1 and all(record.source == sources[0].name for record in records):
        tables = {sources[0].name: _table(sources[0], records, numbers, landing)} if records else {}
        return Raw(tables, received_at, len(lines), n_refused)
    places: dict[str, list[int]] = {source.name: [] for source in sources}
    for place, record in enumerate(records):
        if record.source in places:
            places[record.source].append(place)
    tables = {}
    for source in sources:
        if own := places[source.name]:
            tables[source.name] = _table(source, [records[at] for at in own], numbers[own], landing)
    return Raw(tables, received_at, len(lines), n_refused)


def columns_read(source: model.LogSource) -> tuple[str, ...]:
    """The columns of its records that a source reads, each by one spelling."""
    named = {column for _, reader in source.readers() for _, column in columns_named(reader)}
    return (*(name for name in TEXTS if name in named), *_Wanted.of(columns_of_objects(source)).values())


def _decoded(lines: Sequence[bytes]) -> tuple[list[Record], np.ndarray[Any, Any], int]:
    """The records, the number of the line of each, and how many lines are no record."""
    try:
        return [decode(line) for line in lines], np.arange(1, len(lines) + 1), 0
    except ValueError:
        pass
    records: list[Record] = []
    numbers: list[int] = []
    for number, line in enumerate(lines, 1):
        try:
            records.append(decode(line))
        except ValueError:
            continue
        numbers.append(number)
    return records, np.array(numbers, np.int64), len(lines) - len(records)


def _table(source: model.LogSource, records: Sequence[Record], numbers: np.ndarray[Any, Any], landing: str) -> pa.Table:
    table = _own_columns(source, records)
    if not _are_told_apart(source, table):
        table = _all_columns(source, records)
    table |= {name: pa.repeat(landing, len(records)) for name in ("_landing", "_file")}
    return pa.table({**table, "_row": pa.array(numbers, pa.int64())})


def _own_columns(source: model.LogSource, records: Sequence[Record]) -> dict[str, pa.Array]:
    """The columns that the source reads."""
    columns = columns_read(source)
    table = {name: pa.array(list(map(attrgetter(name), records)), pa.string()) for name in columns if name in TEXTS}
    dotted = _Wanted.of([name for name in columns if name not in TEXTS])
    texts: dict[str, list[str | None]] = {}
    try:
        for prefix in OBJECTS:
            wanted = _Wanted(prefix, dotted, 1)
            if wanted.leads_on:
                wanted.read_all(list(map(attrgetter(prefix), records)), texts)
    except _AmbiguousError:
        texts = _one_by_one(dotted, records)
    for name in dotted.values():
        table[name] = pa.array(texts[name], pa.string()) if name in texts else pa.nulls(len(records), pa.string())
    return table


def _one_by_one(dotted: Mapping[str, str], records: Sequence[Record]) -> dict[str, list[str | None]]:
    """The texts of each column, where some records have two things of which one is taken."""
    objects = [(attrgetter(prefix), _Wanted(prefix, dotted, 1)) for prefix in OBJECTS]
    rows: list[dict[str, str]] = []
    for record in records:
        rows.append({})
        for get, wanted in objects:
            wanted.read(get(record), rows[-1])
    return {name: [row.get(name) for row in rows] for name in dotted.values()}


def _are_told_apart(source: model.LogSource, table: Mapping[str, pa.Array]) -> bool:
    """Whether every record has what the events that it may be are known by; else all that it has decides."""
    legible = {
        name: pc.fill_null(pc.match_substring_regex(_find(table, name), LEGIBLE), False).to_numpy(zero_copy_only=False)
        for name in {name for events in source.events for name in events.id}
    }
    for events in source.events:
        if not events.id:
            return False
        is_apart = np.any([legible[name] for name in events.id], axis=0)
        if not is_apart.all() and (_may_be(events, table) & ~is_apart).any():
            return False
    return True


def _may_be(events: model.Events, table: Mapping[str, pa.Array]) -> np.ndarray[Any, Any]:
    """The records of which ``only`` may let through: all but those that surely have another text."""
    found = np.True_
    for name, text in events.only.items():
        column = _find(table, name)
        is_alike = pc.equal(pc.ascii_lower(column), uniform(text))
        is_sure = pc.match_substring_regex(column, SURE)
        found = found & pc.fill_null(pc.or_(is_alike, pc.invert(is_sure)), False).to_numpy(zero_copy_only=False)
    return np.asarray(found)


def _find(table: Mapping[str, pa.Array], name: str) -> pa.Array:
    return table[name] if name in table else table[{each.casefold(): each for each in table}[name.casefold()]]


def _all_columns(source: model.LogSource, records: Sequence[Record]) -> dict[str, pa.Array]:
    columns = Columns(columns_of_objects(source))
    rows = [columns.row(record) for record in records]
    return {name: pa.array([row.get(name) for row in rows], pa.string()) for name in columns.names}


class _AmbiguousError(Exception):
    """A record may have a column twice."""


class _Wanted:
    """What is read of an object, and of those in it: the columns that :class:`Columns` makes of it, and no others.

    path    : of the object, ``traits.address``
    columns : name of a column in lower case → its spelling
    depth   : 1 for an object of the record itself
    """

    def __init__(self, path: str, columns: Mapping[str, str], depth: int) -> None:
        self.path, self.columns, self.depth = path, columns, depth
        self.leads_on = any(name.startswith(f"{path.casefold()}.") for name in columns)
        self._known: dict[str, tuple[str | None, _Wanted | None]] = {}

    @staticmethod
    def of(names: Sequence[str]) -> dict[str, str]:
        """Names by their lower case."""
        return {name.casefold(): name for name in names}

    def read_all(self, values: Sequence[Mapping[str, Any]], texts: dict[str, list[str | None]]) -> None:
        """Add the texts of the columns of all records together; _AmbiguousError where a column has two names."""
        for key in set().union(*values):
            column, below = self._look(key)
            if column is None and below is None:
                continue
            items = [value.get(key) for value in values]
            kinds = set(map(type, items))
            if below is not None and dict in kinds:
                below.read_all([item if isinstance(item, dict) else {} for item in items], texts)
            if column is not None:
                if column in texts:
                    raise _AmbiguousError
                texts[column] = items if kinds <= {str, NoneType} else [self._text(item) for item in items]

    def read(self, value: Mapping[str, Any], row: dict[str, str]) -> None:
        """Add the texts of the columns to a row; of names that are one column the first stays."""
        for key, item in value.items():
            column, below = self._known.get(key) or self._look(key)
            if below is not None and isinstance(item, dict):
                below.read(item, row)
            elif column is not None and column not in row:
                text = self._text(item)
                if text is not None:
                    row[column] = text

    def _text(self, item: Any) -> str | None:
        if item is None or (isinstance(item, dict) and self.depth < DEEPEST):
            return None
        return item if isinstance(item, str) else json_value(item)

    def _look(self, key: str) -> tuple[str | None, _Wanted | None]:
        path = f"{self.path}.{key}"
        below = _Wanted(path, self.columns, self.depth + 1) if self.depth < DEEPEST else None
        found = self.columns.get(path.casefold()), below if below is not None and below.leads_on else None
        if len(self._known) < MOST_NAMES:
            self._known[key] = found
        return found
