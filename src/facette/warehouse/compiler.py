"""A checked tree as an Ibis expression over one wide row, at one moment.

An unknown value makes a leaf false. What is unknown is closed to false where a NOT turns it round and for the whole
rule, so NOT, AND and OR are two-valued on every engine. Conditions on local days of an instant become comparisons with
UTC instants computed here, so no engine has to know about time zones.
"""

from __future__ import annotations

import operator
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

import ibis
import ibis.expr.types as ir

from facette.clock import CALENDAR_UNITS, Moment
from facette.definitions.language import next_name, tree
from facette.warehouse.moments import MomentOfRow, Moments

Bound = Moment | MomentOfRow
When = Moment | Moments | MomentOfRow
"""One moment for all rows, or one for each; bound to the rows of a table it answers with columns of that table."""

COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
MINUTES = {"minute": 1, "hour": 60}
LONGEST_OF_ORS = 100
"""A list of texts becomes a join in DuckDB: slow for many rules with short lists, and much faster for a long one."""
ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {"+": operator.add, "-": operator.sub, "*": operator.mul}


def compile_rule(rule: tree.Rule, row: ir.Table, moment: When) -> ir.BooleanValue:
    """The rule as a boolean column of ``row``, never null.

    row : one column for each Column, each threshold and each segment (boolean) that the rule names
    """
    moment = moment.of(row)
    match rule:
        case tree.Not(item):
            return ~compile_rule(item, row, moment)
        case tree.InSegment(segment):
            return row[segment]
        case _:
            return _open(rule, row, moment).fill_null(False)


def _open(rule: tree.Rule, row: ir.Table, moment: Bound) -> ir.BooleanValue:
    """The rule before it is closed: true where it is true, and false or null elsewhere.

    AND and OR are true of such parts where they are true of closed ones, so only the whole, and what NOT turns round,
    have to be closed.
    """
    match rule:
        case tree.And(items):
            return balanced(operator.and_, [_open(item, row, moment) for item in items])
        case tree.Or(items):
            return balanced(operator.or_, [_open(item, row, moment) for item in items])
        case tree.Not() | tree.InSegment():
            return compile_rule(rule, row, moment)
        case _:
            return _leaf(rule, row, moment)


def compile_value(value: tree.Operand, row: ir.Table) -> ir.Value:
    """A feature's value as a column of ``row``; unknown operands and division by zero give unknown."""
    match value:
        case tree.Column(name):
            column = row[name]
            return column.cast("int64") if column.type().is_integer() else column  # of 8 bits, it would overflow
        case tree.Number(number):
            return ibis.literal(number, "int64" if isinstance(number, int) else "float64")
        case tree.Arithmetic("/", left, right):
            divisor = compile_value(right, row).cast("float64")
            return compile_value(left, row).cast("float64") / divisor.nullif(0.0)
        case tree.Arithmetic(sign, left, right):
            return ARITHMETIC[sign](compile_value(left, row), compile_value(right, row))
    raise TypeError(f"not a checked value: {value!r}")


def balanced(join: Callable[[Any, Any], Any], items: Sequence[Any]) -> Any:
    """All items joined, in a tree as low as can be: whoever walks an expression descends once for each level of it."""
    if len(items) == 1:
        return items[0]
    middle = len(items) // 2
    return join(balanced(join, items[:middle]), balanced(join, items[middle:]))


def in_window(window: tree.Window | None, events: ir.Table, moment: When) -> ir.BooleanValue | None:
    """Whether an event lies in the window (None when there is no window: every event does)."""
    moment = moment.of(events)
    match window:
        case None:
            return None
        case tree.InTheLast(amount, unit) if unit in CALENDAR_UNITS:
            return events.day >= moment.day_ago(amount, unit)
        case tree.InTheLast(amount, unit):
            return events.at >= instant(moment.step_ago(amount, unit))
        case tree.Earlier(amount, after, unit) if unit in CALENDAR_UNITS:
            start, end = moment.day_ago(amount + after, unit), moment.day_ago(after, unit)
            return (events.day >= start) & (events.day < end)
        case tree.Earlier(amount, after, unit):
            first, last = instant(moment.step_ago(amount + after, unit)), instant(moment.step_ago(after, unit))
            return (events.at >= first) & (events.at < last)
        case tree.Since(day):
            return events.day >= day_of(day, moment)
        case tree.Before(day):
            return events.day < day_of(day, moment)
        case tree.BetweenDays(first, last):
            return (events.day >= day_of(first, moment)) & (events.day <= day_of(last, moment))
    raise TypeError(f"not a window: {window!r}")


def visible(events: ir.Table, moment: When) -> ir.BooleanValue:
    """An event exists once it has happened and been received."""
    moment = moment.of(events)
    seen = events.at <= instant(moment.as_of)
    return seen & (events.known_at <= instant(moment.known_at))


def day_of(day: tree.Date | tree.RelativeDay, moment: Bound) -> Any:
    """The calendar day that a date, or a word such as ``yesterday``, stands for."""
    return day.value if isinstance(day, tree.Date) else moment.day_ago(day.days_ago, "day")


def instant(value: Any) -> ir.TimestampValue:
    """A point in time as a value of the warehouse; what already is one stays."""
    return value if isinstance(value, ir.Value) else ibis.literal(value, type="timestamp('UTC', 6)")


def folded(text: str) -> ir.StringValue:
    """Text as it is compared: NFC, trimmed, lower case; columns were made NFC and trimmed when cleaned.

    The engine makes it lower case as it does columns: Python does so otherwise (``Σ`` at the end of a word, ``İ``).
    """
    return ibis.literal(unicodedata.normalize("NFC", text).strip()).lower()


def _leaf(rule: tree.Rule, row: ir.Table, moment: Bound) -> ir.BooleanValue:
    match rule:
        case tree.Truth(tree.Column(name)):
            return row[name]
        case tree.IsKnown(tree.Column(name)):
            return row[name].notnull()
        case tree.Compare(tree.Column() as left, sign, right):
            return _compare(left, sign, right, row, moment)
        case tree.OneOf(tree.Column() as left, values):
            return _one_of(left, values, row, moment)
        case tree.Between(tree.Column() as left, low, high):
            return _compare(left, ">=", low, row, moment) & _compare(left, "<=", high, row, moment)
        case tree.Match(tree.Column(name), how, text):
            column = row[name].lower()
            wanted = folded(text)
            return {"contains": column.contains, "starts": column.startswith, "ends": column.endswith}[how](wanted)
        case tree.FirstIn(tree.Column(name), window):
            return _instant_in_window(row[name], window, moment)
        case tree.Followed():
            return _followed(rule, row, moment)
    raise TypeError(f"not a checked rule: {rule!r}")


def _one_of(left: tree.Column, values: Sequence[tree.Literal_], row: ir.Table, moment: Bound) -> ir.BooleanValue:
    if left.type == "text" and len(values) > LONGEST_OF_ORS:
        return row[left.name].lower().isin([folded(value.value) for value in values if isinstance(value, tree.Text)])
    return balanced(operator.or_, [_compare(left, "=", value, row, moment) for value in values])


def _followed(rule: tree.Followed, events: ir.Table, moment: Bound) -> ir.BooleanValue:
    """Whether the next event comes in time; or whether it does not, and time is over."""
    amount, unit = rule.delay.amount, rule.delay.unit
    next_at, next_day = (events[f"{next_name(rule.next)}__{suffix}"] for suffix in ("at", "day"))
    if unit in CALENDAR_UNITS:
        # The event's day is no earlier than the day that lies the delay before the next one's.
        is_in_time = events.day >= before_day(next_day, amount, unit)
        is_over = events.day < moment.day_ago(amount, unit)
    else:
        is_in_time = next_at <= events["at"] + ibis.interval(minutes=amount * MINUTES[unit])
        is_over = events["at"] < instant(moment.step_ago(amount, unit))
    is_in_time = is_in_time.fill_null(False)
    return ~is_in_time & is_over if rule.is_absent else is_in_time


def before_day(day: ir.DateValue, amount: int, unit: str) -> ir.DateValue:
    """The day ``amount`` calendar units before each; a month goes back to the same day number, or to its last day."""
    back = {
        "day": lambda: ibis.interval(days=amount),
        "week": lambda: ibis.interval(days=7 * amount),
        "month": lambda: ibis.interval(months=amount),
        "year": lambda: ibis.interval(months=12 * amount),
    }[unit]()
    return (day - back).cast("date")


def _compare(
    left: tree.Column, sign: tree.Comparison, right: tree.Literal_, row: ir.Table, moment: Bound
) -> ir.BooleanValue:
    column = row[left.name]
    compare = COMPARISONS[sign]
    match right:
        case tree.Duration(amount, unit):
            return _compare_age(column, left.type, sign, amount, unit, moment)
        case tree.Date() | tree.RelativeDay():
            return _compare_day(column, left.type, sign, day_of(right, moment), moment)
        case tree.Instant(value):
            return compare(column, instant(value))
        case tree.Text(text):
            return compare(column.lower(), folded(text))
        case tree.Number(value) | tree.Boolean(value):
            return compare(column, value)
        case tree.Threshold(name, value):
            known = row[name] if value is None else ibis.literal(value[0]) if value else ibis.null("float64")
            return compare(column, known)
    raise TypeError(f"not a literal: {right!r}")


def _compare_day(column: ir.Value, kind: str, sign: str, day: Any, moment: Bound) -> ir.BooleanValue:
    """Compare the (local) day of a date or an instant with a day."""
    if kind == "date":
        return COMPARISONS[sign](column, day)
    start, end = instant(moment.start_of(day)), instant(moment.end_of(day))
    match sign:
        case "<":
            return column < start
        case "<=":
            return column < end
        case ">":
            return column >= end
        case ">=":
            return column >= start
    return (column >= start) & (column < end)


OLDER = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "="}  # a smaller age is a later day


def _compare_age(column: ir.Value, kind: str, sign: str, amount: int, unit: str, moment: Bound) -> ir.BooleanValue:
    """Compare how long ago a date or an instant was with a duration."""
    if unit in CALENDAR_UNITS:
        return _compare_day(column, kind, OLDER[sign], moment.day_ago(amount, unit), moment)
    # Whole units elapsed: floor((step - at) / unit), never below 0, so `elapsed >= n` is `at <= step - n units`.
    # Any known age is at least 0; of an unknown one even that is unknown, so that "less than 0" is not true of it.
    at_least = column <= instant(moment.step_ago(amount, unit)) if amount > 0 else column.notnull().nullif(False)
    more = column <= instant(moment.step_ago(amount + 1, unit))
    match sign:
        case ">=":
            return at_least
        case ">":
            return more
        case "<":
            return ~at_least
        case "<=":
            return ~more
    return at_least & ~more


def _instant_in_window(column: ir.Value, window: tree.Window, moment: Bound) -> ir.BooleanValue:
    match window:
        case tree.InTheLast(amount, unit) if unit in CALENDAR_UNITS:
            return _compare_day(column, "instant", ">=", moment.day_ago(amount, unit), moment)
        case tree.InTheLast(amount, unit):
            return column >= instant(moment.step_ago(amount, unit))
        case tree.Earlier(amount, after, unit):
            longer, shorter = (tree.InTheLast(length, unit) for length in (amount + after, after))
            # Both are false of an unknown instant, also once the second is turned round.
            since = _instant_in_window(column, longer, moment)
            return since & ~_instant_in_window(column, shorter, moment)
        case tree.Since(day):
            return _compare_day(column, "instant", ">=", day_of(day, moment), moment)
        case tree.Before(day):
            return _compare_day(column, "instant", "<", day_of(day, moment), moment)
        case tree.BetweenDays(first, last):
            return _compare_day(column, "instant", ">=", day_of(first, moment), moment) & _compare_day(
                column, "instant", "<=", day_of(last, moment), moment
            )
    raise TypeError(f"not a window: {window!r}")
