"""Words, negations, languages: what a text says by its words alone."""

from __future__ import annotations

import pytest

from facette.text.languages import language_of
from facette.text.readers import label_of, sentiment_words
from facette.text.tokens import tokens_of
from facette.text.words import Words


def negated(text: str) -> list[str]:
    return [token.text for token in tokens_of(text) if token.is_negated and token.is_word]


@pytest.mark.parametrize(
    ("text", "covered"),
    [
        ("Le colis n'est pas arrivé.", ["est", "arrive"]),
        ("Je ne recommande plus ce magasin", ["recommande", "ce", "magasin"]),
        ("Un produit plus solide", []),
        ("Pas content, mais bien reçu", ["content"]),
        ("It isn't good, but it works", ["good"]),
        ("I can't recommend it", ["recommend", "it"]),
        ("Pas seulement beau", []),
        ("not only cheap", []),
        ("Rien de cassé. Tout va bien", ["de", "casse"]),
    ],
)
def test_what_a_negation_covers(text: str, covered: list[str]) -> None:
    assert negated(text) == covered


@pytest.mark.parametrize(
    ("text", "mood"),
    [
        ("Pas mal !", "positive"),
        ("Not bad.", "positive"),
        ("Ce n'est pas bon.", "negative"),
        ("It is not good.", "negative"),
        ("Le colis n'est pas arrivé", "negative"),
        ("Aucun retard", "positive"),
        ("No problem", "positive"),
        ("Joli, mais cassé et vraiment décevant", "negative"),
        ("Trop cher", "negative"),
        ("Pas cher", "positive"),
        ("Le paquet est là", "neutral"),
        ("", "neutral"),
        ("👍", "positive"),
        ("MERCI À TOUTE L’ÉQUIPE", "positive"),
    ],
)
def test_sentiment_by_words(text: str, mood: str) -> None:
    assert label_of(sentiment_words().sentiment(text)) == mood


def test_words_begin_and_phrases_count_once() -> None:
    words = Words({"delivery": ("livr*", "point relais"), "price": ("cher", "trop cher")})
    assert words.counts("Livraison au point relais : trop cher", heeds_negation=False) == {"delivery": 2, "price": 1}
    assert words.counts("Pas livré", heeds_negation=True) == {}
    assert words.counts("Pas livré", heeds_negation=False) == {"delivery": 1}


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Le colis est arrivé", "fr"),
        ("The parcel is here", "en"),
        ("Déçu", "fr"),
        ("OK", None),
        ("", None),
    ],
)
def test_language(text: str, language: str | None) -> None:
    assert language_of(text) == language
