"""Changes reach a sink once and in order, whatever was interrupted between saving and sending."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from facette.errors import RunError
from facette.live.changes import Change, namer
from facette.live.sinks import JsonLines, deliver
from facette.live.state import Known, Saved, State

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
KNOWN = Known("run", "definitions", {"embedded:log.db": {"record": 3}}, AT)


def change(number: int) -> Change:
    return Change(namer("run", KNOWN.positions, AT)(number, "vip"), number, "vip", "entered", AT, "events", ("e1",))


def saved(state: State, numbers: range) -> None:
    state.save(Saved(KNOWN, [], {}, [change(number) for number in numbers], [], []))


class Forgetful:
    """A sink that cannot tell what it has."""

    name = "forgetful"

    def __init__(self) -> None:
        self.taken: list[int] = []

    def last(self) -> None:
        return None

    def send(self, changes: Sequence[tuple[int, Change]]) -> None:
        self.taken += [change.profile_id for _, change in changes]


def test_a_file_has_every_change_once(tmp_path: Path) -> None:
    state, file = State(tmp_path), tmp_path / "out" / "changes.jsonl"
    saved(state, range(3))
    assert deliver(state, JsonLines(file)) == 3
    state.mark_sent(JsonLines(file).name, 1)  # as if the worker had been killed before it noted the others
    with file.open("a", encoding="utf-8") as out:
        out.write('{"seq": 4, "id": "ha')  # and while it wrote the next
    saved(state, range(3, 5))
    assert deliver(state, JsonLines(file)) == 2
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert [(line["seq"], line["profile_id"]) for line in lines] == [(n + 1, n) for n in range(5)]
    assert {key: lines[0][key] for key in ("change", "at", "why", "events")} == {
        "change": "entered",
        "at": "2026-11-20T12:00:00.000000+00:00",
        "why": "events",
        "events": ["e1"],
    }
    state.close()


def test_the_last_line_may_be_longer_than_what_is_read_at_once(tmp_path: Path) -> None:
    state, file = State(tmp_path), tmp_path / "changes.jsonl"
    long = replace(change(0), events=tuple(f"event-{n}" for n in range(20_000)))
    state.save(Saved(KNOWN, [], {}, [long], [], []))
    assert deliver(state, JsonLines(file)) == 1
    assert deliver(state, JsonLines(file)) == 0
    state.close()


def test_who_cannot_tell_what_it_has_gets_what_was_not_noted(tmp_path: Path) -> None:
    state, sink = State(tmp_path), Forgetful()
    saved(state, range(3))
    deliver(state, sink)
    saved(state, range(3, 4))
    deliver(state, sink)
    assert sink.taken == [0, 1, 2, 3]
    state.close()


def test_another_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("my notes\n", encoding="utf-8")
    state = State(tmp_path)
    with pytest.raises(RunError, match="is no file of changes"):
        deliver(state, JsonLines(file))
    assert file.read_text(encoding="utf-8") == "my notes\n"
    state.close()


def test_one_change_is_saved_once(tmp_path: Path) -> None:
    state = State(tmp_path)
    saved(state, range(1))
    with pytest.raises(RunError, match="UNIQUE"):
        saved(state, range(1))
    assert len(state.changes()) == 1
    state.close()


def test_a_second_worker_is_refused(tmp_path: Path) -> None:
    state = State(tmp_path)
    with pytest.raises(RunError, match=r"Another worker keeps .* up to date \(process \d+\)"):
        State(tmp_path)
    state.close()
    State(tmp_path).close()
