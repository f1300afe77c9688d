"""Mixpanel's ingestion: ``/track``, ``/import``, ``/engage`` and ``/groups``.

Events as JSON, as lines of JSON, as ``data=`` of a form or of a query string, in base64 or not. The write key is the
token that every event carries, or the user of Basic authentication, or ``api_key``.
https://developer.mixpanel.com/reference/ingestion-api
"""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import count
from typing import Any

from facette.sources.formats.fields import an_object, is_event, needed, record, text, written_instant
from facette.sources.formats.reasons import reason
from facette.sources.formats.request import (
    PIXEL,
    Answer,
    BadEventError,
    BadRequestError,
    Item,
    Object,
    Outcome,
    Request,
    each,
    form,
    is_json,
    json_answer,
    json_or_base64,
    parse,
)
from facette.sources.record import Record

PATHS = ("/track", "/import", "/engage", "/groups")
METHODS = ("GET", "POST")
OWN = ("token", "time", "distinct_id", "$insert_id", "$user_id", "$device_id", "mp_lib", "$lib_version")
"""Properties that have a place in the record."""

DEVICE = "$device:"
"""Before the device's id, a ``distinct_id`` of somebody who is not identified."""

UPDATES = {"$set": None, "$set_once": "set_once", "$add": "add", "$unset": "unset"}
"""Updates of people, and what their records do to traits: see ``profiles/updates.py``."""

ANOTHER_WAY = ("$append", "$union", "$remove", "$delete")
"""Updates of people that are refused; the reasons say what to do instead."""

STEP = timedelta(microseconds=1)
"""By so much an update is received after the one before in its request, so that their order is known for good."""


def items(request: Request) -> list[Item]:
    """The events or updates of one request; BadRequestError if it cannot be read."""
    found, parameters = _data(request)
    given = tuple(key for key in (request.user, parameters.get("api_key")) if key)
    places = count()

    def keys(event: Any) -> tuple[str, ...]:
        own = event.get("$token") if isinstance(event, dict) else None
        inner = event.get("properties") if isinstance(event, dict) else None
        token = inner.get("token") if isinstance(inner, dict) else None
        return tuple(key for key in (own, token, *given) if isinstance(key, str) and key)

    def convert(event: Any) -> Record:
        if request.path in ("/track", "/import"):
            return of_event(is_event(event), request.received_at)
        received_at = request.received_at + next(places) * STEP
        return (of_person if request.path == "/engage" else of_group)(is_event(event), received_at)

    return each(found if isinstance(found, list) else [found], keys, convert)


def _data(request: Request) -> tuple[Any, dict[str, str]]:
    """What ``data`` holds, and the parameters beside it."""
    body = request.text
    if _has_lines(request):
        return [_line(each) for each in body.split("\n") if each.strip()], request.parameters
    if is_json(body):
        return parse(body), request.parameters
    parameters = request.parameters | form(body)
    if "data" in parameters:
        return json_or_base64(parameters["data"]), parameters
    raise BadRequestError(reason("no_form"))


def _has_lines(request: Request) -> bool:
    return "ndjson" in request.headers.get("content-type", "")


def _line(text: str) -> Any:
    """An event of JSON lines; the text itself if it is none."""
    try:
        return parse(text)
    except BadRequestError:
        return text


def of_event(event: Object, received_at: datetime) -> Record:
    """An event of ``/track`` or ``/import``."""
    name = needed(event, "event")
    properties = an_object(event, "properties")
    user_id, anonymous_id = who(properties)
    rest = {key: value for key, value in properties.items() if key not in OWN}
    shared: dict[str, Any] = {
        "protocol": "mixpanel",
        "at": written_instant(properties, "time") or received_at,
        "received_at": received_at,
        "message_id": text(properties, "$insert_id"),
        "context": library(properties),
    }
    match name:
        case "$create_alias":
            return record(
                "alias", user_id=needed(rest, "alias"), previous_id=needed(properties, "distinct_id"), **shared
            )
        case "$merge":
            one, other = two(rest)
            return record("alias", user_id=one, previous_id=other, **shared)
        case "$identify":
            known = text(rest, "$identified_id") or needed(properties, "distinct_id")
            device = needed(properties, "$anon_id", "$anon_distinct_id", "$device_id").removeprefix(DEVICE)
            return record("identify", user_id=known, anonymous_id=device, **shared)
        case "$mp_web_page_view":
            page = text(rest, "current_page_title")
            return record("page", event=page, user_id=user_id, anonymous_id=anonymous_id, properties=rest, **shared)
    return record("track", event=name, user_id=user_id, anonymous_id=anonymous_id, properties=rest, **shared)


def of_person(update: Object, received_at: datetime) -> Record:
    """An update of a person."""
    change, traits = _change(update)
    user_id, anonymous_id = who(update | {"distinct_id": needed(update, "$distinct_id")})
    return record(
        "identify",
        protocol="mixpanel",
        at=written_instant(update, "$time") or received_at,
        received_at=received_at,
        user_id=user_id,
        anonymous_id=anonymous_id,
        update=change,
        traits=traits,
    )


def of_group(update: Object, received_at: datetime) -> Record:
    """An update of a group; which kind of group it is stays in ``properties.group_key``."""
    change, traits = _change(update)
    return record(
        "group",
        protocol="mixpanel",
        at=written_instant(update, "$time") or received_at,
        received_at=received_at,
        group_id=needed(update, "$group_id"),
        properties={"group_key": needed(update, "$group_key")},
        update=change,
        traits=traits,
    )


def _change(update: Object) -> tuple[str | None, Object]:
    """What an update does to traits, and those that it names; of what ``$unset`` names each is true."""
    for operation in ANOTHER_WAY:
        if operation in update:
            raise BadEventError(reason(operation))
    operations = [operation for operation in UPDATES if operation in update]
    if len(operations) != 1:
        said = ", ".join(f"`{operation}`" for operation in operations or UPDATES)
        raise BadEventError(
            reason("which_update", said=said if operations else (f"none of {said}", f"aucun de {said}"))
        )
    [operation] = operations
    if operation == "$unset":
        names = update["$unset"]
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise BadEventError(reason("unset_names"))
        return "unset", dict.fromkeys(names, True)
    traits = an_object(update, operation)
    if operation == "$add" and not all(type(value) in (int, float) for value in traits.values()):
        raise BadEventError(reason("add_numbers"))
    return UPDATES[operation], traits


def who(properties: Object) -> tuple[str | None, str | None]:
    """User and device: ``$user_id`` and ``$device_id``, else what ``distinct_id`` says."""
    user_id, device = text(properties, "$user_id"), text(properties, "$device_id")
    distinct = text(properties, "distinct_id")
    if distinct and distinct.startswith(DEVICE):
        return user_id, device or distinct.removeprefix(DEVICE) or None
    if distinct and not user_id and distinct != device:
        return distinct, device
    return user_id, device


def two(properties: Object) -> tuple[str, str]:
    """The two that ``$merge`` says are one."""
    ids = properties.get("$distinct_ids")
    if not isinstance(ids, list) or len(ids) != 2:
        raise BadEventError(reason("two_ids"))
    named = {"$distinct_ids[0]": ids[0], "$distinct_ids[1]": ids[1]}
    return needed(named, "$distinct_ids[0]"), needed(named, "$distinct_ids[1]")


def library(properties: Object) -> Object:
    """The client, where the other protocols name it."""
    named = {"name": text(properties, "mp_lib"), "version": text(properties, "$lib_version")}
    given = {key: value for key, value in named.items() if value}
    return {"library": given} if given else {}


def answer(request: Request, outcome: Outcome) -> Answer:
    """200 with 1 or 0, an object if ``verbose`` is asked for, a pixel if ``img`` is.

    JSON to ``/import`` hears how many were taken, or 400. A page's client shows any other status on its console.
    """
    verdict = {"status": 0 if outcome.is_failure else 1, "error": outcome.first_reason or None}
    body = request.text
    if request.path == "/import" and (is_json(body) or _has_lines(request)):
        status = 400 if outcome.is_failure else 200
        told = {"code": status, "num_records_imported": outcome.n_accepted, "failed_records": outcome.refused}
        return json_answer(status, told | verdict)
    is_plain = is_json(body) or _has_lines(request)
    parameters = request.parameters if is_plain else request.parameters | form(body)
    if parameters.get("verbose") == "1":
        return json_answer(200, verdict)
    if parameters.get("img") == "1":
        return Answer(200, PIXEL, "image/gif")
    return Answer(200, b"0" if outcome.is_failure else b"1", "text/plain")
