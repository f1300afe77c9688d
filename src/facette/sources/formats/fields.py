"""From an event of any protocol to a record of the log: what a value may be, and which instant counts."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, TypedDict, Unpack, get_args
from uuid import uuid4

from facette.sources.formats.reasons import found, reason
from facette.sources.formats.request import BadEventError, Object
from facette.sources.record import Kind, Record, instant_text

instant = lru_cache(64)(instant_text)
"""ISO 8601 in UTC with microseconds; the events of a request share the instant of receipt."""

KINDS: tuple[Kind, ...] = get_args(Kind)
AHEAD = timedelta(hours=24)
"""An event at most this far ahead of its receipt happened when it was received; one further ahead is refused."""

FIRST_YEAR = 1970
"""No event happened before."""

TEXT_LIMIT = 1024
"""Characters of an identifier, a name or a message id."""


class Told(TypedDict, total=False):
    """What a protocol may say of an event; what it does not say is null or empty."""

    event: str | None
    user_id: str | None
    anonymous_id: str | None
    previous_id: str | None
    group_id: str | None
    update: str | None
    properties: Object
    traits: Object
    context: Object


def record(
    kind: Kind,
    *,
    protocol: str,
    at: datetime,
    received_at: datetime,
    message_id: str | None = None,
    **told: Unpack[Told],
) -> Record:
    """One record of the log, its ``source`` still empty.

    An event without an id gets one, so it counts again if its client sends it again. An instant up to ``AHEAD`` after
    the receipt becomes the receipt, and ``context.facette.at_as_sent`` keeps what was sent.

    BadEventError if nobody is named, or if the instant lies further ahead.
    """
    if not (told.get("user_id") or told.get("anonymous_id") or (kind == "group" and told.get("group_id"))):
        raise BadEventError(reason("nobody"))
    if at > received_at:
        if at - received_at > AHEAD:
            raise BadEventError(reason("ahead", at=instant(at)))
        told["context"] = told.get("context", {}) | {"facette": {"at_as_sent": instant(at)}}
        at = received_at
    if at.year < FIRST_YEAR:
        raise BadEventError(reason("before", at=instant(at), year=FIRST_YEAR))
    return Record(
        message_id=message_id or str(uuid4()),
        kind=kind,
        at=instant(at),
        received_at=instant(received_at),
        protocol=protocol,
        source="",
        **told,
    )


def text(event: Object, *keys: str) -> str | None:
    """The first of the values that is given, as text: a text without outer spaces, or a number's digits."""
    for key in keys:
        value = event.get(key)
        if value is None:
            continue
        if isinstance(value, str):
            written = value.strip()
        elif isinstance(value, bool) or not isinstance(value, int | float):
            raise BadEventError(reason("no_text", key=key, found=found(value)))
        else:
            written = str(value)
        if len(written) > TEXT_LIMIT:
            raise BadEventError(reason("too_long", key=key, most=TEXT_LIMIT))
        if written:
            return written
    return None


def needed(event: Object, *keys: str) -> str:
    """Likewise; BadEventError if none is given."""
    written = text(event, *keys)
    if written is None:
        raise BadEventError(reason("missing", key=keys[0]))
    return written


def an_object(event: Object, key: str) -> Object:
    """The object under a key; empty if there is none."""
    value = event.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadEventError(reason("no_object", key=key, found=found(value)))
    return value


def is_event(value: Any) -> Object:
    """An event is an object."""
    if not isinstance(value, dict):
        raise BadEventError(reason("no_event", found=found(value)))
    return value


def written_instant(event: Object, key: str) -> datetime | None:
    """An instant in ISO 8601 (UTC unless it has an offset), or seconds or milliseconds since 1970."""
    value = event.get(key)
    if value is None or value == "":
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return since_1970(value, key)
    if isinstance(value, str):
        try:
            read = datetime.fromisoformat(value.strip())
            return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise BadEventError(reason("no_instant", key=key, shown=repr(value)[:40], example="2026-11-22T08:00:00.000Z"))


def since_1970(value: float, key: str, *, micros: bool = False) -> datetime:
    """An instant from seconds since 1970, or from milliseconds if the number is 10¹¹ or more; or from microseconds."""
    try:
        if micros:
            return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(value))
        factor = 1000 if abs(value) >= 1e11 else 1
        if not math.isfinite(value):
            raise ValueError
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=value * 1000 / factor)
    except (ValueError, OverflowError):
        example = "1795334400000000" if micros else "1795334400"
        raise BadEventError(reason("no_instant", key=key, shown=str(value)[:40], example=example)) from None
