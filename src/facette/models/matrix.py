"""From a table of features to a matrix of numbers: a text becomes the place of its value among those told apart.

Unknown is null, NaN, infinite, or farther from 0 than :data:`LARGEST`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import ibis
import ibis.expr.operations as ops
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from facette.errors import ModelError

if TYPE_CHECKING:
    import ibis.expr.types as ir

LARGEST = 1e100
"""A number beyond it counts as unknown, so that squares and sums of squares stay finite."""
MOST_LEVELS = 20
"""Values of a text that are told apart: the most frequent ones; all others are one value more."""
RAREST_LEVEL = 30
"""A value of fewer rows than this is not told apart."""

Levels = Mapping[str, tuple[str, ...]]
"""Text → its values that are told apart, most frequent first; other features are not in it."""


def levels_of(table: pa.Table, features: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The values of each text among the features that are told apart; of equally frequent ones the first by name."""
    found: dict[str, tuple[str, ...]] = {}
    for feature in features:
        if feature not in table.column_names or not _is_text(table[feature].type):
            continue
        counts = pc.value_counts(table[feature].combine_chunks()).to_pylist()
        known = [(-row["counts"], row["values"]) for row in counts if row["values"] is not None]
        kept = [value for count, value in sorted(known)[:MOST_LEVELS] if -count >= RAREST_LEVEL]
        found[feature] = tuple(kept)
    return found


def to_matrix(table: pa.Table, features: Sequence[str], levels: Levels | None = None) -> np.ndarray:
    """The features as float64, rows × features, NaN where unknown.

    A text in ``levels`` becomes the place of its value in them, from 0, or their number for any other value. Raises
    ModelError if a feature is not a column of the table, or neither a number, a boolean nor such a text.
    """
    levels = levels or {}
    matrix = np.empty((table.num_rows, len(features)), order="F")
    for index, feature in enumerate(features):
        if feature not in table.column_names:
            raise ModelError(f"The feature “{feature}” does not exist.", remedy="Define it, or take it off the model.")
        column = table[feature]
        if feature in levels and _is_text(column.type):
            places = pc.index_in(column, value_set=pa.array(levels[feature], column.type))
            column = pc.if_else(pc.is_valid(column), pc.fill_null(places, len(levels[feature])), None)
        elif not _is_numeric(column.type):
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


def number_of(value: ir.Value, levels: Sequence[str] = ()) -> ir.FloatingValue:
    """What :func:`to_matrix` makes of a feature, as an expression; null stays null, what is too large stays."""
    kind = value.type()
    if kind.is_string():
        places = [(value == level, float(place)) for place, level in enumerate(levels)]
        unknown = (value.isnull(), ibis.null("float64"))
        return as_double(ibis.cases(unknown, *places, else_=float(len(levels))))
    return as_double(ibis.cases((value, 1.0), (~value, 0.0))) if kind.is_boolean() else value.cast("float64")


def as_double(value: ir.Value) -> ir.FloatingValue:
    """A value that may be made of written numbers alone, as float64.

    SQL reads 50.0 as a decimal, whose products overflow; Ibis takes it for float64 already, so that its own ``cast``
    does nothing.
    """
    return ops.Cast(value, to="float64").to_expr()


def is_usable(number: ir.FloatingValue) -> ir.BooleanValue:
    """Whether a number is known. One comparison finds null, NaN (which sorts above all numbers in SQL) and infinity."""
    return number.abs() <= LARGEST


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _is_numeric(kind: pa.DataType) -> bool:
    types = pa.types
    return (
        types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_decimal(kind)
        or types.is_boolean(kind)
        or types.is_null(kind)
    )
