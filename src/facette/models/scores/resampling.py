"""What would the score say of everybody, had it learned from other people? Refits on resamples of the people.

People are drawn with replacement (Efron 1979), the published algorithm is fitted to them with the published parameters,
and what it says of the test rows is compared with the published score, as logits. It is calibrated anew by rows of an
instant of their own, drawn again too; where the calibration is of the very rows learned from, out of fold, it stays:
what moved the refit would move it once more. What is kept is small: of each refit the mean difference in each tenth of
the scores, and how much single rows differ beyond that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facette.models.scores.algorithms.algorithm import Algorithm, Lesson, Parameters, logit
from facette.models.scores.calibration import WAYS, Isotonic, Platt
from facette.models.scores.metrics import Spread

MOST_ROWS = 20_000
"""Rows in a resample; the differences of one that has fewer people than there are count √(its share) times (Bickel,
Götze, van Zwet 1997)."""
BINS = 10


@dataclass(frozen=True)
class Calibrating:
    """The rows of an instant of their own that calibrate, and their outcomes."""

    prepared: np.ndarray
    outcomes: np.ndarray


def spread(
    algorithm: Algorithm,
    parameters: Parameters,
    calibration: Platt | Isotonic,
    lesson: Lesson,
    calibrating: Calibrating | None,
    *,
    asked: np.ndarray,
    published: np.ndarray,
    resamples: int,
) -> Spread | None:
    """How far refits differ from the published score; None without resamples.

    calibrating : None where the calibration is out of fold
    asked : prepared rows of which both are asked;  published: the probability of each by the published score
    """
    if not resamples:
        return None
    random = np.random.default_rng(lesson.seed)
    persons, person_of_row = np.unique(lesson.people, return_inverse=True)
    size = min(len(persons), max(1, int(len(persons) * MOST_ROWS / len(lesson.target))))
    rows_of = np.split(np.argsort(person_of_row, kind="stable"), np.cumsum(np.bincount(person_of_row))[:-1])
    now = logit(published)
    edges = np.unique(np.quantile(now, np.arange(1, BINS) / BINS))
    place = np.searchsorted(edges, now)
    shifts, squares = [], np.zeros(len(edges) + 1)
    counts = np.maximum(np.bincount(place, minlength=len(edges) + 1), 1)
    for _ in range(resamples):
        picked = random.integers(0, len(persons), size)
        rows = np.concatenate([rows_of[person] for person in picked])
        logits = algorithm.fit(lesson.rows(rows), parameters).ready()
        again = calibration
        if calibrating is not None:
            drawn = random.integers(0, len(calibrating.outcomes), len(calibrating.outcomes))
            again = WAYS[calibration.kind](logits(calibrating.prepared[drawn]), calibrating.outcomes[drawn])
        move = logit(again.probability(logits(asked))) - now
        shift = np.bincount(place, weights=move, minlength=len(counts)) / counts
        squares += np.bincount(place, weights=(move - shift[place]) ** 2, minlength=len(counts)) / counts
        shifts.append(shift)
    scale = float(np.sqrt(size / len(persons)))
    return Spread(
        edges=tuple(edges.tolist()),
        shifts=tuple(tuple((scale * shift).tolist()) for shift in shifts),
        deviations=tuple((scale * np.sqrt(squares / resamples)).tolist()),
    )


def drawn_scores(found: Spread, scores: np.ndarray, replicates: int, random: np.random.Generator) -> np.ndarray:
    """Scores (0–100, NaN where unknown) as refits might say them: replicates × scores."""
    with np.errstate(invalid="ignore"):
        now = logit(scores / 100)
    place = np.searchsorted(np.array(found.edges), np.nan_to_num(now))
    refits = np.array(found.shifts)[np.arange(replicates) % len(found.shifts)]
    noise = random.standard_normal((replicates, len(scores))) * np.array(found.deviations)[place]
    return 100 / (1 + np.exp(-(now + refits[:, place] + noise)))
