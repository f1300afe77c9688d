"""What every kind of sink promises, with real servers behind them; and what each promises besides."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
import redis

from facette.definitions import model
from facette.definitions.error_texts import spoken
from facette.errors import RunError, SinkError, SinkRefusedError
from facette.live import couriers
from facette.live.changes import Change, Numbered
from facette.live.columnar.columns import EPOCH
from facette.live.couriers import Couriers
from facette.live.reading import Told
from facette.live.sinks.jsonlines import JsonLines
from facette.live.sinks.sink import KINDS, Telling, deliver
from facette.live.state import Saved, State
from facette.sources import kafka
from tests.live.sinks import AT, KNOWN, PLACES, SOON, KafkaPlace, Place, RedisPlace, WebhookPlace, World, folded


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    made = PLACES[request.param](tmp_path, request)
    yield made
    made.closing.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path / "store")
    yield made
    made.state.close()


@pytest.fixture
def told(world: World) -> Iterator[Told]:
    with Told(world.store) as opened:
        yield opened


def until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + SOON
    while not is_so():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.01)


def live_a_while(world: World) -> int:
    """Enter, leave, come back, become one; the number of changes."""
    world.step((1, "+", "vip"), (2, "+", "vip"), (3, "+", "new"), (2_000_000_001, "+", "vip"), (4, "+", "vip"))
    world.step((1, "-", "vip"), (2, "+", "new"), (2_000_000_002, "+", "vip"))
    world.step((2_000_000_001, 3), (1, "+", "vip"), (2_000_000_002, 4))  # who is in it since longer stays so
    world.step((3, "-", "vip"), (2_000_000_001, "+", "new"))
    return 13


# ── what all promise ────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_kind_is_tested() -> None:
    declared = {get_args(each.model_fields["kind"].annotation)[0] for each in get_args(get_args(model.Sink)[0])}
    assert declared == set(KINDS) == set(PLACES)


def test_every_change_arrives_in_order(place: Place, world: World, told: Told) -> None:
    place.come()
    sink = place.sink()
    assert deliver(told, sink) == 0
    n_changes = live_a_while(world)
    assert deliver(told, sink) == n_changes
    assert deliver(told, sink) == 0
    assert place.where(n_changes) == world.members
    assert len(world.members) == 6


def test_many_changes_arrive(place: Place, world: World, told: Told) -> None:
    place.come()
    sink = place.sink()
    deliver(told, sink)
    for start in (0, 1_000):
        world.step(*[(number, "+", f"s{number % 3}") for number in range(start, start + 1_000)])
    world.step(*[(number, "-", f"s{number % 3}") for number in range(0, 2_000, 2)])
    assert deliver(told, sink) == 3_000
    assert place.where(3_000) == world.members
    assert len(world.members) == 1_000


def test_a_sink_that_is_away_gets_everything_later(
    place: Place, world: World, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka, "PATIENCE", 1.0)
    sink = place.sink()
    n_changes = live_a_while(world)
    told.mark_sent(sink.name, 0)  # it is not new
    with pytest.raises(SinkError):
        deliver(told, sink)
    assert told.lag(sink.name) == n_changes
    monkeypatch.undo()
    place.come()
    deliver(told, sink)
    assert told.lag(sink.name) == 0
    assert place.where(n_changes) == world.members


def test_killed_between_sending_and_noting(place: Place, world: World, told: Told) -> None:
    class Killed(Told):
        def mark_sent(self, sink: str, seq: int) -> None:
            raise KeyboardInterrupt

    place.come()
    deliver(told, place.sink())
    n_changes = live_a_while(world)
    with Killed(world.store) as killed, pytest.raises(KeyboardInterrupt):
        deliver(killed, place.sink())
    n_again = deliver(told, place.sink())
    assert n_again == (0 if place.is_exact else n_changes)
    assert place.where(n_changes + n_again) == world.members
    assert told.lag(place.sink().name) == 0
    if not isinstance(place, RedisPlace):
        received = place.received(n_changes + n_again) if place.kind != "rabbitmq" else []
        assert len({change["id"] for change in received}) in (0, n_changes)


def test_a_new_sink_learns_who_is_where(place: Place, world: World, told: Told) -> None:
    n_before = live_a_while(world)
    n_members = len(world.members)
    place.come()
    sink = place.sink()
    n_sent = deliver(told, sink)
    assert n_sent == (n_before if place.kind == "file" else 0)  # a file has the changes, from the first on
    world.step((9, "+", "vip"), (2, "-", "new"))
    assert deliver(told, sink) == 2
    assert place.where(2 + max(n_members, n_sent)) == world.members


class Flaky(Telling):
    """Takes every second portion."""

    name, portion = "flaky", 2

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        self.n_asked = 0

    def send(self, changes: Sequence[Numbered]) -> None:
        self.n_asked += 1
        if self.n_asked % 2 == 0:
            raise SinkError("not now")
        self.taken += [{"seq": seq, **change.as_dict()} for seq, change in changes]


def test_filling_goes_on_where_it_failed(world: World, told: Told) -> None:
    """Else a sink that fails now and then would never be filled; who moves meanwhile is told as well."""
    world.step(*((number, "+", segment) for number in range(1, 6) for segment in ("vip", "new")))
    sink = Flaky()
    for number in range(1, 40):
        try:
            deliver(told, sink)
            break
        except SinkError:
            if number < 5:
                world.step((number, "-", "vip"), (10 + number, "+", "new"), (6 - number, "-", "new"))
    filling = [change for change in sink.taken if change["why"] == "filling"]
    assert len({change["id"] for change in filling}) == len(filling)
    assert {change["seq"] for change in filling} == {10}
    assert folded(sink.taken) == world.members


def test_a_sink_that_takes_something_is_not_left_waiting(
    world: World, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only while it takes nothing does the time double until it is tried again."""
    monkeypatch.setattr(couriers, "FIRST_PAUSE", 0.01)
    warnings: list[str] = []
    sink = Flaky()
    world.step(*((number, "+", "vip") for number in range(40)))
    mine = Couriers(world.store, [sink], warnings.append)
    until(lambda: told.sent("flaky") == 40)
    world.step(*((number, "-", "vip") for number in range(40)))
    mine.wake()
    until(lambda: told.sent("flaky") == 80)
    mine.end(is_whole=True)
    assert len(warnings) <= 2, warnings
    assert folded(sink.taken) == world.members == {}


def test_courier_tries_again_until_the_sink_is_there(
    place: Place, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(couriers, "FIRST_PAUSE", 0.05)
    monkeypatch.setattr(kafka, "PATIENCE", 1.0)
    warnings: list[str] = []
    sink = place.sink()
    world.step((1, "+", "vip"))
    mine = Couriers(world.store, [sink], warnings.append)
    until(lambda: bool(warnings))
    place.come()
    with Told(world.store) as told:
        until(lambda: told.sent(sink.name) == 1)
    mine.end(is_whole=True)
    assert len(warnings) == 1, warnings  # however often it failed
    assert place.where(1) == world.members


# ── couriers ────────────────────────────────────────────────────────────────────────────────────────────────────────


class Heard(Telling):
    """A sink in memory, which does something before it takes changes."""

    def __init__(self, name: str, first: Callable[[], None] = lambda: None) -> None:
        self.name, self.first = name, first
        self.taken: list[int] = []

    def send(self, changes: Sequence[Numbered]) -> None:
        self.first()
        self.taken += [seq for seq, _ in changes]


def test_no_sink_waits_for_another(world: World) -> None:
    gate = threading.Event()

    def refuse() -> None:
        raise SinkRefusedError("I do not want it.")

    def stumble() -> None:
        raise ZeroDivisionError("nobody thought of it")

    def wait() -> None:
        gate.wait(SOON)

    slow, good = Heard("slow", wait), Heard("good")
    warnings: list[str] = []
    mine = Couriers(world.store, [slow, Heard("no", refuse), Heard("odd", stumble), good], warnings.append)
    for number in range(1, 6):
        world.step((number, "+", "vip"))
        mine.wake()
        until(lambda number=number: good.taken[-1:] == [number])
    assert slow.taken == []
    until(lambda: len(warnings) == 2)
    assert sorted("nobody thought of it" in each for each in warnings) == [False, True]
    gate.set()
    mine.end(is_whole=True)
    assert slow.taken[-1:] == [5]


def test_a_worker_that_ends_does_not_wait_for_ever(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(couriers, "LAST_WORDS", 0.2)
    gate = threading.Event()
    stuck = Heard("stuck", lambda: bool(gate.wait(SOON)) and None)
    mine = Couriers(world.store, [stuck], lambda _: None)
    world.step((1, "+", "vip"))
    mine.wake()
    began = time.monotonic()
    mine.end(is_whole=False)
    assert time.monotonic() - began < 5
    gate.set()


def test_a_courier_that_hangs_is_not_overtaken(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(couriers, "LAST_WORDS", 0.1)
    gate, taken = threading.Event(), threading.Event()

    def hang() -> None:
        taken.set()
        gate.wait(SOON)

    stuck, after = Heard("one", hang), Heard("one")
    after.taken = stuck.taken
    first = Couriers(world.store, [stuck], lambda _: None)
    with Told(world.store) as told:
        until(lambda: told.sent("one") == 0)
        world.step((1, "+", "vip"))
        first.wake()
        assert taken.wait(SOON)
        first.end(is_whole=False)  # as where the definitions of sinks change
        world.step((2, "+", "vip"))
        second = Couriers(world.store, [after], lambda _: None)
        gate.set()
        until(lambda: told.sent("one") == 2)
        second.end(is_whole=True)
        first.end(is_whole=True)
        assert stuck.taken == [1, 2]


# ── what each promises besides ──────────────────────────────────────────────────────────────────────────────────────


def test_a_file_has_every_change_once(world: World, told: Told, tmp_path: Path) -> None:
    file = tmp_path / "out" / "changes.jsonl"
    for number in range(3):
        world.step((number, "+", "vip"))
    assert deliver(told, JsonLines(file)) == 3
    with file.open("a", encoding="utf-8") as out:
        out.write('{"seq": 4, "id": "ha')  # as if the worker had been killed while it wrote
    world.step((3, "+", "vip"), (4, "+", "vip"))
    assert deliver(told, JsonLines(file)) == 2
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert [(line["seq"], line["profile_id"]) for line in lines] == [(n + 1, n) for n in range(5)]
    assert {key: lines[0][key] for key in ("change", "at", "why", "events")} == {
        "change": "entered",
        "at": "2026-11-20T12:01:00.000000+00:00",
        "why": "events",
        "events": ["e1"],
    }


def test_the_last_line_may_be_longer_than_what_is_read_at_once(world: World, told: Told, tmp_path: Path) -> None:
    world.step((1, "+", "vip"))
    [(_, change)] = world.state.changes()
    long = msgspec.structs.replace(change, id="another", events=tuple(f"event-{n}" for n in range(20_000)))
    world.state.save(Saved(KNOWN, [], {}, [long], [], []))
    assert deliver(told, JsonLines(tmp_path / "changes.jsonl")) == 2
    assert deliver(told, JsonLines(tmp_path / "changes.jsonl")) == 0


def test_a_file_goes_on_when_the_state_was_made_anew(world: World, told: Told, tmp_path: Path) -> None:
    file = tmp_path / "changes.jsonl"
    live_a_while(world)
    deliver(told, JsonLines(file))
    other = World(tmp_path / "other")
    other.step((1, "+", "vip"))
    with Told(other.store) as theirs:
        assert deliver(theirs, JsonLines(file)) == 1
        assert deliver(theirs, JsonLines(file)) == 0
    other.state.close()


def test_another_file_is_refused(told: Told, tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("my notes\n", encoding="utf-8")
    with pytest.raises(SinkRefusedError, match="is no file of changes"):
        deliver(told, JsonLines(file))
    assert file.read_text(encoding="utf-8") == "my notes\n"


def test_a_topic_for_each_segment(world: World, told: Told, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    place = KafkaPlace(tmp_path, request)
    place.come()
    definition = place.definition().model_copy(update={"topic": f"{place.mark}.{{segment}}"})
    place.definition = lambda: definition  # type: ignore[method-assign]
    sink = place.sink()
    deliver(told, sink)
    live_a_while(world)
    deliver(told, sink)
    found = []
    mark = place.mark
    for segment, number in (("vip", 8), ("new", 3), ("_merged", 2)):
        place.mark = f"{mark}.{segment}"
        found += place.received(number)
    place.closing.close()
    assert len(found) == 13
    assert folded(sorted(found, key=lambda change: change["seq"])) == world.members


def test_redis_that_lost_its_data_is_filled_again(
    world: World, told: Told, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    place = RedisPlace(tmp_path, request)
    place.come()
    sink = place.sink()
    live_a_while(world)
    deliver(told, sink)
    place.server.close()
    place.come()
    assert place.where(0) == {}
    deliver(told, sink)
    assert place.where(0) == world.members
    place.closing.close()


def test_redis_of_another_state_is_filled_anew(
    world: World, told: Told, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    place = RedisPlace(tmp_path, request)
    place.come()
    other = World(tmp_path / "other")
    for number in range(20):
        other.step((number, "+", "gone"))
    with Told(other.store) as theirs:
        deliver(theirs, place.sink())
    other.state.close()
    world.step((1, "+", "vip"))
    deliver(told, place.sink())
    assert place.where(0) == world.members
    place.closing.close()


def test_keys_of_others_are_left_alone(told: Told, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    place = RedisPlace(tmp_path, request)
    place.come()
    theirs: Any = redis.Redis(port=place.port, decode_responses=True)
    theirs.set(f"{place.mark}profile:1", "theirs")
    with pytest.raises(SinkRefusedError, match="belong to somebody else"):
        deliver(told, place.sink())
    theirs.set(f"{place.mark}owner", "another shop")
    with pytest.raises(SinkRefusedError, match="belong to project another shop"):
        deliver(told, place.sink())
    assert theirs.get(f"{place.mark}profile:1") == "theirs"
    theirs.close()
    place.closing.close()


def test_two_projects_of_one_name_do_not_fill_the_same_keys(
    world: World, told: Told, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    place = RedisPlace(tmp_path / "one", request)
    place.come()
    world.step((1, "+", "vip"))
    deliver(told, place.sink())
    place.folder = tmp_path / "two"
    with pytest.raises(SinkRefusedError, match="another project of the same name, shop") as refused:
        deliver(told, place.sink())  # of its own state or, as here, of a copy of the other's
    message, remedy = spoken(refused.value, "fr")
    assert "un autre projet du même nom, shop" in message
    assert f"`{place.mark}owner`" in remedy
    place.folder = tmp_path / "one"
    world.step((2, "+", "vip"))
    deliver(told, place.sink())
    assert place.where(0) == world.members
    mine: Any = redis.Redis(port=place.port, decode_responses=True)
    mine.delete(f"{place.mark}position")  # what the refusal says to do
    mine.set(f"{place.mark}owner", "shop")
    mine.close()
    place.folder = tmp_path / "two"
    deliver(told, place.sink())
    assert place.where(0) == world.members
    place.closing.close()


def test_redis_forgets_segments_that_are_gone_and_says_what_became_of_profiles(
    world: World, told: Told, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    place = RedisPlace(tmp_path, request)
    place.come()
    sink = place.sink()
    world.step((1, "+", "vip"), (2, "+", "old"), (7, "+", "vip"), (2, "+", "vip"))
    world.step((7, 1))
    deliver(told, sink)
    mine: Any = redis.Redis(port=place.port, decode_responses=True)
    mine.set("of somebody else", "1")
    world.step((8, "+", "vip"), (8, 1))
    deliver(told, sink)
    sink.retain({"vip"})
    assert set(place.where(0)) == {(1, "vip"), (2, "vip")}
    assert mine.hgetall(f"{place.mark}merged") == {"8": "1"}  # that 7 was part of 1 when it was filled
    assert mine.get("of somebody else") == "1"
    mine.close()
    place.closing.close()


def test_a_webhook_is_tried_again_or_left_alone(
    world: World, told: Told, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    place = WebhookPlace(tmp_path, request)
    place.come()
    sink = place.sink()
    deliver(told, sink)
    world.step(*[(number, "+", "vip") for number in range(25)])
    place.answers = [503, (429, "7")]
    with pytest.raises(SinkError) as failed:
        deliver(told, sink)
    assert not isinstance(failed.value, SinkRefusedError)
    with pytest.raises(SinkError) as failed:
        deliver(told, sink)
    assert failed.value.retry_after == 7
    assert "429 Too Many Requests" in str(failed.value)
    assert deliver(told, sink) == 25
    assert place.sizes == [10, 10, 5]
    world.step((30, "+", "vip"))
    place.answers = [400]
    with pytest.raises(SinkRefusedError, match="it answered 400 Bad Request"):
        deliver(told, sink)
    place.closing.close()


def test_a_second_worker_is_refused(tmp_path: Path) -> None:
    state = State(tmp_path)
    with pytest.raises(RunError, match=r"Another worker keeps .* up to date \(process \d+\)"):
        State(tmp_path)
    state.close()
    State(tmp_path).close()


def test_changes_that_had_a_row_each_are_still_there(tmp_path: Path) -> None:
    """As states once kept them, the oldest forgotten; numbers go on from them."""
    (tmp_path / "live").mkdir()
    with closing(sqlite3.connect(tmp_path / "live" / "state.db")) as db:
        columns = "id, profile_id, segment, change, at, why, events, into_id"
        db.execute(f"create table changes (seq integer primary key autoincrement, {columns})")
        entered = ("vip", "entered", 5_000_000, "events", '["é"]', None)
        rows: list[Any] = [(n, f"step-{n}", n % 3, *entered) for n in range(5, 4_000)]
        rows.append((4_000, "step-4000", 1, "", "merged", 4_000_000_000, "events", "[]", 2))
        db.executemany("insert into changes values (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        db.commit()
    with closing(World(tmp_path).state) as state, closing(Told(tmp_path)) as told:
        kept = state.changes()
        assert [number for number, _ in kept] == [*range(5, 4_001)]
        assert kept[0][1] == Change("step-5", 2, "vip", "entered", EPOCH + timedelta(seconds=5), "events", ("é",))
        assert told.latest_changes(1, profile_id=2) == kept[-1:]
        assert told.changes_of(3_000, 2, profile_id=0) == [kept[2_998], kept[3_001]]
        assert told.called_now(1) == 2
        state.save(Saved(KNOWN, [], {}, [kept[0][1]], [], []))
        assert told.last_seq() == 4_001


def test_what_a_sink_lacks_is_not_forgotten(world: World, told: Told, tmp_path: Path) -> None:
    world.step((1, "+", "vip"), (2, "+", "vip"))
    sink = JsonLines(tmp_path / "out.jsonl")
    deliver(told, sink)
    world.step((1, "-", "vip"), (3, "+", "vip"))
    end = AT + timedelta(days=1)
    assert world.state.trim(end, [sink.name, "kafka:new"]) == 0  # nothing has come to one of them
    assert world.state.trim(AT, [sink.name]) == 0  # none is so old
    assert world.state.trim(end, [sink.name], most=1) == 2  # what was told together goes together
    assert world.state.trim(end, [sink.name]) == 0
    assert [seq for seq, _ in told.changes()] == [3, 4]
    assert deliver(told, sink) == 2
    assert world.state.trim(end, []) == 0
    assert (told.last_seq(), told.lag(sink.name)) == (4, 0)  # the last ones stay: numbers go on from them
    world.step((4, "+", "vip"))
    assert deliver(told, sink) == 1
    assert [json.loads(line)["seq"] for line in (tmp_path / "out.jsonl").read_text("utf-8").splitlines()] == [
        1,
        2,
        3,
        4,
        5,
    ]
