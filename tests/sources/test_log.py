"""What every kind of log promises, on real brokers; and what each promises besides."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from tests.brokers import Rabbit, again

from facette.definitions.model import EmbeddedLog, FileLog, KafkaLog, LogKind, RabbitLog
from facette.errors import LogError, LogFullError
from facette.sources import embedded, replay
from facette.sources.log import LARGEST, Log, Reader, has_reached, open_log
from facette.sources.rabbitmq import RabbitLog as OpenRabbitLog
from facette.sources.rabbitmq import RabbitReader
from facette.sources.record import Record, encode, instant_text

KINDS = ("embedded", "file", "kafka", "rabbitmq")
WRITER = Path(__file__).with_name("log_writer.py")
NUMBERS = count()
SOON = 10.0  # seconds within which whatever is there must come


class Place:
    """Where the log of one test is; all that was opened is closed at the end."""

    def __init__(self, definition: LogKind, folder: Path) -> None:
        self.definition, self.folder = definition, folder
        self.log = self.open()

    def open(self) -> Log:
        return open_log(self.definition, self.folder)

    def writer(self, name: str, size: int, n_appends: int) -> subprocess.Popen[str]:
        arguments = [self.definition.model_dump_json(), str(self.folder), name, str(size), str(n_appends)]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, str(WRITER), *arguments]
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    name = f"log{next(NUMBERS)}_{os.getpid()}"
    definition: LogKind
    match request.param:
        case "kafka":
            definition = KafkaLog(kind="kafka", servers=request.getfixturevalue("kafka"), topic=name)
        case "rabbitmq":
            definition = RabbitLog(kind="rabbitmq", url=request.getfixturevalue("rabbitmq").url, queue=name)
        case "file":
            definition = FileLog(kind="file", path="log.jsonl")
        case _:
            definition = EmbeddedLog()
    place = Place(definition, tmp_path)
    yield place
    place.log.close()


def lines(start: int, stop: int) -> list[bytes]:
    return [b'{"n": %d}' % number for number in range(start, stop)]


def read(reader: Reader, number: int, most: int = 10_000) -> list[bytes]:
    """So many records, in as many readings as it takes."""
    found: list[bytes] = []
    while len(found) < number:
        records = reader.read(min(most, number - len(found)), wait=SOON)
        assert records.bodies, f"{len(found)} records only"
        found += records.bodies
    return found


# ── what all promise ────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_appended_is_read_in_order_and_once(place: Place) -> None:
    place.log.append(lines(0, 1))
    place.log.append(lines(1, 2_501))
    place.log.append([])
    place.log.append(lines(2_501, 2_600))
    reader = place.log.reader("g")
    assert read(reader, 2_600) == lines(0, 2_600)
    assert not reader.read(wait=0.2).bodies
    reader.close()


@pytest.mark.parametrize("most", [1, 7, 999, 1_000, 1_001])
def test_a_reading_is_bounded(place: Place, most: int) -> None:
    n_records = 30 if most < 100 else 3_000
    place.log.append(lines(0, n_records))
    reader = place.log.reader("g")
    found: list[bytes] = []
    while records := reader.read(most, wait=SOON if len(found) < n_records else 0.2).bodies:
        assert len(records) <= most
        found += records
    assert found == lines(0, n_records)
    reader.close()


def test_wherever_one_stopped_one_goes_on(place: Place) -> None:
    place.log.append(lines(0, 1_500))
    place.log.append(lines(1_500, 1_510))
    reader = place.log.reader("g")
    kept: dict[int, str] = {}
    n = 0
    for size in (1, 998, 1, 1, 3, 500, *(6,) * 9):  # a reading may hand out less than there is
        records = reader.read(size, wait=SOON if n < 1_510 else 0)
        n += len(records.bodies)
        kept[n] = json.dumps(dict(records.after))
    reader.close()
    assert n == 1_510
    for number, text in kept.items():
        again = place.log.reader("g", after=json.loads(text))
        assert read(again, 1_510 - number) == lines(number, 1_510)
        assert not again.read(wait=0.1).bodies
        again.close()


def test_a_group_goes_on_where_it_has_committed_and_groups_are_alone(place: Place) -> None:
    place.log.append(lines(0, 50))
    first = place.log.reader("first")
    after = first.read(20, wait=SOON).after
    assert place.log.committed("first") in (None, place.log.start())
    first.commit(after)
    read(first, 10)
    first.close()
    other = place.open()
    assert other.committed("first") == after
    again, second = other.reader("first"), other.reader("second")
    assert read(again, 30) == lines(20, 50)
    assert read(second, 50) == lines(0, 50)
    again.close()
    second.close()
    other.close()


def test_replay(place: Place) -> None:
    place.log.append(lines(0, 5))
    reader = place.log.reader("g")
    reader.commit(reader.read(5, wait=SOON).after)
    reader.close()
    replay = place.log.reader("g", after=place.log.start())
    assert read(replay, 5) == lines(0, 5)
    replay.close()
    old = place.log.reader("h", after=place.log.since(datetime.now(UTC) - timedelta(hours=1)))
    assert read(old, 5) == lines(0, 5)
    old.close()


def test_how_much_waits(place: Place) -> None:
    assert place.log.waiting(None) in (0, None)
    start = place.log.end()
    place.log.append(lines(0, 29))
    place.log.append(lines(29, 30))  # alone: tansu tells the end after the first record of the last batch
    reader = place.log.reader("g", after=start)
    end = place.log.end()
    assert has_reached(end, start)
    assert not has_reached(start, end)
    assert place.log.waiting(start) in (30, None)
    records = reader.read(29, wait=SOON)
    assert not has_reached(records.after, end)
    assert place.log.waiting(records.after) in (1, None)
    assert has_reached(reader.read(1, wait=SOON).after, end)
    reader.close()


def test_a_reader_that_waits_gets_what_comes(place: Place) -> None:
    reader = place.log.reader("g")
    writer = place.writer("w", 3, 1)
    records = reader.read(wait=2 * SOON)
    assert 1 <= len(records.bodies) <= 3
    read(reader, 3 - len(records.bodies))
    writer.communicate()
    assert writer.returncode == 0
    reader.close()


@pytest.mark.parametrize("record", [b"", b'{"a":\n1}', b"\n", b"x" * (LARGEST + 1)])
def test_what_is_no_record(place: Place, record: bytes) -> None:
    with pytest.raises(ValueError, match="a record is"):
        place.log.append([b"{}", record])
    assert place.log.waiting(None) in (0, None)


def test_the_largest_records_and_any_characters(place: Place) -> None:
    records = [json.dumps({"x": text}, ensure_ascii=False).encode() for text in ("é\r\u2028", "x" * (LARGEST - 9))] * 2
    place.log.append(records)
    reader = place.log.reader("g")
    assert read(reader, 4) == records
    reader.close()


def test_many_processes_write_at_once(place: Place) -> None:
    writers = [place.writer(str(i), 40, 12) for i in range(3)]
    for writer in writers:
        writer.communicate()
        assert writer.returncode == 0
    reader = place.log.reader("g")
    records = [json.loads(line) for line in read(reader, 3 * 480)]
    for i in range(3):
        assert [each["number"] for each in records if each["writer"] == str(i)] == list(range(480))
    reader.close()


def test_a_writer_killed_amid_appends_loses_nothing_that_was_acknowledged(place: Place) -> None:
    size, killed_after = 200, (1, 3, 8)
    acknowledged = []
    for n_lines in killed_after:
        writer = place.writer(str(n_lines), size, 1_000_000)
        assert writer.stdout is not None
        for _ in range(n_lines):
            writer.stdout.readline()
        writer.kill()
        acknowledged.append(int(([str(n_lines * size), *writer.stdout.read().split()])[-1]))
        writer.wait()
        writer.stdout.close()
    place.log.append([b'{"writer": "last"}'])
    reader = place.log.reader("g")
    records = []
    while not records or records[-1]["writer"] != "last":
        records += [json.loads(line) for line in reader.read(wait=SOON).bodies]
    for n_lines, number in zip(killed_after, acknowledged, strict=True):
        found = [each["number"] for each in records if each["writer"] == str(n_lines)]
        assert found == list(range(len(found)))
        assert len(found) >= number
        if place.definition.kind == "embedded":
            assert len(found) % size == 0
    reader.close()


def test_one_reader_for_each_group(place: Place) -> None:
    """Kafka knows the readers of a group only where it shares partitions out among them: see docs/live.md."""
    if place.definition.kind == "kafka":
        place.log.append(lines(0, 30))
        one, two = place.log.reader("g"), place.log.reader("g")
        assert read(one, 30) == read(two, 30) == lines(0, 30)  # neither takes anything from the other
        for each in (one, two):
            each.close()
        return
    reader = place.log.reader("g")
    with pytest.raises(LogError, match=r"Another process is reading the .* as g"):
        place.log.reader("g")
    other = place.log.reader("h")
    reader.close()
    place.log.reader("g").close()
    other.close()


# ── what some promise besides ───────────────────────────────────────────────────────────────────────────────────────


def test_a_backlog_that_is_full(tmp_path: Path) -> None:
    log = open_log(EmbeddedLog(most_waiting=10), tmp_path)
    log.append(lines(0, 10))
    with pytest.raises(LogFullError, match="11 records would wait to be read, and at most 10 may"):
        log.append(lines(10, 11))
    reader = log.reader("slow")
    records = reader.read(3)
    with pytest.raises(LogFullError):
        log.append(lines(10, 11))
    reader.commit(records.after)
    log.append(lines(10, 13))
    assert read(reader, 10) == lines(3, 13)
    reader.close()
    log.close()


def test_a_topic_in_which_too_much_waits(kafka: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For the slowest group, and counted once a second; without any all records wait."""
    monkeypatch.setattr("facette.sources.kafka.COUNTED", 0.05)
    log = open_log(KafkaLog(kind="kafka", servers=kafka, topic=f"full_{os.getpid()}", most_waiting=10), tmp_path)
    for number in range(10):
        log.append(lines(number, number + 1))
    with pytest.raises(LogFullError, match="11 records would wait to be read, and at most 10 may"):
        log.append(lines(10, 11))
    slow, fast, other = log.reader("live"), log.reader("batch.site"), log.reader("other")
    fast.commit(fast.read(10, wait=SOON).after)
    slow.commit(slow.read(3, wait=SOON).after)
    other.commit(other.read(1, wait=SOON).after)  # of somebody else
    time.sleep(0.06)
    for number in range(10, 13):  # one by one: tansu tells the end after the first record of the last batch
        log.append(lines(number, number + 1))
    with pytest.raises(LogFullError, match="11 records"):
        log.append(lines(13, 14))
    time.sleep(0.06)
    with pytest.raises(LogFullError, match="records would wait"):
        log.append(lines(13, 14))
    for reader in (slow, fast, other):
        reader.close()
    log.close()


def test_partitions_of_a_topic(kafka: str, tmp_path: Path) -> None:
    """Each is read in its order; a position has all of them, and whoever goes on from it misses and repeats nothing."""
    topic, numbers = f"parts_{os.getpid()}", range(3)
    admin = AdminClient({"bootstrap.servers": kafka})
    admin.create_topics([NewTopic(topic, len(numbers))])[topic].result()
    producer = Producer({"bootstrap.servers": kafka})
    for n in range(120):
        producer.produce(topic, b'{"partition": %d, "n": %d}' % (n % 3, n), partition=n % 3)
    assert producer.flush(SOON) == 0
    log = open_log(KafkaLog(kind="kafka", servers=kafka, topic=topic), tmp_path)
    found: list[dict[str, int]] = []
    kept: list[tuple[int, str]] = []
    position = log.start()
    while len(found) < 120:  # a reader that is closed after every reading, as one that is killed
        reader = log.reader("g", after=position)
        records = reader.read(17, wait=SOON)
        assert records.bodies
        found += map(json.loads, records.bodies)
        position = json.loads(json.dumps(dict(records.after)))
        kept.append((len(found), json.dumps(position)))
        reader.close()
    assert sorted(each["n"] for each in found) == list(range(120))
    for number in numbers:
        own = [each["n"] for each in found if each["partition"] == number]
        assert own == list(range(number, 120, 3))
    assert position == {str(number): 40 for number in numbers}
    n_read, text = kept[2]
    late = log.reader("h", after=json.loads(text))
    assert {json.loads(line)["n"] for line in read(late, 120 - n_read)} == {each["n"] for each in found[n_read:]}
    late.close()
    log.close()


def test_a_rabbitmq_that_takes_nothing(rabbitmq: Rabbit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker whose disk or memory is full blocks whoever publishes; that is an error and not for ever."""
    monkeypatch.setattr("facette.sources.rabbitmq.CONFIRMED", 1.0)
    log = open_log(RabbitLog(kind="rabbitmq", url=rabbitmq.url, queue=f"blocked{os.getpid()}"), tmp_path)
    log.append(lines(0, 3))
    rabbitmq.control("set_vm_memory_high_watermark", "absolute", "1MB")
    try:
        with pytest.raises(LogError, match="no confirmation within 1 s"):
            log.append(lines(3, 4))
    finally:
        rabbitmq.control("set_vm_memory_high_watermark", "0.4")
    again(lambda: log.append(lines(3, 4)))
    reader = log.reader("g")
    assert read(reader, 4)[:3] == lines(0, 3)
    reader.close()
    log.close()


@pytest.mark.parametrize(
    "definition", [EmbeddedLog(most_megabytes=1), FileLog(kind="file", path="l", most_megabytes=1)]
)
def test_a_log_that_holds_as_much_as_it_may(tmp_path: Path, definition: LogKind) -> None:
    log = open_log(definition, tmp_path)
    record = b'"%s"' % (b"x" * 100_000)
    n_added = 0
    with pytest.raises(LogFullError, match="is full: it holds the 1"):
        for _ in range(20):
            log.append([record])
            n_added += 1
    assert 8 <= n_added <= 11
    reader = log.reader("g")
    assert len(read(reader, n_added)) == n_added
    assert not reader.read().bodies
    reader.close()
    log.close()


def test_room_comes_back_when_old_records_are_forgotten(tmp_path: Path) -> None:
    log = open_log(EmbeddedLog(most_megabytes=1, keep_days=1e-9), tmp_path)
    reader = log.reader("g")
    for _ in range(100):
        log.append([b"x" * 300_000])
        reader.commit(reader.read().after)
        log.trim(datetime.now(UTC))
    assert log.waiting(None) == 0
    assert (tmp_path / ".facette/log.db").stat().st_size < 3_000_000
    reader.close()
    log.close()


def test_an_append_forgets_what_is_old_and_read_by_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    log = open_log(EmbeddedLog(keep_days=2), tmp_path)
    log.append(lines(0, 5))
    fast, slow = log.reader("fast"), log.reader("slow")
    fast.commit(fast.read().after)
    clock.move(timedelta(days=3))
    log.append(lines(5, 6))
    assert log.waiting(None) == 6  # slow has not read them
    slow.commit(slow.read(5).after)
    clock.move(timedelta(minutes=2))
    log.append(lines(6, 7))
    assert log.waiting(None) == 2
    assert log.start() == {"record": 5}
    for reader in (fast, slow):
        assert read(reader, 2) == lines(5, 7)
        reader.close()
    log.close()


def test_what_was_forgotten_before_it_was_read_is_told(tmp_path: Path) -> None:
    log = open_log(EmbeddedLog(), tmp_path)
    log.append(lines(0, 5))
    log.append(lines(5, 8))
    start = log.start()
    reader = log.reader("g")
    reader.commit(reader.read(5).after)
    assert log.trim(datetime.now(UTC) + timedelta(days=1)) == 5
    again = log.reader("again", after=start)
    records = again.read()
    assert (records.missed, list(records.bodies)) == (5, lines(5, 8))
    assert again.read().missed == 0
    for each in (reader, again):
        each.close()
    log.close()


def test_replay_from_an_instant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    log = open_log(EmbeddedLog(), tmp_path)
    for i in range(3):
        log.append(lines(i, i + 1))
        clock.move(timedelta(hours=1))
    reader = log.reader("g", after=log.since(clock.now - timedelta(hours=2)))
    assert read(reader, 2) == lines(1, 3)
    assert log.since(clock.now) == log.end()
    reader.close()
    log.close()


def test_replay_of_a_file_from_an_instant(tmp_path: Path) -> None:
    log = open_log(FileLog(kind="file", path="l.jsonl"), tmp_path)
    day = datetime(2026, 11, 22, tzinfo=UTC)
    records = [
        encode(
            Record(
                message_id=str(i), kind="page", at=instant_text(day), protocol="segment", source="s",
                received_at=instant_text(day + timedelta(hours=i)),
            )
        )
        for i in range(3)
    ]  # fmt: skip
    log.append(records)
    reader = log.reader("g", after=log.since(day + timedelta(hours=1)))
    assert read(reader, 2) == records[1:]
    assert log.since(day + timedelta(days=1)) == log.end()
    reader.close()
    log.close()


def test_a_reading_ends_by_its_size_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (embedded, replay):
        monkeypatch.setattr(module, "BYTES", 1_000)
    for definition in (EmbeddedLog(), FileLog(kind="file", path="l")):
        log = open_log(definition, tmp_path)
        for _ in range(20):
            log.append([b'"%s"' % (b"x" * 400)])
        reader = log.reader("g")
        assert len(reader.read().bodies) == 3
        assert len(read(reader, 17)) == 17
        reader.close()
        log.close()


@pytest.mark.parametrize(
    ("last", "found", "kept"),
    [(b'{"n": 1', [], False), (b'{"n": 1}', [b'{"n": 1}'], True), (b'{"n": 1}\n\n', [b'{"n": 1}'], True)],
)
def test_the_last_line_of_a_file(tmp_path: Path, last: bytes, found: list[bytes], kept: bool) -> None:
    (tmp_path / "l").write_bytes(b'\n{"n": 0}\r\n' + last)
    log = open_log(FileLog(kind="file", path="l"), tmp_path)
    reader = log.reader("g")
    assert read(reader, 1 + len(found)) == [b'{"n": 0}', *found]
    assert not reader.read().bodies
    assert log.waiting(None) == 1 + len(found)
    log.append(lines(2, 3))
    assert read(reader, 1) == lines(2, 3)
    assert (last in (tmp_path / "l").read_bytes()) == kept
    reader.close()
    log.close()


def test_a_line_that_is_too_long_hides_nothing_before_it(tmp_path: Path) -> None:
    (tmp_path / "l").write_bytes(b'{"n": 0}\n{"n": 1}\n' + b"x" * (LARGEST + 2) + b"\n")
    reader = open_log(FileLog(kind="file", path="l"), tmp_path).reader("g")
    assert list(reader.read().bodies) == lines(0, 2)
    for _ in range(2):
        with pytest.raises(LogError, match="has a line of more than 524,288 bytes, at byte 18"):
            reader.read()
    reader.close()


def test_a_file_that_has_become_shorter(tmp_path: Path) -> None:
    log = open_log(FileLog(kind="file", path="l"), tmp_path)
    log.append(lines(0, 3))
    reader = log.reader("g", after=log.end())
    (tmp_path / "l").write_bytes(b"")
    with pytest.raises(LogError, match="shorter than what was read"):
        reader.read()
    reader.close()


def test_what_is_no_log(tmp_path: Path) -> None:
    (tmp_path / "log.db").write_bytes(b"no database, whatever its name may be" * 100)
    with pytest.raises(LogError, match=r"log\.db cannot be used: file is not a database"):
        open_log(EmbeddedLog(path="log.db"), tmp_path)
    with pytest.raises(LogError, match="cannot be used"):
        open_log(RabbitLog(kind="rabbitmq", url="amqp://127.0.0.1:1", queue="q"), tmp_path)
    log = open_log(EmbeddedLog(), tmp_path)
    with pytest.raises(LogError, match="cannot name a group"):
        log.reader("../x")
    log.close()


def test_a_kafka_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facette.sources.kafka.PATIENCE", 0.5)
    with pytest.raises(LogError, match=r"topic t of 127\.0\.0\.1:1 cannot be used"):
        open_log(KafkaLog(kind="kafka", servers="127.0.0.1:1", topic="t"), tmp_path)


def test_rabbitmq_gone_between(rabbitmq: Rabbit, tmp_path: Path) -> None:
    log = open_log(RabbitLog(kind="rabbitmq", url=rabbitmq.url, queue="gone"), tmp_path)
    log.append(lines(0, 1_200))
    reader = log.reader("g")
    assert read(reader, 1_100) == lines(0, 1_100)
    rabbitmq.stop()
    with pytest.raises(LogError):
        log.append(lines(1_200, 1_201))
    with pytest.raises(LogError):
        reader.read()
    rabbitmq.start()
    again(lambda: log.append(lines(1_200, 1_300)))
    assert again(lambda: read(reader, 200)) == lines(1_100, 1_300)
    reader.close()
    log.close()


def test_a_reader_of_rabbitmq_that_fails_lets_go_of_its_group(rabbitmq: Rabbit, tmp_path: Path) -> None:
    log = open_log(RabbitLog(kind="rabbitmq", url=rabbitmq.url, queue=f"held{os.getpid()}"), tmp_path)
    log.append(lines(0, 3))
    assert isinstance(log, OpenRabbitLog)
    log.queue, right = f"nothing{os.getpid()}", log.queue
    for _ in range(2):
        with pytest.raises(LogError, match="no queue 'nothing"):
            RabbitReader(log, "g", None)  # the group is taken, and then there is nothing to read
    log.queue = right
    reader = log.reader("g")
    assert read(reader, 3) == lines(0, 3)
    reader.close()
    log.close()


class Clock:
    """The time by which the embedded log dates what is appended."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = datetime(2026, 11, 22, tzinfo=UTC)
        monkeypatch.setattr(embedded.time, "time_ns", lambda: int(self.now.timestamp() * 1_000_000_000))

    def move(self, by: timedelta) -> None:
        self.now += by
