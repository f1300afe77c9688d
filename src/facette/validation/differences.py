"""Do groups differ in a number? Kruskal–Wallis or one-way analysis of variance, with the size of the effect.

Kruskal, Wallis (1952), with the correction for ties:  H = 12 / (n (n + 1)) · Σ nᵢ (r̄ᵢ − (n + 1) / 2)² / C,
    C = 1 − Σ (t³ − t) / (n³ − n),  ε² = H / (n − 1)  (Tomczak, Tomczak 2014, eq. 10: H / ((n² − 1) / (n + 1)))
Fisher (1925):  F = (SSB / (k − 1)) / (SSW / (n − k)),  η² = SSB / (SSB + SSW)
p values over many tests are adjusted by Benjamini, Hochberg (1995).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import chdtrc, fdtrc  # scipy.stats has them too, and takes a second to import

from facette.validation.masks import Ascending, ranked


@dataclass(frozen=True)
class Difference:
    """statistic is H or F; effect_size is ε² or η², the share of the variation that the groups account for (0–1)."""

    statistic: float
    p_value: float
    effect_size: float


class Comparison:
    """One number over all profiles, ranked once, ready to be compared between any number of groupings.

    values     : float64, one per profile, NaN where unknown; those profiles take no part
    deviations : what the rank of each is above the mean rank (the value above the mean value); 0 where unknown
    """

    def __init__(self, values: np.ndarray, test: Literal["kruskal", "anova"]) -> None:
        self.values = values
        self._ascending = Ascending(values)
        self.test = test
        self.is_known = ~np.isnan(values)
        known = values[self.is_known]
        self._n = len(known)
        self.deviations = np.zeros(len(values))
        self._variation = 0.0  # Σ deviation²; with ranks it carries the correction for ties by itself
        if self._n:
            measured = ranked(known) if test == "kruskal" else known
            centred = measured - measured.mean()
            self.deviations[self.is_known] = centred
            self._variation = float(centred @ centred)

    def of_members(self, is_member: np.ndarray) -> Difference | None:
        """Members against all others; None if either side has no known value, or all values are the same."""
        inside = int((is_member & self.is_known).sum())
        if not 0 < inside < self._n:
            return None
        total = float(self.deviations[is_member].sum())
        return self._difference(total**2 / inside + total**2 / (self._n - inside), groups=2)

    def of_groups(self, numbers: np.ndarray) -> Difference | None:
        """Between the groups that the numbers (integers, 0 or more) tell apart; None if fewer than two have values."""
        counts = np.bincount(numbers[self.is_known])
        totals = np.bincount(numbers, weights=self.deviations, minlength=len(counts))[: len(counts)]
        present = counts > 0
        if present.sum() < 2:
            return None
        return self._difference(float((totals[present] ** 2 / counts[present]).sum()), groups=int(present.sum()))

    def means(self, is_member: np.ndarray) -> tuple[float | None, float | None]:
        """Mean of the known values of members, and of all others."""
        inside, outside = self.values[is_member & self.is_known], self.values[~is_member & self.is_known]
        return float(inside.mean()) if len(inside) else None, float(outside.mean()) if len(outside) else None

    def medians(self, is_member: np.ndarray) -> tuple[float | None, float | None]:
        """Median of the known values of members, and of all others."""
        return self._ascending.medians(is_member)

    def _difference(self, between: float, *, groups: int) -> Difference | None:
        """From Σ nᵢ · (mean deviation of group i)². For ranks n (n + 1) C / 12 is their variance, Σ d² / (n − 1)."""
        if self._variation <= 0 or self._n <= groups:
            return None
        effect = min(between / self._variation, 1.0)
        if self.test == "kruskal":
            statistic = (self._n - 1) * effect
            return Difference(statistic, float(chdtrc(groups - 1, statistic)), effect)
        within = self._variation - between
        freedom = self._n - groups
        statistic = (between / (groups - 1)) / (within / freedom) if within > 0 else np.inf
        return Difference(float(statistic), float(fdtrc(groups - 1, freedom, statistic)), effect)


def among_groups(values: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """The values of those who are in a group; unknown (NaN) where the number is 0, which is in none."""
    return np.where(numbers == 0, np.nan, values)


def effect_of_groups(values: np.ndarray, numbers: np.ndarray, test: Literal["kruskal", "anova"]) -> float | None:
    """ε² or η² between the groups that the numbers tell apart, without number 0; None if nothing can be compared."""
    difference = Comparison(among_groups(values, numbers), test).of_groups(numbers)
    return None if difference is None else difference.effect_size


def adjust(p_values: Sequence[float | None]) -> list[float | None]:
    """Benjamini–Hochberg over the p values that exist, in the order given: min over j ≥ i of p₍ⱼ₎ n / j, at most 1."""
    known = np.array([p for p in p_values if p is not None])
    order = np.argsort(known)
    steps = known[order] * len(known) / np.arange(1, len(known) + 1)
    known[order] = np.minimum(np.minimum.accumulate(steps[::-1])[::-1], 1.0)
    adjusted = iter(known.tolist())
    return [None if p is None else next(adjusted) for p in p_values]
