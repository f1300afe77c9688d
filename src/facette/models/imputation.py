"""What stands for an unknown number: learned once, and applied in NumPy and in queries alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Annotated, Literal, Self

import ibis
import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from facette.definitions.preparing import Imputation
from facette.errors import ModelError
from facette.models.matrix import LARGEST, is_usable
from facette.models.native import from_batches

if TYPE_CHECKING:
    import ibis.expr.types as ir

KNOTS = 20
"""Groups of equal number between whose medians interpolation runs."""
FROM_OTHERS = ("regression", "neighbours")
"""Methods that look at the model's other numbers."""
NEIGHBOUR_ROWS = 2_000
"""Rows, at most, among which neighbours are looked for."""


class _Fill(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Constant(_Fill):
    """One number for everybody: the median, or what was declared."""

    kind: Literal["constant"] = "constant"
    value: float

    def values(self, matrix: np.ndarray, place: Mapping[str, int]) -> np.ndarray:
        """What stands for the unknown values of some rows (rows × features, NaN where unknown)."""
        return np.full(len(matrix), self.value)

    def expression(self, numbers: Mapping[str, ir.FloatingValue]) -> ir.FloatingValue:
        """The same, as an expression of the model's features as float64."""
        return ibis.literal(self.value, "float64")


class Interpolation(_Fill):
    """On straight lines between knots, the medians of groups with like values of another feature; level beyond them."""

    kind: Literal["interpolation"] = "interpolation"
    by: str
    at: tuple[float, ...]
    heights: tuple[float, ...]
    otherwise: float

    @classmethod
    def fit(cls, feature: int, by: int, matrix: np.ndarray, features: Sequence[str]) -> Self:
        known = ~np.isnan(matrix[:, [feature, by]]).any(axis=1)
        if not known.any():
            raise ModelError(
                f"“{features[feature]}” cannot be interpolated: nobody has it together with “{features[by]}”.",
                remedy="Impute it by the median, or by another feature.",
            )
        along, values = matrix[known, by], matrix[known, feature]
        edges = np.unique(np.quantile(along, np.linspace(0, 1, KNOTS + 1)))
        group = np.clip(np.searchsorted(edges, along, side="right") - 1, 0, max(len(edges) - 2, 0))
        at, heights = [], []
        for number in np.unique(group):
            inside = group == number
            at.append(float(np.median(along[inside])))
            heights.append(float(np.median(values[inside])))
        return cls(by=features[by], at=tuple(at), heights=tuple(heights), otherwise=float(np.median(values)))

    def values(self, matrix: np.ndarray, place: Mapping[str, int]) -> np.ndarray:
        along = matrix[:, place[self.by]]
        return np.where(np.isnan(along), self.otherwise, np.interp(along, self.at, self.heights))

    def expression(self, numbers: Mapping[str, ir.FloatingValue]) -> ir.FloatingValue:
        along = numbers[self.by]
        pieces = [(~is_usable(along).fill_null(False), self.otherwise), (along <= self.at[0], self.heights[0])]
        for left, right, low, high in zip(self.at, self.at[1:], self.heights, self.heights[1:], strict=False):
            pieces.append((along <= right, (along - left) * ((high - low) / (right - left)) + low))
        return ibis.cases(*pieces, else_=self.heights[-1]).cast("float64")


class Regression(_Fill):
    """Least squares on the model's other numbers, whose own unknown values count as their medians; never beyond the
    values that are known."""

    kind: Literal["regression"] = "regression"
    features: tuple[str, ...]
    medians: tuple[float, ...]
    weights: tuple[float, ...]
    intercept: float
    least: float
    most: float

    @classmethod
    def fit(cls, feature: int, others: Sequence[int], matrix: np.ndarray, features: Sequence[str]) -> Self:
        known = ~np.isnan(matrix[:, feature])
        medians = np.nanmedian(matrix[:, others], axis=0)
        inputs = np.where(np.isnan(matrix[:, others]), medians, matrix[:, others])
        centre, spread = inputs[known].mean(axis=0), inputs[known].std(axis=0)
        spread[spread == 0] = 1
        values = matrix[known, feature]
        slopes = np.linalg.lstsq((inputs[known] - centre) / spread, values - values.mean(), rcond=None)[0] / spread
        return cls(
            features=tuple(features[other] for other in others),
            medians=tuple(medians.tolist()),
            weights=tuple(slopes.tolist()),
            intercept=float(values.mean() - slopes @ centre),
            least=float(values.min()),
            most=float(values.max()),
        )

    def values(self, matrix: np.ndarray, place: Mapping[str, int]) -> np.ndarray:
        inputs = matrix[:, [place[feature] for feature in self.features]]
        filled = np.where(np.isnan(inputs), self.medians, inputs)
        return np.clip(filled @ np.array(self.weights) + self.intercept, self.least, self.most)

    def expression(self, numbers: Mapping[str, ir.FloatingValue]) -> ir.FloatingValue:
        total: ir.FloatingValue = ibis.literal(self.intercept, "float64")
        for feature, median, weight in zip(self.features, self.medians, self.weights, strict=True):
            number = numbers[feature]
            total = total + is_usable(number).fill_null(False).ifelse(number, median) * weight
        return ibis.least(ibis.greatest(total, self.least), self.most)


class Neighbours(_Fill):
    """The mean of the k rows that are most alike in the model's other numbers: by Euclidean distance in standard
    deviations, an unknown value counting as the median (Troyanskaya et al. 2001, KNNimpute)."""

    kind: Literal["neighbours"] = "neighbours"
    k: int
    features: tuple[str, ...]
    medians: tuple[float, ...]
    spreads: tuple[float, ...]
    rows: tuple[tuple[float, ...], ...]
    heights: tuple[float, ...]
    name: str

    @classmethod
    def fit(
        cls, feature: int, others: Sequence[int], matrix: np.ndarray, features: Sequence[str], k: int, seed: int
    ) -> Self:
        known = np.flatnonzero(~np.isnan(matrix[:, feature]))
        if len(known) > NEIGHBOUR_ROWS:
            known = np.sort(np.random.default_rng(seed).choice(known, NEIGHBOUR_ROWS, replace=False))
        medians, spreads = np.nanmedian(matrix[:, others], axis=0), np.nanstd(matrix[:, others], axis=0)
        spreads[spreads == 0] = 1
        inputs = np.where(np.isnan(matrix[:, others]), medians, matrix[:, others])
        rows, heights = inputs[known] / spreads, matrix[known, feature]
        digest = sha256(np.ascontiguousarray(np.column_stack([rows, heights])).data).hexdigest()[:16]
        return cls(
            k=min(k, len(known)),
            features=tuple(features[other] for other in others),
            medians=tuple(medians.tolist()),
            spreads=tuple(spreads.tolist()),
            rows=tuple(map(tuple, rows.tolist())),
            heights=tuple(heights.tolist()),
            name=f"neighbours_{features[feature]}_{k}_{digest}",
        )

    @cached_property
    def _tree(self):  # type: ignore[no-untyped-def]
        from scipy.spatial import KDTree  # noqa: PLC0415

        return KDTree(np.array(self.rows))

    def values(self, matrix: np.ndarray, place: Mapping[str, int]) -> np.ndarray:
        return self._of(matrix[:, [place[feature] for feature in self.features]])

    def expression(self, numbers: Mapping[str, ir.FloatingValue]) -> ir.FloatingValue:
        return from_batches(self.name, self._of, numbers, self.features)

    def _of(self, inputs: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore"):
            is_known = np.abs(inputs) <= LARGEST
        filled = np.where(is_known, inputs, self.medians) / np.array(self.spreads)
        _, nearest = self._tree.query(filled, k=[*range(1, self.k + 1)])
        return np.array(self.heights)[nearest].mean(axis=1)


Fill = Annotated[Constant | Interpolation | Regression | Neighbours, Field(discriminator="kind")]


def fit_fill(
    wanted: Imputation | None,
    feature: int,
    matrix: np.ndarray,
    features: Sequence[str],
    numeric: Sequence[int],
    seed: int,
) -> Fill:
    """Learn what stands for the unknown values of a feature that has some known one.

    matrix  : rows × ``features``, NaN where unknown
    numeric : the places of those that are numbers or booleans; the others are codes of texts
    """
    match wanted.method if wanted else "median":
        case "constant":
            assert wanted is not None and wanted.value is not None
            return Constant(value=wanted.value)
        case "interpolation":
            assert wanted is not None and wanted.by is not None
            return Interpolation.fit(feature, features.index(wanted.by), matrix, features)
        case "regression" | "neighbours" as method:
            others = [i for i in numeric if i != feature and not np.isnan(matrix[:, i]).all()]
            if not others:
                raise ModelError(
                    f"“{features[feature]}” cannot be imputed by {method}: the model has no other number.",
                    remedy="Impute it by the median, or add numbers to the model's features.",
                )
            if method == "regression":
                return Regression.fit(feature, others, matrix, features)
            assert wanted is not None
            return Neighbours.fit(feature, others, matrix, features, wanted.neighbours, seed)
    values = matrix[:, feature]
    return Constant(value=float(np.median(values[~np.isnan(values)])))
