"""Kinds of models: what a fitted one is, and what it says of a profile."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ibis
import ibis.expr.types as ir
from pydantic import ValidationError

from facette.definitions.models import Model, outputs
from facette.errors import ModelError
from facette.models.clusters.fitted import FittedClusters
from facette.models.composite import FittedComposite
from facette.models.fitted import FittedModel
from facette.models.maps import FittedMap
from facette.models.scores import FittedPropensity
from facette.models.value import FittedValue

FITTED: dict[str, type[FittedModel]] = {
    "clusters": FittedClusters,
    "propensity": FittedPropensity,
    "map": FittedMap,
    "value": FittedValue,
    "composite": FittedComposite,
}
OUTPUTS = {"clusters": "int64"}
"""Ibis type of what a kind says, where it is no float64."""


def stored(row: Mapping[str, Any]) -> FittedModel:
    """The fitted model of a row of the table ``models``.

    Raises ModelError for one that another version of Facette wrote, which this one cannot read.
    """
    try:
        return FITTED[row["kind"]].from_json(row["parameters"], row["metrics"])
    except (KeyError, ValidationError) as error:
        raise ModelError(
            f"“{row['name']}” was fitted by another version of Facette, and cannot be read.",
            remedy="Run `facette run`, which fits it anew.",
        ) from error


def model_outputs(item: Model, row: Mapping[str, Any] | None, table: ir.Table) -> dict[str, ir.Value]:
    """Column → what a model says of each row of ``table``; null where it is not fitted.

    row : the model's row of the table ``models``, if there is one
    """
    if row is None:
        return {name: ibis.null(OUTPUTS.get(item.kind, "float64")) for name in outputs(item)}
    return stored(row).outputs(table)


def model_output(item: Model, row: Mapping[str, Any] | None, table: ir.Table, *, column: str) -> ir.Value:
    """One of the columns that a model gives."""
    return model_outputs(item, row, table)[column]


def with_outputs(item: Model, row: Mapping[str, Any] | None, table: ir.Table) -> ir.Table:
    """``table`` with the columns that a model gives, but for those that it has."""
    found = model_outputs(item, row, table)
    return table.mutate(**{name: value for name, value in found.items() if name not in table.columns})
