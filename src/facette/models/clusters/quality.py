"""How good groups are, from the points alone. A point in no group (label −1) counts against them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from facette.models.clusters.assigners import NONE

SILHOUETTE_ROWS = 10_000
MEASURED_ROWS = 5_000
"""For one labeling at a time; the silhouette of so many agrees with that of all within 0.005."""
VALIDITY_ROWS = 2_000
CORE_POINTS = 5
"""Neighbours by which the density of a place is told, for the validity."""


@dataclass(frozen=True)
class Measures:
    """Of one labeling. Higher is better but for Davies–Bouldin.

    noise             : share of the points in no group; they count 0 in the silhouette and the validity, and make the
                        other two worse by their share
    silhouette        : Rousseeuw (1987), −1 to 1
    davies_bouldin    : Davies, Bouldin (1979), 0 or more
    calinski_harabasz : Caliński, Harabasz (1974), 0 or more
    validity          : by density, −1 to 1; see :func:`validity`
    """

    clusters: int
    noise: float
    silhouette: float
    davies_bouldin: float
    calinski_harabasz: float
    validity: float | None = None


def measures(points: np.ndarray, labels: np.ndarray, tree: Tree | None = None) -> Measures | None:
    """None with fewer than two groups, or with as many as points."""
    from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score  # noqa: PLC0415

    is_in = labels != NONE
    present, places = np.unique(labels[is_in], return_inverse=True)
    if not 1 < len(present) < is_in.sum():
        return None
    share = float(is_in.mean())
    some = np.linspace(0, len(places) - 1, min(len(places), MEASURED_ROWS)).astype(int)
    within = points[is_in]
    return Measures(
        clusters=len(present),
        noise=1 - share,
        silhouette=silhouettes(within[some], [np.unique(places[some], return_inverse=True)[1]])[0] * share,
        davies_bouldin=float(davies_bouldin_score(within, places)) / share,
        calinski_harabasz=float(calinski_harabasz_score(within, places)) * share,
        validity=None if tree is None else validity(tree, labels),
    )


def silhouettes(points: np.ndarray, labelings: Sequence[np.ndarray]) -> list[float]:
    """The mean silhouette (Rousseeuw 1987) of each labeling of the same points, with one pass over their distances.

    For a point, a is its mean distance to the others of its cluster and b the least mean distance to another cluster;
    its silhouette is (b − a) / max(a, b), or 0 when it is alone in its cluster. Labels are 0 … k − 1.
    """
    from scipy.spatial.distance import cdist  # noqa: PLC0415

    members = [np.eye(labels.max() + 1)[labels] for labels in labelings]
    together = np.hstack(members)
    totals = np.zeros(len(labelings))
    for start in range(0, len(points), 1000):
        chunk = slice(start, start + 1000)
        sums = cdist(points[chunk], points) @ together
        first = 0
        for index, (labels, member) in enumerate(zip(labelings, members, strict=True)):
            own_sums = sums[:, first : first + member.shape[1]]
            first += member.shape[1]
            totals[index] += _silhouette_of(own_sums, labels[chunk], member.sum(axis=0))
    return (totals / len(points)).tolist()


def _silhouette_of(sums: np.ndarray, labels: np.ndarray, sizes: np.ndarray) -> float:
    """Sum of silhouettes; sums is rows × k, the summed distances from each row to each cluster."""
    rows = np.arange(len(labels))
    own = sizes[labels]
    within = sums[rows, labels] / np.maximum(own - 1, 1)
    means = np.where(sizes > 0, sums / np.maximum(sizes, 1), np.inf)
    means[rows, labels] = np.inf
    other = means.min(axis=1)
    widest = np.maximum(within, other)
    counted = (own > 1) & (widest > 0) & np.isfinite(other)
    return float(((other - within)[counted] / widest[counted]).sum())


# ── validity by density ─────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Tree:
    """The minimum spanning tree of some points by mutual reachability, shortest edge first.

    rows  : of the points that it spans
    edges : (rows − 1) × 2, places among ``rows``;  lengths : of each
    """

    rows: np.ndarray
    edges: np.ndarray
    lengths: np.ndarray


def spanning_tree(points: np.ndarray, rows: np.ndarray) -> Tree:
    """By Prim (1957). The mutual reachability of two points is the largest of their distance and of how far each of
    them has its 5th neighbour (Campello, Moulavi, Sander 2013)."""
    from scipy.spatial import KDTree  # noqa: PLC0415

    places = points[rows]
    n = len(places)
    core = KDTree(places).query(places, min(CORE_POINTS + 1, n))[0][:, -1]
    nearest, best = np.zeros(n, dtype=int), np.full(n, np.inf)
    is_out = np.ones(n, dtype=bool)
    edges, lengths = np.empty((n - 1, 2), dtype=int), np.empty(n - 1)
    latest = 0
    for step in range(n - 1):
        is_out[latest] = False
        reach = np.maximum(np.sqrt(((places - places[latest]) ** 2).sum(axis=1)), np.maximum(core, core[latest]))
        is_nearer = reach < best
        best[is_nearer], nearest[is_nearer] = reach[is_nearer], latest
        latest = int(np.argmin(np.where(is_out, best, np.inf)))
        edges[step], lengths[step] = (nearest[latest], latest), best[latest]
    order = np.argsort(lengths, kind="stable")
    return Tree(rows, edges[order], lengths[order])


def validity(tree: Tree, labels: np.ndarray) -> float:
    """How much emptier it is between groups than within, whatever their shape, after Moulavi et al. (2014), DBCV.

    Points are joined along the spanning tree, shortest edge first. A group's sparseness is the edge that joins the last
    of its points (but for the tree's leaves), its separation the edge that first joins any of them with another group;
    its validity is (separation − sparseness) / max of both. Groups count by their share of all points, noise 0.
    """
    groups = labels[tree.rows]
    degree = np.bincount(tree.edges.ravel(), minlength=len(groups))
    inner = {int(g): int(((groups == g) & (degree > 1)).sum()) for g in np.unique(groups) if g != NONE}
    joined = list(range(len(groups)))
    holds: list[dict[int, int]] = [
        {} if g == NONE else {int(g): int(d > 1)} for g, d in zip(groups, degree, strict=True)
    ]
    sparse = dict.fromkeys(inner, 0.0)
    apart: dict[int, float] = {}
    for (a, b), length in zip(tree.edges.tolist(), tree.lengths.tolist(), strict=True):
        small, large = sorted((_root(joined, a), _root(joined, b)), key=lambda root: len(holds[root]))
        for group, count in holds[small].items():
            before = holds[large].get(group, 0)
            holds[large][group] = before + count
            if count < inner[group] == before + count and before < inner[group]:
                sparse[group] = length
        if len(holds[large]) > 1:
            for group in holds[large]:
                apart.setdefault(group, length)
        joined[small] = large
    total = 0.0
    for group in inner:
        widest = max(apart.get(group, 0.0), sparse[group])
        if widest > 0:
            total += float((groups == group).mean()) * (apart.get(group, 0.0) - sparse[group]) / widest
    return total


def _root(joined: list[int], place: int) -> int:
    while joined[place] != place:
        joined[place] = joined[joined[place]]
        place = joined[place]
    return place
