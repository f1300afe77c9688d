"""The feature table: one wide row per counted profile, at a moment."""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import ibis
import ibis.expr.types as ir

from facette.definitions import model
from facette.definitions.language import tree
from facette.definitions.project import Definitions
from facette.features.partials import finalize
from facette.warehouse.compiler import When, compile_value

Feature = model.Feature | model.Threshold
"""What is a column of the feature table: a threshold is one that is the same for everybody."""


@dataclass(frozen=True)
class FeaturePlan:
    """What to compute, in an order in which everything is there when it is needed.

    aggregates : column → aggregate (features that are one aggregate, and anonymous ones of values and rules)
    features   : features and thresholds, in dependency order
    values     : the checked value of each feature that has one
    rules      : the segments that thresholds are about, and those they refer to, in dependency order
    """

    aggregates: Mapping[str, tree.Aggregate]
    features: tuple[Feature, ...]
    values: Mapping[str, tree.Operand]
    rules: Mapping[str, tree.Checked] = field(default_factory=dict)


def feature_plan(definitions: Definitions) -> FeaturePlan:
    """The features of a project in the order in which they can be computed."""
    known: dict[str, Feature] = {item.name: item for item in definitions.project.features}
    known |= {item.name: item for item in definitions.project.thresholds}
    about = {
        item.quantile.segment for item in definitions.project.thresholds if item.quantile and item.quantile.segment
    }
    return FeaturePlan(
        definitions.aggregates,
        tuple(known[name] for name in definitions.order),
        {name: cast(tree.Operand, checked.rule) for name, checked in definitions.values.items()},
        definitions.rules_below(about),
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
    cuts     : the cuts of each quantile score, ascending, and the value of each threshold if it is known
               (see :func:`facette.features.thresholds.cuts_at`)
    returns  : profile_id, traits, aggregates, features, thresholds (the same for all)
    """
    table = _aggregated(profiles, partials, plan, moment)
    for group in _levels(plan):
        table = table.mutate(**{feature.name: _feature(feature, plan, table, cuts) for feature in group})
    return table


def recomputed(
    table: ir.Table, plan: FeaturePlan, cuts: Mapping[str, Sequence[ir.NumericValue]], others: Iterable[str] = ()
) -> ir.Table:
    """Other cuts, which may be columns of the table: these scores and thresholds anew, and all that read them.

    table  : as :func:`feature_table` makes it, and columns with the cuts
    others : columns that are not as they were either
    """
    changed = {*cuts, *others}
    for feature in plan.features:
        if isinstance(feature, model.Threshold):
            column = cuts[feature.name][0].cast("float64") if feature.name in cuts else None
        elif feature.quantiles and feature.name in cuts:
            by = feature.quantiles
            column = _score(table[by.of], cuts[feature.name], by.groups if by.reverse else None)
            column = column if feature.default is None else column.fill_null(feature.default)
        elif inputs(feature, plan) & changed and not feature.quantiles:
            column = _feature(feature, plan, table, {})
        else:
            column = None
        if column is not None:
            changed.add(feature.name)
            table = table.mutate(**{feature.name: column})
    return table


def needed(plan: FeaturePlan, columns: Iterable[str], *, is_fitted: bool = False) -> FeaturePlan:
    """The part of a plan that the given columns depend on.

    is_fitted : the cuts are there already, so that what thresholds are computed from is not needed
    """
    wanted = set(columns)
    for feature in reversed(plan.features):
        if feature.name in wanted and not (is_fitted and isinstance(feature, model.Threshold)):
            wanted |= inputs(feature, plan)
    return FeaturePlan(
        {name: aggregate for name, aggregate in plan.aggregates.items() if name in wanted},
        tuple(feature for feature in plan.features if feature.name in wanted),
        {name: value for name, value in plan.values.items() if name in wanted},
        {name: checked for name, checked in plan.rules.items() if name in wanted},
    )


def inputs(feature: Feature, plan: FeaturePlan) -> frozenset[str]:
    """The columns a feature reads, or a threshold is computed from, with the segments that choose its members."""
    if isinstance(feature, model.Feature):
        of = scored(feature)
        return columns_in(plan.values[feature.name]) if of is None else frozenset({of})
    found = {feature.of}
    if feature.quantile and feature.quantile.segment:
        found.add(feature.quantile.segment)
        for name in reversed([*plan.rules]):
            if name in found:
                checked = plan.rules[name]
                found |= checked.columns | checked.segments | checked.aggregates.keys()
    return frozenset(found)


def scored(feature: Feature) -> str | None:
    """The column that a feature is a score of; None if it is not a score."""
    score = (feature.quantiles or feature.cuts) if isinstance(feature, model.Feature) else None
    return score.of if score else None


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


def _feature(feature: Feature, plan: FeaturePlan, table: ir.Table, cuts: Mapping[str, tuple[float, ...]]) -> ir.Value:
    if isinstance(feature, model.Threshold):
        (value,) = cuts.get(feature.name) or (None,)
        # As text, for engines read a number with a point as a decimal, which would make decimals of what it meets.
        return ibis.null("float64") if value is None else ibis.literal(repr(float(value))).cast("float64")
    if feature.quantiles:
        by = feature.quantiles
        column = _score(table[by.of], cuts.get(feature.name, ()), by.groups if by.reverse else None)
    elif feature.cuts:
        column = _score(
            table[feature.cuts.of], feature.cuts.at, len(feature.cuts.at) + 1 if feature.cuts.reverse else None
        )
    else:
        column = compile_value(plan.values[feature.name], table)
    return column if feature.default is None else column.fill_null(feature.default)


def _score(of: ir.NumericValue, cuts: Sequence[float | ir.NumericValue], reversed_from: int | None) -> ir.IntegerValue:
    """1 and one more for each cut below the value, or that from ``reversed_from`` down; unknown if the value is."""
    above = [ibis.ifelse(of > cut, 1, 0) for cut in cuts]
    score = functools.reduce(operator.add, above, ibis.literal(1, "int64")).cast("int64")
    if reversed_from is not None:
        score = (reversed_from + 1 - score).cast("int64")
    return ibis.ifelse(of.notnull(), score, ibis.null("int64"))


def _levels(plan: FeaturePlan) -> list[list[Feature]]:
    """Features grouped so that each group reads only columns of earlier ones: one SELECT per group."""
    depth: dict[str, int] = {}
    groups: dict[int, list[Feature]] = {}
    for feature in plan.features:
        reads = inputs(feature, plan) if isinstance(feature, model.Feature) else ()
        depth[feature.name] = 1 + max((depth.get(name, 0) for name in reads), default=0)
        groups.setdefault(depth[feature.name], []).append(feature)
    return [groups[level] for level in sorted(groups)]
