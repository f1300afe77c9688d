"""Random forests (Breiman 2001): fitted by scikit-learn, kept as plain arrays of our own."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from facette.models.scores.algorithms.algorithm import (
    Algorithm,
    Floats,
    Integers,
    Lesson,
    Logits,
    Parameters,
    Predictor,
    Range,
    by_group,
    library,
    logit,
    single,
    threads,
)

CHUNK = 4096  # rows that walk through all trees together


class Forest(Predictor):
    """The mean over the trees of the share of positives in the leaf that a row falls into, as a logit.

    All trees one after the other, one place per node: the column it looks at (−1: a leaf), where its children are, the
    share of positives, and the rows that reached it in the fit. A row goes left if its column, as float32, is at most
    the threshold. ``roots`` are the trees' first nodes, ``depth`` is that of the deepest.
    """

    kind: Literal["random_forest"] = "random_forest"
    roots: Integers
    columns: Integers
    thresholds: Floats
    left: Integers
    right: Integers
    shares: Floats
    rows: Floats
    depth: int

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Forest) and self.model_dump_json() == other.model_dump_json()

    __hash__ = None  # type: ignore[assignment]

    def ready(self) -> Logits:
        leaves = self.columns < 0
        own = np.arange(len(leaves), dtype=np.int32)
        column = np.where(leaves, 0, self.columns)
        children = np.stack([np.where(leaves, own, self.left), np.where(leaves, own, self.right)])

        def share(prepared: np.ndarray) -> np.ndarray:
            node = np.repeat(self.roots[None, :], len(prepared), axis=0)
            across = np.arange(len(prepared))[:, None]
            rows = single(prepared)
            for _ in range(self.depth):
                node = children[(rows[across, column[node]] > self.thresholds[node]).astype(np.int8), node]
            return self.shares[node].mean(axis=1)

        def logits(prepared: np.ndarray) -> np.ndarray:
            parts = [share(prepared[start : start + CHUNK]) for start in range(0, len(prepared), CHUNK)]
            return logit(np.concatenate(parts) if parts else np.empty(0))

        return logits

    def contributions(self, prepared: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, float]:
        """Those of the probability by TreeSHAP (Lundberg and others 2020), carried over to the logit in proportion:
        times the slope of the secant from the base to the row (the rescale rule of Shrikumar and others 2017)."""
        explainer = library("shap").TreeExplainer({"trees": self._trees(), "input_dtype": np.float32})
        base = float(np.ravel(explainer.expected_value)[0])
        found = np.asarray(explainer.shap_values(single(prepared), check_additivity=False)).reshape(len(prepared), -1)
        gap = found.sum(axis=1)
        step = logit(base + gap) - logit(np.array(base))
        is_flat = np.abs(gap) < 1e-9
        slope = np.where(is_flat, 1 / (base * (1 - base)), step / np.where(is_flat, 1.0, gap))
        return by_group(found * slope[:, None], groups), float(logit(np.array(base)))

    def gains(self, columns: int) -> np.ndarray:
        """The decrease of Gini's impurity (Breiman and others 1984), summed over the rows that reach each split."""
        impurity = self.rows * 2 * self.shares * (1 - self.shares)
        inner = np.flatnonzero(self.columns >= 0)
        decrease = impurity[inner] - impurity[self.left[inner]] - impurity[self.right[inner]]
        return np.bincount(self.columns[inner], weights=np.maximum(decrease, 0), minlength=columns)

    def _trees(self) -> list[dict[str, Any]]:
        """As shap wants them."""
        trees = []
        for start, end in zip(self.roots, [*self.roots[1:], len(self.columns)], strict=True):
            nodes = slice(start, end)
            is_leaf = self.columns[nodes] < 0
            left, right = (np.where(is_leaf, -1, side[nodes] - start) for side in (self.left, self.right))
            trees.append(
                {
                    "children_left": left,
                    "children_right": right,
                    "children_default": left,
                    "features": np.where(is_leaf, -2, self.columns[nodes]),
                    "thresholds": self.thresholds[nodes].copy(),
                    "values": self.shares[nodes, None] / len(self.roots),
                    "node_sample_weight": self.rows[nodes].copy(),
                }
            )
        return trees


def fit(lesson: Lesson, parameters: Parameters) -> Forest:
    from sklearn.ensemble import RandomForestClassifier  # noqa: PLC0415

    return from_scikit_learn(
        RandomForestClassifier(
            n_estimators=int(parameters["trees"]),
            max_leaf_nodes=int(parameters["leaves"]),
            min_samples_leaf=int(parameters["leaf_rows"]),
            max_features=float(parameters["column_share"]),
            random_state=lesson.seed,
            n_jobs=threads(lesson) or -1,
        ).fit(single(lesson.prepared), lesson.target)
    )


def from_scikit_learn(fitted: Any) -> Forest:
    """The arrays of a ``RandomForestClassifier`` of two classes."""
    trees = [estimator.tree_ for estimator in fitted.estimators_]
    roots = np.cumsum([0, *(tree.node_count for tree in trees)])[:-1]

    def joined(parts: list[np.ndarray]) -> np.ndarray:
        return np.concatenate(parts)

    return Forest(
        roots=roots,
        columns=joined([np.where(tree.children_left < 0, -1, tree.feature) for tree in trees]),
        thresholds=joined([np.where(tree.children_left < 0, 0.0, tree.threshold) for tree in trees]),
        left=joined([tree.children_left + root for tree, root in zip(trees, roots, strict=True)]),
        right=joined([tree.children_right + root for tree, root in zip(trees, roots, strict=True)]),
        shares=joined([tree.value[:, 0, 1] / tree.value[:, 0, :].sum(axis=1) for tree in trees]),
        rows=joined([tree.weighted_n_node_samples for tree in trees]),
        depth=max(tree.max_depth for tree in trees),
    )


ALGORITHM = Algorithm(
    fit=fit,
    defaults={"trees": 200, "leaves": 64, "leaf_rows": 20, "column_share": 0.5},
    space={
        "trees": Range(50, 400, is_whole=True),
        "leaves": Range(8, 256, is_log=True, is_whole=True),
        "leaf_rows": Range(5, 200, is_log=True, is_whole=True),
        "column_share": Range(0.1, 1.0),
    },
)
