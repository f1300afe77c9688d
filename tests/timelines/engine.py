"""What a story asks of an engine, and what it answers. One engine so far: :mod:`tests.timelines.batch`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

from facette.definitions.project import Definitions
from tests.timelines.story import Happening, Record

Change = tuple[str, str, Literal["entered", "left"]]
"""Person, segment, and what happened."""


@dataclass(frozen=True)
class Found:
    """What an engine says at an instant. A person is named by all identifiers of the profile, joined by `` + ``.

    people  : whoever counts
    members : segment → people
    values  : feature → person → value
    changes : who came and who went since the engine was last asked
    """

    people: frozenset[str]
    members: dict[str, frozenset[str]]
    values: dict[str, dict[str, Any]]
    changes: frozenset[Change]


class Engine(Protocol):
    """Takes what happens in the order of the story; answers for an instant, never for one before the last."""

    def define(self, definitions: Definitions) -> None:
        """These are the definitions from now on."""

    def arrive(self, records: Sequence[Record], happenings: Sequence[Happening]) -> None:
        """Something was delivered: it counts from its ``known_at`` on."""

    def correct(self, happening: Happening) -> None:
        """The event with this id reads so, and always did."""

    def look(self, at: datetime) -> Found:
        """Who is in which segment."""
