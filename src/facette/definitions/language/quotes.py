"""Which names and values can be written bare, which need quotes, and what a bare text means instead."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from facette.definitions.language.parser import parse_rule, parse_value
from facette.definitions.language.tree import (
    Aggregate,
    Compare,
    Did,
    Duration,
    InSegment,
    Match,
    Name,
    Number,
    OneOf,
    Operand,
    Rule,
    Text,
    Then,
    Threshold,
    Truth,
)
from facette.errors import RuleError

_READ_BACK: dict[str, tuple[str, Callable[[str], Rule | Operand]]] = {
    "name": ("{} = 1", lambda text: Compare(Name(text), "=", Number(1))),
    "truth": ("{}", lambda text: Truth(Name(text))),
    "property": ("DID x WHERE {}", lambda text: Did("x", where=Truth(Name(text)))),
    "argument": ("MAX({}) OF x", lambda text: Truth(Aggregate("max", "x", of=text))),
    "event": ("COUNT OF {} = 1", lambda text: Compare(Aggregate("count", text), "=", Number(1))),
    "did_event": ("DID {}", Did),
    "then_event": (
        "DID x THEN {} WITHIN 1 DAY",
        lambda text: Did("x", then=Then(text, Duration(1, "day"))),
    ),
    "threshold_name": ("x = THRESHOLD({})", lambda text: Compare(Name("x"), "=", Threshold(text))),
    "key": (
        "DID x THEN y ON {} WITHIN 1 DAY",
        lambda text: Did("x", then=Then("y", Duration(1, "day"), on=text)),
    ),
    "segment": ("IN SEGMENT {}", InSegment),
    "quantity": ("{}", Name),
    "value": ("x = {}", lambda text: Compare(Name("x"), "=", Text(text))),
    "listed": ("x IN ({})", lambda text: OneOf(Name("x"), (Text(text),))),
    "match": ("x CONTAINS {}", lambda text: Match(Name("x"), "contains", text)),
}
"""Place → a rule with a bare text there, and the tree to expect of it."""
_IN_FRENCH = {"did_event": ("A FAIT {}",), "then_event": ("DID x PUIS {} SOUS 1 JOUR",)}
"""The same where a name's first words may join what stands before it in French alone: PUIS NON."""
_BEFORE_KEYWORD = ("name", "property", "event", "did_event", "then_event")
_JOINS_KEYWORD = ("not", "pas", "is", "est", "n'est", "n’est")
"""At a name's end they would become part of what follows: NOT IN, PAS ENTRE, IS BETWEEN."""


@lru_cache(maxsize=4096)
def is_bare(place: str, text: str) -> bool:
    """Does the parser read the text back without quotes?

    place : a rule of the grammar where names or values stand, or ``truth`` for a name that is a whole condition
    """
    if place in _BEFORE_KEYWORD and text.casefold().split()[-1:] in ([word] for word in _JOINS_KEYWORD):
        return False
    forms = (_READ_BACK[place][0], *_IN_FRENCH.get(place, ()))
    return all(_read(place, text, form) == _READ_BACK[place][1](text) for form in forms)


def read_otherwise(place: str, text: str) -> Rule | Operand | None:
    """What a name means without quotes, in the rule that stands for the place; None if the name, or no rule at all."""
    found = _read(place, text, _READ_BACK[place][0])
    return None if found == _READ_BACK[place][1](text) else found


def _read(place: str, text: str, form: str) -> Rule | Operand | None:
    parse = parse_value if place == "quantity" else parse_rule
    try:
        return parse(form.format(text))
    except RuleError:
        return None


def quoted(text: str, quote: str) -> str:
    """The text in quotes of that kind, or of the other one if that saves doubling them."""
    other = {"'": '"', '"': "'"}[quote]
    if quote in text and other not in text:
        quote = other
    return quote + text.replace(quote, quote * 2) + quote
