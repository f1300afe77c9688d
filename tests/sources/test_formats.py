"""Protocols as pure functions: instants, identifiers, what is refused and why, and bodies nobody should send."""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from datetime import UTC, datetime, timedelta
from string import Formatter
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facette.sources.formats import FORMATS
from facette.sources.formats.reasons import REASONS
from facette.sources.formats.reasons import reason as why
from facette.sources.formats.request import (
    BODY_LIMIT,
    BadRequestError,
    Item,
    Outcome,
    Request,
    inflate,
    parse,
)
from facette.sources.record import Record, decode, encode

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def asked(path: str, body: Any = b"", *, query: str = "", headers: dict[str, str] | None = None) -> list[Item]:
    """The events of a request received at noon."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    spoken = next(one for one in FORMATS if path in one.PATHS)
    return spoken.items(Request("POST", path, query, headers or {}, content, NOON))


def one(path: str, body: Any = b"", **options: Any) -> Record:
    """The one record of a request."""
    [item] = asked(path, body, **options)
    assert item.record, item.reason
    return item.record


def reason(path: str, body: Any = b"", **options: Any) -> str:
    """Why the one event of a request is refused."""
    [item] = asked(path, body, **options)
    assert item.record is None
    return item.reason


def track(**fields: Any) -> dict[str, Any]:
    return {"userId": "ann", "event": "Order"} | fields


def happened(**fields: Any) -> str:
    return one("/v1/track", track(**fields)).at


# ── when it happened ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_clock_that_is_off_is_corrected() -> None:
    """Sent at 14:00 by a clock that is two hours ahead, and happened ten minutes before."""
    at = happened(timestamp="2026-11-22T13:50:00.500Z", sentAt="2026-11-22T14:00:00Z")
    assert at == "2026-11-22T11:50:00.500000Z"
    behind = happened(originalTimestamp="2001-01-01T00:00:00+01:00", sentAt="2001-01-01T00:00:30+01:00")
    assert behind == "2026-11-22T11:59:30.000000Z"


def test_a_batch_says_once_when_it_was_sent() -> None:
    event = track(type="track", timestamp="2026-11-22T13:50:00Z")
    batch = {"batch": [event, event | {"sentAt": "2026-11-22T13:50:01Z"}], "sentAt": "2026-11-22T14:00:00Z"}
    records = [item.record.at for item in asked("/v1/batch", batch) if item.record]
    assert records == ["2026-11-22T11:50:00.000000Z", "2026-11-22T11:59:59.000000Z"]


def test_without_an_instant_it_happened_when_it_was_received() -> None:
    assert happened() == "2026-11-22T12:00:00.000000Z"
    assert happened(timestamp="2026-11-20") == "2026-11-20T00:00:00.000000Z"
    assert happened(timestamp=1_795_000_000_123) == "2026-11-18T11:06:40.123000Z"


def test_up_to_a_day_ahead_is_now_and_further_is_refused() -> None:
    record = one("/v1/track", track(timestamp="2026-11-23T12:00:00Z"))
    assert record.at == record.received_at
    assert record.context == {"facette": {"at_as_sent": "2026-11-23T12:00:00.000000Z"}}
    assert "24 hours after" in reason("/v1/track", track(timestamp="2026-11-23T12:00:00.000001Z"))
    assert "before 1970" in reason("/v1/track", track(timestamp="0001-01-01T00:00:00Z"))


@pytest.mark.parametrize("written", ["yesterday", True, {}, [1], 1e300, "2026-13-01", "9999-12-31T23:59:59-14:00"])
def test_an_instant_that_is_none(written: Any) -> None:
    assert "instant" in reason("/v1/track", track(timestamp=written))


def test_clocks_thousands_of_years_apart() -> None:
    assert "set the clock" in reason("/v1/track", track(timestamp="9999-01-01T00:00Z", sentAt="0001-01-01T00:00Z"))


def test_an_instant_has_four_digits_of_the_year() -> None:
    assert "0999-" in reason("/v1/track", track(timestamp="0999-01-01T00:00Z"))


@pytest.mark.parametrize(
    ("written", "at"),
    [
        ("1795000000", "2026-11-18T11:06:40.000000Z"),
        ("2026-11-20 08:15:00", "2026-11-20T08:15:00.000000Z"),
        ("", "2026-11-22T12:00:00.000000Z"),
    ],
)
def test_matomo_instants(written: str, at: str) -> None:
    assert one("/matomo.php", query=urlencode({"idsite": 1, "_id": "a", "url": "u", "cdt": written})).at == at


def test_matomo_seconds_before_the_receipt() -> None:
    assert one("/matomo.php", query="_id=a&url=u&cdo=90").at == "2026-11-22T11:58:30.000000Z"


def test_mixpanel_instants_are_seconds_or_milliseconds() -> None:
    for time in (1_795_000_000, 1_795_000_000_000):
        event = {"event": "e", "properties": {"distinct_id": "a", "time": time}}
        assert one("/track", event).at == "2026-11-18T11:06:40.000000Z"


def test_ga4_instants_are_microseconds_exactly() -> None:
    for micros in (1_795_000_000_123_457, "1795000000123457"):
        body = {"client_id": "c", "timestamp_micros": micros, "events": [{"name": "e"}]}
        assert one("/mp/collect", body).at == "2026-11-18T11:06:40.123457Z"
    assert "timestamp_micros" in reason(
        "/mp/collect", {"client_id": "c", "events": [{"name": "e", "timestamp_micros": "x"}]}
    )


# ── who, and what ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("path", "body", "why"),
    [
        ("/v1/track", {"userId": "a"}, "`event` is missing"),
        ("/v1/track", {"event": "e"}, "nobody is named"),
        ("/v1/track", {"event": "e", "userId": " "}, "nobody is named"),
        ("/v1/track", track(userId=True), "`userId` is true or false"),
        ("/v1/track", track(userId={"id": 1}), "`userId` is an object"),
        ("/v1/track", track(userId="a" * 1025), "longer than 1024"),
        ("/v1/track", track(properties=[1]), "`properties` is a list"),
        ("/v1/identify", {"userId": "a", "traits": "x"}, "`traits` is a text"),
        ("/v1/alias", {"userId": "a"}, "`previousId` is missing"),
        ("/v1/alias", {"previousId": "a"}, "`userId` is missing"),
        ("/v1/group", {"userId": "a"}, "`groupId` is missing"),
        ("/v1/batch", {"batch": [{"userId": "a", "event": "e"}]}, "`type` is missing"),
        ("/v1/batch", {"batch": [track(type="buy")]}, "`type` is buy"),
        ("/v1/batch", {"batch": ["x"]}, "an event is an object, and this is a text"),
        ("/track", {"properties": {"distinct_id": "a"}}, "`event` is missing"),
        ("/track", {"event": "e", "properties": {}}, "nobody is named"),
        ("/track", {"event": "$merge", "properties": {"$distinct_ids": ["a"]}}, "two identifiers"),
        ("/engage", {"$distinct_id": "a", "$append": {"x": 1}}, "`$append` adds to a list"),
        ("/engage", {"$distinct_id": "a", "$union": {"x": [1]}}, "`$union` ajoute à une liste"),
        ("/engage", {"$distinct_id": "a", "$remove": {"x": 1}, "$set": {"x": 1}}, "`$remove` removes"),
        ("/engage", {"$distinct_id": "a", "$add": {"x": "1"}}, "`$add` n’ajoute que des nombres"),
        ("/engage", {"$distinct_id": "a", "$add": {"x": True}}, "adds numbers only"),
        ("/engage", {"$distinct_id": "a", "$set": {}, "$add": {}}, "says `$set`, `$add`: say one of them in each"),
        ("/engage", {"$distinct_id": "a", "$unset": "x"}, "`$unset` is a list of names"),
        ("/engage", {"$distinct_id": "a"}, "dit aucun de `$set`, `$set_once`, `$add`, `$unset`"),
        ("/engage", {"$set": {"x": 1}}, "`$distinct_id` is missing"),
        ("/mp/collect", {"client_id": "c", "events": [{"params": {}}]}, "`name` is missing"),
        ("/mp/collect", {"events": [{"name": "e"}]}, "nobody is named"),
        (
            "/mp/collect",
            {"client_id": "c", "user_properties": {"tier": "gold"}},
            "`tier` of `user_properties` is a text",
        ),
        ("/mp/collect", {"client_id": "c", "timestamp_micros": "x", "events": [{"name": "e"}]}, "no number: 'x'"),
        ("/matomo.php", {"requests": [1]}, "a query string or an object"),
        ("/matomo.php", {"requests": ["?url=u"]}, "nobody is named"),
        ("/matomo.php", {"requests": ["?_id=a&idgoal=0&revenue=much"]}, "`revenue` is no number"),
        ("/matomo.php", {"requests": ["?_id=a&idgoal=0&ec_items=x"]}, "`ec_items`"),
        ("/matomo.php", {"requests": ["?_id=a&url=%FF"]}, "not UTF-8"),
    ],
)
def test_what_is_refused(path: str, body: Any, why: str) -> None:
    assert why in reason(path, body)


def test_every_reason_says_what_to_do_in_both_languages() -> None:
    values = {
        name: name
        for texts in REASONS.values()
        for text in texts
        for _, name, _, _ in Formatter().parse(text)
        if name is not None
    }
    for key, (english, french) in REASONS.items():
        fields = [sorted(name or "" for _, name, _, _ in Formatter().parse(text)) for text in (english, french)]
        assert fields[0] == fields[1], key
        said = why(key, **values)
        assert said.count(" / ") == 1, key
        assert all(":" in text or ";" in text for text in said.split(" / ")), key


def test_identifiers_are_text() -> None:
    assert one("/v1/track", track(userId=42)).user_id == "42"
    assert one("/v1/track", track(userId=" ann ")).user_id == "ann"


def test_nothing_that_was_sent_is_lost() -> None:
    sent = track(integrations={"All": False}, channel="server", context={"ip": "::1"}, version="1.0")
    assert one("/v1/t", sent).context == {
        "integrations": {"All": False},
        "channel": "server",
        "version": "1.0",
        "ip": "::1",
    }
    page = one("/v1/page", {"userId": "a", "name": "Home", "category": "Docs", "properties": {"x": None}})
    assert (page.event, page.properties) == ("Home", {"category": "Docs", "x": None})


def test_the_context_of_a_batch_is_that_of_its_events() -> None:
    batch = {"batch": [track(type="track", context={"ip": "::1"})], "context": {"app": "shop", "ip": "::2"}}
    assert one("/v1/batch", batch).context == {"app": "shop", "ip": "::1"}


@pytest.mark.parametrize(
    ("properties", "who"),
    [
        ({"distinct_id": "ann"}, ("ann", None)),
        ({"distinct_id": "$device:d"}, (None, "d")),
        ({"distinct_id": "d", "$device_id": "d"}, (None, "d")),
        ({"distinct_id": "ann", "$device_id": "d", "$user_id": "ann"}, ("ann", "d")),
        ({"distinct_id": 7}, ("7", None)),
    ],
)
def test_mixpanel_says_who(properties: dict[str, Any], who: tuple[str | None, str | None]) -> None:
    record = one("/track", {"event": "e", "properties": properties})
    assert (record.user_id, record.anonymous_id) == who


def test_mixpanel_imports_lines_of_json() -> None:
    """A line that is none is refused, and the others are taken."""
    first, last = ({"event": name, "properties": {"distinct_id": "a"}} for name in "ef")
    lines = "\n".join((json.dumps(first), "", '{"event": ', json.dumps(last), "")).encode()
    headers = {"content-type": "application/x-ndjson; charset=utf-8"}
    items = asked("/import", gzip.compress(lines), headers=headers)
    assert [item.record and item.record.event for item in items] == ["e", None, "f"]
    assert "an event is an object" in items[1].reason


def test_mixpanel_joins_a_device_and_a_user() -> None:
    record = one("/track", {"event": "$identify", "properties": {"$identified_id": "ann", "$anon_id": "$device:d"}})
    assert (record.kind, record.user_id, record.anonymous_id) == ("identify", "ann", "d")


@pytest.mark.parametrize(
    ("update", "change", "traits"),
    [
        ({"$set": {"x": 1}}, None, {"x": 1}),
        ({"$set_once": {"x": 1}}, "set_once", {"x": 1}),
        ({"$add": {"x": -1.5}}, "add", {"x": -1.5}),
        ({"$unset": ["x", "y"]}, "unset", {"x": True, "y": True}),
    ],
)
def test_what_mixpanel_does_to_traits(update: dict[str, Any], change: str | None, traits: dict[str, Any]) -> None:
    record = one("/engage", {"$distinct_id": "ann", **update})
    assert (record.kind, record.user_id, record.update, record.traits) == ("identify", "ann", change, traits)


def test_updates_of_one_request_are_received_one_after_the_other() -> None:
    items = asked("/engage", [{"$distinct_id": "ann", "$add": {"x": 1}}] * 3)
    ends = [item.record.received_at[-7:] for item in items if item.record]
    assert ends == ["000000Z", "000001Z", "000002Z"]


COAT = b'{"event":"e","properties":{"distinct_id":"a","x":"???>>>"}}'


@pytest.mark.parametrize(
    "body",
    [
        "data=" + quote(base64.b64encode(COAT)),
        "data=" + base64.b64encode(COAT).decode(),
        "data=" + base64.urlsafe_b64encode(COAT).decode().rstrip("="),
        "verbose=1&data=" + quote(COAT.decode()),
        f"[{COAT.decode()}]",
    ],
)  # fmt: skip
def test_mixpanel_in_every_coat(body: str) -> None:
    assert one("/track", body.encode()).properties == {"x": "???>>>"}
    if body.startswith(("data", "verbose")):
        assert one("/track", query=body).properties == {"x": "???>>>"}


@pytest.mark.parametrize(
    ("query", "kind", "event", "properties"),
    [
        ("url=u&action_name=Home", "page", "Home", {"url": "u", "title": "Home"}),
        ("url=u&_pks=s1&_pkp=9.5", "page", None, {"url": "u", "sku": "s1", "price": 9.5}),
        ("url=u&download=f.pdf", "track", "download", {"url": "f.pdf"}),
        ("url=u&link=x", "track", "outlink", {"url": "x"}),
        ("e_c=Video&e_a=Play&e_n=X&e_v=1.5", "track", "Play", {"category": "Video", "name": "X", "value": 1.5}),
        ("url=u&c_n=Banner&c_p=a.png", "track", "content_impression", {"name": "Banner", "piece": "a.png"}),
        ("url=u&c_n=Banner&c_i=click", "track", "content_click", {"name": "Banner"}),
        ("url=u&idgoal=3&revenue=4", "track", "goal", {"goal_id": "3", "revenue": 4}),
        ("url=u&idgoal=0&revenue=4&ec_items=[]", "track", "cart_update", {"revenue": 4, "items": []}),
    ],
)  # fmt: skip
def test_matomo_kinds(query: str, kind: str, event: str | None, properties: dict[str, Any]) -> None:
    record = one("/matomo.php", query="idsite=1&rec=1&_id=a&" + query)
    assert (record.kind, record.event, record.properties) == (kind, event, properties)
    assert record.context.get("page", {"url": "u"})["url"] == "u"


def test_matomo_bulk_of_objects() -> None:
    """As a query string has them, but with values of their own types; and a page's address may be long."""
    url = "https://shop.example/" + "x" * 2000
    given = {"idsite": 1, "_id": "a", "url": url, "idgoal": 0, "revenue": 4.5, "ec_items": [["s1"]], "uid": None}
    record = one("/matomo.php", {"requests": [given]})
    assert (record.user_id, record.properties) == (None, {"revenue": 4.5, "items": [{"sku": "s1"}]})
    assert record.context["page"]["url"] == url


def test_keys_are_where_each_protocol_has_them() -> None:
    basic = {"authorization": "Basic " + base64.b64encode(b"k:").decode()}
    assert asked("/v1/track", track(), headers=basic)[0].keys == ("k",)
    assert asked("/v1/track", track(writeKey="k"))[0].keys == ("k",)
    assert asked("/v1/batch", {"batch": [track(type="track")], "writeKey": "k"})[0].keys == ("k",)
    assert asked("/track", {"event": "e", "properties": {"token": "k", "distinct_id": "a"}})[0].keys == ("k",)
    assert asked("/engage", {"$token": "k", "$distinct_id": "a", "$set": {}})[0].keys == ("k",)
    assert asked("/matomo.php", query="token_auth=t&idsite=1&_id=a&url=u")[0].keys == ("t", "1")
    bulk = {"requests": ["?idsite=1&_id=a&url=u", "?idsite=2&_id=a&url=u"], "token_auth": "t"}
    assert [item.keys for item in asked("/matomo.php", bulk)] == [("t", "1"), ("t", "2")]
    assert asked("/mp/collect", {"client_id": "c", "events": [{"name": "e"}]}, query="api_secret=k")[0].keys == ("k",)


# ── bodies ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_bodies_are_inflated_whatever_the_headers_say() -> None:
    content = json.dumps(track()).encode()
    for body in (
        gzip.compress(content),
        zlib.compress(content),
        gzip.compress(content[:9]) + gzip.compress(content[9:]),
    ):
        assert one("/v1/track", body).event == "Order"


def test_a_bomb_is_stopped_while_it_inflates() -> None:
    bomb = zlib.compress(b"0" * (100 << 20), 9)
    with pytest.raises(BadRequestError, match="inflates to more") as caught:
        inflate(bomb)
    assert caught.value.status == 413
    nested = gzip.compress(gzip.compress(b"0" * (BODY_LIMIT + 1)))
    with pytest.raises(BadRequestError, match="inflates to more"):
        inflate(nested)


def test_a_damaged_or_short_body() -> None:
    whole = gzip.compress(b"{}" * 100)
    with pytest.raises(BadRequestError, match="too early"):
        inflate(whole[:-9])
    with pytest.raises(BadRequestError, match="damaged"):
        inflate(whole[:10] + b"\xff" * 20)


def test_what_some_clients_write_although_json_does_not_have_it() -> None:
    """Half of an emoji, cut by a page; NaN, as Python writes it. The rest of the batch must not suffer."""
    assert parse('["\\ud83d", "\\ud83d\\ude00", "\\\\ud83d", NaN, -Infinity, 1e999]') == [
        "\ufffd",
        "😀",
        "\\ud83d",
        None,
        None,
        None,
    ]


@pytest.mark.parametrize("text", ["", "{", "[1,]", "nul", "[" * 100_000, "1" * 5000, '{"a": \x01}'])
def test_what_is_not_json(text: str) -> None:
    with pytest.raises(BadRequestError):
        parse(text)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["2026-11-22", "?_id=a"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)
NAMES = st.sampled_from(
    [
        *(
            "type",
            "event",
            "name",
            "userId",
            "anonymousId",
            "previousId",
            "groupId",
            "timestamp",
            "sentAt",
            "properties",
        ),
        *(
            "traits",
            "context",
            "batch",
            "distinct_id",
            "$distinct_id",
            "$set",
            "$unset",
            "$distinct_ids",
            "time",
            "token",
        ),
        *("requests", "token_auth", "client_id", "events", "params", "user_properties", "timestamp_micros", "category"),
    ]
)
BODIES = st.recursive(
    VALUES | st.sampled_from(["track", "alias", "$merge", "page_view"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=6),
    max_leaves=30,
)
PATHS = st.sampled_from([path for spoken in FORMATS for path in spoken.PATHS])


@given(path=PATHS, body=BODIES)
@settings(max_examples=600, deadline=None)
def test_whatever_comes_is_a_record_or_a_reason(path: str, body: Any) -> None:
    """And a record can be written, is read as it was, and did not happen after it was received."""
    try:
        items = asked(path, body)
    except BadRequestError as error:
        assert error.reason
        return
    for item in items:
        if item.record is None:
            assert item.reason
        else:
            assert decode(encode(item.record)).message_id == item.record.message_id
            assert item.record.at <= item.record.received_at
    spoken = next(found for found in FORMATS if path in found.PATHS)
    reasons = tuple(item.reason or None for item in items)
    answer = spoken.answer(Request("POST", path, "", {}, json.dumps(body).encode(), NOON), Outcome(reasons))
    assert answer.status in (200, 204, 400)


@given(path=PATHS, body=st.binary(max_size=200), query=st.text(max_size=60))
@settings(max_examples=300, deadline=None)
def test_bytes_that_mean_nothing(path: str, body: bytes, query: str) -> None:
    try:
        items = asked(path, body, query=query)
    except BadRequestError as error:
        assert error.reason
    else:
        assert all(item.record or item.reason for item in items)


def test_an_event_without_an_id_gets_one() -> None:
    assert one("/v1/track", track()).message_id != one("/v1/track", track()).message_id
    assert one("/v1/track", track(messageId="m")).message_id == "m"
    assert timedelta(0) == NOON - datetime.fromisoformat(one("/v1/track", track()).received_at)
