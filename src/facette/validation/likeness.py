"""Which traits say the same as another one, so that a portrait says it once.

Two traits are alike if the ranks of their values go together (Spearman 1904: the correlation of the ranks, of either
sign). So a score or a code that is made of a number, or its opposite, is like that number, however it is scaled.
"""

from __future__ import annotations

import numpy as np

from facette.validation.masks import ranked

ALIKE = 0.95
"""Least correlation of traits that are alike, and least share of a trait's known values that the other must cover."""


def plainest(values: np.ndarray) -> list[int]:
    """The columns that are not like an earlier one that stays: of those that are alike, the first speaks for all.

    values : profiles × traits, NaN where unknown; a trait comes after those it is made of, so the first is the plainest
    """
    is_known = ~np.isnan(values)
    ranks = np.column_stack([_centred_ranks(values[:, i], is_known[:, i]) for i in range(values.shape[1])])
    known = is_known.astype(float)
    both = known.T @ known
    totals = ranks.T @ known  # of a trait's ranks, where the other is known too
    products, squares = ranks.T @ ranks, (ranks**2).T @ known
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = squares - totals**2 / both
        spread[spread < 1e-9 * both] = 0  # what rounding leaves of ranks that are all the same
        correlation = (products - totals * totals.T / both) / np.sqrt(spread * spread.T)
    is_alike = (np.abs(np.nan_to_num(correlation)) > ALIKE) & (both >= ALIKE * np.diag(both))
    stays: list[int] = []
    for place in range(values.shape[1]):
        if not is_alike[stays, place].any():
            stays.append(place)
    return stays


def _centred_ranks(values: np.ndarray, is_known: np.ndarray) -> np.ndarray:
    """Ranks among the known values, from −1 to 1 or less; 0 where unknown."""
    ranks = np.zeros(len(values))
    n = int(is_known.sum())
    if n:
        ranks[is_known] = (2 * ranked(values[is_known]) - n - 1) / n
    return ranks
