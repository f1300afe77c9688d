"""What every family of methods does: choose parameters, then fit with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict

from facette.definitions.models import ClusterMethod, ClustersModel
from facette.models.clusters.assigners import Assigner
from facette.models.clusters.space import Space

Parameters = dict[str, int | float | str]


class Trial(BaseModel):
    """One set of parameters, and how good the groups are that it gives; None where it was not measured.

    inertia : summed squared distance to the centres; bic : Schwarz (1978), lower is better
    stability, effect : where the model's objective is one of them
    gap, gap_error : Tibshirani, Walther, Hastie (2001); see :func:`facette.models.clusters.counts.gaps`
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    parameters: Parameters
    clusters: int
    silhouette: float | None = None
    davies_bouldin: float | None = None
    calinski_harabasz: float | None = None
    validity: float | None = None
    inertia: float | None = None
    bic: float | None = None
    gap: float | None = None
    gap_error: float | None = None
    stability: float | None = None
    effect: float | None = None


class Merge(BaseModel):
    """Two groups that become one, at a height. Leaves are 0 … n − 1, the merges n, n + 1, … in their order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    left: int
    right: int
    height: float


class Dendrogram(BaseModel):
    """The upper merges of a hierarchy. leaves : profiles in each group below them;  cut : height of the groups taken"""

    model_config = ConfigDict(frozen=True, extra="forbid")

    leaves: tuple[int, ...]
    merges: tuple[Merge, ...]
    cut: float


@dataclass(frozen=True)
class Chosen:
    """The parameters taken, what was tried for them, and what each way to choose suggests ("elbow" → 4).

    assigner : what ``fit`` gives with the parameters, where it is known already
    """

    parameters: Parameters
    trials: tuple[Trial, ...] = ()
    suggested: dict[str, int] = field(default_factory=dict)
    dendrogram: Dendrogram | None = None
    assigner: Assigner | None = None


@dataclass(frozen=True)
class Family:
    """How one method works.

    choose    : parameters for the points of a space; raises ModelError if there are no groups
    fit       : the groups that parameters and a seed give
    rows      : fitted on no more than this
    resampled : judged for its stability on no more than this, and in no more than ``resamples``
    width     : of the space that it looks in
    at_share  : the parameters for a share (0–1) of the profiles
    """

    choose: Callable[[Space, ClusterMethod, ClustersModel], Chosen]
    fit: Callable[[Space, Parameters, int], Assigner]
    rows: int = 1_000_000_000
    resampled: int = 3_000
    resamples: int = 1_000
    width: int = 1_000
    at_share: Callable[[Parameters, float], Parameters] = lambda parameters, share: parameters
