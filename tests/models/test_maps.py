"""Maps: planted axes are found and named, pictures keep neighbours together, and whoever lies far is marked."""

from __future__ import annotations

import builtins
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pytest
from sklearn.decomposition import PCA
from statsmodels.multivariate.factor_rotation import rotate_factors

from facette.definitions.models import MapModel
from facette.errors import ModelError
from facette.models.maps import FittedMap, fit_map, varimax

ROWS = 400


def a_model(*features: str, **more: Any) -> MapModel:
    return MapModel(name="everybody", kind="map", features=features, **{"methods": ["pca"], **more})


@pytest.fixture(scope="module")
def people() -> pa.Table:
    """Two things tell people apart: how much they buy (three features) and how much they look (two); one is absurd."""
    random = np.random.default_rng(2)
    buys, looks = random.normal(size=(2, ROWS))
    noise = random.normal(scale=0.3, size=(5, ROWS))
    columns = {
        "spend": 100 + 20 * (buys + noise[0]),
        "orders": 5 + buys + noise[1],
        "recency": 40 - 9 * (buys + noise[2]),
        "visits": 30 + 6 * (looks + noise[3]),
        "clicks": 3 + looks + noise[4],
    }
    columns["spend"][17] = 900
    return pa.table({"profile_id": np.arange(ROWS), **columns})


@pytest.fixture(scope="module")
def fitted(people: pa.Table) -> FittedMap:
    return fit_map(a_model(*people.column_names[1:]), people)


def test_planted_axes_are_found_and_named(fitted: FittedMap) -> None:
    metrics = fitted.metrics
    assert sum(metrics.explained_variance[: metrics.components]) >= 0.85
    assert sum(axis.share for axis in metrics.axes) == pytest.approx(
        sum(metrics.explained_variance[: metrics.components])
    )
    named = [{item.column: item.loading > 0 for item in axis.loadings[: axis.n_named]} for axis in metrics.axes[:2]]
    assert {frozenset(axis) for axis in named} == {
        frozenset({"visits", "clicks"}),
        frozenset({"orders", "recency"}) | (named[0].keys() | named[1].keys()) & {"spend"},
    }
    buys = next(axis for axis in named if "orders" in axis)
    assert buys["orders"] != buys["recency"]
    assert all(axis.loadings[0].loading > 0 for axis in metrics.axes)


def test_varimax_is_that_of_statsmodels() -> None:
    random = np.random.default_rng(4)
    loadings = random.normal(size=(9, 4))
    expected, _ = rotate_factors(loadings, "varimax")
    found = loadings @ varimax(loadings)
    pairs = np.abs(found.T @ expected) / (np.linalg.norm(found, axis=0)[:, None] * np.linalg.norm(expected, axis=0))
    assert np.allclose(pairs.max(axis=1), 1, atol=1e-6)
    assert ((found**2).var(axis=0).sum()) == pytest.approx((expected**2).var(axis=0).sum(), rel=1e-9)


def test_scores_are_uncorrelated_and_of_variance_1(fitted: FittedMap, people: pa.Table) -> None:
    prepared = fitted.preparation.transform(fitted.preparation.matrix(people))
    scores = prepared @ np.array(fitted.weights).T
    assert np.corrcoef(scores.T) == pytest.approx(np.eye(len(fitted.weights)), abs=1e-9)
    kept = PCA(fitted.metrics.components).fit_transform(prepared)
    rebuilt = np.linalg.lstsq(scores - scores.mean(axis=0), kept, rcond=None)[0]
    np.testing.assert_allclose((scores - scores.mean(axis=0)) @ rebuilt, kept, atol=1e-9)


def test_whoever_is_absurd_lies_far(fitted: FittedMap, people: pa.Table) -> None:
    distances = fitted.distances(people)
    assert distances[17] > 1
    assert distances.argmax() == 17
    assert fitted.metrics.outliers == (distances > 1).sum() <= 4
    assert np.median(distances) < 0.6


def test_the_expression_says_the_same(fitted: FittedMap, people: pa.Table) -> None:
    rows = ibis.duckdb.connect().create_table("t", people)
    found = rows.select("profile_id", far=fitted.output(rows)).order_by("profile_id").to_pyarrow()["far"]
    np.testing.assert_allclose(found.to_numpy(), fitted.distances(people), rtol=1e-9)
    assert FittedMap.from_json(fitted.parameters_json(), fitted.metrics_json()) == fitted


def test_pictures_keep_neighbours_together(people: pa.Table) -> None:
    features = people.column_names[1:]
    model = a_model(*features, methods=["umap", "tsne"], dimensions=[2], sample=120)
    told: list[str] = []
    pictures = fit_map(model, people, progress=told.append).metrics.pictures
    assert told == ["umap, 2 dimensions", "tsne, 2 dimensions"]
    assert [(item.method, len(item.places), len(item.places[0])) for item in pictures] == [
        ("umap", 120, 2),
        ("tsne", 120, 2),
    ]
    assert all(item.trustworthiness > 0.85 for item in pictures)


def test_a_map_forgets_people(fitted: FittedMap, people: pa.Table) -> None:
    shown = fitted.metrics
    assert fitted.people() == shown.profiles
    kept = set(shown.profiles[::3])
    later = fitted.only_of(kept)
    assert later.people() == shown.profiles[::3] and later.metrics.distances == shown.distances[::3]
    assert [item.places for item in later.metrics.pictures] == [item.places[::3] for item in shown.pictures]
    assert later.distances(people).tolist() == fitted.distances(people).tolist()
    nobody = fitted.only_of(())
    assert nobody.people() == nobody.metrics.distances == () and all(
        not item.places for item in nobody.metrics.pictures
    )


def test_without_the_library_it_says_what_to_install(people: pa.Table, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name == "umap":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ModelError, match="umap-learn") as raised:
        fit_map(a_model("spend", "orders", "visits", methods=["umap"], dimensions=[2]), people)
    assert "facette[models]" in str(raised.value)


def test_too_few_people_cannot_be_mapped(people: pa.Table) -> None:
    with pytest.raises(ModelError, match="cannot map 20 profiles"):
        fit_map(a_model("spend", "orders"), people.slice(0, 20))
