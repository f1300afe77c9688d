"""Two groups beside each other agree with scipy and statsmodels, and their intervals hold what they promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

from facette.validation.pairs import Moments, dominance, welch


def two(seed: int, n: int, m: int, digits: int) -> tuple[np.ndarray, np.ndarray]:
    """Two groups, the second a little higher and wider; the fewer digits, the more ties."""
    random = np.random.default_rng(seed)
    return np.sort(random.normal(10, 3, n).round(digits)), np.sort(random.normal(11, 5, m).round(digits))


SHAPES = given(st.integers(0, 10_000), st.integers(2, 60), st.integers(2, 60), st.integers(0, 6))


@settings(deadline=None, max_examples=60)
@SHAPES
def test_ranks_equal_scipy(seed: int, n: int, m: int, digits: int) -> None:
    a, b = two(seed, n, m, digits)
    ours = dominance(a, b)
    assert ours is not None
    theirs = stats.mannwhitneyu(a, b, method="asymptotic")
    u, p = ours.test(n, m)
    assert u == pytest.approx(theirs.statistic, rel=1e-9)
    assert p == pytest.approx(theirs.pvalue, rel=1e-9, abs=1e-12)
    higher = np.sign(a[:, np.newaxis] - b)
    assert ours.delta == pytest.approx(higher.mean(), abs=1e-12)
    assert ours.variance_a == pytest.approx(higher.mean(axis=1).var(ddof=1), abs=1e-12)
    assert ours.variance_b == pytest.approx(higher.mean(axis=0).var(ddof=1), abs=1e-12)
    epsilon = stats.kruskal(a, b).statistic / (n + m - 1)
    assert ours.share(ours.between(n, m), n, m).value == pytest.approx(epsilon, rel=1e-9, abs=1e-12)


@settings(deadline=None, max_examples=60)
@SHAPES
def test_means_equal_scipy_and_statsmodels(seed: int, n: int, m: int, digits: int) -> None:
    a, b = two(seed, n, m, digits)
    ours = welch(Moments.of(a), Moments.of(b))
    if a.var() == 0 or b.var() == 0:  # scipy warns
        assert (ours is None) == (a.var() == b.var())
        return
    assert ours is not None
    theirs = stats.ttest_ind(a, b, equal_var=False)
    assert ours.statistic == pytest.approx(theirs.statistic, rel=1e-9)
    assert ours.p_value == pytest.approx(theirs.pvalue, rel=1e-9, abs=1e-12)
    interval = CompareMeans(DescrStatsW(a), DescrStatsW(b)).tconfint_diff(usevar="unequal")
    assert (ours.difference.low, ours.difference.high) == pytest.approx(interval, rel=1e-9, abs=1e-9)
    between = (np.concatenate([a, b]).var() * (n + m) - a.var() * n - b.var() * m) / (
        np.concatenate([a, b]).var() * (n + m)
    )
    assert ours.share.value == pytest.approx(between, rel=1e-6, abs=1e-9)
    pooled = np.sqrt((a.var(ddof=1) * (n - 1) + b.var(ddof=1) * (m - 1)) / (n + m - 2))
    assert ours.d.value == pytest.approx((a.mean() - b.mean()) / pooled, rel=1e-9)


@settings(deadline=None, max_examples=60)
@SHAPES
def test_the_rest_has_the_moments_of_the_rest(seed: int, n: int, m: int, digits: int) -> None:
    a, b = two(seed, n, m, digits)
    rest = Moments.of(a).beside(Moments.of(np.concatenate([a, b])))
    assert (rest.n, rest.mean, rest.variance) == pytest.approx((m, b.mean(), b.var(ddof=1)), rel=1e-9, abs=1e-9)


def test_what_cannot_be_compared_is_not() -> None:
    assert dominance(np.array([1.0]), np.array([1.0, 2.0])) is None
    assert dominance(np.ones(5), np.ones(5)) is None
    assert welch(Moments.of(np.ones(5)), Moments.of(np.ones(5))) is None
    assert welch(Moments.of(np.ones(1)), Moments.of(np.arange(5.0))) is None


def test_a_complete_difference_is_certain() -> None:
    apart = dominance(np.arange(10.0), np.arange(20.0, 30))
    assert apart is not None
    found = apart.between(10, 10)
    assert (found.value, found.low, found.high) == (-1, -1, -1)


@pytest.mark.parametrize("shift", [0.0, 0.5, 1.5])
def test_intervals_hold_the_truth_95_times_in_100(shift: float) -> None:
    """Normal values of one deviation: δ = 2 Φ(shift / √2) − 1, d = shift; with 40 and 60 of them."""
    random = np.random.default_rng(int(shift * 10))
    delta, held = 2 * stats.norm.cdf(shift / np.sqrt(2)) - 1, np.zeros(2)
    trials = 600
    for _ in range(trials):
        a, b = np.sort(random.normal(shift, 1, 40)), np.sort(random.normal(0, 1, 60))
        placed, means = dominance(a, b), welch(Moments.of(a), Moments.of(b))
        assert placed is not None and means is not None
        by_ranks = placed.between(40, 60)
        held += [by_ranks.low <= delta <= by_ranks.high, means.difference.low <= shift <= means.difference.high]
    assert held / trials == pytest.approx([0.95, 0.95], abs=0.03)


def test_an_interval_from_a_sample_is_that_of_the_whole() -> None:
    """The placements of some say how those of all vary."""
    a, b = two(3, 8000, 12_000, 4)
    whole, some = dominance(a, b), dominance(a[::8], b[::8])
    assert whole is not None and some is not None
    wide, narrow = whole.between(8000, 12_000), some.between(8000, 12_000, whole.delta)
    assert narrow.value == wide.value
    assert narrow.high - narrow.low == pytest.approx(wide.high - wide.low, rel=0.05)
