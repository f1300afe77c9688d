"""What trackers reported, read from the log in batches: the records of one source, as rows.

Objects become dotted columns: ``properties.revenue``, ``traits.address.city``. All values are text, as in files of JSON
lines: texts as they are, other values as JSON writes them (lists too), null and empty objects as null.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from operator import attrgetter
from pathlib import Path
from typing import Any

import pyarrow as pa

from facette.definitions import model
from facette.definitions.records import OBJECTS, TEXTS, columns_of_objects
from facette.sources.files import json_text
from facette.sources.log import Log, LogPosition, Reader, has_reached, open_log
from facette.sources.record import Record, decode
from facette.sources.source import Batch, Part, Position, Refusal

ROWS = 20_000  # records in a batch
PATIENCE = 5.0  # seconds to wait for records that a log says it has
_texts_of = attrgetter(*TEXTS)

OTHERS = "others"
"""Column with what has no column of its own, as a JSON object: see :class:`Columns`."""

MOST_COLUMNS = 500  # of a part, besides those that the definitions read
LONGEST_NAME = 200  # characters
DEEPEST = 8  # objects within objects; what lies deeper is JSON text


class Logged:
    """The records of one source in its log."""

    def __init__(self, source: model.LogSource, folder: Path) -> None:
        self.source, self.folder = source, folder

    def batches(self, position: Position) -> Iterator[Batch]:
        """One part: everything in the log, or what came after all that was read before, up to the log's end as it is
        now. No part if nothing came. A record that is none is kept aside; those of other sources are passed over.

        The log is told what was read by the time before this one: until then nobody may have it but the log.
        """
        log = open_log(self.source.log, self.folder)
        try:
            reached = position_of(position.values())
            reader = log.reader(group_of(self.source), after=reached or log.start())
            try:
                if reached:
                    reader.commit(reached)
                yield from self._part(log, reader, reached)
            finally:
                reader.close()
        finally:
            log.close()

    def _part(self, log: Log, reader: Reader, reached: LogPosition | None) -> Iterator[Batch]:
        name = title_of(self.source.log) if reached is None else f"{title_of(self.source.log)} after {_text(reached)}"
        end, after = log.end(), reached or {}
        columns = Columns(columns_of_objects(self.source))
        n_read = 0
        while reached is None or not has_reached(after, end):
            records = reader.read(ROWS, wait=0.0 if has_reached(after, end) else PATIENCE)
            if not records.bodies and (n_read or reached is not None):
                break
            reached = after = records.after
            yield self._batch(name, columns, records.bodies, n_read, records.missed)
            n_read += len(records.bodies)
        if n_read or name == title_of(self.source.log):
            fingerprint = blake2b(f"{name}\n{_text(after)}".encode(), digest_size=12).hexdigest()
            yield Batch(name, after=Part(name, fingerprint, position=_text(after)))

    def _batch(self, name: str, columns: Columns, lines: Sequence[bytes], n_before: int, missed: int) -> Batch:
        rows: list[dict[str, str | None]] = []
        numbers: list[int] = []
        refused: list[Refusal] = []
        for number, line in enumerate(lines, n_before + 1):
            try:
                record = decode(line)
            except ValueError as error:
                text = line.decode("utf-8", "backslashreplace")
                refused.append(Refusal(number, text, f"no record: {error}", json.dumps(text, ensure_ascii=False)))
                continue
            if record.source == self.source.name:
                rows.append(columns.row(record))
                numbers.append(number)
        note = f"{name}: {missed:,} records were forgotten before they were read; raise the log's retention."
        table = pa.table({key: pa.array([row.get(key) for row in rows], pa.string()) for key in columns.names})
        return Batch(name, table, pa.array(numbers, pa.int64()), tuple(refused), note=note if missed else "")


class Columns:
    """The columns of one part so far, growing with what the records have.

    Names that differ in upper and lower case only are one column. What a record has twice that way, names that are too
    long, and columns beyond ``MOST_COLUMNS`` that no definition reads, go together into the column ``others``.
    """

    def __init__(self, named: Sequence[str]) -> None:
        self._spellings = {name.casefold(): name for name in (*TEXTS, *named)}
        self._most = len(self._spellings) + MOST_COLUMNS

    @property
    def names(self) -> list[str]:
        return [*self._spellings.values(), OTHERS]

    def row(self, record: Record) -> dict[str, str | None]:
        """The record as texts by column; null where it has nothing."""
        row: dict[str, str | None] = dict(zip(TEXTS, _texts_of(record), strict=True))
        others: dict[str, Any] = {}
        for prefix in OBJECTS:
            for name, value in _leaves(prefix, getattr(record, prefix), 1):
                column = self._column(name)
                if column is None or column in row:
                    others[name] = value
                else:
                    row[column] = value if isinstance(value, str) else json_value(value)
        if others:
            row[OTHERS] = json_text(others)
        return row

    def _column(self, name: str) -> str | None:
        folded = name.casefold()
        if folded not in self._spellings and (len(name) > LONGEST_NAME or len(self._spellings) >= self._most):
            return None
        return self._spellings.setdefault(folded, name)


def json_value(value: Any) -> str:
    """A value as JSON writes it; numbers, of which there are most, without much ado."""
    return repr(value) if type(value) in (int, float) else json_text(value)


def _leaves(prefix: str, value: Mapping[str, Any], depth: int) -> Iterator[tuple[str, Any]]:
    for key, item in value.items():
        if isinstance(item, dict) and depth < DEEPEST:
            yield from _leaves(f"{prefix}.{key}", item, depth + 1)
        elif item is not None:
            yield f"{prefix}.{key}", item


def waiting(source: model.LogSource, folder: Path, parts: Sequence[Part]) -> int | None:
    """How many records of all sources came to the log after what was read of it; None if only reading would tell."""
    if isinstance(source.log, model.EmbeddedLog | model.FileLog) and not (folder / source.log.path).exists():
        return 0
    log = open_log(source.log, folder)
    try:
        return log.waiting(position_of(parts))
    finally:
        log.close()


def group_of(source: model.LogSource) -> str:
    """As which a source's batches are read from its log."""
    return f"batch.{source.name}"


def title_of(log: model.LogKind) -> str:
    match log:
        case model.KafkaLog():
            return log.topic
        case model.RabbitLog():
            return log.queue
    return log.path


def position_of(parts: Iterable[Part]) -> LogPosition | None:
    """How far all parts together have come; None if there is none."""
    reached: dict[str, int] = {}
    for part in parts:
        position = json.loads(part.position or "{}")
        if not reached or not has_reached(reached, position):
            reached = position
    return reached or None


def _text(position: LogPosition) -> str:
    return json.dumps(dict(position), sort_keys=True, separators=(",", ":"))
