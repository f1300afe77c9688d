"""Groups of profiles by k-means: fitted in memory on a sample, applied as one expression anywhere.

Preparation, principal components and centres fold into one affine score per cluster; a profile belongs to the cluster
with the lowest score. With y = C (z − m) the kept components of the prepared features z, and μ a cluster's centre,

    |y − μ|² = |y|² + [ |μ|² + 2 μᵀC m − 2 μᵀC z ]

and |y|² is the same for every cluster, so the bracket is the score.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import ibis
import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from facette.definitions import models as definitions
from facette.errors import ModelError
from facette.models.fitted import Fitted, fingerprint
from facette.models.matrix import in_order, levels_of, to_matrix
from facette.models.preparation import Preparation, affine, fit_preparation

if TYPE_CHECKING:
    import ibis.expr.types as ir

STARTS = 5  # runs of k-means from different seeds, of which the best is kept: one alone is luck
SILHOUETTE_ROWS = 10_000
MAP_ROWS = 3_000


class Trial(BaseModel):
    """How well one number of clusters fits: inertia and Davies–Bouldin better when lower, the others when higher."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    clusters: int
    inertia: float
    silhouette: float
    davies_bouldin: float
    calinski_harabasz: float


class Cluster(BaseModel):
    """One cluster over all the profiles given to the fit. A mean is None where the feature is never known."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    size: int
    share: float
    means: dict[str, float | None]


class Place(BaseModel):
    """A profile on the map of the first two principal components."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    x: float
    y: float
    number: int


class KMeansMetrics(BaseModel):
    """How a clustering was chosen and what it looks like.

    rows, sampled      : profiles given, and profiles fitted on
    trials, clusters   : every number of clusters tried, and the one taken, for its silhouette
    elbow              : the number that the bend of the inertia suggests; None with fewer than three trials
    silhouette, davies_bouldin : of the one taken
    explained_variance : share per principal component, all of them; the first ``components`` are kept
    profile            : the clusters, by number
    map                : a sample of at most 3,000 profiles
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: int
    sampled: int
    trials: tuple[Trial, ...]
    clusters: int
    elbow: int | None
    silhouette: float
    davies_bouldin: float
    explained_variance: tuple[float, ...]
    components: int
    profile: tuple[Cluster, ...]
    map: tuple[Place, ...]


class FittedKMeans(Fitted):
    """A clustering that can be applied. With k clusters, d prepared columns and c kept components:

    numbers    : k, ascending; what the clusters are called
    centres    : k × d, in prepared units
    weights    : k × d, intercepts : k; the scores
    components : c × d, origin : d; for whoever wants to draw a profile on the map
    """

    numbers: tuple[int, ...]
    centres: tuple[tuple[float, ...], ...]
    weights: tuple[tuple[float, ...], ...]
    intercepts: tuple[float, ...]
    components: tuple[tuple[float, ...], ...]
    origin: tuple[float, ...]
    metrics: KMeansMetrics

    def output(self, features: ir.Table) -> ir.IntegerColumn:
        """See :func:`assign`."""
        return assign(self, features)


def fit_kmeans(model: definitions.KMeansModel, features: pa.Table) -> FittedKMeans:
    """Find the clusters of profiles; their number is the one with the best silhouette.

    features : one row per profile, the model's features (number or boolean), and ``profile_id`` if there is one, by
               which the rows are put in order so that the same profiles always give the same clusters
    numbers  : 1 … k, the largest cluster first
    Raises ModelError if the features do not vary, or if there are not enough different profiles.
    """
    features = in_order(features, "profile_id")
    levels = levels_of(features, model.features)
    raw = to_matrix(features, model.features, levels)
    random = np.random.default_rng(model.seed)
    rows = _sample(len(raw), model.sample, random)
    if len(rows) <= model.minimum_clusters:
        raise ModelError(
            f"“{model.name}” cannot find {model.minimum_clusters} clusters among {len(rows)} profiles.",
            remedy="Wait for more profiles, or widen the population.",
        )
    preparation = fit_preparation(raw[rows], model, levels=levels, seed=model.seed)
    prepared = preparation.transform(raw[rows])

    from sklearn.decomposition import PCA  # noqa: PLC0415

    pca = PCA(svd_solver="full").fit(prepared)
    shares = pca.explained_variance_ratio_
    kept = min(int(np.searchsorted(np.cumsum(shares), model.variance - 1e-9)) + 1, len(shares))
    coordinates = pca.transform(prepared)
    points = np.ascontiguousarray(coordinates[:, :kept])

    labelings, centres, trials = _try_all(points, _counts(model, points), model.seed, random)
    best = max(range(len(trials)), key=lambda index: trials[index].silhouette)
    components, origin = pca.components_[:kept], pca.mean_
    directions = centres[best] @ components
    weights = -2 * directions
    intercepts = (centres[best] ** 2).sum(axis=1) + 2 * directions @ origin

    labels = _nearest(preparation.transform(raw), weights, intercepts)
    order = np.argsort(-np.bincount(labels, minlength=len(weights)), kind="stable")
    number_of = np.argsort(order) + 1
    shown = _sample(len(rows), MAP_ROWS, random)
    return FittedKMeans(
        name=model.name,
        fingerprint=fingerprint(model.features, raw),
        seed=model.seed,
        preparation=preparation,
        numbers=tuple(range(1, len(order) + 1)),
        centres=_tuples(directions[order] + origin),
        weights=_tuples(weights[order]),
        intercepts=tuple(intercepts[order].tolist()),
        components=_tuples(components),
        origin=tuple(origin.tolist()),
        metrics=KMeansMetrics(
            rows=len(raw),
            sampled=len(rows),
            trials=trials,
            clusters=trials[best].clusters,
            elbow=elbow([trial.clusters for trial in trials], [trial.inertia for trial in trials]),
            silhouette=trials[best].silhouette,
            davies_bouldin=trials[best].davies_bouldin,
            explained_variance=tuple(shares.tolist()),
            components=kept,
            profile=_profile(raw, number_of[labels], len(order), model.features),
            map=_places(coordinates[shown], number_of[labelings[best][shown]]),
        ),
    )


def assign(fitted: FittedKMeans, features: ir.Table) -> ir.IntegerColumn:
    """The number of each row's cluster, as an expression (int64). Unknown values count as the fit's medians.

    Two clusters equally near: the smaller number. 1,000,000 rows × 20 features × 8 clusters take DuckDB about 2 seconds
    on 2 cores.
    """
    columns = fitted.preparation.expressions(features)
    scores = [affine(columns, *row) for row in zip(fitted.weights, fitted.intercepts, strict=True)]
    return _lowest(scores, fitted.numbers).cast("int64")


def assign_rows(fitted: FittedKMeans, features: pa.Table) -> np.ndarray:
    """The same as :func:`assign`, of a table in memory: int64, one per row."""
    prepared = fitted.preparation.transform(fitted.preparation.matrix(features))
    nearest = _nearest(prepared, np.array(fitted.weights), np.array(fitted.intercepts))
    return np.array(fitted.numbers, dtype=np.int64)[nearest]


def match_labels(previous: FittedKMeans, fitted: FittedKMeans) -> FittedKMeans:
    """The new fit, with each cluster called what the nearest cluster of the previous fit was called.

    Pairs are chosen together so that the distances between their centres, in units of the previous preparation, add up
    to the least (Kuhn 1955). A cluster without a partner takes a number that the previous fit did not use. If the two
    fits do not see the same columns there is nothing to compare, and the new fit keeps its own numbers.
    """
    if _columns_seen(previous.preparation) != _columns_seen(fitted.preparation):
        return fitted
    from scipy.optimize import linear_sum_assignment  # noqa: PLC0415

    scale = np.array([column.scale for column in previous.preparation.columns])
    gaps = (_natural_centres(previous)[:, None, :] - _natural_centres(fitted)[None, :, :]) / scale
    old, new = linear_sum_assignment((gaps**2).sum(axis=2))
    renamed = {fitted.numbers[j]: previous.numbers[i] for i, j in zip(old, new, strict=True)}
    fresh = max(previous.numbers)
    for number in fitted.numbers:
        if number not in renamed:
            fresh += 1
            renamed[number] = fresh
    return _renumbered(fitted, renamed)


def elbow(counts: Sequence[int], inertias: Sequence[float]) -> int | None:
    """The count farthest below the straight line from the first to the last inertia (Satopää et al. 2011, Kneedle)."""
    if len(counts) < 3 or inertias[0] <= inertias[-1]:
        return None
    across = (np.array(counts) - counts[0]) / (counts[-1] - counts[0])
    down = (inertias[0] - np.array(inertias)) / (inertias[0] - inertias[-1])
    return counts[int(np.argmax(down - across))]


def silhouettes(points: np.ndarray, labelings: Sequence[np.ndarray]) -> list[float]:
    """The mean silhouette (Rousseeuw 1987) of each labeling of the same points, with one pass over their distances.

    For a point, a is its mean distance to the others of its cluster and b the least mean distance to another cluster;
    its silhouette is (b − a) / max(a, b), or 0 when it is alone in its cluster. Labels are 0 … k − 1.
    """
    from scipy.spatial.distance import cdist  # noqa: PLC0415

    members = [np.eye(labels.max() + 1)[labels] for labels in labelings]
    together = np.hstack(members)
    totals = np.zeros(len(labelings))
    for start in range(0, len(points), 1000):
        chunk = slice(start, start + 1000)
        sums = cdist(points[chunk], points) @ together
        first = 0
        for index, (labels, member) in enumerate(zip(labelings, members, strict=True)):
            own_sums = sums[:, first : first + member.shape[1]]
            first += member.shape[1]
            totals[index] += _silhouette_of(own_sums, labels[chunk], member.sum(axis=0))
    return (totals / len(points)).tolist()


def _silhouette_of(sums: np.ndarray, labels: np.ndarray, sizes: np.ndarray) -> float:
    """Sum of silhouettes; sums is rows × k, the summed distances from each row to each cluster."""
    rows = np.arange(len(labels))
    own = sizes[labels]
    within = sums[rows, labels] / np.maximum(own - 1, 1)
    means = np.where(sizes > 0, sums / np.maximum(sizes, 1), np.inf)
    means[rows, labels] = np.inf
    other = means.min(axis=1)
    widest = np.maximum(within, other)
    counted = (own > 1) & (widest > 0) & np.isfinite(other)
    return float(((other - within)[counted] / widest[counted]).sum())


def _counts(model: definitions.KMeansModel, points: np.ndarray) -> range:
    """The numbers of clusters to try: no more than there are different points, and fewer than there are points."""
    different = len(np.unique(points, axis=0))
    highest = min(model.maximum_clusters, different, len(points) - 1)
    if highest < model.minimum_clusters:
        raise ModelError(
            f"“{model.name}” looks for {model.minimum_clusters} to {model.maximum_clusters} clusters, "
            f"but only {different} profiles differ from each other.",
            remedy="Lower minimum_clusters (and keep it below maximum_clusters), or choose features that vary more.",
        )
    return range(model.minimum_clusters, highest + 1)


def _try_all(
    points: np.ndarray, counts: range, seed: int, random: np.random.Generator
) -> tuple[list[np.ndarray], list[np.ndarray], tuple[Trial, ...]]:
    """k-means for each count: labels of the points, centres, and how well it fits."""
    from sklearn.cluster import KMeans  # noqa: PLC0415
    from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score  # noqa: PLC0415

    fits = [KMeans(count, n_init=STARTS, random_state=seed).fit(points) for count in counts]
    some = _sample(len(points), SILHOUETTE_ROWS, random)
    widths = silhouettes(points[some], [fit.labels_[some] for fit in fits])
    trials = tuple(
        Trial(
            clusters=count,
            inertia=float(fit.inertia_),
            silhouette=width,
            davies_bouldin=float(davies_bouldin_score(points, fit.labels_)),
            calinski_harabasz=float(calinski_harabasz_score(points, fit.labels_)),
        )
        for count, fit, width in zip(counts, fits, widths, strict=True)
    )
    return [fit.labels_ for fit in fits], [fit.cluster_centers_ for fit in fits], trials


def _sample(available: int, wanted: int, random: np.random.Generator) -> np.ndarray:
    """Indices of at most ``wanted`` rows, ascending."""
    if available <= wanted:
        return np.arange(available)
    return np.sort(random.choice(available, wanted, replace=False))


def _nearest(prepared: np.ndarray, weights: np.ndarray, intercepts: np.ndarray) -> np.ndarray:
    return np.argmin(prepared @ weights.T + intercepts, axis=1)


def _lowest(scores: Sequence[ir.FloatingValue], numbers: Sequence[int]) -> Any:
    """The number of the lowest score, by halves: the text grows with k log k; comparing all with all would take k²."""
    if len(scores) == 1:
        return ibis.literal(numbers[0], "int64")
    half = len(scores) // 2
    is_left = _least(scores[:half]) <= _least(scores[half:])
    return is_left.ifelse(_lowest(scores[:half], numbers[:half]), _lowest(scores[half:], numbers[half:]))


def _least(scores: Sequence[ir.FloatingValue]) -> Any:
    return ibis.least(*scores) if len(scores) > 1 else scores[0]


def _profile(raw: np.ndarray, numbers: np.ndarray, clusters: int, features: Sequence[str]) -> tuple[Cluster, ...]:
    """Size, share and mean of the known values of each feature, per cluster 1 … clusters."""
    sizes = np.bincount(numbers, minlength=clusters + 1)
    known = ~np.isnan(raw)
    means: dict[int, dict[str, float | None]] = {number: {} for number in range(1, clusters + 1)}
    for index, feature in enumerate(features):
        column = known[:, index]
        counts = np.bincount(numbers[column], minlength=len(sizes))
        sums = np.bincount(numbers[column], weights=raw[column, index], minlength=len(sizes))
        for number, row in means.items():
            row[feature] = float(sums[number] / counts[number]) if counts[number] else None
    return tuple(
        Cluster(number=number, size=int(sizes[number]), share=float(sizes[number] / len(numbers)), means=row)
        for number, row in means.items()
    )


def _places(coordinates: np.ndarray, numbers: np.ndarray) -> tuple[Place, ...]:
    across = coordinates[:, 0]
    up = coordinates[:, 1] if coordinates.shape[1] > 1 else np.zeros(len(coordinates))
    return tuple(
        Place(x=float(x), y=float(y), number=int(number)) for x, y, number in zip(across, up, numbers, strict=True)
    )


def _columns_seen(preparation: Preparation) -> list[tuple[Any, ...]]:
    return [column.meaning for column in preparation.columns]


def _natural_centres(fitted: FittedKMeans) -> np.ndarray:
    """Centres before scaling (logged where declared), so that two fits can be compared."""
    scale = np.array([column.scale for column in fitted.preparation.columns])
    centre = np.array([column.centre for column in fitted.preparation.columns])
    return np.array(fitted.centres) * scale + centre


def _renumbered(fitted: FittedKMeans, renamed: dict[int, int]) -> FittedKMeans:
    """The same clusters under other numbers, in ascending order of them."""
    order = sorted(range(len(fitted.numbers)), key=lambda index: renamed[fitted.numbers[index]])
    profile = [item.model_copy(update={"number": renamed[item.number]}) for item in fitted.metrics.profile]
    places = [item.model_copy(update={"number": renamed[item.number]}) for item in fitted.metrics.map]
    metrics = fitted.metrics.model_copy(
        update={"profile": tuple(sorted(profile, key=lambda item: item.number)), "map": tuple(places)}
    )
    return fitted.model_copy(
        update={
            "numbers": tuple(renamed[fitted.numbers[index]] for index in order),
            "centres": tuple(fitted.centres[index] for index in order),
            "weights": tuple(fitted.weights[index] for index in order),
            "intercepts": tuple(fitted.intercepts[index] for index in order),
            "metrics": metrics,
        }
    )


def _tuples(matrix: np.ndarray) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(row) for row in matrix.tolist())
