"""Do the same groups come again from other people? Resampling after Hennig (2007), "Cluster-wise assessment of cluster
stability", with copies of one profile taken once, as copies would look like density."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from facette.errors import ModelError
from facette.models.clusters.assigners import NONE, Assigner
from facette.models.clusters.space import Space


@dataclass(frozen=True)
class Stability:
    """jaccard : per group, mean over the resamples of the likeness to the group that is most like it, 0–1: above 0.75
              it is there, below 0.5 it is dissolved (Hennig 2007)
    rand    : mean adjusted Rand index (Hubert, Arabie 1985) between one resample's groups of everybody and the next's
    """

    jaccard: tuple[float, ...]
    rand: float | None


def stability(
    space: Space, labels: np.ndarray, fit: Callable[[Space], Assigner], resamples: int, random: np.random.Generator
) -> Stability | None:
    """None without resamples.

    labels : of the points, 0 … k − 1 or NONE
    fit    : from the profiles of a resample; where it raises ModelError it found nothing
    """
    from sklearn.metrics import adjusted_rand_score  # noqa: PLC0415

    if not resamples:
        return None
    clusters, n = int(labels.max()) + 1, len(labels)
    likeness = np.zeros((resamples, clusters))
    labelings = []
    for round_ in range(resamples):
        rows = np.unique(random.integers(0, n, n))
        try:
            found = fit(space.take(rows)).groups(space.prepared)
        except ModelError:
            found = np.full(n, NONE)
        likeness[round_] = jaccard(labels[rows], found[rows], clusters).max(axis=1, initial=0.0)
        labelings.append(found)
    pairs = pairwise(labelings)
    alike = [float(adjusted_rand_score(one, other)) for one, other in pairs]
    return Stability(tuple(likeness.mean(axis=0).tolist()), float(np.mean(alike)) if alike else None)


def jaccard(one: np.ndarray, other: np.ndarray, clusters: int) -> np.ndarray:
    """Members in both / members in either, per group of the one (0 … clusters − 1; rows) and of the other (columns)."""
    both = crossed(one, other, clusters)
    of_one, of_other = both.sum(axis=1), both.sum(axis=0)
    either = of_one[1:, None] + of_other[None, 1:] - both[1:, 1:]
    return np.divide(both[1:, 1:], either, out=np.zeros(either.shape), where=either > 0)


def crossed(one: np.ndarray, other: np.ndarray, clusters: int) -> np.ndarray:
    """How many are in each group of the one and of the other; the first row and column are those in no group."""
    width = int(other.max(initial=NONE)) + 2
    places = (one + 1) * width + other + 1
    return np.bincount(places, minlength=(clusters + 1) * width).reshape(clusters + 1, width)
