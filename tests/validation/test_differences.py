"""Tests of differences agree with scipy, ties and all."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from facette.validation.differences import Comparison, adjust

TIES = st.integers(0, 6)  # the coarser, the more ties


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 10_000), st.integers(8, 200), TIES, st.sampled_from(["kruskal", "anova"]))
def test_members_against_others_equal_scipy(seed: int, rows: int, digits: int, test: str) -> None:
    random = np.random.default_rng(seed)
    values = (random.normal(size=rows) * 3 + 1e3).round(digits)
    values[random.random(rows) < 0.1] = np.nan
    mask = random.random(rows) < 0.3
    known = ~np.isnan(values)
    inside, outside = values[mask & known], values[~mask & known]
    ours = Comparison(values, test).of_members(mask)
    if not len(inside) or not len(outside) or len(np.unique(values[known])) == 1:
        assert ours is None
        return
    assert ours is not None
    theirs = stats.kruskal(inside, outside) if test == "kruskal" else stats.f_oneway(inside, outside)
    assert ours.statistic == pytest.approx(theirs.statistic, rel=1e-9, abs=1e-9)
    assert ours.p_value == pytest.approx(theirs.pvalue, rel=1e-9, abs=1e-12)
    n = known.sum()
    if test == "kruskal":
        effect = theirs.statistic / ((n**2 - 1) / (n + 1))
    else:
        mean = values[known].mean()
        between = len(inside) * (inside.mean() - mean) ** 2 + len(outside) * (outside.mean() - mean) ** 2
        effect = between / ((values[known] - mean) ** 2).sum()
    assert ours.effect_size == pytest.approx(effect, rel=1e-9, abs=1e-12)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10_000), st.integers(30, 200), TIES, st.sampled_from(["kruskal", "anova"]))
def test_groups_equal_scipy(seed: int, rows: int, digits: int, test: str) -> None:
    random = np.random.default_rng(seed)
    numbers = random.choice([1, 2, 5, 7], rows)
    values = (random.normal(size=rows) + numbers / 5).round(digits)
    values[random.random(rows) < 0.1] = np.nan
    groups = [values[(numbers == number) & ~np.isnan(values)] for number in np.unique(numbers)]
    groups = [group for group in groups if len(group)]
    ours = Comparison(values, test).of_groups(numbers)
    assert ours is not None
    theirs = stats.kruskal(*groups) if test == "kruskal" else stats.f_oneway(*groups)
    assert ours.statistic == pytest.approx(theirs.statistic, rel=1e-9, abs=1e-9)
    assert ours.p_value == pytest.approx(theirs.pvalue, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("test", ["kruskal", "anova"])
def test_nothing_to_compare(test: str) -> None:
    mask = np.array([True, False, True, False])
    assert Comparison(np.full(4, 0.1), test).of_members(mask) is None
    assert Comparison(np.full(4, np.nan), test).of_members(mask) is None
    assert Comparison(np.array([1.0, np.nan, 2.0, np.nan]), test).of_members(mask) is None
    assert Comparison(np.arange(4.0), test).of_members(np.ones(4, dtype=bool)) is None
    assert Comparison(np.arange(4.0), test).of_groups(np.ones(4, dtype=int)) is None
    assert Comparison(np.array([np.nan, 1.0, np.nan, 2.0]), test).of_groups(np.array([9, 1, 9, 1])) is None
    assert Comparison(np.array([]), test).of_members(np.array([], dtype=bool)) is None


def test_complete_separation() -> None:
    difference = Comparison(np.array([1.0, 1.0, 2.0, 2.0]), "anova").of_members(np.array([True, True, False, False]))
    assert difference is not None
    assert (difference.statistic, difference.p_value, difference.effect_size) == (np.inf, 0, 1)


def test_adjusted_by_hand() -> None:
    """Benjamini and Hochberg: p · m / rank, made monotone from the largest down."""
    assert adjust([0.01, None, 0.04, 0.03, 0.5]) == pytest.approx([0.04, None, 0.16 / 3, 0.16 / 3, 0.5])
    assert adjust([None, None]) == [None, None]
    assert adjust([]) == []
