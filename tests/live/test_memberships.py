"""Memberships in memory: who moved, and what becomes of those of profiles that are merged."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa

from facette.live.memberships import EPOCH, Memberships, Moved

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
MICROS = (AT - EPOCH) // timedelta(microseconds=1)


def wide(**members: tuple[bool, bool]) -> pa.Table:
    ids = [int(name.removeprefix("p")) for name in members]
    columns = {name: [row[place] for row in members.values()] for place, name in enumerate(("a", "b"))}
    return pa.table(
        {"profile_id": pa.array(ids, pa.int64()), **{n: pa.array(v, pa.bool_()) for n, v in columns.items()}}
    )


def test_who_moved() -> None:
    memberships = Memberships(("a", "b"))
    first = memberships.move(wide(p1=(True, False), p2=(True, True)), None, AT)
    assert first == [Moved(1, "a", True), Moved(2, "a", True), Moved(2, "b", True)]
    later = AT + timedelta(hours=1)
    assert memberships.move(wide(p1=(True, True)), [1], later) == [Moved(1, "b", True)]
    assert memberships.since(1, "a") == MICROS
    assert memberships.since(1, "b") == MICROS + 3_600_000_000
    assert memberships.since(3, "a") is None


def test_whoever_is_asked_about_and_absent_is_in_nothing() -> None:
    memberships = Memberships.of_rows([(1, "a", 5), (2, "b", 6), (3, "gone", 7)], ("a", "b"))
    assert memberships.move(wide(p2=(False, True)), [1, 2], AT) == [Moved(1, "a", False)]
    assert memberships.move(wide(), None, AT) == [Moved(2, "b", False)]
    assert memberships.rows() == []


def test_merged_since_the_earlier_instant() -> None:
    rows = [(1, "a", 5), (2, "a", 3), (2, "b", 4), (3, "b", 9)]
    memberships = Memberships.of_rows(rows, ("a", "b"))
    memberships.merge({2: 1, 8: 3})
    assert sorted(memberships.rows()) == [(1, "a", 3), (1, "b", 4), (3, "b", 9)]
    assert sorted(memberships.rows([1, 2])) == [(1, "a", 3), (1, "b", 4)]
    assert sorted(Memberships.of_rows(rows, ("a", "b")).follow({2: 1}).rows()) == sorted(memberships.rows())


def test_ids_may_change_places() -> None:
    memberships = Memberships.of_rows([(1, "a", 5), (2, "b", 6)], ("a", "b")).follow({1: 2, 2: 1})
    assert memberships.members() == {"a": {2}, "b": {1}}


def test_more_profiles_than_there_is_room_for() -> None:
    rows = [(number, "a", number) for number in range(1, 5_000)]
    memberships = Memberships.of_rows(rows, ("a",))
    assert memberships.rows() == rows
