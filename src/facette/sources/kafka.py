"""A topic of Kafka as a log, through librdkafka. One record is one message.

A position is the next offset of every partition. A reader reads all partitions of the topic: it is assigned them and
takes no part in Kafka's own sharing out, because what a worker has made of a partition cannot follow it elsewhere.
Commits are those of the consumer group of that name, so the usual tools show its lag.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, NewTopic

from facette.definitions import model
from facette.errors import LogError, LogFullError
from facette.sources.environment import from_environment
from facette.sources.log import BYTES, LogPosition, Records, check

PATIENCE = 30.0  # seconds for the broker to answer or acknowledge
COUNTED = 1.0  # seconds after which what waits is counted again
GROUPS = ("live", "batch.")
"""How the names begin of groups as which Facette reads; asking for all others of a cluster might take long."""

WRITES = {"acks": "all", "enable.idempotence": True, "linger.ms": 2, "compression.type": "lz4"}
READS = {
    "enable.auto.commit": False,
    "auto.offset.reset": "earliest",
    "queued.max.messages.kbytes": BYTES >> 10,  # per consumer: bounds what is fetched ahead
    "fetch.wait.max.ms": 20,
}


class KafkaLog:
    """The log in one topic; made, with one partition, if it is not there."""

    def __init__(self, definition: model.KafkaLog, folder: Path) -> None:
        self.topic, self.name = definition.topic, f"topic {definition.topic} of {definition.servers}"
        given = {key: from_environment(text, f"The log in {self.name}") for key, text in definition.settings.items()}
        self.settings = settings_of(definition.servers, given)
        self._writer = Writer(self.settings, f"The log in {self.name}")
        with self._errors():
            topics_made(self.settings, [self.topic])
        self._consumer = self.consumer("facette")
        self.partitions = self._partitions()
        self._most_waiting = definition.most_waiting
        self._backlog = Backlog(self)

    def append(self, records: Sequence[bytes]) -> None:
        check(records)
        if self._most_waiting is not None:
            waiting = self._backlog.count() + len(records)
            if waiting > self._most_waiting:
                raise LogFullError(
                    f"The log in {self.name} is full: {waiting:,} records would wait to be read, and at most "
                    f"{self._most_waiting:,} may.",
                    remedy="Start what reads it (facette stream, facette run), or raise `most_waiting`.",
                )
        self._writer.send((self.topic, None, record) for record in records)
        self._backlog.add(len(records))

    def reader(self, group: str, after: LogPosition | None = None) -> KafkaReader:
        return KafkaReader(self, group, after)

    def committed(self, group: str) -> LogPosition | None:
        consumer = self.consumer(group)
        try:
            return self.committed_by(consumer)
        finally:
            consumer.close()

    def start(self) -> LogPosition:
        return {str(number): low for number, (low, _) in self.watermarks(self._consumer).items()}

    def end(self) -> LogPosition:
        return {str(number): high for number, (_, high) in self.watermarks(self._consumer).items()}

    def since(self, instant: datetime) -> LogPosition:
        milliseconds = int(instant.timestamp() * 1000)
        end = self.end()
        with self._errors():
            asked = [TopicPartition(self.topic, number, milliseconds) for number in self.partitions]
            found = self._consumer.offsets_for_times(asked, timeout=PATIENCE)
        return {str(each.partition): each.offset if each.offset >= 0 else end[str(each.partition)] for each in found}

    def waiting(self, after: LogPosition | None) -> int:
        after = after or {}
        marks = self.watermarks(self._consumer).items()
        return sum(max(high - max(after.get(str(number), 0), low), 0) for number, (low, high) in marks)

    def trim(self, before: datetime) -> int:
        """Kafka forgets by itself, by the topic's retention."""
        return 0

    def close(self) -> None:
        self._consumer.close()

    # ── for readers too ─────────────────────────────────────────────────────────────────────────────────────────────

    def consumer(self, group: str) -> Consumer:
        return Consumer(self.settings | READS | {"group.id": group})

    def committed_by(self, consumer: Consumer) -> LogPosition | None:
        with self._errors():
            asked = [TopicPartition(self.topic, number) for number in self.partitions]
            found = consumer.committed(asked, timeout=PATIENCE)
        return {str(each.partition): each.offset for each in found if each.offset >= 0} or None

    def watermarks(self, consumer: Consumer) -> dict[int, tuple[int, int]]:
        """Partition → offsets of the first record that is there, and after the last."""
        with self._errors():
            return {
                number: consumer.get_watermark_offsets(TopicPartition(self.topic, number), timeout=PATIENCE)
                for number in self.partitions
            }

    def groups(self) -> list[LogPosition]:
        """What each of Facette's groups has committed that has committed anything of this topic."""
        admin = AdminClient(dict(self.settings))
        asked = [TopicPartition(self.topic, number) for number in self.partitions]
        found: list[LogPosition] = []
        with self._errors():
            listed = admin.list_consumer_groups(request_timeout=PATIENCE).result().valid
            for name in (each.group_id for each in listed if each.group_id.startswith(GROUPS)):
                request = [ConsumerGroupTopicPartitions(name, asked)]
                [future] = admin.list_consumer_group_offsets(request, request_timeout=PATIENCE).values()
                offsets = {str(each.partition): each.offset for each in future.result().topic_partitions}
                if committed := {number: offset for number, offset in offsets.items() if offset >= 0}:
                    found.append(committed)
        return found

    def error(self, error: KafkaException) -> LogError:
        return failure(f"The log in {self.name}", error)

    def _partitions(self) -> list[int]:
        with self._errors():
            found = self._consumer.list_topics(self.topic, timeout=PATIENCE).topics[self.topic]
            if found.error is not None:
                raise KafkaException(found.error)
            return sorted(found.partitions)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except KafkaException as error:
            raise self.error(error) from error


class Backlog:
    """How many records of a topic wait for the slowest group: counted once a second, and what was added since.

    What other processes add within that second is not in it. Without any group that has committed all records wait.
    """

    def __init__(self, log: KafkaLog) -> None:
        self.log = log
        self._counted_at = -COUNTED
        self._count = 0

    def count(self) -> int:
        if time.monotonic() - self._counted_at >= COUNTED:
            self._count = max((self.log.waiting(each) for each in self.log.groups() or [{}]), default=0)
            self._counted_at = time.monotonic()
        return self._count

    def add(self, n_records: int) -> None:
        self._count += n_records


class Writer:
    """Sends messages, and waits until all are acknowledged; those of one key are in their order.

    what : whose they are, for errors
    """

    def __init__(self, settings: Mapping[str, Any], what: str) -> None:
        self.settings, self.what = settings, what
        self._producer: Producer | None = None

    def send(self, messages: Iterable[tuple[str, bytes | None, bytes]]) -> None:
        """Messages as topic, key and body. LogError if any may not be there; some then are."""
        producer = self._producer = self._producer or Producer({**self.settings, **WRITES})
        failures: list[KafkaError] = []

        def note(error: KafkaError | None, _message: Message) -> None:
            if error is not None:
                failures.append(error)

        until = time.monotonic() + PATIENCE
        for topic, key, body in messages:
            while True:
                try:
                    producer.produce(topic, body, key, on_delivery=note)
                    break
                except BufferError:  # back-pressure: the broker takes them more slowly than they come
                    producer.poll(0.1)
                    self._must_be_before(until)
                except KafkaException as error:
                    raise failure(self.what, error) from error
        if producer.flush(max(until - time.monotonic(), 0)):
            self._must_be_before(until)
        if failures:
            self._producer = None
            raise failure(self.what, KafkaException(failures[0]))

    def _must_be_before(self, until: float) -> None:
        if time.monotonic() >= until:
            if self._producer is not None:
                self._producer.purge()
                self._producer.flush(1)
                self._producer = None  # it may have lost count of what it sent
            message = f"{self.what} did not acknowledge every record within {PATIENCE:.0f} s."
            raise LogError(message, remedy="Check the brokers; then append again: what was taken comes twice.")


def settings_of(servers: str, given: Mapping[str, str]) -> dict[str, Any]:
    """What every client is made with."""
    return {
        "bootstrap.servers": servers,
        "error_cb": lambda error: None,  # librdkafka connects again by itself; what fails raises where it is asked
        "log_level": 0,
        **given,
    }


def topics_made(settings: Mapping[str, Any], topics: Collection[str]) -> None:
    """Make topics, with one partition each, that are not there. KafkaException if the brokers do not answer."""
    admin = AdminClient(dict(settings))
    there = admin.list_topics(timeout=PATIENCE).topics
    wanted = [NewTopic(topic, 1) for topic in topics if topic not in there]
    for made in admin.create_topics(wanted, operation_timeout=PATIENCE).values() if wanted else ():
        try:
            made.result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise


def failure(what: str, error: KafkaException) -> LogError:
    first = error.args[0]
    text = first.str() if isinstance(first, KafkaError) else str(first)
    remedy = "Check that the brokers are running and reachable, and the log's `servers`, `topic` and `settings`."
    return LogError(f"{what} cannot be used: {text}.", remedy=remedy)


class KafkaReader:
    """Reads all partitions as one group."""

    def __init__(self, log: KafkaLog, group: str, after: LogPosition | None) -> None:
        self.log = log
        self._consumer = log.consumer(group)
        self._errors: list[KafkaError] = []
        marks = log.watermarks(self._consumer)
        position = after or log.committed_by(self._consumer) or {}
        self._position = {str(number): position.get(str(number), low) for number, (low, _) in marks.items()}
        self._missed = sum(max(low - self._position[str(number)], 0) for number, (low, _) in marks.items())
        self._consumer.assign(
            [
                TopicPartition(log.topic, number, max(self._position[str(number)], low))
                for number, (low, _) in marks.items()
            ]
        )

    def read(self, most: int = 10_000, wait: float = 0.0) -> Records:
        messages = [] if self._errors else self._consumer.consume(1, timeout=wait)
        if messages and most > 1:
            messages += self._consumer.consume(most - 1, timeout=0)
        bodies = []
        for message in messages:
            if error := message.error():
                self._errors.append(error)  # told once what came before it has been handed out
                continue
            bodies.append(message.value())
            self._position[str(message.partition())] = message.offset() + 1
        if self._errors and not bodies:
            raise self.log.error(KafkaException(self._errors.pop()))
        missed, self._missed = self._missed, 0
        return Records(bodies, dict(self._position), missed)

    def commit(self, position: LogPosition) -> None:
        offsets = [TopicPartition(self.log.topic, int(number), offset) for number, offset in position.items()]
        try:
            self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            raise self.log.error(error) from error

    def close(self) -> None:
        self._consumer.close()
