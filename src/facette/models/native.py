"""A model that is no expression, run by its own library on batches of rows from within a query of DuckDB."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from inspect import Parameter, Signature
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa

from facette.models.matrix import number_of


def from_batches(
    name: str,
    predict: Callable[[np.ndarray], np.ndarray],
    features: ir.Table | Mapping[str, ir.Value],
    columns: Sequence[str],
    *,
    output: str = "float64",
) -> ir.Value:
    """``predict`` as an expression over the columns of a table, or over values by name; DuckDB only.

    name    : identifier that is the same for the same model and differs between models
    predict : from a matrix (rows × ``columns``, float64, NaN for unknown) to one value per row, NaN for unknown; rows
              come some thousand at a time
    output  : Ibis type of the value
    """

    def batch(*arrays: Any) -> pa.Array:
        matrix = np.column_stack([array.to_numpy(zero_copy_only=False) for array in arrays])
        return pa.array(predict(matrix), from_pandas=False)  # DuckDB refuses null from a function

    names = [Parameter(f"x{i}", Parameter.POSITIONAL_OR_KEYWORD) for i in range(len(columns))]
    batch.__signature__ = Signature(names)  # type: ignore[attr-defined]
    function = ibis.udf.scalar.pyarrow(batch, name=name, signature=(("float64",) * len(columns), output))
    found = function(*(number_of(features[column]).fill_null(float("nan")) for column in columns))
    return found.isnan().ifelse(ibis.null(output), found) if found.type().is_floating() else found
