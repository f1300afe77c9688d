"""May what was fitted, or defined anew, be published? Judged by its checks, and by what the project declares.

A closed gate stops publishing unless the project says ``publish``: a model keeps the version before, or gives no values
if there is none; a segment keeps the definition before, or is not there. See ``docs/decisions/0014``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from facette.definitions.model import Language, Validation
from facette.definitions.validation import Policy
from facette.models.clusters.fitted import FittedClusters
from facette.models.fitted import FittedModel
from facette.models.scores import FittedPropensity
from facette.validation.sentences import say
from facette.validation.verdicts import is_blurred, say_shape

CHANCE = 0.5


@dataclass(frozen=True)
class Gate:
    """Whether something meets its thresholds, and why, per language."""

    is_open: bool
    reason: dict[Language, str]


def gate(fitted: FittedModel, validation: Validation) -> Gate:
    """Clusters: silhouette and Davies–Bouldin against the project's thresholds. Propensity: the AUC's 95 %
    interval, all of it above chance.

    Other kinds have no threshold: their gate is open.
    """
    if isinstance(fitted, FittedClusters):
        blurred = is_blurred(fitted, validation)
        return Gate(not blurred, say_shape("blurred" if blurred else "distinct", fitted, validation))
    if not isinstance(fitted, FittedPropensity):
        return Gate(True, {"fr": "", "en": ""})
    metrics = fitted.metrics
    low = metrics.roc_auc_interval.low
    is_open = low > CHANCE
    case = "ranks" if is_open else "no_better_than_chance"
    return Gate(is_open, say(case, auc=metrics.roc_auc, low=low, chance=CHANCE))


def segment_gate(verdict: Mapping[str, Any]) -> Gate:
    """Open for a segment that is worth having, or that cannot be judged; from its row of the verdicts."""
    is_open = verdict["verdict"] in ("worth", "unknown")
    return Gate(is_open, {"fr": verdict["reason_fr"], "en": verdict["reason_en"]})


def policy_of(fitted: FittedModel, validation: Validation) -> Policy:
    """What the project declares for models of this kind."""
    return validation.gate.clusters if isinstance(fitted, FittedClusters) else validation.gate.scores
