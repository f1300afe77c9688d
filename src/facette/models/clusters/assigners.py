"""How a profile is put into a group: four kinds of data, each applied in NumPy, and two of them as an expression.

Preparation and principal components fold into affine maps. With y = C z + c the point of the prepared features z,

    nearest of some centres μ   |y − μ|² = |y|² + [ |μ|² − 2 μᵀc − 2 μᵀC z ]; the bracket is the centre's score
    Gaussian mixture            Σⱼ (zⱼ − μⱼ)² / σⱼ² + Σⱼ ln σⱼ² − 2 ln π, which is −2 ln of weight × density but for
                                a constant
    nearest of some neighbours  the group of the nearest kept point, or none if it is too far away
    centres behind a network    the nearest centre in the code that a trained encoder gives

and the lowest score tells the group. Every kind sums in a fixed order, so a row's group does not depend on the others.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal

import ibis
import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from facette.models.clusters.space import Space, affine_rows
from facette.models.preparation import affine

if TYPE_CHECKING:
    import ibis.expr.types as ir

Row = tuple[float, ...]
Matrix = tuple[Row, ...]
NONE = -1
"""The group of a profile that is in none."""
SLACK = 1e-9
"""Share by which a distance may exceed a radius: both come from sums that were rounded differently."""
DIGITS = 6
"""Decimals of kept points, which are many."""


class _Assigner(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    @property
    @abstractmethod
    def size(self) -> int:
        """How many groups there are, those that nobody is in included."""

    @abstractmethod
    def groups(self, prepared: np.ndarray) -> np.ndarray:
        """Place of each row's group (0 …), or NONE; int64."""

    def expression(self, columns: Sequence[ir.FloatingValue], numbers: Sequence[int]) -> Any | None:
        """The number of each row's group, from the prepared columns; None if no expression says it."""
        return None


class Centres(_Assigner):
    """The nearest of k centres, by one affine score each. Of two that are equally near the one listed first."""

    kind: Literal["centres"] = "centres"
    weights: Matrix
    intercepts: Row

    @classmethod
    def at(cls, centres: np.ndarray, space: Space) -> Centres:
        """centres : k × c, in the space of points."""
        weights = -2 * centres @ space.components
        intercepts = (centres**2).sum(axis=1) - 2 * centres @ space.offsets
        return cls(weights=matrix(weights), intercepts=tuple(intercepts.tolist()))

    @property
    def size(self) -> int:
        return len(self.weights)

    def groups(self, prepared: np.ndarray) -> np.ndarray:
        return np.argmin(affine_rows(prepared, np.array(self.weights), np.array(self.intercepts)), axis=1)

    def expression(self, columns: Sequence[ir.FloatingValue], numbers: Sequence[int]) -> Any:
        scores = [affine(columns, *row) for row in zip(self.weights, self.intercepts, strict=True)]
        return _lowest(scores, numbers)


class Mixture(_Assigner):
    """The likeliest of k Gaussians whose prepared columns are independent of each other.

    quadratic, linear : k × d;  constants : k
    """

    kind: Literal["mixture"] = "mixture"
    quadratic: Matrix
    linear: Matrix
    constants: Row

    @classmethod
    def of(cls, weights: np.ndarray, means: np.ndarray, variances: np.ndarray) -> Mixture:
        """weights : k;  means, variances : k × d, of the prepared columns."""
        constants = (means**2 / variances + np.log(variances)).sum(axis=1) - 2 * np.log(weights)
        return cls(
            quadratic=matrix(1 / variances),
            linear=matrix(-2 * means / variances),
            constants=tuple(constants.tolist()),
        )

    @property
    def size(self) -> int:
        return len(self.constants)

    def groups(self, prepared: np.ndarray) -> np.ndarray:
        scores = np.tile(np.array(self.constants), (len(prepared), 1))
        for column, square, line in zip(prepared.T, np.array(self.quadratic).T, np.array(self.linear).T, strict=True):
            scores += (column[:, None] * square + line) * column[:, None]
        return np.argmin(scores, axis=1)

    def expression(self, columns: Sequence[ir.FloatingValue], numbers: Sequence[int]) -> Any:
        scores = []
        for constant, squares, lines in zip(self.constants, self.quadratic, self.linear, strict=True):
            score: Any = ibis.literal(constant, "float64")
            for column, square, line in zip(columns, squares, lines, strict=True):
                score = score + (column * square + line) * column
            scores.append(score)
        return _lowest(scores, numbers)


class Neighbours(_Assigner):
    """The group of the nearest kept point, or none where that is farther than the group's radius.

    kept  : points, in c components;  groups_kept : the group of each, or NONE
    radii : per group
    """

    kind: Literal["neighbours"] = "neighbours"
    components: Matrix
    offsets: Row
    kept: Matrix
    groups_kept: tuple[int, ...]
    radii: Row

    @property
    def size(self) -> int:
        return len(self.radii)

    def groups(self, prepared: np.ndarray) -> np.ndarray:
        points = affine_rows(prepared, np.array(self.components), np.array(self.offsets))
        distances, places = self._tree.query(points)
        found = np.array(self.groups_kept)[places]
        limits = np.array([*self.radii, 0.0])[found] * (1 + SLACK) + 10**-DIGITS
        return np.where(distances <= limits, found, NONE)

    @cached_property
    def _tree(self) -> Any:
        from scipy.spatial import KDTree  # noqa: PLC0415

        return KDTree(np.array(self.kept))


class Network(_Assigner):
    """The nearest centre in the code that layers of tanh give: code = tanh(W₂ tanh(W₁ z + b₁) + b₂).

    layers : of the encoder, from the prepared columns on: weights (outputs × inputs) and biases
    """

    kind: Literal["network"] = "network"
    layers: tuple[tuple[Matrix, Row], ...]
    centres: Matrix

    @property
    def size(self) -> int:
        return len(self.centres)

    def groups(self, prepared: np.ndarray) -> np.ndarray:
        return nearest(encoded(prepared, self.layers), np.array(self.centres))


Assigner = Annotated[Centres | Mixture | Neighbours | Network, Field(discriminator="kind")]


def encoded(prepared: np.ndarray, layers: Sequence[tuple[Any, Any]]) -> np.ndarray:
    values = prepared
    for weights, biases in layers:
        values = np.tanh(affine_rows(values, np.array(weights), np.array(biases)))
    return values


def nearest(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Place of the nearest centre; of two that are equally near the first."""
    return np.argmin(affine_rows(points, -2 * centres, (centres**2).sum(axis=1)), axis=1)


def matrix(values: np.ndarray) -> Matrix:
    return tuple(tuple(row) for row in values.tolist())


def _lowest(scores: Sequence[ir.FloatingValue], numbers: Sequence[int]) -> Any:
    """The number of the lowest score, by halves: the text grows with k log k; comparing all with all would take k²."""
    if len(scores) == 1:
        return ibis.literal(numbers[0], "int64")
    half = len(scores) // 2
    is_left = _least(scores[:half]) <= _least(scores[half:])
    return is_left.ifelse(_lowest(scores[:half], numbers[:half]), _lowest(scores[half:], numbers[half:]))


def _least(scores: Sequence[ir.FloatingValue]) -> Any:
    return ibis.least(*scores) if len(scores) > 1 else scores[0]
