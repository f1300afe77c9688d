"""Features that give the target away: found in the data, not only declared.

A feature leaks if it is made from what it is to predict, or is known only after it happened. Both leave traces: alone
it tells the target of the test instants implausibly well; or it is known of those alone who did it. Of what a source
tells as it is today the newest instants have the most, so that a leak need not show in the past.
"""

from __future__ import annotations

import numpy as np

from facette.definitions import models as definitions
from facette.errors import ModelError
from facette.models.scores.folds import sample_of_both
from facette.models.scores.split import Rows, Split

IMPLAUSIBLE_AUC = 0.98  # of one feature alone
IMPLAUSIBLE_SHARE = 0.98  # of those of whom it is known, or of whom it is not, who did it (or did not)
COMMON = 0.5  # an outcome is told by being known only if it is rarer than this otherwise
FEWEST_KNOWN = 30
LEAVES = 8  # of the tree that tells the target from one feature, whatever its shape


def refuse_leaks(model: definitions.PropensityModel, rows: Rows, parts: Split) -> None:
    """ModelError if a feature that is not ``trusted`` gives the target away; it names all that do."""
    learned = np.flatnonzero(parts.learned)
    learned = learned[sample_of_both(rows.target[learned], model.seed)]
    test = np.flatnonzero(parts.test)
    found = [
        f"“{feature}” ({trace})"
        for index, feature in enumerate(model.features)
        if feature not in model.trusted
        and (trace := leak(rows.raw[learned, index], rows.target[learned], rows.raw[test, index], rows.target[test]))
    ]
    if found:
        raise ModelError(
            f"“{model.name}” would learn from what gives {model.target} away: {', '.join(found)}.",
            remedy="Take it off the model's features, or declare when it was known (`known_at` of its source), so that "
            "the past has what was known then. If it is honest, list it under `trusted`.",
        )


def leak(past: np.ndarray, past_target: np.ndarray, test: np.ndarray, test_target: np.ndarray) -> str:
    """How one feature (float64, NaN for unknown) gives the target away; empty if it does not."""
    auc = auc_alone(past, past_target, test, test_target)
    if auc >= IMPLAUSIBLE_AUC:
        told = f"alone it tells who did with an AUC of {auc:.3f} out of time"
        return f"{told}, and from {IMPLAUSIBLE_AUC} on that is implausible"
    for is_known, name in ((True, "known"), (False, "unknown")):
        shares = [_share(values, target, is_known) for values, target in ((past, past_target), (test, test_target))]
        if min(shares) >= IMPLAUSIBLE_SHARE and past_target.mean() < COMMON:
            return f"{shares[1]:.0%} of those of whom it is {name} did, so it is {name} only afterwards"
    return ""


def auc_alone(past: np.ndarray, past_target: np.ndarray, test: np.ndarray, test_target: np.ndarray) -> float:
    """The AUC at which one feature tells the target of the test rows: by its order, whichever way it runs, or by the
    steps of a small tree that was learned from the past."""
    from sklearn.metrics import roc_auc_score  # noqa: PLC0415
    from sklearn.tree import DecisionTreeClassifier  # noqa: PLC0415

    middle = np.nanmedian(past) if not np.isnan(past).all() else 0.0
    filled = [np.where(np.isnan(values), middle, values) for values in (past, test)]
    both = [np.column_stack([values, np.isnan(raw)]) for values, raw in zip(filled, (past, test), strict=True)]
    both = [np.clip(columns, -1e37, 1e37) for columns in both]  # within float32
    tree = DecisionTreeClassifier(max_leaf_nodes=LEAVES, min_samples_leaf=10, random_state=0).fit(both[0], past_target)
    by_order = float(roc_auc_score(test_target, filled[1]))
    return max(by_order, 1 - by_order, float(roc_auc_score(test_target, tree.predict_proba(both[1])[:, 1])))


def _share(values: np.ndarray, target: np.ndarray, is_known: bool) -> float:
    """Of the rows whose value is known (or is not), the share that did it; 0 if these are few, or all rows."""
    chosen = ~np.isnan(values) if is_known else np.isnan(values)
    if not FEWEST_KNOWN <= chosen.sum() < len(values):
        return 0.0
    return float(target[chosen].mean())
