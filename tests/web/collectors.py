"""A real collector in a process of its own, on a free port of this machine; and what is in its log afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import msgspec

from facette.definitions.project import load
from facette.sources.aside import RefusedEvent, refused_of
from facette.sources.log import open_log

KEY = "key-of-the-shop"
OTHER = "key-of-the-app"
SLOW = "key-with-a-limit"
PROJECT = f"""
name: shop
identifiers: [{{name: user}}]
sources:
  - name: web
    kind: log
    write_keys: ["{KEY}"]
    people: {{identifiers: {{user: user_id}}}}
  - name: app
    kind: log
    write_keys: ["{OTHER}"]
    people: {{identifiers: {{user: user_id}}}}
  - name: slow
    kind: log
    write_keys: ["{SLOW}"]
    people: {{identifiers: {{user: user_id}}}}
    rate_limit: 10
"""


@dataclass
class Collector:
    """A running collector."""

    url: str
    folder: Path
    process: subprocess.Popen[str]
    http: httpx.Client

    def stderr(self) -> str:
        """What it has said of what went wrong."""
        return (self.folder / "stderr").read_text()

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def kill(self) -> None:
        """``kill -9``."""
        self.process.kill()
        self.process.wait()

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.http.post(path, **options)

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.http.get(path, **options)

    def records(self) -> list[dict[str, Any]]:
        return in_log(self.folder)

    def refused(self) -> list[RefusedEvent]:
        """Newest first."""
        return refused_of(self.folder, most=100)[1]


def in_log(folder: Path, source: int = 0) -> list[dict[str, Any]]:
    """Every record of the log of a source, in its order."""
    definition: Any = load(folder).project.sources[source]
    log = open_log(definition.log, folder)
    reader = log.reader("tests", log.start())
    found: list[dict[str, Any]] = []
    while bodies := reader.read().bodies:
        found += [msgspec.json.decode(body) for body in bodies]
    reader.close()
    log.close()
    return found


def project(folder: Path, text: str = PROJECT) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "facette.yml").write_text(text, encoding="utf-8")
    return folder


@contextmanager
def collecting(folder: Path, text: str = PROJECT) -> Iterator[Collector]:
    """Run ``facette collect`` until the end of the block."""
    project(folder, text)
    code = "from facette.cli import main; main()"
    words = [sys.executable, "-c", code, "collect", "--project", str(folder), "--port", "0"]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with (
        (folder / "stderr").open("w") as stderr,
        subprocess.Popen(words, stdout=subprocess.PIPE, stderr=stderr, text=True, env=environment) as process,
    ):
        try:
            assert process.stdout
            said = process.stdout.readline()
            assert said, (folder / "stderr").read_text()
            url = said.split()[-1]
            with httpx.Client(base_url=url, timeout=30) as http:
                yield Collector(url, folder, process, http)
        finally:
            with suppress(ProcessLookupError):
                process.terminate()
            process.wait(timeout=20)


def at(record: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(record["at"])
