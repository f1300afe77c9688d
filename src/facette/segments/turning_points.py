"""The moments at which time alone could change an answer about one profile: where windows lose or gain an event, where
ages pass what they are compared with.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar

from facette.clock import CALENDAR, CALENDAR_UNITS, Moment, months_before
from facette.definitions.language import tree
from facette.segments.trees import column_of, compared, leaves, numbers_in

NEAR_DAYS = 35
"""Midnights asked about at least where every midnight may matter."""

MOST_MOMENTS = 400
"""Give up after this many later moments; the explanation then says until when it looked."""

Events = Mapping[str, Sequence[Mapping[str, Any]]]
"""Kind → the profile's visible events of that kind: at, day, and their properties."""

D = TypeVar("D", date, datetime)


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
                for leaf in leaves(where):
                    column = column_of(leaf)
                    days |= set(_leaf_days(leaf, column and one.get(column.name), moment))
                    instants |= set(_leaf_instants(leaf, column and one.get(column.name)))
    thresholds = [(name, set(numbers)) for name, numbers in (cuts or {}).items()]
    for leaf in (leaf for rule in rules for leaf in leaves(rule)):
        column = column_of(leaf)
        if column is None:
            continue
        thresholds.append((column.name, set(numbers_in(leaf))))
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
    for leaf in leaves(aggregate.where):
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
    for literal in compared(leaf):
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
    for literal in compared(leaf):
        if isinstance(literal, tree.Duration | tree.InTheLast) and literal.unit not in CALENDAR_UNITS:
            yield _later(seen, _clock(literal.amount, literal.unit))
            yield _later(seen, _clock(literal.amount + 1, literal.unit))


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
