"""A group in words: a name and a sentence, from the traits that set it apart most.

What a trait is decides how it is said: of a count "many orders", of a recency "purchase long ago", of another number
"basket well above", of a level "more often". None of the words has to agree with a label, whatever its gender.
"""

from __future__ import annotations

from dataclasses import dataclass

from facette.definitions.language import parse_value
from facette.definitions.language.tree import Aggregate
from facette.web.report.people import level_of, sides
from facette.web.report.reading import Reading, Row

STRENGTHS = ((0.8, "large"), (0.5, "medium"), (0.2, "small"))
"""Least Cohen's d of each word (Cohen 1988); what is less does not tell a group apart."""
NAMED, TOLD = 2, 3
VOWELS = "aeiouyàâäéèêëîïôöùûüœæ"


@dataclass(frozen=True)
class Portrait:
    """name: "Many orders, basket below"; sentence: the same with numbers, of one trait more."""

    name: str
    sentence: str


def portrait(reading: Reading, group: str) -> Portrait:
    """Of a segment or a cluster (``clustering:number``)."""
    words = reading.words
    rows = [row for row in reading.traits.get(group, []) if abs(row["effect"]) >= STRENGTHS[-1][0]][:TOLD]
    if not rows:
        return Portrait(words.say("portrait_nobody"), words.say("portrait_nothing"))
    said = [_phrase(reading, row) for row in rows]
    told = []
    for phrase, row in zip(said, rows, strict=True):
        inside, outside = sides(reading, row)
        told.append(f"{phrase} ({words.say('versus', inside=inside, outside=outside)})")
    name = ", ".join(said[:NAMED])
    return Portrait(name[:1].upper() + name[1:], words.say("portrait", listed=words.listed(told)))


def _phrase(reading: Reading, row: Row) -> str:
    """A trait without its numbers."""
    words, feature = reading.words, row["feature"]
    strength = next(name for least, name in STRENGTHS if abs(row["effect"]) >= least)
    more = "more" if row["effect"] > 0 else "less"
    label = _within(reading.column(feature))
    if row["level"] is not None:
        often = words.say(f"often_{more}_{strength}")
        level = level_of(reading, feature, row["level"])
        column = reading.definitions.vocabulary.columns.get(feature)
        is_yes = column is not None and column.type == "boolean"
        return words.say("trait_true" if is_yes else "trait_level", often=often, trait=label, level=level)
    match _measure(reading, feature):
        case Aggregate(function="count" | "distinct"):
            of = ("d'" if label[:1].lower() in VOWELS else "de ") if reading.language == "fr" else ""
            return words.say(f"count_{more}_{strength}", trait=of + label)
        case Aggregate(function="recency", event=event):
            return words.say(f"recency_{more}_{strength}", event=_within(reading.event(event)))
    return words.say(f"number_{more}_{strength}", trait=label)


def _measure(reading: Reading, feature: str) -> object:
    """What a feature's value is made of, if it has one."""
    text = next((item.value for item in reading.definitions.project.features if item.name == feature), None)
    return parse_value(text) if text else None


def _within(label: str) -> str:
    """A label inside a sentence; an acronym stays as it is."""
    return label if label[1:2].isupper() else label[:1].lower() + label[1:]
