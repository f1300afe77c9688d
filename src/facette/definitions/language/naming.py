"""The column of an aggregate: one name for one meaning, whatever the language or spelling it was written in."""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import fields, is_dataclass
from datetime import UTC

from facette.definitions.language.tree import (
    Aggregate,
    And,
    Duration,
    Earlier,
    Instant,
    InTheLast,
    Match,
    Next,
    Number,
    OneOf,
    Or,
    Text,
)

READABLE_LENGTH = 54  # with the hash within the 63 characters that PostgreSQL keeps of a name
_FINER = {"week": (7, "day"), "year": (12, "month")}  # an age in hours is not the same age in minutes


def aggregate_name(aggregate: Aggregate) -> str:
    """A column name such as ``purchase_count_1f3a9c2e``, equal for equal meaning.

    aggregate : checked, so that event and properties are ids

    The order of conditions, the case of text and the unit of a window (1 week, 7 days) make no difference.
    """
    readable = "_".join(filter(None, (aggregate.event, aggregate.function, aggregate.of)))
    digest = hashlib.sha256(_meaning(aggregate).encode()).hexdigest()
    return f"{readable[:READABLE_LENGTH]}_{digest[:8]}"


def next_name(following: Next) -> str:
    """The column prefix for the next event after each event, such as ``_next_purchase_5c1e90aa``."""
    return f"_next_{following.event[:READABLE_LENGTH]}_{hashlib.sha256(_meaning(following).encode()).hexdigest()[:8]}"


def _meaning(node: object) -> str:  # noqa: PLR0911 - one per kind
    """A text that is equal for trees of equal meaning; spans and what was written take no part."""
    match node:
        case Text(value=value):
            return f"Text({_tidied(value)!r})"
        case Match(left=left, how=how, text=text):
            return f"Match({_meaning(left)}, {how}, {_tidied(text)!r})"
        case Number(value=value):
            return f"Number({int(value) if value == int(value) else value!r})"
        case Instant(value=value):
            return f"Instant({value.astimezone(UTC).isoformat()})"
        case InTheLast(amount=amount, unit=unit) | Duration(amount=amount, unit=unit):
            factor, finer = _FINER.get(unit, (1, unit))
            return f"{type(node).__name__}({amount * factor} {finer})"
        case Earlier(amount=amount, after=after, unit=unit):
            factor, finer = _FINER.get(unit, (1, unit))
            return f"Earlier({amount * factor}, {after * factor} {finer})"
        case And(items=items) | Or(items=items):
            return f"{type(node).__name__}({', '.join(sorted({_meaning(item) for item in items}))})"
        case OneOf(left=left, values=values):
            return f"OneOf({_meaning(left)}, {', '.join(sorted({_meaning(value) for value in values}))})"
        case _ if is_dataclass(node):
            parts = (_meaning(getattr(node, field.name)) for field in fields(node) if field.compare)
            return f"{type(node).__name__}({', '.join(parts)})"
    return repr(node)


def _tidied(text: str) -> str:
    """Without case where a letter has one lower case for one upper case, as every engine sees it."""
    lowered = ((char, char.lower()) for char in unicodedata.normalize("NFC", text).strip())
    return "".join(lower if lower.upper() == char else char for char, lower in lowered)
