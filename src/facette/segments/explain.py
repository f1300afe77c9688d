"""Why a profile is or is not in a segment: the rule as a tree with what each condition saw, and when it will flip.

Verdicts come from the same compiled expressions as the memberships, so an explanation cannot disagree with the run.
What time alone will do is found by asking the same question for every later moment at which an answer could change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import ibis.expr.types as ir

from facette.clock import CALENDAR_UNITS, Moment
from facette.definitions.language import tree
from facette.warehouse.compiler import compile_rule
from facette.warehouse.moments import Moments

NEAR_DAYS = 35
"""Midnights asked about one by one where a number of days since something takes part."""

MOST_MOMENTS = 400
"""Give up after this many later moments; the explanation then says until when it looked."""


@dataclass
class Reason:
    """One condition of a rule, as it stands for one profile.

    kind       : and | or | not | condition | segment
    text       : the condition as people write it
    is_met     : the verdict
    value      : what was seen (conditions only)
    changes_at : the instant at which the verdict flips if nothing happens (None: not by itself)
    items      : the conditions inside
    """

    kind: str
    text: str
    is_met: bool
    value: Any = None
    changes_at: datetime | None = None
    items: list[Reason] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """For JSON: dates and instants as ISO text."""
        return {
            "kind": self.kind,
            "text": self.text,
            "is_met": self.is_met,
            "value": self.value.isoformat() if isinstance(self.value, date) else self.value,
            "changes_at": self.changes_at and self.changes_at.isoformat(),
            "items": [item.as_dict() for item in self.items],
        }


@dataclass(frozen=True)
class Explanation:
    """The tree of reasons, and how far ahead was looked for changes by time alone (None: all there are)."""

    reason: Reason
    looked_until: datetime | None


RowsAt = Callable[[Moments], ir.Table]
"""The profile's wide row as it would be at each moment if nothing happened in between; profile_id is the position."""


def explain(
    rule: tree.Rule,
    rules: Mapping[str, tree.Checked],
    rows_at: RowsAt,
    moments: Moments,
    *,
    print_rule: Callable[[tree.Rule], str],
) -> Explanation:
    """Explain a checked rule for one profile.

    rules      : the segments it may refer to; their conditions are shown inside
    moments    : now, then every later moment at which an answer could change (see :func:`turning_points`)
    print_rule : how conditions are shown
    """
    nodes = list(_nodes(rule, rules))
    columns = sorted({column.name for column in map(_column, nodes) if column})
    asked = replace(moments, moments=moments.moments[: MOST_MOMENTS + 1])
    answers = _ask(nodes, columns, rules, rows_at(asked), asked)
    verdicts = [answers[0][f"n{index}"] for index in range(len(nodes))]
    values = {column: answers[0][f"v_{column}"] for column in columns}
    flips: dict[int, datetime] = {}
    for moment, answer in zip(asked.moments, answers, strict=True):
        for index, verdict in enumerate(verdicts):
            if answer[f"n{index}"] != verdict:
                flips.setdefault(index, moment.local)
    by_node = {id(node): index for index, node in enumerate(nodes)}

    def build(node: tree.Rule) -> Reason:
        index = by_node[id(node)]
        inside = _inside(node, rules)
        kind = {tree.And: "and", tree.Or: "or", tree.Not: "not", tree.InSegment: "segment"}.get(type(node), "condition")
        column = _column(node)
        value = values[column.name] if column else None
        return Reason(
            kind, print_rule(node), verdicts[index], value, flips.get(index), [build(item) for item in inside]
        )

    is_cut_short = len(asked.moments) < len(moments.moments)
    return Explanation(build(rule), asked.moments[-1].local if is_cut_short else None)


def turning_points(
    rules: Iterable[tree.Rule],
    aggregates: Iterable[tree.Aggregate],
    events: Iterable[Mapping[str, Any]],
    row: Mapping[str, Any],
    moment: Moment,
    cuts: Iterable[float] = (),
) -> list[Moment]:
    """The later moments at which time alone could change an answer about one profile, ascending.

    rules      : every rule that is asked about (with those it refers to)
    aggregates : the aggregates behind its columns
    events     : the profile's visible events: event, and their columns
    row        : the profile's wide row now
    cuts       : the cuts of quantile scores
    """
    days: set[date] = set()
    instants: set[datetime] = set()
    events = list(events)
    for aggregate in aggregates:
        mine = [event for event in events if event["event"] == aggregate.event]
        for leaf in _leaves(aggregate.where) if aggregate.where is not None else ():
            days |= {day for event in mine for day in _leaf_days(leaf, event, moment)}
            instants |= {at for event in mine for at in _leaf_instants(leaf, event)}
        windows = [(aggregate.window, mine)]
        for leaf in _leaves(aggregate.where) if aggregate.where is not None else ():
            if isinstance(leaf, tree.Followed):
                others = [event for event in events if event["event"] == leaf.next.event]
                windows += [(tree.InTheLast(leaf.delay.amount, leaf.delay.unit), mine), (leaf.next.window, others)]
                for inner in _leaves(leaf.next.where) if leaf.next.where is not None else ():
                    days |= {day for event in others for day in _leaf_days(inner, event, moment)}
                    instants |= {at for event in others for at in _leaf_instants(inner, event)}
        for window, those in windows:
            for event in those:
                days |= set(_window_days(window, event["day"]))
                instants |= set(_window_instants(window, event["at"]))
    for leaf in (leaf for rule in rules for leaf in _leaves(rule)):
        days |= set(_leaf_days(leaf, row, moment))
        instants |= set(_leaf_instants(leaf, row))
    recent = [a for a in aggregates if a.function == "recency"]
    if recent:  # a number of days since grows at every midnight; what it is compared with tells which ones matter
        days |= {moment.today + timedelta(days=n) for n in range(1, NEAR_DAYS + 1)}  # it may also sit in a score
        thresholds = {int(number) for rule in rules for leaf in _leaves(rule) for number in _numbers(leaf)}
        thresholds |= {int(cut) for cut in cuts}
        for aggregate in recent:
            latest = max((e["day"] for e in events if e["event"] == aggregate.event), default=None)
            if latest is not None:
                days |= {latest + timedelta(days=n + extra) for n in thresholds if 0 <= n < 3660 for extra in (0, 1)}
    later = {moment.start_of(day) for day in days if day > moment.today}
    later |= {_ceil5(at + extra) for at in instants for extra in (timedelta(0), timedelta(minutes=5))}
    return [Moment(at, moment.zone, at) for at in sorted(later) if at > moment.as_of]


def _ask(
    nodes: list[tree.Rule], columns: list[str], rules: Mapping[str, tree.Checked], rows: ir.Table, moments: Moments
) -> list[dict[str, Any]]:
    """The verdict of every node and the value of every column, at each moment, in one query."""
    verdicts = {f"n{index}": compile_rule(_expanded(node, rules), rows, moments) for index, node in enumerate(nodes)}
    values = {f"v_{column}": rows[column] for column in columns}
    answers = rows.select("profile_id", **verdicts, **values).to_pyarrow().to_pylist()
    return sorted(answers, key=lambda answer: answer["profile_id"])


def _expanded(node: tree.Rule, rules: Mapping[str, tree.Checked]) -> tree.Rule:
    """The rule with segments replaced by their rules."""
    match node:
        case tree.InSegment(segment):
            return _expanded(rules[segment].rule, rules)  # type: ignore[arg-type]
        case tree.And(items):
            return tree.And(tuple(_expanded(item, rules) for item in items))
        case tree.Or(items):
            return tree.Or(tuple(_expanded(item, rules) for item in items))
        case tree.Not(item):
            return tree.Not(_expanded(item, rules))
    return node


def _inside(node: tree.Rule, rules: Mapping[str, tree.Checked]) -> tuple[tree.Rule, ...]:
    match node:
        case tree.And(items) | tree.Or(items):
            return items
        case tree.Not(item):
            return (item,)
        case tree.InSegment(segment):
            return (rules[segment].rule,)  # type: ignore[return-value]
    return ()


def _nodes(node: tree.Rule, rules: Mapping[str, tree.Checked]) -> Iterator[tree.Rule]:
    yield node
    for item in _inside(node, rules):
        yield from _nodes(item, rules)


def _leaves(node: tree.Rule) -> Iterator[tree.Rule]:
    match node:
        case tree.And(items) | tree.Or(items):
            for item in items:
                yield from _leaves(item)
        case tree.Not(item):
            yield from _leaves(item)
        case _:
            yield node


def _column(node: tree.Rule) -> tree.Column | None:
    """The column that a condition looks at."""
    left = getattr(node, "left", None)
    return left if isinstance(left, tree.Column) else None


def _literals(leaf: tree.Rule) -> tuple[tree.Literal_, ...]:
    match leaf:
        case tree.Compare(_, _, right):
            return (right,)
        case tree.OneOf(_, values):
            return values
        case tree.Between(_, low, high):
            return (low, high)
    return ()


def _numbers(leaf: tree.Rule) -> Iterator[float]:
    for literal in _literals(leaf):
        if isinstance(literal, tree.Number):
            yield literal.value


def _leaf_days(leaf: tree.Rule, row: Mapping[str, Any], moment: Moment) -> Iterator[date]:
    """The days on which a condition on a date's or an instant's age, or on a relative day, could change."""
    column = _column(leaf)
    seen = row.get(column.name) if column else None
    if seen is None or not isinstance(seen, date):
        return
    day = Moment(seen, moment.zone).today if isinstance(seen, datetime) else seen
    window = (leaf.window,) if isinstance(leaf, tree.FirstIn) else ()
    for literal in (*_literals(leaf), *window):
        match literal:
            case tree.Duration(amount, unit) | tree.InTheLast(amount, unit) if unit in CALENDAR_UNITS:
                yield _day_reached(day, amount, unit)
                yield _day_out(day, amount, unit)
            case tree.RelativeDay(back) | tree.Since(tree.RelativeDay(back)) | tree.Before(tree.RelativeDay(back)):
                yield day + timedelta(days=back)
                yield day + timedelta(days=back + 1)


def _leaf_instants(leaf: tree.Rule, row: Mapping[str, Any]) -> Iterator[datetime]:
    column = _column(leaf)
    seen = row.get(column.name) if column else None
    if not isinstance(seen, datetime):
        return
    window = (leaf.window,) if isinstance(leaf, tree.FirstIn) else ()
    for literal in (*_literals(leaf), *window):
        if isinstance(literal, tree.Duration | tree.InTheLast) and literal.unit not in CALENDAR_UNITS:
            yield seen + _clock(literal.amount, literal.unit)
            yield seen + _clock(literal.amount + 1, literal.unit)


def _window_days(window: tree.Window | None, day: date) -> Iterator[date]:
    """The days on which a window could gain or lose an event of a day."""
    match window:
        case tree.InTheLast(amount, unit) if unit in CALENDAR_UNITS:
            yield _day_out(day, amount, unit)
        case tree.Before(tree.RelativeDay(ago)) | tree.Since(tree.RelativeDay(ago)):
            yield day + timedelta(days=ago + 1)
        case tree.BetweenDays(first, last):
            for end in (first, last):
                if isinstance(end, tree.RelativeDay):
                    yield day + timedelta(days=end.days_ago)
                    yield day + timedelta(days=end.days_ago + 1)


def _window_instants(window: tree.Window | None, at: datetime) -> Iterator[datetime]:
    if isinstance(window, tree.InTheLast) and window.unit not in CALENDAR_UNITS:
        yield at + _clock(window.amount, window.unit)


def _day_reached(day: date, amount: int, unit: str) -> date:
    """The first day on which ``day`` is that long ago: for 28 February and a month 28 March, and on until 31."""
    reached = day + timedelta(days={"day": 1, "week": 7, "month": 28, "year": 365}[unit] * amount)
    while _ago(reached, amount, unit) < day:
        reached += timedelta(days=1)
    return reached


def _day_out(day: date, amount: int, unit: str) -> date:
    """The first day on which a window of that length no longer reaches back to ``day``."""
    return _day_reached(day + timedelta(days=1), amount, unit)


def _ago(today: date, amount: int, unit: str) -> date:
    return Moment(datetime(today.year, today.month, today.day, tzinfo=UTC)).day_ago(amount, unit)


def _clock(amount: int, unit: str) -> timedelta:
    return timedelta(minutes=amount * {"minute": 1, "hour": 60}[unit])


def _ceil5(at: datetime) -> datetime:
    floor = at.replace(minute=at.minute - at.minute % 5, second=0, microsecond=0)
    return floor if floor == at else floor + timedelta(minutes=5)
