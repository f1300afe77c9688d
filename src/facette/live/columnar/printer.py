"""Checked trees as one NumPy function over columns of rows: the twin of ``warehouse/compiler.py`` for the live state.

A :class:`Program` holds rules and values as steps, each of which makes one array; a clause that several rules share is
one step. As in the compiler every leaf is closed to true or false, an unknown value making it false; what is asked of
texts is asked of the different texts only; days of instants are compared as instants computed once for each moment.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

import numpy as np

from facette.clock import CALENDAR_UNITS, Moment
from facette.definitions.language import next_name, tree
from facette.live.columnar.columns import EPOCH, Column, Texts, days, folded, microseconds

Make = Callable[[Moment], Callable[..., Any]]
"""At a moment, the function that a step is: of the arrays of other steps."""

COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {"+": operator.add, "-": operator.sub, "*": operator.mul}
MINUTE = 60_000_000
MINUTES = {"minute": 1, "hour": 60}


class Program:
    """Rules and values over one wide row; what is defined later may name what was defined before.

    reads : the columns that rows must have
    """

    def __init__(self) -> None:
        self._steps: list[tuple[Make, tuple[int, ...]]] = []
        self._slots: dict[object, int] = {}
        self._named: dict[str, int] = {}
        self._bound: tuple[object, list[tuple[Callable[..., Any], tuple[int, ...]]]] = (None, [])
        self.reads: dict[str, int] = {}

    def define_rule(self, name: str, rule: tree.Rule) -> None:
        """A boolean under a name, for ``IN SEGMENT name`` or as a column."""
        self._named[name] = self._rule(rule)

    def define_value(self, name: str, value: tree.Operand) -> None:
        """A column under a name: a feature's value; unknown operands and division by zero give unknown."""
        self._named[name] = self._value(value)

    def define(self, name: str, make: Callable[[Column], Column], of: str) -> None:
        """A column under a name that is made from another one."""
        self._named[name] = self._add((name, "made of", of), lambda moment: make, self._column(of))

    def define_constant(self, name: str, value: float | None) -> None:
        """A column under a name that is the same in all rows: a threshold, perhaps unknown."""
        column = Column(np.float64(value or 0.0), None if value is not None else np.False_)
        self._named[name] = self._add((name, "constant", value), lambda moment: lambda: column)

    def __len__(self) -> int:
        """How many different steps it takes."""
        return len(self._steps)

    def run(self, rows: Mapping[str, Column], moment: Moment) -> dict[str, Any]:
        """All that was defined, of some rows at a moment: arrays of booleans, and columns.

        rows : every column in ``reads``
        """
        made: list[Any] = [None] * len(self._steps)
        for name, slot in self.reads.items():
            made[slot] = rows[name]
        for slot, (function, inputs) in enumerate(self._at(moment)):
            if made[slot] is None:
                made[slot] = function(*[made[place] for place in inputs])
        return {name: made[slot] for name, slot in self._named.items()}

    def _at(self, moment: Moment) -> list[tuple[Callable[..., Any], tuple[int, ...]]]:
        """The steps at a moment; nothing in them changes until the next day or 5 minutes."""
        key = (moment.today, moment.step, moment.zone, len(self._steps))
        if self._bound[0] != key:
            self._bound = (key, [(make(moment), inputs) for make, inputs in self._steps])
        return self._bound[1]

    def _add(self, key: object, make: Make, *inputs: int) -> int:
        """The step of that meaning, a new one where there is none."""
        slot = self._slots.setdefault((key, inputs), len(self._steps))
        if slot == len(self._steps):
            self._steps.append((make, inputs))
        return slot

    def _column(self, name: str) -> int:
        if name in self._named:
            return self._named[name]
        if name not in self.reads:
            self.reads[name] = self._add(("column", name), lambda moment: _missing)
        return self.reads[name]

    def _rule(self, rule: tree.Rule) -> int:
        match rule:
            case tree.And(items) | tree.Or(items):
                join = np.logical_and if isinstance(rule, tree.And) else np.logical_or
                return functools.reduce(
                    lambda left, right: self._add(join, lambda moment: join, left, right), map(self._rule, items)
                )
            case tree.Not(item):
                return self._add("not", lambda moment: np.logical_not, self._rule(item))
            case tree.InSegment(segment):
                return self._column(segment)
            case tree.Followed(following):
                names = ("at", "day", *(f"{next_name(following)}__{suffix}" for suffix in ("at", "day")))
                return self._add(rule, lambda moment: _followed(rule, moment), *map(self._column, names))
            case tree.OneOf(left, values) if _type(left) != "text":
                return self._rule(_any([tree.Compare(left, "=", value) for value in values]))
            case tree.Between(left, low, high):
                return self._rule(tree.And((tree.Compare(left, ">=", low), tree.Compare(left, "<=", high))))
            case tree.Compare(tree.Column(name), sign, tree.Threshold(threshold, None)):
                inputs = (self._column(name), self._column(threshold))
                return self._add((sign, "threshold"), lambda moment: _compare_columns(sign), *inputs)
        left = rule.left  # type: ignore[union-attr]
        assert isinstance(left, tree.Column)
        test = _leaf(rule)
        return self._add(_meaning(rule), lambda moment: _closed(test(moment)), self._column(left.name))

    def _value(self, value: tree.Operand) -> int:
        match value:
            case tree.Column(name):
                return self._column(name)
            case tree.Number(number):
                constant = Column(np.asarray(number, np.int64 if isinstance(number, int) else np.float64))
                return self._add(("number", type(number), number), lambda moment: lambda: constant)
            case tree.Arithmetic(sign, left, right):
                join = _divide if sign == "/" else functools.partial(_calculate, ARITHMETIC[sign])
                return self._add(sign, lambda moment: join, self._value(left), self._value(right))
        raise TypeError(f"not a checked value: {value!r}")


def _any(rules: list[tree.Rule]) -> tree.Rule:
    return rules[0] if len(rules) == 1 else tree.Or(tuple(rules))


def _type(operand: tree.Operand) -> str:
    assert isinstance(operand, tree.Column)
    return operand.type


def _missing() -> Any:
    raise AssertionError("a column is read, not made")


def _closed(test: Callable[[Column], Any]) -> Callable[[Column], Any]:
    return lambda column: column.where_known(test(column))


# ── values ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def both_known(left: Column, right: Column) -> Any:
    """Where both are known; None if that is everywhere."""
    if left.known is None or right.known is None:
        return right.known if left.known is None else left.known
    return left.known & right.known


def _calculate(join: Callable[[Any, Any], Any], left: Column, right: Column) -> Column:
    return Column(join(left.values, right.values), both_known(left, right))


def _divide(left: Column, right: Column) -> Column:
    divisor = np.asarray(right.values, np.float64)
    is_zero = divisor == 0
    known = both_known(left, right)
    found = np.asarray(left.values, np.float64) / np.where(is_zero, 1.0, divisor)
    return Column(found, ~is_zero if known is None else known & ~is_zero)


def _compare_columns(sign: str) -> Callable[[Column, Column], Any]:
    compare = COMPARISONS[sign]
    return lambda left, right: compare(left.values, right.values) & left.is_known & right.is_known


# ── one condition on one column ─────────────────────────────────────────────────────────────────────────────────────

Test = Callable[[Column], Any]


def _leaf(rule: tree.Rule) -> Callable[[Moment], Test]:
    """Of a moment, the condition on known values."""
    match rule:
        case tree.Truth():
            return lambda moment: lambda column: column.values
        case tree.IsKnown():
            return lambda moment: lambda column: column.is_known
        case tree.Compare(tree.Column() as left):
            return _compare(rule, left.type)
        case tree.OneOf(_, values):
            listed = frozenset(folded(value.value) for value in values if isinstance(value, tree.Text))
            return _of_text(_meaning(rule), listed.__contains__)
        case tree.Match(_, how, text):
            part = folded(text)
            test = {
                "contains": lambda whole: part in whole,
                "starts": lambda whole: whole.startswith(part),
                "ends": lambda whole: whole.endswith(part),
            }[how]
            return _of_text(_meaning(rule), test)
        case tree.FirstIn(_, window):
            return lambda moment: _within(window, moment)
    raise TypeError(f"not a checked rule: {rule!r}")


def _meaning(rule: tree.Rule) -> object:
    """What is equal for leaves of one meaning, whatever the case in which texts were written."""
    match rule:
        case tree.Compare(_, sign, tree.Text(text)):
            return "text", sign, folded(text)
        case tree.OneOf(_, values):
            return "text", "one of", frozenset(folded(value.value) for value in values if isinstance(value, tree.Text))
        case tree.Match(_, how, text):
            return "text", how, folded(text)
    return rule


def _of_text(question: object, test: Callable[[str], bool]) -> Callable[[Moment], Test]:
    def answer(column: Column) -> Any:
        texts = column.texts or Texts()  # a column without a text has no dictionary
        return texts.answers(question, test)[column.values]

    return lambda moment: answer


def _compare(rule: tree.Compare, kind: str) -> Callable[[Moment], Test]:
    sign, right = rule.operator, rule.right
    match right:
        case tree.Duration(amount, unit) if unit in CALENDAR_UNITS:
            return lambda moment: _compare_day(kind, OLDER[sign], moment.day_ago(amount, unit), moment)
        case tree.Duration(amount, unit):
            return lambda moment: _compare_age(sign, amount, unit, moment)
        case tree.Date() | tree.RelativeDay():
            return lambda moment: _compare_day(kind, sign, day_of(right, moment), moment)
        case tree.Text(text):
            wanted, compare = folded(text), COMPARISONS[sign]
            return _of_text(_meaning(rule), lambda lowered: compare(lowered, wanted))
        case tree.Instant(instant):
            return _with(sign, microseconds(instant))
        case tree.Number(value) | tree.Boolean(value):
            return _with(sign, value)
        case tree.Threshold(_, ()):
            return lambda moment: lambda column: np.False_
        case tree.Threshold(_, (value,)):
            return _with(sign, value)
    raise TypeError(f"not a literal: {right!r}")


def _with(sign: str, constant: Any) -> Callable[[Moment], Test]:
    compare = COMPARISONS[sign]
    return lambda moment: lambda column: compare(column.values, constant)


OLDER: dict[str, str] = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "="}  # a smaller age is a later day


def day_of(day: tree.Day, moment: Moment) -> date:
    """The calendar day that a date, or a word such as ``yesterday``, stands for."""
    return day.value if isinstance(day, tree.Date) else moment.day_ago(day.days_ago, "day")


def _compare_day(kind: str, sign: str, day: date, moment: Moment) -> Test:
    """Compare the (local) day of a date or an instant with a day."""
    if kind == "date":
        compare, constant = COMPARISONS[sign], days(day)
        return lambda column: compare(column.values, constant)
    start, end = microseconds(moment.start_of(day)), microseconds(moment.end_of(day))
    match sign:
        case "<":
            return lambda column: column.values < start
        case "<=":
            return lambda column: column.values < end
        case ">":
            return lambda column: column.values >= end
        case ">=":
            return lambda column: column.values >= start
    return lambda column: (column.values >= start) & (column.values < end)


def _compare_age(sign: str, amount: int, unit: str, moment: Moment) -> Test:
    """Whole hours or minutes elapsed, never below 0, so that `elapsed >= n` is `at <= step - n units`."""
    if amount == 0 and sign in ("<", ">="):  # any known age is at least 0
        return lambda column: np.bool_(sign == ">=")
    at_least, more = (microseconds(moment.step_ago(length, unit)) for length in (amount, amount + 1))
    match sign:
        case ">=":
            return lambda column: column.values <= at_least
        case ">":
            return lambda column: column.values <= more
        case "<":
            return lambda column: column.values > at_least
        case "<=":
            return lambda column: column.values > more
    if amount == 0:
        return lambda column: column.values > more
    return lambda column: (column.values <= at_least) & (column.values > more)


# ── windows ─────────────────────────────────────────────────────────────────────────────────────────────────────────

EARLIEST, LATEST = -(2**62), 2**62
Interval = tuple[int, int]
"""From the first to before the second: days since 1970, or microseconds."""


def is_in_days(window: tree.Window) -> bool:
    """Whether a window is an interval of local days, rather than of instants."""
    return not isinstance(window, tree.InTheLast | tree.Earlier) or window.unit in CALENDAR_UNITS


def interval(window: tree.Window | None, moment: Moment) -> Interval:
    """What a window covers at a moment: days, or microseconds where it is of hours or minutes."""
    match window:
        case None:
            return EARLIEST, LATEST
        case tree.InTheLast(amount, unit):
            return ago(amount, unit, moment), LATEST
        case tree.Earlier(amount, after, unit):
            return ago(amount + after, unit, moment), ago(after, unit, moment)
        case tree.Since(day):
            return days(day_of(day, moment)), LATEST
        case tree.Before(day):
            return EARLIEST, days(day_of(day, moment))
        case tree.BetweenDays(first, last):
            return days(day_of(first, moment)), days(day_of(last, moment)) + 1
    raise TypeError(f"not a window: {window!r}")


def ago(amount: int, unit: str, moment: Moment) -> int:
    if unit in CALENDAR_UNITS:
        return days(moment.day_ago(amount, unit))
    return microseconds(moment.step_ago(amount, unit))


def _within(window: tree.Window, moment: Moment) -> Test:
    """Whether an instant lies in a window."""
    start, end = interval(window, moment)
    if is_in_days(window):
        start, end = (_start_of(day, moment) for day in (start, end))
    return lambda column: (column.values >= start) & (column.values < end)


def _start_of(day: int, moment: Moment) -> int:
    if day in (EARLIEST, LATEST):
        return day
    return microseconds(moment.start_of(date.fromordinal(min(day + EPOCH.toordinal(), date.max.toordinal()))))


# ── sequences ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _followed(rule: tree.Followed, moment: Moment) -> Callable[[Column, Column, Column, Column], Any]:
    """Whether the next event comes in time; or whether it does not, and time is over."""
    amount, unit = rule.delay.amount, rule.delay.unit
    limit = ago(amount, unit, moment)

    def followed(at: Column, day: Column, next_at: Column, next_day: Column) -> Any:
        if unit in CALENDAR_UNITS:
            in_time = next_day.where_known(day.values >= days_before(next_day.values, amount, unit))
            is_over = day.values < limit
        else:
            in_time = next_at.where_known(next_at.values <= at.values + amount * MINUTES[unit] * MINUTE)
            is_over = at.values < limit
        return ~in_time & is_over if rule.is_absent else in_time

    return followed


def days_before(day: Any, amount: int, unit: str) -> Any:
    """The day ``amount`` calendar units before each; a month goes back to the same day number, or to its last day."""
    if unit in ("day", "week"):
        return day - amount * (7 if unit == "week" else 1)
    of = np.asarray(day).astype("datetime64[D]")
    month = of.astype("datetime64[M]")
    place = of - month.astype("datetime64[D]")
    back = month - amount * (12 if unit == "year" else 1)
    length = (back + 1).astype("datetime64[D]") - back.astype("datetime64[D]")
    return (back.astype("datetime64[D]") + np.minimum(place, length - np.timedelta64(1, "D"))).astype(np.int32)
