"""Sinks of every kind with the real thing behind them, and what has arrived there."""

from __future__ import annotations

import hmac
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any

import pika
import pytest
import redis
from confluent_kafka import Consumer, TopicPartition

from facette.definitions import model
from facette.live.changes import Change, name_of
from facette.live.sinks.sink import Sink, open_sinks
from facette.live.state import Known, Saved, State
from tests.brokers import free_ports, tansu, valkey

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
KNOWN = Known("run", "definitions", {"embedded:log.db": {"record": 3}}, AT)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECRET = "a secret that both sides know"
NUMBERS = count()
SOON = 20.0  # seconds within which whatever was sent must have come

Where = dict[tuple[int, str], int]
"""Profile and segment → since when, in milliseconds."""


class World:
    """A worker's state, and who is where in it; steps change both."""

    def __init__(self, store: Path) -> None:
        self.store, self.state = store, State(store)
        self.members: Where = {}
        self.n_steps = 0

    def step(self, *moves: tuple[int, str, str] | tuple[int, int]) -> None:
        """One step, a minute after the one before: (profile, "+" or "-", segment), or (profile, what it became)."""
        self.n_steps += 1
        at = AT + timedelta(minutes=self.n_steps)
        name = name_of(f"step {self.n_steps}", KNOWN.positions, at)
        changes = []
        for number, move in enumerate(moves, start=1):
            id_ = f"{name}-{number}"
            if len(move) == 2:
                old, new = move
                changes.append(Change(id_, old, "", "merged", at, "events", (), new))
            else:
                profile_id, sign, segment = move
                what: Any = "entered" if sign == "+" else "left"
                changes.append(Change(id_, profile_id, segment, what, at, "events", ("e1",)))
        self.members = folded([change.as_dict() for change in changes], self.members)
        rows = [(one, segment, since * 1000) for (one, segment), since in self.members.items()]
        self.state.save(Saved(KNOWN, [], {}, changes, None, rows))


def folded(changes: list[dict[str, Any]], before: Where | None = None) -> Where:
    """Who is where after changes that were told in this order."""
    where = dict(before or {})
    for change in changes:
        since = (datetime.fromisoformat(change["at"]) - EPOCH) // timedelta(milliseconds=1)
        key = (change["profile_id"], change["segment"])
        if change["change"] == "entered":
            where[key] = since
        elif change["change"] == "left":
            where.pop(key, None)
        else:
            for profile_id, segment in list(where):
                if profile_id == change["profile_id"]:
                    given, new = where.pop((profile_id, segment)), (change["into"], segment)
                    where[new] = min(given, where.get(new, given))
    return where


class Place:
    """Where changes of one sink arrive. It is there from :meth:`come` on."""

    kind = ""
    is_exact = False
    """Whether every change arrives exactly once, however often the worker is killed."""

    def __init__(self, folder: Path, request: pytest.FixtureRequest) -> None:
        self.folder, self.request = folder, request
        self.mark = f"t{next(NUMBERS)}_{os.getpid()}"
        self.closing = ExitStack()

    def come(self) -> None:
        raise NotImplementedError

    def definition(self) -> model.Sink:
        raise NotImplementedError

    def sink(self) -> Sink:
        [sink] = open_sinks([self.definition()], "shop", self.folder)
        self.closing.callback(sink.close)
        return sink

    def received(self, number: int) -> list[dict[str, Any]]:
        """What has arrived, in its order, once it is so many changes."""
        raise NotImplementedError

    def where(self, number: int) -> Where:
        return folded(self.received(number))


class FilePlace(Place):
    kind, is_exact = "file", True

    def __init__(self, folder: Path, request: pytest.FixtureRequest) -> None:
        super().__init__(folder, request)
        (folder / "out").write_text("a file where its folder should be", encoding="utf-8")

    def come(self) -> None:
        (self.folder / "out").unlink()

    def definition(self) -> model.Sink:
        return model.FileSink(kind="file", name="out", path="out/changes.jsonl")

    def received(self, number: int) -> list[dict[str, Any]]:
        text = (self.folder / "out" / "changes.jsonl").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]


class KafkaPlace(Place):
    kind = "kafka"

    def __init__(self, folder: Path, request: pytest.FixtureRequest) -> None:
        super().__init__(folder, request)
        [self.port] = free_ports(1)
        self.servers = f"127.0.0.1:{self.port}"

    def come(self) -> None:
        self.closing.enter_context(tansu(self.port))

    def definition(self) -> model.Sink:
        return model.KafkaSink(kind="kafka", name="out", servers=self.servers, topic=self.mark)

    def received(self, number: int) -> list[dict[str, Any]]:
        consumer = Consumer({"bootstrap.servers": self.servers, "group.id": "tests", "log_level": 0})
        consumer.assign([TopicPartition(self.mark, 0, 0)])
        found: list[dict[str, Any]] = []
        try:
            until = time.monotonic() + SOON
            while time.monotonic() < until:
                for message in consumer.consume(1_000, timeout=0.3 if len(found) >= number else 1.0):
                    assert message.error() is None
                    found.append(json.loads(message.value()))
                    assert message.key() == str(found[-1]["profile_id"]).encode()
                    until = time.monotonic() + 1.0 if len(found) >= number else until
                if len(found) >= number:
                    break
        finally:
            consumer.close()
        return found


class RabbitPlace(Place):
    kind = "rabbitmq"

    def __init__(self, folder: Path, request: pytest.FixtureRequest) -> None:
        super().__init__(folder, request)
        self.target = request.getfixturevalue("rabbitmq").port
        [self.port] = free_ports(1)

    def come(self) -> None:
        self.closing.enter_context(relay(self.port, self.target))

    def definition(self) -> model.Sink:
        url = f"amqp://guest:guest@127.0.0.1:{self.port}/%2F"
        return model.RabbitSink(kind="rabbitmq", name="out", url=url, exchange=self.mark, queue=self.mark)

    def received(self, number: int) -> list[dict[str, Any]]:
        connection = pika.BlockingConnection(pika.URLParameters(f"amqp://guest:guest@127.0.0.1:{self.target}/%2F"))
        found = []
        try:
            channel = connection.channel()
            while True:
                method, properties, body = channel.basic_get(self.mark)
                if method is None:
                    break
                found.append(json.loads(body))
                assert method.routing_key == (found[-1]["segment"] or "_merged")
                assert (properties.delivery_mode, properties.message_id) == (2, found[-1]["id"])
        finally:
            connection.close()
        return found


class RedisPlace(Place):
    kind, is_exact = "redis", True

    def __init__(self, folder: Path, request: pytest.FixtureRequest) -> None:
        super().__init__(folder, request)
        [self.port] = free_ports(1)
        self.server = ExitStack()

    def come(self) -> None:
        self.server.enter_context(valkey(self.port))
        self.closing.callback(self.server.close)

    def definition(self) -> model.Sink:
        return model.RedisSink(kind="redis", name="out", url=f"redis://127.0.0.1:{self.port}/0", prefix=self.mark)

    def where(self, number: int) -> Where:
        return in_redis(f"redis://127.0.0.1:{self.port}/0", self.mark)


def in_redis(url: str, prefix: str) -> Where:
    """Who is where by the profiles; the same by the segments."""
    client: Any = redis.Redis.from_url(url, decode_responses=True)
    try:
        start = f"{prefix}profile:"
        by_profile = {
            (int(key.removeprefix(start)), segment): int(since)
            for key in client.keys(f"{start}*")
            for segment, since in client.hgetall(key).items()
        }
        start = f"{prefix}segment:"
        by_segment = {
            (int(profile_id), key.removeprefix(start)): int(score)
            for key in client.keys(f"{start}*")
            for profile_id, score in client.zrange(key, 0, -1, withscores=True)
        }
        assert by_profile == by_segment
        return by_profile
    finally:
        client.close()


class WebhookPlace(Place):
    kind = "webhook"

    def __init__(self, folder: Path, request: pytest.FixtureRequest) -> None:
        super().__init__(folder, request)
        [self.port] = free_ports(1)
        self.taken: list[dict[str, Any]] = []
        self.answers: list[int | tuple[int, str]] = []
        self.sizes: list[int] = []

    def come(self) -> None:
        self.closing.enter_context(listening(self))

    def definition(self) -> model.Sink:
        url = f"http://127.0.0.1:{self.port}/changes"
        return model.WebhookSink(kind="webhook", name="out", url=url, secret=SECRET, most=10)

    def received(self, number: int) -> list[dict[str, Any]]:
        return self.taken

    def take(self, path: str, signature: str, body: bytes) -> tuple[int, str]:
        """The status, and when to come again."""
        if self.answers:
            answer = self.answers.pop(0)
            return answer if isinstance(answer, tuple) else (answer, "")
        expected = hmac.new(SECRET.encode(), body, "sha256").hexdigest()
        if path != "/changes" or not hmac.compare_digest(signature, f"sha256={expected}"):
            return 401, ""
        changes = json.loads(body)["changes"]
        self.taken += changes
        self.sizes.append(len(changes))
        return 200, ""


@contextmanager
def listening(place: WebhookPlace) -> Iterator[None]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, later = place.take(self.path, self.headers.get("X-Facette-Signature", ""), body)
            self.send_response(status)
            if later:
                self.send_header("Retry-After", later)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", place.port), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def relay(port: int, target: int) -> Iterator[None]:
    """Whoever connects to a port talks with what listens at another, until the end of the block."""
    open_ones: list[socket.socket] = []

    def pump(one: socket.socket, other: socket.socket) -> None:
        try:
            while data := one.recv(65_536):
                other.sendall(data)
        except OSError:
            pass
        finally:
            for each in (one, other):
                each.close()

    def accept(listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", target))
            for each in (client, server):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                open_ones.append(each)
            for pair in ((client, server), (server, client)):
                threading.Thread(target=pump, args=pair, daemon=True).start()

    listener = socket.create_server(("127.0.0.1", port))
    thread = threading.Thread(target=accept, args=(listener,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for each in open_ones:
            each.close()
        thread.join(5)


PLACES: dict[str, type[Place]] = {
    each.kind: each for each in (FilePlace, KafkaPlace, RabbitPlace, RedisPlace, WebhookPlace)
}
