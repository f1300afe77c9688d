"""A file with one change a line, exactly once each."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from facette.definitions import model
from facette.errors import SinkError, SinkRefusedError
from facette.live.changes import Numbered
from facette.live.reading import Told
from facette.live.sinks.sink import Filled


class JsonLines:
    """It has the changes since the state began; who was a member before is not in it."""

    portion = 10_000
    filled: Filled | None = None

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = f"file:{path}"

    def last(self, told: Told) -> int | None:
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
            if not end:
                return 0
            line = json.loads(whole.rpartition(b"\n")[2])
            seq, id_ = int(line["seq"]), str(line["id"])
        except OSError as error:
            raise self._error(error) from error
        except (ValueError, KeyError, TypeError) as error:
            raise SinkRefusedError(
                f"{self.path} is no file of changes: its last line is not one that Facette wrote.",
                remedy="Name another file, or remove this one.",
            ) from error
        return seq if told.has(seq, id_) else told.sent(self.name)

    def fill(self, told: Told) -> int:
        """Nothing: what it has of another state stays, and this one's changes follow from the first on."""
        return 0

    def send(self, changes: Sequence[Numbered]) -> None:
        lines = [json.dumps({"seq": seq, **change.as_dict()}, ensure_ascii=False) for seq, change in changes]
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write("".join(f"{line}\n" for line in lines))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise self._error(error) from error

    def follow(self, told: Told) -> None:
        """It has changes only."""

    def retain(self, segments: set[str]) -> None:
        """What was told stays."""

    def close(self) -> None:
        pass

    def _error(self, error: OSError) -> SinkError:
        return SinkError(
            f"{self.path} cannot be written: {error}.", remedy="Check its folder and the room on the disk."
        )


def open_file(definition: model.FileSink, project: str, folder: Path) -> JsonLines:
    return JsonLines((folder / definition.path).absolute())
