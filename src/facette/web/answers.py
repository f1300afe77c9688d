"""What the live worker answers over HTTP, as JSON: who is where now, what was told, why; and its figures."""

from __future__ import annotations

import hmac
import json
import logging
import os
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from facette.definitions.project import Definitions
from facette.errors import FacetteError, NotFoundError, RunError
from facette.live.reading import NoStateError
from facette.live_queries import MOST, BusyError, Current
from facette.sources.environment import from_environment
from facette.web.metrics import metrics

log = logging.getLogger(__name__)
OPEN = ("/healthz",)
"""What is answered without a key."""


class AskedWronglyError(FacetteError):
    """A question that makes no sense."""


class Answers:
    """The questions, each a function of the request; they run in threads, and wait for nobody."""

    def __init__(self, current: Current) -> None:
        self.current = current

    def segments(self, request: Request) -> Response:
        _only(request)
        return _json(self.current.segments())

    def profile(self, request: Request) -> Response:
        asked = list(request.query_params.multi_items())
        if len(asked) != 1:
            kinds = ", ".join(item.name for item in self.current.definitions.project.identifiers)
            remedy = f"Give one of {kinds}: /v1/profiles?KIND=VALUE."
            raise AskedWronglyError("Profiles are looked up by one identifier.", remedy=remedy)
        return _json(self.current.with_identifier(*asked[0]))

    def segments_of(self, request: Request) -> Response:
        _only(request)
        return _json(self.current.segments_of(request.path_params["profile_id"]))

    def changes_of(self, request: Request) -> Response:
        return _json(self.current.changes(*_page(request), profile_id=request.path_params["profile_id"]))

    def explain(self, request: Request) -> Response:
        _only(request, "lang")
        profile_id, segment = request.path_params["profile_id"], request.path_params["segment"]
        return _json(self.current.explain(profile_id, segment, _language(request)))

    def members(self, request: Request) -> Response:
        return _json(self.current.members_of(request.path_params["segment"], *_page(request)))

    def changes_in(self, request: Request) -> Response:
        return _json(self.current.changes(*_page(request), asked=request.path_params["segment"]))

    def changes(self, request: Request) -> Response:
        return _json(self.current.changes(*_page(request)))

    def health(self, _: Request) -> Response:
        """Whether a worker is at work."""
        is_up = self.current.desk.stream is not None
        return _json({"status": "ok" if is_up else "starting"}, 200 if is_up else 503)

    def metrics(self, _: Request) -> Response:
        return Response(metrics(self.current), media_type=CONTENT_TYPE_LATEST)


class Guarded:
    """Lets those ask who have a key."""

    def __init__(self, app: ASGIApp, keys: tuple[str, ...]) -> None:
        self.app, self.keys = app, [key.encode() for key in keys]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in OPEN or self._may(Headers(scope=scope)):
            await self.app(scope, receive, send)
            return
        refused = _error(401, "A key is missing, or is not one of this project.", "Send `Authorization: Bearer KEY`.")
        refused.headers["WWW-Authenticate"] = "Bearer"
        await refused(scope, receive, send)

    def _may(self, headers: Headers) -> bool:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        matches = [hmac.compare_digest(given.strip().encode(), key) for key in self.keys]
        return scheme.lower() == "bearer" and any(matches)


def answers_app(current: Current, *, host: str, environment: Mapping[str, str] = os.environ) -> ASGIApp:
    """What a project's worker answers.

    host        : where it will listen
    environment : for ``${NAME}`` in keys

    RunError if others than this machine could ask without a key; SourceError if a variable is not set.
    """
    keys = keys_of(current.given, environment)
    if not keys and not _is_here(host):
        raise RunError(
            f"Whoever reaches {host} could ask who is in which segment.",
            remedy='Declare `answers: {keys: ["${FACETTE_KEY}"]}`, or listen at 127.0.0.1.',
        )
    answers = Answers(current)
    routes = [
        Route("/v1/segments", answers.segments),
        Route("/v1/segments/{segment}/profiles", answers.members),
        Route("/v1/segments/{segment}/changes", answers.changes_in),
        Route("/v1/profiles", answers.profile),
        Route("/v1/profiles/{profile_id:int}/segments", answers.segments_of),
        Route("/v1/profiles/{profile_id:int}/changes", answers.changes_of),
        Route("/v1/profiles/{profile_id:int}/segments/{segment}/explain", answers.explain),
        Route("/v1/changes", answers.changes),
        Route("/healthz", answers.health),
        Route("/metrics", answers.metrics),
    ]
    app = Starlette(routes=routes, exception_handlers=HANDLERS)
    return Guarded(app, keys) if keys else app


def keys_of(definitions: Definitions, environment: Mapping[str, str]) -> tuple[str, ...]:
    found = [
        from_environment(key, "A key for the answers", environment=environment)
        for key in definitions.project.answers.keys
    ]
    if not all(found):
        raise RunError("A key for the answers is empty.", remedy="Give the variable a value that nobody guesses.")
    return tuple(found)


# ── requests ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _only(request: Request, *known: str) -> None:
    """AskedWronglyError if something is asked that nobody listens to."""
    for name in request.query_params:
        if name not in known:
            remedy = f"It takes {', '.join(known)}." if known else "It takes none."
            raise AskedWronglyError(f"There is no parameter `{name}` here.", remedy=remedy)


def _page(request: Request) -> tuple[int, int]:
    """After what, and how many."""
    _only(request, "after", "limit")
    return _number(request, "after", 0, 0, 2**62), _number(request, "limit", 1_000, 1, MOST)


def _number(request: Request, name: str, otherwise: int, least: int, most: int) -> int:
    text = request.query_params.get(name, str(otherwise))
    if not text.isdecimal() or len(text) > 19 or not least <= int(text) <= most:
        raise AskedWronglyError(f"`{name}` cannot be “{text}”.", remedy=f"Give a whole number from {least} to {most}.")
    return int(text)


def _language(request: Request) -> str | None:
    """As asked by ``lang``, else of those that are spoken the one that the client likes best; None: the project's."""
    if asked := request.query_params.get("lang"):
        return asked
    liked: list[tuple[float, str]] = []
    for part in request.headers.get("accept-language", "").split(","):
        tag, _, quality = part.strip().partition(";q=")
        try:
            weight = float(quality) if quality else 1.0
        except ValueError:
            continue
        liked.append((-weight, tag.partition("-")[0].lower()))
    return next((tag for weight, tag in sorted(liked, key=lambda one: one[0]) if weight and tag in ("fr", "en")), None)


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


# ── answers ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _json(answer: Any, status: int = 200) -> Response:
    body = json.dumps(answer, ensure_ascii=False, default=_plain).encode()
    return Response(body, status, media_type="application/json", headers={"Cache-Control": "no-store"})


def _plain(value: Any) -> str:
    """Days and instants in ISO 8601."""
    return str(value.isoformat())


def _error(status: int, message: str, remedy: str = "") -> Response:
    return _json({"error": message, **({"remedy": remedy} if remedy else {})}, status)


def _failed(_: Request, error: Exception) -> Response:
    assert isinstance(error, FacetteError)
    match error:
        case BusyError() | NoStateError():
            status = 503
        case NotFoundError():
            status = 404
        case RunError():
            status = 503
            log.error("%s", error)
        case _:
            status = 400
    response = _error(status, error.message, error.remedy)
    if status == 503:
        response.headers["Retry-After"] = "5"
    return response


def _no_page(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    response = _error(error.status_code, "There is nothing here." if error.status_code == 404 else error.detail)
    response.headers.update(error.headers or {})
    return response


def _broken(_: Request, error: Exception) -> Response:
    return _error(500, f"Something went wrong that nobody thought of: {type(error).__name__}.")


HANDLERS: dict[Any, Any] = {FacetteError: _failed, HTTPException: _no_page, Exception: _broken}
