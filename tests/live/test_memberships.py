"""Memberships in memory: who moved, and what becomes of those of profiles that are merged."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from facette.live import state
from facette.live.columnar.columns import microseconds
from facette.live.memberships import Memberships, Moved

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
MICROS = microseconds(AT)


def changes(*told: tuple[int, str, str]) -> pa.Table:
    ids, segments, words = zip(*told, strict=True)
    return pa.table(
        {
            "profile_id": pa.array(ids, pa.int64()),
            "segment": pa.array(segments, pa.string()).dictionary_encode(),
            "change": pa.array(words, pa.string()).dictionary_encode(),
        }
    )


def test_who_moved() -> None:
    memberships = Memberships(("a", "b"))
    told = changes((2, "b", "entered"), (2, "a", "entered"), (1, "a", "entered"))
    first = [*memberships.move(told, AT)]
    assert first == [Moved(1, "a", True), Moved(2, "a", True), Moved(2, "b", True)]
    later = AT + timedelta(hours=1)
    assert [*memberships.move(changes((1, "b", "entered"), (2, "a", "left")), later)] == [
        Moved(1, "b", True),
        Moved(2, "a", False),
    ]
    assert memberships.since(1, "a") == MICROS
    assert memberships.since(1, "b") == MICROS + 3_600_000_000
    assert memberships.since(2, "a") is None
    assert memberships.since(3, "a") is None
    assert (memberships.ids("a").tolist(), memberships.ids("b").tolist()) == ([1], [2, 1])


def test_of_segments_that_are_no_longer_nothing_is_kept() -> None:
    memberships = Memberships.of_rows([(1, "a", 5), (2, "b", 6), (3, "gone", 7)], ("a", "b"))
    assert sorted(memberships.rows()) == [(1, "a", 5), (2, "b", 6)]


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
    assert [*memberships.rows()] == rows


def test_saved_and_read_again_in_portions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "MEMBERS_AT_ONCE", 2)
    rows = [(1, "a", 2**53 + 1), (5, "a", -3), (2_000_000_001, "a", 2**62 + 1), (9, "b", 4), (10, "b", 4)]
    with closing(state.State(tmp_path)) as saved:
        known = state.Known("run", "definitions", {}, AT)
        everybody = Memberships.of_rows(rows, ("a", "b")).columns()
        saved.save(state.Saved(known, [], {}, [], None, everybody=everybody))
        assert [len(ids) for _, ids, _ in saved.members()] == [1, 1, 1, 2]  # two at once: alike, then others
        assert [*Memberships.of_columns(saved.members(), ("a", "b")).rows()] == rows
