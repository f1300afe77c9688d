"""What a score looks like against what happened: the calibration curve, and gain and lift by decile."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict

BINS = 10
TWO_SIDED_95 = 1.959963984540054  # quantile of the normal distribution


class CurveBin(BaseModel):
    """Rows with neighbouring scores: the mean probability predicted; the share that did it, with its 95 % interval."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    predicted: float
    observed: float
    low: float
    high: float
    n: int


class Decile(BaseModel):
    """A tenth of the rows, 1 with the highest scores: its rate, times the base rate (lift), and the share of all
    positives found in this tenth and those above it (gain)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    decile: int
    n: int
    positives: int
    rate: float
    lift: float
    gain: float


def calibration_bins(probability: np.ndarray, target: np.ndarray) -> tuple[CurveBin, ...]:
    """Bins between the deciles of the probability, lowest first. Equal scores share a bin, so there may be fewer."""
    edges = np.unique(np.quantile(probability, np.linspace(0, 1, BINS + 1)[1:-1]))
    place = np.searchsorted(edges, probability, side="left")
    counts = np.bincount(place, minlength=len(edges) + 1)
    predicted = np.bincount(place, weights=probability, minlength=len(counts))
    observed = np.bincount(place, weights=target, minlength=len(counts))
    return tuple(
        CurveBin(predicted=float(total / n), observed=float(did / n), low=low, high=high, n=int(n))
        for total, did, n in zip(predicted, observed, counts, strict=True)
        if n
        for low, high in [wilson(float(did), int(n))]
    )


def wilson(did: float, n: int) -> tuple[float, float]:
    """The 95 % interval of a share of n (Wilson 1927)."""
    share, squared = did / n, TWO_SIDED_95**2
    middle = (share + squared / (2 * n)) / (1 + squared / n)
    half = TWO_SIDED_95 / (1 + squared / n) * (share * (1 - share) / n + squared / (4 * n**2)) ** 0.5
    return max(0.0, middle - half), min(1.0, middle + half)


def calibration_error(curve: tuple[CurveBin, ...]) -> float:
    """Expected calibration error: mean of |observed − predicted| over the rows (Naeini, Cooper, Hauskrecht 2015)."""
    rows = sum(item.n for item in curve)
    return sum(item.n * abs(item.observed - item.predicted) for item in curve) / rows


def deciles(probability: np.ndarray, target: np.ndarray, seed: int) -> tuple[Decile, ...]:
    """Ten parts of equal number. Equal scores are put in random order, so that the order of reading cannot flatter."""
    shuffled = np.random.default_rng(seed).permutation(len(target))
    order = shuffled[np.argsort(-probability[shuffled], kind="stable")]
    everybody = int(target.sum())
    result: list[Decile] = []
    found = 0
    for index, part in enumerate(np.array_split(order, BINS)):
        positives = int(target[part].sum())
        found += positives
        rate = positives / len(part)
        result.append(
            Decile(
                decile=index + 1,
                n=len(part),
                positives=positives,
                rate=rate,
                lift=rate / (everybody / len(target)),
                gain=found / everybody,
            )
        )
    return tuple(result)
