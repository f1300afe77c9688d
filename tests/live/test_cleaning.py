"""What is cleaned live, mostly without a query, is what a run makes of the same records."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pytest

from facette.definitions.model import Project
from facette.definitions.records import columns_of_objects
from facette.live.cleaning import cleaners
from facette.live.records import raw_tables
from facette.live.seen import Seen
from facette.live.texts import are_instants
from facette.profiles.clean import clean_events, clean_people
from facette.sources.logged import Columns
from facette.sources.record import Record, decode, encode, instant_text
from facette.warehouse.connect import connect

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
PROJECT: dict[str, Any] = {
    "name": "site",
    "time_zone": "Europe/Paris",
    "identifiers": [
        {"name": "user", "blocked": ["Robot 1"]},
        {"name": "mail", "format": "email"},
        {"name": "device"},
    ],
    "sources": [
        {
            "name": "site",
            "kind": "log",
            "people": {
                "only": {"kind": "identify"},
                "identifiers": {"user": "user_id", "mail": "traits.email", "device": "anonymous_id"},
                "known_at": "received_at",
                "fields": {
                    "city": {"column": "traits.address.city", "missing": ["nowhere"], "values": {"gone": "Nantes"}},
                    "born": {"column": "traits.born", "type": "date"},
                    "wants": {"column": "traits.wants", "type": "boolean"},
                    "phone": {"column": "traits.phone", "format": "phone"},
                },
            },
            "events": [
                {
                    "name": "purchase",
                    "only": {"kind": "track", "event": "Order Completed"},
                    "identifiers": {"user": "user_id", "mail": "traits.email"},
                    "at": "at",
                    "known_at": "received_at",
                    "id": ["message_id"],
                    "fields": {
                        "amount": {"column": "properties.amount", "type": "number", "minimum": 0, "required": True},
                        "rate": {
                            "column": "properties.rate",
                            "type": "number",
                            "outliers": {"method": "iqr", "factor": 1.5, "action": "flag"},
                        },
                        "sent": {"column": "properties.sent", "type": "instant"},
                    },
                },
                {
                    "name": "visit",
                    "only": {"kind": "page"},
                    "identifiers": {"device": "anonymous_id"},
                    "at": "at",
                    "known_at": "received_at",
                    "id": ["properties.visit", "properties.page"],
                    "fields": {"page": {"column": "properties.page"}},
                },
            ],
        }
    ],
    "segments": [{"name": "buyers", "rule": "DID purchase"}],
}
FITS = {"site.purchase": {"rate": (1.0, 9.0)}}
TEXTS = (
    "Nantes",
    " Lyon ",
    "Saint-Étienne",
    "E\u0301vry",
    "a\u00a0b",
    "",
    "  ",
    "NOWHERE",
    "Gone",
    "x  y",
    "京都",
    "a|b\\c",
    "\u200b",
)
NUMBERS = (5, 19.99, -3, "12,50", "1 234,5", "1e3", "many", None, "", 12345678901234567890, 0.1, "-0", True, [1])
DATES = ("1990-02-28", "1990-02-30", "1890-01-01", "28/02/1990", "2001-01-01T23:30:00Z", None, " 1990-01-01")
WORDS = (True, False, "oui", "Non", "perhaps", 1, None)
MAILS = ("A@b.fr", "test@test.com", "not one", "éa@bücher.example", " x.y@z.org", None, None)
PHONES = ("06 12 34 56 78", "+33612345678", "12", None)
USERS = ("u1", "U1", "robot 1", "0000", " u2 ", "null", "noreply@x.fr", None, None)


BLANK = {"kind": "track", "event": "Order Completed", "source": "site"}


def records(rng: random.Random, n: int) -> list[bytes]:
    lines = []
    for number in range(n):
        received_at = NOW - timedelta(seconds=rng.uniform(0, 300 * 86_400))
        ahead = rng.choice((0, 0, 0, 0, -5, 40, 90_000))
        kind = rng.choice(("page", "track", "identify"))
        traits: dict[str, Any] = {"email": rng.choice(MAILS), "born": rng.choice(DATES), "wants": rng.choice(WORDS)}
        traits["Phone"] = rng.choice(PHONES)
        traits["address"] = rng.choice(
            ({"City": rng.choice(TEXTS), "zip": 1}, {"city": rng.choice(TEXTS)}, "Brest", None)
        )
        traits["address.city"] = rng.choice((None, "Dole"))
        properties: dict[str, Any] = {"amount": rng.choice(NUMBERS), "rate": rng.choice((2, 5.5, 10, None))}
        properties |= {
            "page": rng.choice(TEXTS),
            "sent": rng.choice(("2026-01-01T10:00:00Z", "2026-01-01 10:00", "soon")),
        }
        properties |= {"visit": f"v{number}" if kind == "page" else None}
        if rng.random() < 0.6:  # plain in all respects
            properties |= {"amount": rng.choice((5, 19.99)), "sent": None}
            traits |= {"born": None, "wants": None}
            ahead = 0
        line = encode(
            Record(
                message_id=rng.choice((f"m{number}", f"m{rng.randrange(n)}", f"m|{number}", f"m\\{number}")),
                kind=kind,  # type: ignore[arg-type]
                event=rng.choice(("Order Completed", "order completed", " ORDER  Completed", "Other")),
                at=instant_text(received_at + timedelta(seconds=ahead)),
                received_at=instant_text(received_at),
                user_id=rng.choice(USERS),
                anonymous_id=rng.choice((f"d{rng.randrange(9)}", None)),
                properties=properties,
                traits=traits,
                protocol="segment",
                source=rng.choice(("site", "site", "site", "other")),
            )
        )
        lines.append(line if rng.random() < 0.98 else b"{no record")
    return lines


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("has_blank_ids", [False, True], ids=["ids", "blank_ids"])
def test_cleaned_live_as_by_a_run(seed: int, has_blank_ids: bool) -> None:
    rng = random.Random(seed)
    project = Project.model_validate(PROJECT)
    (source,) = project.sources
    con = connect()
    settings = {
        key: {
            "identifiers": project.identifiers,
            "lookups": {},
            "zone": project.time_zone,
            "country": project.country,
            "fits": FITS.get(key),
        }
        for key, _ in source.readers()
    }
    made = cleaners(con, [source], settings)
    before: dict[str, pa.Table] = {}
    for _ in range(3):
        lines = records(rng, 150)
        if has_blank_ids:
            lines.append(encode(Record(**{**_fields(lines), "message_id": " ", **BLANK})))
        raw = raw_tables([source], lines, "live").tables["site"]
        assert ("others" in raw.column_names) == has_blank_ids  # all columns, or those that are read
        table = con.create_table("raw_all", _all(source, lines), overwrite=True)
        for cleaner in made:
            found = cleaner.new(raw)
            clean = clean_events if cleaner.is_of_events else clean_people
            existing = before.get(cleaner.name)
            wanted = clean(
                table,
                "site",
                cleaner.reader,
                existing=None if existing is None else ibis.memtable(existing),
                order=["live"],
                **cleaner.settings,
            ).rows.to_pyarrow()
            assert found.schema == wanted.schema
            assert _rows(found) == _rows(wanted)
            before[cleaner.name] = wanted if existing is None else pa.concat_tables([existing, wanted])
    assert all(len(table) > 20 for table in before.values())
    con.disconnect()


def _fields(lines: list[bytes]) -> dict[str, Any]:
    record = next(decode(line) for line in lines if line.startswith(b'{"'))
    return {name: getattr(record, name) for name in record.__struct_fields__}


def _all(source: Any, lines: list[bytes]) -> pa.Table:
    """All columns that the records have, as batch lands them."""
    columns = Columns(columns_of_objects(source))
    rows = []
    for number, line in enumerate(lines, 1):
        try:
            record = decode(line)
        except ValueError:
            continue
        if record.source == source.name:
            rows.append({**columns.row(record), "_landing": "live", "_file": "live", "_row": number})
    table = {name: pa.array([row.get(name) for row in rows], pa.string()) for name in columns.names}
    table |= {name: pa.array([row[name] for row in rows]) for name in ("_landing", "_file", "_row")}
    return pa.table(table)


def _rows(table: pa.Table) -> list[str]:
    return sorted(str(row) for row in table.to_pylist())


def test_texts_seen() -> None:
    seen = Seen()
    assert seen.new(pa.array(["a", "b", "a"])).tolist() == [0, 1]
    assert seen.new(pa.array(["c", "a", "c", "d"])).tolist() == [0, 3]
    assert seen.new(pa.array(["c", "a", "d"])).tolist() == []
    assert len(seen) == 4


def test_texts_seen_that_are_alike_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    def alike(texts: pa.Array, *_: object) -> tuple[np.ndarray, np.ndarray]:
        return np.array([5 if text < "m" else 6 for text in texts.to_pylist()]), np.array(
            [ord(text) for text in texts.to_pylist()]
        )

    monkeypatch.setattr("facette.live.seen._halves", alike)
    seen, known = Seen(), {}
    rng = np.random.default_rng(1)
    for _ in range(20):
        texts = [chr(97 + int(n)) for n in rng.integers(0, 26, 7)]
        there = [text in known for text in texts]
        assert (seen.find(pa.array(texts)) >= 0).tolist() == there
        places = seen.add(pa.array(texts)).tolist()
        assert sorted({*places} - {*known.values()}) == list(range(len(known), len(seen)))
        assert all(known.setdefault(text, place) == place for text, place in zip(texts, places, strict=True))
        assert len(known) == len(seen) == len({*known.values()})


def test_texts_are_hashed_by_all_that_they_are() -> None:
    texts = [
        "",
        "\0",
        "\0\0",
        "a",
        "a\0",
        "aa",
        "aaa",
        "aaaa",
        "aaaab",
        "é",
        *("x" * n for n in (255, 256, 257, 5_000)),
    ]
    texts.append("x" * 4_999 + "y")
    seen = Seen()
    assert seen.new(pa.array(texts)).tolist() == list(range(len(texts)))
    assert seen.add(pa.array(texts)).tolist() == list(range(len(texts)))
    assert seen.find(pa.array(texts[::-1], pa.large_string())).tolist() == list(range(len(texts)))[::-1]
    assert seen.find(pa.array(texts), kind=1).tolist() == [-1] * len(texts)
    for text in texts:  # alone as among others, from wherever it lies
        assert seen.find(pa.array(["other", text]).slice(1)).tolist() == [texts.index(text)]
    assert not len(seen.find(pa.array([], pa.string())))


RIGHT = "2026-11-20T12:00:00.000001Z"
NOT_ALIKE = [
    RIGHT.replace("T", " "),
    RIGHT.replace("2026", "1972"),
    RIGHT.replace("2026", "2040"),
    RIGHT.replace("01Z", "1Z"),
    RIGHT.replace("20T", "é0"),
    *(f"{character}{RIGHT[1:]}" for character in "/:"),
    "",
    None,
]


@pytest.mark.parametrize("other", NOT_ALIKE)
def test_instants_are_seen_at_a_glance(other: str | None) -> None:
    assert are_instants(pa.array(["x", RIGHT, RIGHT]).slice(1))
    assert not are_instants(pa.array([RIGHT, other], pa.string()))
