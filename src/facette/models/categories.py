"""Values of a text as numbers: by what is to be predicted, or by how alike the people are who have them."""

from __future__ import annotations

import warnings

import numpy as np

from facette.errors import ModelError

SMOOTHING = 20.0
"""As many rows with the mean of everybody are added to those of each value."""
FOLDS = 5
WIDEST_EMBEDDING = 4


def target_codes(codes: np.ndarray, target: np.ndarray, levels: int) -> np.ndarray:
    """The mean of the target per value, drawn to the mean of everybody (Micci-Barreca 2001, eq. 7): levels + 2 numbers.

    codes   : per row the place of its value, ``levels`` for any other value, NaN for unknown
    returns : for each place; then for any other value; then for unknown
    """
    places = np.where(np.isnan(codes), levels + 1, codes).astype(int)
    counts = np.bincount(places, minlength=levels + 2)
    sums = np.bincount(places, weights=target, minlength=levels + 2)
    return (sums + SMOOTHING * target.mean()) / (counts + SMOOTHING)


def out_of_fold_codes(codes: np.ndarray, target: np.ndarray, people: np.ndarray, levels: int, seed: int) -> np.ndarray:
    """Per row the code of its value, learned from other people's rows alone, so that no row has seen its own target."""
    persons, person_of_row = np.unique(people, return_inverse=True)
    fold_of_person = np.random.default_rng(seed).permutation(len(persons)) % FOLDS
    folds = fold_of_person[person_of_row]
    places = np.where(np.isnan(codes), levels + 1, codes).astype(int)
    found = np.full(len(codes), target.mean())
    for fold in range(FOLDS):
        seen = folds != fold
        if seen.any() and not seen.all():
            found[~seen] = target_codes(codes[seen], target[seen], levels)[places[~seen]]
    return found


def embedding(codes: np.ndarray, others: np.ndarray, levels: int, seed: int, feature: str) -> np.ndarray:
    """Values as points that lie close where their people are alike: levels + 2 rows (as in :func:`target_codes`).

    A network with a narrow first layer learns to say the other features from the value alone; what its first layer
    makes of a value is where it lies (Guo, Berkhahn 2016, "Entity embeddings of categorical variables").

    others  : rows × the model's other features, prepared; there must be one at least
    returns : levels + 2 × at most 4
    """
    if not others.shape[1]:
        raise ModelError(
            f"“{feature}” cannot be embedded: the model has no other number to learn from.",
            remedy="Use categories: one_hot for it, or add numbers to the model's features.",
        )
    from sklearn.exceptions import ConvergenceWarning  # noqa: PLC0415
    from sklearn.neural_network import MLPRegressor  # noqa: PLC0415

    places = np.where(np.isnan(codes), levels + 1, codes).astype(int)
    width = min(WIDEST_EMBEDDING, max(1, (levels + 1) // 2))
    counts = np.bincount(places, minlength=levels + 2)
    sums = np.column_stack([np.bincount(places, weights=other, minlength=levels + 2) for other in others.T])
    means = sums / np.maximum(counts, 1)[:, None]
    # Rows of one value differ by chance alone: what the value says of them is their mean, as often as there are rows.
    network = MLPRegressor(
        hidden_layer_sizes=(width, 16),
        activation="tanh",
        solver="lbfgs",
        alpha=1e-3,
        max_iter=300,
        random_state=seed,
    )
    present = counts > 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # near enough is good enough: nothing is predicted by it
        network.fit(np.eye(levels + 2)[present], means[present], sample_weight=counts[present] / counts.sum())
    points = np.tanh(network.coefs_[0] + network.intercepts_[0])
    points[~present] = (points[present] * counts[present, None]).sum(axis=0) / counts.sum()
    return points
