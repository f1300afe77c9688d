"""A small neural net: layers of rectified linear units, fitted by scikit-learn, kept as its matrices."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from itertools import permutations
from math import factorial
from typing import Literal

import numpy as np

from facette.models.scores.algorithms.algorithm import (
    Algorithm,
    Lesson,
    Logits,
    Parameters,
    Predictor,
    Range,
)

BACKGROUND = 32  # rows of the fit that stand for whoever is not known
ORDERS = 12  # in which features are told, half of them the others backwards
ROWS_AT_ONCE = 64

Matrix = tuple[tuple[float, ...], ...]


class Neural(Predictor):
    """h ← max(0, h · weights + biases), layer by layer; the last layer is the logit.

    background : some prepared rows of the fit
    """

    kind: Literal["neural"] = "neural"
    weights: tuple[Matrix, ...]
    biases: Matrix
    background: Matrix
    seed: int

    def ready(self) -> Logits:
        layers = [(np.array(weights), np.array(bias)) for weights, bias in zip(self.weights, self.biases, strict=True)]

        def logits(prepared: np.ndarray) -> np.ndarray:
            hidden = prepared
            for weights, bias in layers[:-1]:
                hidden = np.maximum(hidden @ weights + bias, 0.0)
            return (hidden @ layers[-1][0] + layers[-1][1])[:, 0]

        return logits

    def contributions(self, prepared: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, float]:
        """By permutations (Štrumbelj, Kononenko 2014; each also backwards: Mitchell and others 2022).

        Features are told one after the other, the rest being that of the background's rows; a feature's share is by
        how much the mean logit moves when it is told, on average over the orders. All orders where they are few.
        """
        logits, background = self.ready(), np.array(self.background)
        orders = list(_orders(int(groups.max()) + 1, self.seed))
        totals = np.zeros((len(prepared), int(groups.max()) + 1))
        for start in range(0, len(prepared), ROWS_AT_ONCE):
            rows = slice(start, start + ROWS_AT_ONCE)
            mixed = np.repeat(background[None], len(prepared[rows]), axis=0)
            for order in orders:
                told = mixed.copy()
                before = _mean(logits, told)
                for group in order:
                    own = groups == group
                    told[:, :, own] = prepared[rows][:, None, own]
                    after = _mean(logits, told)
                    totals[rows, group] += after - before
                    before = after
        return totals / len(orders), float(logits(background).mean())


def _mean(logits: Logits, told: np.ndarray) -> np.ndarray:
    """The mean over the background of rows × background × columns."""
    return logits(told.reshape(-1, told.shape[2])).reshape(told.shape[:2]).mean(axis=1)


def _orders(groups: int, seed: int) -> Iterator[np.ndarray]:
    if groups < ORDERS and factorial(groups) <= 2 * ORDERS:
        yield from map(np.array, permutations(range(groups)))
        return
    random = np.random.default_rng(seed)
    for _ in range(ORDERS // 2):
        order = random.permutation(groups)
        yield order
        yield order[::-1]


def fit(lesson: Lesson, parameters: Parameters) -> Neural:
    from sklearn.exceptions import ConvergenceWarning  # noqa: PLC0415
    from sklearn.neural_network import MLPClassifier  # noqa: PLC0415

    net = MLPClassifier(
        hidden_layer_sizes=(int(parameters["units"]),) * int(parameters["layers"]),
        alpha=parameters["l2"],
        learning_rate_init=parameters["learning_rate"],
        max_iter=int(parameters["passes"]),
        random_state=lesson.seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a bounded number of passes is wanted: it holds back
        net.fit(lesson.prepared, lesson.target)
    random = np.random.default_rng(lesson.seed)
    some = np.sort(random.choice(len(lesson.prepared), min(BACKGROUND, len(lesson.prepared)), replace=False))
    return Neural(
        weights=tuple(_tuples(weights) for weights in net.coefs_),
        biases=_tuples(net.intercepts_),
        background=_tuples(lesson.prepared[some]),
        seed=lesson.seed,
    )


def _tuples(rows: list[np.ndarray] | np.ndarray) -> Matrix:
    return tuple(tuple(row.tolist()) for row in rows)


ALGORITHM = Algorithm(
    fit=fit,
    defaults={"units": 16, "layers": 1, "l2": 0.1, "learning_rate": 0.003, "passes": 40},
    space={
        "units": Range(4, 64, is_log=True, is_whole=True),
        "layers": Range(1, 2, is_whole=True),
        "l2": Range(1e-4, 10.0, is_log=True),
        "learning_rate": Range(5e-4, 0.02, is_log=True),
        "passes": Range(10, 100, is_log=True, is_whole=True),
    },
)
