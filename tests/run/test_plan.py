"""``plan`` prints what ``run`` then does, and every change causes just the stages that it must."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from facette.definitions.project import load
from facette.plan import Arrivals, plan
from facette.run import moment_of, planned

from .projects import actions, another_day, content, copied, differences, edit, rows, run, snapshot, starter

STAGES = ("clean", "people", "events", "partials", "features", "models", "segments", "validation")
LATER = {
    "clean": {"clean", "people", "events", "partials", "features", "models", "segments", "validation"},
    "partials": {"partials", "features", "models", "segments", "validation"},
    "features": {"features", "models", "segments", "validation"},
    "models": {"models", "segments", "validation"},
    "segments": {"segments", "validation"},
    "validation": {"validation"},
    "nothing": set(),
}
"""First stage that has something to do → all that have."""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = starter(tmp_path_factory.mktemp("plan") / "shop")
    run(folder)
    return folder


@pytest.fixture
def project(base: Path, tmp_path: Path) -> Path:
    return copied(base, tmp_path / "shop", has_store=True)


def told(folder: Path, **how: object) -> dict[str, str]:
    """Stage → action, as ``plan`` tells it."""
    return {step["stage"]: step["action"] for step in planned(load(folder), **how)["steps"]}  # type: ignore[arg-type]


def done(folder: Path, **how: object) -> dict[str, str]:
    """Stage → action, as ``run`` did it; a run that found nothing to do has skipped all."""
    return dict.fromkeys(STAGES, "skip") | actions(run(folder, **how))  # type: ignore[arg-type]


# ── definitions change ──────────────────────────────────────────────────────────────────────────────────────────────


def change(file: str, old: str, new: str) -> Callable[[Path], None]:
    return lambda folder: edit(folder / file, old, new)


CHANGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "label of a segment": (change("segments.yml", "fr: clients actifs", "fr: actifs"), "validation"),
    "label of a trait": (change("facette.yml", "label: {fr: ville, en: city}", "label: {fr: commune}"), "validation"),
    "description": (change("segments.yml", "Bought in the last year", "They bought"), "validation"),
    "comment": (change("segments.yml", "Segments can name each other.", "Or not."), "nothing"),
    "same rule in other words": (
        change(
            "segments.yml", "rule: DID purchase IN THE LAST 90 DAYS", "rule: a fait achat dans les 90 derniers jours"
        ),
        "validation",
    ),
    "validation": (change("facette.yml", "minimum_size: 3", "minimum_size: 9"), "validation"),
    "rule without new aggregates": (change("segments.yml", "panier moyen >= 40", "panier moyen >= 45"), "segments"),
    "parent": (change("segments.yml", "parent: lapsed", "parent: active"), "segments"),
    "new window in a rule": (change("segments.yml", "LAST 90 DAYS", "LAST 80 DAYS"), "partials"),
    "model": (change("facette.yml", "maximum_clusters: 4", "maximum_clusters: 3"), "models"),
    "feature of features": (
        change("facette.yml", "value: spend_1y / n_orders_1y", "value: spend_1y / (n_orders_1y + 1)"),
        "features",
    ),
    "quantiles": (change("facette.yml", "groups: 3", "groups: 4"), "features"),
    "feature over events": (change("facette.yml", "LAST 1 YEARS}", "LAST 11 MONTHS}"), "partials"),
    "mapping of a source": (change("facette.yml", "{web: Web, Site: Web}", "{web: Web}"), "clean"),
    "time zone": (change("facette.yml", "Europe/Paris", "America/New_York"), "clean"),
    "population": (change("facette.yml", "country: FR", "population: [email]"), "clean"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_causes_the_stages_that_it_must_and_no_others(project: Path, name: str) -> None:
    make, first = CHANGES[name]
    if name == "population":
        edit(project / "facette.yml", "language: fr\n", "language: fr\ncountry: FR\n")
    make(project)
    steps = told(project)
    assert {stage for stage, action in steps.items() if action != "skip"} == LATER[first]
    assert all(action in ("skip", "rebuild") for action in steps.values())


@pytest.mark.parametrize("name", ["label of a segment", "parent", "feature of features", "mapping of a source"])
def test_run_does_what_plan_says_and_then_there_is_nothing_left(project: Path, tmp_path: Path, name: str) -> None:
    CHANGES[name][0](project)
    steps = told(project)
    assert done(project) == steps
    assert set(told(project).values()) == {"skip"}
    anew = copied(project, tmp_path / "anew", has_store=True)
    run(anew, is_full=True)
    history = {"changes", "sizes", "drift", "worth"}
    assert differences(content(project, without=history), content(anew, without=history)) == {}


# ── data and time ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_first_run_and_everything_anew(project: Path, tmp_path: Path) -> None:
    fresh = copied(project, tmp_path / "fresh", has_store=False)
    assert set(told(fresh).values()) == {"rebuild"}
    assert planned(load(fresh))["published"] is None
    assert set(told(project).values()) == {"skip"}
    assert set(told(project, is_full=True).values()) == {"rebuild"}
    assert done(project, is_full=True) == told(project, is_full=True)


def test_new_rows_are_added(project: Path) -> None:
    another_day(project)
    steps = told(project)
    assert [steps[stage] for stage in STAGES[:4]] == ["add"] * 4
    assert planned(load(project))["sources"] == {
        "customers": {"new": 0, "replaced": 0, "waiting": 0},
        "orders": {"new": 1, "replaced": 0, "waiting": 0},
    }
    assert done(project) == steps


def test_a_changed_file_makes_everything_anew(project: Path) -> None:
    orders = project / "data" / "orders.csv"
    orders.write_bytes(orders.read_bytes() + b"F0999;C001;30/09/2026;1,00;bio;Web\n")
    steps = told(project)
    assert set(steps.values()) == {"rebuild"}
    assert planned(load(project))["sources"]["orders"] == {"new": 0, "replaced": 1, "waiting": 0}
    assert done(project) == steps


def test_time_alone(project: Path) -> None:
    steps = told(project, as_of=date(2026, 10, 4))
    assert steps == dict.fromkeys(STAGES, "rebuild") | {
        "clean": "skip",
        "people": "add",
        "events": "skip",
        "partials": "add",
    }
    assert done(project, as_of=date(2026, 10, 4)) == steps


def test_within_a_day_nothing_changes_unless_hours_are_spoken_of(project: Path) -> None:
    run(project, datetime(2026, 10, 4, 8, 0, tzinfo=UTC))
    assert set(told(project, as_of=datetime(2026, 10, 4, 20, 0, tzinfo=UTC)).values()) == {"skip"}
    edit(project / "segments.yml", "LAST 90 DAYS", "LAST 90 HOURS")
    run(project, datetime(2026, 10, 4, 8, 0, tzinfo=UTC))
    assert set(told(project, as_of=datetime(2026, 10, 4, 8, 4, tzinfo=UTC)).values()) == {"skip"}
    assert told(project, as_of=datetime(2026, 10, 4, 8, 5, tzinfo=UTC))["partials"] == "add"


def test_back_in_time_computes_anew_and_forgets_what_came_later(tmp_path: Path) -> None:
    project = starter(tmp_path / "shop", has_models=False)
    run(project)
    run(project, date(2026, 10, 4))
    run(project, date(2026, 12, 24))
    steps = told(project, as_of=date(2026, 10, 10))
    assert steps["partials"] == "rebuild"
    assert done(project, as_of=date(2026, 10, 10)) == steps

    straight = copied(project, tmp_path / "straight", has_store=False)
    run(straight)
    run(straight, date(2026, 10, 4))
    run(straight, date(2026, 10, 10))
    assert {row["as_of"].date() for row in rows(project, "sizes")} == {
        date(2026, 9, 30),
        date(2026, 10, 4),
        date(2026, 10, 10),
    }
    assert differences(content(project, but={"run"}), content(straight, but={"run"})) == {}


def test_a_model_that_learnt_from_what_lies_ahead_is_fitted_again(project: Path) -> None:
    run(project, date(2026, 12, 24))
    assert [row["version"] for row in rows(project, "models")] == [2]
    run(project, date(2026, 12, 23))
    assert [(row["version"], row["fitted_at"].date()) for row in rows(project, "models")] == [(3, date(2026, 12, 23))]


def test_a_table_that_events_look_things_up_in(tmp_path: Path) -> None:
    folder = starter(tmp_path / "shop", has_models=False)
    (folder / "data" / "shops.csv").write_text("Canal;Region\nWeb;-\nBoutique;Ouest\n")
    edit(
        folder / "facette.yml",
        "features:\n",
        "  - {name: shops, kind: file, path: data/shops.csv, table: {key: Canal}}\n\nfeatures:\n",
    )
    edit(
        folder / "facette.yml",
        "        at: Date\n",
        "        at: Date\n        lookups: [{source: shops, on: Canal}]\n",
    )
    edit(folder / "facette.yml", "          category:", "          region: {column: Region}\n          category:")
    run(folder)
    (folder / "data" / "shops.csv").write_text("Canal;Region\nWeb;-\nBoutique;Est\n")
    assert set(told(folder).values()) == {"rebuild"}
    run(folder)
    assert {row["region"] for row in rows(folder, "events_purchase")} == {None, "Est", "-"}


def test_another_version_of_facette_makes_everything_anew(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facette.plan.version", lambda name: "99.0")
    steps = planned(load(project))["steps"]
    assert {step["action"] for step in steps} == {"rebuild"}
    assert steps[0]["reason"] == "another version of Facette made the tables"


def test_a_source_that_must_be_read_to_be_known(project: Path) -> None:
    definitions = load(project)
    moment = moment_of(definitions, None, datetime.now(UTC))
    arrivals = {"customers": Arrivals(0), "orders": Arrivals(None)}
    assert plan(definitions, snapshot(project), moment, arrivals)[0].reason == "new from orders (to be read)"
