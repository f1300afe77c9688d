"""What a user writes about models: groups that are found, scores that are learned, and what is made of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field

from facette.definitions.base import BandDefinition, DefinedName, Definition, Named, RuleText
from facette.definitions.preparing import Learning

Algorithm = Literal["logistic", "random_forest", "lightgbm", "xgboost", "neural"]

TREES: tuple[Algorithm, ...] = ("random_forest", "lightgbm", "xgboost")

MethodName = Literal["kmeans", "gaussian_mixture", "dbscan", "hdbscan", "agglomerative", "autoencoder"]
METHODS_WITH: dict[str, tuple[MethodName, ...]] = {
    "clusters": ("kmeans", "gaussian_mixture", "agglomerative", "autoencoder"),
    "choose": ("kmeans", "gaussian_mixture", "agglomerative"),
    "linkage": ("agglomerative",),
    "distance_threshold": ("agglomerative",),
    "radius": ("dbscan",),
    "minimum_points": ("dbscan", "hdbscan"),
    "minimum_size": ("hdbscan",),
    "code": ("autoencoder",),
}
"""Parameter → the methods that have it."""


class ClusterMethod(Definition):
    """A way to find groups. What is left out is searched, or has a usual value."""

    method: MethodName
    clusters: int | None = Field(default=None, ge=2, le=50, description="So many groups, instead of a search.")
    choose: Literal["silhouette", "elbow", "gap", "bic"] | None = Field(
        default=None,
        description="How the number of groups is chosen: `silhouette` unless given, for `gaussian_mixture` `bic`, "
        "which it alone has.",
    )
    linkage: Literal["ward", "average"] | None = Field(
        default=None, description="Of `agglomerative`: how far two groups are apart; `ward` unless given."
    )
    distance_threshold: float | None = Field(
        default=None, gt=0, description="Of `agglomerative`: groups farther apart stay apart, instead of a number."
    )
    radius: float | None = Field(
        default=None, gt=0, description="Of `dbscan`: neighbours are no farther away, in prepared units."
    )
    minimum_points: int | None = Field(
        default=None, ge=2, description="Of `dbscan` and `hdbscan`: neighbours that make a place dense."
    )
    minimum_size: int | None = Field(default=None, ge=2, description="Of `hdbscan`: a smaller group is none.")
    code: int | None = Field(
        default=None, ge=1, le=20, description="Of `autoencoder`: numbers that a profile is squeezed into."
    )


def _named(written: Any) -> Any:
    return {"method": written} if isinstance(written, str) else written


class _OrName:
    """In the JSON Schema a method may stand by its name."""

    def __get_pydantic_json_schema__(self, core: Any, handler: Any) -> dict[str, Any]:
        return {"anyOf": [{"type": "string", "enum": list(get_args(MethodName))}, handler(core)]}


class ClusterSearch(Definition):
    """What is looked for where a method leaves something open, and how long."""

    objective: Literal["silhouette", "davies_bouldin", "calinski_harabasz", "validity", "stability", "effect"] = Field(
        default="silhouette",
        description="By which parameters and methods are taken; `effect` is of the project's KPI. Where it is "
        "`stability` or `effect`, parameters are searched by the silhouette, and the best of those tried taken by it.",
    )
    trials: int = Field(default=20, ge=1, le=1000, description="Parameters tried per method that has several.")
    resamples: int = Field(default=20, ge=0, le=1000, description="Resamples per method that stability is judged by.")


class ClustersModel(Learning):
    """Groups of profiles that are alike, found by one method or by the best of several."""

    kind: Literal["clusters"]
    features: tuple[DefinedName, ...] = Field(min_length=2)
    methods: tuple[Annotated[ClusterMethod, BeforeValidator(_named), _OrName()], ...] = Field(
        default=(ClusterMethod(method="kmeans"),),
        min_length=1,
        description="Each by its name, or with parameters; k-means unless given. All are fitted and compared.",
    )
    minimum_clusters: int = Field(default=2, ge=2)
    maximum_clusters: int = Field(default=8, ge=2, le=50)
    search: ClusterSearch = ClusterSearch()
    merge: dict[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]] = Field(
        default_factory=dict,
        description="Group → the group that it is part of, by their numbers, which stay from fit to fit.",
    )
    variance: float = Field(default=0.85, gt=0, le=1, description="Share of variance that PCA keeps at least.")
    sample: int = Field(default=50_000, ge=1000, description="At most this many profiles to fit on.")
    refit_days: int = Field(default=30, ge=1, description="Fit again when the published model is this old.")
    seed: int = 0


class Tuning(Definition):
    """Search for an algorithm's parameters: the least log loss out of fold, by people the fold has not seen.

    A run that was stopped goes on where it was, as long as the model and its training data are the same.
    """

    library: Literal["optuna", "hyperopt"] = Field(default="optuna", alias="with", description="Who searches.")
    trials: int = Field(default=30, ge=1, le=10_000, description="Parameters tried per algorithm, over all workers.")
    storage: str | None = Field(
        default=None,
        description="SQLAlchemy URL of a database in which several workers share the search; ${NAME} comes from the "
        "environment. Without it: a SQLite file in `.facette/`.",
    )


class PropensityModel(Learning):
    """Calibrated probability (0–100) that an event happens within a horizon."""

    kind: Literal["propensity"]
    target: DefinedName = Field(description="The event to predict.")
    where: RuleText | None = Field(default=None, description="Condition on the event, in the rule language.")
    horizon_days: int = Field(ge=1)
    instants: int = Field(default=5, ge=3, description="Past instants to learn from.")
    step_days: int = Field(default=30, ge=1, description="Days between two of them.")
    algorithms: tuple[Algorithm, ...] = Field(
        default=("logistic",),
        min_length=1,
        description="All are fitted and compared; the one with the least log loss out of fold is published.",
    )
    select: Literal["rfe", "lasso", "importance", "gain"] | None = Field(
        default=None,
        description="Leave out features: by recursive elimination, by the LASSO, by permutation importance, or by what "
        "the splits of the first algorithm that is of trees gain.",
    )
    calibration: Literal["platt", "isotonic"] | None = Field(
        default=None,
        description="How scores are made honest. Unless given, by Platt's slope and shift; or by isotonic regression, "
        "where there are 500 of each outcome and it is surely better on people not seen.",
    )
    tune: Tuning | None = Field(default=None, description="Search for the algorithms' parameters.")
    resamples: int = Field(
        default=10,
        ge=0,
        le=1000,
        description="Refits on other people, by which it is told how stable segments are that read the score.",
    )
    trusted: tuple[DefinedName, ...] = Field(
        default=(),
        description="Features that may be used although each alone tells the target so well that it looks like a leak.",
    )
    bands: tuple[BandDefinition, ...] = ()
    refit_days: int = Field(default=30, ge=1)
    seed: int = 0


class MapModel(Learning):
    """A map of everybody: the main axes along which profiles differ, with names; and how unusual each profile is.

    Its value in rules is how far a profile lies from the middle: 1 is where the one in a thousand begins.
    """

    kind: Literal["map"]
    features: tuple[DefinedName, ...] = Field(min_length=2)
    variance: float = Field(default=0.85, gt=0, le=1, description="Share of variance that the axes keep at least.")
    methods: tuple[Literal["pca", "umap", "tsne"], ...] = Field(
        default=("pca", "umap", "tsne"), description="How places on a picture are found."
    )
    dimensions: tuple[Literal[2, 3], ...] = Field(default=(2, 3), min_length=1)
    colour: DefinedName | None = Field(
        default=None, description="Clustering or segment that colours the pictures; the first clustering unless given."
    )
    sample: int = Field(default=2000, ge=100, le=10_000, description="Profiles, drawn by lot, on the pictures.")
    refit_days: int = Field(default=30, ge=1, description="Draw again when the published map is this old.")
    seed: int = 0


class ValueModel(Named):
    """What a customer will spend within a horizon, in the project's currency: BG/NBD times Gamma-Gamma.

    Its columns are `<name>` (the amount), `<name>_purchases` (days with a purchase) and `<name>_alive` (0–1, the chance
    of still being a customer); unknown for whoever never bought.
    """

    kind: Literal["value"]
    event: DefinedName = Field(description="The event that is a purchase. Those of one local day count as one.")
    amount: DefinedName = Field(description="Its property with the amount; an event without it is no purchase.")
    where: RuleText | None = Field(default=None, description="Condition on the event, in the rule language.")
    horizon_days: int = Field(default=365, ge=1, description="Days ahead.")
    bands: tuple[BandDefinition, ...] = ()
    refit_days: int = Field(default=30, ge=1, description="Fit again when the published model is this old.")


class Part(Definition):
    """One part of a composite: a number or a boolean, its weight, and how it becomes 0 to 100 points."""

    of: DefinedName = Field(description="Feature, trait, or output of another model.")
    weight: float = Field(default=1, gt=0)
    scale: Literal["percentile", "minmax", "cuts"] = Field(
        default="percentile",
        description="percentile: the share of the population below, when it was fitted. minmax: from `low` to `high`, "
        "the least and the greatest of the population unless given. cuts: the share of the cuts `at` that it exceeds.",
    )
    low: float | None = Field(default=None, description="Value of 0 points, for minmax.")
    high: float | None = Field(default=None, description="Value of 100 points, for minmax.")
    at: tuple[float, ...] = Field(default=(), description="The cuts, ascending, for cuts.")
    reverse: bool = Field(default=False, description="Most points for the lowest values.")
    unknown: float = Field(default=0, ge=0, le=100, description="Points where the value is unknown.")


class CompositeModel(Named):
    """Points from 0 to 100, the weighted mean of the points of its parts."""

    kind: Literal["composite"]
    parts: tuple[Part, ...] = Field(min_length=1)
    bands: tuple[BandDefinition, ...] = ()
    refit_days: int = Field(default=30, ge=1, description="Fit its scales again when they are this old.")


Model = Annotated[ClustersModel | PropensityModel | MapModel | ValueModel | CompositeModel, Field(discriminator="kind")]


def merged_ends(merge: Mapping[int, int]) -> dict[int, int]:
    """Group → the group in which it ends, where that one goes into another; those that go round in a circle are left
    out."""
    ends = {}
    for group in merge:
        end, seen = group, set()
        while end in merge and end not in seen:
            seen.add(end)
            end = merge[end]
        if end not in seen:
            ends[group] = end
    return ends


FURTHER_OUTPUTS: dict[str, tuple[str, ...]] = {"value": ("purchases", "alive")}
"""Kind → what it gives besides the column of its name: columns ``<name>_<this>``."""


def outputs(model: Model) -> tuple[str, ...]:
    """The columns that a model gives, the one of its own name first."""
    return (model.name, *(f"{model.name}_{further}" for further in FURTHER_OUTPUTS.get(model.kind, ())))


def features_of(model: Model) -> tuple[str, ...]:
    """The features, traits and outputs of other models that a model names."""
    match model:
        case ValueModel():
            return ()
        case CompositeModel():
            return tuple(part.of for part in model.parts)
    return model.features
