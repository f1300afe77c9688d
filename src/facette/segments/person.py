"""One profile with its events: its wide row at any moment, and what its columns are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ibis.expr.types as ir

from facette.clock import Moment
from facette.definitions import model
from facette.definitions.language import tree
from facette.features.partials import by_event, prepare
from facette.features.table import FeaturePlan, feature_table, needed
from facette.segments.regions import Domain
from facette.warehouse.moments import Moments

ENDS = {"hour": (0, 23), "weekday": (1, 7)}
"""The least and the greatest of what every event has."""


@dataclass(frozen=True)
class Person:
    """What is known of one profile.

    profile : its row of the profiles
    events  : kind → its events, of every kind that the plan's aggregates and their sequences name
    plan    : the features that are asked about
    cuts    : of the quantile scores
    outputs : column that a model gives → function from wide rows to its value, each after those it reads
    inputs  : the same column → the columns that the model reads
    """

    profile: ir.Table
    events: Mapping[str, ir.Table]
    plan: FeaturePlan
    cuts: Mapping[str, tuple[float, ...]]
    outputs: Mapping[str, Callable[[ir.Table], ir.Value]]
    inputs: Mapping[str, Sequence[str]]

    def rows_at(self, moments: Moments) -> ir.Table:
        """The wide row at each moment if nothing happened in between; profile_id is the position of the moment."""
        spread = {event: moments.spread(table) for event, table in self.events.items()}
        partials = {
            event: prepare(spread[event], group, moments, spread)
            for event, group in by_event(self.plan.aggregates).items()
        }
        rows = feature_table(moments.spread(self.profile), partials, self.plan, moments, self.cuts)
        for name, make in self.outputs.items():
            rows = rows.mutate(**{name: make(rows)})
        return rows

    def roots(self) -> dict[str, str]:
        """Feature → the column that it is another name of."""
        defaults = {item.name: item.default for item in self.plan.features if isinstance(item, model.Feature)}
        found: dict[str, str] = {}
        for name, value in self.plan.values.items():
            if isinstance(value, tree.Column) and defaults[name] is None:
                found[name] = found.get(value.name, value.name)
        return found

    def aggregates_behind(self, column: str) -> list[str]:
        """The aggregates that a column is computed from, in whatever depth."""
        return list(needed(self.plan, {column}).aggregates)

    def domain(self, column: tree.Column, row: ir.Table, moment: Moment) -> Domain:
        """The values that a column of the wide row can have."""
        is_whole = row[column.name].type().is_integer()
        aggregate = self.plan.aggregates.get(column.name)
        if aggregate is not None:
            return _domain_of(aggregate, column.type, is_whole, moment)
        features = [item for item in self.plan.features if isinstance(item, model.Feature)]
        feature = next((each for each in features if each.name == column.name), None)
        can_be_unknown = feature is None or feature.default is None
        if feature is not None and feature.quantiles:
            return Domain("number", True, can_be_unknown, 1, feature.quantiles.groups)
        if feature is not None and feature.cuts:
            return Domain("number", True, can_be_unknown, 1, len(feature.cuts.at) + 1)
        return Domain(column.type, is_whole, can_be_unknown, is_given=column.name in self.outputs)


def _domain_of(aggregate: tree.Aggregate, value_type: tree.ValueType, is_whole: bool, moment: Moment) -> Domain:
    match aggregate.function:
        case "count" | "distinct":
            return Domain("number", True, False, least=0)
        case "sum":
            return Domain("number", is_whole, False)
        case "avg":
            return Domain("number")
        case "recency":
            return Domain("number", True, least=0)
    least, most = ENDS.get(aggregate.of or "", (None, None))
    ends: dict[str | None, Any] = {"at": moment.as_of, "day": moment.today}
    return Domain(value_type, is_whole, True, least, ends.get(aggregate.of, most))
