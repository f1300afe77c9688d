"""Brokers that are killed with ``kill -9`` and come back: what was accepted is there, and no change is told twice."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
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
from tests.live.projects import NOW, PROJECT, random_records, write_project
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
            assert where == {(profile, segment) for profile, segment, _ in stream.state.members()}
            assert len(changes) > 15
            people = stream.worker.knowledge.people
            users = {people.owner("user", f"u{number}"): number for number in range(15)}
            members.append({(users.get(profile), segment) for profile, segment in where})
        log.close()
    assert members[1] == members[0]


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
