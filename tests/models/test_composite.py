"""Composites: scales against the plain count of people, order of dependence, and what each part adds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from tests.cdnow import DEFINITIONS, project

from facette.definitions.models import CompositeModel, Part
from facette.definitions.project import load
from facette.errors import DefinitionError, ModelError
from facette.models.composite import FittedComposite, explained, fit_composite
from facette.warehouse.connect import connect


def people(n: int = 2001) -> pa.Table:
    random = np.random.default_rng(4)
    visits = random.poisson(0.7, n).astype(float)
    spend = np.round(random.lognormal(3, 1, n), 2)
    return pa.table(
        {
            "profile_id": np.arange(n),
            "visits": visits,
            "spend": pa.array(spend, mask=random.random(n) < 0.1),
            "is_subscribed": random.random(n) < 0.4,
        }
    )


def points(fitted: FittedComposite, rows: pa.Table) -> np.ndarray:
    table = connect().create_table("people", rows)
    found = table.select("profile_id", points=fitted.output(table)).to_pyarrow().sort_by("profile_id")
    return found["points"].to_numpy()


def composite(*parts: Part) -> CompositeModel:
    return CompositeModel(name="priority", kind="composite", parts=parts)


def test_a_percentile_is_the_share_of_people_below() -> None:
    rows = people()
    visits = rows["visits"].to_numpy()
    expected = np.array([100 * ((visits < v).mean() + (visits == v).mean() / 2) for v in visits])
    assert points(fit_composite(composite(Part(of="visits")), rows), rows) == pytest.approx(expected)
    turned = composite(Part(of="visits", reverse=True))
    assert points(fit_composite(turned, rows), rows) == pytest.approx(100 - expected)
    spend = rows["spend"].to_numpy()
    rank = np.array([100 * ((spend < v).sum() + (spend == v).sum() / 2) / (~np.isnan(spend)).sum() for v in spend])
    found = points(fit_composite(composite(Part(of="spend", unknown=50)), rows), rows)
    assert (found[np.isnan(spend)] == 50).all()
    assert np.abs(found - rank)[~np.isnan(spend)].max() < 1.5  # a line between 25 knots


def test_the_scales_and_the_weights() -> None:
    model = composite(
        Part(of="visits", scale="cuts", at=(0, 2), weight=3),
        Part(of="spend", scale="minmax", low=10, high=60, reverse=True),
        Part(of="is_subscribed", scale="minmax", low=0, high=1, weight=4),
    )
    rows = people()
    fitted = fit_composite(model, rows)
    spend = rows["spend"].to_numpy()
    visits = np.select([rows["visits"].to_numpy() > 2, rows["visits"].to_numpy() > 0], [100.0, 50.0], 0.0)
    dear = np.where(np.isnan(spend), 0, 100 - 100 * np.clip((np.nan_to_num(spend) - 10) / 50, 0, 1))
    subscribed = np.where(rows["is_subscribed"].to_numpy(zero_copy_only=False), 100, 0)
    expected = (3 * visits + dear + 4 * subscribed) / 8
    assert points(fitted, rows) == pytest.approx(expected)
    again = FittedComposite.from_json(fitted.parameters_json(), fitted.metrics_json())
    assert again == fitted
    (person,) = np.flatnonzero(expected == expected.max())[:1]
    table = connect().create_table("person", rows.slice(person, 1))
    parts = explained(fitted, table)
    assert sum(part["contribution"] for part in parts) == pytest.approx(expected[person])
    assert [part["contribution"] for part in parts] == sorted((part["contribution"] for part in parts), reverse=True)


def test_nobody_with_a_value_is_refused() -> None:
    nobody = pa.table({"profile_id": [1, 2], "visits": pa.array([None, None], pa.float64())})
    with pytest.raises(ModelError, match="nobody has a value"):
        fit_composite(composite(Part(of="visits")), nobody)


def problems(folder: Path, old: str, new: str) -> list[str]:
    """What is found wrong, with its line."""
    assert old in DEFINITIONS
    with pytest.raises(DefinitionError) as caught:
        load(project(folder / "p", DEFINITIONS.replace(old, new, 1)))
    return [f"{problem.line}: {problem.message}" for problem in caught.value.problems]


def test_what_does_not_hold_together_is_told_at_its_line(tmp_path: Path) -> None:
    first = "  - {of: worth, weight: 2}"
    line = DEFINITIONS[: DEFINITIONS.index(first)].count("\n") + 1
    told = problems(tmp_path / "a", first, "  - {of: worht, weight: 2}")
    assert told == [f"{line}: unknown feature or trait `worht`"]
    told = problems(tmp_path / "b", first, "  - {of: worth, low: 3}")
    assert told == [f"{line}: `low` has no meaning for the scale percentile"]
    told = problems(tmp_path / "c", first, "  - {of: worth, scale: cuts, at: [2, 1]}")
    assert told == [f"{line}: the scale cuts takes cuts that ascend"]
    told = problems(tmp_path / "d", first, "  - {of: worth_alive}")
    assert told == [f"{line + 1}: `worth_alive` is a part twice"]


def test_composites_read_composites_but_not_in_a_circle(tmp_path: Path) -> None:
    more = "  - {name: above, kind: composite, parts: [{of: priority}]}\nsegments:"
    definitions = load(project(tmp_path / "p", DEFINITIONS.replace("segments:", more, 1)))
    assert [item.name for item in definitions.models] == ["worth", "priority", "above"]
    assert [item.name for item in definitions.models_behind({"above"})] == ["worth", "priority", "above"]
    before = definitions.model_fingerprint("above")
    edited = DEFINITIONS.replace("segments:", more, 1).replace("horizon_days: 273", "horizon_days: 90")
    assert load(project(tmp_path / "q", edited)).model_fingerprint("above") != before
    circle = more.replace("{of: priority}", "{of: priority}, {of: beside}")
    circle = circle.replace("segments:", "  - {name: beside, kind: composite, parts: [{of: above}]}\nsegments:")
    told = problems(tmp_path / "r", "segments:", circle)
    assert any("circle: above → beside → above" in each for each in told), told
    score = "  - {name: score, kind: propensity, target: purchase, horizon_days: 30, features: [worth]}\nsegments:"
    assert any("unknown feature or trait `worth`" in each for each in problems(tmp_path / "s", "segments:", score))


def test_few_round_points_stay_numbers_of_floating_point() -> None:
    """SQL reads 50.0 as a decimal, and 50.0 × 0.666… overflowed: of steps, and of a part that never varies."""
    rows = pa.table({"profile_id": [1, 2, 3], "visits": [1.0, 2.0, 3.0], "same": [1.0] * 3, "is_in": [True] * 3})
    steps = composite(Part(of="visits", scale="cuts", at=(1, 2), weight=2), Part(of="is_in"))
    assert points(fit_composite(steps, rows), rows) == pytest.approx([50 / 3, 50.0, 250 / 3])
    same = composite(Part(of="same", weight=2), Part(of="is_in"))
    assert points(fit_composite(same, rows), rows) == pytest.approx([50.0] * 3)
