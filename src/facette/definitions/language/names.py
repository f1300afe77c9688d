"""Who answers to a name: ids and labels of the vocabulary, compared without case, accents or extra spaces."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import TypeVar

from facette.definitions.language.messages import Entry
from facette.definitions.language.vocabulary import BUILT_IN_PROPERTIES, Event, Property, fold

E = TypeVar("E", bound=Entry)


def answering(name: str, entries: Mapping[str, E]) -> list[E]:
    """The entries whose id or one of whose labels is that name."""
    folded = fold(name)
    return [entry for entry in entries.values() if folded in _folded_names(entry)]


def nearest(name: str, entries: Mapping[str, E], limit: int = 3) -> tuple[E, ...]:
    """The entries whose id or label is spelt most like the name, best first; none if nothing is like it."""
    spelt: dict[str, E] = {}
    for entry in entries.values():
        for folded in _folded_names(entry):
            spelt.setdefault(folded, entry)
    close = difflib.get_close_matches(fold(name), spelt, n=2 * limit)
    return tuple({spelt[folded].name: spelt[folded] for folded in close}.values())[:limit]


def properties_of(event: Event) -> Mapping[str, Property]:
    """What WHERE can compare: the event's own properties, then those that every event has."""
    return {**BUILT_IN_PROPERTIES, **event.properties}


def _folded_names(entry: Entry) -> set[str]:
    return {fold(entry.name), *(fold(label) for label in entry.labels.values() if label)}
