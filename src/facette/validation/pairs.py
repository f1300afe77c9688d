"""Two groups beside each other in one number: by ranks or by means, how far apart, with an interval of 95 %.

By ranks:  U = n m (1 + δ) / 2  (Mann, Whitney 1947), with the correction for ties and for continuity;
    δ = P(a > b) − P(a < b)  (Cliff 1993), its variance from the placements of each side (DeLong, DeLong, Clarke-Pearson
    1988, eq. 4), its interval that of Feng, Cliff (2004, eq. 6), which never leaves −1 to 1.
By means:  t of Welch (1947), with the freedom of Satterthwaite (1946);  d, the difference of the means in pooled
    standard deviations (Cohen 1988), with the interval of the difference.

Of two groups both are also a share of the variation (see :mod:`facette.validation.differences`): with p the share of
the profiles that are in one, and C the correction for ties, ε² = 3 p (1 − p) δ² n² / ((n² − 1) C), and
η² = w Δ² / (w Δ² + SSW), w = n m / (n + m). An interval of δ or of Δ is so one of ε² or η².
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri, stdtr, stdtrit  # scipy.stats has them too, and takes a second to import

CONFIDENCE = 0.95
_BEYOND = float(ndtri((1 + CONFIDENCE) / 2))


@dataclass(frozen=True)
class Between:
    """Something estimated, and the interval that holds the truth 95 times in 100."""

    value: float
    low: float
    high: float

    def over(self, scale: float) -> Between:
        return Between(self.value / scale, self.low / scale, self.high / scale)


@dataclass(frozen=True)
class Dominance:
    """Cliff's δ of one group over another, and how much one profile's placement varies from another's.

    ties : C, 1 where no value is there twice
    """

    delta: float
    variance_a: float
    variance_b: float
    ties: float

    def between(self, n_a: int, n_b: int, delta: float | None = None) -> Between:
        """δ with its interval, for groups of these sizes; the placements may be of samples of them.

        delta : that of the whole groups, where it is known
        """
        delta = self.delta if delta is None else delta
        deviation = _BEYOND * np.sqrt(self.variance_a / n_a + self.variance_b / n_b)
        if deviation == 0:
            return Between(delta, delta, delta)
        width = deviation * np.sqrt((1 - delta**2) ** 2 + deviation**2)
        middle, whole = delta - delta**3, 1 - delta**2 + deviation**2
        low, high = (middle - width) / whole, (middle + width) / whole
        return Between(delta, float(max(low, -1)), float(min(high, 1)))

    def share(self, delta: Between, n_a: int, n_b: int) -> Between:
        """ε² of two groups of these sizes."""
        n = n_a + n_b
        return _squared(delta, lambda of: min(3 * n_a * n_b * of**2 / ((n**2 - 1) * self.ties), 1.0))

    def test(self, n_a: int, n_b: int) -> tuple[float, float]:
        """U of the first group, and its two-sided p value, by the normal distribution."""
        n, u = n_a + n_b, n_a * n_b * (1 + self.delta) / 2
        deviation = np.sqrt(n_a * n_b * (n + 1) / 12 * self.ties)
        z = (abs(u - n_a * n_b / 2) - 0.5) / deviation
        return u, float(min(2 * ndtr(-z), 1.0))


def dominance(a: np.ndarray, b: np.ndarray) -> Dominance | None:
    """Of one group over another; None if either has fewer than two values, or if all values are the same.

    a, b : ascending, without unknown values
    """
    if min(len(a), len(b)) < 2:
        return None
    both = np.sort(np.concatenate([a, b]), kind="stable")
    if both[0] == both[-1]:
        return None
    over_b, over_a = _placements(a, b), -_placements(b, a)
    n = len(both)
    counts = np.diff(np.concatenate([[0], np.flatnonzero(both[1:] != both[:-1]) + 1, [n]])).astype(float)
    ties = 1 - float((counts**3 - counts).sum()) / (float(n) ** 3 - n)
    return Dominance(float(over_b.mean()), float(over_b.var(ddof=1)), float(over_a.var(ddof=1)), ties)


def _placements(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Of each value of a: the share of b below it less the share above."""
    return (np.searchsorted(b, a, "left") + np.searchsorted(b, a, "right") - len(b)) / len(b)


@dataclass(frozen=True)
class Moments:
    """Known values of a group: how many, their mean, and their variance (with n − 1)."""

    n: int
    mean: float
    variance: float

    @classmethod
    def of(cls, values: np.ndarray) -> Moments:
        n = len(values)
        return cls(n, float(values.mean()) if n else np.nan, float(values.var(ddof=1)) if n > 1 else np.nan)

    def beside(self, total: Moments) -> Moments:
        """What is left of all when this group is taken out."""
        n = total.n - self.n
        if self.n == 0:
            return total
        if n == 0:
            return Moments(0, np.nan, np.nan)
        mean = (total.n * total.mean - self.n * self.mean) / n
        own = (self.n - 1) * self.variance if self.n > 1 else 0.0
        between = self.n * (self.mean - total.mean) ** 2 + n * (mean - total.mean) ** 2
        squares = max((total.n - 1) * total.variance - own - between, 0.0)
        return Moments(n, mean, squares / (n - 1) if n > 1 else np.nan)


@dataclass(frozen=True)
class Welch:
    """The difference of two means with its interval, in the unit of the values; t, its freedom and p value."""

    difference: Between
    statistic: float
    freedom: float
    p_value: float
    pooled: float
    within: float
    weight: float

    @property
    def d(self) -> Between:
        return self.difference.over(self.pooled)

    @property
    def share(self) -> Between:
        """η² of the two groups."""
        return _squared(self.difference, lambda of: self.weight * of**2 / (self.weight * of**2 + self.within))


def welch(a: Moments, b: Moments) -> Welch | None:
    """The means of two groups; None if either has fewer than two values, or if neither varies."""
    if min(a.n, b.n) < 2:
        return None
    of_a, of_b = a.variance / a.n, b.variance / b.n
    within = (a.n - 1) * a.variance + (b.n - 1) * b.variance
    if of_a + of_b <= 0:
        return None
    error = np.sqrt(of_a + of_b)
    freedom = (of_a + of_b) ** 2 / (of_a**2 / (a.n - 1) + of_b**2 / (b.n - 1))
    difference = a.mean - b.mean
    reach = float(stdtrit(freedom, (1 + CONFIDENCE) / 2) * error)
    return Welch(
        difference=Between(difference, difference - reach, difference + reach),
        statistic=float(difference / error),
        freedom=float(freedom),
        p_value=float(2 * stdtr(freedom, -abs(difference / error))),
        pooled=float(np.sqrt(within / (a.n + b.n - 2))),
        within=float(within),
        weight=a.n * b.n / (a.n + b.n),
    )


def _squared(of: Between, share: Callable[[float], float]) -> Between:
    """The interval of what grows with the square; from 0 where the other one holds 0."""
    ends = share(of.low), share(of.high)
    return Between(share(of.value), 0.0 if of.low <= 0 <= of.high else min(ends), max(ends))
