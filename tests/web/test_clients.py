"""Every tracker's own client, unchanged, pointed at a collector: what is in the log is what was sent."""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import mixpanel
import pytest
from playwright.sync_api import Page, sync_playwright
from rudderstack.analytics.client import Client as RudderClient
from segment.analytics.client import Client as SegmentClient

from tests.web.collectors import KEY, OTHER, Collector, at, collecting
from tests.web.test_browser import BROWSERS, FLAGS

CLIENTS = Path(__file__).with_name("clients")
NOON = datetime(2026, 11, 22, 11, 30, 15, 250_000, tzinfo=UTC)
SKEW = timedelta(seconds=20)
"""The clients take the clock when they send, which is not quite when the request is received."""

CONTEXT = {"ip": "203.0.113.7", "campaign": {"name": "hiver"}}
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("identify", {"userId": "ann", "traits": {"email": "ann@example.org", "age": 41, "vip": True, "tags": ["a", "é"]}}),
    ("track", {"userId": "ann", "event": "Order Completed", "properties": {"revenue": 12.5, "items": [{"id": "s1"}]}}),
    ("page", {"userId": "ann", "name": "Home", "properties": {"url": "https://shop.example/é?a=1", "depth": None}}),
    ("screen", {"userId": "ann", "name": "Basket", "properties": {"n": 3}}),
    ("group", {"userId": "ann", "groupId": "acme", "traits": {"plan": "pro", "seats": 12}}),
    ("alias", {"userId": "ann", "previousId": "visitor-1"}),
    ("track", {"anonymousId": "visitor-2", "event": "Viewed", "properties": {}}),
]
"""What every client of the Segment spec is asked to send, at ``NOON``."""

COLUMNS = {"userId": "user_id", "anonymousId": "anonymous_id", "previousId": "previous_id", "groupId": "group_id"}


def call_node(script: str, *words: object) -> str:
    """Run one of the scripts beside this file; its output."""
    if not (CLIENTS / "node_modules").exists():
        pytest.fail("The clients are missing: `make test` installs them.", pytrace=False)
    done = subprocess.run(
        ["node", script, *map(str, words)], cwd=CLIENTS, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    with collecting(tmp_path / "shop") as running:
        yield running


def check_segment(records: list[dict[str, Any]]) -> None:
    """The records are those of ``CALLS``, every field of them."""
    assert len(records) == len(CALLS)
    assert len({record["message_id"] for record in records}) == len(CALLS)
    for (kind, sent), record in zip(CALLS, records, strict=True):
        assert record["kind"] == kind
        assert record["event"] == sent.get("event", sent.get("name"))
        for name, column in COLUMNS.items():
            assert record[column] == sent.get(name), (kind, column)
        assert record["properties"] == sent.get("properties", {})
        assert record["traits"] == sent.get("traits", {})
        assert {key: record["context"][key] for key in CONTEXT} == CONTEXT
        assert abs(at(record) - NOON) < SKEW
        assert (record["protocol"], record["source"]) == ("segment", "web")


def in_python(client: Any) -> None:
    """The calls through a client of Segment's or RudderStack's, which have the same methods."""
    words = {"userId": "user_id", "anonymousId": "anonymous_id", "previousId": "previous_id", "groupId": "group_id"}
    for kind, sent in CALLS:
        named = {words.get(key, key): value for key, value in sent.items()}
        getattr(client, kind)(**named, context=deepcopy(CONTEXT), timestamp=NOON)
    client.shutdown()


@pytest.mark.parametrize("gzip", [False, True])
def test_segment_in_python(collector: Collector, gzip: bool) -> None:
    errors: list[Any] = []
    in_python(SegmentClient(KEY, host=collector.url, gzip=gzip, on_error=lambda *words: errors.append(words)))
    assert not errors
    check_segment(collector.records())
    assert {record["context"]["library"]["name"] for record in collector.records()} == {"analytics-python"}


@pytest.mark.parametrize("gzip", [False, True])
def test_rudderstack_in_python(collector: Collector, gzip: bool) -> None:
    errors: list[Any] = []
    in_python(RudderClient(KEY, host=collector.url, gzip=gzip, on_error=lambda *words: errors.append(words)))
    assert not errors
    check_segment(collector.records())


def node_calls() -> str:
    return json.dumps([(kind, sent | {"context": CONTEXT, "timestamp": NOON.isoformat()}) for kind, sent in CALLS])


def test_segment_in_node(collector: Collector) -> None:
    call_node("segment.js", collector.url, KEY, node_calls())
    records = collector.records()
    check_segment(in_order(records))
    assert records[0]["context"]["library"]["name"] == "@segment/analytics-node"


def test_rudderstack_in_node(collector: Collector) -> None:
    call_node("rudder.js", collector.url, KEY, node_calls())
    check_segment(in_order(collector.records()))


def in_order(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """As in ``CALLS``: batches that are sent at once may arrive in any order."""
    kinds = [(kind, sent.get("event")) for kind, sent in CALLS]
    return sorted(records, key=lambda one: kinds.index((one["kind"], one["event"] if one["kind"] == "track" else None)))


# ── in the browser ──────────────────────────────────────────────────────────────────────────────────────────────────


SCRIPTS = {"/analytics/": "@segment/analytics-next/dist/umd", "/mixpanel/": "mixpanel-browser/dist"}


class Pages(SimpleHTTPRequestHandler):
    """The page, and the scripts beside it."""

    def translate_path(self, path: str) -> str:
        name = path.partition("?")[0]
        for prefix, folder in SCRIPTS.items():
            if name.startswith(prefix):
                return str(CLIENTS / "node_modules" / folder / Path(name).name)
        return str(CLIENTS / "page.html")

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def shop() -> Iterator[str]:
    """A site on another port than the collector, so that the browser asks whether it may send."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Pages))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def a_tab(console: list[str]) -> Iterator[tuple[str, Page]]:
    """The page of the shop in headless Chromium, and its address; what goes wrong in it is added to ``console``."""
    browser = next((found for found in map(shutil.which, BROWSERS) if found), None)
    with shop() as page, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=FLAGS, chromium_sandbox=False)
        tab = chromium.new_page()
        tab.on("console", lambda message: console.append(message.text))
        tab.on("pageerror", lambda error: console.append(str(error)))
        tab.goto(page + "some/path?utm_campaign=hiver")
        yield page, tab
        chromium.close()


IN_THE_PAGE = """async ([url, key, batching]) => {
  const strategy = batching ? {strategy: 'batching', config: {size: 3, timeout: 100}} : {strategy: 'standard'}
  const [analytics] = await AnalyticsNext.AnalyticsBrowser.load(
    {writeKey: key, cdnURL: url},
    {integrations: {'Segment.io': {deliveryStrategy: strategy}}})
  analytics.setAnonymousId('visitor-1')
  await analytics.page('Docs', 'Home', {depth: 2})
  await analytics.track('Viewed', {price: 9.5, tags: ['é']})
  await analytics.alias('ann', 'visitor-1')  // before identify: afterwards the client sends the known user instead
  await analytics.identify('ann', {email: 'ann@example.org'})
  await analytics.group('acme', {plan: 'pro'})
  await analytics.screen('Basket', {n: 3})
}"""


@pytest.mark.browser
@pytest.mark.parametrize("batching", [False, True])
def test_segment_in_a_browser(collector: Collector, batching: bool) -> None:
    """analytics.js takes its settings from the collector too, so one address is all that a page says."""
    console: list[str] = []
    with a_tab(console) as (page, tab):
        tab.evaluate(IN_THE_PAGE, [collector.url, KEY, batching])
        records = until(collector.records, lambda found: len(found) == 6)
    assert [text for text in console if "favicon" not in text] == []
    by_kind = {record["kind"]: record for record in records}
    assert {*by_kind} == {"page", "track", "identify", "group", "alias", "screen"}
    assert {record["context"]["library"]["name"] for record in records} == {"analytics.js"}
    assert all(abs(at(record) - datetime.now(UTC)) < SKEW for record in records)
    visit = by_kind["page"]
    assert (visit["event"], visit["anonymous_id"], visit["user_id"]) == ("Home", "visitor-1", None)
    assert visit["properties"]["url"] == page + "some/path?utm_campaign=hiver"
    assert {"title": "A page of the shop", "category": "Docs", "depth": 2}.items() <= visit["properties"].items()
    assert visit["context"]["campaign"] == {"name": "hiver"}
    view = by_kind["track"]
    assert (view["event"], view["properties"]) == ("Viewed", {"price": 9.5, "tags": ["é"]})
    known = by_kind["identify"]
    assert (known["user_id"], known["anonymous_id"], known["traits"]) == (
        "ann",
        "visitor-1",
        {"email": "ann@example.org"},
    )
    assert (by_kind["group"]["group_id"], by_kind["group"]["traits"]) == ("acme", {"plan": "pro"})
    assert (by_kind["alias"]["user_id"], by_kind["alias"]["previous_id"]) == ("ann", "visitor-1")
    assert (by_kind["screen"]["event"], by_kind["screen"]["properties"]["n"]) == ("Basket", 3)


def until(look: Callable[[], Any], is_enough: Callable[[Any], bool], seconds: float = 20) -> Any:
    """What is seen once it is enough, or at the end."""
    end = time.monotonic() + seconds
    while not is_enough(found := look()) and time.monotonic() < end:
        time.sleep(0.1)
    return found


# ── Mixpanel ────────────────────────────────────────────────────────────────────────────────────────────────────────


ALIAS = {"distinct_id": "visitor-1", "alias": "ann", "token": OTHER}


def test_mixpanel_in_python(collector: Collector) -> None:
    url = collector.url
    consumer = mixpanel.Consumer(
        events_url=f"{url}/track", people_url=f"{url}/engage", groups_url=f"{url}/groups", import_url=f"{url}/import"
    )
    client = mixpanel.Mixpanel(OTHER, consumer=consumer)
    client.track("ann", "Order", {"revenue": 12.5, "note": "été & co", "time": NOON.timestamp()})
    client.people_set("ann", {"email": "ann@example.org", "age": 41}, meta={"$time": int(NOON.timestamp())})
    client.people_unset("ann", ["age"])
    client.people_set_once("ann", {"first": 1})
    client.people_increment("ann", {"visits": 2})
    client.group_set("company", "acme", {"plan": "pro"})
    client.import_data("an-api-key", "bob", "Old", NOON.timestamp(), {"n": 1})
    client.merge("an-api-key", "ann", "visitor-1")
    # its alias() sends to Mixpanel alone, whatever the consumer says
    consumer.send("events", json.dumps({"event": "$create_alias", "properties": ALIAS}))
    order, known, unset, once, added, group, old, merged, alias = collector.records()
    assert (order["kind"], order["event"], order["user_id"]) == ("track", "Order", "ann")
    assert order["properties"] == {"revenue": 12.5, "note": "été & co"}
    assert order["context"] == {"library": {"name": "python", "version": mixpanel.__version__}}
    assert at(order) == NOON
    assert (known["kind"], known["user_id"]) == ("identify", "ann")
    assert known["traits"] == {"email": "ann@example.org", "age": 41}
    assert at(known) == NOON.replace(microsecond=0)
    assert (unset["update"], unset["traits"]) == ("unset", {"age": True})
    assert (once["update"], once["traits"]) == ("set_once", {"first": 1})
    assert (added["update"], added["traits"]) == ("add", {"visits": 2})
    assert (group["kind"], group["group_id"], group["traits"]) == ("group", "acme", {"plan": "pro"})
    assert (old["event"], old["user_id"], old["properties"], at(old)) == ("Old", "bob", {"n": 1}, NOON)
    assert (merged["kind"], merged["user_id"], merged["previous_id"]) == ("alias", "ann", "visitor-1")
    assert (alias["kind"], alias["user_id"], alias["previous_id"]) == ("alias", "ann", "visitor-1")
    assert {record["source"] for record in collector.records()} == {"app"}
    assert all(len(record["message_id"]) >= 32 for record in collector.records())
    with pytest.raises(mixpanel.MixpanelException, match=r"\$append"):
        client.people_append("ann", {"seen": "Soap"})
    assert "`$append` adds to a list" in collector.refused()[0].reason


def test_mixpanel_in_node(collector: Collector) -> None:
    calls = [
        ["track", "Viewed", {"distinct_id": "$device:d1", "price": 9.5, "note": "é?&+", "$insert_id": "m1"}],
        ["import", "Old", int(NOON.timestamp()), {"distinct_id": "ann", "n": 1}],
        ["people.set", "ann", {"email": "ann@example.org"}],
        ["people.set_once", "ann", {"first": 1}],
        ["people.increment", "ann", "visits", 2],
        ["groups.set", "company", "acme", {"plan": "pro"}],
        ["alias", "visitor-1", "ann"],
        ["track_batch", [{"event": name, "properties": {"distinct_id": name.lower()}} for name in "AB"]],
    ]  # fmt: skip
    call_node("mixpanel.js", collector.port, OTHER, json.dumps(calls))
    view, old, known, once, added, group, alias, one, two = collector.records()
    assert (view["event"], view["anonymous_id"], view["user_id"], view["message_id"]) == ("Viewed", "d1", None, "m1")
    assert view["properties"] == {"price": 9.5, "note": "é?&+"}
    assert view["context"]["library"]["name"] == "node"
    assert (old["event"], old["properties"], at(old)) == ("Old", {"n": 1}, NOON.replace(microsecond=0))
    assert (known["kind"], known["user_id"], known["traits"]) == ("identify", "ann", {"email": "ann@example.org"})
    assert (once["update"], once["traits"]) == ("set_once", {"first": 1})
    assert (added["update"], added["traits"]) == ("add", {"visits": 2})
    assert (group["group_id"], group["traits"], group["properties"]) == (
        "acme",
        {"plan": "pro"},
        {"group_key": "company"},
    )
    assert (alias["kind"], alias["user_id"], alias["previous_id"]) == ("alias", "ann", "visitor-1")
    assert [(record["event"], record["user_id"]) for record in (one, two)] == [("A", "a"), ("B", "b")]


MIXPANEL_IN_THE_PAGE = """([url, token, base64]) => {
  mixpanel.init(token, {
    api_host: url, persistence: 'localStorage', track_pageview: true, batch_flush_interval_ms: 100,
    api_payload_format: base64 ? 'base64' : 'json', record_sessions_percent: 0})
  mixpanel.track('Viewed', {price: 9.5, tags: ['é']})
  mixpanel.identify('ann')
  mixpanel.people.set({email: 'ann@example.org'})
  mixpanel.get_group('company', 'acme').set('plan', 'pro')
  mixpanel.track('Order', {revenue: 12.5})
}"""


@pytest.mark.browser
@pytest.mark.parametrize("base64", [False, True])
def test_mixpanel_in_a_browser(collector: Collector, base64: bool) -> None:
    console: list[str] = []
    with a_tab(console) as (page, tab):
        tab.add_script_tag(url="/mixpanel/mixpanel.umd.js")
        tab.evaluate(MIXPANEL_IN_THE_PAGE, [collector.url, OTHER, base64])
        everything = until(collector.records, lambda found: len(found) >= 7)
    assert console == []
    records = [record for record in everything if not record["update"]]
    # of the address of the first visit, which the client sends by itself
    assert {record["update"] for record in everything} == {None, "set_once"}
    by_name = {
        record["event"] or record["kind"]: record for record in records if record["traits"] or not record["user_id"]
    }
    assert {*by_name} == {"A page of the shop", "Viewed", "identify", "group"}
    visit, view, known, group = (by_name[name] for name in ("A page of the shop", "Viewed", "identify", "group"))
    device = visit["anonymous_id"]
    assert (visit["kind"], visit["user_id"], len(device)) == ("page", None, 36)
    assert visit["properties"]["$current_url"] == page + "some/path?utm_campaign=hiver"
    assert (view["anonymous_id"], view["user_id"]) == (device, None)
    assert {"price": 9.5, "tags": ["é"]}.items() <= view["properties"].items()
    assert (known["user_id"], known["anonymous_id"], known["traits"]["email"]) == ("ann", device, "ann@example.org")
    assert (group["group_id"], group["traits"]) == ("acme", {"plan": "pro"})
    joined, order = sorted(
        (record for record in records if record["user_id"] and not record["traits"]), key=lambda one: one["kind"]
    )
    assert (joined["kind"], joined["user_id"], joined["anonymous_id"]) == ("identify", "ann", device)
    assert (order["event"], order["user_id"], order["anonymous_id"]) == ("Order", "ann", device)
    assert order["properties"]["revenue"] == 12.5
    assert all(abs(at(record) - datetime.now(UTC)) < SKEW for record in records)
    assert {record["context"]["library"]["name"] for record in (visit, view, joined, order)} == {"web"}
    assert collector.refused() == []


# ── Matomo ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_matomo_in_node(collector: Collector) -> None:
    visit = {"url": "https://shop.example/é?a=1&b=2", "action_name": "Home", "uid": "ann", "_id": "0123456789abcdef"}
    order = {
        **{"url": "https://shop.example/", "_id": "0123456789abcdef", "idgoal": 0, "ec_id": "o1", "revenue": 15.5},
        **{"ec_items": json.dumps([["s1", "Soap", ["care"], 5.25, 2], ["s2"]]), "cdt": "2026-11-22 11:30:15"},
    }
    bulk = [{**visit, "e_c": "Video", "e_a": "Play", "e_v": "3"}, order]
    told = json.loads(call_node("matomo.js", collector.url, KEY, json.dumps([bulk])))
    assert told == {"status": "success", "tracked": 2, "invalid": 0, "refused": []}
    call_node("matomo.js", collector.url, KEY, json.dumps([visit]))
    played, bought, seen = collector.records()
    assert (played["kind"], played["event"], played["user_id"]) == ("track", "Play", "ann")
    assert played["properties"] == {"category": "Video", "value": 3}
    assert played["context"]["page"] == {"url": visit["url"], "title": "Home"}
    assert (bought["event"], bought["anonymous_id"]) == ("order", "0123456789abcdef")
    first = {"sku": "s1", "name": "Soap", "category": ["care"], "price": 5.25, "quantity": 2}
    assert bought["properties"] == {"order_id": "o1", "revenue": 15.5, "items": [first, {"sku": "s2"}]}
    assert at(bought) == NOON.replace(microsecond=0)
    assert (seen["kind"], seen["event"], seen["user_id"]) == ("page", "Home", "ann")
    assert seen["properties"] == {"url": visit["url"], "title": "Home"}


def test_matomo_as_its_page_script_sends(collector: Collector) -> None:
    """All data in the query string of a POST with an empty body; and a ping, which is no event."""
    query = {"idsite": KEY, "rec": 1, "_id": "0123456789abcdef", "url": "https://shop.example/", "dimension1": "gold"}
    taken = collector.post("/matomo.php", params=query | {"send_image": 0})
    assert (taken.status_code, taken.content) == (204, b"")
    assert collector.post("/matomo.php", params=query | {"ping": 1}).status_code == 200
    pixel = collector.get("/piwik.php", params=query | {"search": "soap", "search_count": 7})
    assert pixel.headers["content-type"] == "image/gif"
    seen, searched = collector.records()
    assert seen["properties"] == {"url": "https://shop.example/", "dimension1": "gold"}
    assert (searched["event"], searched["properties"]) == (
        "site_search",
        {"query": "soap", "results": 7, "dimension1": "gold"},
    )


# ── Google Analytics 4 ──────────────────────────────────────────────────────────────────────────────────────────────


def test_ga4_as_documented(collector: Collector) -> None:
    item = {"item_id": "SKU_12345", "item_name": "Stan and Friends Tee", "price": 10.01, "quantity": 3}
    purchase = {"currency": "USD", "transaction_id": "T_12345", "value": 30.03, "items": [item]}
    micros = int(NOON.timestamp() * 1_000_000)
    body = {
        "client_id": "123.456",
        "user_id": "ann",
        "timestamp_micros": micros,
        "user_properties": {"customer_tier": {"value": "PREMIUM"}},
        "consent": {"ad_user_data": "GRANTED"},
        "events": [
            {"name": "purchase", "params": purchase},
            {"name": "page_view", "params": {"page_title": "Home"}, "timestamp_micros": str(micros + 1)},
            {"name": "screen_view", "params": {"screen_name": "Basket"}},
        ],
    }
    taken = collector.post("/mp/collect", params={"measurement_id": "G-1", "api_secret": KEY}, json=body)
    assert (taken.status_code, taken.content) == (204, b"")
    traits, bought, page, screen = collector.records()
    assert (traits["kind"], traits["traits"], traits["user_id"]) == ("identify", {"customer_tier": "PREMIUM"}, "ann")
    assert (bought["event"], bought["properties"]) == ("purchase", purchase)
    assert (bought["anonymous_id"], at(bought)) == ("123.456", NOON)
    assert bought["context"] == {"consent": {"ad_user_data": "GRANTED"}, "measurement_id": "G-1"}
    assert (page["kind"], page["event"], at(page) - NOON) == ("page", "Home", timedelta(microseconds=1))
    assert (screen["kind"], screen["event"]) == ("screen", "Basket")
