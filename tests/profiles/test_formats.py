"""Reading single values, compared with naive readings in plain Python."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import email_validator
import ibis.expr.types as ir
import phonenumbers
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from facette.profiles import formats
from facette.warehouse.connect import connect

CON = connect()
PARIS = "Europe/Paris"


def read(
    expression: Callable[[ir.Value], ir.Value], values: Sequence[Any], kind: pa.DataType | None = None
) -> list[Any]:
    """What an expression makes of values, in their order."""
    table = pa.table({"i": range(len(values)), "x": pa.array(values, kind or pa.string())})
    stored = CON.create_table("values_of_test", table, temp=True, overwrite=True)
    return stored.select("i", v=expression(stored.x)).order_by("i").to_pyarrow()["v"].to_pylist()


def texts(alphabet: str, *more: str) -> st.SearchStrategy[list[str]]:
    return st.lists(st.text(alphabet, max_size=10) | st.sampled_from(more), min_size=1, max_size=60)


def through_tidy(expression: Callable[[ir.Value], ir.Value]) -> Callable[[ir.Value], ir.Value]:
    return lambda column: expression(formats.tidy(column))


# ── text ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def naive_tidy(text: str) -> str | None:
    is_space = [
        c <= " " or "\x7f" <= c <= "\xa0" or c in "\u200b\ufeff" or unicodedata.category(c)[0] == "Z" for c in text
    ]
    spaced = "".join(" " if space else c for c, space in zip(text, is_space, strict=True))
    composed = unicodedata.normalize("NFC", spaced)
    return " ".join(part for part in composed.split(" ") if part) or None


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8), min_size=1, max_size=60))
@settings(max_examples=60, deadline=None)
def test_tidy_text(values: list[str]) -> None:
    assert read(formats.tidy, values) == [naive_tidy(value) for value in values]


@given(texts("ae\u0301 \t\n\xa0\u202f\u3000\u200b\ufeffé", "", " a  b "))
@settings(max_examples=60, deadline=None)
def test_tidy_spaces_and_accents(values: list[str]) -> None:
    assert read(formats.tidy, values) == [naive_tidy(value) for value in values]


@pytest.mark.parametrize(
    ("kind", "values", "found"),
    [
        (
            pa.float64(),
            [12.0, 1.5, math.nan, math.inf, 1e300, None, -0.0],
            ["12", "1.5", None, None, "1e+300", None, "0"],
        ),
        (pa.int64(), [12, None], ["12", None]),
        (pa.bool_(), [True], ["true"]),
        (pa.date32(), [date(2026, 1, 2)], ["2026-01-02"]),
    ],
)
def test_native_columns_as_text(kind: pa.DataType, values: list[Any], found: list[str | None]) -> None:
    assert read(formats.text_of, values, kind) == found


# ── numbers and booleans ────────────────────────────────────────────────────────────────────────────────────────────


def naive_number(text: str) -> float | None:
    body = (
        (naive_tidy(text) or "").removeprefix("-") if (naive_tidy(text) or "")[:1] == "-" else (naive_tidy(text) or "")
    )
    is_negative = (naive_tidy(text) or "")[:1] == "-"
    body = body[1:] if body[:1] == "+" and not is_negative else body
    if " " in body or "," in body:
        if body.count(",") + body.count(".") > 1:
            return None
        whole, _, decimals = body.replace(",", ".").partition(".")
        if ("," in body or "." in body) and not (decimals.isascii() and decimals.isdigit()):
            return None
        head, *groups = whole.split(" ")
        if groups and (len(head) > 3 or any(len(group) != 3 for group in groups)):
            return None
        body = "".join([head, *groups]) + (f".{decimals}" if decimals else "")
        if not all(part.isdigit() for part in [head, *groups]):
            return None
    if not set(body) <= set("0123456789.eE+-") or body[:1] in "+-":
        return None
    try:
        number = float(body)
    except ValueError:
        return None
    return None if math.isinf(number) else -number if is_negative else number


@given(
    texts("0123456789 ,.-+e_", "1 234,56", "1234,5", "12 345 678", "1_0", "inf", "nan", "1e400", "1\u202f234,5", "٣")
)
@settings(max_examples=60, deadline=None)
def test_numbers(values: list[str]) -> None:
    assert read(through_tidy(formats.number), values) == [naive_number(value) for value in values]


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=60))
@settings(max_examples=30, deadline=None)
def test_numbers_as_python_and_french_people_write_them(values: list[float]) -> None:
    assert read(through_tidy(formats.number), [repr(value) for value in values]) == values
    rounded = [round(value % 1e9, 2) for value in values]
    french = [f"{value:,.2f}".replace(",", "\u202f").replace(".", ",") for value in rounded]
    assert read(through_tidy(formats.number), french) == rounded


def test_booleans() -> None:
    words = ["Oui", "NON", "yes", "no", "vrai", "FAUX", "True", "false", "1", "0", "2", "y", " oui ", ""]
    found = [True, False, True, False, True, False, True, False, True, False, None, None, True, None]
    assert read(through_tidy(formats.boolean), words) == found


# ── dates and instants ──────────────────────────────────────────────────────────────────────────────────────────────


def naive_instant(text: str, zone: str) -> datetime | None:
    """Python's own ISO reader, after a check of the shape: it takes offsets of sixty minutes and more.

    For the folds see tests/warehouse/test_connect.py.
    """
    shape = r"[12]\d{3}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?( ?(Z|[+-]\d\d(:?[0-5]\d)?))?)?"
    if not re.fullmatch(shape, text):
        return None
    try:
        found = datetime.fromisoformat(re.sub(r" (?=[Z+-])|(?<=\.\d{6})\d+", "", text))
    except ValueError:
        return None
    if found.tzinfo:
        return found.astimezone(UTC)
    first, second = (found.replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC) for fold in (0, 1))
    return first if first.astimezone(ZoneInfo(zone)).replace(tzinfo=None) != found else second


@st.composite
def instants(draw: st.DrawFn) -> str:
    wall = draw(st.datetimes(datetime(1971, 1, 1), datetime(2036, 12, 31)))
    if draw(st.booleans()):  # near the changes of clocks
        wall = draw(st.sampled_from([datetime(2026, 3, 29), datetime(2026, 10, 25)])) + timedelta(
            minutes=draw(st.integers(0, 240))
        )
    text = draw(st.sampled_from([wall.isoformat(), wall.isoformat(" "), f"{wall:%Y-%m-%d %H:%M}", f"{wall:%Y-%m-%d}"]))
    offset = draw(st.sampled_from(["", "", "Z", "+02:00", "-0530", "+14", " +01:00"]))
    text = text + offset if ":" in text else text
    if draw(st.integers(0, 5)) == 0:
        place = draw(st.integers(0, len(text)))
        text = text[:place] + draw(st.sampled_from("0139-:TZ +")) + text[place + 1 :]
    return text


@given(st.lists(instants(), min_size=1, max_size=60), st.sampled_from([PARIS, "America/New_York", "Asia/Kathmandu"]))
@example(["2000-01-01T00:00:00.0-0260", "2000-01-01T00:00+02:59"], PARIS)
@settings(max_examples=60, deadline=None)
def test_instants(values: list[str], zone: str) -> None:
    expected = [naive_instant(value, zone) for value in values]
    assert read(lambda column: formats.instant(column, zone), values) == expected


@given(st.lists(instants(), min_size=1, max_size=60))
@settings(max_examples=30, deadline=None)
def test_days(values: list[str]) -> None:
    expected = []
    for value in values:
        found = naive_instant(value, PARIS)
        has_offset = found and datetime.fromisoformat(re.sub(r" (?=[Z+-])", "", value)).tzinfo
        expected.append(
            found.astimezone(ZoneInfo(PARIS)).date() if has_offset else found and date.fromisoformat(value[:10])
        )
    assert read(lambda column: formats.day(column, PARIS), values) == expected


def test_patterns() -> None:
    values = ["05/01/2026", "5/1/2026", "31/02/2026", "5/1/26", "x"]
    days = [date(2026, 1, 5), date(2026, 1, 5), None, None, None]
    assert read(lambda column: formats.day(column, PARIS, "%d/%m/%Y"), values) == days
    found = read(lambda column: formats.instant(column, PARIS, "%d/%m/%Y %H:%M"), ["01/07/2026 10:00", "1/7/2026"])
    assert found == [datetime(2026, 7, 1, 8, tzinfo=UTC), None]
    found = read(lambda column: formats.instant(column, PARIS, "%Y%m%dT%H%M%S%z"), ["20260701T100000+0500"])
    assert found == [datetime(2026, 7, 1, 5, tzinfo=UTC)]


def test_native_dates_and_instants() -> None:
    wall, day = datetime(2026, 7, 1, 23, 30), date(2026, 7, 1)
    for kind in (pa.timestamp("ns"), pa.timestamp("us"), pa.timestamp("s")):
        assert read(lambda column: formats.instant(column, PARIS), [wall, None], kind) == [
            wall.replace(tzinfo=UTC),
            None,
        ]
        assert read(lambda column: formats.day(column, PARIS), [wall], kind) == [day]
    zoned = pa.timestamp("us", "UTC")
    assert read(lambda column: formats.day(column, PARIS), [wall.replace(tzinfo=UTC)], zoned) == [date(2026, 7, 2)]
    at_midnight = datetime(2026, 6, 30, 22, tzinfo=UTC)
    assert read(lambda column: formats.instant(column, PARIS), [day], pa.date32()) == [at_midnight]


# ── e-mail addresses and phone numbers ──────────────────────────────────────────────────────────────────────────────


@given(st.text("az09_+-.", max_size=12), st.lists(st.text("az09-", max_size=8), max_size=3), st.text("az", max_size=9))
@settings(max_examples=500, deadline=None)
def test_plain_addresses_are_those_that_the_validator_takes(local: str, domain: list[str], top: str) -> None:
    text = f"{local}@{'.'.join([*domain, top])}"
    if not formats.PLAIN_EMAIL.fullmatch(text):
        return
    found = email_validator.validate_email(text, check_deliverability=False, globally_deliverable=False)
    assert formats.email(text) == found.normalized


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Ann.Lee+x@Shop.FR", "ann.lee+x@shop.fr"),
        ("hélène@Müller.de", "hélène@müller.de"),
        ("ann@shop.test", "ann@shop.test"),
        ("ann@localhost", None),
        ("ann@@shop.fr", None),
        ("ann..lee@shop.fr", None),
        ("ann lee@shop.fr", None),
        ("ann@shop.fr.", None),
        ("", None),
    ],
)
def test_addresses(text: str, found: str | None) -> None:
    assert formats.email(text) == found


@pytest.mark.parametrize(
    ("text", "country", "found"),
    [
        ("06 12 34 56 78", "FR", "+33612345678"),
        ("06.12.34.56.78", "FR", "+33612345678"),
        ("+33 (0)6 12 34 56 78", "US", "+33612345678"),
        ("0033 6 12 34 56 78", "FR", "+33612345678"),
        ("(202) 555-0123", "US", "+12025550123"),
        ("06 12 34 56", "FR", None),
        ("0000000000", "FR", None),
        ("+33 1 11 11 11 11", "FR", None),
        ("hello", "FR", None),
    ],
)
def test_phones(text: str, country: str, found: str | None) -> None:
    assert formats.phone_in(country)(text) == found


@given(st.integers(600000000, 799999999), st.sampled_from(["0{}", "+33{}", "0033{}", "+33 (0){}", "0{} "]))
@settings(max_examples=100, deadline=None)
def test_one_number_has_one_form(number: int, form: str) -> None:
    found = formats.phone_in("FR")(form.format(number))
    is_valid = phonenumbers.is_valid_number(phonenumbers.PhoneNumber(33, number)) and len(set(str(number))) > 1
    assert found == (f"+33{number}" if is_valid else None)
