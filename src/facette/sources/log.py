"""The log: durable lines in the order in which they came, which several readers read at their own pace.

One interface, four kinds: embedded (SQLite), Kafka, RabbitMQ (a stream), and a file of JSON lines. What each of them
guarantees is in ``docs/live.md``. A record is some bytes without an end of line; what is in it is none of the log's
business (see ``sources/record.py``).

A reader reads as a *group*. It keeps its position where it likes, best in one step with what it made of the records,
and hands it back when it starts again; ``commit`` tells the log as well, which may then forget what all groups have
read. A position is a JSON object of numbers that only the log itself understands.
"""

from __future__ import annotations

import fcntl
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import IO, Protocol

from facette.definitions import model
from facette.errors import LogError

LogPosition = Mapping[str, int]
"""How far a log has been read, as a JSON object: in Kafka the next offset by partition; elsewhere one or two numbers.
See :func:`has_reached`."""

LARGEST = 512 << 10
"""Bytes of the largest record that every kind of log takes."""

CHUNK = 1_000  # records in a portion at most
CHUNK_BYTES = 256 << 10  # after which a portion takes no further record

BYTES = 64 << 20
"""A reading ends once it has this many bytes, however many records were asked for."""


@dataclass(frozen=True, slots=True)
class Records:
    """Some records in the order of the log.

    bodies : each without its end of line
    after  : the position after the last of them
    missed : how many records (in RabbitMQ: messages) the log had forgotten before they were read
    """

    bodies: Sequence[bytes]
    after: LogPosition
    missed: int = 0


class Reader(Protocol):
    """Reads a log as one group, from a position on. One at a time reads as a group."""

    def read(self, most: int = 10_000, wait: float = 0.0) -> Records:
        """The next records, at most so many; when there are none, waits up to ``wait`` seconds for the first.

        Memory is bounded whatever the log holds. LogError if the log cannot be read.
        """
        ...

    def commit(self, position: LogPosition) -> None:
        """Tell the log that the group needs nothing before this position; on disk when it returns."""
        ...

    def close(self) -> None: ...


class Log(Protocol):
    """One log. May be opened by many processes at once; an object is for one thread."""

    def append(self, records: Sequence[bytes]) -> None:
        """Add records in this order. They are on disk when it returns; after an error, some of them may be.

        LogFullError when the log is declared to hold no more: nothing was added; try again later. ValueError for what
        is no record: empty, larger than ``LARGEST``, or with an end of line in it. LogError if the log cannot be
        written.
        """
        ...

    def reader(self, group: str, after: LogPosition | None = None) -> Reader:
        """Read as a group: after a position, else after what the group has committed, else from the start.

        LogError if another reader is reading as that group, where the kind of log can tell.
        """
        ...

    def committed(self, group: str) -> LogPosition | None:
        """What a group has committed last."""
        ...

    def start(self) -> LogPosition:
        """The position before the first record that is still there."""
        ...

    def end(self) -> LogPosition:
        """The position after the last record."""
        ...

    def since(self, instant: datetime) -> LogPosition:
        """A position such that whatever was appended at this instant or later comes after it, to replay from."""
        ...

    def waiting(self, after: LogPosition | None) -> int | None:
        """How many records come after a position (None: from the start). None if only reading would tell."""
        ...

    def trim(self, before: datetime) -> int:
        """Forget what was appended before an instant and every group has read; how many records. Without groups: none.

        Kafka and RabbitMQ forget by themselves, by the retention of the topic or stream: 0.
        """
        ...

    def close(self) -> None: ...


KINDS = {
    "embedded": "facette.sources.embedded:EmbeddedLog",
    "kafka": "facette.sources.kafka:KafkaLog",
    "rabbitmq": "facette.sources.rabbitmq:RabbitLog",
    "file": "facette.sources.replay:FileLog",
}
"""Kind of log → what opens it, from its definition and the project's folder."""


def open_log(definition: model.LogKind, folder: Path) -> Log:
    """The log of a definition, made where it is not there yet. LogError if it cannot be opened."""
    module, _, name = KINDS[definition.kind].partition(":")
    try:
        opens: Callable[[model.LogKind, Path], Log] = getattr(import_module(module), name)
    except ImportError as error:
        remedy = "Install it: pip install 'facette[live]'."
        raise LogError(
            f"A log of kind {definition.kind} needs {error.name}, which is missing.", remedy=remedy
        ) from error
    return opens(definition, folder)


def has_reached(position: LogPosition, other: LogPosition) -> bool:
    """Whether nothing that came up to ``other`` comes after ``position``. Both are of one log."""
    if "message" in other:
        return (position.get("message", 0), position.get("record", 0)) >= (other["message"], other["record"])
    return all(position.get(key, 0) >= number for key, number in other.items())


def check(records: Sequence[bytes]) -> None:
    """ValueError if some of them are no records: see ``Log.append``."""
    for record in records:
        if not record or len(record) > LARGEST or b"\n" in record:
            what = "empty" if not record else "too large" if len(record) > LARGEST else "more than one line"
            raise ValueError(f"a record is {what}: {record[:100]!r}")


def chunks(records: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    """The records in portions of bounded size, for logs that keep several as one."""
    start = size = 0
    for i, record in enumerate(records):
        if size >= CHUNK_BYTES or i - start >= CHUNK:
            yield records[start:i]
            start, size = i, 0
        size += len(record)
    yield records[start:]


def lock_group(path: Path, group: str) -> IO[bytes]:
    """Take the right to read the log in a file as a group: held until it is closed, or its process ends.

    LogError if another reader has it.
    """
    if not re.fullmatch(r"[\w.-]+", group):
        raise LogError(f"{group!r} cannot name a group of readers.", remedy="Use letters, digits, `.`, `-` and `_`.")
    file = path.with_name(f"{path.name}.{group}.lock").open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        message = f"Another process is reading the log {path.name} as {group}."
        raise LogError(message, remedy="Stop it first, or read as another group.") from None
    return file
