"""Topics of Kafka, to which a message goes for each change.

Its key is the profile's id, so changes of one profile are in one partition of a topic, in their order. A portion has
been acknowledged by all replicas in sync before its position is noted.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from confluent_kafka import KafkaException

from facette.definitions import model
from facette.errors import LogError, SinkError
from facette.live.changes import Numbered
from facette.live.sinks.sink import Telling, named, place_of
from facette.sources.environment import from_environment
from facette.sources.kafka import Writer, settings_of, topics_made


class KafkaSink(Telling):
    """One topic, or one for each segment."""

    portion = 10_000

    def __init__(self, definition: model.KafkaSink, project: str, folder: Path) -> None:
        self.name, self.topic = named(definition), definition.topic
        given = {key: from_environment(text, f"Sink {definition.name}") for key, text in definition.settings.items()}
        self.settings = settings_of(definition.servers, given)
        self._writer = Writer(self.settings, f"Kafka, sink {self.name},")
        self._topics: set[str] = set()

    def send(self, changes: Sequence[Numbered]) -> None:
        messages = [
            (
                self.topic.replace("{segment}", place_of(change)),
                str(change.profile_id).encode(),
                json.dumps({"seq": seq, **change.as_dict()}, ensure_ascii=False).encode(),
            )
            for seq, change in changes
        ]
        with self._errors():
            new = {topic for topic, _, _ in messages} - self._topics
            if new:
                topics_made(self.settings, new)
                self._topics |= new
            self._writer.send(messages)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        remedy = "Check that the brokers are running and reachable, and the sink's `servers`, `topic` and `settings`."
        try:
            yield
        except LogError as error:
            raise SinkError(error.message, remedy=remedy) from error
        except KafkaException as error:
            raise SinkError(f"Kafka, sink {self.name}, cannot be used: {error.args[0]}.", remedy=remedy) from error
