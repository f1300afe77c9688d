"""From a table of features to a matrix of numbers that a model can use, in NumPy and as Ibis expressions alike.

    value ─► unknown → median ─► log, where declared ─► (value − centre) / scale

Unknown is null, NaN, infinite, or farther from 0 than :data:`LARGEST`. The logarithm is sign(x) · ln(1 + |x|), which is
ln(1 + x) for the amounts and counts it is meant for and stays defined, and in order, below 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict

from facette.errors import ModelError

if TYPE_CHECKING:
    import ibis.expr.types as ir

LARGEST = 1e100
"""A number beyond it counts as unknown, so that squares and sums of squares stay finite."""

Scale = Literal["zscore", "robust", "minmax"]


class PreparedColumn(BaseModel):
    """One column of the prepared matrix: a feature's value, or 1 where it is unknown and 0 where it is known."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    feature: str
    is_missing_flag: bool = False
    median: float
    is_logged: bool = False
    centre: float
    scale: float
    unknown_share: float


class Preparation(BaseModel):
    """How features become the prepared matrix.

    features : every feature of the model, in order; the columns of the matrices handed in
    columns  : the columns of the prepared matrix
    remarks  : feature → what was special about it, for instance that it is ignored, and why
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    features: tuple[str, ...]
    columns: tuple[PreparedColumn, ...]
    remarks: dict[str, str]

    def transform(self, matrix: np.ndarray) -> np.ndarray:
        """The prepared matrix (rows × ``columns``) of a matrix (rows × ``features``) with NaN for unknown."""
        place = {feature: index for index, feature in enumerate(self.features)}
        prepared = np.empty((len(matrix), len(self.columns)))
        for index, column in enumerate(self.columns):
            values = matrix[:, place[column.feature]]
            if column.is_missing_flag:
                values = np.isnan(values).astype(float)
            else:
                values = np.where(np.isnan(values), column.median, values)
            if column.is_logged:
                values = signed_log(values)
            prepared[:, index] = (values - column.centre) / column.scale
        return prepared

    def expressions(self, table: ir.Table) -> list[ir.FloatingValue]:
        """The prepared matrix's columns as expressions over a table that has the features."""
        return [(_expression(table, column) - column.centre) / column.scale for column in self.columns]


def to_matrix(table: pa.Table, features: Sequence[str]) -> np.ndarray:
    """The features (number or boolean) as float64, rows × features, NaN where unknown.

    Raises ModelError if a feature is not a column of the table, or neither a number nor a boolean.
    """
    matrix = np.empty((table.num_rows, len(features)), order="F")
    for index, feature in enumerate(features):
        if feature not in table.column_names:
            raise ModelError(f"The feature “{feature}” does not exist.", remedy="Define it, or take it off the model.")
        column = table[feature]
        if not _is_numeric(column.type):
            raise ModelError(
                f"The feature “{feature}” is {column.type}, not a number.",
                remedy="Use a number or a boolean, or derive one from it with a feature's value.",
            )
        matrix[:, index] = pc.cast(column, pa.float64(), safe=False).to_numpy()
    with np.errstate(invalid="ignore"):
        matrix[~(np.abs(matrix) <= LARGEST)] = np.nan
    return matrix


def in_order(table: pa.Table, *keys: str) -> pa.Table:
    """The rows sorted by those of the keys that the table has, so that a fit does not depend on how they were read."""
    present = [(key, "ascending") for key in keys if key in table.column_names]
    return table.sort_by(present) if present else table


def fit_preparation(
    matrix: np.ndarray,
    features: Sequence[str],
    *,
    log: Sequence[str] = (),
    scale: Scale = "zscore",
    flag_missing: bool = False,
) -> Preparation:
    """Learn medians, centres and scales from a matrix (rows × features) with NaN for unknown.

    zscore is mean and standard deviation, robust is median and interquartile range, minmax is minimum and range. A
    feature without any known value, or with one and the same value everywhere, is ignored; ``remarks`` says so.
    ``flag_missing`` adds a column per feature that is sometimes unknown. Raises ModelError if no column is left.
    """
    if strangers := sorted(set(log) - set(features)):
        raise ModelError(
            f"log names features that the model does not use: {', '.join(strangers)}.",
            remedy="Add them to the model's features, or take them off log.",
        )
    columns: list[PreparedColumn] = []
    remarks: dict[str, str] = {}
    for index, feature in enumerate(features):
        values = matrix[:, index]
        unknown = np.isnan(values)
        if unknown.all():
            remarks[feature] = "ignored: it has no known value"
            continue
        median = float(np.median(values[~unknown]))
        filled = np.where(unknown, median, values)
        is_logged = feature in log
        if is_logged:
            filled = signed_log(filled)
        share = float(unknown.mean())
        if _is_constant(filled):
            remarks[feature] = "ignored: it has the same value everywhere"
        else:
            centre, width = _centre_and_scale(filled, scale)
            if width == 0:
                centre, width = _centre_and_scale(filled, "zscore")
                remarks[feature] = "scaled by its standard deviation: its interquartile range is 0"
            columns.append(
                PreparedColumn(
                    feature=feature, median=median, is_logged=is_logged, centre=centre, scale=width, unknown_share=share
                )
            )
        if flag_missing and unknown.any():
            centre, width = _centre_and_scale(unknown.astype(float), "zscore")
            columns.append(
                PreparedColumn(
                    feature=feature,
                    is_missing_flag=True,
                    median=median,
                    centre=centre,
                    scale=width,
                    unknown_share=share,
                )
            )
    if not columns:
        raise ModelError(
            "None of the model's features tells profiles apart: each is always unknown or always the same.",
            remedy="Choose features that vary; `facette report` shows how each is distributed.",
        )
    return Preparation(features=tuple(features), columns=tuple(columns), remarks=remarks)


def affine(columns: Sequence[ir.FloatingValue], weights: Sequence[float], intercept: float) -> ir.FloatingValue:
    """intercept + Σ weight · column, as an expression."""
    total: ir.FloatingValue = ibis.literal(intercept, "float64")
    for column, weight in zip(columns, weights, strict=True):
        if weight:
            total = total + column * weight
    return total


def signed_log(values: np.ndarray) -> np.ndarray:
    return np.sign(values) * np.log1p(np.abs(values))


def number_of(value: ir.Value) -> ir.FloatingValue:
    """A number or a boolean as float64; null stays null."""
    number = ibis.cases((value, 1.0), (~value, 0.0)) if value.type().is_boolean() else value
    return number.cast("float64")


def _expression(table: ir.Table, column: PreparedColumn) -> ir.FloatingValue:
    """The value before scaling. One comparison finds null, NaN (which sorts above all numbers in SQL) and infinity."""
    number = number_of(table[column.feature])
    is_known = number.abs() <= LARGEST
    if column.is_missing_flag:
        return is_known.ifelse(0.0, 1.0)
    filled = is_known.ifelse(number, column.median)
    return filled.sign() * (filled.abs() + 1.0).ln() if column.is_logged else filled


def _is_numeric(kind: pa.DataType) -> bool:
    types = pa.types
    return (
        types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_decimal(kind)
        or types.is_boolean(kind)
        or types.is_null(kind)
    )


def _is_constant(values: np.ndarray) -> bool:
    low, high = values.min(), values.max()
    return bool(high - low <= 1e-12 * max(abs(low), abs(high)))


def _centre_and_scale(values: np.ndarray, scale: Scale) -> tuple[float, float]:
    match scale:
        case "zscore":
            return float(values.mean()), float(values.std())
        case "robust":
            low, middle, high = np.percentile(values, [25, 50, 75])
            return float(middle), float(high - low)
        case "minmax":
            return float(values.min()), float(values.max() - values.min())
