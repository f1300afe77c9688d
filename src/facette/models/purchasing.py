"""How often people buy, until they stop, and for how much: BG/NBD and Gamma-Gamma, fitted by maximum likelihood.

BG/NBD (Fader, Hardie, Lee 2005, “Counting Your Customers” the Easy Way): a customer buys at random with a rate λ of his
own, and after each purchase stops for good with a chance p of his own; λ is Gamma(r, α) and p is Beta(a, b) over the
customers. Gamma-Gamma (Fader, Hardie 2013, The Gamma-Gamma Model of Monetary Value): what he pays is Gamma(p, ν) with a
ν of his own, which is Gamma(q, γ); how much does not depend on how often.

Both likelihoods are computed and maximised in logarithms, with their gradients; time and amounts are divided by their
means first, and the parameters returned are in days and in the currency.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import betaln, digamma, gammaln, hyp2f1

STEEPEST = 1e-4
"""Largest slope per customer, of the mean log-likelihood to the logarithm of a parameter, at which a fit has ended."""
WIDEST = 15.0
"""Logarithms of parameters stay within this: beyond it the likelihood is flat."""
MOST_ALIKE = 7.0
"""Those of r, a and b stay below this: customers any more alike cannot be told from that."""


class NotFittedError(ValueError):
    """The likelihood has no maximum that can be found."""


@dataclass(frozen=True)
class Frequencies:
    """Of every customer: repeat purchases, days from the first to the last, days from the first to now."""

    repeats: np.ndarray
    recency: np.ndarray
    age: np.ndarray

    def __len__(self) -> int:
        return len(self.repeats)


@dataclass(frozen=True)
class Purchasing:
    """Parameters of BG/NBD; ``alpha`` in days."""

    r: float
    alpha: float
    a: float
    b: float
    log_likelihood: float

    def alive(self, customers: Frequencies) -> np.ndarray:
        """The chance of still being a customer (Fader, Hardie 2008, Computing P(alive) Using the BG/NBD Model)."""
        return 1.0 / (1.0 + self._odds_gone(customers))

    def expected(self, customers: Frequencies, days: float) -> np.ndarray:
        """Purchases expected in the days to come (Fader, Hardie, Lee 2005, equation 10).

        Its hypergeometric function is taken in the form that DLMF 15.8.1 (Euler) gives it: with z = t / (α + T + t),

            (1 − z)^(r+x) ₂F₁(r+x, b+x; a+b+x−1; z) = (1 − z)^(a−1) ₂F₁(a+b−1−r, a−1; a+b+x−1; z)

        which neither overflows nor cancels for whoever buys often; where nearly all stop at once (a in the hundreds) it
        is the first form that does not.
        """
        a = self.a if abs(self.a - 1) > 1e-6 else 1 + 1e-6  # the limit at 1 exists, and is that near
        c = a + self.b + customers.repeats - 1
        z = days / (self.alpha + customers.age + days)
        x = customers.repeats
        with np.errstate(invalid="ignore", over="ignore"):
            without = (1 - z) ** (a - 1) * hyp2f1(a + self.b - 1 - self.r, a - 1, c, z)
            other = (1 - z) ** (self.r + x) * hyp2f1(self.r + x, self.b + x, c, z)
        without = np.where(np.isfinite(without), without, other)
        return c / (a - 1) * (1 - without) / (1 + self._odds_gone(customers))

    def _odds_gone(self, customers: Frequencies) -> np.ndarray:
        """The chance of having stopped over that of being a customer still: nobody stops before the first repeat."""
        x = customers.repeats
        log_ratio = np.log(self.alpha + customers.age) - np.log(self.alpha + customers.recency)
        log_odds = np.log(self.a) - np.log(self.b + np.maximum(x, 1) - 1) + (self.r + x) * log_ratio
        return np.where(x > 0, np.exp(np.minimum(log_odds, 700)), 0.0)


@dataclass(frozen=True)
class Spending:
    """Parameters of Gamma-Gamma; ``gamma`` in the currency."""

    p: float
    q: float
    gamma: float
    log_likelihood: float

    @property
    def mean(self) -> float:
        """What a purchase brings on average over the customers."""
        return self.p * self.gamma / (self.q - 1)

    def expected(self, repeats: np.ndarray, mean: np.ndarray) -> np.ndarray:
        """What a purchase of each customer brings: between everybody's mean and his own (Fader, Hardie 2013, eq. 5).

        mean : of his repeat purchases; everybody's counts where it is unknown or not above 0
        """
        is_known = (repeats > 0) & (mean > 0)
        own = np.where(is_known, self.p * repeats / (self.p * repeats + self.q - 1), 0.0)
        return (1 - own) * self.mean + own * np.where(is_known, mean, 0.0)


def fit_purchasing(customers: Frequencies, near: Purchasing | None = None) -> Purchasing:
    """The BG/NBD that makes what the customers did most likely. Raises NotFittedError.

    near : a fit to similar customers, from which alone the search starts; it takes a third of the time
    """
    unit = float(customers.age.mean()) or 1.0
    scaled = Frequencies(customers.repeats.astype(float), customers.recency / unit, customers.age / unit)
    rows, counts = _alike(np.column_stack([scaled.repeats, scaled.recency, scaled.age]))
    alike = Frequencies(rows[:, 0], rows[:, 1], rows[:, 2])
    highest = (MOST_ALIKE, WIDEST, MOST_ALIKE, MOST_ALIKE)
    start = None if near is None else np.log([near.r, near.alpha / unit, near.a, near.b])
    best = _maximum(lambda logs: purchasing_likelihood(logs, alike, counts), highest, start)
    r, alpha, a, b = np.exp(best)
    value, _ = purchasing_likelihood(best, alike, counts)
    repeats = float((alike.repeats * counts).sum())
    # Per unit of time each repeat purchase has a density: that is what changing the unit multiplies.
    log_likelihood = value * counts.sum() - repeats * np.log(unit)
    return Purchasing(float(r), float(alpha * unit), float(a), float(b), float(log_likelihood))


def fit_spending(repeats: np.ndarray, mean: np.ndarray, near: Spending | None = None) -> Spending:
    """The Gamma-Gamma that makes the mean amounts of repeat purchases most likely; all above 0. Raises NotFittedError.

    near : as in :func:`fit_purchasing`
    Nothing can be expected of a fit with q ≤ 1, whose mean is infinite; that is refused too.
    """
    unit = float(mean.mean())
    start = None if near is None else np.log([near.p, near.q, near.gamma / unit])
    best = _maximum(lambda logs: spending_likelihood(logs, repeats.astype(float), mean / unit), (WIDEST,) * 3, start)
    p, q, gamma = np.exp(best)
    if q <= 1:
        raise NotFittedError("the amounts vary so much that their mean is infinite (q ≤ 1)")
    value, _ = spending_likelihood(best, repeats.astype(float), mean / unit)
    log_likelihood = (value - np.log(unit)) * len(mean)
    return Spending(float(p), float(q), float(gamma * unit), float(log_likelihood))


def purchasing_likelihood(logs: np.ndarray, customers: Frequencies, counts: np.ndarray) -> tuple[float, np.ndarray]:
    """Mean log-likelihood of BG/NBD per customer, and its gradient (Fader, Hardie, Lee 2005, equation 6).

    logs   : of r, α, a, b
    counts : how many customers each row stands for
    """
    r, alpha, a, b = np.exp(logs)
    x, still, since = customers.repeats, alpha + customers.age, alpha + customers.recency
    has_repeats = x > 0
    before = np.where(has_repeats, b + x - 1, 1.0)
    going_on = -(r + x) * np.log(still)
    stopped = np.where(has_repeats, np.log(a / before) - (r + x) * np.log(since), -np.inf)
    together = np.logaddexp(going_on, stopped)
    value = gammaln(r + x) - gammaln(r) + r * np.log(alpha) + betaln(a, b + x) - betaln(a, b) + together
    share = np.exp(stopped - together)  # of the two ways to have bought nothing since: of having stopped
    slopes = (
        digamma(r + x) - digamma(r) + np.log(alpha) - (1 - share) * np.log(still) - share * np.log(since),
        r / alpha - (r + x) * ((1 - share) / still + share / since),
        digamma(a + b) - digamma(a + b + x) + share / a,
        digamma(a + b) - digamma(a + b + x) + digamma(b + x) - digamma(b) - share / before,
    )
    weights = counts / counts.sum()
    gradient = np.array([float(weights @ slope) for slope in slopes]) * np.exp(logs)
    return float(weights @ value), gradient


def spending_likelihood(logs: np.ndarray, repeats: np.ndarray, mean: np.ndarray) -> tuple[float, np.ndarray]:
    """Mean log-likelihood of Gamma-Gamma per customer, and its gradient (Fader, Hardie 2013, equation 1a).

    logs : of p, q, γ
    """
    p, q, gamma = np.exp(logs)
    shape, total = p * repeats, gamma + repeats * mean
    value = (
        gammaln(shape + q)
        - gammaln(shape)
        - gammaln(q)
        + q * np.log(gamma)
        + (shape - 1) * np.log(mean)
        + shape * np.log(repeats)
        - (shape + q) * np.log(total)
    )
    slopes = (
        repeats * (digamma(shape + q) - digamma(shape) + np.log(mean) + np.log(repeats) - np.log(total)),
        digamma(shape + q) - digamma(q) + np.log(gamma) - np.log(total),
        q / gamma - (shape + q) / total,
    )
    return float(value.mean()), np.array([float(slope.mean()) for slope in slopes]) * np.exp(logs)


def _maximum(
    likelihood: Callable[[np.ndarray], tuple[float, np.ndarray]], highest: tuple[float, ...], near: np.ndarray | None
) -> np.ndarray:
    """The logarithms of the parameters with the greatest likelihood, of what several starts lead to.

    highest : of each logarithm
    near    : the only start, if it is known
    """

    def loss(logs: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = likelihood(logs)
        return -value, -gradient

    found = []
    starts = [np.full(len(highest), start) for start in (0.0, -1.0, 1.0)] if near is None else [near]
    for start in starts:
        fit = minimize(
            loss,
            start,
            jac=True,
            method="L-BFGS-B",
            bounds=[(-WIDEST, most) for most in highest],
            options={"maxiter": 2000, "ftol": 1e-15, "gtol": 1e-9},
        )
        if np.isfinite(fit.fun):
            found.append(fit)
    if not found:
        raise NotFittedError("the likelihood is not a number")
    best = min(found, key=lambda fit: fit.fun)
    inside = (best.x > 1e-6 - WIDEST) & (best.x < np.array(highest) - 1e-6)
    if np.abs(best.jac[inside]).max(initial=0) > STEEPEST:
        raise NotFittedError("the likelihood still rises where the search ended")
    return np.asarray(best.x)


def _alike(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The different rows, and how many there are of each."""
    different, counts = np.unique(rows, axis=0, return_counts=True)
    return different, counts.astype(float)
