"""Partials and features: events become mergeable state, and state one wide table."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from facette.clock import Moment
from facette.features.partials import by_event, kinds_needed, prepare
from facette.features.rolling import Grown, roll
from facette.features.table import feature_table, quantile_cuts
from facette.plan import Step
from facette.stages.work import Work


def partials(step: Step, work: Work) -> int:
    """Events → ``partials_<event>``; only what is new and what time moved, unless they are made anew."""
    rows = 0
    for event, aggregates in by_event(work.definitions.aggregates).items():
        everything = work.events(event)
        name = f"partials_{event}"
        previous = work.optional(name)
        if step.action == "rebuild" or previous is None or work.previous is None:
            table = prepare(everything, aggregates, work.moment, work.events_of(aggregates))
        else:
            events = {kind: _grown(kind, work) for kind in {event, *kinds_needed(aggregates)}}
            table = roll(previous, events, work.changed(), aggregates, work.previous.moment, work.moment)
        rows += work.replace(name, table)
    tables = [work.events(event) for event in work.definitions.vocabulary.events]
    count_from = [(table, ibis.greatest(table["at"], table.known_at)) for table in tables]
    count_from += [(records, records.known_at) for records in work.records().values()]
    instants = [_first_after(table, due, work.moment) for table, due in count_from]
    work.draft.note(pending_from=min((first for first in instants if first), default=""))
    return rows


def _grown(event: str, work: Work) -> Grown:
    old = work.events_before(event)
    return Grown(old, work.arrived.get(event, old.limit(0)))


def _first_after(table: ir.Table, due: ir.TimestampValue, moment: Moment) -> str:
    """The instant at which the next event or record begins to count; empty if all do."""
    first = table.filter(due > moment.as_of).aggregate(first=due.min()).to_pyarrow().to_pylist()[0]["first"]
    return first.isoformat() if first else ""


def features(step: Step, work: Work) -> int:
    """``profiles`` and partials → ``features``, with the cuts of quantile scores."""
    profiles = work.table("profiles")
    plan = work.plan_of_features
    states = {event: work.table(f"partials_{event}") for event in by_event(plan.aggregates)}
    cuts = quantile_cuts(profiles, states, plan, work.moment)
    work.draft.note(cuts=cuts)
    return work.replace("features", feature_table(profiles, states, plan, work.moment, cuts))
