"""Every method of clusters finds what was planted, is applied as it was fitted, and is judged beside the others."""

from __future__ import annotations

from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pytest
from fast_hdbscan import HDBSCAN
from sklearn.cluster import DBSCAN, AgglomerativeClustering
from sklearn.datasets import make_blobs, make_moons
from sklearn.metrics import adjusted_rand_score, calinski_harabasz_score, davies_bouldin_score, silhouette_score
from sklearn.mixture import GaussianMixture

from facette.definitions.models import ClustersModel
from facette.errors import ModelError
from facette.models.clusters import dendrogram, density
from facette.models.clusters.assigners import Mixture, Neighbours
from facette.models.clusters.counts import first_gap
from facette.models.clusters.family import Chosen, Family
from facette.models.clusters.fit import FAMILIES, Kpi, fit_clusters
from facette.models.clusters.fitted import FittedClusters
from facette.models.clusters.matching import match_numbers
from facette.models.clusters.quality import measures, spanning_tree, validity
from facette.models.clusters.space import Space, space_of
from facette.models.clusters.stability import jaccard
from facette.validation.differences import effect_of_groups

METHODS = ("kmeans", "gaussian_mixture", "agglomerative", "dbscan", "hdbscan", "autoencoder")
CENTRES = np.array([[0, 0, 0], [9, 0, 3], [0, 9, -3], [0, 0, 9]], dtype=float)


def table_of(matrix: np.ndarray, **more: Any) -> pa.Table:
    return pa.table(
        {"profile_id": np.arange(len(matrix)), **{f"f{i}": matrix[:, i] for i in range(matrix.shape[1])}, **more}
    )


def a_model(width: int, *methods: Any, **more: Any) -> ClustersModel:
    usual: dict[str, Any] = {"maximum_clusters": 6, "variance": 1.0, "search": {"trials": 4, "resamples": 2}}
    features = tuple(f"f{i}" for i in range(width))
    return ClustersModel(name="groups", kind="clusters", features=features, methods=methods, **usual | more)


def in_duckdb(fitted: FittedClusters, table: pa.Table) -> np.ndarray:
    features = ibis.duckdb.connect().create_table("features", table)
    answer = features.select("profile_id", cluster=fitted.output(features)).order_by("profile_id").to_pyarrow()
    assert answer["cluster"].type == pa.int64()
    return answer["cluster"].to_numpy()


@pytest.fixture(scope="module")
def blobs() -> tuple[np.ndarray, np.ndarray]:
    return make_blobs([160, 120, 80, 60], centers=CENTRES, random_state=1)


@pytest.fixture(scope="module")
def moons() -> tuple[np.ndarray, np.ndarray]:
    return make_moons(400, noise=0.06, random_state=0)


@pytest.fixture(scope="module")
def noise() -> np.ndarray:
    return np.random.default_rng(3).normal(size=(400, 6))


@pytest.fixture(scope="module")
def together(blobs: tuple[np.ndarray, np.ndarray]) -> FittedClusters:
    return fit_clusters(a_model(3, *METHODS), table_of(blobs[0]))


@pytest.mark.parametrize("method", METHODS)
def test_each_method_finds_planted_groups_and_puts_everybody_in_them(
    method: str, blobs: tuple[np.ndarray, np.ndarray]
) -> None:
    points, truth = blobs
    table = table_of(points)
    fitted = fit_clusters(a_model(3, method), table)
    assert fitted.metrics.method == method
    numbers = fitted.rows(table)
    assert adjusted_rand_score(truth, numbers) > (
        0.9 if method == "dbscan" else 0.95
    )  # which leaves out the thin edges
    assert (in_duckdb(fitted, table) == numbers).all()
    assert [int(fitted.rows(table.slice(row, 1))[0]) for row in range(0, len(points), 13)] == numbers[::13].tolist()
    assert FittedClusters.from_json(fitted.parameters_json(), fitted.metrics_json()) == fitted
    assert [cluster.size for cluster in fitted.metrics.profile] == [
        int((numbers == number).sum()) for number in (1, 2, 3, 4)
    ]
    unseen = np.random.default_rng(0).normal(scale=6, size=(500, 3)) + 3
    unseen[::9, 0] = np.nan
    assert (in_duckdb(fitted, table_of(unseen)) == fitted.rows(table_of(unseen))).all()


def test_an_autoencoder_is_the_same_again(blobs: tuple[np.ndarray, np.ndarray]) -> None:
    table, model = (
        table_of(blobs[0]),
        a_model(3, {"method": "autoencoder", "code": 1, "clusters": 4}, search={"resamples": 0}),
    )
    assert fit_clusters(model, table).parameters_json() == fit_clusters(model, table).parameters_json()


def test_a_search_is_the_same_again(moons: tuple[np.ndarray, np.ndarray]) -> None:
    table, model = table_of(moons[0]), a_model(2, "dbscan")
    one, other = (fit_clusters(model, table) for _ in range(2))
    assert one.parameters_json() == other.parameters_json()
    assert one.metrics.trials == other.metrics.trials and len(one.metrics.trials) == 4


@pytest.mark.parametrize("method", ["dbscan", "hdbscan"])
def test_dense_shapes_are_found_by_density(method: str, moons: tuple[np.ndarray, np.ndarray]) -> None:
    points, truth = moons
    model = a_model(2, "kmeans", method, search={"objective": "validity", "trials": 12, "resamples": 0})
    fitted = fit_clusters(model, table_of(points))
    assert fitted.metrics.method == method
    assert adjusted_rand_score(truth, fitted.rows(table_of(points))) > 0.95
    by_silhouette = fit_clusters(a_model(2, "kmeans", method, search={"trials": 4, "resamples": 0}), table_of(points))
    assert by_silhouette.metrics.method == "kmeans"  # which likes round groups


def test_whoever_is_far_from_everybody_is_in_no_group(moons: tuple[np.ndarray, np.ndarray]) -> None:
    fitted = fit_clusters(a_model(2, "dbscan"), table_of(moons[0]))
    strangers = table_of(np.array([[50.0, 50.0], [-9.0, 0.0]]))
    assert fitted.rows(strangers).tolist() == [0, 0] == in_duckdb(fitted, strangers).tolist()


def test_in_noise_nothing_is_pretended(noise: np.ndarray) -> None:
    with pytest.raises(ModelError, match="no two groups") as raised:
        fit_clusters(a_model(6, "dbscan", "hdbscan"), table_of(noise))
    assert raised.value.remedy
    fitted = fit_clusters(a_model(6, *METHODS[:4], search={"trials": 4, "resamples": 8}), table_of(noise))
    assert fitted.metrics.silhouette < 0.25
    rows = {row.method: row for row in fitted.metrics.comparison}
    assert rows["dbscan"].remark and rows["dbscan"].clusters == 0
    assert all((rows[name].stability or 0) < 0.7 and (rows[name].validity or 0) < 0 for name in METHODS[:3])


# ── as it was fitted ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def skewed() -> Space:
    """Three clouds of different density that touch, and people between them."""
    random = np.random.default_rng(2)
    parts = [random.normal(centre, width, (200, 3)) for centre, width in ((0, 0.4), (3, 0.8), ([6, 0, 0], 0.6))]
    return space_of(np.vstack([*parts, random.uniform(-3, 8, (60, 3))]), 1.0)


def test_dbscan_agrees_with_scikit_learn(skewed: Space) -> None:
    """Core points exactly; a point on the border of two groups is in that of the nearest core, not of the first."""
    assigner = density.fit_dbscan(skewed, {"radius": 0.6, "minimum_points": 6}, 0)
    peer = DBSCAN(eps=0.6, min_samples=6).fit(skewed.points)
    found = assigner.groups(skewed.prepared)
    core = peer.core_sample_indices_
    assert (found[core] == peer.labels_[core]).all()
    assert ((found == -1) == (peer.labels_ == -1)).all()
    assert (found == peer.labels_).mean() > 0.98


def test_hdbscan_agrees_with_fast_hdbscan(skewed: Space) -> None:
    assigner = density.fit_hdbscan(skewed, {"minimum_size": 20, "minimum_points": 5}, 0)
    peer = HDBSCAN(min_cluster_size=20, min_samples=5, reproducible=True).fit(skewed.points)
    assert isinstance(assigner, Neighbours) and set(peer.labels_) >= {-1, 0, 1}
    assert (assigner.groups(skewed.prepared) == peer.labels_).all()


@pytest.mark.parametrize("linkage", ["ward", "average"])
def test_the_nearest_centre_agrees_with_the_hierarchy(linkage: str, blobs: tuple[np.ndarray, np.ndarray]) -> None:
    space = space_of(blobs[0], 1.0)
    found = dendrogram.fit(space, {"clusters": 4, "linkage": linkage}, 0).groups(space.prepared)
    peer = AgglomerativeClustering(4, linkage=linkage).fit_predict(space.points)
    assert adjusted_rand_score(peer, found) > 0.99


def test_a_mixture_agrees_with_scikit_learn(skewed: Space) -> None:
    model = a_model(3, {"method": "gaussian_mixture", "clusters": 3})
    table = table_of(skewed.prepared)
    fitted = fit_clusters(model, table)
    assert isinstance(fitted.assigner, Mixture)
    prepared = fitted.preparation.transform(fitted.preparation.matrix(table))
    peer = GaussianMixture(3, covariance_type="diag", n_init=3, reg_covar=1e-3, random_state=0).fit_predict(prepared)
    assert adjusted_rand_score(peer, fitted.rows(table)) == 1.0


def test_a_dendrogram_keeps_the_upper_merges(blobs: tuple[np.ndarray, np.ndarray]) -> None:
    fitted = fit_clusters(a_model(3, "agglomerative"), table_of(blobs[0]))
    shown = fitted.metrics.dendrogram
    assert shown is not None and sum(shown.leaves) == len(blobs[0])
    assert len(shown.merges) == len(shown.leaves) - 1 == dendrogram.SHOWN - 1
    heights = [merge.height for merge in shown.merges]
    assert heights == sorted(heights)
    assert sum(height > shown.cut for height in heights) == fitted.metrics.clusters - 1 == 3
    again = fit_clusters(a_model(3, {"method": "agglomerative", "distance_threshold": shown.cut}), table_of(blobs[0]))
    assert again.metrics.clusters == 4
    with pytest.raises(ModelError, match="farther apart than 1e-09"):
        fit_clusters(a_model(3, {"method": "agglomerative", "distance_threshold": 1e-9}), table_of(blobs[0]))


# ── parameters ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("method", ["kmeans", "agglomerative", "gaussian_mixture"])
@pytest.mark.parametrize("choose", ["silhouette", "elbow", "gap"])
def test_the_number_of_groups_is_chosen(method: str, choose: str, blobs: tuple[np.ndarray, np.ndarray]) -> None:
    model = a_model(3, {"method": method, "choose": choose}, search={"resamples": 0})
    fitted = fit_clusters(model, table_of(blobs[0]))
    assert fitted.metrics.clusters == 4 == fitted.metrics.suggested[choose]


def test_bic_chooses_the_number_of_gaussians(blobs: tuple[np.ndarray, np.ndarray]) -> None:
    fitted = fit_clusters(a_model(3, "gaussian_mixture"), table_of(blobs[0]))
    assert fitted.metrics.suggested["bic"] == 4
    bic = [trial.bic for trial in fitted.metrics.trials]
    assert bic.index(min(bic)) == 2


def test_the_gap_of_noise_says_that_there_is_one_group() -> None:
    random = np.random.default_rng(1).uniform(size=(300, 2))
    fitted = fit_clusters(a_model(2, {"method": "kmeans", "choose": "gap"}), table_of(random))
    assert fitted.metrics.suggested["gap"] == 1 and fitted.metrics.clusters == 2
    assert first_gap([0.1, 0.5, 0.45], [0.01] * 3) == 2 and first_gap([0.1, 0.5, 0.9], [0.01] * 3) == 3


def test_the_radius_is_the_knee_of_the_distances() -> None:
    random = np.random.default_rng(0)
    points = np.vstack([random.normal(size=(300, 2)), random.uniform(-40, 40, (15, 2))])
    assert 0.5 < density.knee_distance(points, 4) < 5  # among people 0.3, between strangers more than 10


# ── side by side ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("method", ["kmeans", "agglomerative"])
def test_the_effect_chooses_the_number_of_groups_too(method: str) -> None:
    """Two pairs of neighbours: the silhouette sees two groups, the KPI four."""
    centres = np.array([[0, 0], [5, 0], [40, 0], [45, 0]], dtype=float)
    points, truth = make_blobs(320, centers=centres, random_state=3)
    table = table_of(points, kpi=truth.astype(float))
    kpi = Kpi("kpi", lambda values, numbers: effect_of_groups(values, numbers, "kruskal"))
    fitted = {
        objective: fit_clusters(
            a_model(2, method, search={"objective": objective, "resamples": 0, "trials": 6}), table, kpi
        )
        for objective in ("silhouette", "effect")
    }
    assert fitted["silhouette"].metrics.clusters == 2
    chosen = fitted["effect"].metrics
    assert chosen.clusters >= 4 and len(fitted["effect"].numbers) == chosen.clusters
    effects = [trial.effect for trial in chosen.trials if trial.effect is not None]
    (published,) = [row for row in chosen.comparison if row.is_published]
    assert 1 < len(effects) <= 6 and published.effect == pytest.approx(max(effects), abs=1e-9)
    if method == "agglomerative":
        assert chosen.dendrogram is not None and chosen.dendrogram.cut != fitted["silhouette"].metrics.dendrogram.cut  # type: ignore[union-attr]


def test_stability_chooses_the_number_of_groups_within_the_budget() -> None:
    points, _ = make_blobs(300, centers=CENTRES[:, :2], random_state=3)
    search = {"objective": "stability", "resamples": 4, "trials": 3}
    metrics = fit_clusters(a_model(2, "kmeans", search=search), table_of(points)).metrics
    told = {trial.clusters: trial.stability for trial in metrics.trials if trial.stability is not None}
    assert len(metrics.trials) == 5 and len(told) == 3
    assert told[metrics.clusters] == max(told.values()) > 0.95
    declared = {"method": "kmeans", "choose": "elbow"}
    metrics = fit_clusters(a_model(2, declared, search=search), table_of(points)).metrics
    assert metrics.clusters == metrics.suggested["elbow"] and all(trial.stability is None for trial in metrics.trials)


def test_the_best_by_the_objective_is_published(together: FittedClusters) -> None:
    rows = together.metrics.comparison
    assert [row.method for row in rows] == list(METHODS)
    best = max(rows, key=lambda row: row.silhouette or -1)
    assert [row.method for row in rows if row.is_published] == [best.method] == [together.metrics.method]
    assert all(row.clusters == 4 and (row.stability or 0) > 0.9 and (row.rand or 0) > 0.9 for row in rows)
    assert all(0 < (row.smallest or 0) < 0.2 and row.seconds > 0 and row.rows == 420 for row in rows)


def test_groups_may_be_chosen_for_a_kpi(moons: tuple[np.ndarray, np.ndarray]) -> None:
    points, truth = moons
    spend = truth * 10 + np.random.default_rng(0).normal(size=len(truth))
    kpi = Kpi("spend", lambda values, numbers: effect_of_groups(values, numbers, "kruskal"))
    model = a_model(
        2, {"method": "kmeans", "clusters": 2}, "hdbscan", search={"objective": "effect", "trials": 4, "resamples": 0}
    )
    fitted = fit_clusters(model, table_of(points, spend=spend), kpi)
    effects = {row.method: row.effect or 0.0 for row in fitted.metrics.comparison}
    assert effects["hdbscan"] > 0.7 > effects["kmeans"] > 0.1
    assert fitted.metrics.method == "hdbscan"


def test_measures_equal_scikit_learn_and_count_noise_against_groups(blobs: tuple[np.ndarray, np.ndarray]) -> None:
    points, truth = blobs
    found = measures(points, truth)
    assert found is not None
    assert found.silhouette == pytest.approx(silhouette_score(points, truth))
    assert found.davies_bouldin == pytest.approx(davies_bouldin_score(points, truth))
    assert found.calinski_harabasz == pytest.approx(calinski_harabasz_score(points, truth))
    half = np.where(np.arange(len(truth)) % 2, truth, -1)
    less = measures(points, half)
    assert less is not None and less.noise == 0.5
    assert less.silhouette == pytest.approx(found.silhouette / 2, abs=0.02)
    assert measures(points, np.zeros(len(points), dtype=int)) is None


def test_validity_likes_shapes_that_are_apart(moons: tuple[np.ndarray, np.ndarray]) -> None:
    points, truth = moons
    tree = spanning_tree(points, np.arange(len(points)))
    assert validity(tree, truth) > 0.3
    assert validity(tree, (points[:, 0] > 0.5).astype(int)) < 0
    assert validity(tree, np.where(truth == 0, 0, -1)) <= 0.5


def test_jaccard_of_two_groupings() -> None:
    one, other = np.array([0, 0, 0, 1, 1, -1]), np.array([1, 1, 0, 0, -1, 0])
    assert jaccard(one, other, 2).tolist() == [[1 / 5, 2 / 3], [1 / 4, 0]]


def test_numbers_are_kept_from_one_method_to_another(blobs: tuple[np.ndarray, np.ndarray]) -> None:
    points, truth = blobs
    table = table_of(points)
    fitted = fit_clusters(a_model(3, "kmeans"), table)
    fewer = table.filter(pa.array((truth != 0) | (np.arange(len(truth)) % 4 == 0)))  # the largest is now the smallest
    anew = fit_clusters(a_model(3, "hdbscan"), fewer)
    later = match_numbers(fitted, anew, fewer)
    is_in = later.rows(fewer) != 0
    assert (later.rows(fewer) == fitted.rows(fewer))[is_in].mean() > 0.98
    assert later.metrics.shift is not None and later.metrics.shift.moved == pytest.approx(1 - is_in.mean(), abs=0.02)


# ── few profiles ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("method", ["kmeans", "gaussian_mixture", "agglomerative", "autoencoder"])
def test_a_resample_may_hold_fewer_profiles_than_there_are_groups(method: str) -> None:
    points = np.random.default_rng(0).normal(size=(12, 2))
    fitted = fit_clusters(a_model(2, {"method": method, "clusters": 10}, search={"resamples": 4}), table_of(points))
    assert fitted.metrics.clusters == 10


def test_profiles_that_are_all_apart_are_not_each_a_group() -> None:
    points = np.random.default_rng(0).normal(size=(40, 2))
    with pytest.raises(ModelError, match="finds 40 groups") as refused:
        fit_clusters(a_model(2, {"method": "agglomerative", "distance_threshold": 1e-9}), table_of(points))
    assert "leaves 2 to 39" in str(refused.value)


def test_profiles_of_a_few_kinds_are_dense() -> None:
    """Whoever has enough copies has no distance to his neighbours: the radius is that between the kinds."""
    points = np.repeat([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]], 50, axis=0)
    assert density.knee_distance(points, 4) == 1
    fitted = fit_clusters(a_model(2, "dbscan"), table_of(points))
    assert [item.size for item in fitted.metrics.profile] == [50, 50, 50]


def test_a_group_that_nobody_is_in_has_a_number_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody may come who belongs to it, and queries are made of every group."""
    far = Mixture.of(np.array([0.5, 0.5, 1e-9]), np.array([[-1.0], [1.0], [50.0]]), np.full((3, 1), 0.1))
    monkeypatch.setitem(FAMILIES, "kmeans", Family(lambda *_: Chosen({}, assigner=far), lambda *_: far))
    values = np.repeat([0.0, 1.0], [60, 40])[:, None]
    model = a_model(2, "kmeans").model_copy(update={"features": ("f0",)})
    fitted = fit_clusters(model, table_of(values))
    assert [(item.number, item.size) for item in fitted.metrics.profile] == [(1, 60), (2, 40), (3, 0)]
    later = table_of(np.array([[0.0], [1.0], [30.0]]))
    assert in_duckdb(fitted, later).tolist() == fitted.rows(later).tolist() == [1, 2, 3]
