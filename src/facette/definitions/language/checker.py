"""From what was written to what it means: names become columns, literals get their column's type, behaviour clauses
become aggregates of one wide row.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NoReturn, TypeVar, cast

from facette.definitions.language import literals
from facette.definitions.language.literals import Subject
from facette.definitions.language.messages import QUOTES, Entry, Language, Refused, Word, is_keyword, language_of
from facette.definitions.language.names import answering, nearest, properties_of
from facette.definitions.language.naming import aggregate_name
from facette.definitions.language.parser import read
from facette.definitions.language.printer import print_rule, print_value
from facette.definitions.language.quotes import is_bare, quoted
from facette.definitions.language.tree import (
    Aggregate,
    And,
    Arithmetic,
    Between,
    Checked,
    Column,
    Compare,
    Did,
    FirstIn,
    Followed,
    InSegment,
    IsKnown,
    Literal_,
    Match,
    Name,
    Next,
    Not,
    Number,
    OneOf,
    Operand,
    Or,
    Rule,
    Span,
    Then,
    Threshold,
    Times,
    Truth,
    ValueType,
)
from facette.definitions.language.vocabulary import Event, Property, Vocabulary, fold
from facette.errors import RuleError

E = TypeVar("E", bound=Entry)

_CALLED_LIKE = {
    "count": ("nombre de {}", "nombre d'{}", "nombre des {}", "nombre du {}", "count of {}"),
    "recency": ("récence de {}", "récence d'{}", "récence des {}", "récence du {}", "recency of {}"),
}
"""How a trait may be called that reads like an aggregate: « Nombre de visites »."""


def check_rule(rule: str | Rule, vocabulary: Vocabulary) -> Checked:
    """The rule with every name resolved and every type agreeing.

    rule : text, or a tree as parsed (it is printed first, so that errors can point into a text)

    Raises RuleError.
    """
    text = _composed(rule if isinstance(rule, str) else print_rule(rule, "en"))
    return _checked(
        text, lambda scope: (scope.rule(cast(Rule, read(text, "rule"))), "boolean"), _Scope(vocabulary, text)
    )


def check_value(value: str | Operand, vocabulary: Vocabulary) -> Checked:
    """A feature's value with every name resolved; ``type`` is what it yields. Raises RuleError."""
    text = _composed(value if isinstance(value, str) else print_value(value, "en"))
    return _checked(text, lambda scope: scope.value(cast(Operand, read(text, "formula"))), _Scope(vocabulary, text))


def check_where(rule: str | Rule, event: str, vocabulary: Vocabulary) -> Checked:
    """A condition on one event's properties, as after WHERE; ``columns`` are properties. Raises RuleError.

    event : id or label
    """
    text = _composed(rule if isinstance(rule, str) else print_rule(rule, "en"))
    try:
        subject = _resolved(event, "event", vocabulary.events, (0, len(event)))
    except Refused as refused:
        raise refused.for_user(event) from None
    return _checked(
        text, lambda scope: (scope.rule(cast(Rule, read(text, "rule"))), "boolean"), _Scope(vocabulary, text, subject)
    )


def _checked(text: str, check: Callable[[_Scope], tuple[Rule | Operand, ValueType]], scope: _Scope) -> Checked:
    try:
        rule, value_type = check(scope)
    except Refused as refused:
        names = scope.vocabulary
        entries: tuple[Entry, ...] = (*names.columns.values(), *names.events.values(), *names.segments.values())
        language = language_of(text, entries)
        raise _with_quotes(refused.for_user(text, language), language, names) from None
    return Checked(rule, scope.aggregates, frozenset(scope.columns), frozenset(scope.segments), value_type)


def _with_quotes(error: RuleError, language: Language, vocabulary: Vocabulary) -> RuleError:
    """The error, and the quotes that would help if a name that needs them stands at its place."""
    entries: list[tuple[Entry, tuple[str, ...]]] = [
        *((entry, ("name",)) for entry in vocabulary.columns.values()),
        *((entry, ("event", "did_event")) for entry in vocabulary.events.values()),
        *((entry, ("truth", "segment")) for entry in vocabulary.segments.values()),
    ]
    names = {
        " ".join(name.split()): places for entry, places in entries for name in (*entry.labels.values(), entry.name)
    }
    start, end = error.span
    for name, places in sorted(names.items(), key=lambda item: -len(item[0])):
        found = _unquoted_at(name, error.text) if name else None
        if found is None or found[0] > end or error.text[found[1] : start].strip():
            continue
        if not all(is_bare(place, name) for place in places):
            hint = QUOTES[language].format(name=name, quoted=quoted(name, '"'))
            return RuleError(error.message, text=error.text, span=error.span, remedy=f"{error.remedy} {hint}")
    return error


def _unquoted_at(name: str, text: str) -> Span | None:
    """Where a name stands in a text, in any case; not where it is in quotes already."""
    words = r"\s+".join(re.escape(word) for word in name.split())
    found = re.compile(rf"(?<![\w'\"«“]){words}(?!\w)", re.IGNORECASE).search(text)
    return found.span() if found else None


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", text)


@dataclass
class _Scope:
    """Where names are looked up — the project, or one event's properties — and what has been found to be needed."""

    vocabulary: Vocabulary
    text: str
    event: Event | None = None
    aggregates: dict[str, Aggregate] = field(default_factory=dict)
    columns: set[str] = field(default_factory=set)
    segments: set[str] = field(default_factory=set)

    # ── rules ──

    def rule(self, node: Rule) -> Rule:  # noqa: PLR0911 - one per kind of node
        span = node.span
        match node:
            case And(items=items):
                return And(tuple(self.rule(item) for item in items), span=span)
            case Or(items=items):
                return Or(tuple(self.rule(item) for item in items), span=span)
            case Not(item=item):
                return Not(self.rule(item), span=span)
            case Compare(left=left, operator=operator, right=right):
                subject = self.subject(left)
                return literals.compare(subject, operator, self.literal(right, subject), span)
            case OneOf(left=left, values=values):
                subject = self.subject(left)
                return literals.one_of(subject, [self.literal(value, subject) for value in values], span)
            case Between(left=left, low=low, high=high):
                subject = self.subject(left)
                return literals.between(subject, self.literal(low, subject), self.literal(high, subject), span)
            case IsKnown(left=left):
                return IsKnown(self.subject(left).column, span=span)
            case Match(left=left, how=how, text=text):
                return Match(self.typed(left, "text", "not_text"), how, text, span=span)
            case Truth(left=left):
                return self.truth(left, span)
        if self.event is not None:
            raise Refused("not_about_one_event", span)
        match node:
            case Did():
                return self.did(node)
            case InSegment(segment=name):
                return self.segment(_resolved(name, "segment", self.vocabulary.segments, self.place(name, span)), span)
        raise TypeError(f"not a rule as parsed: {node!r}")

    def truth(self, left: Operand, span: Span) -> Rule:
        """A bare name: a boolean, or a segment."""
        if isinstance(left, Name) and self.event is None:
            columns = answering(left.text, self.vocabulary.columns)
            segments = answering(left.text, self.vocabulary.segments)
            if segments and columns:
                _refuse_ambiguous(left.text, left.span, (columns[0], "column"), (segments[0], "segment"))
            if segments:
                return self.segment(_only(left.text, "segment", segments, left.span), span)
            if not columns:
                everything: dict[str, Entry] = {**self.vocabulary.columns, **self.vocabulary.segments}
                _refuse_unknown(left.text, "column or segment", everything, left.span)
        return Truth(self.typed(left, "boolean", "not_boolean"), span=span)

    def segment(self, segment: Entry, span: Span) -> InSegment:
        self.segments.add(segment.name)
        return InSegment(segment.name, span=span)

    # ── values ──

    def value(self, node: Operand) -> tuple[Operand, ValueType]:
        match node:
            case Number():
                return node, "number"
            case Arithmetic(operator=operator, left=left, right=right):
                return Arithmetic(operator, self.number(left), self.number(right), span=node.span), "number"
            case Threshold():
                name = self.threshold(node).name
                return Column(name, "number", Threshold(name, span=node.span), span=node.span), "number"
        column = self.subject(node).column
        return column, column.type

    def number(self, node: Operand) -> Operand:
        if isinstance(node, Number | Arithmetic | Threshold):
            return self.value(node)[0]
        return self.typed(node, "number", "not_number")

    def literal(self, node: Literal_, subject: Subject) -> Literal_:
        """What is compared with, a threshold by its id; it must be of the unit of the left side, if both have one."""
        if not isinstance(node, Threshold):
            return node
        threshold = self.threshold(node)
        if subject.unit and threshold.unit and fold(subject.unit) != fold(threshold.unit):
            raise Refused(
                "units_differ",
                node.span,
                name=subject.column,
                unit=subject.unit,
                threshold=threshold,
                other=threshold.unit,
            )
        return Threshold(threshold.name, span=node.span)

    def threshold(self, node: Threshold) -> Property:
        if self.event is not None:
            raise Refused("threshold_of_event", node.span)
        found = _resolved(node.name, "threshold", self.vocabulary.thresholds, self.place(node.name, node.span))
        self.columns.add(found.name)
        return found

    # ── operands ──

    def typed(self, left: Operand, wanted: ValueType, complaint: str) -> Column:
        column = self.subject(left).column
        if column.type != wanted:
            raise Refused(complaint, left.span, name=column, type=Word(column.type))
        return column

    def subject(self, left: Operand) -> Subject:
        """The column for a name or an aggregate."""
        match left:
            case Name(text=name):
                entry = self.property(name, left.span)
                self.columns.add(entry.name)
                return Subject(Column(entry.name, entry.type, left, span=left.span), entry.bands, entry.unit)
            case Aggregate() if self.event is None:
                return self.aggregate(left)
            case Aggregate():
                raise Refused("not_about_one_event", left.span)
        raise TypeError(f"not an operand of a rule as parsed: {left!r}")

    def property(self, name: str, span: Span) -> Property:
        if self.event is None:
            return _resolved(name, "column", self.vocabulary.columns, span)
        return _property(name, self.event, span)

    # ── behaviour ──

    def did(self, node: Did) -> Rule:
        """A comparison of the number of times; FIRST DID in a window looks at the instant of the first time."""
        event = self.event_called(node.event, node.span)
        where = self.where(node.where, event)
        if node.then is not None:
            return self.sequence(node, node.then, event, where)
        if node.is_first and node.times is not None:
            raise Refused("first_times", node.times.span)
        if node.is_first and node.window is not None:
            first = Aggregate("first", event.name, "at", where, span=node.span)
            return FirstIn(self.lifted(first, "instant", node), node.window, span=node.span)
        count = Aggregate("count", event.name, None, where, node.window, span=node.span)
        times = node.times or Times(">=", 1)
        return Compare(self.lifted(count, "number", node), times.operator, Number(times.amount), span=node.span)

    def sequence(self, node: Did, then: Then, event: Event, where: Rule | None) -> Rule:
        """A comparison of the number of events that another one follows, or does not."""
        if node.times is not None or node.is_first:
            raise Refused("then_times", node.times.span if node.times else node.span)
        second = self.event_called(then.event, then.span)
        on, other = self.keys(then, event, second)
        following = Next(second.name, self.where(then.where, second), node.window, on, other)
        followed = Followed(following, then.delay, then.is_absent, span=then.span)
        both = followed if where is None else And((where, followed), span=node.span)
        count = Aggregate("count", event.name, None, both, node.window, span=node.span)
        return Compare(self.lifted(count, "number", node), ">=", Number(1), span=node.span)

    def keys(self, then: Then, event: Event, second: Event) -> tuple[str | None, str | None]:
        """The properties of two events that must be equal."""
        if then.on is None:
            return None, None
        on = _property(then.on, event, self.place(then.on, then.span))
        other = _property(then.other or then.on, second, self.place(then.other or then.on, then.span))
        if on.type != other.type:
            raise Refused("keys_differ", then.span, name=on, type=Word(on.type), second=other, other=Word(other.type))
        return on.name, other.name

    def aggregate(self, node: Aggregate) -> Subject:
        called_so = self.called_like(node)
        if called_so and not answering(node.event, self.vocabulary.events):
            return self.subject(called_so)
        event = self.event_called(node.event, node.span)
        if called_so:
            trait = self.property(called_so.text, node.span)
            _refuse_ambiguous(called_so.text, node.span, (trait, "column"), (event, "event"))
        where = self.where(node.where, event)
        if node.of is None:
            aggregate = Aggregate(node.function, event.name, None, where, node.window, span=node.span)
            return Subject(self.lifted(aggregate, "number", node))
        span = self.place(node.of, node.span)
        of = _property(node.of, event, span)
        if node.function in ("sum", "avg") and of.type != "number":
            raise Refused("not_number", span, name=node.of, type=Word(of.type))
        if node.function in ("min", "max") and of.type == "boolean":
            raise Refused("no_least", span, name=node.of)
        keeps_type = node.function in ("min", "max", "first", "last", "mode")
        aggregate = Aggregate(node.function, event.name, of.name, where, node.window, span=node.span)
        column = self.lifted(aggregate, of.type if keeps_type else "number", node)
        keeps_unit = keeps_type or node.function in ("sum", "avg")
        return Subject(column, of.bands if keeps_type else (), of.unit if keeps_unit else "")

    def where(self, node: Rule | None, event: Event) -> Rule | None:
        return None if node is None else _Scope(self.vocabulary, self.text, event).rule(node)

    def lifted(self, aggregate: Aggregate, value_type: ValueType, written: Aggregate | Did) -> Column:
        name = aggregate_name(aggregate)
        self.aggregates.setdefault(name, aggregate)
        return Column(name, value_type, written, span=written.span)

    def called_like(self, node: Aggregate) -> Name | None:
        """The name of the trait that is called what this aggregate reads like."""
        if node.function not in _CALLED_LIKE or (node.of, node.where, node.window) != (None, None, None):
            return None
        names = (form.format(node.event) for form in _CALLED_LIKE[node.function])
        return next((Name(name, span=node.span) for name in names if answering(name, self.vocabulary.columns)), None)

    def event_called(self, name: str, span: Span) -> Event:
        return _resolved(name, "event", self.vocabulary.events, self.place(name, span))

    def place(self, name: str, span: Span) -> Span:
        """Where a name stands within a clause."""
        words = r"\s+".join(re.escape(word) for word in name.split())
        found = re.compile(rf"(?<!\w){words}(?!\w)").search(self.text, *span)
        return found.span() if found else span


# ── names ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _property(name: str, event: Event, span: Span) -> Property:
    properties = properties_of(event)
    found = answering(name, properties)
    if not found:
        near = nearest(name, properties)
        lead = Word("nearest") if near else Word("existing")
        names = near or tuple(properties.values())
        raise Refused("unknown_property", span, name=name, event=event, lead=lead, names=names)
    return _only(name, "property", found, span)


def _resolved(name: str, kind: str, entries: Mapping[str, E], span: Span) -> E:
    found = answering(name, entries)
    if not found:
        _refuse_unknown(name, kind, entries, span)
    return _only(name, kind, found, span)


def _only(name: str, kind: str, found: list[E], span: Span) -> E:
    if len(found) > 1:
        _refuse_ambiguous(name, span, (found[0], kind), (found[1], kind))
    return found[0]


def _refuse_unknown(name: str, kind: str, entries: Mapping[str, Entry], span: Span) -> NoReturn:
    _refuse_what_joined(name, kind, entries, span)
    near = nearest(name, entries)
    names: tuple[str | Entry, ...] = near or tuple(entries.values())[:12] or (Word("nothing"),)
    raise Refused(
        "unknown", span, name=name, kind=Word(kind), lead=Word("nearest") if near else Word("existing"), names=names
    )


_AFTER = {
    "event": (Word("a modifier"),),
    "column": (Word("a comparison"),),
    "column or segment": (Word("a comparison"), Word("a connective")),
    "segment": (Word("a connective"),),
}


def _refuse_what_joined(name: str, kind: str, entries: Mapping[str, Entry], span: Span) -> None:
    """A keyword that the grammar could not use was read as a part of the name beside it: ``purchase SINCE monday``."""
    words = name.split()
    for n in range(len(words) - 1, 0, -1):
        known, rest = " ".join(words[:n]), " ".join(words[n:])
        if is_keyword(words[n]) and answering(known, entries):
            place = (span[1] - len(rest), span[1])
            raise Refused("no_fit_after", place, found=rest, name=known, expected=_AFTER[kind])
        lead, known = known, rest
        if is_keyword(words[n - 1]) and answering(known, entries):
            raise Refused("no_fit_before", (span[0], span[0] + len(lead)), found=lead, name=known)


def _refuse_ambiguous(name: str, span: Span, first: tuple[Entry, str], second: tuple[Entry, str]) -> NoReturn:
    raise Refused(
        "ambiguous",
        span,
        name=name,
        first=first[0].name,
        first_kind=Word(first[1]),
        second=second[0].name,
        second_kind=Word(second[1]),
    )
