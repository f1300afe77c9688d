"""How many groups: by silhouette, by the bend of a curve, by the gap statistic, or by BIC."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from facette.definitions.models import ClusterMethod, ClustersModel
from facette.errors import ModelError
from facette.models.clusters.family import Chosen, Trial
from facette.models.clusters.quality import SILHOUETTE_ROWS, silhouettes
from facette.models.clusters.space import sample

REFERENCES = 10
"""Sets without any structure that the gap statistic compares with."""
GAP_ROWS = 2_000


def counts_of(method: ClusterMethod, model: ClustersModel, points: np.ndarray) -> range:
    """The numbers of groups to try: no more than there are different points, and fewer than there are points."""
    if method.clusters is not None:
        lowest = highest = method.clusters
    else:
        lowest, highest = model.minimum_clusters, model.maximum_clusters
    different = len(np.unique(points, axis=0))
    possible = min(highest, different, len(points) - 1)
    if possible < lowest:
        raise ModelError(
            f"“{model.name}” looks for {lowest} to {highest} clusters, "
            f"but only {different} profiles differ from each other.",
            remedy="Lower minimum_clusters (and keep it below maximum_clusters), or choose features that vary more.",
        )
    return range(lowest, possible + 1)


def choose_count(
    counts: range,
    labelings: Sequence[np.ndarray],
    points: np.ndarray,
    *,
    by: str,
    seed: int,
    bic: Sequence[float] | None = None,
    refit: Callable[[np.ndarray, int], np.ndarray] | None = None,
) -> Chosen:
    """The number of groups that one way of choosing takes.

    labelings : of the points, one per count
    by        : silhouette, elbow, gap or bic
    bic       : per count;  refit : labels of points for a count, for the gap
    """
    trials = _trials(counts, labelings, points, seed)
    suggested = {
        "silhouette": max(trials, key=lambda trial: -1.0 if trial.silhouette is None else trial.silhouette).clusters
    }
    bend = elbow(counts, [trial.inertia or 0.0 for trial in trials])
    if bend is not None:
        suggested["elbow"] = bend
    if bic is not None:
        trials = [trial.model_copy(update={"bic": value}) for trial, value in zip(trials, bic, strict=True)]
        suggested["bic"] = counts[int(np.argmin(bic))]
    if by == "gap" and refit is not None:
        gap, error = gaps(points, range(1, counts[-1] + 1), refit, seed)
        trials = [
            trial.model_copy(update={"gap": gap[trial.clusters - 1], "gap_error": error[trial.clusters - 1]})
            for trial in trials
        ]
        suggested["gap"] = first_gap(gap, error)
    taken = max(counts[0], suggested.get(by, suggested["silhouette"]))
    return Chosen({"clusters": taken}, tuple(trials), suggested)


def _trials(counts: range, labelings: Sequence[np.ndarray], points: np.ndarray, seed: int) -> list[Trial]:
    from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score  # noqa: PLC0415

    some = sample(len(points), SILHOUETTE_ROWS, np.random.default_rng(seed))
    tidy = [np.unique(labels, return_inverse=True)[1] for labels in labelings]  # of a mixture, one may hold nobody
    widths = silhouettes(points[some], [np.unique(labels[some], return_inverse=True)[1] for labels in tidy])
    return [
        Trial(
            parameters={"clusters": count},
            clusters=count,
            inertia=inertia(points, labels),
            silhouette=width,
            davies_bouldin=float(davies_bouldin_score(points, labels)) if labels.max() else None,
            calinski_harabasz=float(calinski_harabasz_score(points, labels)) if labels.max() else None,
        )
        for count, labels, width in zip(counts, tidy, widths, strict=True)
    ]


def inertia(points: np.ndarray, labels: np.ndarray) -> float:
    """Summed squared distance of the points to the mean of their group."""
    means = means_of(points, labels)
    return float(((points - means[labels]) ** 2).sum())


def means_of(points: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """k × c; labels are 0 … k − 1, and each has points."""
    counts = np.bincount(labels)
    sums = np.column_stack([np.bincount(labels, weights=column) for column in points.T])
    return sums / counts[:, None]


def elbow(counts: Sequence[int], inertias: Sequence[float]) -> int | None:
    """The count farthest below the straight line from the first to the last inertia (Satopää et al. 2011, Kneedle)."""
    if len(counts) < 3 or inertias[0] <= inertias[-1]:
        return None
    across = (np.array(counts) - counts[0]) / (counts[-1] - counts[0])
    down = (inertias[0] - np.array(inertias)) / (inertias[0] - inertias[-1])
    return counts[int(np.argmax(down - across))]


def gaps(
    points: np.ndarray, counts: range, refit: Callable[[np.ndarray, int], np.ndarray], seed: int
) -> tuple[list[float], list[float]]:
    """The gap statistic and its error per count (Tibshirani, Walther, Hastie 2001, eq. 3 and step 3 of their 3.).

    Gap(k) = mean over reference sets of ln W*(k), − ln W(k), with W the inertia. The references are uniform over the
    box that the points fill along their principal components; s(k) = sd of ln W*(k) · √(1 + 1 / references).
    """
    random = np.random.default_rng(seed)
    points = points[sample(len(points), GAP_ROWS, random)]
    low, high = points.min(axis=0), points.max(axis=0)
    references = [random.uniform(low, high, points.shape) for _ in range(REFERENCES)]

    def spread(some: np.ndarray, count: int) -> float:
        labels = np.zeros(len(some), dtype=int) if count == 1 else np.unique(refit(some, count), return_inverse=True)[1]
        return float(np.log(max(inertia(some, labels), 1e-300)))

    gap, error = [], []
    for count in counts:
        logs = np.array([spread(reference, count) for reference in references])
        gap.append(float(logs.mean()) - spread(points, count))
        error.append(float(logs.std() * np.sqrt(1 + 1 / REFERENCES)))
    return gap, error


def first_gap(gap: Sequence[float], error: Sequence[float]) -> int:
    """The smallest k with Gap(k) ≥ Gap(k + 1) − s(k + 1), from k = 1, which says that there are no groups; else the
    last."""
    for place in range(len(gap) - 1):
        if gap[place] >= gap[place + 1] - error[place + 1]:
            return place + 1
    return len(gap)
