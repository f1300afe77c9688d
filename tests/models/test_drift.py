"""Drift: the index against its formula on people that move by a known amount, and scores that keep their promise."""

from __future__ import annotations

from datetime import date, timedelta
from math import log
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from tests.run.projects import rows, run

from facette.models.drift import Bins, Reference, honesty, level_of, reference, shares_of, stability
from facette.warehouse.connect import connect

TEN = Bins(edges=tuple(range(9)), shares=(0.1,) * 10 + (0.0,))


def population(seed: int, shift: float = 0.0, city: float = 0.5, unknown: float = 0.1) -> pa.Table:
    random = np.random.default_rng(seed)
    n = 20_000
    return pa.table(
        {
            "spend": pa.array(random.normal(shift, 1, n), mask=random.random(n) < unknown),
            "city": np.where(random.random(n) < city, "Lyon", "Paris"),
            "group": random.integers(1, 4, n),
            "is_subscribed": random.random(n) < 0.3,
        }
    )


def indices(then: pa.Table, now: pa.Table) -> dict[str, float]:
    con = connect()
    before, after = con.create_table("before", then), con.create_table("after", now)
    fitted = reference({name: before[name] for name in then.column_names}, {"said": before.spend}, before)
    kept = Reference.model_validate_json(fitted.model_dump_json())
    found = shares_of({name: after[name] for name in kept.inputs}, kept.inputs, after)
    assert all(sum(shares) == pytest.approx(1) for shares in found.values())
    return {name: stability(bins.shares, found[name], 20_000, 20_000) for name, bins in kept.inputs.items()}


def test_the_same_people_have_not_moved() -> None:
    people = population(1)
    assert set(indices(people, people).values()) == {0.0}
    assert max(indices(people, population(2)).values()) < 0.01


def test_who_moves_is_found_and_nobody_else() -> None:
    found = indices(population(1), population(2, shift=0.5))
    assert found["spend"] == pytest.approx(0.22, abs=0.03)  # 0.25 · 0.9 in the limit of many bins: δ² of N(δ, 1)
    assert (
        level_of(found["spend"], TEN, 20_000, 20_000) == "watch"
        and max(found["city"], found["group"], found["is_subscribed"]) < 0.01
    )
    found = indices(population(1), population(2, city=0.2))
    assert found["city"] == pytest.approx((0.2 - 0.5) * log(0.2 / 0.5) + (0.8 - 0.5) * log(0.8 / 0.5), abs=0.02)
    assert level_of(found["city"], TEN, 20_000, 20_000) == "moved"
    found = indices(population(1), population(2, unknown=0.4))
    assert level_of(found["spend"], TEN, 20_000, 20_000) == "moved"


def test_of_a_few_people_chance_alone_makes_a_large_index() -> None:
    random = np.random.default_rng(5)
    levels: dict[int, list[str]] = {30: [], 3000: []}
    for n, found in levels.items():
        for _ in range(200):
            then, now = ((*(random.multinomial(n, [0.1] * 10) / n).tolist(), 0.0) for _ in range(2))
            found.append(level_of(stability(then, now, n, n), TEN, n, n))
    assert levels[3000].count("stable") == 200
    assert levels[30].count("stable") > 150  # nearly all indices are above 0.25
    assert level_of(0.3, TEN, 30, 30) == "stable" and level_of(0.3, TEN, 1000, 1000) == "moved"


def test_a_bin_that_was_empty_counts() -> None:
    then, now = (0.5, 0.5, 0.0), (0.5, 0.4, 0.1)
    expected = -0.1 * log(0.8) + (0.1 - 1e-4) * log(0.1 / 1e-4)
    assert stability(then, now, 10**6, 10**6) == pytest.approx(expected)


@pytest.mark.parametrize(("then", "now"), [(0.0, 7.0), (0.0, -7.0), (3.0, 0.0), (True, False), (False, True)])
def test_who_leaves_what_was_the_same_of_everybody_is_found(then: float | bool, now: float | bool) -> None:
    con = connect()
    before = con.create_table("before", pa.table({"x": [then] * 500}))
    after = con.create_table("after", pa.table({"x": [then] * 300 + [now] * 200}))
    bins = reference({"x": before.x}, {}, before).inputs["x"]
    for people, level in ((before, "stable"), (after, "moved")):
        index = stability(bins.shares, shares_of({"x": people.x}, {"x": bins}, people)["x"], 500, 500)
        assert level_of(index, bins, 500, 500) == level


@pytest.mark.parametrize(
    ("foretold", "observed", "n", "level"),
    [
        (0.20, 0.20, 1000, "stable"),
        (0.20, 0.24, 100, "stable"),  # chance would do it
        (0.20, 0.23, 10_000, "watch"),
        (0.20, 0.28, 10_000, "moved"),
        (0.20, 0.21, 1_000_000, "stable"),  # sure, and of no account
        (0.0, 0.0, 0, "stable"),
    ],
)
def test_a_score_is_off_when_it_matters_and_is_no_chance(foretold: float, observed: float, n: int, level: str) -> None:
    assert honesty(foretold, foretold * (1 - foretold), observed, n) == level


SCORED = """\
name: shop
identifiers: [{name: id}]
sources:
  - name: purchases
    kind: file
    path: purchases.csv
    events: [{name: purchase, id: [line], identifiers: {id: id}, at: day, fields: {}}]
features: [{name: lately, value: COUNT OF purchase IN THE LAST 20 DAYS}]
models:
  - {name: score, kind: propensity, target: purchase, horizon_days: 10, features: [lately], instants: 3, step_days: 12}
"""


def test_a_score_that_no_longer_comes_true_is_told(tmp_path: Path) -> None:
    """Who buys, buys on one day in 20; on day 105 the shop closes, 11 days before the second run."""
    random, start = np.random.default_rng(2), date(2026, 1, 1)
    days = [(who, day) for who in range(400) for day in range(105) if random.random() < (0.09 if who % 2 else 0.01)]
    lines = [f"{line},p{who},{start + timedelta(days=day)}" for line, (who, day) in enumerate(days)]
    (tmp_path / "purchases.csv").write_text("\n".join(["line,id,day", *lines]) + "\n", encoding="utf-8")
    (tmp_path / "facette.yml").write_text(SCORED, encoding="utf-8")
    assert run(tmp_path, start + timedelta(days=104)).warnings == []
    assert [row for row in rows(tmp_path, "drift") if row["what"] == "promise"] == []  # its own metrics tell
    outcome = run(tmp_path, start + timedelta(days=116))
    assert [warning for warning in outcome.warnings if "foretold" in warning] == [
        warning for warning in outcome.warnings if "on 2026-04-16, and 0.0% did it" in warning
    ]
    (promise,) = [row for row in rows(tmp_path, "drift") if row["what"] == "promise"]
    assert (promise["level"], promise["observed"], promise["n"]) == (
        "moved",
        0.0,
        len({who for who, _ in days}),
    )
    assert promise["foretold"] == pytest.approx(promise["value"]) and promise["foretold"] > 0.25 > promise["promised"]
    (lately,) = [row for row in rows(tmp_path, "drift") if row["name"] == "lately" and row["level"] != "stable"]
    assert lately["level"] == "moved" and lately["value"] > 0.25
