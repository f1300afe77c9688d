"""Applications on addresses of this machine: until somebody interrupts, or beside other work."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from facette.errors import RunError

LAST_ANSWERS = 10  # seconds that requests have which have begun


def serve(app: ASGIApp, *, host: str, port: int, on_ready: Callable[[str], None] = lambda _: None) -> None:
    """Serve until interrupted; requests that have begun are answered first.

    port     : 0 for any that is free
    on_ready : called with the address once it listens

    RunError if the address cannot be had.
    """
    with _listening(host, port) as listening:
        on_ready(_url(host, listening))
        _server(app).run([listening])


@contextmanager
def serving(app: ASGIApp, *, host: str, port: int) -> Iterator[str]:
    """Serve in a thread of its own until the end of the block; the address.

    RunError if the address cannot be had.
    """
    with _listening(host, port) as listening:
        server = _server(app)
        thread = threading.Thread(target=server.run, args=([listening],), name=f"server {host}:{port}", daemon=True)
        thread.start()
        try:
            yield _url(host, listening)
        finally:
            server.should_exit = True
            thread.join(LAST_ANSWERS + 1)


def address(text: str, option: str) -> tuple[str, int]:
    """``HOST:PORT`` as both; RunError if it is none."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise RunError(f"{option} {text} is no address.", remedy="Write it as 127.0.0.1:8101.")
    return host.strip("[]"), int(port)


def _server(app: ASGIApp) -> uvicorn.Server:
    config = uvicorn.Config(app, access_log=False, log_level="warning", timeout_graceful_shutdown=LAST_ANSWERS)
    return uvicorn.Server(config)


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as listening:
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((host, port))
            listening.listen(2048)
        except OSError as error:
            raise RunError(f"{host}:{port} cannot be had: {error.strerror}.", remedy="Choose another port.") from error
        yield listening


def _url(host: str, listening: socket.socket) -> str:
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{listening.getsockname()[1]}"
