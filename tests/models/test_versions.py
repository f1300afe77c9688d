"""Versions of models: kept, chosen, released; what moved is told; MLflow hears of each, or the run says not."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path

import pytest
from tests.run.projects import actions, edit, published, rows, run

from facette.definitions.project import load
from facette.errors import NotFoundError, RunError
from facette.models.kinds import stored
from facette.versions import must_refit, release, rollback, versions
from facette.warehouse.ledger import Ledger

FIRST = date(2026, 3, 1)
DEFINITIONS = """\
name: shop
identifiers: [{name: id}]
sources:
  - {name: people, kind: file, path: people.csv, people: {identifiers: {id: id}, fields: {age: {type: number}}}}
models:
  - {name: priority, kind: composite, refit_days: 10, parts: [{of: age}], bands: [{name: low, below: 50}, {name: high}]}
  - {name: above, kind: composite, refit_days: 1000, parts: [{of: priority, scale: minmax}]}
segments:
  - {name: first, label: {en: first}, rule: priority = high}
"""


def people(folder: Path, *ages: int) -> None:
    lines = [f"p{n},{age}" for n, age in enumerate(ages)]
    (folder / "people.csv").write_text("\n".join(["id,age", *lines]) + "\n", encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "facette.yml").write_text(DEFINITIONS, encoding="utf-8")
    people(tmp_path, *range(20, 60))
    return tmp_path


def applied(folder: Path) -> dict[str, int]:
    return {row["name"]: row["version"] for row in rows(folder, "models")}


def members(folder: Path) -> int:
    return rows(folder, "sizes")[-1]["members"]


def test_a_person_chooses_an_earlier_version_and_lets_go_of_it(folder: Path) -> None:
    run(folder, FIRST)
    assert applied(folder) == {"priority": 1, "above": 1} and members(folder) == 20
    people(folder, *range(40, 80))
    moved = run(folder, FIRST + timedelta(days=5))
    assert applied(folder) == {"priority": 1, "above": 1} and members(folder) == 40  # the scale is that of the fit
    (told,) = [warning for warning in moved.warnings if warning.startswith("“priority”")]
    assert "the population has moved since version 1 was fitted (2026-03-01): age (" in told and "priority (" in told
    run(folder, FIRST + timedelta(days=11))
    assert applied(folder) == {"priority": 2, "above": 2} and members(folder) == 20  # what reads it follows

    answer = rollback(load(folder), "priority")
    assert (answer["version"], answer["before"]) == (1, 2)
    assert applied(folder) == {"priority": 2, "above": 2}  # until the next run
    outcome = run(folder, FIRST + timedelta(days=11))
    assert actions(outcome)["features"] == "skip" and actions(outcome)["models"] == "rebuild"
    assert applied(folder) == {"priority": 1, "above": 3} and members(folder) == 40
    assert not run(folder, FIRST + timedelta(days=11)).is_published
    run(folder, FIRST + timedelta(days=40))
    assert applied(folder)["priority"] == 1  # a choice is not undone by age

    release(load(folder), "priority")
    assert run(folder, FIRST + timedelta(days=40)).is_published
    assert applied(folder)["priority"] == 3 and members(folder) == 20
    (priority, _) = versions(load(folder))
    assert (priority["applied"], priority["chosen"]) == (3, None)
    assert [item["version"] for item in priority["versions"]] == [3, 2, 1]
    assert all(item["rows"] == 40 and item["code"]["facette"] and item["data"] for item in priority["versions"])


def test_a_person_has_a_model_fitted_anew_at_once(folder: Path) -> None:
    run(folder, FIRST)
    assert not run(folder, FIRST).is_published
    outcome = run(folder, FIRST, refit=must_refit(load(folder), ["priority"]))
    detail = next(figures.detail for figures in outcome.stages if figures.stage == "models")
    assert detail == "rebuild: fitted anew, as asked: priority"
    assert applied(folder) == {"priority": 2, "above": 2}  # what reads it follows
    assert not run(folder, FIRST).is_published
    run(folder, FIRST + timedelta(days=5), refit=["above"])  # beside what a run does anyway
    assert applied(folder) == {"priority": 2, "above": 3}

    with pytest.raises(NotFoundError, match="no model priorty"):
        must_refit(load(folder), ["above", "priorty"])
    rollback(load(folder), "priority", 1)
    with pytest.raises(RunError, match="Version 1 of “priority” was chosen") as caught:
        must_refit(load(folder), ["priority"])
    assert "facette models release priority" in caught.value.remedy


def test_a_choice_ends_with_the_definition_that_it_was_fitted_by(folder: Path) -> None:
    run(folder, FIRST)
    people(folder, *range(40, 80))
    run(folder, FIRST + timedelta(days=11))
    rollback(load(folder), "priority", 1)
    run(folder, FIRST + timedelta(days=12))
    edit(folder / "facette.yml", "parts: [{of: age}]", "parts: [{of: age, scale: minmax}]")
    outcome = run(folder, FIRST + timedelta(days=12))
    assert any("the choice has ended" in warning for warning in outcome.warnings)
    assert applied(folder)["priority"] == 3 and versions(load(folder))[0]["chosen"] is None
    with pytest.raises(RunError, match="no earlier version") as caught:
        rollback(load(folder), "priority")
    assert "definition" in caught.value.remedy
    with pytest.raises(RunError, match="another definition"):
        rollback(load(folder), "priority", 1)
    assert not run(folder, FIRST + timedelta(days=12)).is_published


def test_versions_outlive_the_tables(folder: Path) -> None:
    run(folder, FIRST)
    (folder / ".facette" / "published.json").unlink()
    run(folder, FIRST + timedelta(days=11))
    assert applied(folder)["priority"] == 2
    with closing(Ledger(folder / ".facette")) as ledger:
        kept = ledger.versions()
    assert [(row["name"], row["version"]) for row in kept] == [
        ("above", 2),
        ("above", 1),
        ("priority", 2),
        ("priority", 1),
    ]


def test_what_is_not_there_is_refused(folder: Path) -> None:
    run(folder, FIRST)
    definitions = load(folder)
    with pytest.raises(NotFoundError, match="no model priorty") as caught:
        rollback(definitions, "priorty")
    assert "priority" in caught.value.remedy
    with pytest.raises(NotFoundError, match="no version 7"):
        rollback(definitions, "priority", 7)
    with pytest.raises(RunError, match="No version of “priority” was chosen"):
        release(definitions, "priority")


# ── MLflow ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def tracked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("TRACKING", f"sqlite:///{folder}/mlflow.db")
    text = (folder / "facette.yml").read_text() + "mlflow: {tracking_uri: '${TRACKING}', experiment: shop}\n"
    (folder / "facette.yml").write_text(text, encoding="utf-8")
    monkeypatch.chdir(folder)  # where MLflow puts artefacts of a database
    yield folder


@pytest.mark.filterwarnings("ignore")  # those of MLflow's own libraries
def test_each_version_is_logged_once_and_a_dead_server_fails_no_run(
    tracked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.tracking import MlflowClient  # noqa: PLC0415

    good = f"sqlite:///{tracked}/mlflow.db"
    monkeypatch.setenv("TRACKING", "http://127.0.0.1:9")
    outcome = run(tracked, FIRST)
    assert outcome.is_published
    (told,) = outcome.warnings
    assert told.startswith("MLflow was not told of new versions, which the next run tries again:")
    monkeypatch.setenv("TRACKING", good)
    for day in (1, 12):
        assert run(tracked, FIRST + timedelta(days=day)).warnings == []
    client = MlflowClient(tracking_uri=good)
    experiment = client.get_experiment_by_name("shop")
    assert experiment is not None
    logged = client.search_runs([experiment.experiment_id])
    names = sorted(item.data.tags["mlflow.runName"] for item in logged)
    assert names == ["above 1", "above 2", "priority 1", "priority 2"]
    (first,) = [item for item in logged if item.data.tags["mlflow.runName"] == "priority 1"]
    assert first.info.status == "FINISHED" and first.data.metrics["rows"] == 40
    assert first.data.params["name"] == "priority" and first.data.tags["facette.version"] == "1"
    model = json.loads(Path(client.download_artifacts(first.info.run_id, "model.json")).read_text())
    (stored,) = [item for item in versions(load(tracked)) if item["model"] == "priority"]
    assert stored["versions"][-1]["mlflow"] == first.info.run_id
    assert model["parameters"]["parts"][0]["of"] == "age"
    assert published(tracked).snapshot.applied == {"priority": 2, "above": 2}


@pytest.mark.filterwarnings("ignore")  # those of MLflow's own libraries
@pytest.mark.parametrize("fails", ["log_dict", "set_terminated", "ledger"])
def test_a_server_that_fails_in_the_middle_has_each_version_once(
    tracked: Path, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    from mlflow.tracking import MlflowClient  # noqa: PLC0415

    def broken(*_: object, **__: object) -> None:
        raise OSError("the line is cut")

    with monkeypatch.context() as patch:
        patch.setattr(*((Ledger, "track") if fails == "ledger" else (MlflowClient, fails)), broken)
        (told,) = run(tracked, FIRST).warnings
        assert "the next run tries again: the line is cut" in told
    assert run(tracked, FIRST + timedelta(days=1)).warnings == []
    client = MlflowClient(tracking_uri=f"sqlite:///{tracked}/mlflow.db")
    experiment = client.get_experiment_by_name("shop")
    assert experiment is not None
    logged = client.search_runs([experiment.experiment_id])
    assert sorted(item.data.tags["mlflow.runName"] for item in logged) == ["above 1", "priority 1"]
    assert {item.info.status for item in logged} == {"FINISHED"}
    for item in logged:
        assert client.download_artifacts(item.info.run_id, "model.json")


def test_what_another_facette_wrote_is_fitted_anew(folder: Path) -> None:
    run(folder, FIRST)
    with sqlite3.connect(folder / ".facette" / "ledger.db") as ledger:
        ledger.execute("UPDATE model_versions SET record = replace(record, 'knots', 'nodes') WHERE name = 'priority'")
    ledger.close()
    people(folder, *range(30, 70))
    outcome = run(folder, FIRST + timedelta(days=1))
    assert [warning for warning in outcome.warnings if "another version of Facette" in warning]
    assert applied(folder)["priority"] == 2


def test_a_map_keeps_ids_only_of_people_who_are_there_and_only_in_its_table(folder: Path) -> None:
    edit(folder / "facette.yml", "models:\n", MAP)
    people(folder, *range(20, 60))
    run(folder, FIRST)

    def shown() -> tuple[int, ...]:
        (row,) = [row for row in rows(folder, "models") if row["kind"] == "map"]
        fitted = stored(row)
        assert len(fitted.metrics.pictures[0].places) == len(fitted.people())  # type: ignore[attr-defined]
        return fitted.people()

    assert len(shown()) == 40
    with closing(Ledger(folder / ".facette")) as ledger:
        (kept,) = [row for row in ledger.versions() if row["kind"] == "map"]
    assert stored(kept).people() == () and json.loads(kept["metrics"])["pictures"][0]["places"] == []
    run(folder, FIRST + timedelta(days=1))
    assert len(shown()) == 40  # the version that is young, with its people
    people(folder, *range(20, 50))
    run(folder, FIRST + timedelta(days=2))
    there = {row["profile_id"] for row in rows(folder, "features")}
    assert len(there) == 30 and set(shown()) == there


MAP = """\
features: [{name: older, value: age * age}]
models:
  - {name: chart, kind: map, features: [age, older], methods: [pca], dimensions: [2], sample: 100, variance: 1}
"""
