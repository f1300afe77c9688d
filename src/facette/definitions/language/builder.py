"""The parser's callbacks: what each form of the grammar means as a tree.

A method has the name of a rule (or alias) of ``grammar.lark`` and gets its parts: tokens, and nodes already built.
Terminals whose name starts with an underscore do not arrive here.
"""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Literal, cast

from facette.definitions.language.messages import Refused
from facette.definitions.language.tree import (
    Aggregate,
    And,
    Arithmetic,
    Before,
    Between,
    BetweenDays,
    Compare,
    Comparison,
    Date,
    Day,
    Did,
    Duration,
    Earlier,
    Function,
    InSegment,
    Instant,
    InTheLast,
    IsKnown,
    Match,
    Name,
    Not,
    Number,
    OneOf,
    Operand,
    Or,
    RelativeDay,
    Rule,
    Since,
    Span,
    Text,
    Then,
    Threshold,
    Times,
    Truth,
    Unit,
    Window,
)
from facette.definitions.language.vocabulary import fold

if TYPE_CHECKING:
    from lark import Token

MAXIMUM_YEARS = 200
"""Longest duration: its start stays a date that every engine knows."""

_OPERATORS: dict[str, Comparison] = {"≤": "<=", "≥": ">=", "is": "=", "est": "="}
_HOW_OFTEN: dict[str, Comparison] = {
    "at least": ">=",
    "au moins": ">=",
    "at most": "<=",
    "au plus": "<=",
    "exactly": "=",
    "exactement": "=",
    "more than": ">",
    "plus de": ">",
    "less than": "<",
    "moins de": "<",
}
_FUNCTIONS: dict[str, Function] = {
    "count": "count",
    "nombre": "count",
    "sum": "sum",
    "somme": "sum",
    "avg": "avg",
    "average": "avg",
    "moyenne": "avg",
    "min": "min",
    "minimum": "min",
    "max": "max",
    "maximum": "max",
    "first": "first",
    "premier": "first",
    "premiere": "first",
    "last": "last",
    "dernier": "last",
    "derniere": "last",
    "mode": "mode",
    "most frequent": "mode",
    "plus frequent": "mode",
    "distinct": "distinct",
    "count distinct": "distinct",
    "nombre distinct": "distinct",
}
_UNITS: dict[str, Unit] = {
    "minute": "minute",
    "hour": "hour",
    "heure": "hour",
    "day": "day",
    "jour": "day",
    "week": "week",
    "semaine": "week",
    "month": "month",
    "moi": "month",
    "year": "year",
    "an": "year",
    "annee": "year",
}
_PER_YEAR: dict[Unit, int] = {"minute": 525_600, "hour": 8_760, "day": 365, "week": 52, "month": 12, "year": 1}
_HOW: dict[str, Literal["contains", "starts", "ends"]] = {
    "CONTAINS": "contains",
    "LACKS": "contains",
    "STARTS": "starts",
    "STARTS_NOT": "starts",
    "ENDS": "ends",
    "ENDS_NOT": "ends",
}

Parts = list[Any]  # tokens and nodes, as the grammar says for each method


class TreeBuilder:
    """Callbacks for lark, without state."""

    # ── connectives ──

    def any(self, parts: Parts) -> Or:
        return Or(tuple(parts), span=_span(parts))

    def all(self, parts: Parts) -> And:
        return And(tuple(parts), span=_span(parts))

    def opposite(self, parts: Parts) -> Not:
        return Not(parts[1], span=_span(parts))

    def group(self, parts: Parts) -> Rule | Operand:
        """Parentheses belong to what they hold."""
        return cast("Rule | Operand", replace(parts[1], span=_span(parts)))

    # ── conditions ──

    def truth(self, parts: Parts) -> Truth:
        return Truth(parts[0], span=_span(parts))

    def compare(self, parts: Parts) -> Compare:
        left, operator, right = parts
        written = operator.lower()
        return Compare(left, _OPERATORS.get(written, written), right, span=_span(parts))

    def differs(self, parts: Parts) -> Not:
        span = _span(parts)
        return Not(Compare(parts[0], "=", parts[2], span=span), span=span)

    def one_of(self, parts: Parts) -> OneOf:
        left, _, values = parts
        return OneOf(left, tuple(values[1:-1]), span=_span(parts))

    def none_of(self, parts: Parts) -> Not:
        return _not(self.one_of(parts))

    def values(self, parts: Parts) -> Parts:
        return parts

    def between(self, parts: Parts) -> Between:
        return Between(parts[0], parts[-2], parts[-1], span=_span(parts))

    def not_between(self, parts: Parts) -> Not:
        return _not(self.between(parts))

    def match(self, parts: Parts) -> Match:
        left, how, text = parts
        return Match(left, _HOW[how.type], text.value, span=_span(parts))

    def no_match(self, parts: Parts) -> Not:
        return _not(self.match(parts))

    def known(self, parts: Parts) -> IsKnown:
        return IsKnown(parts[0], span=_span(parts))

    def unknown(self, parts: Parts) -> Not:
        return _not(self.known(parts))

    def in_segment(self, parts: Parts) -> InSegment:
        return InSegment(parts[1].text, span=_span(parts))

    # ── behaviour ──

    def did(self, parts: Parts) -> Rule:
        kind, event, *modifiers = parts
        then = next((part for part in modifiers if isinstance(part, Then)), None)
        where, times, window = _modifiers([part for part in modifiers if part is not then])
        is_first = kind.type in ("FIRST_DID", "NOT_FIRST_DID")
        did = Did(event.text, where, times, window, is_first, then, span=_span(parts))
        return _not(did) if kind.type in ("DID_NOT", "NOT_FIRST_DID") else did

    def aggregate(self, parts: Parts) -> Aggregate:
        written = parts[0]
        if written.type == "FUNCTION":
            function, of, (event, *modifiers) = _FUNCTIONS[fold(written).replace("_", " ")], parts[2].text, parts[4:]
        else:
            function, of, (event, *modifiers) = _WITHOUT_PROPERTY[written.type], None, parts[1:]
        where, _, window = _modifiers(modifiers)
        return Aggregate(function, event.text, of, where, window, span=_span(parts))

    def then(self, parts: Parts) -> Then:
        kind, event, *between, amount, unit = parts
        delay = Duration(*_length(amount, unit), span=_span([amount, unit]))
        keys = [part.text for part in between if isinstance(part, Name)]
        (where,) = [part for part in between if not isinstance(part, Name)] or [None]
        on, other = (*keys, None, None)[:2]
        return Then(event.text, delay, where, kind.type == "THEN_NOT", on, other, span=_span(parts))

    def where(self, parts: Parts) -> Rule:
        (rule,) = parts
        _refuse_other_subjects(rule)
        return cast(Rule, rule)

    def times(self, parts: Parts) -> Times:
        how, amount, _ = parts
        return Times(_HOW_OFTEN[" ".join(how.lower().split())], _whole(amount), span=_span(parts))

    def in_the_last(self, parts: Parts) -> InTheLast:
        _, *amount, unit = parts
        return InTheLast(*_length(amount[0] if amount else None, unit), span=_span(parts))

    def earlier(self, parts: Parts) -> Earlier:
        _, amount, unit, _, *after, last_unit = parts
        (length, name), (skipped, last) = _length(amount, unit), _length(after[0] if after else None, last_unit)
        if name != last:
            raise Refused("one_unit", _span([last_unit]))
        return Earlier(length, skipped, name, span=_span(parts))

    def since(self, parts: Parts) -> Since:
        return Since(parts[1], span=_span(parts))

    def before(self, parts: Parts) -> Before:
        return Before(parts[1], span=_span(parts))

    def between_days(self, parts: Parts) -> BetweenDays:
        return BetweenDays(parts[1], parts[2], span=_span(parts))

    # ── the value of a feature ──

    def arithmetic(self, parts: Parts) -> Arithmetic:
        left, operator, right = parts
        return Arithmetic(cast(Literal["+", "-", "*", "/"], str(operator)), left, right, span=_span(parts))

    # ── names ──

    def name(self, parts: Parts) -> Name:
        words = _unquoted(parts[0]) if parts[0].type == "QUOTED" else " ".join(parts)
        text = " ".join(words.split())
        if not text:
            raise Refused("empty_name", _span(parts))
        return Name(text, span=_span(parts))

    property = quantity = argument = event = did_event = then_event = key = segment = threshold_name = name

    # ── values ──

    def number(self, parts: Parts) -> Number:
        written = parts[0].replace(",", ".")
        value = float(written)
        if not math.isfinite(value):
            raise Refused("number_too_large", _span(parts))
        is_integer = written.lstrip("-").isdecimal() and abs(value) < 2**63
        return Number(int(written) if is_integer else value, span=_span(parts))

    def duration(self, parts: Parts) -> Duration:
        return Duration(*_length(*parts), span=_span(parts))

    def instant(self, parts: Parts) -> Instant:
        try:
            value = datetime.fromisoformat(parts[0].upper())
        except ValueError:
            raise Refused("no_such_day", _span(parts), found=str(parts[0])) from None
        if value.tzinfo is None:
            raise Refused("no_offset", _span(parts))
        try:
            value.astimezone(UTC)
        except OverflowError:
            raise Refused("no_such_day", _span(parts), found=str(parts[0])) from None
        return Instant(value, span=_span(parts))

    listed_number, listed_duration, listed_instant = number, duration, instant

    def day(self, parts: Parts) -> Day:
        (token,) = parts
        if token.type != "DATE":
            return RelativeDay(0 if token.type == "TODAY" else 1, span=_span(parts))
        try:
            return Date(date.fromisoformat(token), span=_span(parts))
        except ValueError:
            raise Refused("no_such_day", _span(parts), found=str(token)) from None

    def threshold(self, parts: Parts) -> Threshold:
        return Threshold(parts[2].text, span=_span(parts))

    def text(self, parts: Parts) -> Text:
        (token,) = parts
        return Text(_unquoted(token) if token.type == "QUOTED" else str(token), span=_span(parts))


_WITHOUT_PROPERTY: dict[str, Function] = {"COUNT_OF": "count", "RECENCY_OF": "recency"}


def _span(parts: Parts) -> Span:
    """From the first part to the last; a list stands for its parts."""
    first: Any = parts[0]
    last: Any = parts[-1][-1] if isinstance(parts[-1], list) else parts[-1]
    start: int = first.start_pos if hasattr(first, "start_pos") else first.span[0]
    end: int = last.end_pos if hasattr(last, "end_pos") else last.span[1]
    return start, end


def _not(rule: Rule) -> Not:
    return Not(rule, span=rule.span)


def _modifiers(parts: Parts) -> tuple[Rule | None, Times | None, Window | None]:
    where, times, window = None, None, None
    for part in parts:
        if isinstance(part, Times):
            if times is not None:
                raise Refused("said_twice", part.span)
            times = part
        elif isinstance(part, InTheLast | Earlier | Since | Before | BetweenDays):
            if window is not None:
                raise Refused("said_twice", part.span)
            window = part
        else:
            where = part
    return where, times, window


def _refuse_other_subjects(where: Rule) -> None:
    match where:
        case And(items=items) | Or(items=items):
            for item in items:
                _refuse_other_subjects(item)
        case Not(item=item):
            _refuse_other_subjects(item)
        case Did() | InSegment():
            raise Refused("not_about_one_event", where.span)


def _length(amount: Token | None, unit: Token) -> tuple[int, Unit]:
    number = 1 if amount is None else _whole(amount)
    name = _UNITS[fold(unit).removesuffix("s")]
    if number > MAXIMUM_YEARS * _PER_YEAR[name]:
        raise Refused("too_long_ago", _span([unit if amount is None else amount, unit]), limit=MAXIMUM_YEARS)
    return number, name


def _whole(amount: Token) -> int:
    if not amount.isdecimal() or len(amount) > 18:
        raise Refused("not_whole", _span([amount]), found=str(amount))
    return int(amount)


def _unquoted(token: Token) -> str:
    quote, inside = token[0], token[1:-1]
    return inside.strip() if quote in "«“" else inside.replace(quote * 2, quote)
