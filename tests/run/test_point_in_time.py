"""Nothing is seen before it was known: a past instant asked about later is what a run said that was made at that time.

Two shops read the same deliveries. ``then`` ran when only the first had come; ``later`` ran when all had, among them
orders received long after they happened, traits and amounts put right, an e-mail address and people nobody knew of.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from facette.clock import Moment
from facette.definitions.models import PropensityModel
from facette.definitions.project import load
from facette.models.training import past_moments, training_set
from facette.what_if import what_if

from .projects import Silent, published, rows, run, work

ZONE = "Europe/Paris"
END = datetime(2026, 6, 30, 22, tzinfo=UTC) - timedelta(microseconds=1)  # of that day in Paris
THEN = END - timedelta(days=11)  # the latest instant from which the model learns
HORIZON = 10
FEATURES = ("n", "spent", "largest", "recency", "last_amount", "score", "points", "returned")
DEFINITIONS = f"""\
name: shop
time_zone: {ZONE}
population: [id]
identifiers: [{{name: id}}, {{name: email, format: email}}]
sources:
  - name: people
    kind: file
    path: people*.csv
    people: {{identifiers: {{id: id, email: email}}, known_at: seen, fields: {{plan: {{}}, points: {{type: number}}}}}}
  - name: orders
    kind: file
    path: orders*.csv
    events: [{{name: order, identifiers: {{id: id}}, id: ["no"], at: at, known_at: received,
              fields: {{amount: {{type: number}}}}}}]
features:
  - {{name: n, value: COUNT OF order}}
  - {{name: spent, value: SUM(amount) OF order IN THE LAST 30 DAYS}}
  - {{name: largest, value: MAX(amount) OF order}}
  - {{name: recency, value: RECENCY OF order}}
  - {{name: last_amount, value: LAST(amount) OF order}}
  - {{name: returned, value: COUNT OF order WHERE amount < 10}}
  - {{name: score, quantiles: {{of: spent, groups: 4}}}}
models:
  - {{name: next, kind: propensity, target: order, horizon_days: {HORIZON}, step_days: 12, instants: 3,
     features: [n, spent, largest, recency, last_amount, score, points, returned]}}
validation: {{gate: publish}}
segments:
  - {{name: best, rule: score = 4}}
  - {{name: pro, rule: plan = pro}}
  - {{name: reachable, rule: email IS KNOWN}}
  - {{name: again, rule: DID order THEN order WITHIN 5 DAYS}}
  - {{name: good, rule: IN SEGMENT best OR IN SEGMENT pro}}
"""
PEOPLE = ["id", "email", "seen", "plan", "points"]
ORDERS = ["no", "id", "at", "received", "amount"]


def deliveries() -> dict[str, list[dict[str, Any]]]:
    """Rows of each file: seeded ones, and those of the people who are named for what happens to them."""
    dice = random.Random(7)
    start = END - timedelta(days=90)
    people = [
        {"id": f"p{i:03}", "seen": start, "plan": dice.choice(["free", "pro"]), "points": dice.randrange(50)}
        for i in range(160)
    ]
    orders = []
    for i in range(1400):
        at = start + timedelta(minutes=dice.randrange(90 * 24 * 60 - 60))
        late = timedelta(days=dice.randrange(1, 40)) if dice.random() < 0.2 else timedelta(minutes=1)
        amount = dice.randrange(1, 90)
        orders.append({"no": i, "id": f"p{dice.randrange(160):03}", "at": at, "received": at + late, "amount": amount})
    early, after = THEN - timedelta(days=20), THEN + timedelta(hours=1)
    people += [
        {"id": "late", "seen": early, "plan": "free", "points": 1},
        {"id": "corrected", "seen": early, "plan": "free", "points": 1},
        {"id": "corrected", "email": "c@example.org", "seen": after, "plan": "pro", "points": 99},
        {"id": "newcomer", "email": "n@example.org", "seen": after, "plan": "pro", "points": 99},
    ]
    orders += [
        {"no": "L1", "id": "late", "at": early, "received": early, "amount": 5},
        {"no": "L2", "id": "late", "at": early + timedelta(days=2), "received": after, "amount": 5000},
        {"no": "C1", "id": "corrected", "at": early, "received": early, "amount": 7},
        {"no": "C1", "id": "corrected", "at": early, "received": after, "amount": 7000},
        {"no": "N1", "id": "newcomer", "at": early, "received": after, "amount": 9000},
    ]
    return {
        "people1": [row for row in people if row["seen"] <= THEN],
        "people2": [row for row in people if row["seen"] > THEN],
        "orders1": [row for row in orders if row["received"] <= THEN],
        "orders2": [row for row in orders if row["received"] > THEN],
    }


def shop(folder: Path) -> Path:
    folder.mkdir()
    (folder / "facette.yml").write_text(DEFINITIONS, encoding="utf-8")
    return folder


def deliver(folder: Path, *names: str) -> None:
    for name in names:
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, PEOPLE if name.startswith("people") else ORDERS)
            writer.writeheader()
            writer.writerows(deliveries()[name])


@pytest.fixture(scope="module")
def then(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = shop(tmp_path_factory.mktemp("point") / "then")
    deliver(folder, "people1", "orders1")
    run(folder, THEN)
    return folder


@pytest.fixture(scope="module")
def later(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = shop(tmp_path_factory.mktemp("point") / "later")
    deliver(folder, "people1", "orders1", "people2", "orders2")
    run(folder, END)
    return folder


def by_id(table: list[dict[str, Any]], ids: Mapping[int, str]) -> dict[str, dict[str, Any]]:
    return {ids[row["profile_id"]]: {name: row[name] for name in row if name != "profile_id"} for row in table}


def ids(folder: Path) -> dict[int, str]:
    return {row["profile_id"]: row["value"] for row in rows(folder, "identities") if row["kind"] == "id"}


def test_features_at_a_past_instant_are_those_of_a_run_made_then(then: Path, later: Path) -> None:
    told = by_id(rows(then, "features"), ids(then))
    with work(later) as state:
        seen = state.features_at(Moment(THEN, ZONE), (*FEATURES, "plan")).to_pyarrow().to_pylist()
    now = by_id(seen, ids(later))
    columns = [*FEATURES, "plan", "email", "n_identifiers"]
    assert {who: [row[name] for name in columns] for who, row in now.items()} == {
        who: [row[name] for name in columns] for who, row in told.items()
    }
    assert "newcomer" not in now
    assert (now["late"]["n"], now["late"]["largest"]) == (1, 5)
    assert (now["corrected"]["largest"], now["corrected"]["points"], now["corrected"]["email"]) == (7, 1, None)
    published_now = by_id(rows(later, "features"), ids(later))
    assert (published_now["late"]["largest"], published_now["newcomer"]["n"]) == (5000, 1)
    assert (published_now["corrected"]["points"], published_now["corrected"]["email"]) == (99, "c@example.org")


def test_a_training_set_knows_of_the_past_what_was_known_then(then: Path, later: Path) -> None:
    item = next(each for each in load(later).project.models if isinstance(each, PropensityModel))
    with work(later) as state:
        events = state.events("order")
        first_day = (END - timedelta(days=90)).date()
        moments = past_moments(item, state.moment, first_day)
        assert moments[0].as_of == THEN
        table = training_set(
            item, None, events, lambda at: state.features_at(at, item.features), moments, state.moment
        ).to_pyarrow()
    names = ids(later)
    learned = {names[row["profile_id"]]: row for row in table.to_pylist() if row["instant"] == THEN}
    told = by_id(rows(then, "features"), ids(then))
    assert {who: [row[name] for name in FEATURES] for who, row in learned.items()} == {
        who: [row[name] for name in FEATURES] for who, row in told.items()
    }
    orders = [row for name in ("orders1", "orders2") for row in deliveries()[name]]
    did = {row["id"] for row in orders if THEN < row["at"] <= THEN + timedelta(days=HORIZON) and row["received"] <= END}
    assert {who for who, row in learned.items() if row["target"]} == did & learned.keys()
    assert 20 < len(did) < 140
    fitted = rows(later, "models")
    assert [row["name"] for row in fitted] == ["next"]


def test_what_if_at_a_past_instant_answers_as_a_run_made_then(then: Path, later: Path) -> None:
    was = published(then)
    for segment, members in {row["segment"]: row["members"] for row in was.segments()}.items():
        rule = was.definitions.segment(segment).rule
        answer = what_if(published(later), segment, Silent(), rule=rule, as_of=THEN)
        figures = (answer["members"], answer["would_be"], answer["population"])
        assert figures == (members, members, 162), segment
    for rule in ("spent > 100 OR n >= 12", "largest > 4000", "points = 99", "email IS KNOWN", "DID NOT order"):
        answer = what_if(published(later), "best", Silent(), rule=rule, as_of=THEN)
        assert answer["would_be"] == was.preview(rule)["members"], rule
    known_now = what_if(published(later), "best", Silent(), rule="largest > 4000", as_of=THEN, known_at=END)
    assert (known_now["would_be"], known_now["population"]) == (2, 163)
