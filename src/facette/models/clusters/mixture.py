"""Gaussian mixture, by expectation–maximisation (Dempster, Laird, Rubin 1977).

Within a group the features are independent of each other, as in latent profile analysis (Lazarsfeld, Henry 1968): what
makes features go together is the groups. So it looks at the features themselves, not at their principal components.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np

from facette.definitions.models import ClusterMethod, ClustersModel
from facette.models.clusters.assigners import Mixture
from facette.models.clusters.counts import choose_count, counts_of
from facette.models.clusters.family import Chosen, Family, Parameters
from facette.models.clusters.space import Space

STARTS = 3
FLOOR = 1e-3
"""Added to every variance, so that a group of equal profiles does not become infinitely likely."""


def choose(space: Space, method: ClusterMethod, model: ClustersModel) -> Chosen:
    counts = counts_of(method, model, space.points)
    fits = [_mixture(space.prepared, count, model.seed) for count in counts]
    chosen = choose_count(
        counts,
        [item.predict(space.prepared) for item in fits],
        space.points,
        by=method.choose or "bic",
        seed=model.seed,
        bic=[float(item.bic(space.prepared)) for item in fits],
        refit=lambda points, count: _mixture(points, count, model.seed, starts=1).predict(points),
    )
    return replace(chosen, assigner=_assigner(fits[counts.index(int(chosen.parameters["clusters"]))]))


def fit(space: Space, parameters: Parameters, seed: int) -> Mixture:
    return _assigner(_mixture(space.prepared, int(parameters["clusters"]), seed))


def _assigner(found: Any) -> Mixture:
    return Mixture.of(found.weights_, found.means_, found.covariances_)


def _mixture(points: np.ndarray, clusters: int, seed: int, *, starts: int = STARTS) -> Any:
    from sklearn.exceptions import ConvergenceWarning  # noqa: PLC0415
    from sklearn.mixture import GaussianMixture  # noqa: PLC0415

    clusters = min(clusters, len(points))
    with warnings.catch_warnings():  # what is nearly converged is as good for groups
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = GaussianMixture(clusters, covariance_type="diag", n_init=starts, reg_covar=FLOOR, random_state=seed)
        return model.fit(points)


FAMILY = Family(choose, fit)
