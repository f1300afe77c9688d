"""An exchange of RabbitMQ, to which a message goes for each change; the routing key says which segment it is about.

Messages are kept on disk where they are queued, and each has been confirmed by the broker before the next one is sent.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pika
from pika.exceptions import AMQPError, ChannelClosedByBroker

from facette.definitions import model
from facette.errors import SinkError
from facette.live.sinks.sink import Numbered, Telling, named, place_of
from facette.sources.environment import from_environment
from facette.sources.rabbitmq import Connection

NOT_FOUND = 404


class RabbitSink(Telling):
    """One exchange, and the queue that gets everything if one is named."""

    def __init__(self, definition: model.RabbitSink, folder: Path) -> None:
        self.name, self.exchange, self.queue = named(definition), definition.exchange, definition.queue
        self._connection = Connection(from_environment(definition.url, f"Sink {definition.name}", in_url=True))
        self._is_made = False

    def send(self, changes: Sequence[Numbered]) -> None:
        with self._errors():
            self._make()
            channel = self._connection.channel()
            for seq, change in changes:
                body = json.dumps({"seq": seq, **change.as_dict()}, ensure_ascii=False).encode()
                properties = pika.BasicProperties("application/json", delivery_mode=2, message_id=change.id)
                channel.basic_publish(
                    self.exchange, place_of(change), body, properties, mandatory=self.queue is not None
                )

    def close(self) -> None:
        self._connection.close()

    def _make(self) -> None:
        """The exchange and the queue, where they are not there yet."""
        if self._is_made:
            return
        if not self._is_there(lambda channel: channel.exchange_declare(self.exchange, passive=True)):
            self._connection.channel().exchange_declare(self.exchange, "topic", durable=True)
        if self.queue is not None:
            if not self._is_there(lambda channel: channel.queue_declare(self.queue, passive=True)):
                self._connection.channel().queue_declare(self.queue, durable=True)
            self._connection.channel().queue_bind(self.queue, self.exchange, "#")
        self._is_made = True

    def _is_there(self, ask: Any) -> bool:
        try:
            ask(self._connection.channel())
        except ChannelClosedByBroker as error:
            if error.reply_code != NOT_FOUND:
                raise
            return False
        return True

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (AMQPError, OSError) as error:
            self._is_made = False
            text = str(error) or type(error).__name__
            remedy = "Check that the broker is running and reachable, and the sink's `url`, `exchange` and `queue`."
            raise SinkError(f"RabbitMQ, sink {self.name}, cannot be used: {text}.", remedy=remedy) from error
