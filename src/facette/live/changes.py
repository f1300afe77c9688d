"""What the worker tells: who entered and who left which segment, when, and why."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from hashlib import blake2b
from typing import Any, Literal

import msgspec

What = Literal["entered", "left", "merged"]
Why = Literal["events", "time", "run", "definition", "filling"]


class Change(msgspec.Struct, frozen=True, gc=False):
    """One profile entered or left a segment, or became part of another profile.

    id         : the same whenever this change is told again, and of no other
    profile_id : who; ids that no run has given yet are provisional, and become part of lasting ones
    segment    : empty where a profile became part of another
    why        : something arrived; time passed; a run was published; a definition changed; a sink is new
    events     : ids of the events that decided it, in the order of their instants (see ``live/deciding.py``)
    into       : the profile that it became part of
    """

    id: str
    profile_id: int
    segment: str
    change: What
    at: datetime
    why: Why
    events: tuple[str, ...] = ()
    into: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            **msgspec.structs.asdict(self),
            "at": self.at.isoformat(timespec="microseconds"),
            "events": list(self.events),
        }


Numbered = tuple[int, Change]
"""A change and its number: numbers grow from change to change."""

Positions = Mapping[str, Mapping[str, int]]
"""Log → how far it has been read."""


def name_of(step: str, positions: Positions, at: datetime) -> str:
    """The name of a step, with which the ids of its changes begin.

    It follows from the step, from what was known and from the instant.
    """
    known = sorted((log, sorted(position.items())) for log, position in positions.items())
    return blake2b(f"{step}\n{known}\n{at.isoformat()}".encode(), digest_size=12).hexdigest()
