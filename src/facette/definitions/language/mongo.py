"""Conditions as MongoDB and GrowthBook write them (objects of JSON) to the tree of a rule with the same answer.

    {"country": {"$in": ["FR", "BE"]}, "age": {"$gte": 18}}     →     country IN (FR, BE) AND age >= 18

A path such as ``address.city`` is a name, which the vocabulary must know as a trait or feature. What no rule says —
lists as values, order of texts, types, versions — is refused with the reason, never approximated. An unknown value
counts as in MongoDB: absent and null are one, orders are false of it, ``$ne`` and ``$nin`` true. Three things differ,
because every rule has them so: text compares without regard to case, and to spaces at its ends or repeated; an
attribute that is present but null does not ``$exist``; a value of another type is an error when the rule is checked.
"""

from __future__ import annotations

import difflib
import json
import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from facette.definitions.language.messages import Language, Refused
from facette.definitions.language.mongo_messages import REASONS, WHOLE
from facette.definitions.language.parser import MAXIMUM_DEPTH, refuse_depth
from facette.definitions.language.patterns import NotPlain, plain_forms
from facette.definitions.language.tree import (
    And,
    Compare,
    Comparison,
    Date,
    Instant,
    IsKnown,
    Literal_,
    Match,
    Name,
    Not,
    Number,
    OneOf,
    Or,
    Rule,
    Text,
    Truth,
)
from facette.errors import ConditionError

Pointer = tuple[str | int, ...]
Groups = Mapping[str, Any]

CONNECTIVES = ("$and", "$or", "$nor", "$not")
ORDERS: Mapping[str, Comparison] = {"$lt": "<", "$lte": "<=", "$gt": ">", "$gte": ">="}
LISTS = {"$in": False, "$nin": True, "$ini": False, "$nini": True}
"""Operator → whether it is the complement; those that end in i say outright what every rule does: any case."""
PATTERNS = {"$regex": False, "$notRegex": True, "$regexi": False, "$notRegexi": True}
GROUPS = {"$inGroup": False, "$notInGroup": True}
TRANSLATED = ("$eq", "$ne", "$exists", "$not", "$options", *ORDERS, *LISTS, *PATTERNS, *GROUPS)
REFUSED = {
    **dict.fromkeys(("$elemMatch", "$size", "$all", "$alli"), "list"),
    "$type": "type",
    **dict.fromkeys(("$veq", "$vne", "$vlt", "$vlte", "$vgt", "$vgte"), "version"),
}
"""Operator → why no rule says it."""


def from_mongo(condition: Mapping[str, Any], *, groups: Groups | None = None, language: Language = "en") -> Rule:
    """The rule that is true of the same profiles as the condition.

    groups   : name → values, for ``$inGroup``; also as GrowthBook saves them, ``{"type": "list", "values": […]}``
    language : of the errors

    Raises ConditionError, which names the operator by a JSON pointer.
    """
    try:
        if groups is not None and not isinstance(groups, Mapping):
            raise _No("no_groups", ())
        rule = _Reader(groups or {}).condition(condition, ())
        try:
            refuse_depth(rule)
        except Refused:
            raise _No("too_deep", (), limit=MAXIMUM_DEPTH) from None
    except _No as no:
        raise no.for_user(language) from None
    return rule


def condition_of(text: str, *, language: Language = "en") -> Any:
    """A condition, or saved groups, from their JSON text. Raises ConditionError."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _No("json", (), found=str(error)).for_user(language) from None


class _No(Exception):  # noqa: N818 - an exit inside the module; users get a ConditionError
    """No rule says what stands at the pointer. ``values`` fill the message of ``reason``."""

    def __init__(self, reason: str, at: Pointer, **values: object) -> None:
        super().__init__(reason)
        self.reason = reason
        self.at = at
        self.values = values

    def for_user(self, language: Language) -> ConditionError:
        message, remedy = (sentence.format(**self.values) for sentence in REASONS[self.reason][language])
        pointer = "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in self.at)
        shown = f"{pointer or WHOLE[language]}{' :' if language == 'fr' else ':'} {message}"
        return ConditionError(shown, reason=self.reason, pointer=pointer, remedy=remedy)


@dataclass(frozen=True)
class _Reader:
    groups: Groups

    # ── objects ──

    def condition(self, data: Any, at: Pointer) -> Rule:
        """Connectives and paths, all of which must hold."""
        if not isinstance(data, Mapping):
            raise _No("no_object", at)
        if len(at) > 2 * MAXIMUM_DEPTH:
            raise _No("too_deep", at, limit=MAXIMUM_DEPTH)
        return _all_of([self.member(key, value, (*at, key)) for key, value in data.items()], at)

    def member(self, key: str, value: Any, at: Pointer) -> Rule:
        match key:
            case "$and":
                return _all_of(self.conditions(value, at), at)
            case "$or":
                return _any_of(self.conditions(value, at), at)
            case "$nor":
                return _not(_any_of(self.conditions(value, at), at))
            case "$not":
                return _not(self.condition(value, at))
        if key.startswith("$"):
            raise _unknown(key, CONNECTIVES, at)
        return self.test(_name(key, at), value, at)

    def conditions(self, value: Any, at: Pointer) -> list[Rule]:
        return [self.condition(item, (*at, place)) for place, item in enumerate(_list(value, at))]

    def test(self, name: Name, value: Any, at: Pointer) -> Rule:
        """What stands beside a path: operators, all of which must hold, or a value to be equal to."""
        if not isinstance(value, Mapping) or "$date" in value:
            return _equals(name, value, at)
        if not value or not all(key.startswith("$") for key in value):
            raise _No("object", at, path=name.text)
        if len(at) > 2 * MAXIMUM_DEPTH:
            raise _No("too_deep", at, limit=MAXIMUM_DEPTH)
        if "$options" in value:
            _check_options(value, (*at, "$options"))
        operators = [key for key in value if key != "$options"]
        return _all_of([self.operator(name, key, value[key], (*at, key)) for key in operators], at)

    def operator(self, name: Name, key: str, value: Any, at: Pointer) -> Rule:
        rule = self.positive(name, key, value, at)
        return _not(rule) if key == "$ne" or {**LISTS, **PATTERNS, **GROUPS}.get(key) else rule

    def positive(self, name: Name, key: str, value: Any, at: Pointer) -> Rule:
        """What the operator says, or what its complement says of ``$ne``, ``$nin`` and the like."""
        match key:
            case "$eq" | "$ne":
                return _equals(name, value, at)
            case "$not":
                return _not(self.test(name, value, at))
            case "$exists":
                if not isinstance(value, bool | int | float):
                    raise _No("no_truth", at)
                return IsKnown(name) if value else Not(IsKnown(name))
        if key in ORDERS:
            return Compare(name, ORDERS[key], _ordered(value, at))
        if key in LISTS:
            return _in(name, _list(value, at), at)
        if key in PATTERNS:
            return _matches(name, value, at)
        if key in GROUPS:
            return _in(name, self.group(value, at), at)
        if key in REFUSED:
            raise _No(REFUSED[key], at)
        raise _unknown(key, (*TRANSLATED, *REFUSED), at)

    def group(self, name: Any, at: Pointer) -> Sequence[Any]:
        if not isinstance(name, str):
            raise _No("no_group_name", at)
        if name not in self.groups:
            raise _No("unknown_group", at, found=name, names=", ".join(self.groups) or "–")
        values = self.groups[name]
        return _list(values["values"] if isinstance(values, Mapping) and "values" in values else values, at)


# ── conditions on one path ──────────────────────────────────────────────────────────────────────────────────────────


def _equals(name: Name, value: Any, at: Pointer) -> Rule:
    if value is None:
        return Not(IsKnown(name))
    if isinstance(value, bool):  # not as a word: a trait that is text would be compared with that
        return Truth(name) if value else And((IsKnown(name), Not(Truth(name))))
    return Compare(name, "=", _literal(value, at))


def _in(name: Name, values: Sequence[Any], at: Pointer) -> Rule:
    """One list of literals, and null, true or false apart."""
    apart = [value for value in values if value is None or isinstance(value, bool)]
    rules = [_equals(name, value, at) for value in dict.fromkeys(apart)]
    literals = tuple(
        _literal(value, (*at, place))
        for place, value in enumerate(values)
        if value is not None and not isinstance(value, bool)
    )
    return _any_of([*([OneOf(name, literals)] if literals else []), *rules], at)


def _matches(name: Name, pattern: Any, at: Pointer) -> Rule:
    if not isinstance(pattern, str):
        raise _No("no_pattern", at)
    try:
        forms = plain_forms(_text(pattern, at))
    except NotPlain as part:
        raise _No("pattern", at, found=part) from None
    if any(not text for _, text in forms):
        raise _No("empty_pattern", at)
    if any(text != text.strip() for _, text in forms):
        raise _No("outer_spaces", at)
    return _any_of(
        [Compare(name, "=", Text(text)) if how == "equals" else Match(name, how, text) for how, text in forms], at
    )


def _check_options(value: Mapping[str, Any], at: Pointer) -> None:
    if not any(key in PATTERNS for key in value):
        raise _No("options_alone", at)
    if value["$options"] not in ("", "i"):
        raise _No("options", at, found=json.dumps(value["$options"]))


# ── values ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _literal(value: Any, at: Pointer) -> Literal_:
    match value:
        case str():
            text = _text(value, at).strip()
            if not text:
                raise _No("empty_text", at)
            return Text(text)
        case int() | float():
            return Number(_number(value, at))
        case {"$date": day} if len(value) == 1:
            return _day_or_instant(day, (*at, "$date"))
        case Mapping():
            raise _No("object_value", at)
    raise _No("list_value", at)


def _ordered(value: Any, at: Pointer) -> Literal_:
    if isinstance(value, str):
        raise _No("text_order", at)
    if value is None or isinstance(value, bool):
        raise _No("no_order", at)
    return _literal(value, at)


def _text(value: str, at: Pointer) -> str:
    """As traits are cleaned: composed, single spaces."""
    if re.search("[\0\ud800-\udfff]", value):
        raise _No("no_text", at)
    return re.sub(r"\s+", " ", unicodedata.normalize("NFC", value))


def _number(value: int | float, at: Pointer) -> int | float:
    """As the language reads a number: whole within 64 bits, else a double."""
    if isinstance(value, int) and abs(value) < 2**63:
        return value
    try:
        double = float(value)
    except OverflowError:
        double = math.inf
    if not math.isfinite(double):
        raise _No("no_number", at)
    return double


def _day_or_instant(value: Any, at: Pointer) -> Date | Instant:
    written = value if isinstance(value, str) else ""
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", written):
            return Date(date.fromisoformat(written))
        instant = datetime.fromisoformat(written)
        if instant.tzinfo is not None:
            return Instant(instant.astimezone(UTC))
    except (ValueError, OverflowError):
        pass
    raise _No("no_date", at)


def _name(path: str, at: Pointer) -> Name:
    words = _text(path, at).strip()
    if not words:
        raise _No("empty_name", at)
    return Name(words)


def _list(value: Any, at: Pointer) -> Sequence[Any]:
    if not isinstance(value, list | tuple):
        raise _No("no_list", at)
    if not value:
        raise _No("nothing", at)
    return value


# ── connectives ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _all_of(rules: Sequence[Rule], at: Pointer) -> Rule:
    flat = tuple(part for rule in rules for part in (rule.items if isinstance(rule, And) else (rule,)))
    if not flat:
        raise _No("nothing", at)
    return And(flat) if len(flat) > 1 else flat[0]


def _any_of(rules: Sequence[Rule], at: Pointer) -> Rule:
    flat = tuple(part for rule in rules for part in (rule.items if isinstance(rule, Or) else (rule,)))
    if not flat:
        raise _No("nothing", at)
    return Or(flat) if len(flat) > 1 else flat[0]


def _not(rule: Rule) -> Rule:
    return rule.item if isinstance(rule, Not) else Not(rule)


def _unknown(key: str, known: Sequence[str], at: Pointer) -> _No:
    if key in (*CONNECTIVES, *TRANSLATED, *REFUSED):
        return _No("misplaced", at, found=key)
    near = difflib.get_close_matches(key, known, n=3) or known
    return _No("unknown", at, found=key, names=", ".join(near))
