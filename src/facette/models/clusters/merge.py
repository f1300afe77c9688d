"""Groups that people have merged: what is said of them together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from facette.definitions.models import ClustersModel, merged_ends
from facette.errors import ModelError
from facette.models.clusters.fit import learned_from
from facette.models.clusters.fitted import Cluster, FittedClusters
from facette.models.clusters.quality import measures
from facette.models.clusters.space import space_of
from facette.models.matrix import in_order


def merged(model: ClustersModel, fitted: FittedClusters, features: pa.Table) -> FittedClusters:
    """The fit with the groups that the model merges, measured again with them.

    features : everybody, as for the fit
    A number that no group has merges nothing. The stability of groups that are merged is the mean of theirs, by their
    members: what they lose to each other counts against it. Raises ModelError if one group alone is left.
    """
    present = set(fitted.numbers)
    ends = {group: into for group, into in merged_ends(model.merge).items() if group in present and into in present}
    if not ends:
        return fitted
    fitted = fitted.model_copy(update={"merge": ends})
    if len(set(fitted.names)) < 2:
        raise ModelError(f"“{model.name}” merges all groups into one.", remedy="Take groups off `merge`.")
    features = in_order(features, "profile_id")
    raw = fitted.preparation.matrix(features)
    rows = learned_from(model, features, len(raw))
    numbers = fitted.rows(features)
    space = space_of(fitted.preparation.transform(raw[rows]), model.variance)
    found = measures(space.points, np.unique(numbers[rows], return_inverse=True)[1] - int((numbers[rows] == 0).any()))
    metrics = fitted.metrics.model_copy(
        update={
            "clusters": len(set(fitted.names)),
            "silhouette": found.silhouette if found else 0.0,
            "davies_bouldin": found.davies_bouldin if found else 0.0,
            "profile": _together(fitted, raw, numbers),
            "map": tuple(
                place.model_copy(update={"number": ends.get(place.number, place.number)})
                for place in fitted.metrics.map
            ),
        }
    )
    return fitted.model_copy(update={"metrics": metrics})


def absent(model: ClustersModel, fitted: FittedClusters) -> list[int]:
    """The numbers that the model merges and that no group has."""
    return sorted({*model.merge, *model.merge.values()} - set(fitted.numbers))


def _together(fitted: FittedClusters, raw: np.ndarray, numbers: np.ndarray) -> tuple[Cluster, ...]:
    parts: dict[int, list[Cluster]] = {}
    for item in fitted.metrics.profile:
        parts.setdefault(fitted.merge.get(item.number, item.number), []).append(item)
    return tuple(
        items[0] if len(items) == 1 else _one(number, items, fitted.preparation.features, raw[numbers == number])
        for number, items in sorted(parts.items())
    )


def _one(number: int, items: Sequence[Cluster], features: Sequence[str], raw: np.ndarray) -> Cluster:
    """A group made of several. raw : of its members × features"""
    size = sum(item.size for item in items)
    known = [item.stability for item in items if item.stability is not None]
    means: dict[str, float | None] = {}
    for feature in items[0].means:
        values = raw[:, features.index(feature)]
        values = values[~np.isnan(values)]
        means[feature] = float(values.mean()) if len(values) else None
    return Cluster(
        number=number,
        size=size,
        share=sum(item.share for item in items),
        means=means,
        stability=float(np.average(known, weights=[max(item.size, 1) for item in items]))
        if len(known) == len(items)
        else None,
    )
