"""Agglomerative grouping by Ward's (1963) or average linkage (Sokal, Michener 1958); a profile belongs to the group
whose centre is nearest, so profiles on the border between groups may be in another one than in the hierarchy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from facette.definitions.models import ClusterMethod, ClustersModel
from facette.errors import ModelError
from facette.models.clusters.assigners import Centres, nearest
from facette.models.clusters.counts import choose_count, counts_of, means_of
from facette.models.clusters.family import Chosen, Dendrogram, Family, Merge, Parameters
from facette.models.clusters.space import Space

ROWS = 10_000  # all distances between them are kept: 400 MB, 6 seconds
SHOWN = 30
MOST = 50


def choose(space: Space, method: ClusterMethod, model: ClustersModel) -> Chosen:
    linkage = method.linkage or "ward"
    merges = _linkage(space.points, linkage)
    if method.distance_threshold is not None:
        count, most = int((merges[:, 2] > method.distance_threshold).sum()) + 1, min(MOST, len(merges))
        if not 1 < count <= most:
            raise ModelError(
                f"“{model.name}” finds {count} groups that are farther apart than {method.distance_threshold:g}.",
                remedy=f"Choose a distance_threshold that leaves 2 to {most}: between {merges[-most, 2]:.3g} and "
                f"{merges[-1, 2]:.3g}.",
            )
        counts = range(count, count + 1)
    else:
        counts = counts_of(method, model, space.points)
    chosen = choose_count(
        counts,
        [_labels(space.points, merges, count) for count in counts],
        space.points,
        by=method.choose or "silhouette",
        seed=model.seed,
        refit=lambda points, count: _labels(points, _linkage(points, linkage), count),
    )
    count = int(chosen.parameters["clusters"])
    return replace(
        chosen,
        parameters={"clusters": count, "linkage": linkage},
        dendrogram=_upper(merges, count),
        assigner=Centres.at(means_of(space.points, _cut(merges, count)), space),
    )


def fit(space: Space, parameters: Parameters, seed: int) -> Centres:
    merges = _linkage(space.points, str(parameters["linkage"]))
    return Centres.at(means_of(space.points, _cut(merges, int(parameters["clusters"]))), space)


def _linkage(points: np.ndarray, linkage: str) -> np.ndarray:
    """scipy's: two groups, height, size; groups beyond the points are earlier merges."""
    from scipy.cluster import hierarchy  # noqa: PLC0415

    return hierarchy.linkage(points, linkage)


def _cut(merges: np.ndarray, count: int) -> np.ndarray:
    """0 … k − 1 per point, for the k groups that the last k − 1 merges join; no more than there are points."""
    n = len(merges) + 1
    count = min(count, n)
    group = np.full(2 * n - 1, -1)
    tops = _tops(merges, count)
    group[tops] = np.arange(len(tops))
    for place in range(len(merges) - 1, -1, -1):
        if group[n + place] >= 0:
            group[merges[place, :2].astype(int)] = group[n + place]
    return group[:n]


def _tops(merges: np.ndarray, count: int) -> list[int]:
    """The groups that there are before the last count − 1 merges."""
    n = len(merges) + 1
    last = len(merges) - (count - 1)
    parts = merges[last:, :2].astype(int).ravel()
    return sorted(parts[parts < n + last].tolist()) if count > 1 else [2 * n - 2]


def _labels(points: np.ndarray, merges: np.ndarray, count: int) -> np.ndarray:
    return nearest(points, means_of(points, _cut(merges, count)))


def _upper(merges: np.ndarray, count: int) -> Dendrogram:
    n = len(merges) + 1
    shown = min(SHOWN, n)
    tops = _tops(merges, shown)
    first = len(merges) - (shown - 1)
    place = {group: index for index, group in enumerate(tops)}
    place |= {n + first + index: shown + index for index in range(shown - 1)}
    sizes = [1 if top < n else int(merges[top - n, 3]) for top in tops]
    kept = [
        Merge(left=place[int(left)], right=place[int(right)], height=float(height))
        for left, right, height, _ in merges[first:]
    ]
    heights = merges[:, 2]
    cut = float((heights[-count] if count < n else 0.0) + heights[-count + 1]) / 2 if count > 1 else float(heights[-1])
    return Dendrogram(leaves=tuple(sizes), merges=tuple(kept), cut=cut)


FAMILY = Family(choose, fit, rows=ROWS, resampled=2_000)
