"""May what was fitted, or defined anew, be published? Judged by its checks, and by what the project declares.

A closed gate stops publishing unless the project says ``publish``: a model keeps the version before, or gives no values
if there is none; a segment keeps the definition before, or is not there. See ``docs/decisions/0014``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from facette.definitions.model import Language, Validation
from facette.definitions.validation import Policy
from facette.models.clusters import FittedKMeans
from facette.models.fitted import FittedModel
from facette.models.scores import FittedPropensity
from facette.validation.sentences import say
from facette.validation.verdicts import is_blurred, say_shape

CHANCE = 0.5
ONE_SIDED_95 = 1.6448536269514722  # quantile of the normal distribution


@dataclass(frozen=True)
class Gate:
    """Whether something meets its thresholds, and why, per language."""

    is_open: bool
    reason: dict[Language, str]


def gate(fitted: FittedModel, validation: Validation) -> Gate:
    """k-means: silhouette and Davies–Bouldin against the project's thresholds. Propensity: AUC surely above chance.

    Other kinds have no threshold: their gate is open.
    """
    if isinstance(fitted, FittedKMeans):
        blurred = is_blurred(fitted, validation)
        return Gate(not blurred, say_shape("blurred" if blurred else "distinct", fitted, validation))
    if not isinstance(fitted, FittedPropensity):
        return Gate(True, {"fr": "", "en": ""})
    metrics = fitted.metrics
    low = auc_lower_bound(metrics.roc_auc, metrics.positives, metrics.n - metrics.positives)
    is_open = low > CHANCE
    case = "ranks" if is_open else "no_better_than_chance"
    return Gate(is_open, say(case, auc=metrics.roc_auc, low=low, chance=CHANCE))


def segment_gate(verdict: Mapping[str, Any]) -> Gate:
    """Open for a segment that is worth having, or that cannot be judged; from its row of the verdicts."""
    is_open = verdict["verdict"] in ("worth", "unknown")
    return Gate(is_open, {"fr": verdict["reason_fr"], "en": verdict["reason_en"]})


def policy_of(fitted: FittedModel, validation: Validation) -> Policy:
    """What the project declares for models of this kind."""
    return validation.gate.clusters if isinstance(fitted, FittedKMeans) else validation.gate.scores


def auc_lower_bound(auc: float, positives: int, negatives: int) -> float:
    """Lower end of the one-sided 95 % interval of an AUC (Hanley, McNeil 1982, eq. 1)."""
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = auc * (1 - auc) + (positives - 1) * (q1 - auc**2) + (negatives - 1) * (q2 - auc**2)
    return float(auc - ONE_SIDED_95 * np.sqrt(variance / (positives * negatives)))
