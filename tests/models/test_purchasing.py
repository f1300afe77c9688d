"""BG/NBD and Gamma-Gamma against the published figures of CDNOW, another implementation, and simulated people."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from tests.cdnow import datasets

from facette.models.purchasing import (
    Frequencies,
    NotFittedError,
    Purchasing,
    Spending,
    fit_purchasing,
    fit_spending,
    purchasing_likelihood,
    spending_likelihood,
)

WEEK = 7


def summary() -> np.ndarray:
    """Of every customer: repeats, recency and age in weeks, mean amount of a repeat."""
    file = datasets() / "cdnow_customers_summary_with_transactions.csv"
    return np.genfromtxt(file, delimiter=",", skip_header=1)[:, 1:]


@pytest.fixture(scope="module")
def cdnow() -> tuple[Frequencies, Purchasing]:
    table = summary()
    customers = Frequencies(table[:, 0], table[:, 1] * WEEK, table[:, 2] * WEEK)
    return customers, fit_purchasing(customers)


def test_the_published_parameters(cdnow: tuple[Frequencies, Purchasing]) -> None:
    """Fader, Hardie, Lee 2005, table 2 (alpha in weeks), and the expectation of customer 1516 that they work out."""
    customers, fit = cdnow
    assert (round(fit.r, 3), round(fit.alpha / WEEK, 3), round(fit.a, 3), round(fit.b, 3)) == (
        0.243,
        4.414,
        0.793,
        2.426,
    )
    in_weeks = fit.log_likelihood + customers.repeats.sum() * np.log(WEEK)
    assert round(in_weeks, 1) == -9582.4
    someone = Frequencies(np.array([2.0]), np.array([30.43 * WEEK]), np.array([38.86 * WEEK]))
    assert fit.expected(someone, 39 * WEEK)[0] == pytest.approx(1.226, abs=0.001)


def test_the_published_amounts() -> None:
    """Fader, Hardie 2013: p 6.25, q 3.74, gamma 15.44."""
    table = summary()
    paid = table[:, 0] > 0
    fit = fit_spending(table[paid, 0], table[paid, 3])
    assert fit.p == pytest.approx(6.25, abs=0.005)
    assert fit.q == pytest.approx(3.74, abs=0.005)
    assert fit.gamma == pytest.approx(15.44, abs=0.01)
    assert fit.expected(np.array([0, 10.0, 3.0]), np.array([0.0, 10.0, np.nan])) == pytest.approx(
        [fit.mean, (62.488 * 10 + 2.745 * fit.mean) / (62.488 + 2.745), fit.mean], abs=0.01
    )


def test_as_another_implementation_says(cdnow: tuple[Frequencies, Purchasing]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is no longer kept
        from lifetimes import BetaGeoFitter  # noqa: PLC0415

        customers, fit = cdnow
        other = BetaGeoFitter()
        other.params_ = dict(zip(["r", "alpha", "a", "b"], (fit.r, fit.alpha, fit.a, fit.b), strict=True))
        expected = other.conditional_expected_number_of_purchases_up_to_time(
            200, customers.repeats, customers.recency, customers.age
        )
        alive = other.conditional_probability_alive(customers.repeats, customers.recency, customers.age)
    assert fit.expected(customers, 200) == pytest.approx(np.asarray(expected), rel=1e-6)
    assert fit.alive(customers) == pytest.approx(np.asarray(alive), rel=1e-9)


@pytest.mark.parametrize("a", [0.3, 1.0, 1.7])
def test_expectations_are_those_of_simulated_customers(a: float) -> None:
    """Whoever buys 400 times has an expectation too, where the textbook form overflows; a = 1 has a limit."""
    fit = Purchasing(r=0.8, alpha=10.0, a=a, b=3.0, log_likelihood=0.0)
    random = np.random.default_rng(3)
    n, age, horizon = 200_000, 30.0, 60.0
    rate, stop = random.gamma(fit.r, 1 / fit.alpha, n), random.beta(fit.a, fit.b, n)
    at, alive = np.zeros(n), np.ones(n, bool)
    repeats, later, last = np.zeros(n), np.zeros(n), np.zeros(n)
    while alive.any():
        at = at + random.exponential(1, n) / rate
        alive &= at <= age + horizon
        bought = alive & (at <= age)
        repeats += bought
        last = np.where(bought, at, last)
        later += alive & (at > age)
        alive &= random.random(n) > stop
    customers = Frequencies(repeats, last, np.full(n, age))
    assert fit.expected(customers, horizon).mean() == pytest.approx(later.mean(), rel=0.02)
    frequent = Frequencies(np.array([400.0, 4000.0]), np.full(2, 29.0), np.full(2, 30.0))
    assert np.isfinite(fit.expected(frequent, horizon)).all() and np.isfinite(fit.alive(frequent)).all()


def test_nobody_ever_stops_or_nearly_all_do() -> None:
    """At the edges of the parameters there is an expectation still: that of a Poisson rate, or next to nothing."""
    random = np.random.default_rng(6)
    rates, age = random.gamma(2.0, 1 / 40.0, 3000), np.full(3000, 200.0)
    repeats = random.poisson(rates * age).astype(float)
    last = np.where(repeats > 0, age * random.beta(np.maximum(repeats, 1), 1.0), 0.0)
    fit = fit_purchasing(Frequencies(repeats, last, age))
    assert (fit.r, fit.alpha) == pytest.approx((2.0, 40.0), rel=0.1) and fit.a / (fit.a + fit.b) < 0.01
    expected = fit.expected(Frequencies(repeats, last, age), 100)
    assert expected.mean() == pytest.approx(((fit.r + repeats) / (fit.alpha + age) * 100).mean(), rel=0.02)
    alike = np.random.default_rng(7).poisson(5.0, 3000).astype(float)
    last = np.where(alike > 0, age * np.random.default_rng(8).beta(np.maximum(alike, 1), 1.0), 0.0)
    fit = fit_purchasing(Frequencies(alike, last, age))
    assert fit.expected(Frequencies(alike, last, age), 100).mean() == pytest.approx(2.5, rel=0.05)
    for a, b in ((1000.0, 0.01), (1000.0, 1000.0), (1e-6, 1000.0)):
        extreme = Purchasing(1.0, 10.0, a, b, 0.0).expected(Frequencies(repeats, last, age), 1000)
        assert np.isfinite(extreme).all() and (extreme >= 0).all()


def test_the_gradients_are_those_of_the_likelihoods() -> None:
    table = summary()[:300]
    customers = Frequencies(table[:, 0], table[:, 1] / 30, table[:, 2] / 30)
    paid, logs = table[:, 0] > 0, np.array([0.3, -0.4, 0.2, 0.7])
    both = (
        lambda at: purchasing_likelihood(at, customers, np.ones(300)),
        lambda at: spending_likelihood(at[:3], table[paid, 0], table[paid, 3] / 30),
    )
    for likelihood in both:
        numeric = approx_fprime(logs, lambda at, of=likelihood: of(at)[0], 1e-7)
        assert likelihood(logs)[1] == pytest.approx(numeric[: len(likelihood(logs)[1])], abs=1e-5)


def test_planted_parameters_are_found() -> None:
    random = np.random.default_rng(1)
    repeats = random.integers(1, 12, 4000).astype(float)
    scale = 1 / random.gamma(4.0, 1 / 50.0, 4000)
    mean = random.gamma(6.0 * repeats) * scale / repeats
    fit = fit_spending(repeats, mean)
    assert (fit.p, fit.q, fit.gamma) == pytest.approx((6.0, 4.0, 50.0), rel=0.12)
    assert Spending(6.0, 4.0, 50.0, 0.0).mean == 100


def test_amounts_without_a_mean_are_refused() -> None:
    random = np.random.default_rng(1)
    scale = 1 / random.gamma(0.4, 1.0, 500)
    with pytest.raises(NotFittedError, match="infinite"):
        fit_spending(np.full(500, 3.0), random.gamma(9.0, 1.0, 500) * scale)
