"""k-means (Lloyd 1982), with the start of Arthur and Vassilvitskii (2007)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from facette.definitions.models import ClusterMethod, ClustersModel
from facette.models.clusters.assigners import Centres
from facette.models.clusters.counts import choose_count, counts_of
from facette.models.clusters.family import Chosen, Family, Parameters
from facette.models.clusters.space import Space

STARTS = 5  # runs of k-means from different seeds, of which the best is kept: one alone is luck


def choose(space: Space, method: ClusterMethod, model: ClustersModel) -> Chosen:
    counts = counts_of(method, model, space.points)
    fits = [kmeans(space.points, count, model.seed) for count in counts]
    chosen = choose_count(
        counts,
        [fit.labels_ for fit in fits],
        space.points,
        by=method.choose or "silhouette",
        seed=model.seed,
        refit=lambda points, count: kmeans(points, count, model.seed, starts=1).labels_,
    )
    best = fits[counts.index(int(chosen.parameters["clusters"]))]
    return replace(chosen, assigner=Centres.at(best.cluster_centers_, space))


def fit(space: Space, parameters: Parameters, seed: int) -> Centres:
    return Centres.at(kmeans(space.points, int(parameters["clusters"]), seed).cluster_centers_, space)


def kmeans(points: np.ndarray, clusters: int, seed: int, *, starts: int = STARTS) -> Any:
    """scikit-learn's, fitted; of no more groups than there are different points."""
    from sklearn.cluster import KMeans  # noqa: PLC0415

    clusters = min(clusters, len(np.unique(points, axis=0)))
    return KMeans(clusters, n_init=starts, random_state=seed).fit(np.ascontiguousarray(points))


FAMILY = Family(choose, fit)
