"""Tree to rule text, in French or English: canonical, and read back as the same tree.

Quotes and parentheses stand only where reading back needs them. A checked tree prints what was written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from facette.definitions.language.keywords import ENGLISH, FRENCH, Keywords
from facette.definitions.language.messages import Entry, Language, label_of
from facette.definitions.language.names import answering, properties_of
from facette.definitions.language.quotes import is_bare, quoted
from facette.definitions.language.tree import (
    Aggregate,
    And,
    Arithmetic,
    Before,
    Between,
    BetweenDays,
    Boolean,
    Column,
    Compare,
    Date,
    Did,
    Duration,
    Earlier,
    FirstIn,
    InSegment,
    Instant,
    InTheLast,
    IsKnown,
    Literal_,
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
    Text,
    Then,
    Threshold,
    Truth,
    Window,
)
from facette.definitions.language.vocabulary import Event, Vocabulary


def print_rule(rule: Rule, language: Language, vocabulary: Vocabulary | None = None) -> str:
    """The rule's text.

    vocabulary : print labels in that language instead of the names as written
    """
    return _printer(language, vocabulary).rule(rule)


def print_value(value: Operand, language: Language, vocabulary: Vocabulary | None = None) -> str:
    """The text of a feature's value."""
    return _printer(language, vocabulary).value(value)


def _printer(language: Language, vocabulary: Vocabulary | None) -> _Printer:
    return _Printer(language, FRENCH if language == "fr" else ENGLISH, vocabulary)


_ANYWHERE, _IN_OR, _IN_AND = range(3)  # where a rule stands: what binds looser than that takes parentheses


@dataclass(frozen=True)
class _Printer:
    language: Language
    words: Keywords
    vocabulary: Vocabulary | None
    event: Event | None = None  # whose properties the names are
    place: str = "name"  # where names stand, for the quotes

    # ── connectives ──

    def rule(self, node: Rule, level: int = _ANYWHERE, is_last: bool = True) -> str:
        """is_last: nothing follows that an open WHERE would take in."""
        match node:
            case Or(items=items):
                return self.joined(items, self.words.or_, _IN_OR, level > _ANYWHERE, is_last)
            case And(items=items):
                return self.joined(items, self.words.and_, _IN_AND, level > _IN_OR, is_last)
            case Not(item=item):
                return self.negative(item, is_last)
        did = _behaviour(node)
        return self.did(did, False, is_last) if did else self.condition(node, False, is_last)

    def joined(self, items: tuple[Rule, ...], word: str, level: int, in_parentheses: bool, is_last: bool) -> str:
        ends = is_last or in_parentheses
        *others, final = items
        text = f" {word} ".join([*(self.rule(item, level, False) for item in others), self.rule(final, level, ends)])
        return f"({text})" if in_parentheses else text

    def negative(self, item: Rule, is_last: bool) -> str:
        did = _behaviour(item)
        if did:
            return self.did(did, True, is_last)
        match item:
            case Compare(operator="=") | OneOf() | Between() | Match() | IsKnown():
                return self.condition(item, True, is_last)
        return f"{self.words.not_} {self.rule(item, _IN_AND, is_last)}"

    # ── conditions ──

    def condition(self, node: Rule, negated: bool, is_last: bool) -> str:
        words = self.words
        match node:
            case Truth(left=left):
                return self.truth(left, is_last)
            case Compare(left=left, operator=operator, right=right):
                return f"{self.operand(left)} {'!=' if negated else operator} {self.literal(right)}"
            case OneOf(left=left, values=values):
                listed = ", ".join(self.literal(value, "listed") for value in values)
                return f"{self.operand(left)} {words.in_[negated]} ({listed})"
            case Between(left=left, low=low, high=high):
                subject = self.operand(left)
                if isinstance(_written(left), Aggregate) and isinstance(low, Date | RelativeDay | Instant):
                    subject = f"({self.operand(left, is_last=True)})"  # else it would be the aggregate's window
                return f"{subject} {words.between[negated]} {self.literal(low)} {words.and_} {self.literal(high)}"
            case Match(left=left, how=how, text=text):
                return f"{self.operand(left)} {words.match[how][negated]} {self.literal(Text(text), 'match')}"
            case IsKnown(left=left):
                return f"{self.operand(left)} {words.known[negated]}"
            case InSegment(segment=segment):
                segments = (self.vocabulary.segments,) if self.vocabulary else ()
                return f"{words.in_segment} {self.name('segment', segment, *segments)}"
        raise TypeError(f"not a rule: {node!r}")

    def truth(self, left: Operand, is_last: bool) -> str:
        written = _written(left)
        if isinstance(written, Name):
            segments = (self.vocabulary.segments,) if self.vocabulary and not self.event else ()
            return self.name(self.place, written.text, *self.operands(), *segments)
        is_open = isinstance(written, Aggregate) and written.where is not None and written.window is None
        text = self.operand(left, is_last=True)
        return f"({text})" if is_open and not is_last else text

    # ── behaviour ──

    def did(self, node: Did, negated: bool, is_last: bool) -> str:
        words = self.words
        event, inside = self.event_called("did_event", node.event)
        parts = [(words.first_did if node.is_first else words.did)[negated], event]
        is_open = node.where is not None and node.times is None and node.window is None and node.then is None
        if node.where is not None:
            closes = node.times is not None or node.then is not None
            closes = closes or isinstance(node.window, InTheLast | Earlier | Since | Before)
            parts.append(inside.where(node.where, is_open or (closes and not isinstance(node.where, And | Or))))
        if node.times is not None:
            parts.append(f"{words.how_often[node.times.operator]} {node.times.amount} {words.times}")
        if node.then is not None:
            parts.append(self.then(node.then, inside))
        if node.window is not None:
            parts.append(self.window(node.window))
        text = " ".join(parts)
        return f"({text})" if is_open and not is_last else text

    def then(self, node: Then, before: _Printer) -> str:
        event, inside = self.event_called("then_event", node.event)
        parts = [self.words.then[node.is_absent], event]
        if node.on is not None and node.other is not None:
            on, other = (
                before.name("key", node.on, *before.operands()),
                inside.name("key", node.other, *inside.operands()),
            )
            parts += [self.words.on, on, "=", other]
        elif node.on is not None:
            parts += [self.words.on, self.name("key", node.on)]  # as written, for it names a property of both
        if node.where is not None:
            parts.append(inside.where(node.where, not isinstance(node.where, And | Or)))
        return " ".join([*parts, self.words.within, self.literal(node.delay)])

    def aggregate(self, node: Aggregate, is_last: bool) -> str:
        words = self.words
        event, inside = self.event_called("event", node.event)
        if node.of is None:
            parts = [words.functions[node.function], words.of, event]
        else:
            argument = inside.name("argument", node.of, *inside.operands())
            parts = [f"{words.functions[node.function]}({argument})", words.of, event]
        if node.where is not None:
            closes = isinstance(node.window, InTheLast | Earlier | Since | Before) and not isinstance(
                node.where, And | Or
            )
            parts.append(inside.where(node.where, closes or (is_last and node.window is None)))
        if node.window is not None:
            parts.append(self.window(node.window))
        return " ".join(parts)

    def where(self, node: Rule, is_bare: bool) -> str:
        text = self.rule(node)
        return f"{self.words.where} {text}" if is_bare else f"{self.words.where} ({text})"

    def window(self, window: Window) -> str:
        words = self.words
        match window:
            case InTheLast(amount=amount, unit=unit):
                form = words.in_the_last_one if amount == 1 else words.in_the_last
                return form[unit].format(amount)
            case Earlier(amount=amount, after=after, unit=unit):
                last = words.in_the_last[unit].format(after).split(" ", 1)[1]
                return words.earlier.format(amount, words.units[unit][True].upper(), last)
            case Since(day=day):
                return f"{words.since} {self.literal(day)}"
            case Before(day=day):
                return f"{words.before} {self.literal(day)}"
            case BetweenDays(first=first, last=last):
                return f"{words.between[False]} {self.literal(first)} {words.and_} {self.literal(last)}"

    # ── operands and values ──

    def value(self, node: Operand, level: int = 0, is_last: bool = True) -> str:
        match node:
            case Arithmetic(operator=operator, left=left, right=right):
                own = 1 if operator in "+-" else 2
                ends = is_last or own < level
                text = f"{self.value(left, own, False)} {operator} {self.value(right, own + 1, ends)}"
                return f"({text})" if own < level else text
            case Number() | Threshold():
                return self.literal(node)
        return replace(self, place="quantity").operand(node, is_last=is_last)

    def operand(self, node: Operand, *, is_last: bool = False) -> str:
        match _written(node):
            case Name(text=text):
                return self.name(self.place, text, *self.operands())
            case Aggregate() as aggregate:
                return self.aggregate(aggregate, is_last)
            case Threshold() as threshold:
                return self.literal(threshold)
        raise TypeError(f"not an operand of a rule: {node!r}")

    def literal(self, node: Literal_, place: str = "value") -> str:
        words = self.words
        match node:
            case Text(value=text):
                return text if is_bare(place, text) else quoted(text, "'")
            case Number(value=value):
                return str(int(value)) if abs(value) < 2**63 and value == int(value) else repr(value)
            case Boolean(value=truth):
                return words.truth[truth]
            case Date(value=day):
                return day.isoformat()
            case Instant(value=instant):
                return instant.isoformat()
            case RelativeDay(days_ago=days_ago):
                return words.days[days_ago]
            case Duration(amount=amount, unit=unit):
                return f"{amount} {words.units[unit][amount != 1]}"
            case Threshold(name=name, value=value):
                thresholds = (self.vocabulary.thresholds,) if self.vocabulary else ()
                text = f"{words.threshold}({self.name('threshold_name', name, *thresholds)})"
                return text if value is None else f"{text} [= {self.measured(value)}]"

    def measured(self, value: tuple[float, ...]) -> str:
        """What a threshold is, to six digits."""
        if not value:
            return self.words.known[True].split()[-1].lower()
        text = f"{value[0]:.6g}"
        return text.replace(".", ",") if self.language == "fr" else text

    # ── names ──

    def operands(self) -> tuple[Mapping[str, Entry], ...]:
        """Where a name to compare is looked up."""
        if self.vocabulary is None:
            return ()
        return (properties_of(self.event),) if self.event else (self.vocabulary.columns,)

    def event_called(self, place: str, name: str) -> tuple[str, _Printer]:
        """The event's name, and the printer of conditions on its properties."""
        events = self.vocabulary.events if self.vocabulary else {}
        found = answering(name, events)
        if len(found) == 1:
            return self.name(place, name, events), replace(self, event=found[0], place="property")
        return self.name(place, name), replace(self, vocabulary=None, event=None, place="property")

    def name(self, place: str, written: str, *known: Mapping[str, Entry]) -> str:
        text = self.label(written, known)
        return text if is_bare(place, text) else quoted(text, '"')

    def label(self, written: str, known: tuple[Mapping[str, Entry], ...]) -> str:
        """The label of what answers to the name, if that says the same; else its id, else what was written."""
        found = [entry for entries in known for entry in answering(written, entries)]
        if len(found) != 1:
            return written
        label = label_of(found[0], self.language)
        return label if sum(len(answering(label, entries)) for entries in known) == 1 else found[0].name


def _behaviour(node: Rule) -> Did | None:
    """The behaviour clause that a node is, or was before it was checked."""
    match node:
        case Did():
            return node
        case Compare(left=Column(written=Did() as did)) | FirstIn(left=Column(written=Did() as did)):
            return did
    return None


def _written(node: Operand) -> Operand | Did:
    return (node.written or Name(node.name)) if isinstance(node, Column) else node
