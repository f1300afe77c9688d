"""Values, maps and composites refitted on resamples vary as those fitted to other people do."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from tests.cdnow import transactions

from facette.definitions.models import CompositeModel, MapModel, Part, ValueModel
from facette.models import resampling
from facette.models.composite import fit_composite
from facette.models.maps import fit_map
from facette.models.resampling import drawn_distances, drawn_points, drawn_values
from facette.models.value import fit_value, values_of
from facette.validation.stability import over_draws

N = 3000
PICTURED = {"methods": (), "dimensions": (2,), "sample": 100}


def jaccard(now: np.ndarray, drawn: np.ndarray) -> float:
    found = over_draws(now, drawn)
    assert found is not None
    return found.mean


# ── composites ──────────────────────────────────────────────────────────────────────────────────────────────────────


def composite(*parts: Part) -> CompositeModel:
    return CompositeModel(name="priority", kind="composite", parts=parts)


def test_a_composite_of_what_stays_is_stable_and_one_of_noise_is_not() -> None:
    """A part whose values come out otherwise at every fit makes a segment of other people every time."""
    random = np.random.default_rng(1)
    steady, noise = random.gamma(2, 20, N), random.random(N)
    model = composite(Part(of="spend"), Part(of="score", scale="minmax", low=0, high=1, weight=3))
    found = {}
    for name, weight in (("steady", 0.0), ("noise", 1.0)):
        score = weight * noise + (1 - weight) * steady / steady.max()
        again = np.array([weight * random.random(N) + (1 - weight) * steady / steady.max() for _ in range(20)])
        parts = np.column_stack([steady, score])
        fitted = fit_composite(model, pa.table({"spend": steady, "score": score}))
        drawn = drawn_points(model, fitted, parts, {"score": again}, N, 20, random)
        now = fitted.points(parts)
        found[name] = jaccard(now > np.quantile(now, 0.8), drawn > np.quantile(now, 0.8))
    assert found["steady"] > 0.93
    assert found["noise"] < 0.4


def test_scales_of_a_sample_vary_as_those_of_the_population() -> None:
    """500 of 3,000 are looked at: the draws must be as near each other as fits to 3,000 others are."""
    random = np.random.default_rng(2)
    everybody = np.column_stack([random.gamma(2, 20, N), random.normal(0, 1, N)])
    model = composite(Part(of="spend"), Part(of="visits", scale="minmax", low=-3, high=3, reverse=True))
    fitted = fit_composite(model, pa.table({"spend": everybody[:, 0], "visits": everybody[:, 1]}))
    asked = everybody[::6]
    drawn = drawn_points(model, fitted, asked, {}, N, 40, random)
    others = []
    for _ in range(40):
        rows = everybody[random.integers(0, N, N)]
        others.append(fit_composite(model, pa.table({"spend": rows[:, 0], "visits": rows[:, 1]})).points(asked))
    theirs = np.std(others, axis=0).mean()
    assert drawn.std(axis=0).mean() == pytest.approx(theirs, rel=0.2)
    assert drawn.mean(axis=0) == pytest.approx(fitted.points(asked), abs=4 * theirs)


def test_a_part_that_moves_for_everybody_moves_no_percentile() -> None:
    """The scale is fitted to the value as it comes out, so a value that doubles changes nobody's rank."""
    random = np.random.default_rng(3)
    value = random.gamma(2, 20, 500)
    model = composite(Part(of="value"))
    fitted = fit_composite(model, pa.table({"value": value}))
    drawn = drawn_points(model, fitted, value[:, None], {"value": np.tile(2 * value, (3, 1))}, 10**12, 3, random)
    assert drawn == pytest.approx(np.tile(fitted.points(value[:, None]), (3, 1)), abs=1e-3)


# ── maps ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def people(n_noise: int, random: np.random.Generator) -> pa.Table:
    """Two strong directions, each of two features; or features that have nothing to do with each other."""
    if n_noise:
        columns = {f"x{place}": random.normal(0, 1, N) for place in range(n_noise)}
    else:
        first, second = random.normal(0, 1, (2, N))
        columns = {"a": first, "b": first + random.normal(0, 0.1, N), "c": second, "d": second}
        columns["d"] = second + random.normal(0, 0.1, N)
    return pa.table({"profile_id": np.arange(N), **columns})


def test_a_map_of_something_is_stable_and_one_of_noise_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of noise it is chance which axes are kept, and so who is far from everybody."""
    monkeypatch.setattr(resampling, "MOST_ROWS", N)
    random, found = np.random.default_rng(4), {}
    for n_noise in (0, 8):
        table = people(n_noise, random)
        names = tuple(name for name in table.column_names if name != "profile_id")
        model = MapModel(name="map", kind="map", features=names, variance=0.7, **PICTURED)
        plain = model.model_copy(update={"methods": ()})
        fitted = fit_map(plain, table)
        drawn = drawn_distances(plain, fitted, table, table, 10, random)
        assert drawn is not None
        now = fitted.distances(table)
        found[n_noise] = jaccard(now > np.quantile(now, 0.9), drawn > np.quantile(now, 0.9))
    assert found[0] > 0.9
    assert found[8] < 0.75


def test_distances_of_a_sample_vary_as_those_of_the_population(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resampling, "MOST_ROWS", 500)
    random = np.random.default_rng(5)
    table = people(0, random)
    model = MapModel(name="map", kind="map", features=("a", "b", "c", "d"), **PICTURED)
    fitted, asked = fit_map(model, table), table.slice(0, 200)
    drawn = drawn_distances(model, fitted, table, asked, 10, random)
    assert drawn is not None
    others = [fit_map(model, table.take(pa.array(random.integers(0, N, N)))).distances(asked) for _ in range(10)]
    theirs = np.std(np.log(others), axis=0).mean()
    assert np.log(drawn).std(axis=0).mean() == pytest.approx(theirs, rel=0.5)


# ── values ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_values_vary_as_those_of_other_customers() -> None:
    """CDNOW, all customers: parameters on resamples are as far from the published ones as plain resamples are."""
    random = np.random.default_rng(6)
    customers = cdnow()
    model = ValueModel(name="worth", kind="value", event="purchase", amount="amount", horizon_days=273)
    fitted = fit_value(model, tuple("abcdef"), customers, "no past")
    asked = customers.slice(0, 400)
    drawn = drawn_values(model, fitted, customers, asked, 20, random)
    assert drawn is not None and {*drawn} == {"worth", "worth_purchases", "worth_alive"}
    assert drawn["worth"][0] == pytest.approx(drawn["worth"][10]) and (drawn["worth"][0] != drawn["worth"][1]).any()
    others = []
    for _ in range(6):
        rows = customers.take(pa.array(random.integers(0, customers.num_rows, customers.num_rows)))
        others.append(values_of(fit_value(model, tuple("abcdef"), rows, "no past"), asked)["worth"])
    theirs = np.std(np.log(others), axis=0).mean()
    assert np.log(drawn["worth"]).std(axis=0).mean() == pytest.approx(theirs, rel=0.6)
    now = values_of(fitted, asked)["worth"]
    assert 0.9 < jaccard(now > np.quantile(now, 0.7), drawn["worth"] > np.quantile(now, 0.7)) < 1


def test_too_few_customers_say_nothing() -> None:
    customers = cdnow()
    model = ValueModel(name="worth", kind="value", event="purchase", amount="amount")
    fitted = fit_value(model, tuple("abcdef"), customers, "no past")
    few = customers.slice(0, 90)
    assert drawn_values(model, fitted, few, few, 4, np.random.default_rng(0)) is None


def cdnow() -> pa.Table:
    days: dict[str, dict[str, float]] = {}
    for who, day, amount in transactions():
        if day <= "1997-09-30":
            mine = days.setdefault(who, {})
            mine[day] = mine.get(day, 0.0) + float(amount)
    on = {who: sorted(np.datetime64(day) for day in mine) for who, mine in days.items()}
    repeats = np.array([len(mine) - 1.0 for mine in on.values()])
    spent = np.array([sum(mine.values()) - mine[min(mine)] for mine in days.values()])
    return pa.table(
        {
            "profile_id": np.arange(len(on)),
            "repeats": repeats,
            "recency": [float((mine[-1] - mine[0]).astype(int)) for mine in on.values()],
            "age": [float((np.datetime64("1997-09-30") - mine[0]).astype(int)) for mine in on.values()],
            "mean": pa.array(spent / np.maximum(repeats, 1), mask=spent <= 0),
        }
    )
