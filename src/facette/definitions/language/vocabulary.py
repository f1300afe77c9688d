"""What a rule may name: traits and features, events with their properties, segments — by id or by label.

The language knows nothing of projects; whoever checks a rule hands in a :class:`Vocabulary`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from facette.definitions.language.tree import ValueType


@dataclass(frozen=True, slots=True)
class Band:
    """A named part of a number's range: ``low <= value < high``; an open end is None. Of a text, one of its values."""

    name: str
    low: float | None
    high: float | None
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Property:
    """A trait, a feature or an event's property that a rule can compare."""

    name: str
    type: ValueType
    labels: Mapping[str, str] = field(default_factory=dict)  # language → label
    bands: tuple[Band, ...] = ()
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, Property] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SegmentName:
    name: str
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    columns: Mapping[str, Property] = field(default_factory=dict)
    events: Mapping[str, Event] = field(default_factory=dict)
    segments: Mapping[str, SegmentName] = field(default_factory=dict)
    thresholds: Mapping[str, Property] = field(default_factory=dict)


@lru_cache(maxsize=16_384)
def fold(name: str) -> str:
    """The form in which names are compared: no case, no accents, single spaces."""
    decomposed = unicodedata.normalize("NFKD", name)
    bare = "".join(char for char in decomposed if not unicodedata.combining(char))
    return " ".join(bare.casefold().split())


BUILT_IN_PROPERTIES: Mapping[str, Property] = {
    item.name: item
    for item in (
        Property("at", "instant", {"fr": "instant", "en": "instant"}),
        Property("day", "date", {"fr": "jour", "en": "day"}),
        Property("hour", "number", {"fr": "heure", "en": "hour"}, unit="h"),  # local, 0 to 23
        Property("weekday", "number", {"fr": "jour de semaine", "en": "weekday"}),  # Monday is 1
    )
}
"""Every event has these besides the properties that its source declares."""
