"""A fitted score, and how it is applied: one expression where that is exact and cheap, else batches of rows."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from facette.models.fitted import Fitted
from facette.models.matrix import LARGEST, number_of
from facette.models.native import from_batches
from facette.models.preparation import affine
from facette.models.scores.algorithms import AnyPredictor
from facette.models.scores.algorithms.linear import Linear
from facette.models.scores.calibration import WIDEST_LOGIT, Calibration, Platt
from facette.models.scores.metrics import PropensityMetrics

if TYPE_CHECKING:
    import ibis.expr.types as ir


class FittedPropensity(Fitted):
    """A score that can be applied: 100 times the calibrated probability of the logit of the prepared features."""

    predictor: AnyPredictor
    calibration: Calibration
    metrics: PropensityMetrics

    def output(self, features: ir.Table) -> ir.FloatingColumn:
        """See :func:`score`."""
        return score(self, features)


def score(fitted: FittedPropensity, features: ir.Table) -> ir.FloatingColumn:
    """The calibrated probability of each row as an expression, 0 to 100, not rounded (engines round differently).

    Logistic regression with Platt's calibration is plain SQL, on every engine; all else runs in batches of rows inside
    DuckDB.
    """
    calibration = fitted.calibration
    if not (isinstance(fitted.predictor, Linear) and isinstance(calibration, Platt)):
        return _in_batches(fitted, features)
    weights = [calibration.slope * weight for weight in fitted.predictor.weights]
    intercept = calibration.slope * fitted.predictor.intercept + calibration.shift
    logit = affine(fitted.preparation.expressions(features), weights, intercept)
    return 100.0 / ((-logit.clip(-WIDEST_LOGIT, WIDEST_LOGIT)).exp() + 1.0)


def score_rows(fitted: FittedPropensity, features: pa.Table) -> np.ndarray:
    """The same as :func:`score`, of a table in memory: float64, one per row."""
    prepared = fitted.preparation.transform(fitted.preparation.matrix(features))
    return 100.0 * fitted.calibration.probability(fitted.predictor.ready()(prepared))


def _in_batches(fitted: FittedPropensity, features: ir.Table) -> ir.FloatingColumn:
    logits = fitted.predictor.ready()

    def predict(matrix: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore"):
            raw = np.where(np.abs(matrix) <= LARGEST, matrix, np.nan)
        return 100.0 * fitted.calibration.probability(logits(fitted.preparation.transform(raw)))

    name = f"score_{fitted.name}_{sha256(fitted.parameters_json().encode()).hexdigest()[:16]}"
    inputs, levels = fitted.preparation.features, fitted.preparation.levels
    numbers = {feature: number_of(features[feature], levels.get(feature, ())) for feature in inputs}
    return from_batches(name, predict, numbers, inputs)
