"""Where methods look for groups and are judged: the principal components of the prepared features."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class Space:
    """Profiles as points, with d prepared columns and the c principal components that are kept.

    prepared   : rows × d
    components : c × d, orthonormal; offsets : c;  point = components · prepared + offsets
    shares     : of the variance, per component, all of them
    """

    prepared: np.ndarray
    components: np.ndarray
    offsets: np.ndarray
    shares: np.ndarray

    @cached_property
    def points(self) -> np.ndarray:
        return affine_rows(self.prepared, self.components, self.offsets)

    def take(self, rows: np.ndarray) -> Space:
        return replace(self, prepared=self.prepared[rows])

    def narrow(self, width: int) -> Space:
        """The same in the first components only: distances in many dimensions are all alike."""
        return replace(self, components=self.components[:width], offsets=self.offsets[:width])


def space_of(prepared: np.ndarray, variance: float) -> Space:
    """As many principal components (Pearson 1901) as it takes to keep a share of the variance."""
    from sklearn.decomposition import PCA  # noqa: PLC0415

    pca = PCA(svd_solver="full").fit(prepared)
    shares = pca.explained_variance_ratio_
    kept = min(int(np.searchsorted(np.cumsum(shares), variance - 1e-9)) + 1, len(shares))
    components = pca.components_[:kept]
    return Space(prepared, components, -components @ pca.mean_, shares)


def affine_rows(matrix: np.ndarray, weights: np.ndarray, intercepts: np.ndarray) -> np.ndarray:
    """intercepts + matrix · weightsᵀ, a column at a time: a row's result is the same whatever rows are beside it."""
    total = np.tile(np.asarray(intercepts, dtype=float), (len(matrix), 1))
    for column, weight in zip(matrix.T, np.asarray(weights, dtype=float).T, strict=True):
        total += column[:, None] * weight
    return total


def sample(available: int, wanted: int, random: np.random.Generator) -> np.ndarray:
    """Indices of at most ``wanted`` rows, ascending."""
    if available <= wanted:
        return np.arange(available)
    return np.sort(random.choice(available, wanted, replace=False))
