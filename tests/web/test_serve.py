"""``facette serve``: what a tracker sends is known to whoever asks, and in Redis, within a second or so."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from segment.analytics.client import Client as SegmentClient

from facette.definitions.project import load
from facette.run import run
from tests.brokers import free_ports
from tests.live.projects import PROJECT
from tests.live.sinks import in_redis
from tests.run.projects import Silent
from tests.web.collectors import in_log

KEY = "key-of-the-site"
SOON = 30.0  # seconds within which what must come has come, on a machine with other work


def project(folder: Path, redis_url: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    text = PROJECT.replace("    kind: log\n", f"    kind: log\n    write_keys: [{KEY}]\n")
    sinks = f"sinks:\n  - {{name: pages, kind: redis, url: '{redis_url}', prefix: '{folder.name}:'}}\n"
    (folder / "facette.yml").write_text(text + sinks, encoding="utf-8")
    run(load(folder), Silent())
    return folder


@dataclass
class Serving:
    process: subprocess.Popen[str]
    collect: str
    answers: str
    http: httpx.Client

    def segments_of(self, user: str) -> set[str]:
        response = self.http.get(f"{self.answers}/v1/profiles", params={"user": user})
        return {row["segment"] for row in response.json().get("segments", ())}


@contextmanager
def serving(folder: Path, *words: str) -> Iterator[Serving]:
    command = [sys.executable, "-c", "from facette.cli import main; main()", "serve", "--project", str(folder)]
    given = words or ("--collect", "127.0.0.1:0", "--answers", "127.0.0.1:0")
    with (
        (folder / "stderr").open("a") as stderr,
        subprocess.Popen(
            [*command, *given, "--json"],
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        ) as process,
    ):
        try:
            assert process.stdout
            line = process.stdout.readline()
            assert line.startswith('{"collect"'), line + process.stdout.read() + (folder / "stderr").read_text()
            told = json.loads(line)
            with httpx.Client(timeout=30) as http:
                until(lambda: http.get(f"{told['answers']}/healthz").status_code == 200)
                yield Serving(process, told["collect"], told["answers"], http)
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            process.wait()


def until(is_so: Callable[[], bool]) -> float:
    """Seconds until something is so."""
    began = time.monotonic()
    while not is_so():
        assert time.monotonic() - began < SOON, "it takes too long"
        time.sleep(0.02)
    return time.monotonic() - began


def track(server: Serving, user: str, amount: float, message_id: str) -> None:
    client = SegmentClient(KEY, host=server.collect, sync_mode=True, max_retries=0)
    client.track(user, "purchase", {"amount": amount}, message_id=message_id)


def is_free(url: str) -> bool:
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind(("127.0.0.1", int(url.rpartition(":")[2])))
        except OSError:
            return False
    return True


@pytest.fixture
def folder(tmp_path: Path, redis_url: str) -> Path:
    return project(tmp_path / f"site{os.getpid()}", redis_url)


def test_from_a_tracker_to_answers_and_redis(folder: Path, redis_url: str) -> None:
    prefix = f"{folder.name}:"
    with serving(folder) as server:
        track(server, "ann", 150, "m1")
        seconds = until(lambda: server.segments_of("ann") == {"buyers", "big"})
        assert seconds < 10  # about one, on a machine without other work
        profile_id = server.http.get(f"{server.answers}/v1/profiles", params={"user": "ann"}).json()["profile_id"]
        until(lambda: set(in_redis(redis_url, prefix)) == {(profile_id, "buyers"), (profile_id, "big")})
        explained = server.http.get(f"{server.answers}/v1/profiles/{profile_id}/segments/big/explain?lang=en").json()
        assert explained["is_member"]
        assert explained["reason"]["value"] == 150
        measured = server.http.get(f"{server.answers}/metrics").text
        assert "facette_records_total 1.0" in measured
        assert 'facette_sink_lag{sink="redis:pages"} 0.0' in measured
        # the worker is killed while it has something to do: nothing accepted is lost
        for number in range(20):
            track(server, f"user{number}", 10, f"k{number}")
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
        until(lambda: is_free(server.collect))  # the collector ends too
    assert len(in_log(folder)) == 21
    with serving(folder) as server:
        until(lambda: all(server.segments_of(f"user{number}") == {"buyers"} for number in range(20)))
        until(lambda: len(in_redis(redis_url, prefix)) == 22)
        counts = server.http.get(f"{server.answers}/v1/segments/buyers/profiles").json()
        assert counts["count"] == 21
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(30) == 0, (folder / "stderr").read_text()
        assert server.process.stdout
        figures: dict[str, Any] = json.loads(server.process.stdout.read())
        assert figures["sinks"] == {"redis:pages": 0}
        assert is_free(server.collect)
        assert is_free(server.answers)


def test_an_address_that_is_taken(folder: Path) -> None:
    [port] = free_ports(1)
    with socket.create_server(("127.0.0.1", port)):
        for words in (
            ["--collect", f"127.0.0.1:{port}", "--answers", "127.0.0.1:0"],
            ["--collect", "127.0.0.1:0", "--answers", f"127.0.0.1:{port}"],
        ):
            with pytest.raises(AssertionError, match="cannot be had"), serving(folder, *words):
                pass


def test_the_end_of_the_collector_is_the_end_of_all(folder: Path) -> None:
    with serving(folder) as server:
        children = subprocess.run(
            ["pgrep", "-P", str(server.process.pid), "-f", "spawn_main"], capture_output=True, text=True, check=True
        )
        os.kill(int(children.stdout.split()[0]), signal.SIGKILL)
        assert server.process.wait(30) == 1
        assert server.process.stdout
        assert "The collector ended (status -9)" in server.process.stdout.read()
