"""Logistic regression on TF-IDF or on embeddings: fitted with scikit-learn, kept as numbers, applied text by text.

A text's answer depends on that text alone: nothing is computed in batches whose size could change the last digit.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from facette.text.tokens import tokens_of

STRENGTH = 10.0

Encode = Callable[[str], np.ndarray]
"""A text as a vector of length 1."""


class Weights(BaseModel):
    """A multinomial logistic regression.

    classes    : in the order of the rows
    weights    : one row per class, one number per term or dimension
    intercepts : one per class
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    classes: tuple[str, ...]
    weights: tuple[tuple[float, ...], ...]
    intercepts: tuple[float, ...]

    @cached_property
    def matrix(self) -> np.ndarray:
        return np.array(self.weights, dtype=np.float64)

    def probabilities(self, scores: Sequence[float]) -> dict[str, float]:
        """Class → probability, by the softmax of the scores (weights · x, without intercepts)."""
        whole = [score + intercept for score, intercept in zip(scores, self.intercepts, strict=True)]
        highest = max(whole)
        powers = [math.exp(each - highest) for each in whole]
        total = math.fsum(powers)
        return {name: power / total for name, power in zip(self.classes, powers, strict=True)}


class TfIdf(BaseModel):
    """TF-IDF of words and pairs of words: (1 + ln tf) · (ln((1 + n) / (1 + df)) + 1), to length 1 (as scikit-learn's).

    terms : in the order of the weights; ``not_`` before a word that is negated
    idf   : of each term
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    terms: tuple[str, ...]
    idf: tuple[float, ...]

    @cached_property
    def places(self) -> dict[str, int]:
        return {term: place for place, term in enumerate(self.terms)}

    def vector_of(self, terms: Sequence[str]) -> dict[int, float]:
        """Place of a term → its weight in a text that has these terms."""
        counts = Counter(self.places[term] for term in terms if term in self.places)
        raw = {place: (1 + math.log(n)) * self.idf[place] for place, n in sorted(counts.items())}
        length = math.sqrt(math.fsum(each * each for each in raw.values()))
        return {place: each / length for place, each in raw.items()} if length else {}


class Linear(BaseModel):
    """Probabilities of classes for a text.

    features : of which kind the weights are
    tfidf    : of features of that kind
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    features: Literal["tfidf", "embedding"]
    weights: Weights
    tfidf: TfIdf | None = None

    def probabilities(self, text: str, encode: Encode | None = None) -> dict[str, float]:
        """Class → probability; none for a text of which no term is known."""
        if self.tfidf is not None:
            vector = self.tfidf.vector_of(terms_of(text))
            if not vector:
                return {}
            rows = self.weights.weights
            return self.weights.probabilities(
                [math.fsum(row[place] * value for place, value in vector.items()) for row in rows]
            )
        assert encode is not None
        return self.weights.probabilities((self.weights.matrix @ encode(text).astype(np.float64)).tolist())


def terms_of(text: str) -> list[str]:
    """Words and pairs of neighbouring words; a negated word is another one than the word itself."""
    words = [f"not_{token.text}" if token.is_negated else token.text for token in tokens_of(text) if token.is_word]
    return words + [f"{one} {other}" for one, other in pairwise(words)]


def fit_tfidf(
    texts: Sequence[str], labels: Sequence[str], *, seed: int, minimum: int = 1, strength: float = STRENGTH
) -> Linear:
    """Fit on labelled texts; ``strength`` is the inverse of the regularisation (scikit-learn's C)."""
    from sklearn.feature_extraction.text import TfidfVectorizer  # noqa: PLC0415

    vectorizer = TfidfVectorizer(analyzer=terms_of, sublinear_tf=True)
    matrix = vectorizer.fit_transform(texts)
    tfidf = TfIdf(terms=tuple(vectorizer.get_feature_names_out().tolist()), idf=tuple(vectorizer.idf_.tolist()))
    return Linear(features="tfidf", weights=_fit(matrix, labels, seed, strength), tfidf=tfidf)


def fit_embedding(
    texts: Sequence[str], labels: Sequence[str], encode: Encode, *, seed: int, strength: float = STRENGTH
) -> Linear:
    """Fit on labelled texts as vectors."""
    matrix = np.array([encode(text) for text in texts], dtype=np.float64)
    return Linear(features="embedding", weights=_fit(matrix, labels, seed, strength))


def _fit(matrix: object, labels: Sequence[str], seed: int, strength: float) -> Weights:
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415

    model = LogisticRegression(C=strength, class_weight="balanced", max_iter=2000, random_state=seed)
    model.fit(matrix, list(labels))
    weights, intercepts = model.coef_, model.intercept_
    if len(weights) == 1:  # of two classes scikit-learn keeps the second one's row
        weights, intercepts = np.vstack([-weights / 2, weights / 2]), np.hstack([-intercepts / 2, intercepts / 2])
    return Weights(
        classes=tuple(model.classes_.tolist()),
        weights=tuple(tuple(row) for row in np.round(weights, 6).tolist()),
        intercepts=tuple(np.round(intercepts, 6).tolist()),
    )
