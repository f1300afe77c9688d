"""Brokers that are killed with ``kill -9`` and come back: what was accepted is there, and no change is told twice."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from facette.definitions.model import KafkaLog, LogKind, RabbitLog
from facette.definitions.project import load
from facette.live.changes import Change
from facette.run import run
from facette.sources import kafka
from facette.sources.log import open_log
from facette.sources.record import decode
from facette.stream import Stream
from tests.brokers import Rabbit, Tansu, again
from tests.cases import COMPARED
from tests.live.projects import NOW, PROJECT, append, members_of, random_records, write_project
from tests.objects import objects
from tests.run.projects import Silent
from tests.web.collectors import KEY, Collector, collecting
from tests.web.collectors import PROJECT as COLLECTED


@dataclass
class Broken:
    """A broker, and a log in it."""

    broker: Tansu | Rabbit
    log: LogKind

    @property
    def yaml(self) -> str:
        return self.log.model_dump_json(exclude_none=True)


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    with objects() as url:
        yield url


@pytest.fixture(params=["kafka", "rabbitmq"])
def broken(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Broken]:
    name = f"log_{request.node.originalname[:20]}"
    if request.param == "kafka":
        monkeypatch.setattr(kafka, "PATIENCE", 5.0)
        broker = Tansu(request.getfixturevalue("store"))
        broker.start()
        admin = AdminClient({"bootstrap.servers": broker.servers})
        admin.create_topics([NewTopic(name, 3)])[name].result()
        settings = {"message.timeout.ms": "1500"}  # so that a collector need not wait for longer
        yield Broken(broker, KafkaLog(kind="kafka", servers=broker.servers, topic=name, settings=settings))
        broker.kill()
    else:
        rabbit = request.getfixturevalue("rabbitmq")
        yield Broken(rabbit, RabbitLog(kind="rabbitmq", url=rabbit.url, queue=name))


def post(collector: Collector, ids: list[str]) -> httpx.Response:
    batch = [{"type": "track", "event": "Order", "userId": "ann", "messageId": one} for one in ids]
    return collector.post("/v1/batch", json={"batch": batch}, auth=(KEY, ""))


def test_what_a_collector_took_is_there_and_what_it_could_not_take_is_told(broken: Broken, tmp_path: Path) -> None:
    text = COLLECTED.replace("    kind: log\n", f"    kind: log\n    log: {broken.yaml}\n")
    with collecting(tmp_path / "shop", text) as collector:
        taken = [f"m{i}" for i in range(1_200)]
        for start in range(0, len(taken), 400):
            assert post(collector, taken[start : start + 400]).status_code == 200
        broken.broker.kill()
        refused = post(collector, ["late0", "late1"])
        assert (refused.status_code, refused.headers["retry-after"], refused.json()["code"]) == (503, "5", "log")
        assert collector.get("/healthz").json()["accepted"] == len(taken)
        broken.broker.start()
        until = time.monotonic() + 60
        while post(collector, ["late0", "late1"]).status_code != 200:
            assert time.monotonic() < until
        assert post(collector, ["last"]).status_code == 200
    found = Counter(again(lambda: all_of(broken.log, tmp_path)))
    assert {*found} == {*taken, "late0", "late1", "last"}
    assert {found[one] for one in taken} == {1}  # what was told to come again may be there twice, with one id


def all_of(definition: LogKind, folder: Path) -> list[str]:
    """The ids of all messages in a log, up to the one that is the last."""
    log = open_log(definition, folder)
    reader = log.reader("tests", log.start())
    found: list[str] = []
    until = time.monotonic() + 60
    while "last" not in found and time.monotonic() < until:
        found += [decode(body).message_id for body in reader.read(wait=2.0).bodies]
    found += [decode(body).message_id for body in reader.read(wait=0.5).bodies]
    reader.close()
    log.close()
    return found


def test_a_worker_goes_on_as_if_nothing_had_happened(broken: Broken, tmp_path: Path) -> None:
    records = random_records(random.Random(5), 120, n_people=15)
    undisturbed = write_project(tmp_path / "undisturbed")
    other = write_project(tmp_path / "other")
    assert "kind: log\n" in PROJECT
    (other / "facette.yml").write_text(PROJECT.replace("kind: log\n", f"kind: log\n    log: {broken.yaml}\n"), "utf-8")
    for project in (undisturbed, other):
        run(load(project), Silent(), as_of=NOW)
    members = []
    for project, killed_after in ((undisturbed, None), (other, 40)):
        log = open_log(load(project).project.sources[0].log, project)  # type: ignore[union-attr]
        with Stream(load(project), NOW) as stream:
            n_read, until = 0, time.monotonic() + 100
            for start in range(0, len(records), 40):
                again(lambda log=log, start=start: log.append(records[start : start + 40]))  # type: ignore[misc]
                if start == killed_after:
                    broken.broker.kill()
                    broken.broker.start()
                while n_read < start + 40:
                    n_read += again(lambda stream=stream: stream.step(NOW, most=40, wait=1.0))  # type: ignore[misc]
                    assert time.monotonic() < until, f"{n_read} records only"
            assert n_read == len(records)
            changes = [change for _, change in stream.state.changes(0)]
            where = follow(changes)
            assert where == {(profile, segment) for profile, segment, _ in members_of(stream.state)}
            assert len(changes) > 15
            people = stream.worker.knowledge.people
            users = {people.owner("user", f"u{number}"): number for number in range(15)}
            members.append({(users.get(profile), segment) for profile, segment in where})
        log.close()
    assert members[1] == members[0]


def test_a_worker_and_its_broker_are_killed_at_any_instant(
    broken: Broken, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    kills = request.config.getoption("--kills")
    n_parts = 1 + max(1, kills // 10)
    rng = random.Random(kills)
    size = (120 + 4 * kills) // n_parts
    records = random_records(rng, n_parts * size, n_people=20)
    project = write_project(tmp_path / "site")
    text = PROJECT.replace("kind: log\n", f"kind: log\n    log: {broken.yaml}\n")
    (project / "facette.yml").write_text(text, encoding="utf-8")
    run(load(project), Silent(), as_of=NOW)
    log = open_log(broken.log, project)
    n_killed = n_brokers = n_failed = 0
    for part in range(n_parts):
        again(lambda part=part: log.append(records[part * size : (part + 1) * size]))  # type: ignore[misc]
        wanted = kills * (part + 1) // n_parts - kills * part // n_parts
        with followed(project, seed=part, kills=wanted) as process:
            if part:
                time.sleep(rng.uniform(0, 2))
                broken.broker.kill()
                broken.broker.start()
                n_brokers += 1
            told, _ = process.communicate(timeout=300)
        ended = json.loads(told.rpartition("\n")[2])
        assert ended["status"] == 0, told
        n_killed, n_failed = n_killed + ended["killed"], n_failed + ended["failed"]
    log.close()
    assert n_brokers == n_parts - 1
    assert n_killed > kills // 4  # one that has read all ends by itself
    COMPARED[f"workers killed, {broken.log.kind}"] += n_killed
    COMPARED[f"brokers killed, {broken.log.kind}"] += n_brokers
    COMPARED[f"workers that found no broker, {broken.log.kind}"] += n_failed

    until = time.monotonic() + 60
    while n_offsets(project) not in (None, len(records)):  # this broker says of many records that one is there
        assert time.monotonic() < until
        with followed(project, seed=0, kills=0) as process:
            process.communicate(timeout=300)
    undisturbed = write_project(tmp_path / "undisturbed")
    append(undisturbed, records)
    run(load(undisturbed), Silent(), as_of=NOW)
    assert kept(project) == published(undisturbed)


def n_offsets(project: Path) -> int | None:
    """How many messages a worker has read by the offsets that it keeps; None if its log has none."""
    with Stream(load(project), NOW) as stream:
        [position] = stream.worker.positions.values()
    return sum(position.values()) if all(each.isdigit() for each in position) else None


@contextmanager
def followed(project: Path, *, seed: int, kills: int) -> Iterator[subprocess.Popen[str]]:
    """What starts workers until one has read all, and kills some."""
    words = ["stream", "--project", str(project), "--once", "--batch", "10", "--as-of", NOW.isoformat()]
    words += ["--changes", str(project / "changes.jsonl"), "--json"]
    script = str(Path(__file__).with_name("killing.py"))
    command = [sys.executable, script, str(seed), "0.05", "0.8", str(kills), "120", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        yield process


Kept = tuple[set[str], set[tuple[int | None, str]]]
"""The ids of all events; the number of a person, and a segment."""


def kept(project: Path) -> Kept:
    """What a worker knows and has told, each change once, in its state as in its file."""
    lines = [json.loads(line) for line in (project / "changes.jsonl").read_text(encoding="utf-8").splitlines()]
    with Stream(load(project), NOW) as stream:
        changes = stream.state.changes()
        assert [(line["seq"], line["id"]) for line in lines] == [(seq, change.id) for seq, change in changes]
        assert [seq for seq, _ in changes] == [*range(1, len(changes) + 1)]
        assert len({change.id for _, change in changes}) == len(changes) > 15
        where = follow([change for _, change in changes])
        assert where == {(profile, segment) for profile, segment, _ in members_of(stream.state)}
        people, knowledge = stream.worker.knowledge.people, stream.worker.knowledge
        users = {people.owner("user", f"u{number}"): number for number in range(20)}
        events = [knowledge.events(kind, None).to_pyarrow()["event_id"].to_pylist() for kind in ("purchase", "visit")]
        assert all(len(ids) == len({*ids}) for ids in events)
        return {one for ids in events for one in ids}, {(users.get(profile), segment) for profile, segment in where}


def published(project: Path) -> Kept:
    """The same of a run."""
    with Stream(load(project), NOW) as stream:
        people, knowledge = stream.worker.knowledge.people, stream.worker.knowledge
        users = {people.owner("user", f"u{number}"): number for number in range(20)}
        events = {
            one
            for kind in ("purchase", "visit")
            for one in knowledge.events(kind, None).to_pyarrow()["event_id"].to_pylist()
        }
        return events, {(users.get(profile), segment) for profile, segment, _ in members_of(stream.state)}


def follow(changes: Sequence[Change]) -> set[tuple[int, str]]:
    """Who is where after changes; none says what was so before."""
    where: set[tuple[int, str]] = set()
    for each in changes:
        one = (each.profile_id, each.segment)
        match each.change:
            case "entered":
                assert one not in where
                where.add(one)
            case "left":
                where.remove(one)
            case _:
                assert each.into is not None
                where = {(each.into if profile == each.profile_id else profile, name) for profile, name in where}
    return where
