"""The collector: what trackers send over HTTP goes to the logs of the sources that own the write keys.

An event is on disk before it is answered. A refused one is kept aside with its reason, and the good ones of its batch
are accepted. Nobody waits for another: requests that come while a batch is written share the next append.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import ceil
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send

from facette.definitions.model import LogKind, LogSource
from facette.definitions.project import Definitions
from facette.errors import LogError, LogFullError, RunError
from facette.sources.aside import Aside, RefusedEvent
from facette.sources.collecting import Committer
from facette.sources.environment import from_environment
from facette.sources.formats import FORMATS, Format
from facette.sources.formats.reasons import reason
from facette.sources.formats.request import (
    BODY_LIMIT,
    EVENT_LIMIT,
    RECORD_LIMIT,
    RECORDS_LIMIT,
    Answer,
    BadRequestError,
    Item,
    Outcome,
    Request,
    json_answer,
)
from facette.sources.log import open_log
from facette.sources.record import encode

log = logging.getLogger(__name__)
BODY_SECONDS = 30
"""A request whose body takes longer is answered 408."""

RETRY_SECONDS = 5
"""When to come again after 503."""

FAILURES = (LogFullError, LogError, OSError, sqlite3.Error)
"""What keeps an event from the disk: it is not accepted, and its client is told to come again."""

BY_PATH: dict[str, Format] = {path: one for one in FORMATS for path in one.PATHS}
Clock = Callable[[], datetime]


class Bucket:
    """What a write key may still send: ``rate`` events a second, and as many at once.

    A request is let through while the bucket is not empty, so that a batch larger than it passes too, and then waits
    for longer.
    """

    def __init__(self, rate: float, now: float) -> None:
        self.rate, self.left, self.at = rate, max(rate, 1.0), now

    def wait(self, now: float) -> float:
        """Seconds until the next request may come; 0 if it may now."""
        self.left = min(max(self.rate, 1.0), self.left + (now - self.at) * self.rate)
        self.at = now
        return 0.0 if self.left >= 1 else (1 - self.left) / self.rate

    def take(self, n: int) -> None:
        self.left -= n


@dataclass
class Door:
    """What a write key opens: the log of its source."""

    source: str
    committer: Committer
    bucket: Bucket | None


@dataclass
class Collector:
    """An ASGI application that answers every protocol's paths.

    doors   : write key → what it opens
    clock   : the instant of receipt
    trouble : why nothing could be written last; empty if it could
    """

    doors: Mapping[str, Door]
    clock: Clock = field(default=lambda: datetime.now(UTC))
    n_accepted: int = 0
    n_refused: int = 0
    trouble: str = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        http = HttpRequest(scope, receive)
        try:
            response = await self._respond(http)
        except ClientDisconnect:
            return
        await _cors(response, http)(scope, receive, send)

    async def _respond(self, http: HttpRequest) -> Response:
        if http.method == "OPTIONS":
            return Response(status_code=204)
        path = http.scope["path"].rstrip("/")
        spoken = BY_PATH.get(path)
        if spoken is None:
            return _failure(404, "not_found", reason("not_found", path=path or "/"))
        if http.method not in spoken.METHODS:
            failure = _failure(405, "method", reason("method", methods=", ".join(spoken.METHODS)))
            failure.headers["Allow"] = ", ".join((*spoken.METHODS, "OPTIONS"))
            return failure
        body: list[bytes] = []
        try:
            await self._read(http, body)
        except BadRequestError as error:
            return await self._unreadable(self._request(http, path, body), spoken, error)
        return await self._collect(self._request(http, path, body), spoken)

    def _request(self, http: HttpRequest, path: str, body: Sequence[bytes]) -> Request:
        query = http.scope["query_string"].decode("utf-8", "replace")
        return Request(http.method, path, query, http.headers, b"".join(body), self.clock())

    @staticmethod
    async def _read(http: HttpRequest, body: list[bytes]) -> None:
        """Read the body; BadRequestError if the request is too large or too slow."""
        size = len(http.scope["query_string"])
        try:
            async with asyncio.timeout(BODY_SECONDS):
                async for chunk in http.stream():
                    size += len(chunk)
                    if size > BODY_LIMIT:
                        raise BadRequestError(reason("large_request", most=BODY_LIMIT), 413)
                    body.append(chunk)
        except TimeoutError:
            raise BadRequestError(reason("slow_body", seconds=BODY_SECONDS), 408) from None

    async def _collect(self, request: Request, spoken: Format) -> Response:
        try:
            items = spoken.items(request)
        except BadRequestError as error:
            return await self._unreadable(request, spoken, error)
        doors = [next((self.doors[key] for key in item.keys if key in self.doors), None) for item in items]
        opened = {id(door): door for door in doors if door}
        if items and not opened:
            return _failure(401, "unknown_key", reason("unknown_key"))
        if wait := max((self._wait(door) for door in opened.values()), default=0):
            return _failure(429, "rate_limit", reason("rate_limit", seconds=_whole(wait)), retry=wait)
        try:
            work = _sorted(items, doors, request)
        except BadRequestError as error:
            return await self._unreadable(request, spoken, error)
        _take(doors, 1)
        try:
            await asyncio.gather(*(door.committer.add(records, refused) for door, records, refused in work.by_door()))
        except FAILURES as error:
            _take(doors, -1)
            return self._not_written(error)
        self.trouble = ""
        outcome = Outcome(tuple(work.reasons))
        self.n_accepted += outcome.n_accepted
        self.n_refused += len(items) - outcome.n_accepted
        return _response(spoken.answer(request, outcome))

    async def _unreadable(self, request: Request, spoken: Format, error: BadRequestError) -> Response:
        """Nothing of the request can be read: it is kept aside if a key outside the body says whose it is."""
        door = next((self.doors[key] for key in request.outer_keys if key in self.doors), None)
        if door is None:
            return _failure(error.status, "refused", error.reason)
        if wait := self._wait(door):
            return _failure(429, "rate_limit", reason("rate_limit", seconds=_whole(wait)), retry=wait)
        raw = request.body[:EVENT_LIMIT].decode("utf-8", "replace") or request.query[:EVENT_LIMIT]
        refused = RefusedEvent(door.source, _name(spoken), request.received_at.isoformat(), error.reason, raw)
        _take([door], 1)
        try:
            await door.committer.add([], [refused])
        except FAILURES as failure:
            return self._not_written(failure)
        self.n_refused += 1
        return _failure(error.status, "refused", error.reason)

    def _not_written(self, error: Exception) -> Response:
        """Told to who runs the collector too, once until something is written again."""
        if str(error) != self.trouble:
            self.trouble = str(error)
            log.error("Nothing is accepted: %s", error)
        code = "full" if isinstance(error, LogFullError) else "log"
        return _failure(503, code, reason(code, seconds=RETRY_SECONDS), retry=RETRY_SECONDS)

    @staticmethod
    def _wait(door: Door) -> float:
        return door.bucket.wait(time.monotonic()) if door.bucket else 0.0

    async def health(self, _: HttpRequest) -> Response:
        """Whether it runs, and how many events it accepted and refused since it started."""
        told = {"status": "ok", "accepted": self.n_accepted, "refused": self.n_refused}
        return _response(json_answer(200, told))

    async def settings(self, http: HttpRequest) -> Response:
        """What analytics.js asks before it sends: that events go to this collector and nowhere else."""
        if http.path_params["key"] not in self.doors:
            return _cors(_failure(404, "unknown_key", reason("unknown_key")), http)
        segment = {
            "apiKey": http.path_params["key"],
            "apiHost": f"{http.url.netloc}/v1",
            "protocol": http.url.scheme,
        }
        return _cors(_response(json_answer(200, {"integrations": {"Segment.io": segment}, "plan": {}})), http)


@dataclass
class _Work:
    """The events of one request: of each the reason if it is refused, and what goes where."""

    reasons: list[str | None] = field(default_factory=list)
    records: dict[int, list[bytes]] = field(default_factory=dict)
    refused: dict[int, list[RefusedEvent]] = field(default_factory=dict)
    doors: dict[int, Door] = field(default_factory=dict)

    def by_door(self) -> list[tuple[Door, list[bytes], list[RefusedEvent]]]:
        return [(door, self.records.get(i, []), self.refused.get(i, [])) for i, door in self.doors.items()]


def _sorted(items: Sequence[Item], doors: Sequence[Door | None], request: Request) -> _Work:
    """BadRequestError (413) if the records are larger than ``RECORDS_LIMIT`` together."""
    work, size = _Work(), 0
    for item, door in zip(items, doors, strict=True):
        if door is None:
            work.reasons.append(reason("unknown_key"))
            continue
        work.doors[id(door)] = door
        why, line = _line(item, door.source)
        work.reasons.append(why)
        if line is not None:
            work.records.setdefault(id(door), []).append(line)
            size += len(line)
            if size > RECORDS_LIMIT:
                raise BadRequestError(reason("large_records", most=RECORDS_LIMIT), 413)
        else:
            protocol = _name(BY_PATH[request.path])
            raw = _json(item.raw)[:EVENT_LIMIT].decode("utf-8", "replace")
            told = RefusedEvent(door.source, protocol, request.received_at.isoformat(), why or "", raw)
            work.refused.setdefault(id(door), []).append(told)
    return work


def _line(item: Item, source: str) -> tuple[str | None, bytes | None]:
    """Why an event is refused, or its line in the log."""
    if item.record is None:
        return item.reason, None
    try:
        line = encode(msgspec.structs.replace(item.record, source=source))
    except ValueError:
        return reason("unwritable"), None
    if len(line) > EVENT_LIMIT and len(_json(item.raw)) > EVENT_LIMIT:
        return reason("large_event", most=EVENT_LIMIT), None
    if len(line) > RECORD_LIMIT:
        return reason("large_record", most=RECORD_LIMIT), None
    return None, line


def _take(doors: Sequence[Door | None], n: int) -> None:
    """``n`` from the bucket of each."""
    for door in doors:
        if door and door.bucket:
            door.bucket.take(n)


def _json(raw: Any) -> bytes:
    try:
        return msgspec.json.encode(raw)
    except (ValueError, RecursionError):
        return repr(raw).encode("utf-8", "backslashreplace")


def _name(spoken: Format) -> str:
    return str(getattr(spoken, "__name__", "")).rpartition(".")[2]


# ── answers ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _response(answer: Answer) -> Response:
    return Response(answer.body, answer.status, media_type=answer.media_type if answer.body else None)


def _failure(status: int, code: str, message: str, *, retry: float | None = None) -> Response:
    """An error for every protocol: ``code`` and ``message`` are Segment's, ``status`` and ``error`` Mixpanel's."""
    told = {"success": False, "code": code, "message": message, "status": 0, "error": message}
    response = _response(json_answer(status, told))
    if retry is not None:
        response.headers["Retry-After"] = str(_whole(retry))
    if status == 401:
        response.headers["WWW-Authenticate"] = "WriteKey"  # for `Basic` a browser would ask the visitors of a page
    return response


def _whole(seconds: float) -> int:
    """Seconds to wait, rounded up."""
    return max(1, ceil(seconds))


def _cors(response: Response, http: HttpRequest) -> Response:
    """Any page may send and read the answer: write keys, and no cookies, say whose the events are."""
    origin = http.headers.get("origin")
    if origin is None:
        return response
    response.headers["Access-Control-Allow-Origin"] = origin
    response.headers["Access-Control-Allow-Credentials"] = "true"  # sendBeacon always sends with credentials
    response.headers["Access-Control-Expose-Headers"] = "Retry-After"
    response.headers["Vary"] = "Origin"
    if http.method == "OPTIONS":
        response.headers["Access-Control-Allow-Methods"] = "GET, POST, OPTIONS"
        response.headers["Access-Control-Allow-Headers"] = http.headers.get("access-control-request-headers", "*")
        response.headers["Access-Control-Max-Age"] = "86400"
    return response


# ── the application ─────────────────────────────────────────────────────────────────────────────────────────────────


def collect_app(
    definitions: Definitions,
    *,
    clock: Clock | None = None,
    is_grouped: bool = True,
    environment: Mapping[str, str] = os.environ,
) -> Starlette:
    """The collector of a project: every source of kind ``log`` with its write keys.

    clock       : the instant of receipt; the machine's unless given
    is_grouped  : whether requests share appends
    environment : for ``${NAME}`` in write keys

    RunError if there is no key, or if two sources have one in common; SourceError if a variable is not set; LogError
    if a log cannot be opened.
    """
    committers: list[tuple[LogKind, Committer]] = []
    doors: dict[str, Door] = {}
    for source in definitions.project.sources:
        if not isinstance(source, LogSource) or not source.write_keys:
            continue
        committer = next((one for kind, one in committers if kind == source.log), None)
        if committer is None:
            committer = _committer(source.log, definitions, is_grouped=is_grouped)
            committers.append((source.log, committer))
        for written in source.write_keys:
            key = from_environment(written, f"A write key of source {source.name}", environment=environment)
            if key in doors:
                raise RunError(
                    f"Sources {doors[key].source} and {source.name} share a write key.", remedy="Give each its own."
                )
            bucket = Bucket(source.rate_limit, time.monotonic()) if source.rate_limit else None
            doors[key] = Door(source.name, committer, bucket)
    if not doors:
        remedy = "Give a source `kind: log` and `write_keys: [...]`."
        raise RunError("No source of the project has write keys: nothing can be collected.", remedy=remedy)
    collector = Collector(doors, clock) if clock else Collector(doors)

    opened = [committer for _, committer in committers]
    for committer in opened:
        committer.open()

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        for committer in opened:
            await committer.close()

    routes = [
        Route("/healthz", collector.health),
        Route("/v1/projects/{key}/settings", collector.settings),
        Mount("/", app=collector),
    ]
    return Starlette(routes=routes, lifespan=lifespan)


def _committer(kind: LogKind, definitions: Definitions, *, is_grouped: bool) -> Committer:
    folder = definitions.folder
    return Committer(lambda: open_log(kind, folder), lambda: Aside(folder), is_grouped=is_grouped)
