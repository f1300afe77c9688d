"""Where changes go. A sink takes them in order, after they are saved; what it has is saved in turn.

A worker that is killed between the two sends again what the sink may have had: at least once, with the same ids. A sink
that can tell what it has is asked, and then has every change exactly once.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from facette.errors import RunError
from facette.live.changes import Change
from facette.live.state import State

PORTION = 10_000


class Sink(Protocol):
    """Takes changes. Made by whoever sets up the worker."""

    name: str
    """By which the state knows how far it has come; the same for the life of the sink."""

    def last(self) -> int | None:
        """The number of the last change that it has; None if it cannot tell."""
        ...

    def send(self, changes: Sequence[tuple[int, Change]]) -> None:
        """Take changes with their numbers, in order; they are where they belong when it returns."""
        ...


def deliver(state: State, sink: Sink) -> int:
    """Send a sink what it lacks; how many changes that was."""
    last = sink.last()
    after = state.sent(sink.name) if last is None else last
    n_sent = 0
    while changes := state.changes(after, PORTION):
        sink.send(changes)
        after = changes[-1][0]
        state.mark_sent(sink.name, after)
        n_sent += len(changes)
    return n_sent


class JsonLines:
    """A file with one change a line, exactly once each."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = f"file:{path}"

    def last(self) -> int:
        """Of the last whole line; half a line, left by a process that was killed while it wrote, is taken away."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a+b") as file:
                size = file.seek(0, os.SEEK_END)
                tail = b""
                while size and tail.count(b"\n") < 2:
                    start = max(0, size - 65_536)
                    file.seek(start)
                    tail = file.read(size - start) + tail
                    size = start
                whole, end, half = tail.rpartition(b"\n")
                if half:
                    file.truncate(file.seek(0, os.SEEK_END) - len(half))
                return int(json.loads(whole.rpartition(b"\n")[2])["seq"]) if end else 0
        except OSError as error:
            raise self._error(error) from error
        except (ValueError, KeyError, TypeError) as error:
            raise RunError(
                f"{self.path} is no file of changes: its last line is not one that Facette wrote.",
                remedy="Name another file, or remove this one.",
            ) from error

    def send(self, changes: Sequence[tuple[int, Change]]) -> None:
        lines = [json.dumps({"seq": seq, **change.as_dict()}, ensure_ascii=False) for seq, change in changes]
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write("".join(f"{line}\n" for line in lines))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise self._error(error) from error

    def _error(self, error: OSError) -> RunError:
        return RunError(f"{self.path} cannot be written: {error}.", remedy="Check its folder and the room on the disk.")
