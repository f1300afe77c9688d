"""Texts as words: folded, elisions and contractions taken apart, and what a negation covers marked.

A negation in French has two halves (« ne … pas ») and covers what stands between them and what follows; in English, and
where the first half is left out as people do, what follows. It ends with the clause.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

NEGATORS = frozenset({
    "pas", "jamais", "rien", "aucun", "aucune", "sans", "ni", "guere",
    "not", "never", "no", "nothing", "without", "hardly", "neither", "nor", "none", "cannot",
})  # fmt: skip
SECOND_HALVES = NEGATORS | {"plus", "personne"}
"""After « ne » these two negate as well."""
BREAKS = frozenset({
    ",", ".", "!", "?", ";", ":", "…", "(", ")", "mais", "but", "cependant", "pourtant", "however", "although", "car",
    "because", "donc", "so", "et", "and", "then", "puis",
})  # fmt: skip
NO_NEGATION = frozenset({("pas", "seulement"), ("not", "only"), ("no", "doubt"), ("sans", "doute"), ("pas", "que")})
AROUND = 5
"""At most so many words stand between the halves of a negation."""
REACH = 4
"""A negation covers at most so many words after it."""

_ELISIONS = re.compile(r"\b(c|d|j|l|m|n|qu|s|t|jusqu|lorsqu|puisqu)'(?=\w)")
_CONTRACTIONS = (
    (re.compile(r"\bcan't\b"), "can not"),
    (re.compile(r"\bwon't\b"), "will not"),
    (re.compile(r"n't\b"), " not"),
)
_WORD = re.compile(r"[^\W_]+|[,.!?;:…()]|[\U0001F300-\U0001FAFF☹☺❤]")
_SMILEYS = ((re.compile(r"[:;]-?\)"), " 🙂 "), (re.compile(r":-?\("), " 🙁 "))


@dataclass(frozen=True, slots=True)
class Token:
    """A word or a mark of punctuation as it is compared, and whether a negation covers it."""

    text: str
    is_negated: bool = False

    @property
    def is_word(self) -> bool:
        return self.text not in _MARKS


_MARKS = frozenset(",.!?;:…()")


def fold(text: str) -> str:
    """Without case and accents, typographic apostrophes made plain."""
    decomposed = unicodedata.normalize("NFKD", text.replace("’", "'").replace("œ", "oe").replace("Œ", "oe"))
    return "".join(char for char in decomposed if not unicodedata.combining(char)).casefold()


def words_of(text: str) -> list[str]:
    """Words and marks of punctuation, folded; « n'est » is ``ne est``, ``isn't`` is ``is not``."""
    for smiley, symbol in _SMILEYS:
        text = smiley.sub(symbol, text)
    folded = fold(text)
    for pattern, replacement in _CONTRACTIONS:
        folded = pattern.sub(replacement, folded)
    folded = _ELISIONS.sub(lambda found: f"{found[1]}e " if found[1] == "n" else f"{found[1]} ", folded)
    return _WORD.findall(folded)


def tokens_of(text: str) -> list[Token]:
    """The words of a text, each with whether it is negated."""
    words = words_of(text)
    covered = set[int]()
    for start, end in _scopes(words):
        covered.update(range(start, end))
    return [Token(word, place in covered) for place, word in enumerate(words)]


def _scopes(words: Sequence[str]) -> Iterator[tuple[int, int]]:
    """From where to where each negation reaches."""
    for place, word in enumerate(words):
        first = _first_half(words, place)
        if word not in NEGATORS and not (first is not None and word in SECOND_HALVES):
            continue
        if tuple(words[place : place + 2]) in NO_NEGATION:
            continue
        if first is not None:
            yield first + 1, place
        end = place + 1
        while end < len(words) and end <= place + REACH and words[end] not in BREAKS:
            end += 1
        yield place + 1, end


def _first_half(words: Sequence[str], place: int) -> int | None:
    """Where the « ne » of a negation stands."""
    for before in range(place - 1, max(place - 1 - AROUND, -1), -1):
        if words[before] in ("ne", "n"):
            return before
        if words[before] in BREAKS:
            return None
    return None
