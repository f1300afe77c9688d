"""Batch over a log is batch over a file with the same records, whenever they come and whatever is killed."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from facette.definitions.model import EmbeddedLog
from facette.definitions.project import load
from facette.run import planned
from facette.sources.log import open_log
from facette.sources.logged import OBJECTS
from facette.sources.record import Record, encode

from .crashes import effects_of_a_run, killed_before
from .projects import Truth, actions, rows, run, truth

DAY = date(2026, 11, 22)
PROJECT = """
name: shop
time_zone: Europe/Paris
population: [user]
identifiers:
  - {name: user}
  - {name: email, format: email}
  - {name: device}
sources:
  - name: site
    SOURCE
    people:
      only: {kind: identify}
      identifiers: {user: user_id, device: anonymous_id, email: traits.email}
      known_at: received_at
      fields:
        city: {column: traits.address.city}
        newsletter: {column: traits.newsletter, type: boolean}
    events:
      - name: purchase
        only: {kind: track, event: Order Completed}
        identifiers: {user: user_id, device: anonymous_id}
        at: at
        known_at: received_at
        id: [message_id]
        fields:
          amount: {column: properties.revenue, type: number}
          coupon: {column: traits.coupon}
      - name: view
        only: {kind: page}
        identifiers: {user: user_id, device: anonymous_id}
        at: at
        known_at: received_at
        id: [message_id]
      - name: aliased
        only: {kind: alias}
        identifiers: {user: user_id, device: previous_id}
        at: at
        known_at: received_at
        id: [message_id]
features:
  - {name: spend, value: SUM(amount) OF purchase}
  - {name: views, value: COUNT OF view}
segments:
  - {name: big, rule: spend > 20}
  - {name: lookers, rule: views >= 1 AND city = 'Nîmes'}
"""


def reported(number: int, kind: str, minute: int, **given: Any) -> Record:
    instant = f"2026-11-{20 + number % 3}T10:{minute:02}:00.000000Z"
    usual = {"message_id": f"m{number}", "kind": kind, "at": instant, "received_at": instant}
    return Record(**usual | {"protocol": "segment", "source": "site"} | given)  # type: ignore[arg-type]


def order(number: int, minute: int, revenue: Any, **who: Any) -> Record:
    return reported(number, "track", minute, event="Order Completed", properties={"revenue": revenue}, **who)


RECORDS = [
    reported(1, "page", 0, anonymous_id="d1", context={"page": {"url": "/"}}),
    order(2, 1, 12.5, anonymous_id="d1", traits={"coupon": "spring"}),
    reported(3, "identify", 2, user_id="ann", anonymous_id="d1", traits={"email": "Ann@x.fr", "newsletter": True}),
    order(4, 3, "9", user_id="ann"),
    reported(5, "identify", 4, user_id="ann", traits={"address": {"city": "Nîmes"}}),
    reported(6, "page", 5, anonymous_id="d2"),
    reported(7, "alias", 6, user_id="bob", previous_id="d2"),
    order(8, 7, 30, user_id="bob"),
    order(8, 7, 30, user_id="bob"),  # sent twice
    order(9, 8, None, user_id="cyd"),
    order(10, 9, 100, user_id="cyd", group_id="g"),
    reported(11, "identify", 10, user_id="bob", traits={"address": {"city": "nîmes"}, "newsletter": "no"}),
]


def flat(record: Record) -> str:
    """A record as a line of a file whose objects are dotted keys."""
    line = {name: getattr(record, name) for name in record.__struct_fields__ if name not in OBJECTS}

    def add(prefix: str, value: dict[str, Any]) -> None:
        for key, item in value.items():
            if isinstance(item, dict):
                add(f"{prefix}.{key}", item)
            else:
                line[f"{prefix}.{key}"] = item

    for name in OBJECTS:
        add(name, getattr(record, name))
    return json.dumps(line, ensure_ascii=False) + "\n"


def project(folder: Path, source: str = "kind: log") -> Path:
    folder.mkdir()
    (folder / "facette.yml").write_text(PROJECT.replace("SOURCE", source), encoding="utf-8")
    return folder


def append(folder: Path, records: list[Record]) -> None:
    log = open_log(EmbeddedLog(), folder)
    log.append([encode(record) for record in records])
    log.close()


@pytest.fixture(scope="module")
def from_file(tmp_path_factory: pytest.TempPathFactory) -> Truth:
    """What a run says of the same records in a file."""
    folder = project(tmp_path_factory.mktemp("file") / "shop", "kind: file\n    path: site.jsonl")
    (folder / "site.jsonl").write_text("".join(map(flat, RECORDS)), encoding="utf-8")
    run(folder, DAY)
    found = truth(folder)
    assert len(found.people) == 3
    return found


def test_a_log_says_what_a_file_with_its_records_says(tmp_path: Path, from_file: Truth) -> None:
    folder = project(tmp_path / "shop")
    append(folder, RECORDS)
    run(folder, DAY)
    assert truth(folder) == from_file
    bob = next(person for person in from_file.people if "user:bob" in person)
    assert bob == {"user:bob", "device:d2"}  # by the alias
    assert from_file.segments[bob] == {"big", "lookers"}


def test_run_after_run_it_comes_to_the_same(tmp_path: Path, from_file: Truth) -> None:
    folder = project(tmp_path / "shop")
    for start, stop in ((0, 3), (3, 7), (7, 12)):
        append(folder, RECORDS[start:stop])
        outcome = run(folder, DAY)
        if start:
            assert actions(outcome)["clean"] == "add"
    assert truth(folder) == from_file
    assert sum(len(rows(folder, f"events_{name}")) for name in ("purchase", "view", "aliased")) == 8


def test_a_run_killed_amid_its_work_repeats_nothing_and_loses_nothing(tmp_path: Path, from_file: Truth) -> None:
    """Also between a landing and the ledger that notes it; and records go on coming."""
    whole = project(tmp_path / "whole")
    append(whole, RECORDS[:4])
    run(whole, DAY)
    append(whole, RECORDS[4:6])
    effects = effects_of_a_run(whole, DAY)
    landed = effects.index("ledger land")
    assert effects[landed - 1].startswith("site ")
    folder = project(tmp_path / "shop")
    append(folder, RECORDS[:4])
    run(folder, DAY)
    for i, number in enumerate([landed, landed + 1]):
        append(folder, RECORDS[4 + 2 * i : 6 + 2 * i])
        killed_before(folder, DAY, number)
    append(folder, RECORDS[8:])
    run(folder, DAY)
    assert truth(folder) == from_file
    assert len(rows(folder, "events_purchase")) == 5


def test_the_plan_tells_how_many_records_wait(tmp_path: Path) -> None:
    folder = project(tmp_path / "shop")
    append(folder, RECORDS[:5])
    run(folder, DAY)
    assert planned(load(folder), as_of=DAY)["steps"][0]["action"] == "skip"
    append(folder, RECORDS[5:])
    found = planned(load(folder), as_of=DAY)
    assert found["sources"]["site"]["waiting"] == 7
    assert "new from site (7 records wait)" in {step["reason"] for step in found["steps"]}


def test_columns_that_no_record_has_are_unknown(tmp_path: Path) -> None:
    folder = project(tmp_path / "shop")
    append(folder, RECORDS[3:5])
    run(folder, DAY)
    file = folder / "facette.yml"
    file.write_text(
        file.read_text().replace("city: {column", "age: {column: traits.age, type: number}\n        city: {column")
    )
    run(folder, DAY)
    assert rows(folder, "events_purchase")[0]["coupon"] is None
    assert "age" in rows(folder, "profiles")[0]


def test_a_log_without_any_record(tmp_path: Path) -> None:
    folder = project(tmp_path / "shop")
    run(folder, DAY)
    assert rows(folder, "profiles") == []
    append(folder, RECORDS)
    run(folder, DAY)
    assert len(rows(folder, "events_purchase")) == 5
