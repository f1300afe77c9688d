"""As much of S3 as a broker needs that keeps its topics there: objects in memory, which outlive the broker."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

MODIFIED = "Sun, 22 Nov 2026 12:00:00 GMT"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    objects: dict[str, bytes]
    lock: Lock

    @property
    def key(self) -> str:
        """What comes after the bucket."""
        return unquote(urlsplit(self.path).path).lstrip("/").partition("/")[2]

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        with self.lock:
            before = self.objects.get(self.key)
            is_taken = self.headers.get("if-none-match") == "*" and before is not None
            wanted = self.headers.get("if-match")
            if is_taken or (wanted is not None and (before is None or wanted != _tag(before))):
                return self._answer(412)
            self.objects[self.key] = body
        self._answer(200, tag=_tag(body))

    def do_HEAD(self) -> None:
        self._get()

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query, keep_blank_values=True)
        self._list(query) if "list-type" in query else self._get()

    def do_DELETE(self) -> None:
        with self.lock:
            self.objects.pop(self.key, None)
        self._answer(204)

    def _get(self) -> None:
        body = self.objects.get(self.key)
        if body is None:
            return self._answer(404)
        if self.headers.get("if-none-match") == _tag(body):
            return self._answer(304, tag=_tag(body))
        wanted = self.headers.get("range")
        if wanted is None:
            return self._answer(200, body, tag=_tag(body))
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        part = body[int(first) : int(last) + 1] if last else body[int(first) :]
        span = f"bytes {first}-{int(first) + len(part) - 1}/{len(body)}"
        return self._answer(206, part, tag=_tag(body), span=span)

    def _list(self, query: dict[str, list[str]]) -> None:
        prefix, delimiter = query.get("prefix", [""])[0], query.get("delimiter", [""])[0]
        after = query.get("start-after", [""])[0]
        with self.lock:
            objects = dict(self.objects)
        found, folders = [], set()
        for key in sorted(key for key in objects if key.startswith(prefix) and key > after):
            rest, at, _ = key[len(prefix) :].partition(delimiter) if delimiter else ("", "", "")
            if at:
                folders.add(prefix + rest + delimiter)
                continue
            body = objects[key]
            found.append(
                f"<Contents><Key>{escape(key)}</Key><LastModified>2026-11-22T12:00:00.000Z</LastModified>"
                f"<ETag>{escape(_tag(body))}</ETag><Size>{len(body)}</Size></Contents>"
            )
        found += [f"<CommonPrefixes><Prefix>{escape(each)}</Prefix></CommonPrefixes>" for each in sorted(folders)]
        listed = f"<ListBucketResult><IsTruncated>false</IsTruncated>{''.join(found)}</ListBucketResult>"
        self._answer(200, listed.encode())

    def _answer(self, status: int, body: bytes = b"", *, tag: str = "", span: str = "") -> None:
        self.send_response(status)
        for name, value in {"ETag": tag, "Content-Range": span, "Last-Modified": MODIFIED if tag else ""}.items():
            if value:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD" and status != 304:
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def _tag(body: bytes) -> str:
    return f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'


@contextmanager
def objects() -> Iterator[str]:
    """The address of an empty store, until the end of the block."""
    handler = type("Handler", (_Handler,), {"objects": {}, "lock": Lock()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
