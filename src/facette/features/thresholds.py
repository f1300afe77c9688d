"""Numbers that follow the population: the cuts of quantile scores, and thresholds, computed anew for every moment.

Everything here comes from what was known at a moment, so a threshold of the past is the one that would have been
computed then. Values are sorted or summed exactly, so that the same ones give the same number to the last digit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from fractions import Fraction
from typing import cast

import ibis
import ibis.expr.types as ir
import jenkspy
import numpy as np

from facette.clock import Moment
from facette.definitions import model
from facette.definitions.language import tree
from facette.features.table import Feature, FeaturePlan, feature_table, inputs, needed, scored
from facette.warehouse.compiler import compile_rule

RowsAt = Callable[[FeaturePlan, Moment], ir.Table]
"""The feature table of a plan at an earlier moment, from what was known then."""

MOST_VALUES = 5_000
"""Values among which natural breaks are searched, a search that takes the square of their number; of more, as many are
taken at even steps of their order."""


def cuts_at(
    profiles: ir.Table, partials: Mapping[str, ir.Table], plan: FeaturePlan, moment: Moment, rows_at: RowsAt
) -> dict[str, tuple[float, ...]]:
    """The cuts of every quantile score, ascending, and the value of every threshold, over the counted profiles.

    rows_at : for moving averages, which look at earlier moments
    returns : score → its cuts, ``groups - 1`` of them; threshold → its value; nothing where no value is known

    Runs queries: one may be built on another. Unknown values take no part. Cost: the columns asked for come into
    memory, 8 bytes for each value; a moving average of n days computes its feature n times.
    """
    cuts: dict[str, tuple[float, ...]] = {}
    waiting = [feature for feature in plan.features if is_fitted(feature)]
    while waiting:
        ready = [feature for feature in waiting if _fitted_below(feature, plan) <= cuts.keys()]
        waiting = [feature for feature in waiting if feature not in ready]
        together = [feature for feature in ready if not _is_average(feature)]
        if together:
            values = _values(profiles, partials, plan, together, moment, cuts)
            cuts |= {feature.name: _cuts(feature, values[feature.name]) for feature in together}
        for feature in ready:
            if isinstance(feature, model.Threshold) and feature.moving_average:
                cuts[feature.name] = _moving_average(feature, feature.moving_average.days, plan, moment, rows_at)
    return cuts


def how(threshold: model.Threshold) -> str:
    """How a threshold is computed, in words."""
    if threshold.moving_average:
        return f"mean over {threshold.moving_average.days} days of the mean of {threshold.of}"
    if threshold.cluster:
        return f"cut {threshold.cluster.cut} between {threshold.cluster.groups} natural groups of {threshold.of}"
    assert threshold.quantile is not None
    among = f" in segment {threshold.quantile.segment}" if threshold.quantile.segment else ""
    return f"quantile {threshold.quantile.q} of {threshold.of}{among}"


def natural_breaks(values: np.ndarray, groups: int) -> tuple[float, ...]:
    """The cuts between ``groups`` groups whose values lie least apart (sum of squares within groups).

    W. D. Fisher, On Grouping for Maximum Homogeneity (1958); G. F. Jenks, The Data Model Concept in Statistical Mapping
    (1967). A cut lies midway between the largest value of one group and the smallest of the next.

    returns : ``groups - 1`` cuts, ascending; none if there are fewer different values than groups
    """
    values = np.sort(values)
    if len(values) > MOST_VALUES:
        values = values[[i * (len(values) - 1) // (MOST_VALUES - 1) for i in range(MOST_VALUES)]]
    if len(np.unique(values)) < groups:
        return ()
    largest = jenkspy.jenks_breaks(values, n_classes=groups)[1:-1]
    following = [float(values[np.searchsorted(values, last, side="right")]) for last in largest]
    return tuple(last + (first - last) / 2 for last, first in zip(largest, following, strict=True))


def quantile(values: np.ndarray, share: Fraction) -> float:
    """Where a share of the sorted values ends: Hyndman & Fan, Sample Quantiles in Statistical Packages (1996), 7.

    Positions are whole numbers and a rest, so that a cut on a value, or between two equal ones, is exactly that value:
    engines round here, and everybody at the cut would change sides from one run to the next.
    """
    place, rest = divmod(share * (len(values) - 1), 1)
    low, high = float(values[place]), float(values[min(place + 1, len(values) - 1)])
    return low + (high - low) * rest.numerator / rest.denominator


def is_fitted(feature: Feature) -> bool:
    """Whether something is computed from the population before it is known for anybody."""
    return isinstance(feature, model.Threshold) or feature.quantiles is not None


def _is_average(feature: Feature) -> bool:
    return isinstance(feature, model.Threshold) and feature.moving_average is not None


def _fitted_below(feature: Feature, plan: FeaturePlan) -> set[str]:
    """The scores and thresholds that this one is built on; a moving average on none of today's."""
    if _is_average(feature):
        return set()
    return {other.name for other in _part(plan, [feature]).features if is_fitted(other)}


def _part(plan: FeaturePlan, features: Iterable[Feature]) -> FeaturePlan:
    """What some scores and thresholds are computed from, without themselves."""
    return needed(plan, {name for feature in features for name in inputs(feature, plan)})


def _values(
    profiles: ir.Table,
    partials: Mapping[str, ir.Table],
    plan: FeaturePlan,
    features: list[Feature],
    moment: Moment,
    cuts: Mapping[str, tuple[float, ...]],
) -> dict[str, np.ndarray]:
    """The known values that each score or threshold is computed from, ascending."""
    part = _part(plan, features)
    row = feature_table(profiles, partials, part, moment, cuts)
    for name, checked in part.rules.items():
        row = row.mutate(**{name: compile_rule(cast(tree.Rule, checked.rule), row, moment)})
    columns = {}
    for feature in features:
        of = row[scored(feature) or cast(model.Threshold, feature).of].cast("float64")
        segment = isinstance(feature, model.Threshold) and feature.quantile and feature.quantile.segment
        columns[feature.name] = ibis.ifelse(row[segment], of, ibis.null("float64")) if segment else of
    found = row.select(**columns).to_pyarrow()
    return {name: np.sort(found[name].drop_null().to_numpy()) for name in columns}


def _cuts(feature: Feature, values: np.ndarray) -> tuple[float, ...]:
    if not len(values):
        return ()
    if isinstance(feature, model.Feature):
        assert feature.quantiles is not None
        groups = feature.quantiles.groups
        return tuple(quantile(values, Fraction(i, groups)) for i in range(1, groups))
    if feature.cluster:
        return natural_breaks(values, feature.cluster.groups)[feature.cluster.cut - 1 : feature.cluster.cut]
    assert feature.quantile is not None
    return (quantile(values, Fraction(str(feature.quantile.q))),)


def _moving_average(
    threshold: model.Threshold, days: int, plan: FeaturePlan, moment: Moment, rows_at: RowsAt
) -> tuple[float, ...]:
    """The mean of the means at the ends of the last whole days; a day on which no value is known takes no part."""
    part = needed(plan, {threshold.of})
    means = []
    for ago in range(1, days + 1):
        end = moment.start_of(moment.today - timedelta(days=ago - 1)) - timedelta(microseconds=1)
        row = rows_at(part, Moment(end, moment.zone))
        values = row.select(of=row[threshold.of].cast("float64")).to_pyarrow()["of"].drop_null().to_numpy()
        if len(values):
            means.append(math.fsum(values) / len(values))
    return (math.fsum(means) / len(means),) if means else ()
