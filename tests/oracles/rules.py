"""What a rule means for one person, as plainly as it can be said.

Written from the contract of the language alone. It reads the tree as parsed and shares with the product only the tree,
the vocabulary and how names are folded: it resolves names, counts months and compares values on its own.
"""

from __future__ import annotations

import calendar
import operator
import unicodedata
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from facette.clock import Moment
from facette.definitions.language.tree import (
    Aggregate,
    And,
    Arithmetic,
    Before,
    Between,
    BetweenDays,
    Boolean,
    Compare,
    Date,
    Did,
    Duration,
    Earlier,
    InSegment,
    Instant,
    InTheLast,
    IsKnown,
    Match,
    Name,
    Not,
    Number,
    OneOf,
    Or,
    RelativeDay,
    Rule,
    Since,
    Text,
    Threshold,
    Truth,
)
from facette.definitions.language.vocabulary import BUILT_IN_PROPERTIES, Vocabulary, fold

Row = dict[str, Any]
"""Of a person: traits, features and thresholds (id) → value or None."""
SIGNS = {"=": operator.eq, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
FUNCTIONS = {
    "avg": lambda values: float(total(values) / len(values)),
    "min": lambda values: min(values, key=same),
    "max": lambda values: max(values, key=same),
    "first": lambda values: values[0],
    "last": lambda values: values[-1],
}
YES, NO = {"oui", "yes", "true", "vrai"}, {"non", "no", "false", "faux"}


def evaluate(
    rule: Rule, person: Row, events: list[Row], moment: Moment, vocabulary: Vocabulary, segments: dict[str, Rule]
) -> bool:
    """Is the rule true of the person?

    person   : trait, feature or threshold (id) → value or None
    events   : name, event_id, at, known_at (instants), and the event's properties by id
    segments : segment (id) → its rule as parsed
    """

    def meets(node: Rule) -> bool:
        match node:
            case And(items=items):
                return all(meets(item) for item in items)
            case Or(items=items):
                return any(meets(item) for item in items)
            case Not(item=item):
                return not meets(item)
            case Did():
                return did(node, events, moment, vocabulary)
            case InSegment(segment=name):
                return meets(segments[only(name, vocabulary.segments).name])
            case Truth(left=Name(text=name)) if answering(name, vocabulary.segments):
                return meets(segments[only(name, vocabulary.segments).name])
        value = value_of(node.left, person, events, moment, vocabulary)
        return holds(settled(node, person, vocabulary), value, bands_of(node.left, vocabulary), moment)

    return meets(rule)


def value_of(node: Any, person: Row, events: list[Row], moment: Moment, vocabulary: Vocabulary) -> Any:
    """A trait, an aggregate, or the value of a feature."""
    match node:
        case Name(text=name):
            return person.get(only(name, vocabulary.columns).name)
        case Aggregate():
            return aggregate_value(node, events, moment, vocabulary)
        case Number(value=number):
            return number
        case Threshold(name=name):
            return person.get(only(name, vocabulary.thresholds).name)
        case Arithmetic(operator=sign):
            left = value_of(node.left, person, events, moment, vocabulary)
            right = value_of(node.right, person, events, moment, vocabulary)
            if left is None or right is None or (sign == "/" and right == 0):
                return None
            return {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}[sign](left, right)
    raise TypeError(node)


def settled(node: Any, person: Row, vocabulary: Vocabulary) -> Any:
    """A condition with the values of thresholds in place of their names; an unknown one stays, and equals nothing."""

    def value(literal: Any) -> Any:
        if isinstance(literal, tuple):
            return tuple(value(one) for one in literal)
        if isinstance(literal, Threshold):
            number = value_of(literal, person, [], None, vocabulary)  # type: ignore[arg-type]
            return literal if number is None else Number(number)
        return literal

    names = [field for field in ("right", "values", "low", "high") if hasattr(node, field)]
    return replace(node, **{name: value(getattr(node, name)) for name in names})


# ── behaviour ───────────────────────────────────────────────────────────────────────────────────────────────────────


def did(node: Did, events: list[Row], moment: Moment, vocabulary: Vocabulary) -> bool:
    if node.then is not None:
        return one_after_another(node, events, moment, vocabulary)
    if node.is_first and node.window is not None:
        ever = matching(node.event, node.where, None, events, moment, vocabulary)
        return bool(ever) and in_window(ever[0], node.window, moment)
    n = len(matching(node.event, node.where, node.window, events, moment, vocabulary))
    return SIGNS[node.times.operator](n, node.times.amount) if node.times else n >= 1


def one_after_another(node: Did, events: list[Row], moment: Moment, vocabulary: Vocabulary) -> bool:
    """Some first event that some second one follows in time; or that none follows, when time is over."""
    then, delay = node.then, node.then.delay
    firsts = matching(node.event, node.where, node.window, events, moment, vocabulary)
    seconds = matching(then.event, then.where, node.window, events, moment, vocabulary)

    def in_time(first: Row, second: Row) -> bool:
        if first is second or second["at"] < first["at"]:
            return False
        if then.on is not None:
            on = only(then.on, properties(node.event, vocabulary)).name
            other = only(then.other or then.on, properties(then.event, vocabulary)).name
            key, found = property_of(first, on, moment), property_of(second, other, moment)
            if key is None or found is None or same(key) != same(found):
                return False
        if delay.unit in ("minute", "hour"):
            return second["at"] - first["at"] <= timedelta(**{f"{delay.unit}s": delay.amount})
        return days_back(local_day(second["at"], moment), delay.amount, delay.unit) <= local_day(first["at"], moment)

    def is_over(first: Row) -> bool:
        if delay.unit in ("minute", "hour"):
            return five_minutes(moment) - first["at"] > timedelta(**{f"{delay.unit}s": delay.amount})
        return days_back(today(moment), delay.amount, delay.unit) > local_day(first["at"], moment)

    if then.is_absent:
        return any(is_over(first) and not any(in_time(first, second) for second in seconds) for first in firsts)
    return any(in_time(first, second) for first in firsts for second in seconds)


def aggregate_value(aggregate: Aggregate, events: list[Row], moment: Moment, vocabulary: Vocabulary) -> Any:
    """Counts and sums over nothing are 0; everything else over nothing is unknown (None)."""
    found = matching(aggregate.event, aggregate.where, aggregate.window, events, moment, vocabulary)
    if aggregate.function == "count" and aggregate.of is None:
        return len(found)
    if aggregate.function == "recency":
        return (today(moment) - local_day(found[-1]["at"], moment)).days if found else None
    of = only(aggregate.of or "", properties(aggregate.event, vocabulary)).name
    values = [value for event in found if (value := property_of(event, of, moment)) is not None]
    if aggregate.function == "count":
        return len(values)
    if aggregate.function == "sum":
        return int(total(values)) if all(isinstance(value, int) for value in values) else float(total(values))
    if aggregate.function == "distinct":
        return len({same(value) for value in values})
    if aggregate.function == "mode":
        return most_frequent([(event["at"], property_of(event, of, moment)) for event in found])
    return FUNCTIONS[aggregate.function](values) if values else None


def most_frequent(found: list[tuple[datetime, Any]]) -> Any:
    """The value that most events have; of several, the one that came last; of those at one instant, the smallest."""
    kinds: dict[Any, list[tuple[datetime, Any]]] = {}
    for at, value in found:
        if value is not None:
            kinds.setdefault(same(value), []).append((at, value))
    ranked = sorted(kinds.items(), key=lambda item: item[0])
    ranked.sort(key=lambda item: (len(item[1]), max(at for at, _ in item[1])), reverse=True)
    return min(value for _, value in ranked[0][1]) if ranked else None


def matching(
    name: str, where: Rule | None, window: Any, events: list[Row], moment: Moment, vocabulary: Vocabulary
) -> list[Row]:
    """The events that exist and were known, earliest first, that meet the condition and lie in the window."""
    wanted = only(name, vocabulary.events).name
    known = [event for event in events if event["at"] <= moment.as_of and event["known_at"] <= moment.known_at]
    found = [
        event
        for event in known
        if event["name"] == wanted
        and (where is None or event_meets(event, where, moment, vocabulary))
        and (window is None or in_window(event, window, moment))
    ]
    return sorted(found, key=lambda event: (event["at"], event["event_id"]))


def event_meets(event: Row, node: Rule, moment: Moment, vocabulary: Vocabulary) -> bool:
    match node:
        case And(items=items):
            return all(event_meets(event, item, moment, vocabulary) for item in items)
        case Or(items=items):
            return any(event_meets(event, item, moment, vocabulary) for item in items)
        case Not(item=item):
            return not event_meets(event, item, moment, vocabulary)
    entry = only(node.left.text, properties(event["name"], vocabulary))
    return holds(node, property_of(event, entry.name, moment), entry.bands, moment)


def property_of(event: Row, name: str, moment: Moment) -> Any:
    local = event["at"].astimezone(ZoneInfo(moment.zone))
    built_in = {"at": event["at"], "day": local.date(), "hour": local.hour, "weekday": local.isoweekday()}
    return event[name] if name in event else built_in.get(name)


def in_window(event: Row, window: Any, moment: Moment) -> bool:
    day = local_day(event["at"], moment)
    match window:
        case InTheLast(amount=amount, unit="hour" | "minute" as unit):
            return event["at"] >= five_minutes(moment) - timedelta(**{f"{unit}s": amount})
        case InTheLast(amount=amount, unit=unit):
            return day >= days_back(today(moment), amount, unit)
        case Earlier(amount=amount, after=after, unit=unit):
            longer, shorter = InTheLast(amount + after, unit), InTheLast(after, unit)
            return in_window(event, longer, moment) and not in_window(event, shorter, moment)
        case Since(day=start):
            return day >= day_meant(start, moment)
        case Before(day=end):
            return day < day_meant(end, moment)
        case BetweenDays(first=first, last=last):
            return day_meant(first, moment) <= day <= day_meant(last, moment)
    raise TypeError(window)


def total(values: list[int | float]) -> Fraction:
    """Of the numbers as they are written: three times 0.1 is 0.3."""
    return sum((Fraction(str(value)) for value in values), Fraction(0))


# ── one condition on one value ──────────────────────────────────────────────────────────────────────────────────────


def holds(node: Any, value: Any, bands: Any, moment: Moment) -> bool:
    """Nothing that is asked of an unknown value is true."""
    if value is None:
        return False
    match node:
        case IsKnown():
            return True
        case Truth():
            return bool(value)
        case Match(how=how, text=text):
            whole, part = same(value), same(text)
            return {"contains": part in whole, "starts": whole.startswith(part), "ends": whole.endswith(part)}[how]
        case Compare(operator=sign, right=right):
            return compares(value, sign, right, bands, moment)
        case OneOf(values=values):
            return any(compares(value, "=", one, bands, moment) for one in values)
        case Between(low=low, high=high):
            return compares(value, ">=", low, bands, moment) and compares(value, "<=", high, bands, moment)
    raise TypeError(node)


def compares(value: Any, sign: str, literal: Any, bands: Any, moment: Moment) -> bool:
    compare = SIGNS[sign]
    match literal:
        case Threshold():
            return False
        case Number(value=plain) | Boolean(value=plain) | Instant(value=plain):
            return compare(value, plain)
        case Text(value=text) if isinstance(value, bool):
            return fold(text) in (YES if value else NO)
        case Text(value=text) if bands:
            (band,) = (band for band in bands if fold(text) in {fold(band.name), *map(fold, band.labels)})
            return (band.low is None or value >= band.low) and (band.high is None or value < band.high)
        case Text(value=text):
            return compare(same(value), same(text))
        case Date() | RelativeDay():
            return compare(local_day(value, moment), day_meant(literal, moment))
        case Duration(amount=amount, unit="hour" | "minute" as unit):
            age = max((five_minutes(moment) - value) // timedelta(**{f"{unit}s": 1}), 0)
            return compare(age, amount)
        case Duration(amount=amount, unit=unit):
            # The older, the smaller the day: both sides change places.
            return compare(days_back(today(moment), amount, unit), local_day(value, moment))
    raise TypeError(literal)


def same(value: Any) -> Any:
    """Texts that differ only in case, outer spaces or Unicode form are the same."""
    return unicodedata.normalize("NFC", value).strip().casefold() if isinstance(value, str) else value


# ── time ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def today(moment: Moment) -> date:
    return moment.as_of.astimezone(ZoneInfo(moment.zone)).date()


def local_day(value: date | datetime, moment: Moment) -> date:
    return value.astimezone(ZoneInfo(moment.zone)).date() if isinstance(value, datetime) else value


def day_meant(literal: Date | RelativeDay, moment: Moment) -> date:
    return literal.value if isinstance(literal, Date) else today(moment) - timedelta(days=literal.days_ago)


def five_minutes(moment: Moment) -> datetime:
    midnight = datetime.combine(moment.as_of.date(), time(), moment.as_of.tzinfo)
    return midnight + (moment.as_of - midnight) // timedelta(minutes=5) * timedelta(minutes=5)


def days_back(day: date, amount: int, unit: str) -> date:
    if unit in ("day", "week"):
        return day - timedelta(days=amount * (7 if unit == "week" else 1))
    months = amount * (12 if unit == "year" else 1)
    year, month = day.year, day.month
    for _ in range(months):
        year, month = (year, month - 1) if month > 1 else (year - 1, 12)
    return date(year, month, min(day.day, calendar.monthrange(year, month)[1]))


# ── names ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def properties(event: str, vocabulary: Vocabulary) -> dict[str, Any]:
    return {**BUILT_IN_PROPERTIES, **only(event, vocabulary.events).properties}


def bands_of(left: Any, vocabulary: Vocabulary) -> Any:
    if isinstance(left, Name):
        return only(left.text, vocabulary.columns).bands
    if left.function in ("min", "max", "first", "last", "mode"):
        return only(left.of, properties(left.event, vocabulary)).bands
    return ()


def answering(name: str, entries: Any) -> list[Any]:
    return [
        entry
        for entry in entries.values()
        if fold(name) == fold(entry.name) or any(fold(name) == fold(label) for label in entry.labels.values())
    ]


def only(name: str, entries: Any) -> Any:
    (entry,) = answering(name, entries)
    return entry
