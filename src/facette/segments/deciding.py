"""Which events made an aggregate what it is: those it counts, the one it takes, the pair that makes a sequence.

The events are chosen by the same expressions as the aggregates, so none is shown that did not take part.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import ibis.expr.types as ir

from facette.clock import Moment
from facette.definitions.language import next_name, tree
from facette.features.aggregates import algebra
from facette.features.partials import Aggregates, by_event
from facette.features.sequences import candidates, key_of, nexts_in, with_next
from facette.segments.trees import leaves
from facette.warehouse.compiler import When, compile_rule, in_window, visible

MOST_EVENTS = 1000
"""Of more events the latest are told, and how many there are."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Follower:
    """The event that comes first after another one, of those that a sequence asks for."""

    event: str
    event_id: str
    at: datetime
    source: str | None


@dataclass(frozen=True)
class Cause:
    """One event that took part, and what it brought.

    at    : local
    value : of the property that is aggregated, None where the events themselves are counted
    """

    event_id: str
    at: datetime
    source: str | None
    value: Any = None
    followed_by: Follower | None = None


@dataclass(frozen=True)
class Decisive:
    """The events that decided one aggregate, latest first.

    aggregate : as people write it
    event     : their kind
    property  : what is aggregated of them, None where they are counted or the days since are
    value     : of the aggregate
    n_events  : how many they are; no more than ``MOST_EVENTS`` of them are in ``events``
    """

    aggregate: str
    event: str
    property: str | None
    value: Any
    n_events: int
    events: tuple[Cause, ...]


def decisive_events(
    aggregates: Aggregates,
    written: Mapping[str, str],
    tables: Mapping[str, ir.Table],
    row: Mapping[str, Any],
    moment: Moment,
) -> dict[str, Decisive]:
    """Column → the events that decided it, for each aggregate of one profile.

    written : column → the aggregate as people write it
    tables  : kind → the events of this profile, of every kind that aggregates and their sequences name
    row     : the profile's wide row; the least, the greatest are looked up in it
    cost    : one query for each kind of event and for each sequence
    """
    found: dict[str, Decisive] = {}
    for kind, group in by_event(aggregates).items():
        followers = _followers(group, tables, moment)
        taking_part = _taking_part(kind, group, tables, moment)
        for column, aggregate in group.items():
            mine = [event for event in taking_part if event[f"_in_{column}"]]
            chosen = _chosen(aggregate, mine, row[column])
            followed = followed_in(aggregate)
            causes = [
                _cause(event, aggregate, followed, followers, moment) for event in chosen[: -MOST_EVENTS - 1 : -1]
            ]
            found[column] = Decisive(
                written[column], kind, aggregate.of, _plain(row[column], moment), len(chosen), tuple(causes)
            )
    return found


def _taking_part(kind: str, aggregates: Aggregates, tables: Mapping[str, ir.Table], moment: Moment) -> list[Row]:
    """The events of a kind, earliest first, and for each aggregate whether they take part in it."""
    events = with_next(tables[kind], kind, nexts_in(aggregates.values()), tables, moment)
    events = events.filter(visible(events, moment))
    flags = {f"_in_{column}": takes_part(aggregate, events, moment) for column, aggregate in aggregates.items()}
    keys = {f"_key_{name}": key_of(events, following.on) for name, following in nexts_in(aggregates.values()).items()}
    rows: list[Row] = events.mutate(**flags, **keys).to_pyarrow().to_pylist()
    return sorted(rows, key=lambda row: (row["at"], row["event_id"]))


def takes_part(aggregate: tree.Aggregate, events: ir.Table, moment: When) -> ir.BooleanValue:
    """Whether events count for an aggregate; they carry when what follows comes (:func:`with_next`)."""
    parts = [visible(events, moment)]
    if aggregate.window is not None:
        parts.append(in_window(aggregate.window, events, moment))
    if aggregate.where is not None:
        parts.append(compile_rule(aggregate.where, events, moment))
    if aggregate.of is not None:
        read = algebra(aggregate).read
        of = events[aggregate.of]
        parts.append((read(of) if read else of).notnull())
    return functools.reduce(operator.and_, parts)


def _chosen(aggregate: tree.Aggregate, events: list[Row], value: Any) -> list[Row]:
    """Of the events that take part, earliest first, those that decide: all, or the one that was taken."""
    match aggregate.function:
        case "min" | "max":
            return [event for event in events if event[aggregate.of or ""] == value][:1]
        case "first":
            return events[:1]
        case "last" | "recency":
            return events[-1:]
    return events


def followed_in(aggregate: tree.Aggregate) -> tree.Followed | None:
    """The sequence that an aggregate counts the beginnings of, where it asks for something that does follow."""
    found = (leaf for leaf in leaves(aggregate.where) if isinstance(leaf, tree.Followed) and not leaf.is_absent)
    return next(found, None)


Followers = dict[str, dict[datetime, list[tuple[Follower, Any]]]]
"""What a sequence asks for → instant → the events then, in the order of their ids, with what must be equal of them."""


def _followers(aggregates: Aggregates, tables: Mapping[str, ir.Table], moment: Moment) -> Followers:
    found: Followers = {}
    for name, following in nexts_in(aggregates.values()).items():
        events = candidates(tables[following.event], following, moment)
        events = events.select("event_id", "at", "source", key=key_of(events, following.other))
        rows = sorted(events.to_pyarrow().to_pylist(), key=lambda row: row["event_id"])
        at: dict[datetime, list[tuple[Follower, Any]]] = {}
        for row in rows:
            follower = Follower(following.event, row["event_id"], Moment(row["at"], moment.zone).local, row["source"])
            at.setdefault(row["at"], []).append((follower, row["key"]))
        found[name] = at
    return found


def _cause(
    event: Row, aggregate: tree.Aggregate, followed: tree.Followed | None, followers: Followers, moment: Moment
) -> Cause:
    follower = None
    if followed is not None:
        name = next_name(followed.next)
        itself = event["event_id"] if followed.next.event == aggregate.event else None
        then = followers[name][event[f"{name}__at"]]
        key = event[f"_key_{name}"]
        follower = next(other for other, its in then if other.event_id != itself and its == key)
    value = None if aggregate.of is None else _plain(event[aggregate.of], moment)
    at = Moment(event["at"], moment.zone).local
    return Cause(event["event_id"], at, event["source"], value, follower)


def _plain(value: date | Any, moment: Moment) -> Any:
    """Instants in the project's time zone, everything else as it is."""
    return Moment(value, moment.zone).local if isinstance(value, datetime) else value
