"""Themes that nobody declared: found among the texts themselves, each called by the words that tell it apart.

Non-negative matrix factorisation (Lee and Seung 1999) of TF-IDF: every text is a sum of a few themes, every theme a sum
of words. A text's theme is the one whose words it has most of; the words decide, so that it depends on that text alone.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from facette.definitions.texts import built_in_texts
from facette.errors import ModelError
from facette.text.linear import TfIdf
from facette.text.tokens import fold, words_of

SHORTEST = 3
NAMED_BY = 3
"""So many words name a theme."""
KEPT = 60
"""So many words of a theme tell it; the others weigh next to nothing."""


class Topics(BaseModel):
    """Themes that were found.

    names : by their most distinguishing words
    rows  : theme → weights of the terms, to length 1
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    names: tuple[str, ...]
    tfidf: TfIdf
    rows: tuple[tuple[float, ...], ...]

    def topic(self, text: str) -> str | None:
        """The theme whose words a text has most of; None if it has none of any."""
        vector = self.tfidf.vector_of(content_words(text))
        scores = [math.fsum(row[place] * value for place, value in vector.items()) for row in self.rows]
        best = max(range(len(scores)), key=lambda i: scores[i])
        return self.names[best] if scores[best] > 0 else None


def content_words(text: str) -> list[str]:
    """The words that say something, folded."""
    small = _small_words()
    return [word for word in words_of(text) if len(word) >= SHORTEST and word.isalpha() and word not in small]


@lru_cache(maxsize=1)
def _small_words() -> frozenset[str]:
    return frozenset(word for words in built_in_texts().small_words.values() for word in words)


def find_topics(name: str, texts: Sequence[str], n: int, *, seed: int) -> Topics:
    """Find so many themes among texts. ModelError if these are too few or too much alike."""
    from sklearn.decomposition import NMF  # noqa: PLC0415
    from sklearn.feature_extraction.text import TfidfVectorizer  # noqa: PLC0415

    counts = Counter(word for text in texts for word in set(content_words(text)))
    least = 2 if len(texts) < 1000 else 5
    if sum(n_texts >= least for n_texts in counts.values()) < n * NAMED_BY:
        raise _too_few(name, n, f"{len(texts)} texts have too few words in common")
    vectorizer = TfidfVectorizer(analyzer=content_words, sublinear_tf=True, min_df=least)
    matrix = vectorizer.fit_transform(texts)
    if _n_different(matrix) < n:
        raise _too_few(name, n, f"{len(texts)} texts are too much alike")
    tfidf = TfIdf(terms=tuple(vectorizer.get_feature_names_out().tolist()), idf=tuple(vectorizer.idf_.tolist()))
    rows = NMF(n, init="nndsvda", random_state=seed, max_iter=500).fit(matrix).components_
    rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    kept = np.sort(rows, axis=1)[:, -min(KEPT, rows.shape[1])]
    rows = np.where(rows >= kept[:, None], rows, 0)
    names = _names(rows, tfidf.terms, texts)
    if len(set(names)) < n:
        raise _too_few(name, n, f"{len(texts)} texts are too much alike")
    return Topics(names=names, tfidf=tfidf, rows=tuple(map(tuple, np.round(rows, 6).tolist())))


def _n_different(matrix: Any) -> int:
    """How many rows of a sparse matrix differ."""
    ends, indices, values = matrix.indptr.tolist(), matrix.indices, matrix.data.round(9)
    places = [slice(start, end) for start, end in pairwise(ends)]
    return len({(indices[place].tobytes(), values[place].tobytes()) for place in places})


def _too_few(name: str, n: int, why: str) -> ModelError:
    return ModelError(f"“{name}” finds no {n} themes: {why}.", remedy="Give more texts, or fewer themes.")


def _names(rows: np.ndarray, terms: Sequence[str], texts: Sequence[str]) -> tuple[str, ...]:
    """Of each theme the words that weigh more in it than in all others together; as they are mostly spelled."""
    spelled: dict[str, Counter[str]] = {}
    for text in texts:
        for word in text.lower().replace("’", "'").replace("'", " ").split():
            bare = word.strip('.,;:!?…()«»"“”')
            spelled.setdefault(fold(bare), Counter())[bare] += 1
    names = []
    for row in rows:
        others = rows.sum(axis=0) - row
        order = np.lexsort((np.arange(len(row)), -(row - others)))[:NAMED_BY]
        words = [terms[place] for place in order]
        names.append(", ".join(spelled[word].most_common(1)[0][0] if word in spelled else word for word in words))
    return tuple(names)
