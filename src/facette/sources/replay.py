"""A file of JSON lines as a log: to read what was recorded again, or to write to without any other software.

A position is the number of bytes before it. A last line without its end counts once it is a whole JSON value: until
then somebody is writing it, or was killed while he did, and then the next append takes it away.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from facette.definitions import model
from facette.errors import LogError, LogFullError
from facette.sources.log import BYTES, LARGEST, LogPosition, Records, check, lock_group
from facette.sources.record import decode

POLL = 0.01  # seconds between two looks for new lines
TAIL = 2 * LARGEST  # bytes from the end in which the last line begins


class FileLog:
    """The log in one file."""

    def __init__(self, definition: model.FileLog, folder: Path) -> None:
        self.definition = definition
        self.path = folder / definition.path
        with _errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if not self.path.exists():
                self.path.touch()
                _sync_folder(self.path)

    def append(self, records: Sequence[bytes]) -> None:
        if not records:
            return
        check(records)
        text = b"".join(b"%b\n" % record for record in records)
        with _errors(self.path), self.path.open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            size, most = file.seek(0, os.SEEK_END), self.definition.most_megabytes
            if most is not None and size + len(text) > most * 1_000_000:
                message = f"The log {self.path.name} is full: it holds the {most:,} MB that it may."
                raise LogFullError(message, remedy="Move the file away once it is read, or raise `most_megabytes`.")
            text = _mend(file) + text
            file.seek(0, os.SEEK_END)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())

    def reader(self, group: str, after: LogPosition | None = None) -> FileReader:
        return FileReader(self.path, group, self.committed(group) if after is None else after)

    def committed(self, group: str) -> LogPosition | None:
        path = _position_file(self.path, group)
        with _errors(path):
            return json.loads(path.read_text()) if path.exists() else None

    def start(self) -> LogPosition:
        return {"byte": 0}

    def end(self) -> LogPosition:
        with _errors(self.path), self.path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            tail = _tail(file)
            return {"byte": size if _is_whole(tail) else size - len(tail)}

    def since(self, instant: datetime) -> LogPosition:
        """By the records' instants of receipt: before the first that was received then or later, or has no instant."""
        position = 0
        with _errors(self.path), self.path.open("rb") as file:
            for line, after in _lines(file, self.path):
                try:
                    is_before = datetime.fromisoformat(decode(line).received_at) < instant
                except ValueError:
                    is_before = False
                if not is_before:
                    break
                position = after
        return {"byte": position}

    def waiting(self, after: LogPosition | None) -> int:
        with _errors(self.path), self.path.open("rb") as file:
            file.seek(0 if after is None else after["byte"])
            return sum(1 for _ in _lines(file, self.path))

    def trim(self, before: datetime) -> int:
        """A file forgets nothing."""
        return 0

    def close(self) -> None:
        pass


class FileReader:
    """Reads the file as one group, holding a lock that says so."""

    def __init__(self, path: Path, group: str, after: LogPosition | None) -> None:
        self.path, self.group = path, group
        self._lock = lock_group(path, group)
        self._position = 0 if after is None else after["byte"]

    def read(self, most: int = 10_000, wait: float = 0.0) -> Records:
        until = time.monotonic() + wait
        while not (bodies := self._found(most)) and time.monotonic() < until:
            time.sleep(POLL)
        return Records(bodies, {"byte": self._position})

    def commit(self, position: LogPosition) -> None:
        path = _position_file(self.path, self.group)
        unfinished = path.with_name(f".{path.name}")
        with _errors(path), unfinished.open("w") as file:
            file.write(json.dumps(dict(position)))
            file.flush()
            os.fsync(file.fileno())
        with _errors(path):
            unfinished.replace(path)
            _sync_folder(path)

    def close(self) -> None:
        self._lock.close()

    def _found(self, most: int) -> list[bytes]:
        bodies: list[bytes] = []
        start = self._position
        with _errors(self.path), self.path.open("rb") as file:
            if start > file.seek(0, os.SEEK_END):
                message = f"The log {self.path.name} is shorter than what was read of it before."
                raise LogError(message, remedy="Put the file back, or read it from the start as another group.")
            file.seek(start)
            try:
                for line, after in _lines(file, self.path):
                    bodies.append(line)
                    self._position = after
                    if len(bodies) >= most or after - start >= BYTES:
                        break
            except LogError:
                if not bodies:  # what comes before is handed out first
                    raise
        return bodies


# ── lines ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _lines(file: BinaryIO, path: Path) -> Iterator[tuple[bytes, int]]:
    """The lines from here on that are not blank, and the position after each; a last one only if it is whole."""
    position = file.tell()
    while line := file.readline(LARGEST + 2):
        if len(line) > LARGEST + 1:
            message = f"{path.name} has a line of more than {LARGEST:,} bytes, at byte {position:,}."
            raise LogError(message, remedy="Take the line away: no record is as large.")
        position += len(line)
        if not line.endswith(b"\n") and not _is_whole(line):
            return
        if text := line.strip():
            yield text, position


def _mend(file: BinaryIO) -> bytes:
    """Take half a last line away; what must come before the next line where the last one is whole but not ended."""
    tail = _tail(file)
    if not tail or _is_whole(tail):
        return b"\n" if tail else b""
    file.truncate(file.seek(0, os.SEEK_END) - len(tail))
    return b""


def _tail(file: BinaryIO) -> bytes:
    """What comes after the last end of line."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - TAIL, 0))
    return file.read().rpartition(b"\n")[2]


def _is_whole(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


# ── files ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _position_file(path: Path, group: str) -> Path:
    return path.with_name(f"{path.name}.{group}.json")


def _sync_folder(path: Path) -> None:
    """Make a new name of a file last."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def _errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        remedy = "Make room on the disk." if error.errno == errno.ENOSPC else "Check that the file may be used."
        raise LogError(f"The log {path} cannot be used: {error.strerror}.", remedy=remedy) from error
