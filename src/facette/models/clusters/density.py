"""Groups as dense places: DBSCAN (Ester et al. 1996) and HDBSCAN (Campello, Moulavi, Sander 2013).

Both look in at most five dimensions, as distances in many are all alike, and leave profiles in no group.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from facette.definitions.models import ClusterMethod, ClustersModel
from facette.errors import ModelError
from facette.models.clusters.assigners import DIGITS, NONE, Neighbours, matrix
from facette.models.clusters.family import Chosen, Family, Parameters
from facette.models.clusters.search import Range, searched
from facette.models.clusters.space import Space

ROWS = 10_000  # kept with the model, or most of them
WIDTH = 5


def choose_dbscan(space: Space, method: ClusterMethod, model: ClustersModel) -> Chosen:
    """Twice as many points as dimensions make a core (Sander et al. 1998), within the knee of the distances."""
    points = space.points
    usual_points = method.minimum_points or max(4, 2 * points.shape[1])
    knee = method.radius or knee_distance(points, usual_points)
    usual: Parameters = {"radius": knee, "minimum_points": usual_points}
    ranges: dict[str, Range] = {}
    if method.radius is None:
        ranges["radius"] = (knee / 4, knee * 2)
    if method.minimum_points is None:
        ranges["minimum_points"] = (2, 4 * usual_points)
    return searched(space, model, fit_dbscan, ranges if len(ranges) > 1 else {}, usual)


def fit_dbscan(space: Space, parameters: Parameters, seed: int) -> Neighbours:
    """The core points are kept; whoever is within the radius of one is in the group of the nearest."""
    from sklearn.cluster import DBSCAN  # noqa: PLC0415

    radius = float(parameters["radius"])
    found = DBSCAN(eps=radius, min_samples=int(parameters["minimum_points"])).fit(space.points)
    core = found.core_sample_indices_
    labels = found.labels_[core]
    return _neighbours(space, core, labels, np.full(int(labels.max(initial=NONE)) + 1, radius))


def knee_distance(points: np.ndarray, neighbours: int) -> float:
    """Where the sorted distances to the so-many-th neighbour bend: farthest below the line from the least to the
    largest (Satopää et al. 2011, Kneedle). Above 0: where all have as many copies, the least distance of two points."""
    from scipy.spatial import KDTree  # noqa: PLC0415

    count = min(neighbours, len(points))
    distances = np.sort(KDTree(points).query(points, count)[0].reshape(len(points), -1)[:, -1])
    positive = distances[distances > 0]
    if not len(positive):
        different = np.unique(points, axis=0)
        if len(different) < 2:
            raise ModelError("All profiles are the same.", remedy="Choose features that vary.")
        return float(KDTree(different).query(different, 2)[0][:, 1].min())
    chord = np.linspace(distances[0], distances[-1], len(distances))
    return float(max(distances[int(np.argmax(chord - distances))], positive[0]))


def choose_hdbscan(space: Space, method: ClusterMethod, model: ClustersModel) -> Chosen:
    _hdbscan()  # whether it is there is to be known before the search
    n = len(space.prepared)
    usual_size = method.minimum_size or max(5, n // 50)
    usual_points = method.minimum_points or max(2, min(usual_size, 10))
    ranges: dict[str, Range] = {}
    if method.minimum_size is None:
        ranges["minimum_size"] = (max(5, n // 200), max(10, n // 8))
    if method.minimum_points is None:
        ranges["minimum_points"] = (2, 30)
    usual: Parameters = {"minimum_size": usual_size, "minimum_points": usual_points}
    return searched(space, model, fit_hdbscan, ranges, usual)


def fit_hdbscan(space: Space, parameters: Parameters, seed: int) -> Neighbours:
    """All points are kept; whoever is no farther from the nearest than its group's members are from each other is in
    its group."""
    size = min(int(parameters["minimum_size"]), len(space.prepared) - 1)
    found = _hdbscan()(min_cluster_size=size, min_samples=int(parameters["minimum_points"]), reproducible=True)
    labels = found.fit(space.points).labels_
    return _neighbours(space, np.arange(len(labels)), labels, _spacing(space.points, labels))


def _hdbscan() -> Any:
    try:
        from fast_hdbscan import HDBSCAN  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ModelError(
            "hdbscan needs the library fast_hdbscan, which is not installed.",
            remedy="Install it with `pip install 'facette[models]'`, or leave out the method.",
        ) from error
    return HDBSCAN


def _spacing(points: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Per group the largest distance of a member to the nearest other one."""
    from scipy.spatial import KDTree  # noqa: PLC0415

    members = [points[labels == group] for group in range(int(labels.max(initial=NONE)) + 1)]
    return np.array([KDTree(some).query(some, 2)[0][:, 1].max() for some in members])


def _neighbours(space: Space, rows: np.ndarray, labels: np.ndarray, radii: np.ndarray) -> Neighbours:
    if not len(radii):
        raise ModelError("No place is denser than the others.", remedy="Choose other features, or other methods.")
    return Neighbours(
        components=matrix(space.components),
        offsets=tuple(space.offsets.tolist()),
        kept=matrix(space.points[rows].round(DIGITS)),
        groups_kept=tuple(labels.tolist()),
        radii=tuple(radii.tolist()),
    )


def _at_share(parameters: Parameters, share: float) -> Parameters:
    """Fewer profiles are less dense: the same places are dense with fewer points within the same radius."""
    scaled = {name: max(2, round(float(value) * share)) for name, value in parameters.items() if name != "radius"}
    return parameters | scaled


DBSCAN_FAMILY = Family(choose_dbscan, fit_dbscan, rows=ROWS, resampled=ROWS, width=WIDTH, at_share=_at_share)
HDBSCAN_FAMILY = Family(choose_hdbscan, fit_hdbscan, rows=ROWS, resampled=ROWS, width=WIDTH, at_share=_at_share)
