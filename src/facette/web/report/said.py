"""The report's section about texts: what people write about, and how they sound. Nobody's words are shown."""

from __future__ import annotations

from collections.abc import Iterator

import ibis
import ibis.expr.types as ir

from facette.definitions.model import Events, SourceField
from facette.definitions.texts import (
    NEUTRAL_WITHIN,
    AnyReading,
    LanguageText,
    SentimentText,
    classes_of,
    readings,
)
from facette.warehouse.compiler import visible
from facette.web.report.pictures import GREEN, GREY, ORANGE, Part, Picture, parts
from facette.web.report.reading import Reading, Row

COLOURS = {"negative": ORANGE, "neutral": GREY, "positive": GREEN}
MOST_BARS = 15
"""So many classes are shown; those of fewer texts are added up."""
OTHERS, NONE = "said_others", "said_none"


def said(reading: Reading) -> list[Row]:
    """Of each kind of event, and of each theme or intent read of it, a picture of how many texts sound how."""
    found = []
    for events in _each_event(reading):
        for name, field in events.fields.items():
            text = _read(reading, field)
            if text is None or isinstance(text, SentimentText | LanguageText):
                continue
            picture = _picture(reading, events, name, field)
            if picture is not None:
                found.append({"label": _title(reading, events, name, field), "picture": picture})
    return found


def _each_event(reading: Reading) -> Iterator[Events]:
    """The first declaration of each kind of event that has been published."""
    names = set()
    for source in reading.sources:
        for events in source.events:
            if events.name not in names and reading.has(f"events_{events.name}"):
                names.add(events.name)
                yield events


def _read(reading: Reading, field: SourceField) -> AnyReading | None:
    return readings(reading.definitions.project.texts).get(field.read or "")


def _picture(reading: Reading, events: Events, name: str, field: SourceField) -> Picture | None:
    feeling = next(
        (
            key
            for key, other in events.fields.items()
            if other.column == field.column and isinstance(_read(reading, other), SentimentText)
        ),
        None,
    )
    counts = _counts(reading, events, name, field, feeling)
    if not counts:
        return None
    words, classes = reading.words, list(counts)
    totals = {item: sum(counts[item].values()) for item in classes}
    labels = [_label(reading, field, item) for item in classes]
    moods = [*COLOURS] if feeling else [""]
    items = []
    for mood in moods:
        lengths = [counts[item].get(mood, 0) for item in classes]
        kind = words.say(f"mood_{mood}") if mood else words.say("texts_said")
        told = [words.labelled(f"{label} · {kind}", words.number(n)) for label, n in zip(labels, lengths, strict=True)]
        items.append(Part(kind, COLOURS.get(mood, GREY), lengths, told))
    listed = ", ".join(
        words.labelled(label, words.number(totals[item])) for label, item in zip(labels, classes, strict=True)
    )
    n = words.number(sum(totals.values()))
    return Picture(
        title="",
        caption=words.say("said_caption_mood" if feeling else "said_caption", n=n),
        alt=words.say("said_alt", listed=listed),
        height=120 + 34 * len(classes),
        narrow_height=120 + 56 * len(classes),
        figure=parts(labels, items, words.say("texts_said")),
    )


def _counts(
    reading: Reading, events: Events, name: str, field: SourceField, feeling: str | None
) -> dict[str, dict[str, int]]:
    """Class → feeling → texts, most texts first, what could not be told last; without feelings they are one."""
    table = reading.published.table(f"events_{events.name}")
    if name not in table.columns or (feeling and feeling not in table.columns):
        return {}
    table = table.filter(visible(table, reading.published.snapshot.moment))
    texts = [
        key for key, other in events.fields.items() if other.read is None and (other.column or key) == field.column
    ]
    there = feeling or next(iter(texts), name)  # every text sounds somehow; where there is none, nothing does
    table = table.filter(table[there].notnull())
    keys = {"kind": table[name]}
    if feeling is not None:
        keys["mood"] = _mood(table[feeling]) if events.fields[feeling].type == "number" else table[feeling]
    rows = table.group_by(**keys).agg(n=table.count()).to_pyarrow().to_pylist()
    found: dict[str, dict[str, int]] = {}
    for row in rows:
        found.setdefault(row["kind"] or NONE, {})[row.get("mood") or ""] = row["n"]
    order = sorted(found, key=lambda kind: (kind == NONE, -sum(found[kind].values()), kind))
    shown = {kind: found[kind] for kind in order[:MOST_BARS]}
    for kind in order[MOST_BARS:]:
        rest = shown.setdefault(OTHERS, {})
        for mood, n in found[kind].items():
            rest[mood] = rest.get(mood, 0) + n
    return shown


def _mood(score: ir.Value) -> ir.Value:
    return ibis.cases((score < -NEUTRAL_WITHIN, "negative"), (score < NEUTRAL_WITHIN, "neutral"), else_="positive")


def _label(reading: Reading, field: SourceField, kind: str) -> str:
    """What people call a class; a theme that was found is called by its words."""
    if kind in (OTHERS, NONE):
        return reading.words.say(kind)
    known = {
        item.name: item.label for item in classes_of(readings(reading.definitions.project.texts)[field.read or ""])
    }
    return reading.label(known[kind], kind) if kind in known else kind


def _title(reading: Reading, events: Events, name: str, field: SourceField) -> str:
    return f"{reading.label(events.label, events.name)} · {reading.label(field.label, name)}"
