"""Matomo's tracking API: ``matomo.php`` (or ``piwik.php``), all data in the query string, in a form, or in bulk.

The write key is ``token_auth``, else ``idsite``. https://developer.matomo.org/api-reference/tracking-api
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import msgspec

from facette.sources.formats.fields import record, since_1970, text
from facette.sources.formats.reasons import found, reason
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
    parse,
)
from facette.sources.record import Kind, Record

PATHS = ("/matomo.php", "/piwik.php")
METHODS = ("GET", "POST")

PAGE = {
    **{"url": "url", "urlref": "referrer", "action_name": "title"},
    **{"_pks": "sku", "_pkn": "product", "_pkp": "price", "_pkc": "category", "pv_id": "page_view_id"},
}
EVENT = {"e_c": "category", "e_n": "name", "e_v": "value"}
SEARCH = {"search": "query", "search_cat": "category", "search_count": "results"}
CONTENT = {"c_n": "name", "c_p": "piece", "c_t": "target"}
ORDER = {
    **{"ec_id": "order_id", "revenue": "revenue", "ec_st": "subtotal", "ec_tx": "tax", "ec_sh": "shipping"},
    **{"ec_dt": "discount", "ec_items": "items"},
}
GOAL = {"idgoal": "goal_id", "revenue": "revenue"}
CONTEXT = {
    **{"ua": "userAgent", "lang": "locale", "res": "screen", "idsite": "site", "_rcn": "campaign", "_rck": "keyword"},
    **{"_idvc": "visits", "cip": "ip", "country": "country", "region": "region", "city": "city"},
}
NUMBERS = {"price", "value", "results", "revenue", "subtotal", "tax", "shipping", "discount"}
"""Properties that are numbers: in a query string everything is text."""

OWN = {
    *(
        "token_auth",
        "_id",
        "cid",
        "uid",
        "cdt",
        "cdo",
        "rec",
        "apiv",
        "rand",
        "r",
        "send_image",
        "new_visit",
        "queuedtracking",
    ),
    *(
        "h",
        "m",
        "s",
        "bots",
        "debug",
        "ping",
        "e_a",
        "c_i",
        "download",
        "link",
        "_refts",
        "_ref",
        "_idts",
        "_viewts",
        "_idn",
    ),
}
"""Parameters that are read otherwise, or that say nothing about the event."""

Parameters = dict[str, str]


def items(request: Request) -> list[Item]:
    """One item per request of the bulk, or one."""
    body = request.text
    if is_json(body):
        raws, token = bulk(parse(body))
    else:
        raws, token = [request.parameters | form(body)], None
    agent = request.headers.get("user-agent")

    def keys(raw: Any) -> tuple[str, ...]:
        try:
            given = read(raw)
        except BadEventError:
            return (token,) if token else ()
        return tuple(key for key in (given.get("token_auth"), token, given.get("idsite")) if key)

    def convert(raw: Any) -> Record:
        return to_record(read(raw), request.received_at, agent)

    return [item for item in each(raws, keys, convert) if not is_heartbeat(item.raw)]


def bulk(body: Any) -> tuple[list[Any], str | None]:
    """The requests of a bulk and the token beside them."""
    requests = body.get("requests") if isinstance(body, dict) else None
    if not isinstance(requests, list):
        raise BadRequestError(reason("no_requests"))
    token = body.get("token_auth")
    return requests, token if isinstance(token, str) else None


def read(raw: Any) -> Parameters:
    """The parameters of one request of a bulk: a query string, or an object."""
    if isinstance(raw, str):
        try:
            return form(raw.partition("?")[2] if "?" in raw else raw)
        except BadRequestError as error:
            raise BadEventError(error.reason) from None
    if isinstance(raw, dict):
        return {key: value if isinstance(value, str) else _written(value) for key, value in raw.items()}
    raise BadEventError(reason("no_request", found=found(raw)))


def _written(value: Any) -> str:
    """A value of an object as it would stand in a query string."""
    return "" if value is None else msgspec.json.encode(value).decode()


def is_heartbeat(raw: Any) -> bool:
    """A ping says that a page is still open, which is no event."""
    try:
        return read(raw).get("ping") == "1"
    except BadEventError:
        return False


def to_record(given: Parameters, received_at: datetime, agent: str | None) -> Record:
    """One request as a record; ``agent`` is that of the HTTP request, for those that do not say theirs."""
    kind, event, properties, used = what(given)
    rest = {name: value for name, value in given.items() if name not in used and name not in OWN and value}
    properties |= {name: rest.pop(name) for name in [*rest] if re.fullmatch(r"dimension\d+", name)}
    context: Object = {name: rest.pop(key) for key, name in CONTEXT.items() if key in rest}
    page = {name: rest.pop(key) for key, name in PAGE.items() if key in rest}
    if page:
        context["page"] = page
    if agent:
        context.setdefault("userAgent", agent)
    return record(
        kind,
        protocol="matomo",
        at=happened_at(given, received_at),
        received_at=received_at,
        event=event,
        user_id=text(given, "uid"),
        anonymous_id=text(given, "cid", "_id"),
        properties=properties,
        context=context | rest,
    )


def what(given: Parameters) -> tuple[Kind, str | None, Object, set[str]]:
    """Kind, event, properties, and the parameters that they come from."""
    for key, event in (("download", "download"), ("link", "outlink")):
        if given.get(key):
            return "track", event, {"url": given[key]}, {key}
    if given.get("e_c") or given.get("e_a"):
        return "track", given.get("e_a") or given["e_c"], taken(given, EVENT), {*EVENT}
    if given.get("c_n"):
        named = f"content_{given['c_i']}" if given.get("c_i") else "content_impression"
        return "track", named, taken(given, CONTENT), {*CONTENT}
    if given.get("search"):
        return "track", "site_search", taken(given, SEARCH), {*SEARCH}
    if given.get("idgoal") == "0":
        return "track", "order" if given.get("ec_id") else "cart_update", taken(given, ORDER), {*ORDER, "idgoal"}
    if given.get("idgoal"):
        return "track", "goal", taken(given, GOAL), {*GOAL}
    return "page", given.get("action_name") or None, taken(given, PAGE), {*PAGE}


def taken(given: Parameters, names: dict[str, str]) -> Object:
    """Some parameters under the names that properties have."""
    properties: Object = {}
    for key, name in names.items():
        if given.get(key):
            properties[name] = products(given[key]) if name == "items" else number(key, given[key], name)
    return properties


def number(key: str, written: str, name: str) -> str | float:
    """A number where the property is one; BadEventError if it is not written as one."""
    if name not in NUMBERS:
        return written
    try:
        value = float(written)
    except ValueError:
        raise BadEventError(reason("no_number", key=key, shown=written[:40])) from None
    if value - value != 0:
        raise BadEventError(reason("no_number", key=key, shown=written[:40]))
    return int(value) if value.is_integer() and re.fullmatch(r"-?\d{1,15}", written) else value


def products(written: str) -> list[Object]:
    """The items of a cart: ``[[sku, name, category, price, quantity], …]``; all but the first may be missing."""
    try:
        rows = parse(written)
    except BadRequestError:
        rows = None
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise BadEventError(reason("no_items"))
    names = ("sku", "name", "category", "price", "quantity")
    return [dict(zip(names, row, strict=False)) for row in rows]


def happened_at(given: Parameters, received_at: datetime) -> datetime:
    """``cdt``: seconds since 1970, or ``2026-11-22 08:00:00`` in UTC; ``cdo``: seconds before the receipt."""
    written = given.get("cdt", "").strip()
    if re.fullmatch(r"\d{1,16}(\.\d+)?", written):
        return since_1970(float(written), "cdt")
    if written:
        try:
            read_at = datetime.fromisoformat(written)
            return (read_at if read_at.tzinfo else read_at.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            example = "2026-11-22 08:00:00"
            raise BadEventError(reason("no_instant", key="cdt", shown=written[:40], example=example)) from None
    if given.get("cdo"):
        offset = abs(float(number("cdo", given["cdo"], "value")))
        return since_1970(received_at.timestamp() - offset, "cdo")
    return received_at


def answer(request: Request, outcome: Outcome) -> Answer:
    """A bulk is told how many were taken; a single request gets a pixel, or nothing if it asks for none."""
    if is_json(request.text):
        status = "error" if outcome.is_failure else "success"
        told = {"status": status, "tracked": outcome.n_accepted, "invalid": len(outcome.refused)}
        return json_answer(400 if outcome.is_failure else 200, told | {"refused": outcome.refused})
    if outcome.is_failure:
        return json_answer(400, {"status": "error", "message": outcome.first_reason})
    if (request.parameters | form(request.text)).get("send_image") == "0":
        return Answer(204)
    return Answer(200, PIXEL, "image/gif")
