"""Classes told by words: how often each class's words and phrases stand in a text, and under a negation or not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from facette.text.tokens import NEGATORS, Token, tokens_of, words_of

Phrase = tuple[str, ...]

CONTRAST = frozenset({"mais", "but", "cependant", "pourtant", "however"})
"""What follows weighs twice (as in Hutto and Gilbert 2014, VADER, who give it 1.5 and what stands before 0.5)."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A word or phrase of a class found in a text: where, and whether a negation covers it."""

    kind: str
    place: int
    is_negated: bool


@dataclass(frozen=True)
class Words:
    """Words and phrases of classes.

    classes : class → words; ``livr*`` stands for all words that begin so
    """

    classes: dict[str, tuple[str, ...]]

    @cached_property
    def _phrases(self) -> tuple[dict[str, list[Phrase]], list[tuple[str, Phrase]], dict[Phrase, list[str]]]:
        """First word → phrases; phrases that begin with the beginning of a word; phrase → classes."""
        kinds: dict[Phrase, list[str]] = {}
        for kind, words in self.classes.items():
            for word in words:
                phrase = _phrase(word)
                if phrase and kind not in kinds.setdefault(phrase, []):
                    kinds[phrase].append(kind)
        exact: dict[str, list[Phrase]] = {}
        begun: list[tuple[str, Phrase]] = []
        for phrase in kinds:
            if phrase[0].endswith("*"):
                begun.append((phrase[0][:-1], phrase))
            else:
                exact.setdefault(phrase[0], []).append(phrase)
        return exact, begun, kinds

    def hits(self, tokens: Sequence[Token]) -> Iterator[Hit]:
        """What stands in a text, from left to right; the longest phrase at each place, and none of its words again."""
        kinds = self._phrases[2]
        place = 0
        while place < len(tokens):
            phrase = self._longest(tokens, place)
            if phrase is None:
                place += 1
                continue
            holds_negation = any(word in NEGATORS or word == "ne" for word in phrase)
            is_negated = tokens[place].is_negated and not holds_negation
            for kind in kinds[phrase]:
                yield Hit(kind, place, is_negated)
            place += len(phrase)

    def _longest(self, tokens: Sequence[Token], place: int) -> Phrase | None:
        exact, begun, _ = self._phrases
        word = tokens[place].text
        candidates = [*exact.get(word, ()), *(phrase for start, phrase in begun if word.startswith(start))]
        fitting = [phrase for phrase in candidates if _stands(phrase, tokens, place)]
        return max(fitting, key=lambda phrase: (len(phrase), len(phrase[0]))) if fitting else None

    def sentiment(self, text: str) -> float:
        """From -1 to 1: what is pleasant less what is not, of all that was said; a negated word says the opposite."""
        tokens = tokens_of(text)
        turn = max((place for place, token in enumerate(tokens) if token.text in CONTRAST), default=-1)
        totals = {"positive": 0.0, "negative": 0.0, "neutral": 0.0}
        opposite = {"positive": "negative", "negative": "positive", "neutral": "neutral"}
        for hit in self.hits(tokens):
            kind = opposite[hit.kind] if hit.is_negated else hit.kind
            totals[kind] += 2 if hit.place > turn >= 0 else 1
        return (totals["positive"] - totals["negative"]) / (sum(totals.values()) + 0.5)

    def counts(self, text: str, *, heeds_negation: bool) -> dict[str, int]:
        """Class → how many of its words stand in a text; negated ones only where negation is not heeded."""
        found: dict[str, int] = {}
        for hit in self.hits(tokens_of(text)):
            if not (heeds_negation and hit.is_negated):
                found[hit.kind] = found.get(hit.kind, 0) + 1
        return found


def _phrase(word: str) -> Phrase:
    ends_open = word.rstrip().endswith("*")
    words = words_of(word.replace("*", ""))
    if ends_open and words:
        words[-1] += "*"
    return tuple(words)


def _stands(phrase: Sequence[str], tokens: Sequence[Token], place: int) -> bool:
    if place + len(phrase) > len(tokens):
        return False
    return all(
        tokens[place + i].text.startswith(word[:-1]) if word.endswith("*") else tokens[place + i].text == word
        for i, word in enumerate(phrase)
    )
