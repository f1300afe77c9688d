"""The batch engine on a world: traits and aggregates as the wide row that rules are evaluated on."""

from __future__ import annotations

from collections.abc import Mapping

import ibis.expr.types as ir

from facette.definitions.language.tree import Aggregate, Checked
from facette.definitions.language.vocabulary import Vocabulary
from facette.features.partials import by_event, prepare
from facette.features.table import FeaturePlan, feature_table
from facette.warehouse.moments import Moments
from tests.differential.worlds import World


def lifted(checked: Mapping[str, Checked]) -> dict[str, Aggregate]:
    """Column → aggregate, of all rules."""
    return {name: aggregate for each in checked.values() for name, aggregate in each.aggregates.items()}


def wide_row(
    world: World, names: Vocabulary, checked: Mapping[str, Checked], moments: Moments | None = None
) -> ir.Table:
    """profile_id, traits, and the aggregates of the rules; with ``moments``, of one person at each of them."""
    aggregates, tables, profiles = lifted(checked), world.tables(names), world.profiles(names)
    if moments is not None:
        tables = {event: moments.spread(table) for event, table in tables.items()}
        profiles = moments.spread(profiles)
    moment = moments or world.moment
    partials = {event: prepare(tables[event], group, moment, tables) for event, group in by_event(aggregates).items()}
    return feature_table(profiles, partials, FeaturePlan(aggregates, (), {}), moment, {})
