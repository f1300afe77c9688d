"""The record of the log: what is written is what is read, and what is no record is said to be none."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from facette.sources.record import Record, decode, encode, instant_text

AT = instant_text(datetime(2026, 11, 22, 8, 30, tzinfo=timezone(timedelta(hours=1))))


def test_what_is_written_is_what_is_read() -> None:
    properties = {"revenue": 12.5, "items": [{"id": 10**30}], "note": "é\n\x1e"}
    record = Record(
        message_id="m1", kind="track", event="order", at=AT, received_at=AT, user_id="ann", anonymous_id="a-1",
        previous_id="a-0", group_id="g", properties=properties, traits={"age": None}, context={"ip": "::1"},
        protocol="segment", source="shop",
    )  # fmt: skip
    line = encode(record)
    assert b"\n" not in line
    assert decode(line) == record


def test_an_instant_in_utc_with_microseconds() -> None:
    assert AT == "2026-11-22T07:30:00.000000Z"


def test_what_is_left_out_is_null_or_empty() -> None:
    line = f'{{"message_id":"m","kind":"identify","at":"{AT}","received_at":"{AT}","protocol":"ga4","source":"s"}}'
    record = decode(line.encode())
    assert (record.event, record.user_id, record.traits) == (None, None, {})


@pytest.mark.parametrize(
    "line", [b"", b"{", b"[]", b'"\xff"', b'{"message_id": "m"}', b'{"kind": "buy"}', b'{"x": 1}', b"[" * 100_000]
)
def test_what_is_no_record(line: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(line)


def test_what_cannot_be_written() -> None:
    record = Record(
        message_id="m", kind="page", at=AT, received_at=AT, protocol="segment", source="s", properties={"x": "\ud800"}
    )
    with pytest.raises(ValueError, match="surrogates not allowed"):
        encode(record)
    endless: dict[str, object] = {}
    endless["x"] = endless
    with pytest.raises(ValueError, match="too deep"):
        encode(Record(message_id="m", kind="page", at=AT, received_at=AT, protocol="s", source="s", traits=endless))
