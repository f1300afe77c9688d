"""Memberships over random runs, against plain sets: who is in, since when, who came and went, what a replay gives."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from facette.clock import Moment
from facette.segments.membership import CAUSES, changes, member_since, remapped, replayed, sizes
from facette.warehouse.connect import connect

SEGMENTS = ("a", "b", "c")
PEOPLE = range(6)
START = datetime(2026, 3, 15, tzinfo=UTC)
INSTANT = pa.timestamp("us", "UTC")
Members = set[tuple[int, str]]
Since = dict[tuple[int, str], datetime]

pairs = st.sets(st.tuples(st.sampled_from(PEOPLE), st.sampled_from(SEGMENTS)))
runs = st.lists(st.tuples(pairs, st.sampled_from((0, 0, 1, 24))), min_size=1, max_size=5)
"""Who is in what, and the hours since the run before (none: two runs for one instant)."""


@settings(deadline=None, max_examples=10)
@given(runs)
def test_runs_one_after_the_other(runs: list[tuple[Members, int]]) -> None:
    con = connect()
    since: Since = {}
    history: list[dict[str, Any]] = []
    as_of = START
    for n, (now, hours) in enumerate(runs):
        as_of += timedelta(hours=hours)
        moment, run = Moment(as_of), f"run{n}"
        wide, before = wide_table(con, f"now{n}", now), since_table(con, f"before{n}", since)
        changed = con.create_table(f"changed{n}", changes(wide, before, SEGMENTS, run=run, moment=moment), temp=True)
        came, went = now - since.keys(), since.keys() - now
        assert {(row["profile_id"], row["segment"], row["change"]) for row in rows(changed)} == {
            *((*pair, "entered") for pair in came),
            *((*pair, "left") for pair in went),
        }
        assert all((row["at"], row["run"]) == (as_of, run) for row in rows(changed))
        found = member_since(wide, before, SEGMENTS, moment)
        counted = rows(sizes(wide, changed, segments=SEGMENTS, run=run, moment=moment))
        assert sorted(counted, key=lambda row: row["segment"]) == [
            {
                "run": run,
                "as_of": as_of,
                "segment": segment,
                "members": of(segment, now),
                "population": len(PEOPLE),
                "entered": of(segment, came),
                "stayed": of(segment, now & since.keys()),
                "left": of(segment, went),
                **dict.fromkeys(CAUSES),
            }
            for segment in SEGMENTS
        ]
        since = {pair: since.get(pair, as_of) for pair in now}
        assert [row["profile_id"] for row in rows(found.order_by("profile_id"))] == [*PEOPLE]
        assert as_dict(found) == since
        history += rows(changed)
        assert as_dict(replayed(changes_of(con, f"history{n}", history), SEGMENTS)) == since
    con.disconnect()


def test_more_segments_than_bits_of_a_number() -> None:
    names = [f"s{n}" for n in range(130)]
    now, before = {1: {"s0", "s62", "s63", "s129"}, 2: {"s125", "s126"}}, {1: {"s0", "s61", "s126"}, 2: {"s126"}}
    con = connect()
    members = {name: [name in now[person] for person in (1, 2)] for name in names}
    since = {name: [START if name in before[person] else None for person in (1, 2)] for name in names}
    wide = con.create_table("wide", pa.table({"profile_id": [1, 2], **members}), temp=True)
    earlier = {"profile_id": [1, 2], **{name: pa.array(since[name], INSTANT) for name in names}}
    found = changes(wide, con.create_table("since", pa.table(earlier), temp=True), names, run="r", moment=Moment(START))
    assert sorted((row["profile_id"], row["segment"], row["change"]) for row in rows(found)) == [
        (1, "s126", "left"),
        (1, "s129", "entered"),
        (1, "s61", "left"),
        (1, "s62", "entered"),
        (1, "s63", "entered"),
        (2, "s125", "entered"),
    ]
    con.disconnect()


def test_whoever_is_gone_has_left_and_a_new_segment_begins_with_nobody() -> None:
    con = connect()
    wide = con.create_table("wide", pa.table({"profile_id": [1, 2], "a": [True, False], "b": [True, True]}), temp=True)
    before = con.create_table("before", pa.table({"profile_id": [1, 3], "a": [START, START]}), temp=True)
    before = before.mutate(a=before.a.cast("timestamp('UTC', 6)"))
    moment = Moment(START + timedelta(days=1))
    changed = rows(changes(wide, before, ("a", "b"), run="r", moment=moment))
    assert {(row["profile_id"], row["segment"], row["change"]) for row in changed} == {
        (3, "a", "left"),
        (1, "b", "entered"),
        (2, "b", "entered"),
    }
    entered = dict.fromkeys([(1, "b"), (2, "b")], moment.as_of)
    assert as_dict(member_since(wide, before, ("a", "b"), moment)) == {(1, "a"): START, **entered}
    assert rows(changes(wide, before, (), run="r", moment=moment)) == []
    con.disconnect()


@settings(deadline=None, max_examples=10)
@given(
    since=st.dictionaries(
        st.tuples(st.sampled_from(PEOPLE), st.sampled_from(SEGMENTS)),
        st.integers(0, 3).map(lambda hours: START + timedelta(hours=hours)),
    ),
    merged=st.dictionaries(st.sampled_from((0, 1, 2)), st.sampled_from((3, 4, 5))),
)
def test_memberships_follow_profiles_that_turn_out_to_be_one(since: Since, merged: dict[int, int]) -> None:
    con = connect()
    joins = pa.table({"old_id": pa.array(merged.keys(), pa.int64()), "new_id": pa.array(merged.values(), pa.int64())})
    expected: Since = {}
    for (profile_id, segment), at in since.items():
        pair = (merged.get(profile_id, profile_id), segment)
        expected[pair] = min(at, expected.get(pair, at))
    found = remapped(since_table(con, "before", since), con.create_table("merged", joins, temp=True))
    assert as_dict(found) == expected
    con.disconnect()


# ── tables ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def wide_table(con: ibis.BaseBackend, name: str, pairs: Members) -> ir.Table:
    columns = {segment: pa.array([(person, segment) in pairs for person in PEOPLE]) for segment in SEGMENTS}
    return con.create_table(name, pa.table({"profile_id": pa.array(PEOPLE, pa.int64()), **columns}), temp=True)


def since_table(con: ibis.BaseBackend, name: str, since: Since) -> ir.Table:
    people = sorted({person for person, _ in since})
    columns = {segment: pa.array([since.get((person, segment)) for person in people], INSTANT) for segment in SEGMENTS}
    return con.create_table(name, pa.table({"profile_id": pa.array(people, pa.int64()), **columns}), temp=True)


def changes_of(con: ibis.BaseBackend, name: str, history: list[dict[str, Any]]) -> ir.Table:
    types = (pa.int64(), pa.string(), pa.string(), INSTANT, pa.string())
    columns = dict(zip(("profile_id", "segment", "change", "at", "run"), types, strict=True))
    return _table(con, name, columns, [tuple(row[column] for column in columns) for row in history])


def _table(con: ibis.BaseBackend, name: str, columns: dict[str, pa.DataType], rows: Iterable[tuple]) -> ir.Table:
    found = [dict(zip(columns, row, strict=True)) for row in rows]
    return con.create_table(name, pa.Table.from_pylist(found, schema=pa.schema(list(columns.items()))), temp=True)


def rows(table: ir.Table) -> list[dict[str, Any]]:
    return table.to_pyarrow().to_pylist()


def as_dict(table: ir.Table) -> Since:
    people = rows(table)
    assert len({row["profile_id"] for row in people}) == len(people)
    return {
        (row["profile_id"], segment): entered_at
        for row in people
        for segment, entered_at in row.items()
        if segment != "profile_id" and entered_at
    }


def of(segment: str, pairs: Iterable[tuple[int, str]]) -> int:
    return sum(name == segment for _, name in pairs)
