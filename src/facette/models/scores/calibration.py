"""Making logits honest: by a slope and a shift, or by steps that never fall."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from facette.models.scores.algorithms.linear import fit_logistic
from facette.models.scores.folds import FOLDS, folds
from facette.models.scores.metrics import Calibrated

WIDEST_LOGIT = 40.0  # beyond it the probability is 0 or 1 to 17 digits, and exp() stays within every engine's range
FEWEST_FOR_ISOTONIC = 500
"""Of each outcome: with less than about a thousand rows isotonic regression learns chance (Niculescu-Mizil, Caruana
2005)."""

Method = Literal["platt", "isotonic"]


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Platt(_Kept):
    """P = 1 / (1 + exp(−(slope · logit + shift)))."""

    kind: Literal["platt"] = "platt"
    slope: float
    shift: float

    def probability(self, logits: np.ndarray) -> np.ndarray:
        """Of each row, 0–1."""
        return 1.0 / (1.0 + np.exp(-np.clip(self.slope * logits + self.shift, -WIDEST_LOGIT, WIDEST_LOGIT)))


class Isotonic(_Kept):
    """P on straight lines between knots, ascending and never falling, and level beyond them."""

    kind: Literal["isotonic"] = "isotonic"
    at: tuple[float, ...]
    heights: tuple[float, ...]

    def probability(self, logits: np.ndarray) -> np.ndarray:
        """Of each row, 0–1."""
        return np.interp(logits, self.at, self.heights)


Calibration = Annotated[Platt | Isotonic, Field(discriminator="kind")]


def platt(logits: np.ndarray, outcomes: np.ndarray) -> Platt:
    """Platt (1999), "Probabilistic outputs for support vector machines", with his smoothed targets. The slope is not
    allowed below 0: a score that ranks the wrong way round becomes the base rate for everybody."""
    share = _smoothed(outcomes)  # each row counts as this share of a positive, the rest as a negative
    doubled = np.concatenate([logits, logits])[:, None]
    twice = np.repeat([True, False], len(logits))
    weights, shift = fit_logistic(doubled, twice, np.inf, np.concatenate([share, 1 - share]))
    if weights[0] < 0:
        return Platt(slope=0.0, shift=float(np.log(share.sum() / (1 - share).sum())))
    return Platt(slope=float(weights[0]), shift=shift)


def isotonic(logits: np.ndarray, outcomes: np.ndarray) -> Isotonic:
    """Isotonic regression (Zadrozny, Elkan 2002), by pooling adjacent violators (Ayer et al. 1955), of Platt's smoothed
    targets, so that no probability is 0 or 1."""
    from sklearn.isotonic import IsotonicRegression  # noqa: PLC0415

    fitted = IsotonicRegression(increasing=True).fit(logits, _smoothed(outcomes))
    return Isotonic(at=tuple(fitted.X_thresholds_.tolist()), heights=tuple(fitted.y_thresholds_.tolist()))


WAYS: dict[str, Callable[[np.ndarray, np.ndarray], Platt | Isotonic]] = {"platt": platt, "isotonic": isotonic}


def calibrate(
    declared: Method | None, logits: np.ndarray, outcomes: np.ndarray, people: np.ndarray, seed: int
) -> tuple[Platt | Isotonic, Calibrated]:
    """The way declared, or else the one with the less log loss on people that it has not seen.

    logits, outcomes : of rows that the predictor has not learned from;  people : a number per person
    Isotonic regression is taken only if there are 500 rows of each outcome, and if it is better beyond one standard
    error of the difference: what takes more numbers has to be worth it.
    """
    enough = min(int(outcomes.sum()), int((~outcomes).sum())) >= FEWEST_FOR_ISOTONIC
    losses: dict[str, np.ndarray] = {}
    if enough:
        losses = {way: _unseen_losses(way, logits, outcomes, people, seed) for way in WAYS}
    way: Method = declared or ("isotonic" if losses and _is_better(losses["isotonic"], losses["platt"]) else "platt")
    means = {f"log_loss_{name}": float(values.mean()) for name, values in losses.items()}
    return WAYS[way](logits, outcomes), Calibrated(method=way, is_declared=declared is not None, **means)


def calibrated_loss(logits: np.ndarray, outcomes: np.ndarray) -> float:
    """The mean log loss once the logits are calibrated on these same rows by Platt's way: two numbers learned from all
    of them."""
    return float(_losses(platt(logits, outcomes).probability(logits), outcomes).mean())


def _smoothed(outcomes: np.ndarray) -> np.ndarray:
    positives = int(outcomes.sum())
    return np.where(outcomes, (positives + 1) / (positives + 2), 1 / (len(outcomes) - positives + 2))


def _unseen_losses(way: str, logits: np.ndarray, outcomes: np.ndarray, people: np.ndarray, seed: int) -> np.ndarray:
    losses, dealt = np.empty(len(logits)), folds(outcomes, people, seed)
    for fold in range(FOLDS):
        unseen = dealt == fold
        found = WAYS[way](logits[~unseen], outcomes[~unseen]).probability(logits[unseen])
        losses[unseen] = _losses(found, outcomes[unseen])
    return losses


def _losses(probability: np.ndarray, outcomes: np.ndarray) -> np.ndarray:
    return -np.log(np.where(outcomes, probability, 1 - probability))


def _is_better(losses: np.ndarray, others: np.ndarray) -> bool:
    gap = others - losses
    return bool(gap.mean() > gap.std() / np.sqrt(len(gap)))
