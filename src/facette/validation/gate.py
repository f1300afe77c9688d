"""Does a fitted model meet its thresholds?

A closed gate does not stop publishing: the model is published with the reason beside it, for people to judge. Only a
model that cannot be fitted at all (ModelError) leaves the previous one in place.
"""

from __future__ import annotations

from dataclasses import dataclass

from facette.definitions.model import Language, Validation
from facette.models.clusters import FittedKMeans
from facette.models.scores import FittedPropensity
from facette.validation.sentences import say
from facette.validation.verdicts import is_blurred, say_shape

CHANCE = 0.5


@dataclass(frozen=True)
class Gate:
    """Whether a fitted model meets its thresholds, and why, per language."""

    is_open: bool
    reason: dict[Language, str]


def gate(fitted: FittedKMeans | FittedPropensity, validation: Validation) -> Gate:
    """k-means: silhouette and Davies–Bouldin against the project's thresholds. Propensity: the AUC's 95 % interval, all
    of it above chance."""
    if isinstance(fitted, FittedKMeans):
        blurred = is_blurred(fitted, validation)
        return Gate(not blurred, say_shape("blurred" if blurred else "distinct", fitted, validation))
    metrics = fitted.metrics
    low = metrics.roc_auc_interval.low
    is_open = low > CHANCE
    case = "ranks" if is_open else "no_better_than_chance"
    return Gate(is_open, say(case, auc=metrics.roc_auc, low=low, chance=CHANCE))
