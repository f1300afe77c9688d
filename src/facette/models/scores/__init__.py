"""Scores: the calibrated probability that an event happens within a horizon, by whichever algorithm tells it best."""

from __future__ import annotations

from facette.models.scores.calibration import platt
from facette.models.scores.fitted import FittedPropensity, score, score_rows
from facette.models.scores.fitting import fit_propensity
from facette.models.scores.metrics import Coefficient, PropensityMetrics

__all__ = [
    "Coefficient",
    "FittedPropensity",
    "PropensityMetrics",
    "fit_propensity",
    "platt",
    "score",
    "score_rows",
]
