"""Batches of a log: which records become which rows, and what is read when."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from tests.brokers import Rabbit

from facette.definitions import records
from facette.definitions.model import Events, FileLog, LogKind, LogSource, RabbitLog, SourceField
from facette.errors import LogError
from facette.sources import logged
from facette.sources.landing import Landing, LandResult, land, survey
from facette.sources.log import open_log
from facette.sources.record import Record, encode

AT = "2026-11-22T07:30:00.000000Z"


def record(number: int, **given: Any) -> bytes:
    usual = {"message_id": f"m{number}", "kind": "track", "event": "order", "at": AT, "received_at": AT}
    return encode(Record(**usual | {"protocol": "segment", "source": "site"} | given))  # type: ignore[arg-type]


class Site:
    """A log, and the landings of its source as the ledger keeps them."""

    def __init__(self, folder: Path, **given: Any) -> None:
        self.folder, self.raw = folder, folder / ".facette" / "raw"
        amount = {"amount": SourceField(column="properties.amount")}
        event = Events(name="order", identifiers={"user": "user_id"}, at="at", fields=amount)
        self.source = LogSource(name="site", kind="log", events=(event,), **given)
        self.log = open_log(self.source.log, folder)
        self.known: list[Landing] = []

    def land(self) -> LandResult:
        result = land(self.source, folder=self.folder, raw=self.raw, known=self.known)
        self.known = [Landing(**json.loads(json.dumps(asdict(each)))) for each in result.current]
        return result

    def rows(self, result: LandResult) -> list[dict[str, Any]]:
        """What is new, without what is null or Facette's own."""
        rows = [row for each in result.landed for row in pq.read_table(self.raw / each.landed_path).to_pylist()]
        return [{key: each for key, each in row.items() if each is not None and key[0] != "_"} for row in rows]

    def waiting(self) -> int | None:
        return survey(self.source, folder=self.folder, raw=self.raw, known=self.known)[0]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.log.close()


def test_the_columns_of_a_record_are_those_that_definitions_know() -> None:
    assert {*records.TEXTS, *records.OBJECTS} == set(Record.__struct_fields__)


def test_objects_become_dotted_columns_of_text(site: Site) -> None:
    properties = {"amount": 12.5, "paid": True, "items": [{"id": 1}, 2], "none": None, "empty": {}, "note": "é"}
    site.log.append([record(1, user_id="ann", properties=properties, traits={"address": {"city": "Nîmes"}})])
    [row] = site.rows(site.land())
    assert row == {
        "message_id": "m1", "kind": "track", "event": "order", "at": AT, "received_at": AT, "user_id": "ann",
        "protocol": "segment", "source": "site", "properties.amount": "12.5", "properties.paid": "true",
        "properties.items": '[{"id":1},2]', "properties.note": "é", "traits.address.city": "Nîmes",
    }  # fmt: skip


def test_a_second_reading_has_what_came_since(site: Site) -> None:
    assert site.waiting() == 0
    site.log.append([record(1), record(2)])
    assert site.waiting() == 2
    first = site.land()
    assert [row["message_id"] for row in site.rows(first)] == ["m1", "m2"]
    assert site.waiting() == 0
    assert site.land().landed == ()
    site.log.append([record(3)])
    second = site.land()
    assert [row["message_id"] for row in site.rows(second)] == ["m3"]
    assert not second.replaced
    assert [each.file for each in site.known] == [".facette/log.db", '.facette/log.db after {"record":2}']


def test_a_log_without_records(site: Site) -> None:
    [landed] = site.land().landed
    assert landed.rows == 0
    site.log.append([record(1)])
    second = site.land()
    assert [row["message_id"] for row in site.rows(second)] == ["m1"]
    assert not second.replaced


def test_what_was_landed_but_not_noted_is_landed_again_the_same(site: Site) -> None:
    site.log.append([record(1), record(2)])
    known = site.known
    first = site.land()
    site.known = known
    site.log.append([record(3)])
    again = site.land()
    assert [each.landed_path for each in again.landed] == [each.landed_path for each in first.landed]
    assert [row["message_id"] for row in site.rows(again)] == ["m1", "m2", "m3"]


def test_nothing_is_forgotten_before_its_landing_is_noted(site: Site) -> None:
    group = logged.group_of(site.source)
    site.log.append([record(1), record(2)])
    site.land()
    assert site.log.committed(group) == {"record": 0}
    site.log.append([record(3)])
    site.land()
    assert site.log.committed(group) == {"record": 2}


def test_columns_that_come_later_and_differ_in_type(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logged, "ROWS", 2)
    amounts = [1, 2.5, "three", {"value": 4}, [5], None, 10**30]
    site.log.append([record(i, properties={"amount": amount, f"p{i}": i}) for i, amount in enumerate(amounts)])
    rows = site.rows(site.land())
    assert [row.get("properties.amount") for row in rows] == ["1", "2.5", "three", None, "[5]", None, str(10**30)]
    assert rows[3]["properties.amount.value"] == "4"
    assert [row[f"properties.p{i}"] for i, row in enumerate(rows)] == [str(i) for i in range(7)]


def test_names_that_differ_in_case_are_one_column_and_nothing_is_lost(site: Site) -> None:
    site.log.append(
        [
            record(1, properties={"AMOUNT": 1}),
            record(2, properties={"amount": 2, "Amount": 3}),
            record(3, properties={"a": {"b": 4}, "a.b": 5}),
        ]
    )
    found = [
        {key: text for key, text in row.items() if "." in key or key == "others"} for row in site.rows(site.land())
    ]
    assert found == [
        {"properties.amount": "1"},
        {"properties.amount": "2", "others": '{"properties.Amount":3}'},
        {"properties.a.b": "4", "others": '{"properties.a.b":5}'},
    ]


def test_more_columns_than_a_table_should_have(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logged, "MOST_COLUMNS", 2)
    properties = {"a": 1, "x" * 300: 2, "b": 3, "c": 4, "d": [5], "amount": 6}
    deep: dict[str, Any] = {}
    inner = deep
    for _ in range(20):
        inner["x"] = {}
        inner = inner["x"]
    inner["y"] = 1
    site.log.append([record(1, properties=properties), record(2, properties={"a": 7}, traits=deep)])
    first, second = site.rows(site.land())
    assert (first["properties.a"], first["properties.b"], first["properties.amount"]) == ("1", "3", "6")
    others = {f"properties.{'x' * 300}": 2, "properties.c": 4, "properties.d": [5]}
    assert json.loads(first["others"]) == others
    [(name, text)] = json.loads(second["others"]).items()
    assert name.count(".x") == logged.DEEPEST
    assert json.dumps(text).count("x") == 20 - logged.DEEPEST


def test_what_is_no_record_is_kept_aside_and_stops_nothing(site: Site) -> None:
    site.log.append([b'{"n": 1}', b"\xff"])
    result = site.land()
    assert [row["reason"].split(":")[0] for row in result.refused.to_pylist()] == ["no record"] * 2
    assert site.rows(result) == []
    site.log.append([record(1), b"{", record(2)])
    result = site.land()
    assert [row["message_id"] for row in site.rows(result)] == ["m1", "m2"]
    [refused] = result.refused.to_pylist()
    assert (refused["row"], refused["value"]) == (2, "{")


def test_records_of_other_sources_are_passed_over(site: Site) -> None:
    site.log.append([record(1, source="shop"), record(2), record(3, source="shop")])
    assert [row["message_id"] for row in site.rows(site.land())] == ["m2"]
    assert site.land().landed == ()


def test_a_log_that_has_forgotten_tells_it(site: Site) -> None:
    site.log.append([record(1)])
    site.land()
    site.log.append([record(2)])
    site.known = []  # as when the store was removed
    site.land()
    site.log.append([record(3)])
    site.land()
    site.known = [each for each in site.known if each.file == ".facette/log.db"]
    site.log._db.execute("delete from chunks where first < 2")  # type: ignore[attr-defined]
    site.known = [Landing(**asdict(each) | {"position": '{"record":1}'}) for each in site.known]
    assert "1 records were forgotten before they were read" in site.land().notes[0]


def test_another_log_in_the_place_of_the_one_that_was_read(site: Site) -> None:
    site.log.append([record(1), record(2)])
    site.land()
    site.log.close()
    for path in site.folder.glob(".facette/log.db*"):
        path.unlink()
    with pytest.raises(LogError, match="holds 0 records, and 2 of it were read before"):
        site.land()


def test_limits_are_no_place(site: Site) -> None:
    site.log.append([record(1)])
    site.land()
    site.source = site.source.model_copy(update={"log": site.source.log.model_copy(update={"keep_days": 1})})
    assert site.land().landed == ()


def test_planning_makes_no_log(tmp_path: Path) -> None:
    source = LogSource(name="site", kind="log")
    assert survey(source, folder=tmp_path, raw=tmp_path / "raw") == (0, 0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["file", "kafka", "rabbitmq"])
def test_every_kind_of_log(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    log: LogKind | dict[str, str]
    match kind:
        case "kafka":
            log = {"kind": "kafka", "servers": request.getfixturevalue("kafka"), "topic": "site"}
        case "rabbitmq":
            rabbit: Rabbit = request.getfixturevalue("rabbitmq")
            log = RabbitLog(kind="rabbitmq", url=rabbit.url, queue="site")
        case _:
            log = FileLog(kind="file", path="site.jsonl")
    site = Site(tmp_path, log=log)
    site.log.append([record(i) for i in range(1_500)])
    site.log.append([record(1_500)])
    assert [row["message_id"] for row in site.rows(site.land())] == [f"m{i}" for i in range(1_501)]
    assert site.waiting() in (0, None)
    assert site.land().landed == ()
    site.log.append([record(1_501)])
    assert [row["message_id"] for row in site.rows(site.land())] == ["m1501"]
    site.log.close()
