"""One kind of events from several sources, which know different things of it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from facette.definitions.project import load
from facette.run import run
from facette.sources.record import Record, encode, instant_text
from facette.stream import Stream
from tests.live.projects import NOW, append
from tests.run.projects import Silent, truth

PROJECT = """
name: site
identifiers: [{name: user}, {name: device}]
sources:
  - name: till
    kind: file
    path: till.csv
    events:
      - {name: purchase, identifiers: {user: user}, id: [number], at: at, fields: {shop: {}}}
  - name: site
    kind: log
    events:
      - name: purchase
        only: {event: purchase}
        identifiers: {user: user_id, device: anonymous_id}
        at: at
        known_at: received_at
        id: [message_id]
        fields: {amount: {column: properties.amount, type: number, outliers: {method: iqr, factor: 3, action: flag}}}
  - name: app
    kind: log
    events:
      - name: purchase
        only: {event: purchase}
        identifiers: {device: anonymous_id}
        at: at
        known_at: received_at
        fields: {coupon: {column: properties.coupon}, paid_on: {column: properties.paid_on, type: date}}
      - name: purchase
        only: {event: order}
        identifiers: {user: user_id, device: anonymous_id}
        at: at
        known_at: received_at
        id: [message_id]
        fields: {amount: {column: properties.revenue, type: number}}
segments:
  - {name: buyers, rule: DID purchase AT LEAST 2 TIMES}
  - {name: often, rule: DID purchase AT LEAST 5 TIMES}
  - {name: big, rule: SUM(amount) OF purchase >= 100}
  - {name: locals, rule: DID purchase WHERE shop = Nantes}
  - {name: savers, rule: DID purchase WHERE coupon IS KNOWN}
"""


def purchase(number: int, source: str, who: dict[str, str], event: str = "purchase", **properties: object) -> bytes:
    instant = instant_text(NOW)
    told = {"event": event, "at": instant, "received_at": instant, "protocol": "segment", "source": source}
    return encode(Record(message_id=f"m{number}", kind="track", properties=properties, **told, **who))  # type: ignore[arg-type]


def test_the_events_of_a_kind_are_those_of_all_sources(tmp_path: Path) -> None:
    """In one step and in several, after a restart, and in a run that adds and one that makes all anew."""
    (tmp_path / "facette.yml").write_text(PROJECT, encoding="utf-8")
    (tmp_path / "till.csv").write_text("number,user,at,shop\n1,ann,2026-11-19,Nantes\n", encoding="utf-8")
    run(load(tmp_path), Silent(), as_of=NOW)
    with Stream(load(tmp_path), NOW) as stream:
        append(tmp_path, [purchase(1, "app", {"anonymous_id": "d1"}, coupon="spring", paid_on="2026-11-20")])
        stream.step(NOW)
        append(tmp_path, [purchase(2, "site", {"user_id": "ann", "anonymous_id": "d1"}, amount=120)])
        stream.step(NOW)
        append(
            tmp_path,
            [
                purchase(3, "app", {"anonymous_id": "d2"}),
                purchase(4, "site", {"user_id": "bob"}, amount="1 000,5"),
                purchase(4, "site", {"user_id": "bob"}, amount="1 000,5"),
                purchase(4, "app", {"user_id": "eve"}, event="order", revenue=150),
            ],
        )
        stream.step(NOW)
        assert _told(stream) == {("buyers", 1), ("big", 3), ("savers", 1)}
    with Stream(load(tmp_path), NOW) as stream:
        append(tmp_path, [purchase(5, "app", {"anonymous_id": "d1"})])
        stream.step(NOW)
        live = {name: len(ids) for name, ids in stream.worker.memberships.members().items()}
        assert live == {"buyers": 1, "often": 0, "big": 3, "locals": 1, "savers": 1}
    run(load(tmp_path), Silent(), as_of=NOW)
    added = truth(tmp_path)
    assert {name: sum(name in own for own in added.segments.values()) for name in live} == live
    run(load(tmp_path), Silent(), as_of=NOW, is_full=True)
    assert truth(tmp_path).segments == added.segments


TWO_READERS = """
name: site
identifiers: [{name: user}]
sources:
  - {name: shops, kind: file, path: shops.csv, table: {key: shop}}
  - name: site
    kind: log
    events:
      - name: purchase
        only: {event: purchase}
        identifiers: {user: user_id}
        at: at
        known_at: received_at
        id: [message_id]
        lookups: [{source: shops, on: properties.shop}]
        fields:
          city: {}
          amount: {column: properties.amount, type: number, outliers: {method: iqr, factor: 3, action: drop}}
      - name: purchase
        only: {event: contract}
        identifiers: {user: user_id}
        at: at
        known_at: received_at
        id: [message_id]
        fields:
          amount: {column: properties.price, type: number, outliers: {method: iqr, factor: 3, action: drop}}
segments:
  - {name: small, rule: SUM(amount) OF purchase BETWEEN 10 AND 20}
  - {name: large, rule: SUM(amount) OF purchase > 1000}
  - {name: locals, rule: DID purchase WHERE city = Nantes}
"""


def test_two_readers_of_a_kind_have_their_own_bounds_and_lookups(tmp_path: Path) -> None:
    """What is usual for one of them is far from what is for the other; and only one looks things up."""
    (tmp_path / "facette.yml").write_text(TWO_READERS, encoding="utf-8")
    (tmp_path / "shops.csv").write_text("shop,city\n1,Nantes\n2,Lyon\n", encoding="utf-8")
    usual = [purchase(n, "site", {"user_id": f"a{n}"}, amount=10 + n % 5, shop=2) for n in range(20)]
    usual += [purchase(n, "site", {"user_id": f"b{n}"}, "contract", price=5_000 + n % 5) for n in range(20, 40)]
    append(tmp_path, usual)
    run(load(tmp_path), Silent(), as_of=NOW)
    with Stream(load(tmp_path), NOW) as stream:
        append(
            tmp_path,
            [
                purchase(50, "site", {"user_id": "ann"}, amount=12, shop=1),
                purchase(51, "site", {"user_id": "bob"}, "contract", price=5_001),
                purchase(52, "site", {"user_id": "eve"}, amount=5_001, shop=1),
            ],
        )
        stream.step(NOW)
        live = {name: len(ids) for name, ids in stream.worker.memberships.members().items()}
    assert live == {"small": 21, "large": 21, "locals": 2}
    for is_full in (False, True):
        run(load(tmp_path), Silent(), as_of=NOW, is_full=is_full)
        found = truth(tmp_path).segments.values()
        assert {name: sum(name in own for own in found) for name in live} == live


def _told(stream: Stream) -> set[tuple[str, int]]:
    """Segment → how many entered it because of events that are named."""
    told = Counter(each.segment for _, each in stream.state.changes(0) if each.change == "entered" and each.events)
    return {*told.items()}
