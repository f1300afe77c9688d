"""French or English? By the small words that only one of them has, and by accents."""

from __future__ import annotations

from functools import lru_cache

from facette.definitions.texts import built_in_texts
from facette.text.tokens import words_of

ACCENTS = frozenset("àâçéèêëîïôùûüœ")


def language_of(text: str) -> str | None:
    """``fr``, ``en``, or None where nothing tells or both say the same."""
    words = words_of(text)
    telling = _telling()
    counts = {language: sum(word in known for word in words) for language, known in telling.items()}
    french, english = counts["fr"] + sum(letter in ACCENTS for letter in text.lower()) / 2, counts["en"]
    if french == english:
        return None
    return "fr" if french > english else "en"


@lru_cache(maxsize=1)
def _telling() -> dict[str, frozenset[str]]:
    known = built_in_texts()
    return {language: frozenset((*words, *known.hints[language])) for language, words in known.small_words.items()}
