"""What every protocol reads: a request, its body inflated and parsed within bounds, and what came of its events."""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from facette.sources.formats.reasons import reason
from facette.sources.record import Record

EVENT_LIMIT = 32 << 10
"""Bytes of one event, as compact JSON in UTF-8."""

BODY_LIMIT = 500 << 10
"""Bytes of one request's query and body, before inflating and after."""

RECORD_LIMIT = 4 * EVENT_LIMIT
"""Bytes of one record, which also has what a batch says once for all its events."""

RECORDS_LIMIT = 8 * BODY_LIMIT
"""Bytes of the records of one request: what a batch says once must not fill the disk when it is said of each event."""

KEYS_LIMIT = 1000
"""Keys in a form or a query string."""

OUTER_KEYS = ("api_secret", "token_auth", "idsite", "api_key")
"""Parameters of query strings that are write keys."""

PIXEL = bytes.fromhex("47494638396101000100800000000000ffffff21f90401000000002c000000000100010000020144003b")
"""A transparent GIF of one pixel."""

Object = dict[str, Any]


class BadRequestError(ValueError):
    """Nothing of a request can be read; ``status`` is that of the HTTP answer."""

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.reason, self.status = reason, status


class BadEventError(ValueError):
    """One event cannot be accepted; the message says why and what would be accepted."""


@dataclass(frozen=True)
class Request:
    """An HTTP request.

    path, query : as sent, the query without ``?``
    headers     : names in lower case
    body        : as sent, perhaps gzip or deflate
    received_at : when it was received, aware
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    received_at: datetime

    @cached_property
    def parameters(self) -> dict[str, str]:
        """Of the query string; of several with one name the last."""
        return form(self.query)

    @cached_property
    def text(self) -> str:
        """The body, inflated, as UTF-8 text."""
        try:
            return inflate(self.body).decode("utf-8-sig").strip()
        except UnicodeDecodeError as error:
            raise BadRequestError(reason("not_utf8", place=error.start)) from None

    @cached_property
    def user(self) -> str | None:
        """The user name of Basic authentication; the password is not looked at."""
        scheme, _, coded = self.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            return base64.b64decode(coded.strip(), validate=True).decode().partition(":")[0] or None
        except ValueError:
            return None

    @cached_property
    def outer_keys(self) -> tuple[str, ...]:
        """Write keys that are given outside the body."""
        try:
            named = [self.parameters.get(name) for name in OUTER_KEYS]
        except BadRequestError:
            named = []
        return tuple(key for key in (self.user, *named) if key)


@dataclass(frozen=True)
class Item:
    """One event of a request.

    keys   : write keys that it gives, the first known one counts
    raw    : as sent
    record : what goes to the log, its ``source`` still empty; None if it is refused
    reason : why it is refused
    """

    keys: tuple[str, ...]
    raw: Any
    record: Record | None = None
    reason: str = ""


@dataclass(frozen=True)
class Answer:
    """An HTTP answer."""

    status: int
    body: bytes = b""
    media_type: str = "application/json"


@dataclass(frozen=True)
class Outcome:
    """What became of a request that was read: of each event in order, None if it was accepted, else the reason."""

    reasons: tuple[str | None, ...]

    @property
    def n_accepted(self) -> int:
        return sum(each is None for each in self.reasons)

    @property
    def refused(self) -> list[Object]:
        """``index`` and ``reason`` of each refused event."""
        return [{"index": i, "reason": why} for i, why in enumerate(self.reasons) if why is not None]

    @property
    def is_failure(self) -> bool:
        """Something was refused and nothing accepted."""
        return bool(self.reasons) and not self.n_accepted

    @property
    def first_reason(self) -> str:
        return next((each for each in self.reasons if each is not None), "")


def each(raws: Iterable[Any], keys: Callable[[Any], tuple[str, ...]], convert: Callable[[Any], Record]) -> list[Item]:
    """One item per event; those that ``convert`` refuses with BadEventError carry the reason."""
    items = []
    for raw in raws:
        try:
            items.append(Item(keys(raw), raw, convert(raw)))
        except BadEventError as error:
            items.append(Item(keys(raw), raw, reason=str(error)))
    return items


def json_answer(status: int, content: Any) -> Answer:
    return Answer(status, json.dumps(content, separators=(",", ":")).encode())


# ── bodies ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def inflate(body: bytes) -> bytes:
    """A body as it was before gzip or deflate, whatever the headers say of it.

    BadRequestError (413) as soon as more than ``BODY_LIMIT`` bytes come out.
    """
    while body[:2] == b"\x1f\x8b" or (body[:1] == b"\x78" and body[1:2] in (b"\x01", b"\x5e", b"\x9c", b"\xda")):
        body = _inflated(body)
    if len(body) > BODY_LIMIT:
        raise BadRequestError(reason("large_body", most=BODY_LIMIT), 413)
    return body


def _inflated(body: bytes) -> bytes:
    """One layer: a gzip file may consist of several members."""
    whole = b""
    while body:
        stream = zlib.decompressobj(wbits=47)  # gzip or zlib, whichever the first bytes say
        try:
            whole += stream.decompress(body, BODY_LIMIT + 1 - len(whole))
        except zlib.error:
            raise BadRequestError(reason("damaged")) from None
        if len(whole) > BODY_LIMIT:
            raise BadRequestError(reason("inflates", most=BODY_LIMIT), 413)
        if not stream.eof:
            raise BadRequestError(reason("too_short"))
        body = stream.unused_data
    return whole


def parse(text: str) -> Any:
    """The value of a JSON text.

    What some clients write although JSON does not have it is repaired as browsers do: half of a surrogate pair becomes
    U+FFFD, and NaN, Infinity and numbers too large for a double become null. BadRequestError for anything else.
    """
    try:
        return msgspec.json.decode(text)
    except (ValueError, RecursionError):
        pass
    try:
        return json.loads(ESCAPE.sub(_repaired, text), parse_constant=lambda _: None, parse_float=_finite)
    except RecursionError:
        raise BadRequestError(reason("too_deep")) from None
    except json.JSONDecodeError as error:
        line, column = error.lineno, error.colno
        place = (f" (line {line}, column {column})", f" (ligne {line}, colonne {column})")
        raise BadRequestError(reason("not_json", place=place)) from None
    except ValueError:  # a number of thousands of digits
        raise BadRequestError(reason("not_json", place="")) from None


ESCAPE = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[dD][89a-fA-F][0-9a-fA-F]{2}|\\.")
"""A surrogate pair, half of one, or any other escape."""


def _repaired(escape: re.Match[str]) -> str:
    found = escape[0]
    return r"\ufffd" if len(found) == 6 else found


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def form(text: str) -> dict[str, str]:
    """A query string or form; of several values of one name the last."""
    try:
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=KEYS_LIMIT, errors="strict"))
    except UnicodeDecodeError:
        raise BadRequestError(reason("form_not_utf8")) from None
    except ValueError:
        raise BadRequestError(reason("form_fields", most=KEYS_LIMIT)) from None


def is_json(text: str) -> bool:
    return text[:1] in ("{", "[")


def json_or_base64(text: str) -> Any:
    """JSON, or JSON in base64 of either alphabet with or without padding."""
    if is_json(text):
        return parse(text)
    coded = text.strip().replace(" ", "+").replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return parse(base64.b64decode(coded + "=" * (-len(coded) % 4), validate=True).decode())
    except BadRequestError:
        raise
    except (binascii.Error, ValueError):
        raise BadRequestError(reason("no_data")) from None
