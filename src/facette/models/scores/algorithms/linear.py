"""Logistic regression with an L2 penalty."""

from __future__ import annotations

from typing import Literal

import numpy as np

from facette.models.scores.algorithms.algorithm import Algorithm, Lesson, Logits, Parameters, Predictor, Range, by_group
from facette.models.scores.folds import out_of_fold, sample_of_both

STRENGTHS = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0)  # C, the inverse of the L2 penalty


class Linear(Predictor):
    """intercept + weights · prepared columns. ``reference`` is the mean of the columns where it was fitted."""

    kind: Literal["logistic"] = "logistic"
    weights: tuple[float, ...]
    intercept: float
    reference: tuple[float, ...]

    def ready(self) -> Logits:
        weights = np.array(self.weights)
        return lambda prepared: prepared @ weights + self.intercept

    def contributions(self, prepared: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, float]:
        """weight · (value − mean), exact where columns are independent (Lundberg, Lee 2017, corollary 1)."""
        weights, reference = np.array(self.weights), np.array(self.reference)
        return by_group((prepared - reference) * weights, groups), float(self.intercept + reference @ weights)


def fit(lesson: Lesson, parameters: Parameters) -> Linear:
    weights, intercept = fit_logistic(lesson.prepared, lesson.target, parameters["strength"])
    return Linear(
        weights=tuple(weights.tolist()),
        intercept=intercept,
        reference=tuple(lesson.prepared.mean(axis=0).tolist()),
    )


def fit_logistic(
    prepared: np.ndarray, target: np.ndarray, strength: float, sample_weight: np.ndarray | None = None
) -> tuple[np.ndarray, float]:
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415

    fitted = LogisticRegression(C=strength, max_iter=1000, tol=1e-6).fit(prepared, target, sample_weight)
    return fitted.coef_[0], float(fitted.intercept_[0])


def best_strength(lesson: Lesson) -> dict[str, float]:
    """The C with the least log loss out of fold; of equals the smallest. On a sample where there are many rows."""
    some = lesson.rows(sample_of_both(lesson.target, lesson.seed))
    sign = np.where(some.target, 1.0, -1.0)
    losses = [
        float(np.logaddexp(0, -sign * out_of_fold(fit, some, {"strength": strength})).mean()) for strength in STRENGTHS
    ]
    return {"strength": STRENGTHS[int(np.argmin(losses))]}


ALGORITHM = Algorithm(
    fit=fit,
    defaults={"strength": 1.0},
    space={"strength": Range(1e-4, 100.0, is_log=True)},
    choose=best_strength,
)
