"""Partials and features: events become mergeable state, and state one wide table."""

from __future__ import annotations

from collections.abc import Mapping

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from facette.clock import Moment
from facette.features.partials import by_event, kinds_needed, prepare, texts_in
from facette.features.rolling import Grown, roll
from facette.features.table import feature_table
from facette.features.thresholds import cuts_at, how
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
            texts = texts_in(everything, aggregates)
            table = prepare(everything, aggregates, work.moment, work.events_of(aggregates), texts)
        else:
            events = {kind: _grown(kind, work) for kind in {event, *kinds_needed(aggregates)}}
            table = roll(previous, events, work.changed(), aggregates, work.previous.moment, work.moment)
        rows += work.replace(name, table)
    work.draft.note(pending_from=_pending_from(work))
    return rows


def _grown(event: str, work: Work) -> Grown:
    old = work.events_before(event)
    return Grown(old, work.arrived.get(event, old.limit(0)))


def _pending_from(work: Work) -> str:
    """The instant at which the next event or record begins to count; empty if all do. Files that tell are not read."""
    columns: dict[str, tuple[str, ...]] = {
        f"events_{event}": ("at", "known_at") for event in work.definitions.vocabulary.events
    }
    columns |= {f"records_{source}": ("known_at",) for source in work.records()}
    instants = []
    for name, dues in columns.items():
        spans = [work.store.span(work.draft.snapshot, name, column) for column in dues]
        if not all(span and span[1] <= work.moment.as_of for span in spans):
            table = work.table(name)
            due = ibis.greatest(*(table[column] for column in dues))
            instants.append(_first_after(table, due, work.moment))
    return min((first for first in instants if first), default="")


def _first_after(table: ir.Table, due: ir.TimestampValue, moment: Moment) -> str:
    """The instant at which the next event or record begins to count; empty if all do."""
    first = table.filter(due > moment.as_of).aggregate(first=due.min()).to_pyarrow().to_pylist()[0]["first"]
    return first.isoformat() if first else ""


def features(step: Step, work: Work) -> int:
    """``profiles`` and partials → ``features``, and the cuts of scores; thresholds → ``thresholds``."""
    profiles = work.table("profiles")
    plan = work.plan_of_features
    states = {event: work.table(f"partials_{event}") for event in by_event(plan.aggregates)}
    cuts = cuts_at(profiles, states, plan, work.moment, work.past.rows_at)
    work.draft.note(cuts=cuts)
    _keep_thresholds(cuts, work)
    return work.replace("features", feature_table(profiles, states, plan, work.moment, cuts))


THRESHOLDS = pa.schema(
    [
        ("name", pa.string()),
        ("value", pa.float64()),
        ("computed_at", pa.timestamp("us", "UTC")),
        ("run", pa.string()),
        ("how", pa.string()),
    ]
)


def _keep_thresholds(cuts: Mapping[str, tuple[float, ...]], work: Work) -> None:
    """Add what the thresholds are now to what they were; where time goes back, what came later is forgotten."""
    before = work.optional("thresholds")
    if before is not None and work.previous is not None and work.previous.moment.as_of > work.moment.as_of:
        work.replace("thresholds", before.filter(before.computed_at <= work.moment.as_of))
    rows = [
        {
            "name": threshold.name,
            "value": (*cuts[threshold.name], None)[0],
            "computed_at": work.moment.as_of,
            "run": work.draft.run,
            "how": how(threshold),
        }
        for threshold in work.project.thresholds
    ]
    if rows:
        work.draft.append(work.con, "thresholds", pa.Table.from_pylist(rows, schema=THRESHOLDS))
