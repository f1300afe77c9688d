"""Groups keep their numbers from one fit to the next, by the profiles that they share; and what moved all the same."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from facette.errors import ModelError
from facette.models.clusters.assigners import NONE
from facette.models.clusters.fitted import NOBODY, Fate, FittedClusters, Shift
from facette.models.clusters.stability import crossed, jaccard

LARGE_SHIFT = 0.2
"""Share of profiles from which on a shift is told as a warning."""


def match_numbers(previous: FittedClusters, fitted: FittedClusters, features: pa.Table) -> FittedClusters:
    """The new fit, with each group called what the group of the previous fit was called that is most like it.

    features : everybody, with the features of both fits
    Both fits are applied to the same profiles. Pairs are chosen together so that their Jaccard indices (members in both
    / members in either) add up to the most (Kuhn 1955); a group without a member in common with its partner, or
    without a partner, takes a number that the previous fit did not use. If the previous fit cannot be applied to the
    table, the new one keeps its own numbers. Groups that were merged are matched one by one, so that a merge means the
    same groups from fit to fit. ``metrics.shift`` says who changed.
    """
    try:
        before = _unmerged(previous).rows(features)
    except ModelError:
        return fitted
    now = fitted.rows(features)
    old, new = _places(before, previous.numbers), _places(now, fitted.numbers)
    renamed = _partners(jaccard(old, new, len(previous.numbers)), previous.numbers, fitted.numbers)
    return with_shift(previous, _renumbered(fitted, renamed), features)


def with_shift(previous: FittedClusters, fitted: FittedClusters, features: pa.Table) -> FittedClusters:
    """The new fit, telling who is in another group than by the previous one; as it is if that cannot be applied."""
    try:
        before = previous.rows(features)
    except ModelError:
        return fitted
    shift = _shift(before, fitted.rows(features), previous.names, fitted.names)
    return fitted.model_copy(update={"metrics": fitted.metrics.model_copy(update={"shift": shift})})


def _unmerged(fitted: FittedClusters) -> FittedClusters:
    return fitted.model_copy(update={"merge": {}})


def _places(numbers: np.ndarray, names: tuple[int, ...]) -> np.ndarray:
    """Number → its place among the names; NOBODY → NONE."""
    places = np.full(max(names) + 1, NONE)
    places[list(names)] = np.arange(len(names))
    return places[numbers]


def _partners(likeness: np.ndarray, previous: tuple[int, ...], now: tuple[int, ...]) -> dict[int, int]:
    """New number → the number that it gets."""
    from scipy.optimize import linear_sum_assignment  # noqa: PLC0415

    likeness = np.pad(likeness, ((0, 0), (0, len(now) - likeness.shape[1])))  # groups that nobody is in
    old, new = linear_sum_assignment(likeness, maximize=True)
    renamed = {now[j]: previous[i] for i, j in zip(old, new, strict=True) if likeness[i, j] > 0}
    fresh = max(previous)
    for number in sorted(set(now) - set(renamed)):
        fresh += 1
        renamed[number] = fresh
    return renamed


def _renumbered(fitted: FittedClusters, renamed: dict[int, int]) -> FittedClusters:
    profile = [item.model_copy(update={"number": renamed[item.number]}) for item in fitted.metrics.profile]
    places = [item.model_copy(update={"number": renamed.get(item.number, NOBODY)}) for item in fitted.metrics.map]
    metrics = fitted.metrics.model_copy(
        update={"profile": tuple(sorted(profile, key=lambda item: item.number)), "map": tuple(places)}
    )
    return fitted.model_copy(
        update={"numbers": tuple(renamed[number] for number in fitted.numbers), "metrics": metrics}
    )


def _shift(before: np.ndarray, now: np.ndarray, previous: tuple[int, ...], numbers: tuple[int, ...]) -> Shift:
    highest = max(*previous, *numbers)
    counted = crossed(before - 1, now - 1, highest)
    fates = []
    for number in sorted(set(previous)):
        row, size = counted[number], int(counted[number].sum())
        into = {int(place): float(row[place] / size) for place in np.argsort(-row, kind="stable") if row[place]}
        fates.append(Fate(number=number, size=size, into=into))
    return Shift(rows=len(now), moved=float((before != now).mean()) if len(now) else 0.0, fates=tuple(fates))
