"""Clusters by k-means: planted groups are found, nothing is pretended in noise, and every way of assigning agrees."""

from __future__ import annotations

from datetime import date

import ibis
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.metrics import adjusted_rand_score, silhouette_score
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler
from tests.warehouses import Engine

from facette.definitions.models import ClustersModel
from facette.errors import ModelError
from facette.models.clusters.counts import elbow
from facette.models.clusters.fit import fit_clusters
from facette.models.clusters.fitted import FittedClusters
from facette.models.clusters.matching import match_numbers, with_shift
from facette.models.clusters.merge import absent, merged
from facette.models.clusters.quality import silhouettes

SCALERS = {"zscore": StandardScaler, "robust": RobustScaler, "minmax": MinMaxScaler}


def table_of(matrix: np.ndarray, **more: object) -> pa.Table:
    columns = {f"f{i}": pa.array(matrix[:, i], from_pandas=True) for i in range(matrix.shape[1])}
    return pa.table({"profile_id": np.arange(len(matrix)), **columns, **more})


def a_model(width: int, **more: object) -> ClustersModel:
    features = tuple(f"f{i}" for i in range(width))
    return ClustersModel(
        name="groups", kind="clusters", features=features, **{"maximum_clusters": 6, "search": {"resamples": 2}, **more}
    )


def timeless(fitted: FittedClusters) -> FittedClusters:
    """Without the seconds that the fit took."""
    rows = tuple(row.model_copy(update={"seconds": 0.0}) for row in fitted.metrics.comparison)
    return fitted.model_copy(update={"metrics": fitted.metrics.model_copy(update={"comparison": rows})})


def in_duckdb(fitted: FittedClusters, table: pa.Table) -> np.ndarray:
    connection = ibis.duckdb.connect()
    features = connection.create_table("features", table)
    query = features.select("profile_id", cluster=fitted.output(features)).order_by("profile_id")
    answer = query.to_pyarrow()["cluster"]
    assert answer.type == pa.int64()
    return answer.to_numpy()


@pytest.fixture(scope="module")
def blobs() -> tuple[np.ndarray, np.ndarray]:
    centres = [[0, 0, 0, 0], [9, 0, 0, 3], [0, 9, 0, -3], [0, 0, 9, 0]]
    points, truth = make_blobs([450, 350, 250, 150], centers=np.array(centres, dtype=float), random_state=1)
    return points, truth


@pytest.fixture(scope="module")
def fitted(blobs: tuple[np.ndarray, np.ndarray]) -> FittedClusters:
    return fit_clusters(a_model(4), table_of(blobs[0]))


def test_planted_groups_are_found(fitted: FittedClusters, blobs: tuple[np.ndarray, np.ndarray]) -> None:
    points, truth = blobs
    assert adjusted_rand_score(truth, fitted.rows(table_of(points))) > 0.99
    assert fitted.metrics.clusters == 4
    assert fitted.metrics.suggested == {"silhouette": 4, "elbow": 4}
    assert sorted(fitted.numbers) == [1, 2, 3, 4]
    assert [cluster.size for cluster in fitted.metrics.profile] == [450, 350, 250, 150]
    assert fitted.metrics.profile[0].share == pytest.approx(0.375)
    largest = points[truth == 0]
    assert fitted.metrics.profile[0].means == pytest.approx({f"f{i}": largest[:, i].mean() for i in range(4)}, abs=0.01)
    assert sum(fitted.metrics.explained_variance) == pytest.approx(1)
    assert sum(fitted.metrics.explained_variance[: fitted.metrics.components]) >= 0.85
    assert len(fitted.metrics.map) == 1200


def test_noise_is_not_dressed_up() -> None:
    noise = np.random.default_rng(3).normal(size=(1000, 6))
    assert fit_clusters(a_model(6), table_of(noise)).metrics.silhouette < 0.25


def test_the_two_texts_bring_the_model_back(fitted: FittedClusters) -> None:
    assert FittedClusters.from_json(fitted.parameters_json(), fitted.metrics_json()) == fitted


def test_the_order_of_the_rows_does_not_matter(fitted: FittedClusters, blobs: tuple[np.ndarray, np.ndarray]) -> None:
    table = table_of(blobs[0])
    shuffled = table.take(np.random.default_rng(0).permutation(table.num_rows))
    assert timeless(fit_clusters(a_model(4), shuffled)) == timeless(fitted)


@pytest.mark.parametrize("scale", ["zscore", "robust", "minmax"])
def test_every_assignment_equals_scikit_learn(scale: str) -> None:
    """A pipeline of scikit-learn's own steps, with the centres that were found, puts every row where we do."""
    random = np.random.default_rng(5)
    matrix = random.lognormal(size=(1500, 8)) * random.choice([1, 1000], size=8)
    matrix[:, 3] = random.normal(size=1500) * 50  # logged and partly negative
    matrix[random.random(matrix.shape) < 0.1] = np.nan
    model = a_model(8, scale=scale, log=("f0", "f1", "f2", "f3"), variance=0.9, minimum_clusters=5)
    fitted = fit_clusters(model, table_of(matrix))

    filled = SimpleImputer(strategy="median").fit_transform(matrix)
    filled[:, :4] = np.sign(filled[:, :4]) * np.log1p(np.abs(filled[:, :4]))
    scaled = SCALERS[scale]().fit_transform(filled)
    points = PCA(n_components=fitted.metrics.components, svd_solver="full").fit_transform(scaled)
    peer = KMeans(fitted.metrics.clusters, n_init=5, random_state=model.seed).fit(points)
    numbers = np.argsort(np.argsort(-np.bincount(peer.labels_), kind="stable")) + 1
    expected = numbers[peer.predict(points)]

    assert (fitted.rows(table_of(matrix)) == expected).all()
    assert (in_duckdb(fitted, table_of(matrix)) == expected).all()


def test_the_best_of_the_trials_is_taken(fitted: FittedClusters) -> None:
    best = max(fitted.metrics.trials, key=lambda trial: trial.silhouette)
    assert best.clusters == fitted.metrics.clusters
    assert [trial.clusters for trial in fitted.metrics.trials] == list(range(2, 7))
    inertias = [trial.inertia for trial in fitted.metrics.trials]
    assert inertias == sorted(inertias, reverse=True)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.integers(3, 60), st.integers(2, 6))
def test_silhouettes_equal_scikit_learn(seed: int, rows: int, clusters: int) -> None:
    random = np.random.default_rng(seed)
    points = random.normal(size=(rows, 3)).round(1)
    labelings = [np.unique(random.integers(0, k, rows), return_inverse=True)[1] for k in (clusters, 2)]
    labelings = [labels for labels in labelings if 1 < len(np.unique(labels)) < rows]
    expected = [silhouette_score(points, labels) for labels in labelings]
    if labelings:
        assert silhouettes(points, labelings) == pytest.approx(expected, abs=1e-9)


def test_silhouettes_over_several_slices() -> None:
    random = np.random.default_rng(2)
    points, labels = random.normal(size=(2300, 2)), random.integers(0, 3, 2300)
    assert silhouettes(points, [labels]) == pytest.approx([silhouette_score(points, labels)], abs=1e-9)


def test_elbow() -> None:
    assert elbow([2, 3, 4, 5, 6], [100, 40, 10, 8, 6]) == 4
    assert elbow([2, 3], [100, 40]) is None
    assert elbow([2, 3, 4], [1, 1, 1]) is None


# ── what data may be like ───────────────────────────────────────────────────────────────────────────────────────────


def test_useless_columns_are_ignored_and_said(blobs: tuple[np.ndarray, np.ndarray]) -> None:
    points, truth = blobs
    wide = np.column_stack([points, np.full(len(points), 7.0), np.full(len(points), np.nan)])
    fitted = fit_clusters(a_model(6), table_of(wide))
    assert fitted.preparation.remarks == {
        "f4": "ignored: it has the same value everywhere",
        "f5": "ignored: it has no known value",
    }
    assert fitted.metrics.profile[0].means["f5"] is None
    assert adjusted_rand_score(truth, in_duckdb(fitted, table_of(wide))) > 0.99


def test_nan_and_infinity_are_unknown(fitted: FittedClusters) -> None:
    odd = [np.nan, np.inf, -np.inf, 1e200, None]
    values = pa.array([*odd, 1.0], pa.float64())
    table = pa.table({"profile_id": range(6), "f0": values, "f1": values, "f2": values, "f3": values})
    answers = in_duckdb(fitted, table)
    assert (answers == fitted.rows(table)).all()
    assert len(set(answers[:5])) == 1


def test_booleans_integers_and_decimals(blobs: tuple[np.ndarray, np.ndarray]) -> None:
    points, _ = blobs
    random = np.random.default_rng(0)
    table = pa.table(
        {
            "profile_id": np.arange(len(points)),
            "f0": pa.array(random.random(len(points)) < 0.5, mask=random.random(len(points)) < 0.2),
            "f1": pa.array(points[:, 1].round().astype(np.int32)),
            "f2": pa.array(points[:, 2].round(2)).cast(pa.decimal128(8, 2), safe=False),
        }
    )
    fitted = fit_clusters(a_model(3), table)
    assert (in_duckdb(fitted, table) == fitted.rows(table)).all()


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (table_of(np.ones((50, 2))), "None of the model's features"),
        (table_of(np.eye(2)), "cannot find 2 clusters among 2 profiles"),
        (table_of(np.empty((0, 2))), "cannot find 2 clusters among 0 profiles"),
        (table_of(np.ones((50, 1))), "“f1” does not exist"),
        (pa.table({"f0": [date(2026, 1, 1)] * 9, "f1": [1.0] * 9}), "“f0” is date32.* not a number"),
    ],
)
def test_what_cannot_be_fitted_says_why(table: pa.Table, said: str) -> None:
    with pytest.raises(ModelError, match=said) as raised:
        fit_clusters(a_model(2), table)
    assert raised.value.remedy


def test_no_more_clusters_than_different_profiles() -> None:
    points = np.repeat([[0.0, 0.0], [5.0, 1.0], [9.0, 9.0]], 20, axis=0)
    fitted = fit_clusters(a_model(2), table_of(points))
    assert fitted.metrics.clusters == 3
    with pytest.raises(ModelError, match="only 3 profiles differ"):
        fit_clusters(a_model(2, minimum_clusters=4), table_of(points))


# ── numbers that last ───────────────────────────────────────────────────────────────────────────────────────────────


CENTRES = np.array([[0, 0, 0, 0], [9, 0, 0, 3], [0, 9, 0, -3], [0, 0, 9, 0]], dtype=float)


def test_clusters_keep_their_numbers_when_their_sizes_change(fitted: FittedClusters) -> None:
    points, truth = make_blobs([150, 250, 350, 450], centers=CENTRES + 0.3, random_state=2)
    table = table_of(points)
    anew = fit_clusters(a_model(4, minimum_clusters=4, maximum_clusters=4), table)
    assert (anew.rows(table) == truth + 1).mean() < 0.01  # by itself it calls the largest 1
    later = match_numbers(fitted, anew, table)
    assert (later.rows(table) == truth + 1).mean() > 0.99
    assert (in_duckdb(later, table) == later.rows(table)).all()
    assert [cluster.number for cluster in later.metrics.profile] == [1, 2, 3, 4]
    assert [cluster.size for cluster in later.metrics.profile] == pytest.approx([150, 250, 350, 450], abs=5)
    shift = later.metrics.shift
    assert shift is not None and shift.rows == 1200 and shift.moved < 0.01
    assert [(fate.number, fate.size) for fate in shift.fates] == [
        (number, int((fitted.rows(table) == number).sum())) for number in (1, 2, 3, 4)
    ]
    assert all(fate.into[fate.number] > 0.97 for fate in shift.fates)
    assert FittedClusters.from_json(later.parameters_json(), later.metrics_json()) == later


def test_a_cluster_that_is_new_takes_a_number_that_is_new(fitted: FittedClusters) -> None:
    centres = np.array([[0, 0, 0, 0], [0, 9, 0, -3], [0, 0, 9, 0], [9, 9, 0, 9], [9, 0, 9, 9]], dtype=float)
    points, truth = make_blobs([200] * 5, centers=centres, random_state=2)
    five = fit_clusters(a_model(4, minimum_clusters=5, maximum_clusters=5, variance=1), table_of(points))
    later = match_numbers(fitted, five, table_of(points))
    assert sorted(later.numbers) == [1, 2, 3, 4, 5]
    numbers = later.rows(table_of(points))
    assert [set(numbers[truth == i].tolist()) for i in range(3)] == [{1}, {3}, {4}]
    assert {int(numbers[truth == i][0]) for i in (3, 4)} == {2, 5}
    moved = (fitted.rows(table_of(points)) != numbers).mean()
    assert later.metrics.shift is not None and later.metrics.shift.moved == pytest.approx(moved)
    assert 0.15 < moved < 0.25


def test_other_features_of_the_same_people_keep_the_numbers(
    fitted: FittedClusters, blobs: tuple[np.ndarray, np.ndarray]
) -> None:
    table = table_of(blobs[0])
    narrow = fit_clusters(a_model(3), table)
    later = match_numbers(fitted, narrow, table)
    assert (later.rows(table) == fitted.rows(table)).mean() > 0.99


def test_what_cannot_be_applied_any_more_is_not_compared(fitted: FittedClusters) -> None:
    points, _ = make_blobs(300, centers=CENTRES[:, :3], random_state=2)
    anew = fit_clusters(a_model(3), table_of(points))
    assert match_numbers(fitted, anew, table_of(points)) is anew


# ── groups that are merged ──────────────────────────────────────────────────────────────────────────────────────────


def test_merged_groups_are_one_and_stay_it(fitted: FittedClusters) -> None:
    model = a_model(4, minimum_clusters=4, maximum_clusters=4, merge={4: 2, 3: 4, 9: 1})
    points = make_blobs([150, 250, 350, 450], centers=CENTRES + 0.3, random_state=2)[0]
    table = table_of(points)
    alone = match_numbers(fitted, fit_clusters(model, table), table)
    assert absent(model, alone) == [9]
    joined = merged(model, alone, table)
    before, numbers = alone.rows(table), joined.rows(table)
    assert set(numbers) == {1, 2} and ((numbers == 1) == (before == 1)).all()
    assert (in_duckdb(joined, table) == numbers).all()
    first, second = joined.metrics.profile
    assert (first, second.number, second.size) == (alone.metrics.profile[0], 2, int((before > 1).sum()))
    assert second.means["f1"] == pytest.approx(points[before > 1, 1].mean())
    parts = alone.metrics.profile[1:]
    assert second.stability == pytest.approx(np.average([p.stability for p in parts], weights=[p.size for p in parts]))
    assert joined.metrics.clusters == 2 and joined.metrics.silhouette < alone.metrics.silhouette
    assert {place.number for place in joined.metrics.map} == {1, 2}
    assert FittedClusters.from_json(joined.parameters_json(), joined.metrics_json()) == joined

    again = match_numbers(joined, fit_clusters(model, table), table)  # the next fit: the same groups are merged
    assert again.numbers == alone.numbers
    later = with_shift(joined, merged(model, again, table), table)
    assert (later.rows(table) == numbers).all()
    assert later.metrics.shift is not None and later.metrics.shift.moved == 0
    assert [fate.number for fate in later.metrics.shift.fates] == [1, 2]
    with pytest.raises(ModelError, match="merges all groups into one"):
        merged(a_model(4, merge={2: 1, 3: 1, 4: 3}), alone, table)


# ── elsewhere ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_postgres_assigns_alike(postgres: Engine) -> None:
    random = np.random.default_rng(8)
    matrix = random.lognormal(size=(500, 3))
    matrix[random.random(matrix.shape) < 0.1] = np.nan
    table = table_of(matrix, f3=pa.array(random.random(500) < 0.5, mask=random.random(500) < 0.2))
    fitted = fit_clusters(a_model(4, log=("f0", "f1")), table)
    features = postgres.con.create_table("features", table, overwrite=True)
    query = features.select("profile_id", cluster=fitted.output(features)).order_by("profile_id")
    assert (query.to_pyarrow()["cluster"].to_numpy() == fitted.rows(table)).all()


@pytest.mark.parametrize("dialect", ["snowflake", "bigquery", "databricks", "trino"])
def test_other_warehouses_can_say_it(fitted: FittedClusters, dialect: str) -> None:
    features = ibis.table({f"f{i}": "float64" for i in range(4)}, name="features")
    assert ibis.to_sql(features.select(cluster=fitted.output(features)), dialect=dialect)
