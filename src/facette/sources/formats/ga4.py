"""Google Analytics 4's Measurement Protocol: ``POST /mp/collect?measurement_id=…&api_secret=…``.

The write key is ``api_secret``. https://developers.google.com/analytics/devguides/collection/protocol/ga4/reference
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from facette.sources.formats.fields import an_object, is_event, needed, record, since_1970, text
from facette.sources.formats.reasons import found, reason
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

PATHS = ("/mp/collect",)
METHODS = ("POST",)
KINDS: dict[str, tuple[Kind, str]] = {"page_view": ("page", "page_title"), "screen_view": ("screen", "screen_name")}
"""Events that have a kind of their own, and the parameter that names what was seen."""

OWN = ("client_id", "app_instance_id", "user_id", "timestamp_micros", "user_properties", "events")
"""Keys of the body that have a place in the record; the others go to its context."""


def items(request: Request) -> list[Item]:
    """One item per event, after one with the traits if ``user_properties`` are given."""
    body = parse(request.text)
    if not isinstance(body, dict):
        raise BadRequestError(reason("body_no_object", example='{"client_id": "…", "events": [...]}'))
    events = body.get("events", [])
    if not isinstance(events, list):
        raise BadRequestError(reason("no_events_list"))
    if not events and not body.get("user_properties"):
        raise BadRequestError(reason("no_events"))
    key = request.parameters.get("api_secret")
    context = {name: value for name, value in body.items() if name not in OWN}
    stream = request.parameters.get("measurement_id") or request.parameters.get("firebase_app_id")
    if stream:
        context["measurement_id"] = stream

    def keys(_: Any) -> tuple[str, ...]:
        return (key,) if key else ()

    def convert(event: Any) -> Record:
        return to_record(is_event(event), body, context, request.received_at)

    traits = [{"user_properties": body["user_properties"]}] if body.get("user_properties") else []
    return each([*traits, *events], keys, convert)


def to_record(event: Object, body: Object, context: Object, received_at: datetime) -> Record:
    """One event, or the traits of the person, as a record."""
    shared: dict[str, Any] = {
        "protocol": "ga4",
        "at": _at(event) or _at(body) or received_at,
        "received_at": received_at,
        "user_id": text(body, "user_id"),
        "anonymous_id": text(body, "client_id", "app_instance_id"),
        "context": context,
    }
    if "user_properties" in event and "name" not in event:
        return record("identify", traits=_traits(an_object(event, "user_properties")), **shared)
    name, params = needed(event, "name"), an_object(event, "params")
    if name in KINDS:
        kind, title = KINDS[name]
        return record(kind, event=text(params, title), properties=params, **shared)
    return record("track", event=name, properties=params, **shared)


def _at(event: Object) -> datetime | None:
    value = event.get("timestamp_micros")
    if value is None:
        return None
    if isinstance(value, str) and value.lstrip("-").isascii() and value.lstrip("-").isdigit() and len(value) < 20:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadEventError(reason("no_micros", shown=repr(value)[:40]))
    return since_1970(value, "timestamp_micros", micros=True)


def _traits(properties: Object) -> Object:
    """Every property is an object whose ``value`` counts."""
    for name, given in properties.items():
        if not isinstance(given, dict):
            raise BadEventError(reason("no_user_property", key=name, found=found(given)))
    return {name: given.get("value") for name, given in properties.items()}


def answer(request: Request, outcome: Outcome) -> Answer:
    """204; 400 with the reasons if everything was refused."""
    if outcome.is_failure:
        return json_answer(400, {"message": outcome.first_reason, "refused": outcome.refused})
    return Answer(204)
