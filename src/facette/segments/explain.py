"""Why a profile is or is not in a segment: the rule as a tree with what each condition saw, and when it will flip.

The verdicts of conditions come from the same compiled expressions as the memberships, so an explanation cannot disagree
with the run. What time alone will do is found by asking the same question for every later moment at which an answer
could change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar

import ibis.expr.types as ir

from facette.clock import CALENDAR, CALENDAR_UNITS, Moment, months_before
from facette.definitions.language import tree
from facette.warehouse.compiler import compile_rule
from facette.warehouse.moments import Moments

NEAR_DAYS = 35
"""Midnights asked about at least where every midnight may matter."""

MOST_MOMENTS = 400
"""Give up after this many later moments; the explanation then says until when it looked."""

Events = Mapping[str, Sequence[Mapping[str, Any]]]
"""Kind → the profile's visible events of that kind: at, day, and their properties."""

D = TypeVar("D", date, datetime)


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

    rules      : the segments it may refer to; the conditions of each are shown inside, where it is named first
    moments    : now, then every later moment at which an answer could change (see :func:`turning_points`)
    print_rule : how conditions are shown
    """
    nodes = list(_nodes(rule, rules, set()))
    conditions = list(dict.fromkeys(node for node in nodes if not _inside(node, rules)))
    columns = sorted({column.name for column in map(_column, conditions) if column})
    asked = replace(moments, moments=moments.moments[: MOST_MOMENTS + 1])
    answers = _ask(conditions, columns, rows_at(asked), asked)
    verdicts: dict[int, bool] = {}
    flips: dict[int, datetime] = {}
    for moment, answer in zip(asked.moments, answers, strict=True):
        met = {condition: answer[f"c{index}"] for index, condition in enumerate(conditions)}
        for node, verdict in _verdicts(rule, rules, met).items():
            if verdicts.setdefault(node, verdict) != verdict:
                flips.setdefault(node, moment.local)
    shown: set[str] = set()

    def build(node: tree.Rule) -> Reason:
        kind = {tree.And: "and", tree.Or: "or", tree.Not: "not", tree.InSegment: "segment"}.get(type(node), "condition")
        column = _column(node)
        value = answers[0][f"v_{column.name}"] if column else None
        inside = [build(item) for item in _new_inside(node, rules, shown)]
        return Reason(kind, print_rule(node), verdicts[id(node)], value, flips.get(id(node)), inside)

    is_cut_short = len(asked.moments) < len(moments.moments)
    return Explanation(build(rule), asked.moments[-1].local if is_cut_short else None)


def turning_points(
    rules: Iterable[tree.Rule],
    aggregates: Mapping[str, tree.Aggregate],
    events: Events,
    row: Mapping[str, Any],
    moment: Moment,
    *,
    values: Mapping[str, tree.Operand] | None = None,
    cuts: Mapping[str, Iterable[float]] | None = None,
    is_every_midnight: bool = False,
) -> list[Moment]:
    """The later moments at which time alone could change an answer about one profile, ascending.

    rules             : every rule that is asked about (with those it refers to)
    aggregates        : column → the aggregate behind it
    row               : the profile's wide row now
    values            : feature → its value; some are another name of an aggregate
    cuts              : column → the cuts of quantile scores of it
    is_every_midnight : any midnight may matter, because a number of days since is part of a formula; each is asked
                        about as far as the other moments reach, and for ``NEAR_DAYS``
    """
    days: set[date] = set()
    instants: set[datetime] = set()
    for aggregate in aggregates.values():
        for event, window, where in _selections(aggregate):
            for one in events.get(event, ()):
                days |= set(_window_days(window, one["day"]))
                instants |= set(_window_instants(window, one["at"]))
                for leaf in _leaves(where):
                    column = _column(leaf)
                    days |= set(_leaf_days(leaf, column and one.get(column.name), moment))
                    instants |= set(_leaf_instants(leaf, column and one.get(column.name)))
    thresholds = [(name, set(numbers)) for name, numbers in (cuts or {}).items()]
    for leaf in (leaf for rule in rules for leaf in _leaves(rule)):
        column = _column(leaf)
        if column is None:
            continue
        thresholds.append((column.name, set(_numbers(leaf))))
        for seen in _ever_seen(column.name, row, _behind(column.name, aggregates, values or {}), events):
            days |= set(_leaf_days(leaf, seen, moment))
            instants |= set(_leaf_instants(leaf, seen))
    for name, numbers in thresholds:
        behind = _behind(name, aggregates, values or {})
        if behind and behind.function == "recency":
            latest = _ever_latest(row.get(name), behind, events, moment)
            wholes = {int(number) for number in numbers if 0 <= number < MOST_DAYS}
            days |= {_later(day, timedelta(days=n + extra)) for day in latest for n in wholes for extra in (0, 1)}
    later = {moment.start_of(day) for day in days if moment.today < day < CALENDAR[1]}
    later |= {_ceil5(at + extra) for at in instants if at < END for extra in (timedelta(0), timedelta(minutes=5))}
    later = {at for at in later if at > moment.as_of}
    if is_every_midnight:
        reach = (Moment(max(later), moment.zone).today - moment.today).days if later else 0
        ahead = range(1, min(max(reach, NEAR_DAYS), MOST_MOMENTS) + 1)
        later |= {moment.start_of(moment.today + timedelta(days=n)) for n in ahead}
    return [Moment(at, moment.zone, at) for at in sorted(later)]


# ── verdicts ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _ask(conditions: list[tree.Rule], columns: list[str], rows: ir.Table, moments: Moments) -> list[dict[str, Any]]:
    """The verdict of every condition and the value of every column, at each moment, in one query."""
    verdicts = {f"c{index}": compile_rule(condition, rows, moments) for index, condition in enumerate(conditions)}
    values = {f"v_{column}": rows[column] for column in columns}
    answers = rows.select("profile_id", **verdicts, **values).to_pyarrow().to_pylist()
    return sorted(answers, key=lambda answer: answer["profile_id"])


def _verdicts(rule: tree.Rule, rules: Mapping[str, tree.Checked], met: Mapping[tree.Rule, bool]) -> dict[int, bool]:
    """The id of every node → its verdict, from those of the conditions; each segment is judged once."""
    found: dict[int, bool] = {}

    def judge(node: tree.Rule) -> bool:
        if id(node) not in found:
            inside = [judge(item) for item in _inside(node, rules)]
            match node:
                case tree.Or():
                    found[id(node)] = any(inside)
                case tree.Not():
                    found[id(node)] = not inside[0]
                case tree.And() | tree.InSegment():
                    found[id(node)] = all(inside)
                case _:
                    found[id(node)] = met[node]
        return found[id(node)]

    judge(rule)
    return found


# ── trees ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _inside(node: tree.Rule, rules: Mapping[str, tree.Checked]) -> tuple[tree.Rule, ...]:
    match node:
        case tree.And(items) | tree.Or(items):
            return items
        case tree.Not(item):
            return (item,)
        case tree.InSegment(segment):
            return (rules[segment].rule,)  # type: ignore[return-value]
    return ()


def _new_inside(node: tree.Rule, rules: Mapping[str, tree.Checked], seen: set[str]) -> tuple[tree.Rule, ...]:
    """What is inside a node; of a segment only the first time, so that the work does not grow with every reference."""
    if isinstance(node, tree.InSegment):
        if node.segment in seen:
            return ()
        seen.add(node.segment)
    return _inside(node, rules)


def _nodes(node: tree.Rule, rules: Mapping[str, tree.Checked], seen: set[str]) -> Iterator[tree.Rule]:
    yield node
    for item in _new_inside(node, rules, seen):
        yield from _nodes(item, rules, seen)


def _leaves(node: tree.Rule | None) -> Iterator[tree.Rule]:
    match node:
        case None:
            return
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


# ── what time can change ────────────────────────────────────────────────────────────────────────────────────────────


def _behind(
    column: str, aggregates: Mapping[str, tree.Aggregate], values: Mapping[str, tree.Operand]
) -> tree.Aggregate | None:
    """The aggregate that a column is, under whatever name."""
    while column not in aggregates and isinstance(value := values.get(column), tree.Column):
        column = value.name
    return aggregates.get(column)


def _selections(aggregate: tree.Aggregate) -> Iterator[tuple[str, tree.Window | None, tree.Rule | None]]:
    """The kinds of event that take part in an aggregate, with the window and the condition that choose among them."""
    yield aggregate.event, aggregate.window, aggregate.where
    for leaf in _leaves(aggregate.where):
        if isinstance(leaf, tree.Followed):
            yield aggregate.event, tree.InTheLast(leaf.delay.amount, leaf.delay.unit), None  # the delay, when over
            yield leaf.next.event, leaf.next.window, leaf.next.where


def _ever_seen(column: str, row: Mapping[str, Any], aggregate: tree.Aggregate | None, events: Events) -> Iterator[Any]:
    """The values that a column may have as time passes: where other events come to count, that of any."""
    yield row.get(column)
    if aggregate and aggregate.of and tree.durations(aggregate):
        for event in events.get(aggregate.event, ()):
            yield event.get(aggregate.of)


def _ever_latest(days_since: Any, aggregate: tree.Aggregate, events: Events, moment: Moment) -> set[date]:
    """The days that may be the latest one as time passes, for a number of days since that is so much now."""
    if tree.durations(aggregate):
        return {event["day"] for event in events.get(aggregate.event, ())}
    if days_since is None or not 0 <= days_since < (moment.today - CALENDAR[0]).days:  # a default can be anything
        return set()
    return {moment.today - timedelta(days=int(days_since))}


def _leaf_days(leaf: tree.Rule, seen: Any, moment: Moment) -> Iterator[date]:
    """The days on which a condition on a date's or an instant's age, or on a relative day, could change."""
    if not isinstance(seen, date):
        return
    day = Moment(seen, moment.zone).today if isinstance(seen, datetime) else seen
    for literal in _compared(leaf):
        match literal:
            case tree.Duration(amount, unit) | tree.InTheLast(amount, unit) if unit in CALENDAR_UNITS:
                yield _day_reached(day, amount, unit)
                yield _day_out(day, amount, unit)
            case tree.RelativeDay(back):
                yield _later(day, timedelta(days=back))
                yield _later(day, timedelta(days=back + 1))


def _leaf_instants(leaf: tree.Rule, seen: Any) -> Iterator[datetime]:
    if not isinstance(seen, datetime):
        return
    for literal in _compared(leaf):
        if isinstance(literal, tree.Duration | tree.InTheLast) and literal.unit not in CALENDAR_UNITS:
            yield _later(seen, _clock(literal.amount, literal.unit))
            yield _later(seen, _clock(literal.amount + 1, literal.unit))


def _compared(leaf: tree.Rule) -> Iterator[tree.Literal_ | tree.InTheLast]:
    """What a condition compares with; of the window of a first time its length, or the days where it ends."""
    yield from _literals(leaf)
    match leaf:
        case tree.FirstIn(_, tree.InTheLast() as window):
            yield window
        case tree.FirstIn(_, tree.Earlier(amount, after, unit)):
            yield tree.InTheLast(after, unit)
            yield tree.InTheLast(amount + after, unit)
        case tree.FirstIn(_, tree.Since(day) | tree.Before(day)):
            yield day
        case tree.FirstIn(_, tree.BetweenDays(first, last)):
            yield first
            yield last


def _window_days(window: tree.Window | None, day: date) -> Iterator[date]:
    """The days on which a window could gain or lose an event of a day."""
    match window:
        case tree.InTheLast(amount, unit) if unit in CALENDAR_UNITS:
            yield _day_out(day, amount, unit)
        case tree.Earlier(amount, after, unit) if unit in CALENDAR_UNITS:
            yield _day_out(day, after, unit)
            yield _day_out(day, amount + after, unit)
        case tree.Before(tree.RelativeDay(ago)) | tree.Since(tree.RelativeDay(ago)):
            yield _later(day, timedelta(days=ago + 1))
        case tree.BetweenDays(first, last):
            for end in (first, last):
                if isinstance(end, tree.RelativeDay):
                    yield _later(day, timedelta(days=end.days_ago))
                    yield _later(day, timedelta(days=end.days_ago + 1))


def _window_instants(window: tree.Window | None, at: datetime) -> Iterator[datetime]:
    if isinstance(window, tree.InTheLast) and window.unit not in CALENDAR_UNITS:
        yield _later(at, _clock(window.amount, window.unit))
    if isinstance(window, tree.Earlier) and window.unit not in CALENDAR_UNITS:
        yield _later(at, _clock(window.after, window.unit))
        yield _later(at, _clock(window.amount + window.after, window.unit))


# ── time ────────────────────────────────────────────────────────────────────────────────────────────────────────────

END = datetime(CALENDAR[1].year, CALENDAR[1].month, CALENDAR[1].day, tzinfo=UTC)
MOST_DAYS = 10_000_000
"""No number of days since reaches it."""


def _later(value: D, delta: timedelta) -> D:
    """So much later, and not beyond the end of the calendar."""
    end = END if isinstance(value, datetime) else CALENDAR[1]
    return value if value >= end else value + min(delta, end - value)


def _day_reached(day: date, amount: int, unit: str) -> date:
    """The first day on which ``day`` is that long ago or longer: for 31 January and a month 1 March."""
    if unit in ("day", "week"):
        return _later(day, timedelta(days=amount * (7 if unit == "week" else 1)))
    months = amount * (12 if unit == "year" else 1)
    if day.year + months // 12 + 1 > CALENDAR[1].year:
        return CALENDAR[1]
    reached = months_before(day, -months)
    return reached if reached.day == day.day else reached + timedelta(days=1)


def _day_out(day: date, amount: int, unit: str) -> date:
    """The first day on which a window of that length no longer reaches back to ``day``."""
    return _day_reached(_later(day, timedelta(days=1)), amount, unit)


def _clock(amount: int, unit: str) -> timedelta:
    return timedelta(minutes=amount * {"minute": 1, "hour": 60}[unit])


def _ceil5(at: datetime) -> datetime:
    floor = at.replace(minute=at.minute - at.minute % 5, second=0, microsecond=0)
    return floor if floor == at else floor + timedelta(minutes=5)
