"""How good probabilities are against what happened: figures, curves, and how sure these are.

Intervals are of 95 %. That of the AUC is DeLong's, of people rather than rows where people come several times; those of
the average precision and of the curves are percentiles over samples of people, drawn with replacement (Efron 1979).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from facette.models.curves import TWO_SIDED_95, calibration_bins, calibration_error, deciles
from facette.models.scores.metrics import Interval, Point

REPLICATES = 200
GRID = np.linspace(0, 1, 41)
TENTHS = np.linspace(0, 1, 11)


def figures(probability: np.ndarray, target: np.ndarray) -> dict[str, float]:
    """The plain figures: see ``Compared``."""
    from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score  # noqa: PLC0415

    return {
        "roc_auc": float(roc_auc_score(target, probability)),
        "average_precision": float(average_precision_score(target, probability)),
        "log_loss": float(log_loss(target, probability)),
        "brier": float(brier_score_loss(target, probability)),
        "expected_calibration_error": calibration_error(calibration_bins(probability, target)),
    }


def judge(probability: np.ndarray, target: np.ndarray, people: np.ndarray, seed: int) -> dict[str, Any]:
    """Figures, curves and intervals: see ``PropensityMetrics``. people : a number per person."""
    auc, error = delong(probability, target, people)
    half = TWO_SIDED_95 * error
    return {
        **figures(probability, target),
        "n": len(target),
        "positives": int(target.sum()),
        "base_rate": float(target.mean()),
        "roc_auc_interval": Interval(low=max(0.0, auc - half), high=min(1.0, auc + half)),
        "calibration": calibration_bins(probability, target),
        "deciles": deciles(probability, target, seed),
        **curves(probability, target, people, seed),
    }


def delong(probability: np.ndarray, target: np.ndarray, people: np.ndarray) -> tuple[float, float]:
    """The AUC and its standard error: DeLong, DeLong, Clarke-Pearson (1988), by mid-ranks (Sun, Xu 2014).

    A person's rows are one cluster (Obuchowski 1997); with one row per person it is DeLong's own.
    """
    from scipy.stats import rankdata  # noqa: PLC0415

    n_positives = int(target.sum())
    n_negatives = len(target) - n_positives
    ranks = rankdata(probability)
    above = (ranks[target] - rankdata(probability[target])) / n_negatives  # share of negatives below each positive
    below = 1 - (ranks[~target] - rankdata(probability[~target])) / n_positives  # share of positives above each
    auc = float(above.mean())
    person = np.unique(people, return_inverse=True)[1]
    of_positives = np.bincount(person[target], weights=above - auc, minlength=person.max() + 1) / n_positives
    of_negatives = np.bincount(person[~target], weights=below - auc, minlength=person.max() + 1) / n_negatives
    variance = _spread(of_positives, person[target]) + _spread(of_negatives, person[~target])
    variance += 2 * len(of_positives) / max(1, len(of_positives) - 1) * float(of_positives @ of_negatives)
    return auc, float(np.sqrt(max(variance, 0.0)))


def _spread(sums: np.ndarray, persons: np.ndarray) -> float:
    clusters = len(np.unique(persons))
    return clusters / max(1, clusters - 1) * float((sums**2).sum())


def curves(probability: np.ndarray, target: np.ndarray, people: np.ndarray, seed: int) -> dict[str, Any]:
    """roc, precision_recall, gain and lift as points with intervals, and the interval of the average precision."""
    ordered = _Ordered.of(probability, target, people)
    point = ordered.curves(np.ones(len(target)))
    random = np.random.default_rng(seed)
    persons = int(ordered.person.max()) + 1
    drawn: list[dict[str, Any]] = []
    while len(drawn) < REPLICATES:
        weight = np.bincount(random.integers(0, persons, persons), minlength=persons)[ordered.person].astype(float)
        if 0 < weight @ ordered.target < weight.sum():
            drawn.append(ordered.curves(weight))
    found = {}
    for name, grid in (("roc", GRID), ("precision_recall", GRID[1:]), ("gain", TENTHS), ("lift", TENTHS[1:])):
        low, high = np.percentile([replicate[name] for replicate in drawn], [2.5, 97.5], axis=0)
        rows = zip(grid, point[name], low, high, strict=True)
        found[name] = tuple(
            Point(x=float(x), y=float(y), low=float(min(a, y)), high=float(max(b, y))) for x, y, a, b in rows
        )
    low, high = np.percentile([replicate["average_precision"] for replicate in drawn], [2.5, 97.5])
    return found | {"average_precision_interval": Interval(low=float(low), high=float(high))}


@dataclass(frozen=True)
class _Ordered:
    """Rows by falling probability; ``ends`` are the last rows of equal ones, between which no threshold cuts."""

    target: np.ndarray
    person: np.ndarray
    ends: np.ndarray

    @classmethod
    def of(cls, probability: np.ndarray, target: np.ndarray, people: np.ndarray) -> _Ordered:
        order = np.argsort(-probability, kind="stable")
        ends = np.flatnonzero(np.append(np.diff(probability[order]) != 0, True))
        return cls(target[order].astype(float), np.unique(people, return_inverse=True)[1][order], ends)

    def curves(self, weight: np.ndarray) -> dict[str, Any]:
        """Each curve's heights, every row counting ``weight`` times.

        roc: true by false positive rate, straight between thresholds; precision_recall: the precision at the first
        threshold that reaches the recall (no straight lines there: Davis, Goadrich 2006); gain: share of all positives
        by share of rows; lift: its slope over each tenth.
        """
        found = np.append(0.0, np.cumsum(weight * self.target)[self.ends])
        taken = np.append(0.0, np.cumsum(weight)[self.ends])
        recall, false = found / found[-1], (taken - found) / (taken[-1] - found[-1])
        kept = taken[1:] > 0
        precision = found[1:][kept] / taken[1:][kept]
        first = np.minimum(np.searchsorted(recall[1:][kept], GRID[1:] - 1e-12), len(precision) - 1)
        gain = np.interp(TENTHS, taken / taken[-1], recall)
        return {
            "roc": np.interp(GRID, false, recall),
            "precision_recall": precision[first],
            "gain": gain,
            "lift": np.diff(gain) * 10,
            "average_precision": float(np.diff(recall)[kept] @ precision),
        }
