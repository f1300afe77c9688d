"""Groups of profiles: several methods fitted in memory on a sample, judged side by side, and the best one kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.random import Generator

from facette.definitions.models import METHODS_WITH, ClusterMethod, ClustersModel, MethodName
from facette.errors import ModelError
from facette.models.clusters import centres, dendrogram, density, mixture, network
from facette.models.clusters.assigners import NONE, Assigner
from facette.models.clusters.family import Chosen, Family, Parameters
from facette.models.clusters.fitted import Cluster, ClustersMetrics, Compared, FittedClusters, Place
from facette.models.clusters.quality import VALIDITY_ROWS, Tree, measures, spanning_tree
from facette.models.clusters.search import worth
from facette.models.clusters.space import Space, sample, space_of
from facette.models.clusters.stability import Stability, stability
from facette.models.fitted import fingerprint
from facette.models.matrix import Levels, in_order, levels_of, to_matrix
from facette.models.preparation import fit_preparation
from facette.models.representation import drawn, rake

MAP_ROWS = 3_000
Effect = Callable[[np.ndarray], float | None]

FAMILIES: dict[MethodName, Family] = {
    "kmeans": centres.FAMILY,
    "gaussian_mixture": mixture.FAMILY,
    "dbscan": density.DBSCAN_FAMILY,
    "hdbscan": density.HDBSCAN_FAMILY,
    "agglomerative": dendrogram.FAMILY,
    "autoencoder": network.FAMILY,
}


@dataclass(frozen=True)
class Kpi:
    """A column of the features by which groups are to differ, and how strongly they do: from its values (NaN where
    unknown) and the groups' numbers (0: in none), one per profile."""

    name: str
    effect: Callable[[np.ndarray, np.ndarray], float | None]


def fit_clusters(model: ClustersModel, features: pa.Table, kpi: Kpi | None = None) -> FittedClusters:
    """Find groups by every method of the model, and keep those that its objective likes best.

    features : one row per profile, the model's features, the columns of its weights, the KPI, and ``profile_id`` if
               there is one, by which the rows are put in order so that the same profiles always give the same groups
    numbers  : 1 … k, the largest group first
    Raises ModelError if the features do not vary, if there are not enough different profiles, or if no method finds
    groups.
    """
    features = in_order(features, "profile_id")
    levels = levels_of(features, model.features)
    raw = to_matrix(features, model.features, levels)
    rows = learned_from(model, features, len(raw))
    preparation = fit_preparation(raw[rows], model, levels=levels, seed=model.seed)
    space = space_of(preparation.transform(raw[rows]), model.variance)
    values = to_matrix(features, [kpi.name])[rows, 0] if kpi else None
    effect = (lambda numbers: kpi.effect(values, numbers)) if kpi is not None and values is not None else None
    tried = _compare(model, space, effect)
    best = max(tried, key=lambda item: worth(item.row, model.search.objective))
    if best.assigner is None:
        raise next(item.error for item in tried if item.error is not None)

    labels = best.assigner.groups(preparation.transform(raw))
    order = np.argsort(-np.bincount(labels[labels != NONE], minlength=best.assigner.size), kind="stable")
    number_of = np.append(np.argsort(order) + 1, 0)
    shown = sample(len(rows), MAP_ROWS, np.random.default_rng(model.seed))
    return FittedClusters(
        name=model.name,
        fingerprint=fingerprint(model.features, raw),
        seed=model.seed,
        preparation=preparation,
        numbers=tuple(number_of[:-1].tolist()),
        assigner=best.assigner,
        metrics=ClustersMetrics(
            rows=len(raw),
            sampled=len(rows),
            method=best.row.method,
            objective=model.search.objective,
            clusters=len(order),
            noise=float((labels == NONE).mean()),
            trials=best.chosen.trials,
            suggested=best.chosen.suggested,
            silhouette=best.row.silhouette or 0.0,
            davies_bouldin=best.row.davies_bouldin or 0.0,
            explained_variance=tuple(space.shares.tolist()),
            components=len(space.components),
            profile=_profile(raw, number_of[labels], model.features, levels, _by_number(best.row.jaccard, order)),
            map=_places(space.points[shown], number_of[labels[rows][shown]]),
            comparison=tuple(_row(item, is_published=item is best) for item in tried),
            dendrogram=best.chosen.dendrogram,
        ),
    )


def learned_from(model: ClustersModel, features: pa.Table, available: int) -> np.ndarray:
    """The rows, in the order of profiles, from which a clustering learns; drawn by its weights, if it has some."""
    rows = sample(available, model.sample, np.random.default_rng(model.seed))
    if len(rows) <= model.minimum_clusters:
        raise ModelError(
            f"“{model.name}” cannot find {model.minimum_clusters} clusters among {len(rows)} profiles.",
            remedy="Wait for more profiles, or widen the population.",
        )
    if model.weights:
        rows = drawn(rows, rake(features, model)[rows], np.random.default_rng(model.seed))
    return rows


# ── side by side ────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class _Tried:
    row: Compared
    chosen: Chosen
    assigner: Assigner | None
    error: ModelError | None = None


def _compare(model: ClustersModel, space: Space, effect: Callable[[np.ndarray], float | None] | None) -> list[_Tried]:
    """Every method on the same profiles, in the order of the definition."""
    tree = spanning_tree(space.points, sample(len(space.points), VALIDITY_ROWS, np.random.default_rng(model.seed)))
    return [_try(method, model, space, tree, effect) for method in model.methods]


def _try(
    method: ClusterMethod,
    model: ClustersModel,
    space: Space,
    tree: Tree,
    effect: Callable[[np.ndarray], float | None] | None,
) -> _Tried:
    family = FAMILIES[method.method]
    random = np.random.default_rng(model.seed)
    fitted_on = space.narrow(family.width).take(sample(len(space.prepared), family.rows, random))
    began = time.perf_counter()
    try:
        chosen = _by_objective(family.choose(fitted_on, method, model), family, fitted_on, method, model, space, effect)
        assigner = chosen.assigner or family.fit(fitted_on, chosen.parameters, model.seed)
        labels = assigner.groups(space.prepared)
        found = measures(space.points, labels, tree)
        if found is None:
            raise ModelError(f"“{model.name}” finds no two groups by {method.method}.", remedy="Try other methods.")
    except ModelError as error:
        row = Compared(
            method=method.method,
            rows=len(fitted_on.prepared),
            seconds=time.perf_counter() - began,
            remark=error.message,
        )
        return _Tried(row, Chosen({}), None, error)
    seconds = time.perf_counter() - began
    steady = _steady(family, fitted_on, chosen.parameters, assigner, model, random)
    sizes = np.bincount(labels[labels != NONE], minlength=assigner.size)
    row = Compared(
        method=method.method,
        parameters=chosen.parameters,
        rows=len(fitted_on.prepared),
        clusters=len(sizes),
        noise=found.noise,
        silhouette=found.silhouette,
        davies_bouldin=found.davies_bouldin,
        calinski_harabasz=found.calinski_harabasz,
        validity=found.validity,
        jaccard=steady.jaccard if steady else (),
        stability=float(np.mean(steady.jaccard)) if steady else None,
        rand=steady.rand if steady else None,
        smallest=float(sizes.min() / len(labels)),
        effect=effect(labels + 1) if effect else None,
        seconds=seconds,
    )
    return _Tried(row, chosen, assigner)


def _steady(
    family: Family, space: Space, parameters: Parameters, assigner: Assigner, model: ClustersModel, random: Generator
) -> Stability | None:
    judged = sample(len(space.prepared), family.resampled, random)
    return stability(
        space.take(judged),
        assigner.groups(space.prepared[judged]),
        lambda some: family.fit(
            some, family.at_share(parameters, len(some.prepared) / len(space.prepared)), model.seed
        ),
        min(model.search.resamples, family.resamples),
        random,
    )


def _by_objective(
    chosen: Chosen,
    family: Family,
    fitted_on: Space,
    method: ClusterMethod,
    model: ClustersModel,
    space: Space,
    effect: Effect | None,
) -> Chosen:
    """Where the objective is stability or effect: of the parameters that were tried, those that are best by it.

    At most ``search.trials`` of them are measured, those with the best silhouette; of equals the earlier stays. A way
    of choosing that is declared stands.
    """
    objective = model.search.objective
    if objective not in ("stability", "effect") or method.choose or len(chosen.trials) < 2:
        return chosen
    order = sorted(range(len(chosen.trials)), key=lambda place: -worth(chosen.trials[place], "silhouette"))
    trials = list(chosen.trials)
    for place in order[: model.search.trials]:
        parameters = chosen.parameters | trials[place].parameters
        try:
            assigner = family.fit(fitted_on, parameters, model.seed)
        except ModelError:  # these parameters find nothing
            continue
        found: float | None
        if objective == "effect":
            found = effect(assigner.groups(space.prepared) + 1) if effect else None
        else:
            steady = _steady(family, fitted_on, parameters, assigner, model, np.random.default_rng(model.seed))
            found = float(np.mean(steady.jaccard)) if steady and len(steady.jaccard) > 1 else None
        trials[place] = trials[place].model_copy(update={objective: found})
    best = max(trials, key=lambda trial: worth(trial, objective))
    if worth(best, objective) == -np.inf:
        return chosen
    if method.method in METHODS_WITH["choose"]:
        count = best.parameters["clusters"]
        anew = family.choose(
            fitted_on, method.model_copy(update={"clusters": count, "distance_threshold": None}), model
        )
        return replace(anew, trials=tuple(trials), suggested=chosen.suggested)
    return Chosen(chosen.parameters | best.parameters, tuple(trials), chosen.suggested)


def _row(item: _Tried, *, is_published: bool) -> Compared:
    return item.row.model_copy(update={"is_published": is_published})


# ── what the groups look like ───────────────────────────────────────────────────────────────────────────────────────


def _by_number(jaccard: Sequence[float], order: np.ndarray) -> list[float | None]:
    return [jaccard[place] if place < len(jaccard) else None for place in order]


def _profile(
    raw: np.ndarray,
    numbers: np.ndarray,
    features: Sequence[str],
    levels: Levels,
    stabilities: Sequence[float | None],
) -> tuple[Cluster, ...]:
    """Size, share, stability and mean of the known values of each number, per group 1 … k."""
    clusters = len(stabilities)
    sizes = np.bincount(numbers, minlength=clusters + 1)
    known = ~np.isnan(raw)
    means: dict[int, dict[str, float | None]] = {number: {} for number in range(1, clusters + 1)}
    for index, feature in enumerate(features):
        if feature in levels:
            continue
        column = known[:, index]
        counts = np.bincount(numbers[column], minlength=len(sizes))
        sums = np.bincount(numbers[column], weights=raw[column, index], minlength=len(sizes))
        for number, row in means.items():
            row[feature] = float(sums[number] / counts[number]) if counts[number] else None
    return tuple(
        Cluster(
            number=number,
            size=int(sizes[number]),
            share=float(sizes[number] / len(numbers)),
            means=row,
            stability=stabilities[number - 1],
        )
        for number, row in means.items()
    )


def _places(points: np.ndarray, numbers: np.ndarray) -> tuple[Place, ...]:
    across = points[:, 0]
    up = points[:, 1] if points.shape[1] > 1 else np.zeros(len(points))
    return tuple(
        Place(x=float(x), y=float(y), number=int(number)) for x, y, number in zip(across, up, numbers, strict=True)
    )
