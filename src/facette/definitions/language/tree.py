"""The tree of a rule: what its text means, independent of the language it was written in.

Negative forms have no node of their own: ``!=``, ``NOT IN``, ``DOES NOT CONTAIN``, ``IS UNKNOWN`` and ``DID NOT``
are ``Not`` around the positive form, because that is what they mean. Spans point into the text and take no part in
equality, so that two texts of one meaning give equal trees.

A tree comes in two states. As parsed, operands are :class:`Name` (as written) and :class:`Aggregate`. As checked,
every operand is a :class:`Column` of one wide row, and behaviour clauses have been lifted into aggregates of that row.
"""

# ruff: noqa: RUF009 - _span() is a dataclass field

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from datetime import date, datetime
from typing import Literal

Span = tuple[int, int]
Unit = Literal["minute", "hour", "day", "week", "month", "year"]
ValueType = Literal["text", "number", "boolean", "date", "instant"]
Comparison = Literal["=", "<", "<=", ">", ">="]
Function = Literal["count", "sum", "avg", "min", "max", "first", "last", "mode", "distinct", "recency"]
"""The functions that can be written."""
Measure = Literal[Function, "opening"]
"""Those, and what only models ask for: ``opening`` is the sum over the first day with such an event."""


def _span() -> Span:
    return field(default=(0, 0), compare=False, repr=False, kw_only=True)


# ── literal values ──────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Text:
    value: str
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Number:
    value: int | float
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Boolean:
    value: bool
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Date:
    value: date
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Instant:
    """A point in time with its offset, as ``2026-11-22T08:30:00+01:00``."""

    value: datetime
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class RelativeDay:
    """``today`` is 0, ``yesterday`` is 1 day ago."""

    days_ago: int
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Duration:
    amount: int
    unit: Unit
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Threshold:
    """``threshold(frequency_p75)``: a number that every run computes anew from the population; may be unknown.

    value : what it is, () if unknown; None where it is read from the wide row
    """

    name: str
    value: tuple[float, ...] | None = field(default=None, compare=False, repr=False)
    span: Span = _span()


Day = Date | RelativeDay
Literal_ = Text | Number | Boolean | Date | Instant | RelativeDay | Duration | Threshold

# ── windows of time over events ─────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class InTheLast:
    amount: int
    unit: Unit
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Since:
    day: Day
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Before:
    day: Day
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class BetweenDays:
    """Both days included."""

    first: Day
    last: Day
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Earlier:
    """``IN THE 30 DAYS BEFORE THE LAST 7 DAYS``: amount 30, after 7; what IN THE LAST 37 DAYS has and 7 has not."""

    amount: int
    after: int
    unit: Unit
    span: Span = _span()


Window = InTheLast | Earlier | Since | Before | BetweenDays

# ── operands: what a comparison looks at ────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Name:
    """A trait, a feature or (inside WHERE) an event's property, as written."""

    text: str
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Aggregate:
    """``SUM(amount) OF purchase WHERE … IN THE LAST 90 DAYS``. ``of`` is None for recency, and may be for count."""

    function: Measure
    event: str
    of: str | None = None
    where: Rule | None = None
    window: Window | None = None
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """Only in the value of a feature, never in a rule. Unknown operands and division by zero give unknown."""

    operator: Literal["+", "-", "*", "/"]
    left: Operand
    right: Operand
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Column:
    """A checked operand: a column of the wide row, its type, and what was written for it."""

    name: str
    type: ValueType
    written: Name | Aggregate | Did | Threshold | None = field(default=None, compare=False, repr=False)
    span: Span = _span()


Operand = Name | Aggregate | Arithmetic | Number | Threshold | Column

# ── rules ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class And:
    items: tuple[Rule, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Or:
    items: tuple[Rule, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Not:
    item: Rule
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Compare:
    """An unknown left side makes it false. With a Duration on the right, the age of the left side is compared."""

    left: Operand
    operator: Comparison
    right: Literal_
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class OneOf:
    left: Operand
    values: tuple[Literal_, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Between:
    """Both ends included."""

    left: Operand
    low: Literal_
    high: Literal_
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Match:
    left: Operand
    how: Literal["contains", "starts", "ends"]
    text: str
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class IsKnown:
    left: Operand
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Truth:
    """A bare name: a boolean trait or, as parsed, possibly a segment."""

    left: Operand
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Times:
    """``AT LEAST 3 TIMES`` is (">=", 3), ``AT MOST`` "<=", ``EXACTLY`` "=", ``MORE THAN`` ">", ``LESS THAN`` "<"."""

    operator: Comparison
    amount: int
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Then:
    """``THEN purchase WHERE … WITHIN 7 DAYS``, after an event; is_absent for ``THEN NOT``.

    on, other : ``ON basket = basket_id``: a property of the first event that must equal one of this; without ``other``,
                the one of that name
    """

    event: str
    delay: Duration
    where: Rule | None = None
    is_absent: bool = False
    on: str | None = None
    other: str | None = None
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Did:
    """``DID purchase WHERE … AT LEAST 3 TIMES IN THE LAST 30 DAYS``; is_first for ``FIRST DID``."""

    event: str
    where: Rule | None = None
    times: Times | None = None
    window: Window | None = None
    is_first: bool = False
    then: Then | None = None
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class FirstIn:
    """Checked form of ``FIRST DID``: the instant of the first event lies in the window."""

    left: Column
    window: Window
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Next:
    """Checked: the first event that comes after another one, among those that meet ``where`` and lie in ``window``.

    on, other : a property of the event before, and the property of this one that must equal it, if any must
    """

    event: str
    where: Rule | None = None
    window: Window | None = None
    on: str | None = None
    other: str | None = None


@dataclass(frozen=True, slots=True)
class Followed:
    """Checked form of ``THEN``, a condition on one event: the next one comes within the delay.

    is_absent : the next one does not, and the delay is over
    """

    next: Next
    delay: Duration
    is_absent: bool = False
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class InSegment:
    segment: str
    span: Span = _span()


Rule = And | Or | Not | Compare | OneOf | Between | Match | IsKnown | Truth | Did | FirstIn | Followed | InSegment


# ── the result of checking ──────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Checked:
    """A rule (or a feature's value) that is known to make sense.

    rule       : the boolean over one wide row; operands are Column, segments are named by id
    aggregates : column name → aggregate to compute for it (event, property and WHERE resolved to ids and Columns)
    columns    : the other columns it reads (traits, features, thresholds)
    segments   : the segments it refers to
    type       : of the value; "boolean" for a rule
    """

    rule: Rule | Operand
    aggregates: dict[str, Aggregate]
    columns: frozenset[str]
    segments: frozenset[str]
    type: ValueType = "boolean"


def valued(rule: Rule, values: Mapping[str, tuple[float, ...]]) -> Rule:
    """A rule with what its thresholds are beside their names, for an explanation."""

    def told(literal: Literal_) -> Literal_:
        return replace(literal, value=values.get(literal.name, ())) if isinstance(literal, Threshold) else literal

    match rule:
        case And(items=items) | Or(items=items):
            return replace(rule, items=tuple(valued(item, values) for item in items))
        case Not(item=item):
            return replace(rule, item=valued(item, values))
        case Compare(right=right):
            return replace(rule, right=told(right))
        case Between(low=low, high=high):
            return replace(rule, low=told(low), high=told(high))
        case OneOf(values=listed):
            return replace(rule, values=tuple(map(told, listed)))
    return rule


def durations(value: object) -> frozenset[tuple[int, str]]:
    """(amount, unit) of every duration, moving window and relative day in a tree, or in a collection of trees."""
    match value:
        case Duration(amount, unit) | InTheLast(amount, unit):
            return frozenset({(amount, unit)})
        case Earlier(amount, after, unit):
            return frozenset({(after, unit), (amount + after, unit)})
        case RelativeDay(days_ago):
            return frozenset({(days_ago, "day")})
        case Column():
            return frozenset()  # what was written for it was lifted into an aggregate
        case tuple() | list():
            return frozenset().union(*map(durations, value))
        case _ if is_dataclass(value):
            return frozenset().union(*(durations(getattr(value, field.name)) for field in fields(value)))
    return frozenset()
