"""Cross-validation by person: what a model says of people of whom it has seen nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from facette.models.scores.algorithms.algorithm import Lesson, Parameters, Predictor

FOLDS = 5
MOST_ROWS = 50_000  # rows on which parameters, features and algorithms are compared


def out_of_fold(fit: Callable[[Lesson, Parameters], Predictor], lesson: Lesson, parameters: Parameters) -> np.ndarray:
    """The logit of each row from a model that has seen nothing of its person."""
    logits = np.empty(len(lesson.target))
    for unseen, predictor in each_fold(fit, lesson, parameters):
        logits[unseen] = predictor.ready()(lesson.prepared[unseen])
    return logits


def each_fold(fit: Callable[[Lesson, Parameters], Predictor], lesson: Lesson, parameters: Parameters) -> Any:
    """Per fold: which rows it holds, and what was learned from the others."""
    dealt = folds(lesson.target, lesson.people, lesson.seed)
    for fold in range(FOLDS):
        unseen = dealt == fold
        yield unseen, fit(lesson.rows(~unseen), parameters)


def folds(target: np.ndarray, people: np.ndarray, seed: int) -> np.ndarray:
    """A fold per row: people are dealt out in random order, first those who did it, so that every fold has some."""
    persons, person_of_row = np.unique(people, return_inverse=True)
    did = np.bincount(person_of_row, weights=target) > 0
    order = np.lexsort([np.random.default_rng(seed).random(len(persons)), ~did])
    fold_of_person = np.empty(len(persons), dtype=int)
    fold_of_person[order] = np.arange(len(persons)) % FOLDS
    return fold_of_person[person_of_row]


def sample_of_both(target: np.ndarray, seed: int, wanted: int = MOST_ROWS) -> np.ndarray:
    """Indices of at most ``wanted`` rows, ascending; a rare outcome is kept whole while it fits half of them."""
    if len(target) <= wanted:
        return np.arange(len(target))
    random = np.random.default_rng(seed)
    is_rare = target if target.mean() <= 0.5 else ~target
    rare, common = np.flatnonzero(is_rare), np.flatnonzero(~is_rare)
    rare = random.choice(rare, min(len(rare), wanted // 2), replace=False)
    common = random.choice(common, min(len(common), wanted - len(rare)), replace=False)
    return np.sort(np.concatenate([rare, common]))
