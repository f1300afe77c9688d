"""What a prediction is made of: by how much each feature moves the logit of a row, up or down, before calibration.

base + the sum over the features = the logit. Calibration stretches all of them alike (by ``slope``), so that what
pushes the logit up pushes the score up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from facette.models.preparation import Preparation
from facette.models.scores.algorithms.algorithm import Predictor
from facette.models.scores.fitted import FittedPropensity
from facette.models.scores.metrics import Gain, Influence

SAMPLED = 200  # test rows of which contributions are averaged


@dataclass(frozen=True)
class Contributions:
    """features; values (rows × features); base; logits (one per row) — all before calibration."""

    features: tuple[str, ...]
    values: np.ndarray
    base: float
    logits: np.ndarray


def contributions(fitted: FittedPropensity, features: pa.Table) -> Contributions:
    """Of each row of a table in memory that has the model's features; at least one row."""
    prepared = fitted.preparation.transform(fitted.preparation.matrix(features))
    return contributions_of(fitted.predictor, fitted.preparation, prepared)


def contributions_of(predictor: Predictor, preparation: Preparation, prepared: np.ndarray) -> Contributions:
    """The same of prepared rows. A feature's value and its being unknown count together."""
    names = tuple(dict.fromkeys(column.feature for column in preparation.columns))
    groups = np.array([names.index(column.feature) for column in preparation.columns])
    values, base = predictor.contributions(prepared, groups)
    return Contributions(names, values, base, predictor.ready()(prepared))


def influences(
    predictor: Predictor, preparation: Preparation, prepared: np.ndarray, seed: int
) -> tuple[Influence, ...]:
    """The mean of |contribution| of each feature over a sample of prepared rows, largest first."""
    random = np.random.default_rng(seed)
    some = np.sort(random.choice(len(prepared), min(SAMPLED, len(prepared)), replace=False))
    found = contributions_of(predictor, preparation, prepared[some])
    means = np.abs(found.values).mean(axis=0)
    items = [Influence(feature=name, mean=float(mean)) for name, mean in zip(found.features, means, strict=True)]
    return tuple(sorted(items, key=lambda item: -item.mean))


def gains(predictor: Predictor, preparation: Preparation) -> tuple[Gain, ...]:
    """The share of what the splits of trees gained that is due to each feature, largest first; none of other kinds."""
    found = predictor.gains(len(preparation.columns))
    if found is None or found.sum() <= 0:
        return ()
    shares: dict[str, float] = {}
    for column, gain in zip(preparation.columns, found / found.sum(), strict=True):
        shares[column.feature] = shares.get(column.feature, 0.0) + float(gain)
    items = [Gain(feature=name, share=share) for name, share in shares.items()]
    return tuple(sorted(items, key=lambda item: -item.share))
