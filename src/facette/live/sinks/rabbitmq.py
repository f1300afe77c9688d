"""An exchange of RabbitMQ, to which a message goes for each change; the routing key says which segment it is about.

Messages are kept on disk where they are queued. Those of a portion are under way together, in their order; the broker
has confirmed each of them before the portion's position is noted.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pika
from pika.exceptions import AMQPError, ChannelClosedByBroker

from facette.definitions import model
from facette.errors import SinkError
from facette.live.changes import Numbered
from facette.live.sinks.sink import Telling, named, place_of
from facette.sources.environment import from_environment
from facette.sources.rabbitmq import Connection

NOT_FOUND = 404
PATIENCE = 30.0  # seconds for the broker to answer or confirm

Message = tuple[str, bytes, pika.BasicProperties]
"""Routing key, body, properties."""


class RabbitSink(Telling):
    """One exchange, and the queue that gets everything if one is named."""

    def __init__(self, definition: model.RabbitSink, project: str, folder: Path) -> None:
        self.name, self.exchange, self.queue = named(definition), definition.exchange, definition.queue
        self._url = from_environment(definition.url, f"Sink {definition.name}", in_url=True)
        self._publisher: Publisher | None = None

    def send(self, changes: Sequence[Numbered]) -> None:
        with self._errors():
            if self._publisher is None:
                self._make()
                self._publisher = Publisher(self._url)
            messages = [
                (
                    place_of(change),
                    json.dumps({"seq": seq, **change.as_dict()}, ensure_ascii=False).encode(),
                    pika.BasicProperties("application/json", delivery_mode=2, message_id=change.id),
                )
                for seq, change in changes
            ]
            self._publisher.publish(self.exchange, messages, is_routed=self.queue is not None)

    def close(self) -> None:
        if self._publisher is not None:
            self._publisher.close()

    def _make(self) -> None:
        """The exchange and the queue, where they are not there yet."""
        with closing(Connection(self._url)) as connection:
            if not _is_there(connection, lambda channel: channel.exchange_declare(self.exchange, passive=True)):
                connection.channel().exchange_declare(self.exchange, "topic", durable=True)
            if self.queue is not None:
                if not _is_there(connection, lambda channel: channel.queue_declare(self.queue, passive=True)):
                    connection.channel().queue_declare(self.queue, durable=True)
                connection.channel().queue_bind(self.queue, self.exchange, "#")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (AMQPError, OSError) as error:
            self.close()
            self._publisher = None
            text = str(error) or type(error).__name__
            remedy = "Check that the broker is running and reachable, and the sink's `url`, `exchange` and `queue`."
            raise SinkError(f"RabbitMQ, sink {self.name}, cannot be used: {text}.", remedy=remedy) from error


def _is_there(connection: Connection, ask: Callable[[Any], None]) -> bool:
    try:
        ask(connection.channel())
    except ChannelClosedByBroker as error:
        if error.reply_code != NOT_FOUND:
            raise
        return False
    return True


class Publisher:
    """A connection on which many messages wait for their confirmations at once. AMQPError is the end of it."""

    def __init__(self, url: str) -> None:
        parameters = pika.URLParameters(url)
        parameters.heartbeat = 0  # nobody answers heartbeats between two portions; TCP finds out what is dead
        parameters.tcp_options = {"TCP_KEEPIDLE": 60}
        self._error: BaseException | None = None
        self._channel: Any = None
        self._unconfirmed: set[int] = set()
        self._n_published = 0
        self._is_ready = False
        self._connection = pika.SelectConnection(
            parameters,
            on_open_callback=lambda connection: connection.channel(on_open_callback=self._opened),
            on_open_error_callback=lambda _, error: self._fail(error),
            on_close_callback=lambda _, error: self._fail(error),
        )
        self._wait(lambda: self._is_ready)

    def publish(self, exchange: str, messages: Sequence[Message], *, is_routed: bool) -> None:
        """All of them are confirmed when it returns.

        is_routed : whether it is an error that no queue gets a message
        """
        for key, body, properties in messages:
            self._n_published += 1
            self._unconfirmed.add(self._n_published)
            self._channel.basic_publish(exchange, key, body, properties, mandatory=is_routed)
        self._wait(lambda: not self._unconfirmed)

    def close(self) -> None:
        with suppress(AMQPError):
            if self._connection.is_open:
                self._connection.close()
                self._wait(lambda: self._connection.is_closed)

    def _opened(self, channel: Any) -> None:
        self._channel = channel
        channel.add_on_close_callback(lambda _, error: self._fail(error))
        channel.add_on_return_callback(lambda _, returned, *__: self._fail(AMQPError(returned.reply_text)))
        channel.confirm_delivery(self._confirmed, callback=self._confirming)

    def _confirming(self, _: Any) -> None:
        self._is_ready = True
        self._connection.ioloop.stop()

    def _confirmed(self, frame: Any) -> None:
        tag = frame.method.delivery_tag
        if isinstance(frame.method, pika.spec.Basic.Nack):
            self._fail(AMQPError(f"message {tag} was not taken"))
        self._unconfirmed -= {one for one in self._unconfirmed if one <= tag} if frame.method.multiple else {tag}
        if not self._unconfirmed:
            self._connection.ioloop.stop()

    def _fail(self, error: BaseException) -> None:
        self._error = self._error or error
        self._connection.ioloop.stop()

    def _wait(self, is_done: Callable[[], bool]) -> None:
        loop = self._connection.ioloop
        late = loop.call_later(PATIENCE, lambda: self._fail(AMQPError(f"no answer for {PATIENCE:.0f} s")))
        while self._error is None and not is_done():
            loop.start()
        loop.remove_timeout(late)
        if self._error is not None:
            error = self._error
            raise error if isinstance(error, AMQPError) else AMQPError(str(error)) from error
