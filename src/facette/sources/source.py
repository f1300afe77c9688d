"""What a connector is: something with one method that hands out the rows of a source, piece by piece.

A source is read in *parts*: a file, a whole table, or the rows of a table above a cursor. The position of a source is
what is known of its parts from earlier reading; a connector skips what has not changed since.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

PROVENANCE = ("_landing", "_file", "_row")
"""Columns of every raw table besides the source's own."""

REFUSED = pa.schema(
    [
        ("source", pa.string()),
        ("landing", pa.string()),
        ("row", pa.int64()),
        ("column", pa.string()),
        ("value", pa.string()),
        ("reason", pa.string()),
        ("raw", pa.string()),
    ]
)
"""A row, or one value of a row, that was kept aside: where it stood, what it was, and why."""


@dataclass(frozen=True, slots=True)
class Part:
    """One piece of a source as it was read.

    name        : a file's path relative to the project, a table's name, or a table's name and what it was read above
    fingerprint : hash of the content and of the settings that it was read with
    position    : where the next reading begins, for sources with a cursor
    size, mtime_ns : of a file; when neither has changed the file is not read again to compare its content
    """

    name: str
    fingerprint: str
    position: str | None = None
    size: int | None = None
    mtime_ns: int | None = None


Position = Mapping[str, Part]
"""The parts read before, by name."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that could not be read. ``row`` counts from 1; ``raw`` is the JSON text of what there was."""

    row: int
    value: str
    reason: str
    raw: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows of one part. The last batch of a part says what the part is after it has been read.

    part    : name of the part
    rows    : columns as found; None when the part is unchanged and was not read
    numbers : int64, the number of each row within its part, 1 for the first
    refused : rows that could not be read
    after   : set on the last batch of the part
    note    : something that the user may want to know
    """

    part: str
    rows: pa.Table | None = None
    numbers: pa.Array | None = None
    refused: tuple[Refusal, ...] = ()
    after: Part | None = None
    note: str = ""


class Connector(Protocol):
    """Reads one source. Made from its definition and the project's folder."""

    def batches(self, position: Position) -> Iterator[Batch]:
        """The rows of every part that is new or has changed, part after part, in bounded memory.

        SourceError, with a remedy, if the source cannot be read.
        """
        ...
