"""The batch functions on a world, on any engine: the tables that rules are evaluated on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

import ibis.expr.types as ir

from facette.definitions.language.tree import Aggregate, Checked
from facette.definitions.language.vocabulary import Vocabulary
from facette.features.partials import by_event, prepare
from facette.features.table import FeaturePlan, feature_table
from facette.warehouse.engines import REFUSED
from facette.warehouse.moments import Moments
from tests.differential.worlds import World
from tests.warehouses import Engine


def asked_of(engine: Engine, node: Any) -> Any:
    """A random rule or value in which another function stands for those that the engine refuses."""
    if isinstance(node, tuple):
        return tuple(asked_of(engine, item) for item in node)
    if not is_dataclass(node) or isinstance(node, type):
        return node
    if isinstance(node, Aggregate) and node.function in REFUSED.get(engine.con.name, ()):
        node = replace(node, function="last")
    return replace(node, **{f.name: asked_of(engine, getattr(node, f.name)) for f in fields(node) if f.init})


def lifted(checked: Mapping[str, Checked]) -> dict[str, Aggregate]:
    """Column → aggregate, of all rules."""
    return {name: aggregate for each in checked.values() for name, aggregate in each.aggregates.items()}


def wide_row(
    world: World, names: Vocabulary, checked: Mapping[str, Checked], engine: Engine, moments: Moments | None = None
) -> ir.Table:
    """profile_id, traits, and the aggregates of the rules; with ``moments``, of one person at each of them."""
    return features(world, names, FeaturePlan(lifted(checked), (), {}), engine, moments)


def features(
    world: World,
    names: Vocabulary,
    plan: FeaturePlan,
    engine: Engine,
    moments: Moments | None = None,
    cuts: Mapping[str, tuple[float, ...]] | None = None,
) -> ir.Table:
    """The feature table of a world, with the tables it is made from kept on the engine, as a run keeps them."""
    tables = {event: engine.put(event, table) for event, table in world.tables(names).items()}
    profiles = engine.put("profiles", world.profiles(names))
    if moments is not None:
        tables = {event: moments.spread(table) for event, table in tables.items()}
        profiles = moments.spread(profiles)
    moment = moments or world.moment
    partials = {
        event: engine.keep(f"partials_{event}", prepare(tables[event], group, moment, tables))
        for event, group in by_event(plan.aggregates).items()
    }
    return engine.keep("features", feature_table(profiles, partials, plan, moment, cuts or {}))
