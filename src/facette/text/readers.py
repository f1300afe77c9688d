"""What a text says, as declared: one reader for each declared reading, a function of the text alone.

Vectors of the method ``embedding`` hold more than the encoder gives: how pleasant the words are, whether something is
asked, and the share of each class in the words found. Few examples are enough to learn what those are worth, and they
know of negations, which encoders of sentences hardly do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from facette.definitions.base import FieldType
from facette.definitions.texts import (
    NEUTRAL_WITHIN,
    AnyReading,
    LanguageText,
    SentimentText,
    ThemesText,
    built_in_texts,
    classes_of,
)
from facette.text.encoders import Encoder, encoder
from facette.text.languages import language_of
from facette.text.linear import Linear
from facette.text.tokens import words_of
from facette.text.topics import Topics
from facette.text.words import Words

DIGITS = 4
"""Decimals of a sentiment."""
SURE = 0.4
"""A theme or an intent less probable than this is unknown."""

Value = str | float | None


class TextMetrics(BaseModel):
    """How well a reading tells the texts that it learned from, by cross-validation.

    n_texts  : how many there were
    n_folds  : parts that were each told by what was learned from the others; 0 where that was not possible
    accuracy : share told right; macro_f1 : mean over the classes of the harmonic mean of precision and recall
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_texts: int
    n_folds: int = 0
    accuracy: float | None = None
    macro_f1: float | None = None


class FittedText(BaseModel):
    """What a reading has learned: data.

    fingerprint : of its definition
    encoder     : identity of the encoder of its vectors, if it has one
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    fingerprint: str
    encoder: str = ""
    linear: Linear | None = None
    topics: Topics | None = None
    metrics: TextMetrics


@dataclass(frozen=True)
class TextReader:
    """Reads texts in one way.

    reading : as declared
    fitted  : what it has learned; None where words tell everything
    project : folder of the project, in which encoders may be
    """

    reading: AnyReading
    fitted: FittedText | None
    project: Path

    def value(self, text: str, kind: FieldType) -> Value:
        """What a text says, as a value of a type of field; None where nothing tells."""
        if isinstance(self.reading, LanguageText):
            return language_of(text)
        if isinstance(self.reading, SentimentText):
            score = round(self._sentiment(text), DIGITS)
            return score if kind == "number" else label_of(score)
        if self.fitted and self.fitted.topics:
            return self.fitted.topics.topic(text)
        return self._class(text)

    def _sentiment(self, text: str) -> float:
        """From -1 to 1; negative and positive begin a third from 0.

        They do so where they become more probable than neutral; where nothing neutral was learned, at two thirds.
        """
        linear = self.fitted.linear if self.fitted else None
        if linear is None:
            return sentiment_words().sentiment(text)
        found = linear.probabilities(text, self.features)
        positive, negative = found.get("positive", 0.0), found.get("negative", 0.0)
        leaning = positive - negative
        if "neutral" not in found:
            return leaning
        if max(positive, negative) < found["neutral"]:
            return leaning * NEUTRAL_WITHIN
        return float(np.sign(leaning)) * (NEUTRAL_WITHIN + (1 - NEUTRAL_WITHIN) * abs(leaning))

    def _class(self, text: str) -> str | None:
        linear = self.fitted.linear if self.fitted else None
        if linear is not None:
            found = linear.probabilities(text, self.features)
            best = max(found, key=lambda name: found[name], default=None)
            return best if best is not None and found[best] >= SURE else None
        counts = self._words.counts(text, heeds_negation=self._heeds_negation)
        return max(self._words.classes, key=lambda name: counts.get(name, 0)) if counts else None

    # ── vectors ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def features(self, text: str) -> np.ndarray:
        """The vector of a text: what the encoder makes of it, and what its words say."""
        counts = self._words.counts(text, heeds_negation=self._heeds_negation)
        n = sum(counts.values()) or 1
        shares = [counts.get(name, 0) / n for name in self._words.classes]
        said = [sentiment_words().sentiment(text), float("?" in words_of(text)), *shares]
        return np.concatenate([self.encoder.encode(text), np.array(said, np.float32)])

    @cached_property
    def encoder(self) -> Encoder:
        return encoder(self.reading.encoder, self.project)

    @cached_property
    def _words(self) -> Words:
        """Of the sentiment each word is weighed already, and its classes add nothing."""
        classes = () if isinstance(self.reading, SentimentText) else classes_of(self.reading)
        return Words({item.name: item.words for item in classes})

    @property
    def _heeds_negation(self) -> bool:
        """What is about the delivery is about it although nothing was delivered."""
        return not isinstance(self.reading, ThemesText)


@lru_cache(maxsize=1)
def sentiment_words() -> Words:
    return Words({item.name: item.words for item in built_in_texts().sentiment})


def label_of(score: float) -> str:
    """negative, neutral or positive; NEUTRAL_WITHIN is where they begin."""
    if score < -NEUTRAL_WITHIN:
        return "negative"
    return "neutral" if score < NEUTRAL_WITHIN else "positive"


def examples_of(reading: AnyReading) -> tuple[list[str], list[str]]:
    """The example sentences of a reading's classes, and of which class each is."""
    pairs: Sequence[tuple[str, str]] = [(text, item.name) for item in classes_of(reading) for text in item.examples]
    return [text for text, _ in pairs], [name for _, name in pairs]
