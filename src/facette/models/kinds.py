"""Kinds of models: what a fitted one is, and what it says of a profile."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ibis
import ibis.expr.types as ir

from facette.definitions.models import Model
from facette.models.clusters import FittedKMeans
from facette.models.fitted import Fitted
from facette.models.maps import FittedMap
from facette.models.scores import FittedPropensity

FITTED: dict[str, type[Fitted]] = {"kmeans": FittedKMeans, "propensity": FittedPropensity, "map": FittedMap}
OUTPUTS = {"kmeans": "int64"}
"""Ibis type of what a kind says, where it is no float64."""


def stored(row: Mapping[str, Any]) -> Fitted:
    """The fitted model of a row of the table ``models``."""
    return FITTED[row["kind"]].from_json(row["parameters"], row["metrics"])


def model_output(item: Model, row: Mapping[str, Any] | None, table: ir.Table) -> ir.Value:
    """What a model says of each row of ``table``; null where it is not fitted.

    row : the model's row of the table ``models``, if there is one
    """
    if row is None:
        return ibis.null(OUTPUTS.get(item.kind, "float64"))
    return stored(row).output(table)
