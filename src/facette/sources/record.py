"""The record of the log: what a tracker reported, in one shape for every protocol.

A record is one JSON object on one line, UTF-8, with exactly the keys of :class:`Record`. Collectors make them, the
worker and the batch source read them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

Kind = Literal["track", "identify", "page", "screen", "group", "alias"]


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """One thing that a tracker reported. All keys are always there; what a protocol does not say is null or empty.

    message_id   : by which a record sent twice is known; the sender's own, else the collector's
    kind         : track (an event), identify (traits), page, screen, group, alias (two identifiers are one person)
    event        : name of the event; null for kinds that have none
    at           : when it happened, by the sender's corrected clock (see :func:`instant_text`)
    received_at  : when the collector received it
    user_id      : who the sender says it is
    anonymous_id : the device or visitor
    previous_id  : of an alias, the identifier that is the same person as ``user_id``
    group_id     : of a group call, the group
    properties   : of the event, the page or the screen
    traits       : of the person, or of the group of a group call
    update       : what it does to traits, unless it gives them: set_once, add, or unset those that it names
    context      : what the tracker tells besides (page, campaign, library, address, …)
    protocol     : segment, mixpanel, matomo, ga4, …
    source       : name of the source whose write key was used
    """

    message_id: str
    kind: Kind
    event: str | None = None
    at: str
    received_at: str
    user_id: str | None = None
    anonymous_id: str | None = None
    previous_id: str | None = None
    group_id: str | None = None
    update: str | None = None
    properties: dict[str, Any] = msgspec.field(default_factory=dict)
    traits: dict[str, Any] = msgspec.field(default_factory=dict)
    context: dict[str, Any] = msgspec.field(default_factory=dict)
    protocol: str
    source: str


def encode(record: Record) -> bytes:
    """A record as its line, without the end of the line. Numbers that JSON does not have (NaN) become null.

    ValueError for what cannot be written: half of a surrogate pair in a text (a UnicodeEncodeError, which is one), or
    nesting without end.
    """
    try:
        return _ENCODER.encode(record)
    except RecursionError as error:
        raise ValueError("the record is nested too deep") from error


def decode(line: bytes) -> Record:
    """The record of a line; a key that may be null or empty may also be left out.

    ValueError if it is not JSON in UTF-8, lacks a key, has one of another type, or one that there is none of.
    """
    try:
        return _DECODER.decode(line)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(str(error)) from error


def instant_text(instant: datetime) -> str:
    """An instant with an offset, in UTC with microseconds: ``2026-11-22T07:30:00.000000Z``. Such texts sort by time."""
    return f"{instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Record)
