"""What a user writes about reading texts: sentiment, themes and intents."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import Field

from facette.definitions.base import DefinedName, Definition, Label, Language, Named

Method = Literal["words", "tfidf", "embedding"]


NEUTRAL_WITHIN = 1 / 3
"""Of a sentiment from -1 to 1: nearer to 0 than this is neutral."""


class TextClass(Definition):
    """A theme, or an intent: its name is the value that rules compare with; so are its labels."""

    name: DefinedName
    label: Label = Label()
    words: tuple[str, ...] = Field(
        default=(),
        description="Words or phrases that tell it, in any language; `livr*` stands for all words that begin so.",
    )
    examples: tuple[str, ...] = Field(default=(), description="Sentences as people write them, in any language.")


class Labelled(Definition):
    """Texts of which it is known what they say: rows of a source that is a `table`."""

    source: DefinedName = Field(description="A source with `table`; when its rows change, all texts are read again.")
    text: str = Field(description="Column with the text.")
    label: str = Field(description="Column with the name of the class, or with stars or a mark for sentiment.")


class Sample(Definition):
    """Texts among which themes are found: rows of a source that is a `table`."""

    source: DefinedName = Field(description="A source with `table`; when its rows change, all texts are read again.")
    text: str = Field(description="Column with the text.")
    themes: int = Field(default=6, ge=2, le=50, description="How many themes to find.")


class _Read(Named):
    method: Method | None = Field(
        default=None,
        description="`words` that tell it, `tfidf` (with `learn`), or `embedding`, which is meant unless given: both "
        "with logistic regression, from `learn` or else from `examples`.",
    )
    encoder: str = Field(
        default="use",
        description="Of `embedding`: `use` (16 languages), `spacy` (French), or a folder, relative to the project, "
        "with `model.onnx` and `tokenizer.json` of a BERT-like model.",
    )
    learn: Labelled | None = Field(default=None, description="Labelled texts to learn from.")
    seed: int = 0


class SentimentText(_Read):
    """How pleased a text sounds: a number from -1 to 1, or negative, neutral, positive."""

    kind: Literal["sentiment"]
    negative_to: float = Field(default=2, description="Of labels that are numbers: up to here they mean negative.")
    positive_from: float = Field(default=4, description="Of labels that are numbers: from here on they mean positive.")


class ThemesText(_Read):
    """What a text is about: the theme that fits best, unknown where none does."""

    kind: Literal["themes"]
    themes: tuple[TextClass, ...] = ()
    discover: Sample | None = Field(
        default=None, description="Find the themes instead; each is called by the words that tell it apart."
    )


class IntentsText(_Read):
    """What a text's author wants: complaint, question, praise, purchase, leaving, unless others are given."""

    kind: Literal["intents"]
    intents: tuple[TextClass, ...] = Field(default=(), description="In place of the built-in ones.")


class LanguageText(_Read):
    """In which language a text is: `fr`, `en`, unknown where nothing tells."""

    kind: Literal["language"]


TextReading = Annotated[SentimentText | ThemesText | IntentsText, Field(discriminator="kind")]
AnyReading = SentimentText | ThemesText | IntentsText | LanguageText

LANGUAGES = (
    TextClass(name="fr", label=Label(fr="français", en="French")),
    TextClass(name="en", label=Label(fr="anglais", en="English")),
)


class BuiltInTexts(Definition):
    """What is known of texts before anybody teaches it."""

    sentiment: tuple[TextClass, ...]
    intents: tuple[TextClass, ...]
    small_words: dict[Language, tuple[str, ...]]
    hints: dict[Language, tuple[str, ...]]


@lru_cache(maxsize=1)
def built_in_texts() -> BuiltInTexts:
    """Words and example sentences of the sentiments and the intents, in both languages."""
    path = Path(__file__).with_name("built_in_texts.yml")
    return BuiltInTexts.model_validate(yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader))


def readings(declared: Iterable[AnyReading]) -> dict[str, AnyReading]:
    """What fields may `read`, by name: `sentiment`, `intent`, `language` unless declared otherwise, and the rest."""
    known: dict[str, AnyReading] = {
        "sentiment": SentimentText(name="sentiment", kind="sentiment"),
        "intent": IntentsText(name="intent", kind="intents"),
        "language": LanguageText(name="language", kind="language"),
    }
    return known | {item.name: item for item in declared}


def classes_of(reading: AnyReading) -> tuple[TextClass, ...]:
    """What a text may turn out to be; none where that is found out or learned only."""
    match reading:
        case SentimentText():
            return built_in_texts().sentiment
        case IntentsText():
            return reading.intents or built_in_texts().intents
        case ThemesText():
            return reading.themes
    return LANGUAGES
