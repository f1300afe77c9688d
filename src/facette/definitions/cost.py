"""What features will cost, foretold from their definitions: rows read, bytes held, live or not, and each later run.

A run makes the state of all aggregates over one kind of event together (see ``features/partials.py``), so rows belong
to kinds of events; bytes and liveness belong to features.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from facette.clock import CALENDAR_UNITS, DAYS_AS_BITS, days_at_most
from facette.definitions.language import tree
from facette.definitions.language.vocabulary import BUILT_IN_PROPERTIES
from facette.definitions.project import Definitions

LIST = 16
"""Bytes of the place of a text, or of a set, in a column in memory; what it holds comes on top."""

WIDTHS: Mapping[tree.ValueType, int] = {"text": LIST, "number": 8, "boolean": 1, "date": 4, "instant": 8}
SUM, COUNT, INSTANT, ID = 16, 8, WIDTHS["instant"], LIST


@dataclass(frozen=True, slots=True)
class History:
    """What is published of one kind of event.

    rows     : events
    profiles : that have such an event
    days     : from the first to the last, both included
    """

    rows: int
    profiles: int
    days: int


@dataclass(frozen=True, slots=True)
class FeatureCost:
    """One feature or threshold.

    events            : the kinds that it is computed from, through other features too
    bytes_per_profile : of the state kept for its own aggregates
    bytes_per_event   : by which that grows with every event that takes part, where a set or a list is kept
    """

    name: str
    events: tuple[str, ...]
    bytes_per_profile: int
    bytes_per_event: int
    is_live: bool
    reason: str


@dataclass(frozen=True, slots=True)
class EventCost:
    """All aggregates over one kind of event. What depends on how many events there are is None before a run.

    aggregates  : how many
    also_read   : kinds that sequences look for
    n_edges     : places in time at which an event enters or leaves a window, or changes a condition on its age, so that
                  those who have one there are computed anew; sums, short sets of days and recencies need none of that
    rows        : read when everything is computed anew, those of ``also_read`` among them
    memory_bytes: of the state of everybody; at most, where sets are kept
    recomputed_share : profiles, of those with such an event, that a run a day later computes anew: 1 − exp(−edges ·
                       events per profile and day), as if events came evenly (Poisson). The state of the others is
                       merged with that of what is new.
    """

    event: str
    aggregates: int
    also_read: tuple[str, ...]
    n_edges: int
    rows: int | None = None
    memory_bytes: int | None = None
    recomputed_share: float | None = None


def costs(definitions: Definitions, history: Mapping[str, History] | None = None) -> dict[str, Any]:
    """What ``lint`` and ``plan`` show: ``features`` and ``events``, as plain data."""
    return {
        "features": [asdict(item) for item in feature_costs(definitions)],
        "events": [asdict(item) for item in event_costs(definitions, history or {})],
    }


def feature_costs(definitions: Definitions) -> list[FeatureCost]:
    """Every feature and threshold, in the order in which they are computed."""
    found = []
    reads: dict[str, set[str]] = {}
    for name in definitions.order:
        checked = definitions.values.get(name)
        aggregates = [*checked.aggregates.values()] if checked else []
        reads[name] = {event for aggregate in aggregates for event in kinds_of(aggregate)}
        reads[name].update(*(reads.get(column, set()) for column in _columns(name, checked, definitions)))
        live = definitions.live[name]
        fixed, growing = state_bytes(aggregates, definitions)
        found.append(FeatureCost(name, tuple(sorted(reads[name])), fixed, growing, live.is_live, live.reason))
    return found


def _columns(name: str, checked: tree.Checked | None, definitions: Definitions) -> frozenset[str]:
    """What a feature or threshold reads of the wide row."""
    if checked is not None:
        return checked.columns
    if name in definitions.vocabulary.thresholds:
        return frozenset({definitions.threshold(name).of})
    score = definitions.feature(name).quantiles or definitions.feature(name).cuts
    return frozenset({score.of} if score else ())


def event_costs(definitions: Definitions, history: Mapping[str, History]) -> list[EventCost]:
    """Every kind of event that anything is computed from.

    history : kind → what is published of it; may lack any
    """
    groups: dict[str, list[tree.Aggregate]] = {}
    for aggregate in definitions.aggregates.values():
        groups.setdefault(aggregate.event, []).append(aggregate)
    return [_event_cost(event, group, definitions, history) for event, group in sorted(groups.items())]


def _event_cost(
    event: str, aggregates: list[tree.Aggregate], definitions: Definitions, history: Mapping[str, History]
) -> EventCost:
    also = sorted({kind for aggregate in aggregates for kind in kinds_of(aggregate)} - {event})
    edges = len(tree.durations([aggregate for aggregate in aggregates if not _is_rolled(aggregate)]))
    there = history.get(event)
    if there is None or not there.profiles:
        return EventCost(event, len(aggregates), tuple(also), edges)
    fixed, growing = state_bytes(aggregates, definitions)
    memory = there.profiles * (INSTANT + fixed) + there.rows * growing
    daily = there.rows / there.profiles / there.days
    rows = there.rows + sum(history[kind].rows for kind in also if kind in history)
    return EventCost(event, len(aggregates), tuple(also), edges, rows, memory, 1 - math.exp(-edges * daily))


def kinds_of(aggregate: tree.Aggregate) -> set[str]:
    """The kinds of events that an aggregate reads: its own, and those that follow in its sequences."""
    return {aggregate.event, *_following(aggregate.where)}


def _following(rule: tree.Rule | None) -> set[str]:
    match rule:
        case tree.And(items) | tree.Or(items):
            return set().union(*map(_following, items))
        case tree.Not(item):
            return _following(item)
        case tree.Followed(following):
            return {following.event}
    return set()


def state_bytes(aggregates: Iterable[tree.Aggregate], definitions: Definitions) -> tuple[int, int]:
    """Bytes that the states of aggregates take in memory: of each profile, and by each event that takes part."""
    fixed = growing = 0
    for aggregate in aggregates:
        each, more = _state(aggregate, _type_of(aggregate, definitions))
        fixed, growing = fixed + each, growing + more
    return fixed, growing


def _type_of(aggregate: tree.Aggregate, definitions: Definitions) -> tree.ValueType:
    if aggregate.of is None:
        return "number"
    declared = definitions.vocabulary.events[aggregate.event].properties
    return (declared.get(aggregate.of) or BUILT_IN_PROPERTIES[aggregate.of]).type


def _state(aggregate: tree.Aggregate, of: tree.ValueType) -> tuple[int, int]:
    width = WIDTHS[of]
    match aggregate.function:
        case "count":
            return COUNT, 0
        case "sum":
            return SUM, 0
        case "avg" | "opening":
            return SUM + COUNT, 0
        case "first" | "last" if aggregate.of != "at":
            return width + INSTANT + ID, 0
        case "mode":
            return LIST, width + INSTANT
        case "distinct":
            return (COUNT, 0) if _is_bits(aggregate) else (LIST, width)
        case "recency":
            return WIDTHS["date"], 0
    return width, 0


def _is_rolled(aggregate: tree.Aggregate) -> bool:
    """Whether time alone never makes a run compute it anew (see ``features/rolling.py``)."""
    if aggregate.function in ("count", "sum", "avg"):
        return not _following(aggregate.where)
    window = aggregate.window
    is_in_days = isinstance(window, tree.InTheLast) and window.unit in CALENDAR_UNITS
    is_dated = aggregate.function == "recency" or (aggregate.function == "distinct" and _is_bits(aggregate))
    return is_dated and is_in_days and not tree.durations(aggregate.where)


def _is_bits(aggregate: tree.Aggregate) -> bool:
    window = aggregate.window
    if aggregate.of != "day" or not isinstance(window, tree.InTheLast):
        return False
    return days_at_most(window.amount, window.unit) <= DAYS_AS_BITS
