"""Figures, curves and intervals against scikit-learn, SciPy, statsmodels, and against how often they are right."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve
from statsmodels.stats.proportion import proportion_confint

from facette.models.curves import wilson
from facette.models.scores.judging import GRID, TENTHS, curves, delong


def drawn(seed: int, rows: int, digits: int = 12) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    probability = random.random(rows).round(digits)
    target = random.random(rows) < probability
    target[:2] = (True, False)
    return probability, target


def naive_delong(probability: np.ndarray, target: np.ndarray) -> tuple[float, float]:
    """DeLong, DeLong, Clarke-Pearson (1988), eq. 3 to 6, by comparing every pair."""
    pairs = np.sign(probability[target][:, None] - probability[~target][None, :]) / 2 + 0.5
    of_positives, of_negatives = pairs.mean(axis=1), pairs.mean(axis=0)
    variance = of_positives.var(ddof=1) / len(of_positives) + of_negatives.var(ddof=1) / len(of_negatives)
    return float(pairs.mean()), float(np.sqrt(variance))


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.integers(20, 200), st.integers(1, 6))
def test_delong_equals_all_pairs(seed: int, rows: int, digits: int) -> None:
    probability, target = drawn(seed, rows, digits)
    if min(target.sum(), (~target).sum()) < 2:
        return
    auc, error = delong(probability, target, np.arange(rows))
    assert (auc, error) == pytest.approx(naive_delong(probability, target), abs=1e-9)
    assert auc == pytest.approx(roc_auc_score(target, probability), abs=1e-9)


def test_the_interval_of_an_auc_covers_what_it_says() -> None:
    """Of 1,000 samples of a score without any value, about 5 % have an interval without one half."""
    random = np.random.default_rng(4)
    outside = 0
    for _ in range(1000):
        target = random.permutation(np.arange(100) < 40)
        auc, error = delong(random.random(100), target, np.arange(100))
        outside += abs(auc - 0.5) > 1.96 * error
    assert outside / 1000 == pytest.approx(0.05, abs=0.025)


def test_people_who_come_twice_count_once() -> None:
    """Rows that only repeat their person's add nothing to what is known."""
    probability, target = drawn(1, 300)
    people = np.arange(300)
    once = delong(probability, target, people)
    twice = delong(np.tile(probability, 2), np.tile(target, 2), np.tile(people, 2))
    assert twice[0] == pytest.approx(once[0], abs=1e-12)
    assert twice[1] == pytest.approx(once[1], rel=0.01)
    as_rows = delong(np.tile(probability, 2), np.tile(target, 2), np.arange(600))
    assert as_rows[1] < 0.75 * once[1]


@pytest.mark.parametrize("digits", [1, 12])
def test_curves_are_those_of_scikit_learn(digits: int) -> None:
    probability, target = drawn(2, 700, digits)
    found = curves(probability, target, np.arange(700), 0)
    false, true, _ = roc_curve(target, probability, drop_intermediate=False)
    np.testing.assert_allclose([item.y for item in found["roc"]], np.interp(GRID, false, true), atol=1e-9)
    precision, recall, _ = precision_recall_curve(target, probability)
    wanted = [precision[np.flatnonzero(recall >= share - 1e-12)[-1]] for share in GRID[1:]]
    np.testing.assert_allclose([item.y for item in found["precision_recall"]], wanted, atol=1e-9)
    interval = found["average_precision_interval"]
    assert interval.low < average_precision_score(target, probability) < interval.high
    gain = [item.y for item in found["gain"]]
    assert gain[0] == 0 and gain[-1] == pytest.approx(1)
    np.testing.assert_allclose([item.y for item in found["lift"]], np.diff(gain) / np.diff(TENTHS), atol=1e-9)


def test_the_average_precision_of_every_sample_is_scikit_learns() -> None:
    from facette.models.scores.judging import _Ordered  # noqa: PLC0415

    probability, target = drawn(3, 200, 2)
    weight = np.random.default_rng(0).poisson(1.0, 200).astype(float)
    order = np.argsort(-probability, kind="stable")
    found = _Ordered.of(probability, target, np.arange(200)).curves(weight[order])
    expected = average_precision_score(target, probability, sample_weight=weight)
    assert found["average_precision"] == pytest.approx(expected, abs=1e-9)


def test_bands_cover_the_truth_about_as_often_as_they_say() -> None:
    """The true curve of a known law lies within the band at a point in about 19 samples of 20."""
    big_probability, big_target = drawn(0, 200_000)
    false, true, _ = roc_curve(big_target, big_probability)
    truth = float(np.interp(GRID[10], false, true))
    hits = 0
    for seed in range(1, 61):
        probability, target = drawn(seed, 400)
        point = curves(probability, target, np.arange(400), seed)["roc"][10]
        assert point.low <= point.y <= point.high
        hits += point.low <= truth <= point.high
    assert 0.85 <= hits / 60 <= 1.0


@given(st.integers(1, 500), st.data())
def test_the_interval_of_a_share_is_wilsons(n: int, data: st.DataObject) -> None:
    did = data.draw(st.integers(0, n))
    assert wilson(did, n) == pytest.approx(proportion_confint(did, n, method="wilson"), abs=1e-9)
