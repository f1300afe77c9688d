"""An address to which changes are posted as JSON, some at a time, signed with a secret that both sides know."""

from __future__ import annotations

import hmac
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx

from facette.definitions import model
from facette.errors import SinkError, SinkRefusedError
from facette.live.changes import Numbered
from facette.live.sinks.sink import Telling, named
from facette.sources.environment import from_environment

PATIENCE = 15.0  # seconds for an answer
AGAIN = (408, 425, 429)
"""Answers that mean: not now. So do all from 500 on."""

SIGNATURE = "X-Facette-Signature"
"""``sha256=`` and the HMAC-SHA256 of the body, in hexadecimal."""


class Webhook(Telling):
    """Posts to one address through a client that is handed in; the next portion when the last one has been taken."""

    def __init__(self, definition: model.WebhookSink, http: httpx.Client) -> None:
        self.name, self.portion, self.http = named(definition), definition.most, http
        self.url = from_environment(definition.url, f"Sink {definition.name}", in_url=True)
        self._secret = from_environment(definition.secret, f"Sink {definition.name}").encode()

    def send(self, changes: Sequence[Numbered]) -> None:
        told = [{"seq": seq, **change.as_dict()} for seq, change in changes]
        body = json.dumps({"changes": told}, ensure_ascii=False).encode()
        headers = {"Content-Type": "application/json", SIGNATURE: f"sha256={signature(self._secret, body)}"}
        try:
            response = self.http.post(self.url, content=body, headers=headers)
        except httpx.InvalidURL as error:
            raise self._refused(f"{error}") from error
        except httpx.HTTPError as error:
            raise self._failed(f"{error or type(error).__name__}") from error
        if response.is_success:
            return
        answer = f"it answered {response.status_code} {response.reason_phrase}"
        if response.status_code in AGAIN or response.status_code >= 500:
            raise self._failed(answer, _seconds(response.headers.get("Retry-After", "")))
        raise self._refused(answer)

    def close(self) -> None:
        self.http.close()

    def _failed(self, why: str, retry_after: float = 0.0) -> SinkError:
        remedy = "Nothing need be done if it comes back; else check the sink's `url`."
        return SinkError(f"Sink {self.name} does not take changes: {why}.", remedy=remedy, retry_after=retry_after)

    def _refused(self, why: str) -> SinkRefusedError:
        remedy = "Correct the sink's `url` or `secret`, or what listens there, and start the worker again."
        return SinkRefusedError(f"Sink {self.name} refuses changes: {why}.", remedy=remedy)


def signature(secret: bytes, body: bytes) -> str:
    """HMAC-SHA256 (RFC 2104) of a body, in hexadecimal."""
    return hmac.new(secret, body, "sha256").hexdigest()


def open_webhook(definition: model.WebhookSink, project: str, folder: Path) -> Webhook:
    return Webhook(definition, httpx.Client(timeout=PATIENCE))


def _seconds(written: str) -> float:
    """What ``Retry-After`` asks for: seconds, or an instant; 0 if it says nothing that can be read."""
    if written.isdecimal():
        return float(written)
    try:
        at = parsedate_to_datetime(written)
    except ValueError:
        return 0.0
    return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
