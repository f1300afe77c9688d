"""What trackers send over HTTP, as records of the log: one file per protocol, pure functions of the request.

Every protocol has ``PATHS``, ``METHODS``, ``items(request)`` and ``answer(request, outcome)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from facette.sources.formats import ga4, matomo, mixpanel, segment
from facette.sources.formats.request import Answer, Item, Outcome, Request


class Format(Protocol):
    """A protocol: where it is spoken, what it says, and what it expects to hear."""

    @property
    def PATHS(self) -> Sequence[str]: ...  # noqa: N802

    @property
    def METHODS(self) -> Sequence[str]: ...  # noqa: N802

    def items(self, request: Request) -> list[Item]:
        """The events of a request, each a record or the reason of its refusal.

        BadRequestError if nothing of it can be read.
        """
        ...

    def answer(self, request: Request, outcome: Outcome) -> Answer:
        """What the client hears when the accepted events are in the log."""
        ...


FORMATS: tuple[Format, ...] = (segment, mixpanel, matomo, ga4)
"""All protocols; no two have a path in common."""
