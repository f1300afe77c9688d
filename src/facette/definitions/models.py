"""What a user writes about models: groups that are found, and scores that are learned."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from facette.definitions.base import BandDefinition, DefinedName, RuleText
from facette.definitions.preparing import Learning


class KMeansModel(Learning):
    """Groups by k-means; the number of groups is chosen by silhouette, with the elbow beside it."""

    kind: Literal["kmeans"]
    features: tuple[DefinedName, ...] = Field(min_length=2)
    minimum_clusters: int = Field(default=2, ge=2)
    maximum_clusters: int = Field(default=8, ge=2, le=50)
    variance: float = Field(default=0.85, gt=0, le=1, description="Share of variance that PCA keeps at least.")
    sample: int = Field(default=50_000, ge=1000, description="At most this many profiles to fit on.")
    refit_days: int = Field(default=30, ge=1, description="Fit again when the published model is this old.")
    seed: int = 0


class PropensityModel(Learning):
    """Calibrated probability (0–100) that an event happens within a horizon, by logistic regression."""

    kind: Literal["propensity"]
    target: DefinedName = Field(description="The event to predict.")
    where: RuleText | None = Field(default=None, description="Condition on the event, in the rule language.")
    horizon_days: int = Field(ge=1)
    instants: int = Field(default=5, ge=3, description="Past instants to learn from.")
    step_days: int = Field(default=30, ge=1, description="Days between two of them.")
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


Model = Annotated[KMeansModel | PropensityModel | MapModel, Field(discriminator="kind")]
