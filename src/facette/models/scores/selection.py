"""Which features a score needs: those left out are said, with the number that decided.

All three ways compare log losses out of fold, row by row on the same rows: a loss is worse than another only if the
mean of the differences is beyond its standard error (the one-standard-error rule of Breiman and others 1984, paired).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from facette.models.preparation import Preparation
from facette.models.scores.algorithms import ALGORITHMS, linear
from facette.models.scores.algorithms.algorithm import Algorithm, Lesson, Parameters, Predictor
from facette.models.scores.folds import each_fold, out_of_fold, sample_of_both
from facette.models.scores.metrics import FeatureChoice, Selection

MANY = 20  # features beyond which a tenth is eliminated at a time
PENALTIES = np.logspace(0, -3, 13)  # shares of the least penalty that leaves no feature in
SHUFFLES = 3
ONE_SIDED_95 = 1.6448536269514722  # quantile of the normal distribution


def select(method: str, algorithm: str, preparation: Preparation, lesson: Lesson) -> Selection:
    """The features to keep: at least one. On a sample where there are many rows.

    algorithm : whose importances and gains count; elimination and the LASSO are those of logistic regression
    """
    some = lesson.rows(sample_of_both(lesson.target, lesson.seed))
    names = [
        feature for feature in preparation.features if any(item.feature == feature for item in preparation.columns)
    ]
    groups = np.array([names.index(column.feature) for column in preparation.columns])
    match method:
        case "rfe":
            choices = _eliminate(some, groups, names)
        case "lasso":
            choices = _lasso(some, groups, names)
        case "gain":
            choices = _most_gain(ALGORITHMS[algorithm], some, groups, names)
        case _:
            choices = _shuffle(ALGORITHMS[algorithm], some, groups, names)
    places = [place for place, item in enumerate(choices) if item.is_kept]
    ignored = [FeatureChoice(feature=name, is_kept=False) for name in preparation.features if name not in names]
    return Selection(
        method=method,  # type: ignore[arg-type]
        choices=(*choices, *ignored),
        log_loss_of_all=float(_losses(some, np.ones(len(groups), dtype=bool)).mean()),
        log_loss_of_kept=float(_losses(some, np.isin(groups, places)).mean()),
    )


def _eliminate(lesson: Lesson, groups: np.ndarray, names: Sequence[str]) -> list[FeatureChoice]:
    """Recursive feature elimination (Guyon and others 2002): the feature of least weight goes, again and again."""
    left = list(range(len(names)))
    steps = [(tuple(left), _losses(lesson, np.ones(len(groups), dtype=bool)))]
    while len(left) > 1:
        own = np.isin(groups, left)
        weights = np.abs(linear.fit_logistic(lesson.prepared[:, own], lesson.target, 1.0)[0])
        largest = {place: weights[groups[own] == place].max() for place in left}
        goes = sorted(left, key=lambda place: largest[place])[: max(1, len(left) // 10 if len(left) > MANY else 1)]
        left = [place for place in left if place not in goes]
        steps.append((tuple(left), _losses(lesson, np.isin(groups, left))))
    best = min((losses for _, losses in steps), key=lambda losses: losses.mean())
    kept = next(places for places, losses in reversed(steps) if not _is_worse(losses, best))
    without = {
        place: float(losses.mean())
        for (before, _), (after, losses) in pairwise(steps)
        for place in set(before) - set(after)
    }
    return [
        FeatureChoice(feature=name, is_kept=place in kept, value=without.get(place)) for place, name in enumerate(names)
    ]


def _lasso(lesson: Lesson, groups: np.ndarray, names: Sequence[str]) -> list[FeatureChoice]:
    """The LASSO (Tibshirani 1996): the heaviest penalty on |weights| whose loss is not worse than the best one's."""
    centred = lesson.target - lesson.target.mean()
    strongest = float(np.abs(lesson.prepared.T @ centred).max())
    paths = []
    for share in PENALTIES[1:]:
        parameters = {"strength": 1 / (share * strongest)}
        logits = out_of_fold(_fit_l1, lesson, parameters)
        paths.append((parameters, _log_losses(logits, lesson.target)))
    best = min((losses for _, losses in paths), key=lambda losses: losses.mean())
    chosen = next(parameters for parameters, losses in paths if not _is_worse(losses, best))
    weights = np.abs(np.array(_fit_l1(lesson, chosen).weights))
    sizes = [float(weights[groups == place].max()) for place in range(len(names))]
    return [
        FeatureChoice(feature=name, is_kept=size > 0 or size == max(sizes), value=size)
        for name, size in zip(names, sizes, strict=True)
    ]


def _fit_l1(lesson: Lesson, parameters: Parameters) -> linear.Linear:
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415

    fitted = LogisticRegression(
        C=parameters["strength"], l1_ratio=1.0, solver="saga", max_iter=2000, tol=1e-4, random_state=lesson.seed
    ).fit(lesson.prepared, lesson.target)
    return linear.Linear(
        weights=tuple(fitted.coef_[0].tolist()),
        intercept=float(fitted.intercept_[0]),
        reference=(0.0,) * lesson.prepared.shape[1],
    )


def _shuffle(algorithm: Algorithm, lesson: Lesson, groups: np.ndarray, names: Sequence[str]) -> list[FeatureChoice]:
    """Permutation importance (Breiman 2001; Fisher, Rudin, Dominici 2019), of people that the model has not seen."""
    random = np.random.default_rng(lesson.seed)
    rises = np.zeros((len(lesson.target), len(names)))
    for unseen, predictor in each_fold(algorithm.fit, lesson, algorithm.defaults):
        rises[unseen] = _rises(predictor, lesson.prepared[unseen], lesson.target[unseen], groups, random)
    means = rises.mean(axis=0)
    lows = means - ONE_SIDED_95 * rises.std(axis=0) / np.sqrt(len(rises))
    return [
        FeatureChoice(feature=name, is_kept=bool(low > 0 or mean == means.max()), value=float(mean), low=float(low))
        for name, mean, low in zip(names, means, lows, strict=True)
    ]


def _most_gain(algorithm: Algorithm, lesson: Lesson, groups: np.ndarray, names: Sequence[str]) -> list[FeatureChoice]:
    """The fewest features, those whose splits gain most first, that are not worse than the best number of them: all,
    two thirds, two thirds of these …; each number is learned from anew, and judged by people not seen."""
    found = algorithm.fit(lesson, algorithm.defaults).gains(len(groups))
    assert found is not None  # the definitions allow only trees
    shares = np.bincount(groups, weights=found) / max(float(found.sum()), np.finfo(float).tiny)
    order = np.argsort(-shares, kind="stable")
    steps, count = [], len(names)
    while True:
        own = np.isin(groups, order[:count])
        some = Lesson(lesson.prepared[:, own], lesson.target, lesson.people, lesson.seed)
        steps.append((count, _log_losses(out_of_fold(algorithm.fit, some, algorithm.defaults), lesson.target)))
        if count == 1:
            break
        count = max(1, count * 2 // 3)
    best = min((losses for _, losses in steps), key=lambda losses: losses.mean())
    kept = next(count for count, losses in reversed(steps) if not _is_worse(losses, best))
    return [
        FeatureChoice(feature=name, is_kept=place in order[:kept], value=float(shares[place]))
        for place, name in enumerate(names)
    ]


def _rises(
    predictor: Predictor, prepared: np.ndarray, target: np.ndarray, groups: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    """By how much the loss of each row rises when a feature is that of somebody else: rows × features."""
    logits = predictor.ready()
    before = _log_losses(logits(prepared), target)
    rises = np.zeros((len(target), int(groups.max()) + 1))
    for place in range(rises.shape[1]):
        own = groups == place
        for _ in range(SHUFFLES):
            shuffled = prepared.copy()
            shuffled[:, own] = prepared[random.permutation(len(target))][:, own]
            rises[:, place] += (_log_losses(logits(shuffled), target) - before) / SHUFFLES
    return rises


def _losses(lesson: Lesson, own: np.ndarray) -> np.ndarray:
    """The log loss out of fold of each row, by a logistic regression on some columns."""
    some = Lesson(lesson.prepared[:, own], lesson.target, lesson.people, lesson.seed)
    return _log_losses(out_of_fold(linear.fit, some, {"strength": 1.0}), lesson.target)


def _log_losses(logits: np.ndarray, target: np.ndarray) -> np.ndarray:
    return np.logaddexp(0, -np.where(target, 1.0, -1.0) * logits)


def _is_worse(losses: np.ndarray, best: np.ndarray) -> bool:
    gap = losses - best
    return bool(gap.mean() > gap.std() / np.sqrt(len(gap)))
