"""Segments beside everybody else, beside the rest of their parent, beside each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from facette.definitions.validation import Validation
from facette.validation import effects as module
from facette.validation.effects import SCHEMA, effects

N = 3000


@pytest.fixture(scope="module")
def people() -> tuple[pa.Table, pa.Table]:
    """Members of `top` buy for more, those of `best` within it for more still, and `echo` is half of it by chance."""
    random = np.random.default_rng(0)
    top = np.arange(N) % 3 == 0
    best, echo = top & (np.arange(N) % 2 == 0), top & (random.random(N) < 0.5)
    spend = random.gamma(2, 10, N) + 15 * top + 20 * best
    visits = random.poisson(3, N).astype(float)
    wide = pa.table({"profile_id": np.arange(N), "top": top, "best": best, "echo": echo, "few": np.arange(N) < 40})
    features = {"profile_id": np.arange(N), "spend": pa.array(spend, mask=random.random(N) < 0.1), "visits": visits}
    features["groups"] = 1 + (np.arange(N) % 3)
    return wide, pa.table(features)


def found(people: tuple[pa.Table, pa.Table], **settings: Any) -> dict[tuple[str, ...], dict[str, Any]]:
    validation = Validation(**({"kpi": "spend", "kpis": ("visits",)} | settings))
    parents = {"best": "top", "echo": "top"}
    table = effects(*people, validation, parents=parents, clusterings=["groups"])
    assert table.schema == SCHEMA
    return {(row["segment"], row["relation"], row["against"] or "", row["kpi"]): row for row in table.to_pylist()}


@pytest.mark.parametrize("test", ["kruskal", "anova"])
def test_who_is_compared_with_whom(people: tuple[pa.Table, pa.Table], test: str) -> None:
    rows = found(people, test=test)
    pairs = {key[:3] for key in rows if key[1] not in ("clusters", "cluster")}
    assert pairs == {
        ("top", "others", ""),
        ("best", "others", ""),
        ("echo", "others", ""),
        ("few", "others", ""),  # too small to be compared with anything else
        ("best", "parent", "top"),
        ("echo", "parent", "top"),
        ("best", "sibling", "echo"),
    }
    clusters = {key[:3] for key in rows if key[1] == "cluster"}
    assert len(clusters) == 3 and ("groups:1", "cluster", "groups:3") in clusters
    assert ("groups", "clusters", "", "visits") in rows


def test_ranks_agree_with_scipy(people: tuple[pa.Table, pa.Table]) -> None:
    wide, features = people
    rows, values = found(people), features["spend"].to_numpy()
    masks = {name: wide[name].to_numpy(zero_copy_only=False) for name in ("top", "best", "echo")}
    known = ~np.isnan(values)

    def group(mask: np.ndarray) -> np.ndarray:
        return values[mask & known]

    others = rows["best", "others", "", "spend"]
    inside, outside = group(masks["best"]), group(~masks["best"])
    assert others["p_value"] == pytest.approx(stats.kruskal(inside, outside).pvalue, rel=1e-9)
    u = stats.mannwhitneyu(inside, outside).statistic
    assert others["effect"] == pytest.approx(2 * u / len(inside) / len(outside) - 1, rel=1e-9)
    assert others["effect_low"] < others["effect"] < others["effect_high"]
    assert others["effect_size_low"] < others["effect_size"] < others["effect_size_high"]
    assert (others["n_in"], others["n_out"]) == (len(inside), len(outside))
    assert (others["mean_in"], others["mean_out"]) == pytest.approx((inside.mean(), outside.mean()), rel=1e-9)

    parent = rows["best", "parent", "top", "spend"]
    theirs = stats.mannwhitneyu(inside, group(masks["top"] & ~masks["best"]), method="asymptotic")
    assert (parent["statistic"], parent["p_value"]) == pytest.approx((theirs.statistic, theirs.pvalue), rel=1e-9)

    sibling = rows["best", "sibling", "echo", "spend"]
    only = [group(masks[a] & ~masks[b]) for a, b in (("best", "echo"), ("echo", "best"))]
    theirs = stats.mannwhitneyu(*only, method="asymptotic")
    assert (sibling["statistic"], sibling["p_value"]) == pytest.approx((theirs.statistic, theirs.pvalue), rel=1e-9)


def test_means_agree_with_scipy(people: tuple[pa.Table, pa.Table]) -> None:
    rows, values = found(people, test="anova"), people[1]["spend"].to_numpy()
    best, top = (people[0][name].to_numpy(zero_copy_only=False) for name in ("best", "top"))
    known = ~np.isnan(values)
    inside, rest, outside = values[best & known], values[top & ~best & known], values[~best & known]
    row = rows["best", "parent", "top", "spend"]
    theirs = stats.ttest_ind(inside, rest, equal_var=False)
    assert (row["statistic"], row["p_value"]) == pytest.approx((theirs.statistic, theirs.pvalue), rel=1e-9)
    interval = stats.ttest_ind(inside, outside, equal_var=False).confidence_interval()
    others = rows["best", "others", "", "spend"]
    assert (others["difference_low"], others["difference_high"]) == pytest.approx(tuple(interval), rel=1e-9)
    assert others["p_value"] == pytest.approx(stats.f_oneway(inside, outside).pvalue, rel=1e-9)


def test_false_discoveries_are_counted_over_everything(people: tuple[pa.Table, pa.Table]) -> None:
    rows = [row for row in found(people).values() if row["p_value"] is not None]
    expected = stats.false_discovery_control([row["p_value"] for row in rows])
    assert [row["p_adjusted"] for row in rows] == pytest.approx(expected.tolist(), rel=1e-9)
    assert len(rows) > 20


def test_a_child_may_only_repeat_its_parent(people: tuple[pa.Table, pa.Table]) -> None:
    """Both differ from all others; only one from the rest of its parent."""
    rows = found(people)
    assert rows["echo", "others", "", "spend"]["p_adjusted"] < 0.001
    assert rows["echo", "parent", "top", "spend"]["p_adjusted"] > 0.05
    assert rows["best", "parent", "top", "spend"]["p_adjusted"] < 0.001


def test_samples_stand_for_the_whole(people: tuple[pa.Table, pa.Table], monkeypatch: pytest.MonkeyPatch) -> None:
    whole = found(people)["top", "others", "", "spend"]
    monkeypatch.setattr(module, "SAMPLE", 300)
    some = found(people)["top", "others", "", "spend"]
    assert (some["effect"], some["effect_size"], some["p_value"]) == (
        whole["effect"],
        whole["effect_size"],
        whole["p_value"],
    )
    assert (some["effect_low"], some["effect_high"]) == pytest.approx(
        (whole["effect_low"], whole["effect_high"]), abs=0.01
    )


def test_nothing_to_compare(people: tuple[pa.Table, pa.Table]) -> None:
    wide, features = people
    assert effects(wide, features, Validation()).num_rows == 0
    assert effects(wide.slice(0, 0), features.slice(0, 0), Validation(kpi="spend")).num_rows == 0
    flat = features.append_column("flat", pa.array(np.ones(N)))
    rows = effects(wide, flat, Validation(kpi="flat")).to_pylist()
    assert {row["p_value"] for row in rows} == {None}
    unknown = features.append_column("unknown", pa.nulls(N, pa.float64()))
    rows = effects(wide, unknown, Validation(kpi="unknown")).to_pylist()
    assert {row["mean_in"] for row in rows} == {None}
