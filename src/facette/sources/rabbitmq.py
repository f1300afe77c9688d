"""A stream of RabbitMQ as a log: a queue of type ``stream``, which keeps what has been read.

A message holds a portion of an append, one record per line, so that an append needs few confirmations. A position is
the stream's offset of the next message, and the number of its records that have been read. AMQP stores no positions of
streams: a group's is the one message of a small queue of its own.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import pika
from pika.exceptions import AMQPConnectionError, AMQPError, ChannelClosedByBroker

from facette.definitions import model
from facette.errors import LogError
from facette.sources.environment import from_environment
from facette.sources.log import BYTES, LogPosition, Records, check, chunks

AHEAD = 100  # messages that the broker sends ahead of what was read
PATIENCE = 2.0  # seconds to wait for a message before a stream is thought to have none
QUIET = 0.3  # seconds without a further message after which the last one was it
CONFIRMED = 10.0  # seconds for the broker to confirm a message, also where its disk or memory is full
LASTING = pika.BasicProperties(delivery_mode=2)


class RabbitLog:
    """The log in one stream; made if it is not there."""

    def __init__(self, definition: model.RabbitLog, folder: Path) -> None:
        self.queue, self.name = definition.queue, f"stream {definition.queue} of RabbitMQ"
        url = from_environment(definition.url, f"The log in the {self.name}", in_url=True)
        self._connection = Connection(url)
        arguments: dict[str, Any] = {"x-queue-type": "stream"}
        if definition.keep_days is not None:
            arguments["x-max-age"] = f"{int(definition.keep_days * 86_400)}s"
        if definition.most_megabytes is not None:
            arguments["x-max-length-bytes"] = int(definition.most_megabytes * 1_000_000)
        with self.errors():
            try:
                self.channel().queue_declare(self.queue, passive=True)
            except ChannelClosedByBroker as error:
                if error.reply_code != 404:
                    raise
                self.channel().queue_declare(self.queue, durable=True, arguments=arguments)

    def append(self, records: Sequence[bytes]) -> None:
        check(records)
        with self.errors():
            channel = self.channel()
            for chunk in chunks(records):
                self._publish(channel, self.queue, b"\n".join(chunk))

    def reader(self, group: str, after: LogPosition | None = None) -> RabbitReader:
        return RabbitReader(self, group, after or self.committed(group))

    def committed(self, group: str) -> LogPosition | None:
        with self.errors():
            channel = self.channel()
            self._declare_position(channel, group)
            found, _, body = channel.basic_get(self._position_queue(group))
            if found is None:
                return None
            channel.basic_nack(found.delivery_tag, requeue=True)
            position: LogPosition = json.loads(body)
            return position

    def commit(self, group: str, position: LogPosition) -> None:
        with self.errors():
            channel = self.channel()
            self._declare_position(channel, group)
            self._publish(channel, self._position_queue(group), json.dumps(dict(position)).encode())

    def start(self) -> LogPosition:
        found = self._offsets("first", most=1)
        return {"message": found[0] if found else 0, "record": 0}

    def end(self) -> LogPosition:
        """After the last message that the broker sends within ``QUIET`` seconds of the one before."""
        found = self._offsets("last", most=None)
        return {"message": found[-1] + 1 if found else 0, "record": 0}

    def since(self, instant: datetime) -> LogPosition:
        found = self._offsets(instant, most=1)
        return {"message": found[0], "record": 0} if found else self.end()

    def waiting(self, after: LogPosition | None) -> None:
        """AMQP does not tell."""
        return None

    def trim(self, before: datetime) -> int:
        """RabbitMQ forgets by itself, by the stream's retention."""
        return 0

    def close(self) -> None:
        self._connection.close()

    # ── for readers too ─────────────────────────────────────────────────────────────────────────────────────────────

    def connect(self) -> pika.BlockingConnection:
        return self._connection.connect()

    def channel(self) -> Any:
        return self._connection.channel()

    @contextmanager
    def errors(self) -> Iterator[None]:
        try:
            yield
        except (AMQPError, OSError) as error:
            text = str(error) or type(error).__name__
            remedy = "Check that the broker is running and reachable, and the log's `url` and `queue`."
            raise LogError(f"The log in the {self.name} cannot be used: {text}.", remedy=remedy) from error

    def _publish(self, channel: Any, queue: str, body: bytes) -> None:
        """Confirmed; an error where there is no such queue (now), of which the broker would say nothing otherwise."""
        with self._connection.within(CONFIRMED):
            channel.basic_publish("", queue, body, LASTING, mandatory=True)

    def _declare_position(self, channel: Any, group: str) -> None:
        """A queue that keeps the last message only."""
        arguments = {"x-max-length": 1, "x-overflow": "drop-head"}
        channel.queue_declare(self._position_queue(group), durable=True, arguments=arguments)

    def _position_queue(self, group: str) -> str:
        return f"{self.queue}.{group}.position"

    def _offsets(self, since: str | datetime, most: int | None) -> list[int]:
        """The offsets of messages from some point on."""
        with self.errors():
            stream = _Stream(self, self.connect(), since)
            try:
                found: list[int] = []
                until = time.monotonic() + 2 * PATIENCE  # a stream that never rests has moved on anyway
                while (most is None or len(found) < most) and time.monotonic() < until:
                    if (message := stream.next(QUIET if found else PATIENCE)) is None:
                        break
                    found.append(message[0])
                return found
            finally:
                stream.close()


class Connection:
    """A connection that is made when it is needed, and again when it was lost."""

    def __init__(self, url: str) -> None:
        self._parameters = pika.URLParameters(url)
        self._parameters.heartbeat = 0  # nobody answers heartbeats between two calls; TCP finds out what is dead
        self._parameters.tcp_options = {"TCP_KEEPIDLE": 60}
        self._connection: pika.BlockingConnection | None = None
        self._channel: Any = None

    def connect(self) -> pika.BlockingConnection:
        """Another one of its own."""
        return pika.BlockingConnection(self._parameters)

    def channel(self) -> Any:
        """A new channel with confirmations, on a connection that is made anew if it was lost."""
        if self._connection is not None and self._connection.is_open:
            with suppress(AMQPError):
                self._connection.process_data_events(0)  # notice what has happened since
        if self._connection is None or not self._connection.is_open:
            self._connection = self.connect()
            self._channel = None
        if self._channel is None or not self._channel.is_open:
            self._channel = self._connection.channel()
            self._channel.confirm_delivery()
        return self._channel

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """End the connection where a call takes longer: a broker may lose what it was asked, as when a stream has no
        leader yet, and pika waits for ever. It has no public timer that goes on while a call waits.
        """
        assert self._connection is not None
        waiting = self._connection._impl
        late = AMQPConnectionError(f"no confirmation within {seconds:.0f} s")
        timer = waiting._adapter_call_later(seconds, lambda: waiting._terminate_stream(late))
        try:
            yield
        finally:
            waiting._adapter_remove_timeout(timer)

    def close(self) -> None:
        if self._connection is not None:
            with suppress(AMQPError):
                self._connection.close()


class RabbitReader:
    """Reads the stream as one group. An exclusive queue says that the group is being read."""

    def __init__(self, log: RabbitLog, group: str, after: LogPosition | None) -> None:
        self.log, self.group = log, group
        self._position = dict(after) if after else None  # None: from the first message, whatever its offset
        self._rest: list[bytes] = []  # records of the message at the position that were not asked for yet
        self._stream: _Stream | None = None
        self._connect()

    def read(self, most: int = 10_000, wait: float = 0.0) -> Records:
        bodies: list[bytes] = []
        size = missed = 0
        until = time.monotonic() + wait
        with self._errors(dict(self._position) if self._position else None):
            stream = self._stream or self._connect()
            while len(bodies) < most and size < BYTES:
                if not self._rest:
                    message = stream.next(0.0 if bodies else max(until - time.monotonic(), 0.0))
                    if message is None:
                        break
                    missed += self._take(*message)
                    if not self._rest:
                        continue
                taken, self._rest = self._rest[: most - len(bodies)], self._rest[most - len(bodies) :]
                bodies += taken
                size += sum(map(len, taken))
                self._move(len(taken))
        return Records(bodies, dict(self._position or {"message": 0, "record": 0}), missed)

    def commit(self, position: LogPosition) -> None:
        self.log.commit(self.group, position)

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _connect(self) -> _Stream:
        """Take the group, and read on from the position."""
        with self._errors(self._position):
            connection = self.log.connect()
            try:
                self._take_group(connection)
                self._rest = []
                self._stream = _Stream(self.log, connection, self._position["message"] if self._position else "first")
            except BaseException:
                with suppress(AMQPError):
                    connection.close()  # or it would keep the group from the next one, which may be ours
                raise
            return self._stream

    def _take_group(self, connection: pika.BlockingConnection) -> None:
        try:
            connection.channel().queue_declare(f"{self.log.queue}.{self.group}.reader", exclusive=True)
        except ChannelClosedByBroker as error:
            if error.reply_code != 405:
                raise
            message = f"Another process is reading the {self.log.name} as {self.group}."
            raise LogError(message, remedy="Stop it first, or read as another group.") from None

    def _take(self, offset: int, body: bytes) -> int:
        """Begin a message; how many were missed before it."""
        position = self._position or {"message": offset, "record": 0}
        if offset < position["message"]:
            return 0
        lines = [line for line in body.split(b"\n") if line]
        is_at = offset == position["message"]
        self._rest = lines[position["record"] :] if is_at else lines
        self._position = {"message": offset, "record": position["record"] if is_at else 0}
        if not self._rest:
            self._position = {"message": offset + 1, "record": 0}
        return offset - position["message"]

    def _move(self, n_records: int) -> None:
        assert self._position is not None
        self._position["record"] += n_records
        if not self._rest:
            self._position = {"message": self._position["message"] + 1, "record": 0}

    @contextmanager
    def _errors(self, before: dict[str, int] | None) -> Iterator[None]:
        """After an error the next call connects again, and reads on from the position that was before."""
        try:
            with self.log.errors():
                yield
        except LogError:
            self.close()
            self._position = before
            raise


class _Stream:
    """Messages of a stream from a point on, with their offsets; owns its connection."""

    def __init__(self, log: RabbitLog, connection: pika.BlockingConnection, since: int | str | datetime) -> None:
        self._connection = connection
        self._channel = connection.channel()
        self._channel.basic_qos(prefetch_count=AHEAD)
        self._came: deque[tuple[int, bytes, int]] = deque()
        self._channel.basic_consume(log.queue, self._keep, arguments={"x-stream-offset": since})

    def next(self, wait: float) -> tuple[int, bytes] | None:
        """The next message; None if there is none for so long (seconds)."""
        if not self._came:
            self._connection.process_data_events(wait)
        if not self._came:
            return None
        offset, body, tag = self._came.popleft()
        self._channel.basic_ack(tag)  # lets the broker send another one; the position is what counts
        return int(offset), body

    def close(self) -> None:
        with suppress(AMQPError):
            self._connection.close()

    def _keep(self, _channel: Any, method: Any, properties: Any, body: bytes) -> None:
        self._came.append((properties.headers["x-stream-offset"], body, method.delivery_tag))
