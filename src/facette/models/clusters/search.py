"""Several parameters at once, by Optuna's TPE sampler (Bergstra et al. 2011), with a budget and a seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from facette.definitions.models import ClustersModel
from facette.errors import ModelError
from facette.models.clusters.assigners import NONE, Assigner
from facette.models.clusters.family import Chosen, Parameters, Trial
from facette.models.clusters.fitted import Compared
from facette.models.clusters.quality import VALIDITY_ROWS, Measures, measures, spanning_tree
from facette.models.clusters.space import Space, sample

JUDGED_ROWS = 3_000
Range = tuple[float, float]
"""Lowest and highest; whole numbers where both are."""


def worth(found: Measures | Trial | Compared | None, objective: str) -> float:
    """What is made as large as possible; −∞ where there is nothing to measure."""
    value = getattr(found, objective, None)
    if value is None:
        return -np.inf
    return -value if objective == "davies_bouldin" else value


def objective_within(model: ClustersModel) -> str:
    """By which parameters are searched first: what is costly to measure is measured of the best of them only."""
    objective = model.search.objective
    return "silhouette" if objective in ("stability", "effect") else objective


def searched(
    space: Space,
    model: ClustersModel,
    fit: Callable[[Space, Parameters, int], Assigner],
    ranges: Mapping[str, Range],
    usual: Parameters,
) -> Chosen:
    """The best of ``model.search.trials`` sets of parameters, the usual one first; of equals the earlier.

    ranges : of the parameters that are open; the others stay as usual. With none open there is one trial.
    Raises ModelError if no trial gives two groups.
    """
    objective = objective_within(model)
    random = np.random.default_rng(model.seed)
    some = sample(len(space.prepared), JUDGED_ROWS, random)
    tree = None
    if objective == "validity":
        tree = spanning_tree(space.points[some], sample(len(some), VALIDITY_ROWS, random))
    trials: list[Trial] = []

    def tried(parameters: Parameters) -> float:
        try:
            labels = fit(space, parameters, model.seed).groups(space.prepared[some])
        except ModelError:  # these parameters find nothing; others may
            labels = np.full(len(some), NONE)
        found = measures(space.points[some], labels, tree)
        values = {name: getattr(found, name) for name in MEASURED} if found else {}
        trials.append(Trial(parameters=parameters, clusters=int(labels.max(initial=NONE)) + 1, **values))
        return worth(found, objective)

    if ranges:
        _optimise(tried, ranges, usual, model)
    else:
        tried(usual)
    best = max(trials, key=lambda trial: worth(trial, objective))
    if worth(best, objective) == -np.inf:
        raise ModelError(
            f"“{model.name}” finds no two groups in {len(trials)} trials.",
            remedy="Choose features that vary more or other methods, or state the method's parameters.",
        )
    return Chosen(best.parameters, tuple(trials))


MEASURED = ("silhouette", "davies_bouldin", "calinski_harabasz", "validity")
WORST = -1e9


def _optimise(
    tried: Callable[[Parameters], float], ranges: Mapping[str, Range], usual: Parameters, model: ClustersModel
) -> None:
    try:
        import optuna  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ModelError(
            f"“{model.name}” searches for parameters with Optuna, which is not installed.",
            remedy="Install it with `pip install 'facette[models]'`, or state the method's parameters.",
        ) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=model.seed))
    study.enqueue_trial({name: usual[name] for name in ranges})

    def objective(trial: Any) -> float:
        picked: Parameters = {name: _suggested(trial, name, *bounds) for name, bounds in ranges.items()}
        return max(WORST, tried(usual | picked))

    study.optimize(objective, n_trials=model.search.trials)


def _suggested(trial: Any, name: str, low: float, high: float) -> float:
    if isinstance(low, int) and isinstance(high, int):
        return trial.suggest_int(name, low, high, log=high > 20 * low)
    return trial.suggest_float(name, low, high, log=True)
