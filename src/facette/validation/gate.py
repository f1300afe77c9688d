"""Does a fitted model meet its thresholds?

A closed gate does not stop publishing: the model is published with the reason beside it, for people to judge. Only a
model that cannot be fitted at all (ModelError) leaves the previous one in place.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facette.definitions.model import Language, Validation
from facette.models.clusters.fitted import FittedClusters
from facette.models.scores import FittedPropensity
from facette.validation.sentences import say
from facette.validation.verdicts import is_blurred, say_shape

CHANCE = 0.5
ONE_SIDED_95 = 1.6448536269514722  # quantile of the normal distribution


@dataclass(frozen=True)
class Gate:
    """Whether a fitted model meets its thresholds, and why, per language."""

    is_open: bool
    reason: dict[Language, str]


def gate(fitted: FittedClusters | FittedPropensity, validation: Validation) -> Gate:
    """k-means: silhouette and Davies–Bouldin against the project's thresholds. Propensity: AUC surely above chance."""
    if isinstance(fitted, FittedClusters):
        blurred = is_blurred(fitted, validation)
        return Gate(not blurred, say_shape("blurred" if blurred else "distinct", fitted, validation))
    metrics = fitted.metrics
    low = auc_lower_bound(metrics.roc_auc, metrics.positives, metrics.n - metrics.positives)
    is_open = low > CHANCE
    case = "ranks" if is_open else "no_better_than_chance"
    return Gate(is_open, say(case, auc=metrics.roc_auc, low=low, chance=CHANCE))


def auc_lower_bound(auc: float, positives: int, negatives: int) -> float:
    """Lower end of the one-sided 95 % interval of an AUC (Hanley, McNeil 1982, eq. 1)."""
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = auc * (1 - auc) + (positives - 1) * (q1 - auc**2) + (negatives - 1) * (q2 - auc**2)
    return float(auc - ONE_SIDED_95 * np.sqrt(variance / (positives * negatives)))
