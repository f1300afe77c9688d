"""Scores of a project, from events to a person's explanation: fitted, applied, read by a rule, told, and refused."""

from __future__ import annotations

import csv
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from facette.console import show
from facette.models.kinds import stored
from facette.models.scores import FittedPropensity, score_rows
from facette.run import Outcome
from facette.web.report import render

from .projects import edit, published, rows, run

NOW = datetime(2026, 6, 30, 12, tzinfo=UTC)
FIRST = datetime(2026, 2, 20, 12, tzinfo=UTC)
BUYERS = 260
DEFINITIONS = """\
name: shop
language: fr
time_zone: UTC
identifiers: [{name: id}]
sources:
  - name: people
    kind: file
    path: people.csv
    people: {identifiers: {id: id}, fields: {city: {}, future: {type: number}}}
  - name: orders
    kind: file
    path: orders.csv
    events: [{name: order, identifiers: {id: id}, at: at, fields: {amount: {type: number}}}]
features:
  - {name: orders_30d, label: {fr: Commandes du mois}, value: COUNT OF order IN THE LAST 30 DAYS}
  - {name: recency, label: {fr: Récence}, value: RECENCY OF order}
  - {name: largest, value: MAX(amount) OF order}
models:
  - name: again
    kind: propensity
    label: {fr: Reviendra}
    target: order
    horizon_days: 10
    step_days: 10
    instants: 5
    features: [orders_30d, recency, largest, city]
    algorithms: [logistic, lightgbm]
    select: importance
    tune: {with: optuna, trials: 2}
    refit_days: 1
segments:
  - {name: likely, rule: again >= 50 AND orders_30d > 0}
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    """People who come often or seldom, and of late no longer or all the more: a tree sees it, a line hardly."""
    folder = tmp_path_factory.mktemp("scores")
    dice = random.Random(3)
    (folder / "facette.yml").write_text(DEFINITIONS, encoding="utf-8")
    orders = []
    for who in range(BUYERS):
        rate = dice.choice([0.01, 0.03, 0.2])
        day = FIRST + timedelta(minutes=dice.randrange(1440))
        while (day := day + timedelta(days=dice.expovariate(rate))) < NOW:
            orders.append([f"p{who}", day.isoformat(), dice.randrange(5, 90)])
    lately = [who for who, at, _ in orders if at >= (NOW - timedelta(days=10)).date().isoformat()]
    with (folder / "orders.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["id", "at", "amount"], *orders])
    with (folder / "people.csv").open("w", newline="") as file:
        people = [[f"p{who}", dice.choice(["Lyon", "Nantes"]), lately.count(f"p{who}")] for who in range(BUYERS)]
        csv.writer(file).writerows([["id", "city", "future"], *people])
    return folder, run(folder, NOW)


def fitted_of(folder: Path) -> FittedPropensity:
    (row,) = rows(folder, "models")
    fitted = stored(row)
    assert isinstance(fitted, FittedPropensity)
    return fitted


def test_what_is_published_is_what_the_model_says(shop: tuple[Path, Outcome]) -> None:
    folder, outcome = shop
    assert outcome.warnings == [] or all("again" not in warning for warning in outcome.warnings)
    fitted = fitted_of(folder)
    features = sorted(rows(folder, "features"), key=lambda row: row["profile_id"])
    told = {row["profile_id"]: row["again"] for row in rows(folder, "scored")}
    expected = score_rows(fitted, pa.Table.from_pylist(features).select(list(fitted.preparation.features)))
    assert len(told) == BUYERS
    assert [told[row["profile_id"]] for row in features] == pytest.approx(expected.tolist(), abs=1e-11)
    wanted = {row["profile_id"] for row in features if told[row["profile_id"]] >= 50 and row["orders_30d"] > 0}
    assert {row["profile_id"] for row in rows(folder, "wide") if row["likely"]} == wanted != set()
    (worth,) = rows(folder, "worth")
    assert worth["kind"] == "learned" and worth["follows"] == ["again"]
    assert 0.2 < worth["stability_low"] < worth["stability"] < worth["stability_high"] <= 1
    assert [item.algorithm for item in fitted.metrics.compared] == ["logistic", "lightgbm"]
    assert [item.trials for item in fitted.metrics.tuned] == [2, 2]
    assert fitted.metrics.selection is not None and (folder / ".facette" / "tuning.db").is_file()


def test_a_score_is_explained(shop: tuple[Path, Outcome], capsys: pytest.CaptureFixture[str]) -> None:
    folder, _ = shop
    asked, fitted = published(folder), fitted_of(folder)
    some = [row["profile_id"] for row in rows(folder, "scored")][:3]
    for person in some:
        profile = asked.profile(f"profile_id:{person}")
        answer = asked.explain(f"profile_id:{person}", "likely")
        (of_profile,), (told,) = profile["scores"], answer["scores"]
        assert told["value"] == pytest.approx(profile["features"]["again"], abs=1e-9)
        assert told["base"] + sum(part["contribution"] for part in told["contributions"]) == pytest.approx(
            told["logit"]
        )
        expected = 100 * fitted.calibration.probability(np.array([told["logit"]]))[0]
        assert told["value"] == pytest.approx(expected, abs=1e-9)
        assert {part["feature"] for part in told["contributions"]} == set(fitted.preparation.features)
        assert {part["feature"]: part["contribution"] for part in told["contributions"]} == pytest.approx(
            {part["feature"]: part["contribution"] for part in of_profile["contributions"]}
        )
        sizes = [abs(part["contribution"]) for part in told["contributions"]]
        assert sizes == sorted(sizes, reverse=True)
    show("explanation", answer)
    said = capsys.readouterr().out
    assert f"Reviendra vaut {told['value']:.1f}".rstrip("0").rstrip(".") in said
    assert "Commandes du mois = " in said
    show("profile", profile)
    assert "ce qui le pousse vers le haut (+) et vers le bas (−)" in capsys.readouterr().out


def test_the_report_tells_how_it_was_chosen(shop: tuple[Path, Outcome]) -> None:
    folder, _ = shop
    told = {
        "fr": (
            "Les algorithmes comparés",
            "Les caractéristiques retenues",
            "réglages essayés par Optuna",
            "Commandes du",
        ),
        "en": (
            "The algorithms compared",
            "The features kept",
            "settings tried by Optuna",
            "Found against false alarms",
        ),
    }
    for language, texts in told.items():
        html = render(published(folder), language)
        assert [text for text in texts if text not in html] == []


def test_a_leak_leaves_the_version_before_and_is_told(shop: tuple[Path, Outcome]) -> None:
    """The source of people does not say when their traits were known, so that today's stand in the past."""
    folder, _ = shop
    before = fitted_of(folder)
    edit(folder / "facette.yml", "features: [orders_30d, recency, largest, city]", "features: [recency, future]")
    outcome = run(folder, NOW)
    (told,) = [warning for warning in outcome.warnings if "again" in warning]
    assert "“again” would learn from what gives order away: “future” (alone it tells who did" in told
    assert "known_at" in told and "the previous version stays" in told
    assert fitted_of(folder) == before
