"""What is kept of fitted groups: how profiles are put into them, how they were chosen, and what they look like."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from facette.models.clusters.assigners import Assigner
from facette.models.clusters.family import Dendrogram, Parameters, Trial
from facette.models.fitted import Fitted
from facette.models.matrix import LARGEST, number_of
from facette.models.native import from_batches

if TYPE_CHECKING:
    import ibis.expr.types as ir

NOBODY = 0
"""The number of profiles that are in no group: noise, of the methods by density."""


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Compared(_Data):
    """How well one method did, on the profiles of the sample, or of fewer where it cannot take as many.

    rows       : fitted on;  clusters : found;  noise : share (0–1) of the sample in no group
    silhouette, davies_bouldin, calinski_harabasz, validity : see :class:`facette.models.clusters.quality.Measures`
    jaccard    : per group in the method's order, and stability their mean;  rand : between resamples; see
                 :class:`facette.models.clusters.stability.Stability`
    smallest   : share of the sample in the smallest group
    effect     : how strongly the groups differ in the project's KPI, ε² or η² (0–1)
    seconds    : that choosing parameters and fitting took
    remark     : why there are no groups; nothing is measured then
    """

    method: str
    parameters: Parameters = {}
    rows: int
    clusters: int = 0
    noise: float | None = None
    silhouette: float | None = None
    davies_bouldin: float | None = None
    calinski_harabasz: float | None = None
    validity: float | None = None
    jaccard: tuple[float, ...] = ()
    stability: float | None = None
    rand: float | None = None
    smallest: float | None = None
    effect: float | None = None
    seconds: float
    is_published: bool = False
    remark: str = ""


class Cluster(_Data):
    """One group over all the profiles given to the fit. Means are of the features that are no texts; None: never known.

    stability : its mean Jaccard index over resamples
    """

    number: int
    size: int
    share: float
    means: dict[str, float | None]
    stability: float | None = None


class Place(_Data):
    """A profile on the map of the first two principal components."""

    x: float
    y: float
    number: int


class Fate(_Data):
    """What became of the members of a group of the previous fit: shares of them per new number; 0 is in no group."""

    number: int
    size: int
    into: dict[int, float]


class Shift(_Data):
    """The previous fit and this one, on the same profiles.

    rows  : profiles;  moved : share (0–1) of them whose group has another number now
    fates : of every group of the previous fit, by number
    """

    rows: int
    moved: float
    fates: tuple[Fate, ...]


class ClustersMetrics(_Data):
    """How groups were chosen and what they look like.

    rows, sampled      : profiles given, and profiles drawn to fit on
    method, objective  : the method published, and by what it was taken of those in ``comparison``
    clusters, noise    : groups, and share of all profiles in none
    trials, suggested  : of the method published: parameters tried, and what each way to choose a number suggests
    silhouette, davies_bouldin : of the groups published
    explained_variance : share per principal component, all of them; the first ``components`` are kept
    profile            : the groups, by number, those merged together
    map                : a sample of at most 3,000 profiles
    dendrogram         : of an agglomerative method
    shift              : since the previous fit, if there was one that can be applied
    """

    rows: int
    sampled: int
    method: str
    objective: str
    clusters: int
    noise: float
    trials: tuple[Trial, ...]
    suggested: dict[str, int]
    silhouette: float
    davies_bouldin: float
    explained_variance: tuple[float, ...]
    components: int
    profile: tuple[Cluster, ...]
    map: tuple[Place, ...]
    comparison: tuple[Compared, ...]
    dendrogram: Dendrogram | None = None
    shift: Shift | None = None


class FittedClusters(Fitted):
    """Groups that any profile can be put into.

    numbers  : what the groups are called, in the assigner's order; never 0
    merge    : number → the number of the group that it is part of
    assigner : which group a profile is in
    """

    numbers: tuple[int, ...]
    merge: dict[int, int] = Field(default_factory=dict)
    assigner: Assigner
    metrics: ClustersMetrics

    @property
    def names(self) -> tuple[int, ...]:
        """What profiles of each of the assigner's groups get: its number, or that of the group it is part of."""
        return tuple(self.merge.get(number, number) for number in self.numbers)

    def output(self, features: ir.Table) -> ir.IntegerColumn:
        """The number of each row's group (int64), or 0 if it is in none. Unknown values count as the fit's medians.

        An expression for centres and mixtures: 1,000,000 rows × 20 features × 8 groups take DuckDB about 2 seconds on 2
        cores. The other kinds are applied by batches of rows, in DuckDB only.
        """
        found = self.assigner.expression(self.preparation.expressions(features), self.names)
        if found is not None:
            return found.cast("int64")
        identity = hashlib.sha256(self.parameters_json().encode()).hexdigest()[:16]
        names, levels = self.preparation.features, self.preparation.levels
        numbers = {name: number_of(features[name], levels.get(name, ())) for name in names}
        return from_batches(f"clusters_{identity}", self._numbers_of, numbers, names, output="int64")

    def rows(self, features: pa.Table) -> np.ndarray:
        """The same as :meth:`output`, of a table in memory: int64, one per row."""
        return self._numbers_of(self.preparation.matrix(features))

    def _numbers_of(self, matrix: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore"):
            matrix = np.where(np.abs(matrix) <= LARGEST, matrix, np.nan)
        places = self.assigner.groups(self.preparation.transform(matrix))
        return np.array([*self.names, NOBODY], dtype=np.int64)[places]
