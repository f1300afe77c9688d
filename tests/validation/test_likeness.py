"""Traits that are alike, found as a naive search finds them."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from facette.validation.likeness import plainest


def naive(values: np.ndarray) -> list[int]:
    """Spearman's correlation pair by pair, over profiles where both are known, of ranks among the known."""
    stays: list[int] = []
    for place, later in enumerate(values.T):
        is_like_one = False
        for other in stays:
            earlier = values[:, other]
            both = ~np.isnan(earlier) & ~np.isnan(later)
            if both.sum() < 0.95 * (~np.isnan(later)).sum():
                continue
            ranks = [stats.rankdata(each, nan_policy="omit")[both] for each in (earlier, later)]
            if all(np.ptp(each) > 0 for each in ranks if len(each)) and both.any():
                is_like_one |= abs(np.corrcoef(*ranks)[0, 1]) > 0.95
        if not is_like_one:
            stays.append(place)
    return stays


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10_000), st.integers(1, 120), st.floats(0, 0.6), st.sampled_from([0.0, 0.02, 0.3]))
def test_the_plainest_are_those_of_a_naive_search(seed: int, rows: int, noise: float, unknown: float) -> None:
    random = np.random.default_rng(seed)
    base = random.normal(size=(rows, 3))
    made = [base[:, 0] + noise * random.normal(size=rows), -np.exp(base[:, 1]), np.round(base[:, 2]), base[:, 0] > 0]
    values = np.column_stack([base, *made, np.ones(rows)]).astype(float)
    values[random.random(values.shape) < unknown] = np.nan
    assert plainest(values) == naive(values)


def test_the_first_stands_only_where_it_is_known() -> None:
    """A survey that few answered does not speak for what is known of all."""
    spend = np.arange(200.0)
    answered = np.where(spend < 50, spend, np.nan)
    assert plainest(np.column_stack([answered, spend])) == [0, 1]
    assert plainest(np.column_stack([spend, answered])) == [0]


def test_what_does_not_vary_is_like_nothing() -> None:
    assert plainest(np.column_stack([np.ones(50), np.ones(50), np.full(50, np.nan)])) == [0, 1, 2]
