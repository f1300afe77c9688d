"""Maps: the axes along which profiles differ, pictures on which like ones lie close, and who lies far from everybody.

    prepared features ─► principal components (≥ 85 % of variance) ─► varimax rotation ─► axes that have names

With V the kept components, λ their variances and R the rotation, the scores on the axes are (z − m) V λ^(−½) R: as
uncorrelated as the components, each with variance 1. How far a profile lies from the middle is

    √ Σ ((score − median) / (1.4826 · MAD))²  /  √ χ²(0.999; number of axes)

the distance of Filzmoser, Maronna, Werner (2008, step 1), in units of what one in a thousand would exceed were the
scores normal. It is affine but for the sum of squares, so it is one expression.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Literal

import ibis
import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from facette.definitions.models import MapModel
from facette.errors import ModelError
from facette.models.clusters.space import sample
from facette.models.fitted import Fitted, fingerprint
from facette.models.matrix import in_order, levels_of, to_matrix
from facette.models.preparation import affine, fit_preparation
from facette.models.representation import drawn, rake

if TYPE_CHECKING:
    import ibis.expr.types as ir

ROWS = 50_000
"""Profiles, drawn by lot, from which axes are learned."""
RARE = 0.999
NORMAL_MAD = 1.4826022185056018  # 1 / Φ⁻¹(¾), which makes the median absolute deviation that of a normal distribution
LARGE_LOADING = 0.5
MOST_NAMES = 3
NEIGHBOURS = 15

Method = Literal["pca", "umap", "tsne"]


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Loading(_Data):
    """Correlation of a prepared column with an axis, −1 to 1; ``column`` as :meth:`Preparation.label` has it."""

    column: str
    feature: str
    loading: float


class Axis(_Data):
    """An axis: the share of all variance that lies along it, and its loadings, largest first.

    n_named : how many of the loadings name it: those of at least 0.5, three at most, one at least
    """

    share: float
    loadings: tuple[Loading, ...]
    n_named: int


class Picture(_Data):
    """Places of the sampled profiles, in the order of :attr:`MapMetrics.profiles`.

    trustworthiness : whether neighbours on the picture are neighbours in truth, 0–1 (Venna, Kaski 2001), of 15 each
    """

    method: Method
    dimensions: int
    places: tuple[tuple[float, ...], ...]
    trustworthiness: float


class MapMetrics(_Data):
    """What a map shows.

    rows, sampled      : profiles given, and profiles from which the axes were learned
    explained_variance : share per principal component, all of them; the first ``components`` are kept
    profiles, distances : of those on the pictures: profile_id, and how far from the middle
    outliers           : of all profiles given, how many lie farther than 1
    """

    rows: int
    sampled: int
    explained_variance: tuple[float, ...]
    components: int
    axes: tuple[Axis, ...]
    pictures: tuple[Picture, ...]
    profiles: tuple[int, ...]
    distances: tuple[float, ...]
    outliers: int


class FittedMap(Fitted):
    """A map that can be applied. With d prepared columns and c axes:

    weights    : c × d, intercepts : c; the scores on the axes, less their medians and over their spreads
    limit      : how far the one in a thousand lies
    """

    weights: tuple[tuple[float, ...], ...]
    intercepts: tuple[float, ...]
    limit: float
    metrics: MapMetrics

    def output(self, features: ir.Table) -> ir.FloatingValue:
        """How far each row lies from the middle: 1 is where the one in a thousand begins."""
        columns = self.preparation.expressions(features)
        total: ir.FloatingValue = ibis.literal(0.0, "float64")
        for weights, intercept in zip(self.weights, self.intercepts, strict=True):
            score = affine(columns, weights, intercept)
            total = total + score * score
        return total.sqrt() / self.limit

    def people(self) -> tuple[int, ...]:
        return self.metrics.profiles

    def only_of(self, profiles: Collection[int]) -> FittedMap:
        """Without the places of others on the pictures."""
        shown = self.metrics
        kept = [place for place, profile in enumerate(shown.profiles) if profile in profiles]
        pictures = [
            item.model_copy(update={"places": tuple(item.places[place] for place in kept)}) for item in shown.pictures
        ]
        changes = {
            "profiles": tuple(shown.profiles[place] for place in kept),
            "distances": tuple(shown.distances[place] for place in kept),
            "pictures": tuple(pictures),
        }
        return self.model_copy(update={"metrics": shown.model_copy(update=changes)})

    def distances(self, features: pa.Table) -> np.ndarray:
        """The same, of a table in memory: float64, one per row."""
        prepared = self.preparation.transform(self.preparation.matrix(features))
        return _distances(prepared @ np.array(self.weights).T + np.array(self.intercepts), self.limit)


def fit_map(model: MapModel, features: pa.Table, *, progress: Callable[[str], None] | None = None) -> FittedMap:
    """Find the axes of profiles, and draw pictures of a sample of them.

    features : one row per profile: profile_id, the model's features (number, boolean or text), columns of its weights
    progress : told what is drawn next
    Raises ModelError if the features do not vary, if there are too few profiles, or if a library is missing.
    """
    features = in_order(features, "profile_id")
    levels = levels_of(features, model.features)
    raw = to_matrix(features, model.features, levels)
    if len(raw) < 2 * NEIGHBOURS:
        raise ModelError(
            f"“{model.name}” cannot map {len(raw)} profiles.", remedy="Wait for more profiles, or widen the population."
        )
    random = np.random.default_rng(model.seed)
    rows = sample(len(raw), ROWS, random)
    if model.weights:
        rows = drawn(rows, rake(features, model)[rows], random)
    preparation = fit_preparation(raw[rows], model, levels=levels, seed=model.seed)
    prepared = preparation.transform(raw[rows])

    from scipy.special import chdtri  # noqa: PLC0415
    from sklearn.decomposition import PCA  # noqa: PLC0415

    pca = PCA(svd_solver="full").fit(prepared)
    shares = pca.explained_variance_ratio_
    kept = min(int(np.searchsorted(np.cumsum(shares), model.variance - 1e-9)) + 1, len(shares))
    directions, order = _rotated(pca.components_[:kept].T, pca.explained_variance_[:kept], prepared.std(axis=0, ddof=1))
    scores = (prepared - pca.mean_) @ directions
    middle = np.median(scores, axis=0)
    spread = NORMAL_MAD * np.median(np.abs(scores - middle), axis=0)
    spread = np.where(spread > 1e-9, spread, 1.0)  # more than half at one place: the scores' own standard deviation
    weights = (directions / spread).T
    intercepts = -(pca.mean_ @ directions + middle) / spread
    limit = float(np.sqrt(chdtri(kept, 1 - RARE)))

    distances = _distances(preparation.transform(raw) @ weights.T + intercepts, limit)
    shown = sample(len(raw), model.sample, random)
    standard = (preparation.transform(raw[shown]) - pca.mean_) @ pca.components_[:kept].T
    on_axes = (preparation.transform(raw[shown]) - pca.mean_) @ directions
    return FittedMap(
        name=model.name,
        fingerprint=fingerprint(model.features, raw),
        seed=model.seed,
        preparation=preparation,
        weights=tuple(map(tuple, weights.tolist())),
        intercepts=tuple(intercepts.tolist()),
        limit=limit,
        metrics=MapMetrics(
            rows=len(raw),
            sampled=len(rows),
            explained_variance=tuple(shares.tolist()),
            components=kept,
            axes=_axes([(preparation.label(c), c.feature) for c in preparation.columns], prepared, scores, order),
            pictures=tuple(_pictures(model, standard, on_axes, progress or (lambda what: None))),
            profiles=tuple(features["profile_id"].to_numpy()[shown].tolist()),
            distances=tuple(np.round(distances[shown], 4).tolist()),
            outliers=int((distances > 1).sum()),
        ),
    )


def varimax(loadings: np.ndarray, *, rounds: int = 500, close: float = 1e-12) -> np.ndarray:
    """The rotation (c × c) of loadings (d × c) that makes the variance of their squares largest: Kaiser (1958), by the
    singular value decompositions of Lawley, Maxwell (1971, ch. 6)."""
    rows, columns = loadings.shape
    rotation, reached = np.eye(columns), 0.0
    for _ in range(rounds):
        turned = loadings @ rotation
        gradient = loadings.T @ (turned**3 - turned * (turned**2).sum(axis=0) / rows)
        left, values, right = np.linalg.svd(gradient)
        rotation = left @ right
        if values.sum() <= reached * (1 + close):
            break
        reached = values.sum()
    return rotation


def _rotated(components: np.ndarray, variances: np.ndarray, spreads: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Directions (d × c) of rotated axes of variance 1, and the variance along each, largest first.

    components : d × c; loadings are correlations of the columns, whose standard deviations are ``spreads``
    """
    covariances = components * np.sqrt(variances)
    loadings = covariances / np.where(spreads > 0, spreads, 1)[:, None]
    rotation = varimax(loadings)
    turned = loadings @ rotation
    along = ((covariances @ rotation) ** 2).sum(axis=0)
    order = np.argsort(-along, kind="stable")
    sign = np.where(np.take_along_axis(turned, np.abs(turned).argmax(axis=0)[None], axis=0)[0] < 0, -1.0, 1.0)
    directions = (components / np.sqrt(variances)) @ rotation * sign
    return directions[:, order], along[order]


def _axes(
    columns: Sequence[tuple[str, str]], prepared: np.ndarray, scores: np.ndarray, along: np.ndarray
) -> tuple[Axis, ...]:
    """The axes with what the columns have to do with them, by the correlations among the rows themselves."""
    centred = (prepared - prepared.mean(axis=0)) / prepared.std(axis=0)
    correlations = centred.T @ ((scores - scores.mean(axis=0)) / scores.std(axis=0)) / len(prepared)
    total = prepared.var(axis=0, ddof=1).sum()
    axes = []
    for number, share in enumerate(along / total):
        order = np.argsort(-np.abs(correlations[:, number]), kind="stable")
        loadings = tuple(
            Loading(column=columns[i][0], feature=columns[i][1], loading=float(correlations[i, number])) for i in order
        )
        large = sum(abs(item.loading) >= LARGE_LOADING for item in loadings)
        axes.append(Axis(share=float(share), loadings=loadings, n_named=min(max(large, 1), MOST_NAMES)))
    return tuple(axes)


def _pictures(
    model: MapModel, standard: np.ndarray, on_axes: np.ndarray, progress: Callable[[str], None]
) -> list[Picture]:
    """Every picture asked for that the axes have room for.

    standard : sampled profiles × kept principal components;  on_axes : their scores on the rotated axes
    """
    from sklearn.manifold import trustworthiness  # noqa: PLC0415

    neighbours = min(NEIGHBOURS, (len(standard) - 1) // 2)
    pictures = []
    for method in model.methods:
        for dimensions in model.dimensions:
            if dimensions > standard.shape[1]:
                continue
            progress(f"{method}, {dimensions} dimensions")
            places = on_axes[:, :dimensions] if method == "pca" else PLACED[method](standard, dimensions, model.seed)
            pictures.append(
                Picture(
                    method=method,
                    dimensions=dimensions,
                    places=tuple(map(tuple, np.round(places, 3).tolist())),
                    trustworthiness=float(trustworthiness(standard, places, n_neighbors=neighbours)),
                )
            )
    return pictures


def _umap(points: np.ndarray, dimensions: int, seed: int) -> np.ndarray:
    """McInnes, Healy, Melville (2018)."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # numba's own, about what it compiles
            from umap import UMAP  # noqa: PLC0415
    except ImportError as error:
        raise ModelError(
            "Maps by UMAP need the library umap-learn.",
            remedy='pip install "facette[models]", or take umap off the methods.',
        ) from error
    neighbours = min(NEIGHBOURS, len(points) - 1)
    fit = UMAP(n_components=dimensions, n_neighbors=neighbours, random_state=seed, n_jobs=1)
    return fit.fit_transform(points)


def _tsne(points: np.ndarray, dimensions: int, seed: int) -> np.ndarray:
    """van der Maaten, Hinton (2008); perplexity 30, from the principal components as Kobak, Berens (2019) advise."""
    from sklearn.manifold import TSNE  # noqa: PLC0415
    from threadpoolctl import threadpool_limits  # noqa: PLC0415

    perplexity = min(30.0, (len(points) - 1) / 3)
    with threadpool_limits(1):  # several threads would add up in another order each time, and wait for one another
        return TSNE(dimensions, perplexity=perplexity, init="pca", random_state=seed).fit_transform(points)


PLACED: dict[str, Callable[[np.ndarray, int, int], np.ndarray]] = {"umap": _umap, "tsne": _tsne}


def _distances(scores: np.ndarray, limit: float) -> np.ndarray:
    return np.sqrt((scores**2).sum(axis=1)) / limit
