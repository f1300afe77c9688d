"""examples/journey from raw files to segments on one day and, with a day more added, on the next: against plain SQL."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from facette.definitions.models import PropensityModel
from facette.models.kinds import stored
from facette.models.scores import fit_propensity
from facette.models.scores.algorithms import ALGORITHMS
from facette.run import Outcome
from facette.stages.models import training_of
from tests.oracles.journey import expected_features, expected_segments

from .projects import actions, memberships, published, rows, run, work

JOURNEY = Path(__file__).parents[2] / "examples" / "journey"
HYBRID = "fuel_voucher_target"  # a group, a score and a feature
SATURDAY, SUNDAY = date(2017, 12, 30), date(2017, 12, 31)


def prepare_module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("prepare_for_a_run", JOURNEY / "prepare.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> dict[date, tuple[Path, Outcome]]:
    """Each day's project and the run that made it; Sunday's run added to Saturday's."""
    folder = tmp_path_factory.mktemp("journey") / "journey"
    shutil.copytree(JOURNEY, folder, ignore=shutil.ignore_patterns("data", ".facette"))
    prepare = prepare_module().prepare
    found = {}
    for day in (SATURDAY, SUNDAY):
        prepare(day, folder / "data")
        outcome = run(folder, day)
        kept = folder.with_name(day.isoformat())
        shutil.copytree(folder, kept, ignore=shutil.ignore_patterns("raw", "data"))
        found[day] = (kept, outcome)
    return found


def is_near(one: Any, other: Any) -> bool:
    return one == pytest.approx(other, rel=1e-9, abs=1e-9) if isinstance(other, float) else one == other


def wrong_features(found: Mapping[int, Mapping[str, Any]], wanted: Mapping[int, Mapping[str, Any]]) -> list[Any]:
    names = found[1].keys() & wanted[1].keys() - {"household_id"}
    assert len(names) >= 40
    return [
        (household, name, found[household][name], row[name])
        for household, row in wanted.items()
        for name in names
        if not is_near(found[household][name], row[name])
    ]


@pytest.mark.parametrize("day", [SATURDAY, SUNDAY])
def test_every_feature_of_every_household(days: dict[date, tuple[Path, Outcome]], day: date) -> None:
    folder, _ = days[day]
    found = {int(row["household_id"]): row for row in rows(folder, "features")}
    wanted = {row["household_id"]: row for row in expected_features(day).to_pylist()}
    assert found.keys() == wanted.keys()
    assert wrong_features(found, wanted)[:10] == []


@pytest.mark.parametrize("day", [SATURDAY, SUNDAY])
def test_every_member_of_every_segment(days: dict[date, tuple[Path, Outcome]], day: date) -> None:
    folder, _ = days[day]
    households = {row["profile_id"]: int(row["household_id"]) for row in rows(folder, "profiles")}
    members: dict[str, set[int]] = {}
    for row in memberships(folder):
        members.setdefault(row["segment"], set()).add(households[row["profile_id"]])
    wanted = expected_segments(day)
    assert len(wanted) >= 20
    assert {name: members[name] ^ households for name, households in wanted.items()} == {name: set() for name in wanted}


def test_sunday_is_added_to_saturday(days: dict[date, tuple[Path, Outcome]]) -> None:
    _, outcome = days[SUNDAY]
    assert outcome.is_published
    assert [actions(outcome)[stage] for stage in ("clean", "people", "events", "partials")] == ["add"] * 4
    (extract,) = [figures for figures in outcome.stages if figures.stage == "extract"]
    assert extract.rows is not None and extract.rows < 10_000


def test_the_changes_lead_from_saturday_to_sunday(days: dict[date, tuple[Path, Outcome]]) -> None:
    pairs = {
        day: {(row["profile_id"], row["segment"]) for row in memberships(folder)} for day, (folder, _) in days.items()
    }
    folder, outcome = days[SUNDAY]
    changed = {"entered": set(), "left": set()}
    for row in rows(folder, "changes"):
        if row["run"] == outcome.run:
            changed[row["change"]].add((row["profile_id"], row["segment"]))
    assert changed["entered"] == pairs[SUNDAY] - pairs[SATURDAY]
    assert changed["left"] == pairs[SATURDAY] - pairs[SUNDAY]
    sizes = {row["segment"]: row for row in rows(folder, "sizes") if row["run"] == outcome.run}
    for name, row in sizes.items():
        before = sum(segment == name for _, segment in pairs[SATURDAY])
        assert (row["members"], row["stayed"] + row["left"]) == (row["entered"] + row["stayed"], before), name


def test_hybrids_of_clusters_scores_and_rules_are_explained(days: dict[date, tuple[Path, Outcome]]) -> None:
    folder, _ = days[SATURDAY]
    asked = published(folder)
    wide = {row["profile_id"]: row for row in rows(folder, "wide")}
    scored = {row["profile_id"]: row for row in rows(folder, "scored")}
    chosen = [person for person, row in wide.items() if row[HYBRID]][:2]
    chosen += [person for person, row in wide.items() if not row[HYBRID]][:2]
    for person in chosen:
        answer = asked.explain(f"profile_id:{person}", HYBRID)
        assert answer["is_member"] == wide[person][HYBRID]
        _, own = answer["reason"]["items"]  # being in the parent comes first
        group, score, _ = own["items"]
        assert group["items"][0]["value"] == scored[person]["shopping_styles"]
        assert score["value"] == pytest.approx(scored[person]["coupon_propensity"])
        assert score["is_met"] == (scored[person]["coupon_propensity"] >= 10)


def test_scores_keep_what_they_promise_out_of_time(days: dict[date, tuple[Path, Outcome]]) -> None:
    """Each algorithm on real households: well above chance, and honest, at an instant nothing was learned from."""
    folder, _ = days[SATURDAY]
    (row,) = [row for row in rows(folder, "models") if row["kind"] == "propensity"]
    published_score = stored(row).metrics
    with work(folder) as state:
        item = state.definitions.model("coupon_propensity")
        assert isinstance(item, PropensityModel)
        training = training_of(item, state)
    item = item.model_copy(update={"algorithms": tuple(ALGORITHMS)})
    metrics = fit_propensity(item, training).metrics
    found = {each.algorithm: each for each in metrics.compared}
    assert found["logistic"].roc_auc == pytest.approx(published_score.roc_auc)
    for each in found.values():
        assert each.roc_auc > 0.85 and each.expected_calibration_error < 0.05, each
        assert each.brier < metrics.base_rate * (1 - metrics.base_rate) and each.log_loss < 0.25, each
    assert metrics.deciles[0].lift > 4 and metrics.gain[3].low > 0.6
    assert sum(item.low <= item.predicted <= item.high for item in metrics.calibration) >= 6  # the rate itself moved
    interval = metrics.roc_auc_interval
    assert 0.75 < interval.low < metrics.roc_auc < interval.high < 0.98
