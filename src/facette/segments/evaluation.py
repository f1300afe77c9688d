"""Rules evaluated anew: at a moment, from what was known then, by given definitions, through the functions of a run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import ibis.expr.types as ir

from facette.clock import Moment
from facette.definitions.language import tree
from facette.definitions.project import Definitions
from facette.features.partials import by_event, kinds_needed, prepare
from facette.features.table import FeaturePlan, feature_plan, feature_table, needed
from facette.features.thresholds import RowsAt, cuts_at, is_fitted
from facette.segments.membership import wide_memberships

Fitted = Mapping[str, Mapping[str, Any]]
"""Model → its row of the table ``models``."""


def _no_past(plan: FeaturePlan, moment: Moment) -> ir.Table:
    raise TypeError(f"what is known does not reach back to {moment.as_of}")


@dataclass(frozen=True)
class Known:
    """What is known at a moment.

    profiles : profile_id, is_counted, identifiers, traits; what it has of features and aggregates is not computed again
    events   : event → all its events under today's profile ids, also those not visible at the moment
    fitted   : the models to apply; one that is missing gives no values
    keep     : computes a table once, where it is read several times
    rows_at  : features of earlier moments, for moving averages
    cuts     : those of scores and thresholds, where the profiles are not the whole population; None: computed of them
    """

    moment: Moment
    profiles: ir.Table
    events: Callable[[str], ir.Table]
    fitted: Fitted
    keep: Callable[[ir.Table], ir.Table] = lambda table: table
    rows_at: RowsAt = _no_past
    cuts: Mapping[str, tuple[float, ...]] | None = None


def rule_row(known: Known, definitions: Definitions, rules: Collection[tree.Checked]) -> ir.Table:
    """What rules are evaluated on: one row per counted profile, with every column that they name.

    returns : the columns of ``known.profiles`` but is_counted, and those that the rules need besides
    cost    : one scan of each kind of event that the rules need something of (see :func:`events_scanned`)
    """
    plan = row_plan(known, definitions, rules)
    keep = known.keep if any(map(is_fitted, plan.features)) else lambda table: table
    partials = {
        event: keep(
            prepare(
                known.events(event),
                aggregates,
                known.moment,
                {kind: known.events(kind) for kind in kinds_needed(aggregates)},
            )
        )
        for event, aggregates in by_event(plan.aggregates).items()
    }
    cuts = known.cuts
    if cuts is None:
        cuts = cuts_at(known.profiles, partials, plan, known.moment, known.rows_at)
    row = feature_table(known.profiles, partials, plan, known.moment, cuts)
    for item in definitions.models_behind(columns_of(rules), known.profiles.columns):
        from facette.models.kinds import with_outputs  # noqa: PLC0415

        row = with_outputs(item, known.fitted.get(item.name), row)
    return row


def row_plan(known: Known, definitions: Definitions, rules: Collection[tree.Checked]) -> FeaturePlan:
    """The features and aggregates that :func:`rule_row` computes."""
    columns = definitions.columns_behind(columns_of(rules), known.profiles.columns)
    plan = feature_plan(definitions)
    own = {name: aggregate for rule in rules for name, aggregate in rule.aggregates.items()}
    there = set(known.profiles.columns)
    lacking = FeaturePlan(
        {name: item for name, item in {**plan.aggregates, **own}.items() if name not in there},
        tuple(feature for feature in plan.features if feature.name not in there),
        plan.values,
        plan.rules,
    )
    return needed(lacking, columns - there, is_fitted=known.cuts is not None)


def events_scanned(plan: FeaturePlan) -> set[str]:
    """The kinds of events that computing a plan reads."""
    grouped = by_event(plan.aggregates)
    return set(grouped).union(*(kinds_needed(aggregates) for aggregates in grouped.values()))


def columns_of(rules: Iterable[tree.Checked]) -> set[str]:
    """The columns that rules name, those of their aggregates included."""
    return {name for rule in rules for name in (*rule.columns, *rule.aggregates)}


def rules_below(rules: Mapping[str, tree.Checked], segments: Collection[str]) -> dict[str, tree.Checked]:
    """The rules of some segments and of all that they refer to, in whatever depth, each after those it refers to."""
    wanted = set(segments)
    for name in reversed([*rules]):
        wanted |= rules[name].segments if name in wanted else set()
    return {name: rule for name, rule in rules.items() if name in wanted}


def rules_above(rules: Mapping[str, tree.Checked], segment: str) -> tuple[str, ...]:
    """The segments that refer to a segment, in whatever depth, in order."""
    found = {segment}
    for name, rule in rules.items():
        if rule.segments & found:
            found.add(name)
    return tuple(name for name in rules if name in found - {segment})


def evaluated(known: Known, definitions: Definitions, segments: Collection[str]) -> ir.Table:
    """Some segments by the given definitions: profile_id of every counted profile, one boolean per segment."""
    rules = rules_below(definitions.rules, segments)
    row = rule_row(known, definitions, rules.values())
    return wide_memberships(row, rules, known.moment).select("profile_id", *segments)
