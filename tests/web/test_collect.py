"""The collector: who may send, how much, what is refused and where it is seen, and that what it took is on disk."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import socket
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facette.definitions.project import load
from facette.errors import FacetteError, LogError, LogFullError
from facette.sources import aside, collecting
from facette.sources.aside import Aside, RefusedEvent, refused_of
from facette.sources.collecting import Committer
from facette.sources.formats.reasons import reason
from facette.sources.formats.request import BODY_LIMIT, EVENT_LIMIT, RECORD_LIMIT
from facette.sources.record import decode
from facette.web.collect import Bucket, collect_app
from facette.web.serving import serve
from tests.sources.test_formats import BODIES, PATHS
from tests.web.collectors import KEY, OTHER, PROJECT, SLOW, Collector, in_log, project
from tests.web.collectors import collecting as a_collector

ORDER = {"userId": "ann", "event": "Order", "type": "track"}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """One for the tests that only look at answers."""
    with a_collector(tmp_path_factory.mktemp("shared") / "shop") as running:
        yield running


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    with a_collector(tmp_path / "shop") as running:
        yield running


# ── who may send ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("path", "options"),
    [
        ("/v1/track", {"json": ORDER}),
        ("/v1/track", {"json": ORDER | {"writeKey": "nobody's"}}),
        ("/v1/track", {"json": ORDER, "auth": ("nobody's", "")}),
        ("/v1/track", {"json": ORDER, "headers": {"authorization": "Basic !"}}),
        ("/track", {"json": {"event": "e", "properties": {"token": "x", "distinct_id": "a"}}}),
        ("/matomo.php", {"params": {"idsite": 1, "_id": "a"}}),
        ("/mp/collect", {"params": {"api_secret": "x"}, "json": {"client_id": "c", "events": [{"name": "e"}]}}),
    ],
)
def test_an_unknown_key(shared: Collector, path: str, options: dict[str, Any]) -> None:
    answer = shared.post(path, **options)
    assert (answer.status_code, answer.json()["code"]) == (401, "unknown_key")
    assert not answer.headers["www-authenticate"].startswith("Basic")  # nor does a page's visitor get a dialog


def test_events_of_several_keys_go_to_their_sources(collector: Collector) -> None:
    batch = {"requests": [f"?idsite={key}&_id=a&url=u" for key in (KEY, OTHER, "x")]}
    answer = collector.post("/matomo.php", json=batch).json()
    assert (answer["tracked"], answer["refused"]) == (2, [{"index": 2, "reason": reason("unknown_key")}])
    assert [record["source"] for record in collector.records()] == ["web", "app"]


def test_other_paths_and_methods(shared: Collector) -> None:
    assert shared.post("/v2/track", json=ORDER).status_code == 404
    answer = shared.get("/v1/track")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST, OPTIONS")
    assert shared.http.head("/matomo.php").status_code == 405


# ── what is refused ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_good_ones_of_a_batch_are_taken_and_the_bad_ones_are_seen(collector: Collector) -> None:
    batch = {"batch": [ORDER, {"type": "track", "userId": "bob"}, ORDER | {"userId": "eve"}]}
    answer = collector.post("/v1/batch", json=batch, auth=(KEY, ""))
    why = reason("missing", key="event")
    assert (answer.status_code, answer.json()) == (200, {"success": True, "refused": [{"index": 1, "reason": why}]})
    assert [record["user_id"] for record in collector.records()] == ["ann", "eve"]
    [seen] = collector.refused()
    assert (seen.source, seen.protocol, seen.reason) == ("web", "segment", why)
    assert json.loads(seen.raw) == {"type": "track", "userId": "bob"}
    assert facette("refused", "--project", collector.folder, "--json")["counts"][0]["n"] == 1
    assert "`event` is missing: give a text / `event` manque : donnez un texte" in str(
        facette("refused", "--project", collector.folder)
    )
    assert facette("refused", "--project", collector.folder, "--source", "app", "--json") == {"counts": [], "last": []}
    health = collector.get("/healthz").json()
    assert health == {"status": "ok", "accepted": 2, "refused": 1}


def facette(*words: object) -> Any:
    """What a command prints: an object if it is JSON."""
    code = "from facette.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code, *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) if "--json" in words else done.stdout


def test_mixpanel_hears_of_a_refusal_what_it_hears_from_mixpanel(shared: Collector) -> None:
    update = {"$token": KEY, "$distinct_id": "ann", "$append": {"n": 1}}
    answer = shared.post("/engage", json=[update])
    assert (answer.status_code, answer.text) == (200, "0")
    event = json.dumps({"event": "opened", "properties": {"token": KEY, "distinct_id": "ann"}})
    pixel = shared.get("/track", params={"data": event, "img": 1})  # in a mail
    assert (pixel.status_code, pixel.headers["content-type"], pixel.content[:3]) == (200, "image/gif", b"GIF")
    verbose = shared.post("/engage", json=[update], params={"verbose": 1}).json()
    assert (verbose["status"], "`$append`" in verbose["error"]) == (0, True)
    imported = shared.post("/import", json=[{"event": "", "properties": {"token": KEY}}])
    assert (imported.status_code, imported.json()["num_records_imported"]) == (400, 0)


def test_an_unreadable_body_is_kept_aside_where_its_key_is_known(collector: Collector) -> None:
    assert collector.post("/v1/batch", content=b'{"batch": [', auth=(KEY, "")).status_code == 400
    assert collector.post("/v1/batch", content=b'{"batch": [').status_code == 400
    [seen] = collector.refused()
    assert (seen.raw, "not JSON (line 1, column 12)" in seen.reason) == ('{"batch": [', True)
    huge = b"[" * (BODY_LIMIT + 1)
    assert collector.post("/v1/batch", content=huge, auth=(KEY, "")).status_code == 413
    assert collector.post("/v1/batch", content=huge).status_code == 413
    [seen, _] = collector.refused()
    assert (seen.raw[:2], "larger than" in seen.reason) == ("[[", True)
    assert collector.get("/healthz").json()["refused"] == 2


def test_of_refused_events_the_last_are_kept_and_all_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aside, "KEPT", 3)
    store = Aside(tmp_path)
    for i in range(5):
        store.add([RefusedEvent("web", "segment", f"2026-11-2{i}T00:00:00Z", str(i), "{}")] * 2)
        store.add([RefusedEvent("app", "segment", "2026-11-22T00:00:00Z", "other", "{}")])
    store.close()
    counts, last = refused_of(tmp_path, "web")
    assert [event.reason for event in last] == ["4", "4", "3"]
    assert [(count.day, count.n) for count in counts] == [(f"2026-11-2{i}", 2) for i in range(5)]
    assert len(refused_of(tmp_path)[1]) == 6


# ── how much ────────────────────────────────────────────────────────────────────────────────────────────────────────


def sized(size: int) -> dict[str, Any]:
    """An event of so many bytes of compact JSON."""
    event = ORDER | {"properties": {"text": ""}}
    empty = len(json.dumps(event, separators=(",", ":")))
    return ORDER | {"properties": {"text": "x" * (size - empty)}}


def test_the_largest_event(collector: Collector) -> None:
    taken = collector.post("/v1/track", json=sized(EVENT_LIMIT), auth=(KEY, ""))
    assert taken.status_code == 200
    answer = collector.post("/v1/batch", json={"batch": [sized(EVENT_LIMIT + 1), ORDER]}, auth=(KEY, "")).json()
    assert answer["refused"] == [{"index": 0, "reason": reason("large_event", most=EVENT_LIMIT)}]
    assert len(collector.records()) == 2
    assert len(collector.refused()[0].raw) == EVENT_LIMIT


def test_the_largest_body(shared: Collector) -> None:
    event = sized(30_000)
    batch = json.dumps({"batch": [event] * 16}).encode()
    assert shared.post("/v1/batch", content=batch, auth=(KEY, "")).status_code == 200
    fits = batch + b" " * (BODY_LIMIT - len(batch))
    assert shared.post("/v1/batch", content=fits, auth=(KEY, "")).status_code == 200
    for body in (fits + b" ", gzip.compress(fits + b" "), zlib.compress(b"0" * (100 << 20), 9)[:BODY_LIMIT]):
        assert shared.post("/v1/batch", content=body, auth=(KEY, "")).status_code == 413

    def pieces() -> Iterator[bytes]:
        yield from (b"x" * 65536 for _ in range(100))

    assert shared.post("/v1/batch", content=pieces(), auth=(KEY, "")).status_code == 413
    nearly = json.dumps({"batch": [event] * 15}).encode()
    for padding, status in ((10_000, 200), (64_000, 413)):
        answer = shared.post("/v1/batch", content=nearly, params={"x": "y" * padding}, auth=(KEY, ""))
        assert answer.status_code == status
    assert (
        shared.post(
            "/matomo.php", params={"idsite": KEY, "x": "y" * 30_000, "_id": "a", "url": "u" * 2_000}
        ).status_code
        == 200
    )


def test_what_a_batch_says_once_is_bounded(collector: Collector) -> None:
    """It is in the record of every event: 500 kB must not become hundreds of megabytes in the log."""
    for size, answer in ((1_000, 200), (20_000, 413), (200_000, 400)):
        batch = {"batch": [ORDER] * 1_000, "context": {"text": "x" * size}}
        assert collector.post("/v1/batch", json=batch, auth=(KEY, "")).status_code == answer
    assert {record["context"]["text"] for record in collector.records()} == {"x" * 1_000}
    assert {event.reason.partition(" bytes")[0] for event in collector.refused()} == {f"larger than {RECORD_LIMIT}"}
    body = {"client_id": "c", "events": [{"name": "e"}] * 1_000, "junk": "x" * 20_000}
    assert collector.post("/mp/collect", json=body, params={"api_secret": KEY}).status_code == 413


def test_a_bomb_takes_no_memory(shared: Collector) -> None:
    bomb = gzip.compress(b"0" * (400 << 20), 9)
    before = memory(shared.process.pid)
    for _ in range(5):
        assert shared.post("/v1/batch", content=bomb, headers={"content-type": "text/plain"}).status_code == 413
    assert memory(shared.process.pid) - before < 30 << 20


def memory(pid: int) -> int:
    """Bytes that a process has had at most."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) << 10


def test_a_rate_limit(collector: Collector) -> None:
    """Ten events a second, and ten at once; a batch that is larger passes and then waits for longer."""
    answers = [collector.post("/v1/track", json=ORDER, auth=(SLOW, "")) for _ in range(30)]
    taken = [answer for answer in answers if answer.status_code == 200]
    assert 10 <= len(taken) < 30
    late = next(answer for answer in answers if answer.status_code != 200)
    assert (late.status_code, late.headers["retry-after"], late.json()["code"]) == (429, "1", "rate_limit")
    assert len(collector.records()) == len(taken)
    assert collector.post("/v1/track", json=ORDER, auth=(KEY, "")).status_code == 200


def test_a_bucket_fills_with_time() -> None:
    bucket = Bucket(2.0, now=100.0)
    bucket.take(2)
    assert bucket.wait(100.0) == 0.5
    assert bucket.wait(100.5) == 0
    bucket.take(11)
    assert bucket.wait(101.5) == pytest.approx(4.5)
    assert bucket.wait(10_000.0) == 0
    assert bucket.left == 2.0
    rare = Bucket(0.1, now=0.0)
    assert rare.wait(0.0) == 0
    rare.take(1)
    assert rare.wait(0.0) == pytest.approx(10)


def test_a_full_log(tmp_path: Path) -> None:
    """Nothing is taken while too many wait to be read, and the client is told to come again."""
    text = PROJECT.replace("    kind: log\n", "    kind: log\n    log: {kind: embedded, most_waiting: 5}\n", 1)
    with a_collector(tmp_path / "shop", text) as full:
        batch = {"batch": [ORDER] * 4}
        assert full.post("/v1/batch", json=batch, auth=(KEY, "")).status_code == 200
        answer = full.post("/v1/batch", json=batch, auth=(KEY, ""))
        assert (answer.status_code, answer.headers["retry-after"], answer.json()["code"]) == (503, "5", "full")
        full.post("/v1/batch", json=batch, auth=(KEY, ""))
        assert len(full.records()) == 4
        assert full.stderr().count("Nothing is accepted: ") == full.stderr().count("→") == 1


# ── pages ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_page_of_another_origin_may_send(shared: Collector) -> None:
    origin = {"origin": "https://shop.example"}
    asked = origin | {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}
    preflight = shared.http.options("/v1/track", headers=asked)
    assert preflight.status_code == 204
    allowed = {name.removeprefix("access-control-allow-"): value for name, value in preflight.headers.items()}
    assert allowed["origin"] == "https://shop.example"
    assert "POST" in allowed["methods"]
    assert allowed["headers"] == "authorization"
    body = json.dumps(ORDER | {"writeKey": KEY})
    for sent, status in ((body, 200), ("{", 400)):
        answer = shared.post("/v1/t", content=sent, headers=origin | {"content-type": "text/plain"})
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (status, "https://shop.example")


def test_settings_of_analytics_js(shared: Collector) -> None:
    told = shared.get(f"/v1/projects/{KEY}/settings").json()["integrations"]["Segment.io"]
    assert told == {"apiKey": KEY, "apiHost": shared.url.removeprefix("http://") + "/v1", "protocol": "http"}
    assert shared.get("/v1/projects/x/settings").status_code == 404


# ── nothing is lost ─────────────────────────────────────────────────────────────────────────────────────────────────


def send_until_it_dies(collector: Collector, name: str, taken: list[str]) -> None:
    with httpx.Client(base_url=collector.url, auth=(KEY, ""), timeout=10) as client:
        for i in range(100_000):
            ids = [f"{name}-{i}-{j}" for j in range(i % 3 + 1)]
            try:
                answer = client.post("/v1/batch", json={"batch": [ORDER | {"messageId": one} for one in ids]})
            except httpx.TransportError:
                return
            assert answer.status_code == 200
            taken += ids


@pytest.mark.parametrize("delay", [0.1, 0.35, 0.6])
def test_what_was_answered_is_in_the_log_of_a_killed_collector(tmp_path: Path, delay: float) -> None:
    with a_collector(tmp_path / "shop") as collector:
        taken: list[list[str]] = [[] for _ in range(4)]
        senders = [
            threading.Thread(target=send_until_it_dies, args=(collector, f"sender{i}", taken[i])) for i in range(4)
        ]
        for sender in senders:
            sender.start()
        while sum(map(len, taken)) <= 20 and any(sender.is_alive() for sender in senders):
            time.sleep(0.01)
        time.sleep(delay)
        collector.kill()
        for sender in senders:
            sender.join()
    kept = [record["message_id"] for record in in_log(tmp_path / "shop")]
    answered = {one for ids in taken for one in ids}
    assert len(answered) > 20
    assert answered <= {*kept}
    assert len(kept) == len({*kept})


def test_two_collectors_write_to_one_log(tmp_path: Path) -> None:
    folder, taken = tmp_path / "shop", []
    with a_collector(folder) as one, a_collector(folder) as other:
        for i in range(40):
            answer = (one, other)[i % 2].post("/v1/track", json=ORDER | {"messageId": str(i)}, auth=(KEY, ""))
            taken.append(answer.status_code)
    assert taken == [200] * 40
    assert [record["message_id"] for record in in_log(folder)] == [str(i) for i in range(40)]


def test_a_log_that_is_a_file(tmp_path: Path) -> None:
    """The collector knows nothing of where the log is."""
    text = PROJECT.replace("    kind: log\n", "    kind: log\n    log: {kind: file, path: events.jsonl}\n", 1)
    with a_collector(tmp_path / "shop", text) as collector:
        batch = {"requests": [f"?idsite={key}&_id=a&url=u" for key in (KEY, OTHER)]}
        assert collector.post("/matomo.php", json=batch).json()["tracked"] == 2
    [line] = (tmp_path / "shop" / "events.jsonl").read_bytes().splitlines()
    assert decode(line).source == "web"
    assert [record["source"] for record in in_log(tmp_path / "shop", source=1)] == ["app"]


@given(path=PATHS, body=BODIES | st.binary(max_size=100), key=st.sampled_from([KEY, ""]), query=st.text(max_size=20))
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_sent_is_answered(shared: Collector, path: str, body: Any, key: str, query: str) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = shared.post(path, content=content, auth=(key, ""), params={"api_secret": key, "q": query})
    assert answer.status_code in (200, 204, 400, 401, 413)


BROKEN = [
    b"POST /v1/track HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
    b"POST /v1/track HTTP/1.1\r\nHost: x\r\nAuthorization: Basic \xff\r\nContent-Length: 2\r\n\r\n{}",
    b"POST /v1/track HTTP/1.1\r\nHost: x\r\nOrigin: \xc3\xa9\r\nContent-Length: 2\r\n\r\n{}",
    b"GET /matomo.php?a=%ff HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /v1/projects/%ff%2f/settings HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /v1/projects/" + KEY.encode() + b"/settings HTTP/1.1\r\nHost: [::bad\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
]


def test_broken_requests(collector: Collector) -> None:
    """Whoever hangs up or sends what no client would gets no 500, and leaves nothing in the collector's own output."""
    for wire in BROKEN:
        with socket.create_connection(("127.0.0.1", collector.port), timeout=5) as connection:
            connection.sendall(wire)
            if not wire.endswith(b"{"):
                assert connection.recv(12) in {b"HTTP/1.1 %d" % status for status in (200, 400, 401, 404)}
    assert collector.get("/healthz").status_code == 200
    collector.process.terminate()
    collector.process.wait(timeout=20)
    assert collector.stderr() == ""


# ── appending for many at once ──────────────────────────────────────────────────────────────────────────────────────


class Slowly:
    """A log that takes its time, and fails when it is told to."""

    def __init__(self) -> None:
        self.appends: list[list[bytes]] = []
        self.failure: Exception | None = None
        self.is_closed = False

    def append(self, records: Sequence[bytes]) -> None:
        time.sleep(0.02)
        if self.failure:
            raise self.failure
        self.appends.append(list(records))

    def close(self) -> None:
        self.is_closed = True


def committer(log: Slowly, folder: Path, *, is_grouped: bool = True) -> Committer:
    opened: Any = log
    return Committer(lambda: opened, lambda: Aside(folder), is_grouped=is_grouped)


def test_who_waits_shares_an_append(tmp_path: Path) -> None:
    async def run(is_grouped: bool) -> list[list[bytes]]:
        log = Slowly()
        one = committer(log, tmp_path, is_grouped=is_grouped)
        await asyncio.gather(*(one.add([b"%d" % i], []) for i in range(5)))
        await one.close()
        assert log.is_closed
        return log.appends

    assert asyncio.run(run(True)) == [[b"0", b"1", b"2", b"3", b"4"]]
    assert asyncio.run(run(False)) == [[b"%d" % i] for i in range(5)]


def test_a_failed_append_is_told_to_all_who_wait_and_the_next_is_tried(tmp_path: Path) -> None:
    async def run() -> None:
        log = Slowly()
        one = committer(log, tmp_path)
        log.failure = LogError("no space left")
        told = await asyncio.gather(*(one.add([b"x"], []) for _ in range(3)), return_exceptions=True)
        assert [type(error) for error in told] == [LogError] * 3
        log.failure = None
        await one.add([b"y"], [])
        assert log.appends == [[b"y"]]
        await one.close()

    asyncio.run(run())


def test_when_too_much_waits_nothing_more_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collecting, "WAITING", 10)

    async def run() -> None:
        one = committer(Slowly(), tmp_path)
        told = await asyncio.gather(*(one.add([b"12345"], []) for _ in range(4)), return_exceptions=True)
        assert [type(error) for error in told] == [type(None), type(None), LogFullError, LogFullError]
        await one.add([b"12345"], [])
        await one.close()

    asyncio.run(run())


# ── starting ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("name: shop\n", "No source of the project has write keys"),
        (PROJECT.replace(OTHER, KEY), "sources `web` and `app` share a write key"),
        (PROJECT.replace(OTHER, "${A}").replace(KEY, "${B}"), "web and app share a write key"),
        (PROJECT.replace(KEY, "${KEY_OF_THE_SHOP}"), "environment variable KEY_OF_THE_SHOP"),
    ],
)
def test_what_cannot_start(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(FacetteError, match=why) as caught:
        collect_app(load(project(tmp_path, text)), environment={"A": "k", "B": "k"})
    assert caught.value.remedy or "→" in str(caught.value)


def test_a_key_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY_OF_THE_SHOP", "from-the-environment")
    with a_collector(tmp_path / "shop", PROJECT.replace(KEY, "${KEY_OF_THE_SHOP}")) as running:
        assert running.post("/v1/track", json=ORDER, auth=("from-the-environment", "")).status_code == 200
        assert running.post("/v1/track", json=ORDER, auth=("${KEY_OF_THE_SHOP}", "")).status_code == 401


def test_it_listens_before_it_says_so(tmp_path: Path) -> None:
    def knock(url: str) -> None:
        with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=5):
            raise KeyboardInterrupt

    app = collect_app(load(project(tmp_path)))
    with pytest.raises(KeyboardInterrupt):
        serve(app, host="127.0.0.1", port=0, on_ready=knock)

    async def close() -> None:
        async with app.router.lifespan_context(app):
            pass

    asyncio.run(close())


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    project(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code = "from facette.cli import main; main()"
        words = [sys.executable, "-c", code, "collect", "--project", str(tmp_path), "--port", str(port)]
        done = subprocess.run(words, capture_output=True, text=True, env=os.environ, timeout=30, check=False)
    assert (done.returncode, f"127.0.0.1:{port} cannot be had" in done.stderr) == (1, True)
    assert "Traceback" not in done.stderr
