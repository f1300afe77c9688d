"""A column compared with literal values: do the types agree, and which rule is it then?

Bands, ages and truth words are resolved here, so that every engine meets only plain comparisons.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from facette.definitions.language.messages import Refused, Word
from facette.definitions.language.tree import (
    And,
    Between,
    Boolean,
    Column,
    Compare,
    Comparison,
    Date,
    Duration,
    Instant,
    IsKnown,
    Literal_,
    Number,
    OneOf,
    Or,
    RelativeDay,
    Rule,
    Span,
    Text,
    Threshold,
)
from facette.definitions.language.vocabulary import Band, fold

TRUTH_WORDS = {
    "oui": True,
    "yes": True,
    "true": True,
    "vrai": True,
    "non": False,
    "no": False,
    "false": False,
    "faux": False,
}


@dataclass(frozen=True, slots=True)
class Subject:
    """What a comparison looks at, with the bands and the unit of its values."""

    column: Column
    bands: tuple[Band, ...] = ()
    unit: str = ""


def compare(subject: Subject, operator: Comparison, right: Literal_, span: Span) -> Rule:
    """The rule for ``subject operator right``. Raises Refused where the types do not agree."""
    column = subject.column
    if subject.bands and isinstance(right, Text):
        return _in_band(subject, operator, right, span)
    if operator != "=" and column.type in ("text", "boolean"):
        raise Refused("no_order", span, name=column, type=Word(column.type), operator=operator)
    return Compare(column, operator, _agreeing(column, right), span=span)


def one_of(subject: Subject, values: Sequence[Literal_], span: Span) -> Rule:
    """The rule for ``subject IN (values)``: one node, or one comparison each where bands or ages are among them."""
    if any(isinstance(value, Duration) or (subject.bands and isinstance(value, Text)) for value in values):
        items = tuple(compare(subject, "=", value, value.span) for value in values)
        return Or(items, span=span) if len(items) > 1 else items[0]
    return OneOf(subject.column, tuple(_agreeing(subject.column, value) for value in values), span=span)


def between(subject: Subject, low: Literal_, high: Literal_, span: Span) -> Rule:
    """The rule for ``subject BETWEEN low AND high``, both included; of ages, two comparisons."""
    column = subject.column
    if column.type in ("text", "boolean"):
        raise Refused("no_order", span, name=column, type=Word(column.type), operator="<=")
    if isinstance(low, Duration) != isinstance(high, Duration):
        raise Refused("mixed_range", span)
    low, high = _agreeing(column, low), _agreeing(column, high)
    if isinstance(low, Duration):
        return And((Compare(column, ">=", low, span=low.span), Compare(column, "<=", high, span=high.span)), span=span)
    return Between(column, low, high, span=span)


def _in_band(subject: Subject, operator: Comparison, name: Text, span: Span) -> Rule:
    column = subject.column
    found = [band for band in subject.bands if fold(name.value) in {fold(band.name), *map(fold, band.labels)}]
    if len(found) != 1:
        bands = tuple(" / ".join(dict.fromkeys((*band.labels, band.name))) for band in found or subject.bands)
        complaint = "no_such_value" if column.type == "text" else "no_such_band"
        raise Refused(complaint, name.span, found=name.value, name=column, bands=bands)
    if operator != "=":
        raise Refused("band_order", span, operator=operator, found=name.value)
    if column.type == "text":
        return Compare(column, "=", Text(found[0].name, span=name.span), span=span)
    ends: list[tuple[Comparison, float | None]] = [(">=", found[0].low), ("<", found[0].high)]
    items = tuple(
        Compare(column, sign, Number(end, span=name.span), span=span) for sign, end in ends if end is not None
    )
    if not items:
        return IsKnown(column, span=span)
    return And(items, span=span) if len(items) > 1 else items[0]


def _agreeing(column: Column, literal: Literal_) -> Literal_:
    """The literal as a value of the column's type."""
    match column.type, literal:
        case ("number", Number() | Threshold()) | ("text", Text()) | ("boolean", Boolean()) | ("instant", Instant()):
            return literal
        case "boolean", Text(value=word) if fold(word) in TRUTH_WORDS:
            return Boolean(TRUTH_WORDS[fold(word)], span=literal.span)
        case "date" | "instant", Date() | RelativeDay():
            return literal
        case "date", Duration(unit="hour" | "minute"):
            raise Refused("no_hour", literal.span, name=column)
        case "date" | "instant", Duration():
            return literal
    raise Refused(
        "types_differ",
        literal.span,
        name=column,
        type=Word(column.type),
        found=literal,
        other=Word(_TYPES[type(literal)]),
        hint=Word(f"like {column.type}"),
    )


_TYPES = {
    Text: "text",
    Number: "number",
    Boolean: "boolean",
    Date: "date",
    RelativeDay: "date",
    Instant: "instant",
    Duration: "duration",
    Threshold: "number",
}
