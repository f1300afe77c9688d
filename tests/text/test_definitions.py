"""What may be declared of reading texts, and what is said of what may not."""

from __future__ import annotations

from pathlib import Path

import pytest

from facette.definitions.language.tree import Compare, Number, Text
from tests.definitions.projects import SOUND, loaded, problems

REVIEWS = """
sources:
  - name: reviews
    kind: file
    path: data/reviews.csv
    events:
      - name: review
        label: {fr: avis}
        identifiers: {customer_id: id}
        at: date
        fields:
          comment: {label: {fr: commentaire}}
          topic: {column: comment, read: topics, label: {fr: sujet}}
          mood: {column: comment, read: sentiment, type: number, label: {fr: humeur}}
          want: {column: comment, read: intent}
"""
TEXTS = """
texts:
  - name: topics
    kind: themes
    method: words
    themes:
      - {name: delivery, label: {fr: livraison, en: delivery}, words: [livr*]}
      - {name: price, label: {fr: prix, en: price}, words: [cher]}
"""


def rule(folder: Path, text: str) -> object:
    segment = f'segments:\n  - {{name: found, label: {{en: Found}}, rule: "{text}"}}\n'
    (aggregate,) = loaded(folder, reviews=REVIEWS, texts=TEXTS, segments=segment).rules["found"].aggregates.values()
    return aggregate.where


@pytest.mark.parametrize("written", ["livraison", "Delivery", "'delivery'"])
def test_a_theme_is_named_by_its_name_or_label(tmp_path: Path, written: str) -> None:
    where = rule(tmp_path, f"DID review WHERE topic = {written}")
    assert isinstance(where, Compare) and where.right == Text("delivery")


def test_a_sentiment_has_bands(tmp_path: Path) -> None:
    where = rule(tmp_path, "DID review WHERE mood = négatif")
    assert isinstance(where, Compare) and (where.operator, where.right) == ("<", Number(-1 / 3))
    where = rule(tmp_path, "DID review WHERE mood < 0")
    assert isinstance(where, Compare) and where.right == Number(0)


def test_an_intent_is_one_of_the_built_in_ones(tmp_path: Path) -> None:
    where = rule(tmp_path, "DID review WHERE want = réclamation")
    assert isinstance(where, Compare) and where.right == Text("complaint")


def test_what_no_text_can_say_is_an_error(tmp_path: Path) -> None:
    segment = "segments:\n  - {name: found, label: {en: Found}, rule: DID review WHERE topic = delivrey}\n"
    (problem,) = problems(tmp_path, reviews=REVIEWS, texts=TEXTS, segments=segment)
    assert problem.startswith("segments.yml:2")
    assert "is never “delivrey”" in problem and "livraison / delivery, prix / price" in problem


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("read: topics", "read: topic", "reviews.yml:13 unknown text `topic` → did you mean `topics`?"),
        ("column: comment, read: topics", "read: topics", "`topic` does not say which column is read → give `column`"),
        ("read: intent", "read: intent, type: number", "what `intent` says is no number → leave `type` out"),
        (
            "read: sentiment, type: number",
            "read: sentiment, type: date",
            "no date → say `type: text` or `type: number`",
        ),
        (
            "type: number, label",
            "type: number, minimum: 0, label",
            "`minimum` makes no sense for what is read of a text",
        ),
        ("words: [livr*]", "examples: [Le colis est là]", "`delivery` has no words, which the method needs"),
        (
            ", words: [cher]",
            "",
            "nothing tells `price` → give it `words` or `examples`, or the text something to `learn` from",
        ),
        ("method: words", "method: tfidf", "TF-IDF knows only the words of labelled texts"),
        ("method: words", "method: embedding", "`delivery` has no examples, which the method needs"),
        ("method: words", "discover: {source: reviews, text: comment}", "does not say once which themes there are"),
        ("name: price, label: {fr: prix", "name: price, label: {fr: delivery", "both answer to `delivery`"),
        (
            "method: words",
            "learn: {source: reviews, text: comment, label: topic}",
            "unknown source with `table` `reviews` → none is defined",
        ),
        ("name: topics", "name: intent", "unknown text `topics`"),
    ],
)
def test_mistakes_are_told_with_what_to_do(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert (REVIEWS + TEXTS).count(old) == 1
    found = problems(tmp_path, reviews=REVIEWS.replace(old, new), texts=TEXTS.replace(old, new))
    assert any(told in problem for problem in found), found


def test_what_nobody_reads_is_a_warning(tmp_path: Path) -> None:
    definitions = loaded(tmp_path, facette=SOUND, texts=TEXTS)
    assert "no field reads `topics`" in [problem.message for problem in definitions.warnings]


def test_labels_do_not_make_texts_be_read_anew(tmp_path: Path) -> None:
    def fingerprint(texts: str) -> str:
        return loaded(tmp_path, reviews=REVIEWS, texts=texts).sources_fingerprint

    before = fingerprint(TEXTS)
    assert fingerprint(TEXTS.replace("fr: livraison", "fr: envoi")) == before
    assert fingerprint(TEXTS.replace("livr*", "colis")) != before
