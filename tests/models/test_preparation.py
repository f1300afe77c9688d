"""Preparing features: against scikit-learn and scipy, and the same in NumPy and in a query."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pytest
from scipy import stats
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import OneHotEncoder, PowerTransformer, RobustScaler, StandardScaler

from facette.definitions.models import ClustersModel, MapModel, PropensityModel
from facette.definitions.preparing import Learning
from facette.errors import ModelError
from facette.models.clusters.fit import fit_clusters
from facette.models.maps import fit_map
from facette.models.matrix import levels_of, to_matrix
from facette.models.preparation import Preparation, fit_preparation, training_matrix, yeo_johnson
from facette.models.representation import cramers_v, missingness, rake, representation
from facette.models.scores import fit_propensity

CITIES = ("Nantes", "Paris", "Rennes")


@pytest.fixture(scope="module")
def people() -> pa.Table:
    """Spend follows age and city; a fifth of the spends is unknown, some are absurd; a seventh of the cities is."""
    random = np.random.default_rng(7)
    age = random.uniform(18, 80, 600).round()
    city = random.choice(3, 600, p=[0.5, 0.3, 0.2])
    spend = np.exp(1 + age / 40 + city * 0.5 + random.normal(scale=0.2, size=600))
    spend[::97] = 5_000
    return pa.table(
        {
            "profile_id": np.arange(600),
            "age": pa.array(age, mask=random.random(600) < 0.05),
            "spend": pa.array(spend, mask=random.random(600) < 0.2),
            "city": pa.array(np.array(CITIES)[city], mask=random.random(600) < 0.15),
            "is_member": pa.array(random.random(600) < 0.4),
        }
    )


def learning(*features: str, **more: Any) -> Learning:
    return Learning(name="m", features=features, **more)


def prepared(table: pa.Table, model: Learning, **more: Any) -> tuple[Preparation, np.ndarray]:
    levels = levels_of(table, model.features)
    matrix = to_matrix(table, model.features, levels)
    preparation = fit_preparation(matrix, model, levels=levels, **more)
    return preparation, preparation.transform(matrix)


def in_duckdb(preparation: Preparation, table: pa.Table) -> np.ndarray:
    rows = ibis.duckdb.connect().create_table("t", table)
    columns = {f"c{i}": value for i, value in enumerate(preparation.expressions(rows))}
    found = rows.select("profile_id", **columns).order_by("profile_id").to_pyarrow()
    return np.column_stack([found[name].to_numpy() for name in columns])


EVERY_WAY = {
    "median": {},
    "constant": {"impute": {"spend": {"method": "constant", "value": -1}}},
    "interpolation": {"impute": {"spend": {"method": "interpolation", "by": "age"}}},
    "regression": {"impute": {"spend": {"method": "regression"}, "age": {"method": "regression"}}},
    "neighbours": {"impute": {"spend": {"method": "neighbours", "neighbours": 3}}},
    "clipped": {"outliers": {"spend": {"method": "iqr", "factor": 1.5, "action": "clip"}}},
    "dropped": {"outliers": {"spend": {"method": "zscore", "factor": 3, "action": "drop"}}, "scale": "minmax"},
    "flagged": {"outliers": {"spend": {"method": "iqr", "factor": 3}}, "scale": "robust", "log": ["spend"]},
    "unskewed": {"yeo_johnson": ["spend", "age"]},
    "target": {"categories": {"city": "target"}},
    "embedded": {"categories": {"city": "embedding"}},
}


@pytest.mark.parametrize("way", EVERY_WAY)
def test_a_query_prepares_as_numpy_does(people: pa.Table, way: str) -> None:
    model = learning("spend", "age", "city", "is_member", **EVERY_WAY[way])
    target = np.arange(600) % 3 == 0
    preparation, matrix = prepared(people, model, flag_missing=True, target=target)
    assert np.isfinite(matrix).all()
    np.testing.assert_allclose(in_duckdb(preparation, people), matrix, rtol=1e-9, atol=1e-9)
    assert Preparation.model_validate_json(preparation.model_dump_json()) == preparation
    strangers = pa.table({"profile_id": [0], "age": [1e300], "spend": [None], "city": ["Lyon"], "is_member": [None]})
    strangers = strangers.cast(people.schema)
    of_strangers = preparation.transform(preparation.matrix(strangers))
    assert np.isfinite(of_strangers).all()
    np.testing.assert_allclose(in_duckdb(preparation, strangers), of_strangers, rtol=1e-9, atol=1e-9)


def test_the_plain_ways_are_those_of_scikit_learn(people: pa.Table) -> None:
    raw = to_matrix(people, ["spend", "age"])
    filled = SimpleImputer(strategy="median").fit_transform(raw)
    np.testing.assert_allclose(prepared(people, learning("spend", "age"))[1], StandardScaler().fit_transform(filled))
    robust = prepared(people, learning("spend", "age", scale="robust"))[1]
    np.testing.assert_allclose(robust, RobustScaler().fit_transform(filled))
    unskewed = prepared(people, learning("spend", "age", yeo_johnson=["spend", "age"]))[1]
    np.testing.assert_allclose(unskewed, PowerTransformer().fit_transform(filled), atol=1e-6)


@pytest.mark.parametrize("power", [-1.5, 0.0, 0.5, 1.0, 2.0, 3.0])
def test_yeo_johnson_is_that_of_scipy(power: float) -> None:
    values = np.linspace(-30, 30, 101)
    np.testing.assert_allclose(yeo_johnson(values, power), stats.yeojohnson(values, power), rtol=1e-9)


def test_neighbours_are_those_of_scikit_learn(people: pa.Table) -> None:
    """With the other features known, and no two rows equally far."""
    random = np.random.default_rng(1)
    age = random.normal(50, 10, 300)
    size = random.normal(3, 1, 300)
    spend = pa.array(age * 2 + size, mask=random.random(300) < 0.3)
    table = pa.table({"spend": spend, "age": age, "size": size})
    model = learning("spend", "age", "size", impute={"spend": {"method": "neighbours", "neighbours": 4}})
    preparation, matrix = prepared(table, model)
    raw = to_matrix(table, ["spend", "age", "size"])
    scaled = raw.copy()
    scaled[:, 1:] /= raw[:, 1:].std(axis=0)
    expected = KNNImputer(n_neighbors=4).fit_transform(scaled)[:, 0]
    column = preparation.columns[0]
    np.testing.assert_allclose(matrix[:, 0] * column.scale + column.centre, expected)


def test_regression_is_least_squares_within_what_is_known(people: pa.Table) -> None:
    model = learning("spend", "age", impute={"spend": {"method": "regression"}})
    preparation, matrix = prepared(people, model)
    raw = to_matrix(people, ["spend", "age"])
    age = np.where(np.isnan(raw[:, 1]), np.nanmedian(raw[:, 1]), raw[:, 1])[:, None]
    unknown = np.isnan(raw[:, 0])
    line = LinearRegression().fit(age[~unknown], raw[~unknown, 0])
    expected = np.clip(line.predict(age[unknown]), np.nanmin(raw[:, 0]), np.nanmax(raw[:, 0]))
    column = preparation.columns[0]
    np.testing.assert_allclose(matrix[unknown, 0] * column.scale + column.centre, expected)


def test_interpolation_follows_what_it_runs_along(people: pa.Table) -> None:
    """Of those whose spend is hidden the line comes nearer than the median."""
    model = learning("spend", "age", impute={"spend": {"method": "interpolation", "by": "age"}})
    age = np.linspace(20, 80, 400)
    truth = (age - 50) ** 2
    is_hidden = np.arange(400) % 5 == 0
    table = pa.table({"spend": pa.array(truth, mask=is_hidden), "age": age})
    preparation, matrix = prepared(table, model)
    column = preparation.columns[0]
    found = matrix[is_hidden, 0] * column.scale + column.centre
    assert np.abs(found - truth[is_hidden]).mean() < 0.1 * np.abs(np.median(truth) - truth[is_hidden]).mean()


def test_outliers_are_clipped_dropped_or_flagged(people: pa.Table) -> None:
    raw = to_matrix(people, ["spend"])[:, 0]
    low, high = np.nanpercentile(raw, [25, 75])
    fence = high + 1.5 * (high - low)

    def column(action: str) -> tuple[Preparation, np.ndarray]:
        outliers = {"spend": {"method": "iqr", "factor": 1.5, "action": action}}
        return prepared(people, learning("spend", "age", outliers=outliers))

    def unscaled(preparation: Preparation, matrix: np.ndarray) -> np.ndarray:
        return matrix[:, 0] * preparation.columns[0].scale + preparation.columns[0].centre

    is_far = raw > fence
    assert is_far.sum() >= 5
    np.testing.assert_allclose(unscaled(*column("clip"))[is_far], fence)
    within = np.nanmedian(raw[~is_far])
    np.testing.assert_allclose(unscaled(*column("drop"))[is_far], within)
    preparation, matrix = column("flag")
    assert [item.part for item in preparation.columns] == ["value", "outlier", "value"]
    assert ((matrix[:, 1] > 0) == is_far).all()
    np.testing.assert_allclose(unscaled(preparation, matrix)[is_far], raw[is_far])


def test_texts_become_columns(people: pa.Table) -> None:
    preparation, matrix = prepared(people, learning("city", "age"))
    assert preparation.levels == {"city": CITIES}
    assert [preparation.label(column) for column in preparation.columns] == [*(f"city = {c}" for c in CITIES), "age"]
    known = people["city"].is_valid().to_numpy()
    encoder = OneHotEncoder(sparse_output=False).fit(people["city"].drop_null().to_numpy()[:, None])
    expected = encoder.transform(people.filter(known)["city"].to_numpy()[:, None])
    assert ((matrix[known, :3] > 0) == expected.astype(bool)).all()
    assert (matrix[~known, :3] < 0).all()


def test_rare_values_are_one() -> None:
    cities = ["Nantes"] * 50 + ["Paris"] * 40 + ["Brest"] * 5 + ["Dax"] * 5
    table = pa.table({"city": cities, "age": np.arange(100.0)})
    preparation, _ = prepared(table, learning("city", "age"))
    labels = [preparation.label(column) for column in preparation.columns if column.part == "level"]
    assert labels == ["city = Nantes", "city = Paris", "city = …"]


def test_what_a_code_remembers_is_not_taken_for_what_it_foretells() -> None:
    """Values that say nothing: coded by their own rows' target they seem to; coded out of fold they do not."""
    random = np.random.default_rng(3)
    values = random.choice([f"v{i}" for i in range(20)], 1200)
    target = random.random(1200) < 0.5
    table = pa.table({"value": values, "age": random.normal(size=1200)})
    model = learning("value", "age", categories={"value": "target"})
    levels = levels_of(table, model.features)
    raw = to_matrix(table, model.features, levels)
    preparation = fit_preparation(raw, model, levels=levels, target=target)
    seen = preparation.transform(raw)[:, 0]
    fair = training_matrix(preparation, model, raw, target, np.arange(1200), 0)[:, 0]
    assert np.corrcoef(seen, target)[0, 1] > 0.1
    assert np.corrcoef(fair, target)[0, 1] < 0.03
    assert np.array_equal(
        preparation.transform(raw)[:, 1], training_matrix(preparation, model, raw, target, np.arange(1200), 0)[:, 1]
    )


def test_values_whose_people_are_alike_lie_close() -> None:
    random = np.random.default_rng(5)
    city = np.repeat(np.arange(6), 100)
    age = random.normal(np.where(city < 3, 30, 60), 5)
    spend = random.normal(np.where(city < 3, 10, 80), 8)
    table = pa.table({"city": np.array([f"c{c}" for c in city]), "age": age, "spend": spend})
    preparation, _ = prepared(table, learning("city", "age", "spend", categories={"city": "embedding"}))
    points = np.column_stack([column.codes for column in preparation.columns if column.part == "code"])
    gaps = np.linalg.norm(points[:6, None] - points[None, :6], axis=2)
    assert gaps[:3, :3].max() < gaps[:3, 3:].min()
    assert gaps[3:, 3:].max() < gaps[:3, 3:].min()


def test_what_cannot_be_imputed_says_why() -> None:
    table = pa.table({"spend": [1.0, None, 3.0], "age": pa.array([None] * 3, pa.float64())})
    with pytest.raises(ModelError, match="no other number"):
        prepared(table, learning("spend", "age", impute={"spend": {"method": "regression"}}))
    with pytest.raises(ModelError, match="nobody has it together"):
        prepared(table, learning("spend", "age", impute={"spend": {"method": "interpolation", "by": "age"}}))


def test_gaps_are_counted_by_group(people: pa.Table) -> None:
    rows = missingness(learning("spend", "is_member", groups=["city"]), people).to_pylist()
    assert {row["feature"] for row in rows} == {"spend"}
    everybody, *cities = rows
    assert (everybody["profiles"], everybody["unknown_share"]) == (600, people["spend"].null_count / 600)
    assert [row["level"] for row in cities] == [*CITIES, None]
    nantes = people.filter(pa.compute.equal(people["city"], "Nantes"))
    assert (cities[0]["profiles"], cities[0]["unknown_share"]) == (
        len(nantes),
        nantes["spend"].null_count / len(nantes),
    )
    lacking = [row["profiles"] * row["unknown_share"] for row in cities]
    counts = np.array([[lack, row["profiles"] - lack] for lack, row in zip(lacking, cities, strict=True)])
    expected = stats.contingency.association(counts.round().astype(int), method="cramer")
    assert cities[0]["cramers_v"] == pytest.approx(expected, abs=1e-9)
    assert cramers_v(np.array([[5, 0], [7, 0]])) is None


@pytest.mark.parametrize("kind", ["clusters", "map", "propensity"])
def test_models_learn_from_the_population_they_are_to_stand_for(kind: str) -> None:
    """Half of the people live in each city; the reference has nine in ten in Paris, where spends are higher by 10."""
    random = np.random.default_rng(11)
    is_paris = np.arange(1600) % 2 == 0
    spend, age = random.normal(np.where(is_paris, 20, 10)), random.normal(40, 9, 1600)
    cities = np.where(is_paris, "Paris", "Nantes")
    table = pa.table({"profile_id": np.arange(1600), "spend": spend, "age": age, "city": cities})
    about = {"name": "m", "features": ["spend", "age"], "weights": {"city": {"Paris": 0.9, "Nantes": 0.1}}}
    if kind == "clusters":
        fitted: Any = fit_clusters(ClustersModel(kind="clusters", maximum_clusters=3, **about), table)
    elif kind == "map":
        fitted = fit_map(MapModel(kind="map", methods=["pca"], sample=100, **about), table)
    else:
        did = random.random(1600) < np.where(is_paris, 0.8, 0.2)
        months = [datetime(2026, month, 1, tzinfo=UTC) for month in (1, 3, 5, 7)]
        past = [table.append_column("instant", pa.array([at] * 1600)).append_column("target", [did]) for at in months]
        model = PropensityModel(kind="propensity", target="order", horizon_days=30, **about)
        fitted = fit_propensity(model, pa.concat_tables(past))
        assert fitted.metrics.fit_positives / fitted.metrics.fit_rows == pytest.approx(0.9 * 0.8 + 0.1 * 0.2, abs=0.03)
        assert fitted.metrics.base_rate == pytest.approx(0.5, abs=0.03)
    assert fitted.preparation.columns[0].centre == pytest.approx(0.9 * 20 + 0.1 * 10, abs=0.4)


def test_weights_give_the_shares_of_the_reference(people: pa.Table) -> None:
    reference = {"city": {"Nantes": 0.2, "Paris": 0.3, "Rennes": 0.5}, "is_member": {"true": 0.7, "false": 0.3}}
    rows, weights = representation(learning("spend", weights=reference), people)
    assert weights is not None
    assert weights.mean() == pytest.approx(1)
    for group, shares in reference.items():
        known = {row["level"]: row for row in rows.to_pylist() if row["group"] == group and row["level"] is not None}
        total = sum(row["weighted_share"] for row in known.values())
        assert {level: row["weighted_share"] / total for level, row in known.items()} == pytest.approx(shares)
        assert {level: row["reference"] for level, row in known.items()} == shares
    with pytest.raises(ModelError, match="Lyon"):
        rake(people, learning("spend", weights={"city": {"Lyon": 0.5, "Paris": 0.5}}))
