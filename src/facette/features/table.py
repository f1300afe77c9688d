"""The feature table: one wide row per counted profile, at a moment."""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import cast

import ibis
import ibis.expr.types as ir
import numpy as np

from facette.clock import Moment
from facette.definitions import model
from facette.definitions.language import tree
from facette.definitions.project import Definitions
from facette.features.partials import finalize
from facette.warehouse.compiler import When, compile_value


@dataclass(frozen=True)
class FeaturePlan:
    """What to compute, in an order in which everything is there when it is needed.

    aggregates : column → aggregate (features that are one aggregate, and anonymous ones of values and rules)
    features   : features in dependency order
    values     : the checked value of each feature that has one
    """

    aggregates: Mapping[str, tree.Aggregate]
    features: tuple[model.Feature, ...]
    values: Mapping[str, tree.Operand]


def feature_plan(definitions: Definitions) -> FeaturePlan:
    """The features of a project in the order in which they can be computed."""
    return FeaturePlan(
        definitions.aggregates,
        tuple(definitions.feature(name) for name in definitions.features),
        {name: cast(tree.Operand, checked.rule) for name, checked in definitions.values.items()},
    )


def feature_table(
    profiles: ir.Table,
    partials: Mapping[str, ir.Table],
    plan: FeaturePlan,
    moment: When,
    cuts: Mapping[str, tuple[float, ...]],
) -> ir.Table:
    """Every trait, aggregate and feature of every counted profile.

    profiles : profile_id, is_counted, traits …
    partials : event → its partials
    cuts     : the quantile cuts of each quantile score, ascending (see :func:`quantile_cuts`)
    returns  : profile_id, traits, aggregates, features
    """
    table = _aggregated(profiles, partials, plan, moment)
    for group in _levels(plan):
        table = table.mutate(**{feature.name: _feature(feature, plan, table, cuts) for feature in group})
    return table


def quantile_cuts(
    profiles: ir.Table, partials: Mapping[str, ir.Table], plan: FeaturePlan, moment: Moment
) -> dict[str, tuple[float, ...]]:
    """The cuts of every quantile score over the counted profiles at a moment, ascending: ``groups - 1`` of them.

    Runs queries: a score may be built on another. Unknown values take no part; no known value at all gives no cuts.
    Cost: the scored columns come into memory, 8 bytes for each value.
    """
    cuts: dict[str, tuple[float, ...]] = {}
    scored = [feature for feature in plan.features if feature.quantiles]
    while len(cuts) < len(scored):
        ready = [f for f in scored if f.name not in cuts and _quantile_inputs(f, plan) <= cuts.keys()]
        table = feature_table(profiles, partials, _restricted(plan, ready), moment, cuts)
        asked = {feature.name: feature.quantiles for feature in ready if feature.quantiles}
        columns = {name: table[score.of].cast("float64") for name, score in asked.items()}
        values = table.select(**columns).to_pyarrow()
        cuts |= {name: _cuts(values[name].drop_null().to_numpy(), score.groups) for name, score in asked.items()}
    return cuts


def _cuts(values: np.ndarray, groups: int) -> tuple[float, ...]:
    """Where ``groups`` parts of equal size meet: Hyndman & Fan, Sample Quantiles in Statistical Packages (1996), 7.

    Positions are whole numbers and a rest, so that a cut on a value, or between two equal ones, is exactly that value:
    engines round here, and everybody at the cut would change score from one run to the next.
    """
    values = np.sort(values)
    cuts = []
    for i in range(1, groups) if len(values) else ():
        place, rest = divmod(i * (len(values) - 1), groups)
        low, high = float(values[place]), float(values[min(place + 1, len(values) - 1)])
        cuts.append(low + (high - low) * rest / groups)
    return tuple(cuts)


def needed(plan: FeaturePlan, columns: Iterable[str]) -> FeaturePlan:
    """The part of a plan that the given columns depend on."""
    wanted = set(columns)
    for feature in reversed(plan.features):
        if feature.name in wanted:
            wanted |= _inputs(feature, plan)
    return FeaturePlan(
        {name: aggregate for name, aggregate in plan.aggregates.items() if name in wanted},
        tuple(feature for feature in plan.features if feature.name in wanted),
        {name: value for name, value in plan.values.items() if name in wanted},
    )


def columns_in(value: tree.Operand) -> frozenset[str]:
    """The columns a checked value reads."""
    match value:
        case tree.Column(name):
            return frozenset({name})
        case tree.Arithmetic(_, left, right):
            return columns_in(left) | columns_in(right)
    return frozenset()


def _aggregated(profiles: ir.Table, partials: Mapping[str, ir.Table], plan: FeaturePlan, moment: When) -> ir.Table:
    """Counted profiles with their traits and one column per aggregate."""
    table = profiles.filter(profiles.is_counted).drop("is_counted")
    kept = list(table.columns)
    by_event: dict[str, dict[str, tree.Aggregate]] = {}
    for column, aggregate in plan.aggregates.items():
        by_event.setdefault(aggregate.event, {})[column] = aggregate
    values: dict[str, ir.Value] = {}
    for event in by_event:
        right = partials[event].rename({f"_{event}": "profile_id"})
        table = table.left_join(right, table.profile_id == right[f"_{event}"])
    for aggregates in by_event.values():
        values |= finalize(table, aggregates, moment)
    return table.select(*kept, **values)


def _feature(
    feature: model.Feature, plan: FeaturePlan, table: ir.Table, cuts: Mapping[str, tuple[float, ...]]
) -> ir.Value:
    if feature.quantiles is None:
        column = compile_value(plan.values[feature.name], table)
    else:
        of = table[feature.quantiles.of]
        above = [ibis.ifelse(of > cut, 1, 0) for cut in cuts.get(feature.name, ())]
        score = functools.reduce(operator.add, above, ibis.literal(1, "int64")).cast("int64")
        if feature.quantiles.reverse:
            score = (feature.quantiles.groups + 1 - score).cast("int64")
        column = ibis.ifelse(of.notnull(), score, ibis.null("int64"))
    return column if feature.default is None else column.fill_null(feature.default)


def _inputs(feature: model.Feature, plan: FeaturePlan) -> frozenset[str]:
    return columns_in(plan.values[feature.name]) if feature.quantiles is None else frozenset({feature.quantiles.of})


def _levels(plan: FeaturePlan) -> list[list[model.Feature]]:
    """Features grouped so that each group reads only columns of earlier ones: one SELECT per group."""
    depth: dict[str, int] = {}
    groups: dict[int, list[model.Feature]] = {}
    for feature in plan.features:
        depth[feature.name] = 1 + max((depth.get(name, 0) for name in _inputs(feature, plan)), default=0)
        groups.setdefault(depth[feature.name], []).append(feature)
    return [groups[level] for level in sorted(groups)]


def _quantile_inputs(feature: model.Feature, plan: FeaturePlan) -> set[str]:
    """The quantile scores that this one is built on."""
    part = _restricted(plan, [feature])
    return {other.name for other in part.features if other.quantiles}


def _restricted(plan: FeaturePlan, scored: list[model.Feature]) -> FeaturePlan:
    """What the inputs of these quantile scores need, without the scores themselves."""
    return needed(plan, {feature.quantiles.of for feature in scored if feature.quantiles})
