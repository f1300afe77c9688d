"""Making logits honest."""

from __future__ import annotations

import numpy as np

from facette.models.scores.algorithms.linear import fit_logistic

WIDEST_LOGIT = 40.0  # beyond it the probability is 0 or 1 to 17 digits, and exp() stays within every engine's range


def platt(logits: np.ndarray, outcomes: np.ndarray) -> tuple[float, float]:
    """Slope and shift that make logits honest: P = 1 / (1 + exp(−(slope · logit + shift))).

    Platt (1999), "Probabilistic outputs for support vector machines", with his smoothed targets. The slope is not
    allowed below 0: a score that ranks the wrong way round becomes the base rate for everybody.
    """
    positives = int(outcomes.sum())
    negatives = len(outcomes) - positives
    high, low = (positives + 1) / (positives + 2), 1 / (negatives + 2)
    share = np.where(outcomes, high, low)  # each row counts as this share of a positive, the rest as a negative
    doubled = np.concatenate([logits, logits])[:, None]
    twice = np.repeat([True, False], len(logits))
    weights, shift = fit_logistic(doubled, twice, np.inf, np.concatenate([share, 1 - share]))
    if weights[0] < 0:
        return 0.0, float(np.log(share.sum() / (1 - share).sum()))
    return float(weights[0]), shift


def probability_of(logits: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-np.clip(logits, -WIDEST_LOGIT, WIDEST_LOGIT)))


def calibrated_loss(logits: np.ndarray, outcomes: np.ndarray) -> float:
    """The mean log loss once the logits are calibrated on these same rows: two numbers learned from all of them."""
    slope, shift = platt(logits, outcomes)
    sign = np.where(outcomes, 1.0, -1.0)
    return float(np.logaddexp(0, -sign * (slope * logits + shift)).mean())
