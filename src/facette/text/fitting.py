"""Readings that learn: from example sentences, from labelled texts, or by finding themes among texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import isfinite
from pathlib import Path

import numpy as np

from facette.definitions.language.vocabulary import fold
from facette.definitions.naming import labels
from facette.definitions.texts import AnyReading, LanguageText, SentimentText, ThemesText, classes_of
from facette.errors import ModelError
from facette.text.encoders import encoder
from facette.text.linear import Linear, fit_embedding, fit_tfidf, terms_of
from facette.text.readers import FittedText, TextMetrics, TextReader, examples_of
from facette.text.topics import find_topics

FOLDS = 5
MOST = 20_000
"""At most so many labelled texts are learned from, drawn by the seed."""

Learn = Callable[[Sequence[str], Sequence[str]], Linear]


def method_of(reading: AnyReading) -> str:
    """How a reading is done: ``words``, ``tfidf``, ``embedding``, ``found`` (themes among texts)."""
    if isinstance(reading, LanguageText):
        return "words"
    if isinstance(reading, ThemesText) and reading.discover:
        return "found"
    return reading.method or "embedding"


def encoder_of(reading: AnyReading, project: Path) -> str:
    """The identity of the encoder of a reading, empty if it has none; ModelError if it is not installed."""
    return encoder(reading.encoder, project).identity if method_of(reading) == "embedding" else ""


def fit_text(
    reading: AnyReading, fingerprint: str, project: Path, samples: Sequence[tuple[str, str | None]] = ()
) -> FittedText | None:
    """What a reading learns; None if it is done by words, which learn nothing.

    samples : texts with their labels, or without labels texts among which themes are found
    ModelError if these are too few, if a label names no class, or if an encoder is not installed.
    """
    method = method_of(reading)
    if method == "words":
        return None
    if method == "found":
        assert isinstance(reading, ThemesText) and reading.discover
        texts = _drawn([text for text, _ in samples], reading.seed)
        topics = find_topics(reading.name, texts, reading.discover.themes, seed=reading.seed)
        metrics = TextMetrics(n_texts=len(texts))
        return FittedText(name=reading.name, fingerprint=fingerprint, topics=topics, metrics=metrics)
    texts, classes = _labelled(reading, samples) if reading.learn else examples_of(reading)
    if method == "tfidf":  # a text without a word, such as “…”, teaches nothing
        texts, classes = _with_words(texts, classes)
    if min((classes.count(name) for name in set(classes)), default=0) < 2 or len(set(classes)) < 2:
        raise ModelError(
            f"“{reading.name}” has too little to learn from: {len(texts)} texts of {len(set(classes))} classes.",
            remedy="Give two texts or more of each of two classes or more.",
        )
    reader = TextReader(reading, None, project)
    learn: Learn = partial(fit_tfidf, seed=reading.seed)
    if method == "embedding":
        learn = partial(fit_embedding, encode=reader.features, seed=reading.seed)
    return FittedText(
        name=reading.name,
        fingerprint=fingerprint,
        encoder=encoder_of(reading, project),
        linear=learn(texts, classes),
        metrics=_metrics(texts, classes, learn, reader, reading.seed),
    )


def _labelled(reading: AnyReading, samples: Sequence[tuple[str, str | None]]) -> tuple[list[str], list[str]]:
    """Texts and their classes, each text once."""
    class_of = _classes(reading)
    pairs = {text: class_of(label) for text, label in samples if text and label}
    texts = _drawn(sorted(pairs), reading.seed)
    return texts, [pairs[text] for text in texts]


def _with_words(texts: Sequence[str], classes: Sequence[str]) -> tuple[list[str], list[str]]:
    kept = [(text, name) for text, name in zip(texts, classes, strict=True) if terms_of(text)]
    return [text for text, _ in kept], [name for _, name in kept]


def _classes(reading: AnyReading) -> Callable[[str], str]:
    """Label as written → class."""
    declared = classes_of(reading)
    answers = {fold(text): item.name for item in declared for text in (item.name, *labels(item.label).values())}

    def class_of(label: str) -> str:
        if isinstance(reading, SentimentText):
            number = _number(label)
            if number is not None:
                return _mood(reading, number)
        if not declared:
            return label
        if fold(label) not in answers:
            raise ModelError(
                f"“{reading.name}” learns from a label “{label}”, which names none of its classes.",
                remedy=f"Write one of {', '.join(sorted(answers))}.",
            )
        return answers[fold(label)]

    return class_of


def _mood(reading: SentimentText, number: float) -> str:
    if number <= reading.negative_to:
        return "negative"
    return "positive" if number >= reading.positive_from else "neutral"


def _number(label: str) -> float | None:
    try:
        number = float(label.replace(",", "."))
    except ValueError:
        return None
    return number if isfinite(number) else None


def _drawn(texts: Sequence[str], seed: int) -> list[str]:
    """At most MOST of some texts, the same for the same texts and seed, in their order."""
    if len(texts) <= MOST:
        return [*texts]
    chosen = np.sort(np.random.default_rng(seed).choice(len(texts), MOST, replace=False))
    return [texts[place] for place in chosen]


def _metrics(texts: Sequence[str], classes: Sequence[str], learn: Learn, reader: TextReader, seed: int) -> TextMetrics:
    from sklearn.metrics import accuracy_score, f1_score  # noqa: PLC0415
    from sklearn.model_selection import StratifiedKFold  # noqa: PLC0415

    smallest = min(classes.count(name) for name in set(classes))
    n_folds = min(FOLDS, smallest)
    told: dict[int, str] = {}
    for train, test in StratifiedKFold(n_folds, shuffle=True, random_state=seed).split(texts, classes):
        linear = learn([texts[i] for i in train], [classes[i] for i in train])
        told |= {int(i): _best(linear.probabilities(texts[i], reader.features)) for i in test}
    found = [told[i] for i in range(len(texts))]
    return TextMetrics(
        n_texts=len(texts),
        n_folds=n_folds,
        accuracy=round(float(accuracy_score(classes, found)), 4),
        macro_f1=round(float(f1_score(classes, found, average="macro")), 4),
    )


def _best(probabilities: Mapping[str, float]) -> str:
    return max(probabilities, key=lambda name: probabilities[name], default="")
