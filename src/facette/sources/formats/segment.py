"""The Segment spec, which RudderStack's clients follow too.

``POST /v1/{track,identify,page,screen,group,alias,batch,import}``, ``/v1/{t,i,p,s,g,a,b}`` and ``/batch``. The write
key is the user of Basic authentication or ``writeKey`` in the body. JSON, whatever the content type says.
https://segment.com/docs/connections/spec/ and https://segment.com/docs/connections/sources/catalog/libraries/server/http-api/
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from facette.sources.formats.fields import KINDS, an_object, is_event, needed, record, text, written_instant
from facette.sources.formats.reasons import reason
from facette.sources.formats.request import (
    Answer,
    BadEventError,
    BadRequestError,
    Item,
    Object,
    Outcome,
    Request,
    each,
    json_answer,
    parse,
)
from facette.sources.record import Kind, Record

SHORT: dict[str, Kind] = {"t": "track", "i": "identify", "p": "page", "s": "screen", "g": "group", "a": "alias"}
ONE = {f"/v1/{name}": kind for short, kind in SHORT.items() for name in (short, kind)}
"""Path of one event → its kind."""

MANY = ("/v1/batch", "/v1/import", "/v1/b", "/batch")
PATHS = (*ONE, *MANY)
METHODS = ("POST",)
OWN = {
    *("type", "event", "name", "messageId", "timestamp", "originalTimestamp", "sentAt", "userId", "anonymousId"),
    *("previousId", "groupId", "properties", "traits", "context", "writeKey"),
}
"""Keys that have a place in the record; the others go to its context."""


def items(request: Request) -> list[Item]:
    """The events of one request; BadRequestError if its body cannot be read."""
    body = parse(request.text)
    if not isinstance(body, dict):
        raise BadRequestError(reason("body_no_object", example='{"batch": [...]}' if request.path in MANY else "{...}"))
    kind = ONE.get(request.path)
    events = [body] if kind else body.get("batch")
    if not isinstance(events, list):
        raise BadRequestError(reason("no_batch"))
    sent_at = None if kind else body.get("sentAt")
    shared = {} if kind else body.get("context")

    given = tuple(key for key in (request.user, body.get("writeKey")) if isinstance(key, str) and key)

    def keys(event: Any) -> tuple[str, ...]:
        own = event.get("writeKey") if isinstance(event, dict) else None
        return (*given, own) if isinstance(own, str) and own not in ("", *given) else given

    def convert(event: Any) -> Record:
        return to_record(is_event(event), request.received_at, kind=kind, sent_at=sent_at, shared=shared)

    return each(events, keys, convert)


def to_record(event: Object, received_at: datetime, *, kind: Kind | None, sent_at: Any, shared: Any) -> Record:
    """One event as a record.

    kind    : of the path that it was sent to; its own ``type`` if it came in a batch
    sent_at : of the batch, for events that have none
    shared  : context of the batch, for what the event's own context does not say
    """
    kind = kind or kind_named(needed(event, "type"))
    properties = an_object(event, "properties")
    if kind in ("page", "screen") and event.get("category") is not None:
        properties = {"category": event["category"]} | properties
    context = (shared if isinstance(shared, dict) else {}) | an_object(event, "context")
    traits = an_object(event, "traits")
    if kind == "identify" and not traits:  # where RudderStack's clients have them
        traits = an_object(context, "traits")
    rest = {key: value for key, value in event.items() if key not in OWN and value is not None}
    return record(
        kind,
        protocol="segment",
        at=happened_at(event, received_at, sent_at),
        received_at=received_at,
        message_id=text(event, "messageId"),
        event=needed(event, "event") if kind == "track" else text(event, "name"),
        user_id=needed(event, "userId") if kind == "alias" else text(event, "userId"),
        anonymous_id=text(event, "anonymousId"),
        previous_id=needed(event, "previousId") if kind == "alias" else text(event, "previousId"),
        group_id=needed(event, "groupId") if kind == "group" else text(event, "groupId"),
        properties=properties,
        traits=traits,
        context=rest | context,
    )


def kind_named(written: str) -> Kind:
    for kind in KINDS:
        if written.lower() == kind:
            return kind
    raise BadEventError(reason("no_kind", found=written[:40], kinds=", ".join(KINDS)))


def happened_at(event: Object, received_at: datetime, sent_at: Any = None) -> datetime:
    """When it happened by our clock: what the client's clock said, moved by how far that clock was off on sending.

    https://segment.com/docs/connections/spec/common/#timestamps: receivedAt - (sentAt - originalTimestamp), where
    originalTimestamp is what clients send as ``timestamp``. RudderStack's send both if a caller says when it happened;
    then ``originalTimestamp`` is only when the call was made.
    """
    by_client = written_instant(event, "timestamp") or written_instant(event, "originalTimestamp")
    if by_client is None:
        return received_at
    sent = written_instant(event, "sentAt") or written_instant({"sentAt": sent_at}, "sentAt")
    try:
        return received_at - (sent - by_client) if sent else by_client
    except OverflowError:
        raise BadEventError(reason("apart")) from None


def answer(request: Request, outcome: Outcome) -> Answer:
    """200 if anything was accepted; what was refused is listed by its place in the batch."""
    if outcome.is_failure:
        content = {"success": False, "code": "refused", "message": outcome.first_reason, "refused": outcome.refused}
        return json_answer(400, content)
    return json_answer(200, {"success": True} | ({"refused": outcome.refused} if outcome.refused else {}))
