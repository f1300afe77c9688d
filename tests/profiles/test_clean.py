"""Cleaning people and events: no row is lost, and the rows are those that a naive reading gives."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pytest

from facette.definitions.model import Events, Identifier, Lookup, Outliers, People, SourceField
from facette.errors import SourceError
from facette.profiles import formats
from facette.profiles.accounting import QUALITY
from facette.profiles.clean import Cleaned, clean_events, clean_people
from facette.profiles.values import LookupTable
from facette.sources.source import REFUSED
from facette.warehouse.connect import connect

CON = connect()
KINDS = (Identifier(name="email", format="email"), Identifier(name="phone", format="phone"), Identifier(name="card"))
PARIS = ZoneInfo("Europe/Paris")


def raw(rows: Sequence[Mapping[str, Any]], schema: Mapping[str, pa.DataType] | None = None) -> ir.Table:
    """Rows as they are landed: text unless a type is given; two landings of a row each in turn."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    kinds = {name: (schema or {}).get(name, pa.string()) for name in names}
    columns = {name: pa.array([row.get(name) for row in rows], kind) for name, kind in kinds.items()}
    columns["_landing"] = pa.array([f"landing-{i % 2}" for i in range(len(rows))])
    columns["_file"] = pa.array([f"file-{i % 2}" for i in range(len(rows))])
    columns["_row"] = pa.array(range(1, len(rows) + 1), pa.int64())
    return CON.create_table(ibis.util.gen_name("raw"), pa.table(columns), temp=True)


def people(rows: Sequence[Mapping[str, Any]], people: People, **more: Any) -> Cleaned:
    settings = {"lookups": {}, "zone": "Europe/Paris", "country": "FR", **more}
    return clean_people(raw(rows, more.pop("schema", None)), "crm", people, KINDS, **settings)


def events(rows: Sequence[Mapping[str, Any]], events: Events, **more: Any) -> Cleaned:
    schema = more.pop("schema", None)
    settings = {"lookups": {}, "zone": "Europe/Paris", "country": "FR", **more}
    return clean_events(raw(rows, schema), "pos", events, KINDS, **settings)


def listed(table: ir.Table, *columns: str) -> list[Any]:
    rows = table.to_pyarrow().to_pylist()
    return [row[columns[0]] if len(columns) == 1 else tuple(row[name] for name in columns) for row in rows]


def step(cleaned: Cleaned, name: str) -> tuple[int, ...]:
    """rows in, rows out, changed, refused of a step, over all landings."""
    lines = [row for row in cleaned.account.quality.to_pylist() if row["step"] == name]
    return tuple(sum(line[each] for line in lines) for each in ("rows_in", "rows_out", "changed", "refused"))


# ── no row is lost ──────────────────────────────────────────────────────────────────────────────────────────────────

PURCHASE = Events(
    name="purchase",
    identifiers={"card": "card", "email": "mail"},
    at="at",
    known_at="received",
    id=("ticket", "line"),
    only={"kind": "Sale"},
    fields={
        "amount": SourceField(type="number", minimum=0, maximum=1000, required=True),
        "is_online": SourceField(column="online", type="boolean"),
        "shop": SourceField(missing=("?",), values={"lyon 2": "Lyon"}),
    },
)
CHOICES = {
    "kind": ["sale", " SALE ", "sale", "sale", "return", None],
    "card": ["1", "2", " 3", "NULL", "0000", "", None, "n/a"],
    "mail": ["ann@shop.fr", "ANN@shop.fr", "bad", "test@test.com", "", None],
    "at": ["2026-03-29 02:30", "2026-10-25T02:30:00", "2026-01-05T10:00:00+02:00", "2026-01-05", "yesterday", "", None],
    "received": ["2026-01-05 09:00", "2026-01-05T10:00Z", "2025-12-01", "", "x", None],
    "ticket": ["a", "b", "c", "a|", "", None],
    "line": ["1", "2", "|1", "", None],
    "amount": ["1 234,56", "12,5", "12.50", "-3", "much", "", None, "7"],
    "online": ["oui", "0", "maybe", None],
    "shop": ["Lyon  2", "?", "Paris\u00a0", "Lyon", None],
}


def naive_purchases(rows: Sequence[Mapping[str, str | None]]) -> tuple[list[tuple[Any, ...]], Counter[str]]:
    """Purchases by loops and plain Python: (id, card, mail, at, amount, is_online, shop), and what became of rows."""
    numbers = {"1 234,56": None, "12,5": 12.5, "12.50": 12.5, "7": 7.0}  # 1234.56 is absurd, -3 too
    truth = {"oui": True, "0": False}
    shops = {"Lyon  2": "Lyon", "Paris\u00a0": "Paris", "Lyon": "Lyon"}
    found, fates, seen = [], Counter[str](), set()
    order = sorted(range(len(rows)), key=lambda i: (i % 2, i))  # landing, then row
    for i in order:
        row = {name: value or "" for name, value in rows[i].items()}
        card = row["card"].strip() if row["card"].strip() in ("1", "2", "3") else None
        mail = "ann@shop.fr" if row["mail"].lower() == "ann@shop.fr" else None
        at, received = naive_instant(row["at"]), naive_instant(row["received"])
        amount = numbers.get(row["amount"])
        if row["kind"].strip().lower() != "sale":
            fates["other"] += 1
        elif at is None or (received and at > received + timedelta(days=1)) or not (card or mail) or amount is None:
            fates["refused"] += 1
        else:
            at = min(at, received) if received else at
            parts = (row["ticket"], row["line"])
            key = parts if any(parts) else tuple(sorted((name, value) for name, value in row.items() if value))
            if key in seen:
                fates["duplicate"] += 1
                continue
            seen.add(key)
            fates["kept"] += 1
            event_id = "pos:" + "|".join(part.replace("|", r"\|") for part in parts) if any(parts) else None
            found.append((event_id, card, mail, at, amount, truth.get(row["online"]), shops.get(row["shop"])))
    return found, fates


def naive_instant(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    if found.tzinfo:
        return found.astimezone(UTC)
    return found.replace(tzinfo=PARIS, fold=int(text == "2026-10-25T02:30:00")).astimezone(UTC)


@pytest.mark.parametrize("seed", range(8))
def test_events_are_those_of_a_naive_reading_and_none_is_lost(seed: int) -> None:
    draw = random.Random(seed)
    rows = [{name: draw.choice(values) for name, values in CHOICES.items()} for _ in range(600)]
    cleaned = events(rows, PURCHASE)
    expected, fates = naive_purchases(rows)
    columns = ("event_id", "id_card", "id_email", "at", "amount", "is_online", "shop")
    found = [(row[0] if row[0].startswith("pos:") else None, *row[1:]) for row in listed(cleaned.rows, *columns)]
    assert Counter(found) == Counter(expected)
    assert len(set(listed(cleaned.rows, "event_id"))) == len(found)

    refused_rows = [
        row for row in listed(cleaned.account.refused, "landing", "row", "reason") if row[2].startswith("row refused")
    ]
    assert len(refused_rows) == len(set(refused_rows)) == fates["refused"]
    n_sales = len(rows) - fates["other"]
    assert step(cleaned, "only") == (len(rows), n_sales, 0, 0)
    assert step(cleaned, "refused") == (n_sales, n_sales - fates["refused"], 0, fates["refused"])
    assert step(cleaned, "duplicates") == (n_sales - fates["refused"], fates["kept"], 0, 0)
    assert fates.total() == len(rows)
    cleaned.drop()


@pytest.mark.parametrize("seed", range(4))
def test_no_person_is_lost(seed: int) -> None:
    draw = random.Random(seed)
    rows = [{name: draw.choice(CHOICES[name]) for name in ("card", "mail", "amount", "shop")} for _ in range(300)]
    declared = People(
        identifiers={"card": "card", "email": "mail"},
        fields={"amount": SourceField(type="number"), "shop": SourceField(required=True)},
    )
    cleaned = people(rows, declared)
    kept = listed(cleaned.rows, "id_card", "id_email", "amount", "shop", "known_at")
    records = listed(cleaned.rows, "record")
    assert len(kept) == len(set(kept)) == len(set(records))
    refused = {
        row[:2]
        for row in listed(cleaned.account.refused, "landing", "row", "reason")
        if row[2].startswith("row refused")
    }
    rows_in, rows_out, _, n_refused = step(cleaned, "refused")
    into, out, _, _ = step(cleaned, "duplicates")
    assert (rows_in, rows_out, n_refused, into, out) == (300, into, len(refused), 300 - len(refused), len(kept))


def test_rows_that_describe_somebody_else_are_nobodys_business() -> None:
    rows = [{"kind": "identify", "card": "1"}, {"kind": "track", "card": "2"}, {"kind": None, "card": "3"}]
    cleaned = people(rows, People(identifiers={"card": "card"}, only={"kind": "Identify"}))
    assert listed(cleaned.rows, "id_card") == ["1"]
    assert step(cleaned, "only") == (3, 1, 0, 0)
    assert step(cleaned, "refused") == (1, 1, 0, 0)


# ── rows ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_shapes() -> None:
    cleaned = events(
        [{"card": "1", "at": "2026-07-05 23:30"}, {"card": "1", "at": "yesterday"}],
        Events(name="visit", identifiers={"card": "card"}, at="at"),
    )
    assert cleaned.account.refused is not None
    assert cleaned.account.refused.to_pyarrow().schema == REFUSED
    assert cleaned.account.quality.schema == QUALITY
    [row] = cleaned.rows.to_pyarrow().to_pylist()
    assert len(row.pop("event_id")) == 32
    at = datetime(2026, 7, 5, 21, 30, tzinfo=UTC)
    day = datetime(2026, 7, 5).date()
    assert row == {"id_card": "1", "at": at, "known_at": at, "day": day, "hour": 23, "weekday": 7, "source": "pos"}
    kinds = {name: str(kind) for name, kind in cleaned.rows.schema().items()}
    assert kinds["at"].startswith("timestamp('UTC'")
    assert (kinds["day"], kinds["hour"], kinds["weekday"]) == ("date", "int8", "int8")
    cleaned.drop()
    with pytest.raises(duckdb.CatalogException):
        cleaned.rows.to_pyarrow()


def test_no_rows_at_all() -> None:
    empty = raw([{"card": "1", "at": "x", "n": "1"}]).limit(0)
    declared = Events(
        name="visit",
        identifiers={"card": "card"},
        at="at",
        fields={"n": SourceField(type="number", outliers=Outliers(method="iqr", factor=1.5))},
    )
    stored = CON.create_table(ibis.util.gen_name("empty"), empty, temp=True)
    cleaned = clean_events(stored, "pos", declared, KINDS, lookups={}, zone="UTC", country="FR")
    assert cleaned.rows.count().to_pyarrow().as_py() == 0
    assert (cleaned.account.refused, cleaned.account.quality.num_rows) == (None, 0)
    assert cleaned.fits == {}


def test_events_known_before_are_not_taken_twice() -> None:
    declared = Events(name="visit", identifiers={"card": "card"}, at="at", id=("n",))
    rows = [{"card": "1", "at": "2026-01-01", "n": str(i)} for i in range(4)]
    existing = CON.create_table(ibis.util.gen_name("known"), pa.table({"event_id": ["pos:1", "pos:3"]}), temp=True)
    cleaned = events(rows, declared, existing=existing)
    assert sorted(listed(cleaned.rows, "event_id")) == ["pos:0", "pos:2"]
    assert step(cleaned, "duplicates") == (4, 2, 0, 0)


def test_an_event_keeps_its_id_when_a_column_is_added_to_the_source() -> None:
    declared = Events(name="visit", identifiers={"card": "card"}, at="at")
    row = {"card": "1", "at": "2026-01-01"}
    [before] = listed(events([row], declared).rows, "event_id")
    [after] = listed(events([{"card": "1", "new": None, "at": "2026-01-01"}], declared).rows, "event_id")
    [other] = listed(events([{"card": "1", "new": "x", "at": "2026-01-01"}], declared).rows, "event_id")
    assert before == after != other


def test_a_source_column_may_have_any_name() -> None:
    declared = Events(
        name="visit",
        identifiers={"card": "event_id"},
        at="known_at",
        id=("record",),
        fields={"reason": SourceField(), "value": SourceField(column="row", type="number")},
    )
    row = {
        "event_id": "7",
        "known_at": "2026-01-01",
        "record": "r",
        "reason": "why",
        "row": "x",
        "column": "c",
        "raw": "z",
    }
    cleaned = events([row], declared)
    assert listed(cleaned.rows, "event_id", "id_card", "reason", "value") == [("pos:r", "7", "why", None)]
    [refused] = cleaned.account.refused.to_pyarrow().to_pylist()
    assert (refused["column"], refused["value"], refused["reason"]) == ("row", "x", "value unknown: not a number")
    assert json.loads(refused["raw"]) == row


def test_the_clock_rule() -> None:
    declared = Events(name="visit", identifiers={"card": "card"}, at="at", known_at="received")
    receipts = ["2026-01-02T00:00Z", "2026-01-01T00:00Z", "2025-12-31T23:59:59Z", None, "2027-01-01"]
    rows = [{"card": f"c{i}", "at": "2026-01-02T00:00Z", "received": receipt} for i, receipt in enumerate(receipts)]
    cleaned = events(rows, declared)
    at = datetime(2026, 1, 2, tzinfo=UTC)
    assert sorted(listed(cleaned.rows, "id_card", "at", "known_at")) == [
        ("c0", at, at),
        ("c1", at - timedelta(days=1), at - timedelta(days=1)),  # ahead by 24 hours: the receipt stands
        ("c3", at, at),
        ("c4", at, datetime(2026, 12, 31, 23, tzinfo=UTC)),
    ]
    reasons = dict(listed(cleaned.account.refused, "row", "reason"))
    assert reasons[3] == "row refused: happened more than a day after it was received"
    assert reasons[2].startswith("clock corrected")
    assert step(cleaned, "clock") == (5, 5, 1, 0)


def test_people_known_at() -> None:
    declared = People(identifiers={"card": "card"}, known_at="seen")
    cleaned = people(
        [{"card": "1", "seen": "2026-01-01"}, {"card": "2", "seen": ""}, {"card": "3", "seen": "x"}], declared
    )
    assert sorted(listed(cleaned.rows, "id_card", "known_at")) == [
        ("1", datetime(2025, 12, 31, 23, tzinfo=UTC)),
        ("2", None),
    ]
    assert listed(cleaned.account.refused, "column", "value") == [("seen", "x")]


# ── values ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_identifiers_are_uniform_and_those_of_nobody_are_unknown() -> None:
    kinds = (*KINDS[:2], Identifier(name="card", blocked=("Demo",)))
    rows = [
        {"card": " 12  3 ", "mail": "Ann@Shop.fr", "tel": "06 12 34 56 78"},
        {"card": "DEMO", "mail": "noreply@shop.fr", "tel": "0000000000"},
        {"card": "000", "mail": "TEST@test.com", "tel": "+33 6 12 34 56 78"},
        {"card": "Inconnu", "mail": "not an address", "tel": None},
    ]
    declared = People(identifiers={"card": "card", "email": "mail", "phone": "tel"})
    cleaned = clean_people(raw(rows), "crm", declared, kinds, lookups={}, zone="UTC", country="FR")
    assert sorted(listed(cleaned.rows, "id_card", "id_email", "id_phone"), key=str) == [
        ("12 3", "ann@shop.fr", "+33612345678"),
        (None, None, "+33612345678"),
    ]
    assert step(cleaned, "blocked id_card")[2] == 3
    assert step(cleaned, "blocked id_email")[2] == 2
    assert step(cleaned, "type id_email")[3] == 1
    assert sorted(listed(cleaned.account.refused, "row", "reason")) == [
        (2, "row refused: no identifier"),
        (4, "row refused: no identifier"),
    ]


@pytest.mark.parametrize("value", sorted(formats.BLOCKED))
def test_blocked_values_are_written_as_they_are_compared(value: str) -> None:
    assert value == value.lower().strip()


def test_native_columns_need_no_reading() -> None:
    rows = [{"card": 12.0, "at": datetime(2026, 7, 1, 10), "n": float("nan"), "is_new": True, "text": 3.0}]
    schema = {
        "card": pa.float64(),
        "at": pa.timestamp("ns"),
        "n": pa.float64(),
        "is_new": pa.bool_(),
        "text": pa.float64(),
    }
    fields = {"n": SourceField(type="number"), "is_new": SourceField(type="boolean"), "text": SourceField()}
    cleaned = events(rows, Events(name="visit", identifiers={"card": "card"}, at="at", fields=fields), schema=schema)
    found = listed(cleaned.rows, "id_card", "at", "n", "is_new", "text")
    assert found == [("12", datetime(2026, 7, 1, 10, tzinfo=UTC), None, True, "3")]


@pytest.mark.parametrize("action", ["flag", "clip", "drop"])
@pytest.mark.parametrize(("method", "factor"), [("iqr", 1.5), ("zscore", 1)])
def test_outliers(action: str, method: str, factor: float) -> None:
    values = [float(value) for value in (*range(1, 100), 1000)]
    if method == "zscore":
        first = values[::2]  # the first landing has every second row
        mean = sum(first) / len(first)
        deviation = (sum((value - mean) ** 2 for value in first) / (len(first) - 1)) ** 0.5
        low, high = mean - factor * deviation, mean + factor * deviation
    else:  # quartiles of 1, 3 … 99 lie at places 12.25 and 36.75
        low, high = 25.5 - 1.5 * 49, 74.5 + 1.5 * 49
    field = SourceField(type="number", outliers=Outliers(method=method, factor=factor, action=action))
    declared = People(identifiers={"card": "card"}, fields={"n": field})
    cleaned = people([{"card": f"c{value}", "n": str(value)} for value in values], declared)
    assert cleaned.fits["n"] == pytest.approx((low, high))
    found = sorted(listed(cleaned.rows, "id_card", "n"), key=lambda row: float(row[0][1:]))
    expected = {
        "flag": values,
        "clip": [max(low, min(value, high)) for value in values],
        "drop": [value if low <= value <= high else None for value in values],
    }[action]
    assert [row[1] for row in found] == pytest.approx(expected)
    flags = dict(listed(cleaned.rows, "id_card", "n_is_outlier")) if action == "flag" else {"c1000.0": True}
    assert flags["c1000.0"] is True
    assert ("n_is_outlier" in cleaned.rows.columns) is (action == "flag")
    assert step(cleaned, "outlier n")[2] == sum(not low <= value <= high for value in values)
    later = people([{"card": "x", "n": "149"}, {"card": "y", "n": "400"}], declared, fits=cleaned.fits)
    assert later.fits == cleaned.fits  # not fitted anew


def test_nothing_is_an_outlier_where_most_values_are_equal() -> None:
    field = SourceField(type="number", outliers=Outliers(method="iqr", factor=1.5, action="drop"))
    rows = [{"card": str(i), "n": "5" if i == 9 else "1"} for i in range(10)]
    cleaned = people(rows, People(identifiers={"card": "card"}, fields={"n": field}))
    assert (cleaned.fits, step(cleaned, "outlier n")[2]) == ({}, 0)


def test_absurd_values_are_unknown_before_outliers_are_fitted() -> None:
    field = SourceField(type="number", minimum=0, maximum=120, outliers=Outliers(method="zscore", factor=3))
    rows = [{"card": f"c{i}", "n": text} for i, text in enumerate(["10", "-1", "20", "999", "", ""])]
    cleaned = people(rows, People(identifiers={"card": "card"}, fields={"n": field}))
    assert Counter(listed(cleaned.rows, "n")) == Counter([10.0, 20.0, None, None, None, None])
    assert step(cleaned, "range n")[2] == 2
    assert cleaned.fits["n"] == pytest.approx((15 - 3 * 50**0.5, 15 + 3 * 50**0.5))


# ── lookups ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_lookups() -> None:
    products = raw(
        [
            {"sku": " A ", "category": "Bio ", "card": "of the table", "shop": "s1"},
            {"sku": "A", "category": "second", "shop": "s2"},
            {"sku": None, "category": "nothing"},
        ]
    )
    shops = raw([{"shop": "s1", "town": "Lyon"}])
    declared = Events(
        name="visit",
        identifiers={"card": "card"},
        at="at",
        fields={"category": SourceField(), "town": SourceField()},
        lookups=(Lookup(source="products", on="item"), Lookup(source="shops", on="shop")),
    )
    rows = [{"card": f"c{i}", "at": "2026-01-01", "item": item} for i, item in enumerate(["A", "a", None])]
    tables = {"products": LookupTable(products, "sku"), "shops": LookupTable(shops, "shop")}
    cleaned = events(rows, declared, lookups=tables)
    found = sorted(listed(cleaned.rows, "id_card", "category", "town"))
    assert found == [("c0", "Bio", "Lyon"), ("c1", None, None), ("c2", None, None)]
    assert step(cleaned, "lookup products") == (3, 3, 1, 0)


# ── mistakes in the definitions ─────────────────────────────────────────────────────────────────────────────────────


def test_a_missing_column_is_told_with_the_nearest() -> None:
    declared = Events(name="visit", identifiers={"card": "carte"}, at="at")
    with pytest.raises(SourceError, match=r"Source pos has no column 'carte'\.\n.*Did you mean card"):
        events([{"card": "1", "at": "2026-01-01"}], declared)


def test_a_pattern_that_makes_no_sense() -> None:
    declared = Events(name="visit", identifiers={"card": "card"}, at="at", at_format="%Q")
    with pytest.raises(SourceError, match="the format '%Q' makes no sense"):
        events([{"card": "1", "at": "2026-01-01"}], declared)
