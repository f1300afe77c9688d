"""How long fitting and applying clusters takes beside scikit-learn and faiss alone, from the same rows.

python benchmarks/models.py [--rows 1000000] [--columns 20] [--groups 8] [--sample 50000] [--slow] [--json]

Peers do one thing with parameters that are known. Facette's figures are of the whole: preparation, principal
components, the fit, labels of everybody and measures; stability is left out (`resamples: 0`). `--slow` adds the methods
that search for parameters: DBSCAN, HDBSCAN and the autoencoder, five trials each. Ratios are ours / theirs: below 1 we
are faster. Agreement is the adjusted Rand index with what was planted.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

QUICK = ("kmeans", "gaussian_mixture", "agglomerative")
SLOW = ("dbscan", "hdbscan", "autoencoder")
AGREED_ROWS = 50_000


def planted(rows: int, columns: int, groups: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    centres = random.normal(scale=3, size=(groups, columns))
    truth = random.integers(0, groups, rows)
    return centres[truth] + random.normal(size=(rows, columns)), truth


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    began = time.perf_counter()
    found = work()
    return found, time.perf_counter() - began


def agreement(truth: np.ndarray, labels: np.ndarray) -> float:
    from sklearn.metrics import adjusted_rand_score

    some = np.linspace(0, len(truth) - 1, min(len(truth), AGREED_ROWS)).astype(int)
    return float(adjusted_rand_score(truth[some], labels[some]))


def peers(points: np.ndarray, truth: np.ndarray, groups: int, sample: int) -> dict[str, dict[str, float]]:
    """Per peer: seconds to fit and to label everybody, and agreement."""
    from faiss import Kmeans
    from sklearn.cluster import KMeans, MiniBatchKMeans
    from sklearn.mixture import GaussianMixture

    some = np.random.default_rng(0).choice(len(points), min(sample, len(points)), replace=False)
    found = {}
    for name, model, fitted_on in (
        ("scikit-learn KMeans, all rows", KMeans(groups, n_init=1, random_state=0), points),
        ("scikit-learn KMeans, sample", KMeans(groups, n_init=5, random_state=0), points[some]),
        ("scikit-learn MiniBatchKMeans", MiniBatchKMeans(groups, n_init=3, random_state=0), points),
        (
            "scikit-learn GaussianMixture, sample",
            GaussianMixture(groups, covariance_type="diag", n_init=3, random_state=0),
            points[some],
        ),
    ):
        _, fit = timed(lambda model=model, rows=fitted_on: model.fit(rows))
        labels, label = timed(lambda model=model: model.predict(points))
        found[name] = {"fit": fit, "label": label, "agreement": agreement(truth, labels)}
    single = np.ascontiguousarray(points, dtype=np.float32)
    faiss = Kmeans(points.shape[1], groups, niter=25, nredo=5, seed=1)
    _, fit = timed(lambda: faiss.train(single))
    (_, labels), label = timed(lambda: faiss.index.search(single, 1))
    found["faiss Kmeans"] = {"fit": fit, "label": label, "agreement": agreement(truth, labels[:, 0])}
    return found


def ours(
    points: np.ndarray, truth: np.ndarray, groups: int, sample: int, methods: tuple[str, ...]
) -> dict[str, dict[str, float]]:
    """Per method: seconds to fit with everything around it, to label everybody in DuckDB, and agreement."""
    import ibis

    from facette.definitions.models import ClustersModel
    from facette.models.clusters.fit import fit_clusters

    names = tuple(f"f{i}" for i in range(points.shape[1]))
    table = pa.table({"profile_id": np.arange(len(points)), **dict(zip(names, points.T, strict=True))})
    con = ibis.duckdb.connect()
    features = con.create_table("features", table)
    found = {}
    for method in methods:
        settings: dict[str, Any] = {"method": method}
        if method not in ("dbscan", "hdbscan"):
            settings["clusters"] = groups
        model = ClustersModel(
            name="groups",
            kind="clusters",
            features=names,
            methods=(settings,),
            sample=sample,
            search={"trials": 5, "resamples": 0},
        )
        fitted, fit = timed(lambda model=model: fit_clusters(model, table))
        query = features.select("profile_id", group=fitted.output(features))
        answer, label = timed(lambda query=query: query.to_pyarrow().sort_by("profile_id")["group"].to_numpy())
        found[method] = {"fit": fit, "label": label, "agreement": agreement(truth, answer)}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--columns", type=int, default=20)
    parser.add_argument("--groups", type=int, default=8)
    parser.add_argument("--sample", type=int, default=50_000)
    parser.add_argument("--slow", action="store_true")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    points, truth = planted(asked.rows, asked.columns, asked.groups)
    beside = peers(points, truth, asked.groups, asked.sample)
    methods = QUICK + SLOW if asked.slow else QUICK
    figures = ours(points, truth, asked.groups, asked.sample, methods)
    if asked.json:
        print(json.dumps({"rows": asked.rows, "columns": asked.columns, "peers": beside, "facette": figures}))
        return
    print(f"{asked.rows:,} rows × {asked.columns} columns, {asked.groups} groups planted\n")
    print(f"{'':42}{'fit s':>9}{'label s':>9}{'agreement':>11}")
    for name, row in (*beside.items(), *((f"facette {method}", row) for method, row in figures.items())):
        print(f"{name:42}{row['fit']:9.2f}{row['label']:9.2f}{row['agreement']:11.3f}")
    print(f"\n{'ours / theirs':56}{'fit':>9}{'label':>9}")
    for method, peer in (
        ("kmeans", "scikit-learn KMeans, sample"),
        ("kmeans", "scikit-learn KMeans, all rows"),
        ("kmeans", "faiss Kmeans"),
        ("gaussian_mixture", "scikit-learn GaussianMixture, sample"),
    ):
        mine, theirs = figures[method], beside[peer]
        ratios = "".join(f"{mine[key] / theirs[key]:9.2f}" for key in ("fit", "label"))
        print(f"{f'{method} / {peer}':56}" + ratios)


if __name__ == "__main__":
    main()
