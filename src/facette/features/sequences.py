"""Sequences: what comes after an event, as two more columns of it, so that THEN is a condition on one event.

Of the events that may follow one, the first decides: whatever the delay, if the first is too late all are. It does not
depend on the delay, so rules that differ in nothing else share it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass

import ibis
import ibis.expr.types as ir

from facette.definitions.language import next_name, tree
from facette.warehouse.compiler import When, compile_rule, in_window, visible

EventTables = Mapping[str, ir.Table]
"""Event → all its events."""


def nexts_in(aggregates: Iterable[tree.Aggregate]) -> dict[str, tree.Next]:
    """Column prefix → what is to be found after each event, of all sequences in the aggregates' conditions."""
    return {
        next_name(followed.next): followed.next
        for aggregate in aggregates
        if aggregate.where is not None
        for followed in _followed_in(aggregate.where)
    }


def with_next(
    events: ir.Table, name: str, nexts: Mapping[str, tree.Next], tables: EventTables, moment: When
) -> ir.Table:
    """The events of one kind with, for each ``next``, when it comes.

    events  : profile_id, event_id, at, … of the kind ``name``, any part of them
    tables  : all events of every kind that is named
    returns : the same, with <next>__at and <next>__day (local), null where nothing follows
    cost    : one sort of both kinds of event for each ``next``
    """
    for prefix, following in nexts.items():
        found = _first_after(events, candidates(tables[following.event], following, moment), name, following)
        found = found.select(
            _profile="profile_id",
            _event="event_id",
            **{f"{prefix}__at": found.next_at, f"{prefix}__day": found.next_day},
        )
        same = [events.profile_id == found._profile, events.event_id == found._event]
        events = events.left_join(found, same).drop("_profile", "_event")
    return events


def candidates(events: ir.Table, following: tree.Next, moment: When) -> ir.Table:
    """The events that may follow another one: known by now, in the window, and what ``where`` says."""
    return events.filter(is_candidate(events, following, moment))


def is_candidate(events: ir.Table, following: tree.Next, moment: When) -> ir.BooleanValue:
    condition = visible(events, moment)
    if following.window is not None:
        condition &= in_window(following.window, events, moment)
    if following.where is not None:
        condition &= compile_rule(following.where, events, moment)
    return condition


def _first_after(events: ir.Table, others: ir.Table, name: str, following: tree.Next) -> ir.Table:
    """profile_id, event_id, next_at, next_day: the first of ``others`` at the same instant or later, never the event.

    At each instant the others are put before the events, so that what comes after an event in the order is strictly
    later; those at the same instant are counted apart. Where a property must be equal, each of its values is on its
    own, and an unknown one equals nothing.
    """
    keys = ["profile_id", "event_id", "at", "day"]
    first = events.select(*keys, _key=key_of(events, following.on), is_other=ibis.literal(False))
    second = others.select(*keys, _key=key_of(others, following.other), is_other=ibis.literal(True))
    second = second.filter(second._key.notnull())
    alone = ["profile_id", "_key"]
    row = ibis.union(first, second)
    at = ibis.ifelse(row.is_other, row["at"], ibis.null(row["at"].type()))
    day = ibis.ifelse(row.is_other, row["day"], ibis.null("date"))
    itself = ibis.ifelse(row.is_other, row.event_id, ibis.null("string"))
    later = ibis.window(group_by=alone, order_by=["at", ibis.desc("is_other")], rows=(1, None))
    beside = ibis.window(group_by=[*alone, "at"])
    # An event can be among those at its own instant; it is the only one there if the least and greatest id are its own.
    least, greatest = itself.min().over(beside), itself.max().over(beside)
    others_beside = greatest.notnull()
    if following.event == name:
        others_beside &= (least != row.event_id) | (greatest != row.event_id)
    row = row.mutate(
        next_at=ibis.ifelse(others_beside, row["at"], at.min().over(later)),
        next_day=ibis.ifelse(others_beside, row["day"], day.min().over(later)),
    )
    return row.filter(~row.is_other).drop("is_other", "at", "day", "_key")


def key_of(events: ir.Table, name: str | None) -> ir.Value:
    """What must be equal of both events, texts in any case; the same of all if nothing must."""
    if name is None:
        return ibis.literal(True)
    column = events[name]
    if column.type().is_string():
        return column.lower()
    return column.cast("float64") if column.type().is_numeric() else column


def _followed_in(node: object) -> Iterator[tree.Followed]:
    if isinstance(node, tree.Followed):
        yield node
    elif isinstance(node, tuple):
        for item in node:
            yield from _followed_in(item)
    elif is_dataclass(node):
        for field in fields(node):
            yield from _followed_in(getattr(node, field.name))
