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

from facette.definitions.base import Language
from facette.definitions.error_texts import said, spoken
from facette.definitions.project import Definitions
from facette.errors import FacetteError, NotFoundError, RunError
from facette.live.reading import NoStateError
from facette.live_queries import MOST, BusyError, Current
from facette.segments.sentences import LANGUAGES
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
            raise said(AskedWronglyError, "one_identifier", kinds=kinds)
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

    def __init__(self, app: Starlette, keys: tuple[str, ...]) -> None:
        self.app, self.keys = app, [key.encode() for key in keys]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in OPEN or self._may(Headers(scope=scope)):
            await self.app(scope, receive, send)
            return
        scope["app"] = self.app
        refused = _error(Request(scope), 401, "no_key")
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
    app.state.current = current
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
            key = "no_parameter" if known else "no_parameters"
            raise said(AskedWronglyError, key, name=name, known=", ".join(known))


def _page(request: Request) -> tuple[int, int]:
    """After what, and how many."""
    _only(request, "after", "limit")
    return _number(request, "after", 0, 0, 2**62), _number(request, "limit", 1_000, 1, MOST)


def _number(request: Request, name: str, otherwise: int, least: int, most: int) -> int:
    text = request.query_params.get(name, str(otherwise))
    if not text.isdecimal() or len(text) > 19 or not least <= int(text) <= most:
        raise said(AskedWronglyError, "no_number", name=name, text=text, least=least, most=most)
    return int(text)


def _language(request: Request) -> str | None:
    """As asked by ``lang``, else of those that are spoken the one that the client likes best; None: the project's."""
    return request.query_params.get("lang") or _liked(request)


def _liked(request: Request) -> Language | None:
    """Of the languages that are spoken the one that the client likes best."""
    liked: list[tuple[float, str]] = []
    for part in request.headers.get("accept-language", "").split(","):
        tag, _, quality = part.strip().partition(";q=")
        try:
            weight = float(quality) if quality else 1.0
        except ValueError:
            continue
        liked.append((-weight, tag.partition("-")[0].lower()))
    wanted = [tag for weight, tag in sorted(liked, key=lambda one: one[0]) if weight]
    return next((each for tag in wanted for each in LANGUAGES if tag == each), None)


def _language_of_errors(request: Request) -> Language:
    """As :func:`_language` has it; what nobody speaks counts as not asked."""
    asked = request.query_params.get("lang")
    project: Language = request.app.state.current.definitions.project.language
    return next((each for each in LANGUAGES if each == asked), None) or _liked(request) or project


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


def _error(request: Request, status: int, key: str, /, **values: object) -> Response:
    return _told(request, status, said(AskedWronglyError, key, **values))


def _told(request: Request, status: int, error: FacetteError) -> Response:
    """What is wrong and what to do, in the language of whoever asks."""
    language = _language_of_errors(request)
    message, remedy = spoken(error, language)
    response = _json({"error": message, **({"remedy": remedy} if remedy else {})}, status)
    response.headers.update({"Content-Language": language, "Vary": "Accept-Language"})
    return response


def _failed(request: Request, error: Exception) -> Response:
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
    response = _told(request, status, error)
    if status == 503:
        response.headers["Retry-After"] = "5"
    return response


def _no_page(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    key = "no_method" if error.status_code == 405 else "nothing_here"
    response = _error(request, error.status_code, key, method=request.method)
    response.headers.update(error.headers or {})
    return response


def _broken(request: Request, error: Exception) -> Response:
    return _error(request, 500, "unthought_of", name=type(error).__name__)


HANDLERS: dict[Any, Any] = {FacetteError: _failed, HTTPException: _no_page, Exception: _broken}
