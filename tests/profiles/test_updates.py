"""What records that change traits come to: against a plain twin, in any order, and the same by runs and live."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import ibis
import msgspec
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.live.projects import NOW as NOON
from tests.live.projects import append
from tests.run.projects import Silent, rows

from facette.clock import Moment
from facette.definitions import model
from facette.definitions.project import load
from facette.profiles.golden import golden_record
from facette.run import run
from facette.sources.formats import mixpanel
from facette.sources.formats.request import Request
from facette.sources.record import encode
from facette.stream import Stream

START = datetime(2026, 1, 1, tzinfo=UTC)
NOW = Moment(START + timedelta(days=3))
KINDS = (model.Identifier(name="card"),)
SOURCES = ("crm", "app")
OWNERS = pa.table(
    {
        "kind": ["card", "card"],
        "value": ["a", "b"],  # one person by two identifiers
        "profile_id": [1, 1],
        "known_from": pa.nulls(2, pa.timestamp("us", "UTC")),
    }
)
TYPES = {
    **{"record": pa.string(), "id_card": pa.string(), "_update": pa.string(), "_unset": pa.string()},
    **{"city": pa.string(), "points": pa.float64(), "known_at": pa.timestamp("us", "UTC")},
}
Row = dict[str, Any]


def survived(records: dict[str, list[Row]], rule: str) -> Row:
    project = model.Project(
        name="shop",
        identifiers=KINDS,
        sources=tuple(model.FileSource(name=name, path="any.csv") for name in SOURCES),
        survivorship=rule,  # type: ignore[arg-type]
    )
    tables = {
        source: ibis.memtable(
            pa.table({name: pa.array([row[name] for row in own], kind) for name, kind in TYPES.items()})
        )
        for source, own in records.items()
    }
    [row] = golden_record(tables, ibis.memtable(OWNERS), project, NOW, KINDS).to_pyarrow().to_pylist()
    return {trait: row[trait] for trait in ("city", "points")}


def naive(records: dict[str, list[Row]], rule: str) -> Row:
    """One trait after the other, by lists."""
    found: Row = {}
    for trait in ("city", "points"):
        said = []
        for rank, source in enumerate(SOURCES):
            known = [row for row in records[source] if row["known_at"] is None or row["known_at"] <= NOW.known_at]
            backs = [instant(row) for row in known if f"|{trait}|" in (row["_unset"] or "")]
            said += [
                (instant(row), rank, row[trait], row["_update"] or "set")
                for row in known
                if row[trait] is not None and instant(row) >= max(backs, default=datetime.min)
            ]
        plain = [each[:3] for each in said if each[3] == "set"]
        onces = [each[:3] for each in said if each[3] == "set_once"]
        adds = [each for each in said if each[3] == "add"] if trait == "points" else []
        base = None
        if plain:
            n_times = {each[2]: sum(other[2] == each[2] for other in plain) for each in plain}
            base = min(
                plain,
                key=lambda each: {
                    "recent": (-seconds(each), each[1], each[2]),
                    "trusted": (each[1], -seconds(each), each[2]),
                    "frequent": (-n_times[each[2]], -seconds(each), each[1], each[2]),
                }[rule],
            )
        elif onces:
            first = min(onces, key=lambda each: each[0])[0]
            if not any(each[0] < first for each in adds):
                candidates = [each for each in onces if each[0] == first]
                n_times = {each[2]: sum(other[2] == each[2] for other in candidates) for each in candidates}
                base = min(candidates, key=lambda each: (-n_times[each[2]] if rule == "frequent" else 0, *each[1:]))
        later = [each[2] for each in adds if base is None or each[0] >= base[0]]
        value = base[2] if base else None
        found[trait] = round((value or 0) + sum(later), 9) if later else value
    return found


def instant(row: Row) -> datetime:
    return datetime.min if row["known_at"] is None else row["known_at"].replace(tzinfo=None)


def seconds(said: Sequence[Any]) -> float:
    return float((said[0] - datetime(1, 1, 1)).total_seconds())


RECORD = st.builds(
    lambda update, city, points, unset, day, card: {
        "record": "r",
        "id_card": card,
        "_update": update,
        "_unset": f"|{unset}|" if update == "unset" else None,
        "city": None if update == "unset" else city,
        "points": None if update == "unset" else points,
        "known_at": None if day is None else START + timedelta(days=day),
    },
    st.sampled_from([None, "set", "set_once", "add", "add", "unset"]),
    st.none() | st.sampled_from(["Lyon", "Nice"]),
    st.none() | st.sampled_from([1.0, 0.1, 0.2, -2.0]),
    st.sampled_from(["city", "points", "city|points"]),
    st.none() | st.integers(0, 4),
    st.sampled_from(["a", "b"]),
)


@settings(deadline=None, max_examples=60)
@given(
    st.fixed_dictionaries({source: st.lists(RECORD, min_size=1, max_size=7) for source in SOURCES}),
    st.sampled_from(["recent", "trusted", "frequent"]),
    st.randoms(use_true_random=False),
)
def test_what_updates_come_to(records: dict[str, list[Row]], rule: str, rng: random.Random) -> None:
    found = survived(records, rule)
    assert found == naive(records, rule)
    for own in records.values():
        rng.shuffle(own)
    assert survived(records, rule) == found


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ([("set", 5), ("set_once", 9)], 5),
        ([("set_once", 9), ("set_once", 8)], 9),
        ([("set_once", 9), ("set", 5)], 5),
        ([("add", 1), ("add", 2.5)], 3.5),
        ([("set", 5), ("add", 1), ("add", -2)], 4),
        ([("add", 1), ("set", 5)], 5),
        ([("set_once", 9), ("add", 1)], 10),
        ([("add", 1), ("set_once", 9)], 1),
        ([("set", 5), ("unset", None)], None),
        ([("set", 5), ("add", 1), ("unset", None), ("add", 1)], 1),
        ([("set", 5), ("unset", None), ("set_once", 9)], 9),
    ],
)
def test_in_the_order_of_receipt_it_is_what_mixpanel_says(said: list[tuple[str, Any]], found: Any) -> None:
    own = [
        {
            **{"record": "r", "id_card": "a", "city": None, "points": value, "_update": update},
            **{"_unset": "|points|" if update == "unset" else None, "known_at": START + timedelta(seconds=second)},
        }
        for second, (update, value) in enumerate(said)
    ]
    assert survived({"app": own}, "recent")["points"] == found


# ── from what a client sends to segments ────────────────────────────────────────────────────────────────────────────

PROJECT = """
name: site
time_zone: Europe/Paris
identifiers: [{name: user}]
sources:
  - name: site
    kind: log
    people:
      only: {kind: identify}
      identifiers: {user: user_id}
      known_at: received_at
      fields:
        plan: {column: traits.plan}
        points: {column: traits.points, type: number, minimum: 0}
        born_on: {column: traits.born_on, type: date}
segments:
  - {name: pro, label: {en: Pro}, rule: plan = pro}
  - {name: unborn, label: {en: Unborn}, rule: born_on IS UNKNOWN}
"""
RULE = "  - {{name: points_{name}, label: {{en: Points {n}}}, rule: points >= {n}}}\n"
RULES = "".join(RULE.format(name=n + 9, n=n) for n in (-2, 0, 1, 3, 6))


def updates(rng: random.Random, n: int) -> list[bytes]:
    """Lines of the log, of what a client of Mixpanel sends about a few people."""
    lines = []
    for number in range(n):
        asked = [
            {"$distinct_id": f"u{rng.randrange(6)}", **update}
            for update in rng.choices(
                [
                    {"$set": {"plan": "pro", "points": 2}},
                    {"$set": {"born_on": "1990-02-03"}},
                    {"$set_once": {"plan": "free", "points": 4, "born_on": "2000-01-01"}},
                    {"$add": {"points": 1}},
                    {"$add": {"points": -2}},
                    {"$unset": ["plan", "born_on"]},
                    {"$unset": ["points"]},
                ],
                weights=[1, 1, 2, 6, 2, 1, 1],
                k=3,
            )
        ]
        received_at = NOON - timedelta(hours=n - number)
        for item in mixpanel.items(Request("POST", "/engage", "", {}, json.dumps(asked).encode(), received_at)):
            assert item.record, item.reason
            lines.append(encode(msgspec.structs.replace(item.record, source="site")))
    return lines


def members_published(project: Path) -> dict[str, set[str]]:
    users = {row["profile_id"]: row["user"] for row in rows(project, "profiles")}
    wide = rows(project, "wide")
    names = [name for name in wide[0] if name != "profile_id"]
    return {name: {users[row["profile_id"]] for row in wide if row[name]} for name in names}


def test_runs_and_the_worker_say_the_same_in_any_order(tmp_path: Path) -> None:
    rng = random.Random(26)
    lines = updates(rng, 40)
    twice = [*lines, *rng.sample(lines, 10)]  # a broker may keep a line twice
    one, other = tmp_path / "one", tmp_path / "other"
    for project in (one, other):
        project.mkdir()
        (project / "facette.yml").write_text(PROJECT + RULES, encoding="utf-8")
    append(one, lines)
    run(load(one), Silent(), as_of=NOON)
    expected = members_published(one)
    assert all(0 < len(users) < 6 for users in expected.values()), expected

    rng.shuffle(twice)
    append(other, twice[:50])
    run(load(other), Silent(), as_of=NOON)
    with Stream(load(other), NOON) as stream:
        for start in range(50, len(twice), 20):
            append(other, twice[start : start + 20])
            stream.step(NOON)
        ids = {stream.worker.knowledge.people.owner("user", f"u{number}"): f"u{number}" for number in range(6)}
        members = stream.worker.memberships.members()
        assert {name: {ids[each] for each in members[name]} for name in expected} == expected
    run(load(other), Silent(), as_of=NOON)
    assert members_published(other) == expected


def test_a_file_may_say_what_its_rows_do(tmp_path: Path) -> None:
    """And a row that does nothing known is refused."""
    (tmp_path / "facette.yml").write_text(
        """
name: shop
identifiers: [{name: card}]
sources:
  - name: till
    kind: file
    path: till.csv
    people:
      identifiers: {card: card}
      known_at: day
      update: how
      fields: {points: {type: number}}
""",
        encoding="utf-8",
    )
    (tmp_path / "till.csv").write_text(
        "card,day,how,points\na,2026-01-01,,10\na,2026-01-02,add,5\nb,2026-01-01,twice,1\nb,2026-01-01,,3\n"
        "b,2026-01-02,unset,x\n",
        encoding="utf-8",
    )
    run(load(tmp_path), Silent(), as_of=NOON)
    assert {row["card"]: row["points"] for row in rows(tmp_path, "profiles")} == {"a": 15.0, "b": None}
    [refused] = rows(tmp_path, "refused")
    assert "does to traits none of set, set_once, add, unset" in refused["reason"]
