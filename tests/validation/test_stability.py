"""Cuts drawn again vary as those of real resamples do, and move the members that they must."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pytest

from facette.clock import Moment
from facette.definitions.model import Feature, Project, Threshold
from facette.definitions.project import Definitions, define
from facette.features.table import feature_plan, feature_table
from facette.features.thresholds import cuts_at
from facette.validation import stability as module
from facette.validation.stability import (
    Stability,
    drawn_cuts,
    drawn_memberships,
    followed,
    over_draws,
    over_groups,
    over_runs,
    together,
)

NOW = Moment(datetime(2026, 6, 1, tzinfo=UTC), "UTC")
N = 800


@pytest.fixture(scope="module")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> Definitions:
    people = {"identifiers": {"id": "id"}, "fields": {name: {"type": "number"} for name in ("spend", "age")}}
    data: dict[str, Any] = {
        "name": "shop",
        "identifiers": [{"name": "id"}],
        "sources": [{"name": "crm", "kind": "file", "path": "crm.csv", "people": people}],
        "features": [
            {"name": "score", "quantiles": {"of": "spend", "groups": 4}},
            {"name": "age_score", "quantiles": {"of": "age", "groups": 3, "reverse": True}, "default": 0},
            {"name": "both", "value": "score + age_score"},
            {"name": "tier", "cuts": {"of": "both", "at": [3, 5]}},
        ],
        "thresholds": [
            {"name": "high", "of": "spend", "quantile": {"q": 0.9}},
            {"name": "old", "of": "age", "quantile": {"q": 0.5, "segment": "top"}},
        ],
        "models": [{"name": "kinds", "kind": "clusters", "features": ["spend", "both"]}],
        "segments": [
            {"name": "fixed", "rule": "age > 40"},
            {"name": "top", "rule": "score = 4"},
            {"name": "upper", "rule": "tier >= 2"},
            {"name": "rich", "rule": "spend > threshold(high)"},
            {"name": "rich_old", "parent": "rich", "rule": "age > threshold(old)"},
            {"name": "kind", "rule": "kinds = 1 AND IN SEGMENT fixed"},
        ],
    }
    return define(Project.model_validate(data), tmp_path_factory.mktemp("stability"))


@pytest.fixture(scope="module")
def people() -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    age = random.integers(18, 90, N).astype(float)
    age[random.random(N) < 0.1] = np.nan
    return {"spend": random.gamma(2, 20, N).round(2), "age": age}


def test_what_a_segment_follows(definitions: Definitions) -> None:
    assert {name: set(names) for name, names in followed(definitions).items()} == {
        "fixed": set(),
        "top": {"score"},
        "upper": {"score", "age_score"},
        "rich": {"high"},
        "rich_old": {"high", "old"},
        "kind": {"kinds", "score", "age_score"},
    }


def test_rules_are_evaluated_with_the_drawn_cuts(
    definitions: Definitions, people: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REPLICATES", 5)
    plan = feature_plan(definitions)
    columns = {"profile_id": np.arange(N), "is_counted": np.ones(N, bool)}
    columns |= {name: pa.array(values, from_pandas=True) for name, values in people.items()}
    profiles = ibis.memtable(pa.table(columns))
    cuts = cuts_at(profiles, {}, plan, NOW, lambda plan, moment: profiles)
    row = feature_table(profiles, {}, plan, NOW, cuts)
    random = np.random.default_rng(1)
    known = {name: values[~np.isnan(values)] for name, values in people.items()}
    drawn = {
        "score": drawn_cuts(definitions.feature("score"), known["spend"], cuts["score"], random),
        "age_score": drawn_cuts(definitions.feature("age_score"), known["age"], cuts["age_score"], random),
        "high": drawn_cuts(definitions.threshold("high"), known["spend"], cuts["high"], random),
        "old": drawn_cuts(definitions.threshold("old"), known["age"], cuts["old"], random),
    }
    names = ["top", "upper", "rich", "rich_old"]
    chosen = np.arange(0, N, 2)
    found = drawn_memberships(row, plan, definitions.rules_below(names), drawn, chosen, NOW)
    spend, age = people["spend"][chosen], people["age"][chosen]
    for place in range(5):
        score = 1 + (spend[:, np.newaxis] > drawn["score"][place]).sum(axis=1)
        by_age = 3 - (age[:, np.newaxis] > drawn["age_score"][place]).sum(axis=1)
        both = score + np.where(np.isnan(age), 0, by_age)
        rich = spend > drawn["high"][place, 0]
        expected = {
            "top": score == 4,
            "upper": both > 3,
            "rich": rich,
            "rich_old": rich & (age > drawn["old"][place, 0]),
        }
        for name in names:
            assert (found[name][place] == expected[name]).all(), name


def test_quantiles_vary_as_those_of_real_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REPLICATES", 3000)
    random = np.random.default_rng(2)
    values = random.gamma(2, 20, 300)
    score = Feature.model_validate({"name": "score", "quantiles": {"of": "spend", "groups": 4}})
    ours = drawn_cuts(score, values, (), random)
    theirs = np.quantile(random.choice(values, (3000, 300)), [0.25, 0.5, 0.75], axis=1).T
    assert ours.mean(axis=0) == pytest.approx(theirs.mean(axis=0), rel=0.02)
    assert ours.std(axis=0) == pytest.approx(theirs.std(axis=0), rel=0.1)
    assert np.corrcoef(ours.T) == pytest.approx(np.corrcoef(theirs.T), abs=0.06)
    assert (np.diff(ours, axis=1) >= 0).all()


def test_other_thresholds_vary_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REPLICATES", 200)
    random = np.random.default_rng(3)
    values = np.concatenate([random.normal(10, 1, 300), random.normal(30, 2, 200)])
    average = Threshold.model_validate({"name": "t", "of": "x", "moving_average": {"days": 7}})
    found = drawn_cuts(average, values, (18.0,), random)
    assert found.mean() == pytest.approx(18, abs=0.15)
    assert found.std() == pytest.approx(values.std() / np.sqrt(500), rel=0.15)
    cluster = Threshold.model_validate({"name": "t", "of": "x", "cluster": {"groups": 2}})
    monkeypatch.setattr(module, "REPLICATES", 10)
    found = drawn_cuts(cluster, values, (19.5,), random)
    assert found.shape == (10, 1) and 0 < found.std() < 2 and found.mean() == pytest.approx(19.5, abs=0.01)
    flat = drawn_cuts(cluster, np.ones(50), (1.0,), random)
    assert (flat == 1).all()


def test_the_index_of_draws() -> None:
    now = np.arange(100) < 40
    drawn = np.array([now, np.arange(100) < 50, np.arange(100) < 20])
    found = over_draws(now, drawn)
    assert found is not None
    assert found.mean == pytest.approx((1 + 0.8 + 0.5) / 3)
    assert found.low < 0.6 and found.high > 0.95 and found.n == 3
    assert over_draws(np.arange(100) < 5, drawn) is None


def test_the_index_from_run_to_run() -> None:
    """Who came with the first run, or by another definition, did not come by himself."""
    first = {"stayed": 0, "entered": 100, "left": 0, "entered_by_definition": None}
    calm = {"stayed": 90, "entered": 5, "left": 5, "entered_by_definition": None}
    rough = {"stayed": 50, "entered": 25, "left": 25, "entered_by_definition": None}
    other = {"stayed": 10, "entered": 80, "left": 90, "entered_by_definition": 70}
    found = over_runs([first, calm, other, rough])
    assert found is not None
    assert (found.mean, found.low, found.high, found.n) == (pytest.approx(0.7), 0.5, 0.9, 2)
    assert over_runs([first]) is None
    assert over_runs([first, {"stayed": 0, "entered": 0, "left": 0, "entered_by_definition": None}]) is None


def test_a_segment_of_groups_is_as_stable_as_they_are() -> None:
    numbers = np.repeat([1, 2, 3, 0], [60, 20, 10, 10])
    known = {1: 0.9, 2: 0.5, 3: None}
    assert over_groups(numbers == 1, numbers, known) == Stability(0.9, 0.9, 0.9, 1)
    both = over_groups(np.isin(numbers, [1, 2]), numbers, known)
    assert both is not None and (both.mean, both.low, both.high) == pytest.approx((0.8, 0.5, 0.9))
    assert over_groups(numbers >= 2, numbers, known) is None  # of group 3 it is not known
    assert over_groups(numbers == 0, numbers, {1: 0.9}) is None  # too few, and no group
    assert over_groups(numbers == 2, numbers, {2: 0.5}) is not None
    assert over_groups((numbers == 2) & (np.arange(100) % 2 == 0), numbers, known) is None  # too few
    found = together([Stability(0.8, 0.5, 0.9, 2), Stability(0.9, 0.8, 1.0, 40)])
    assert found is not None and (found.mean, found.low, found.high) == pytest.approx((0.72, 0.4, 0.9))
    assert together([Stability(0.8, 0.5, 0.9, 2), None]) is None and together([]) is None
