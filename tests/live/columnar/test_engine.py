"""What happens to a person over time, as the live engine tells it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest

from facette.clock import Moment
from facette.definitions.language import check_rule
from facette.definitions.language.vocabulary import Event, Property, SegmentName, Vocabulary
from facette.errors import RunError
from facette.features.table import FeaturePlan
from facette.live.columnar.engine import Engine

PARIS = ZoneInfo("Europe/Paris")
NAMES = Vocabulary(
    columns={"city": Property("city", "text"), "seen": Property("seen", "instant")},
    events={"order": Event("order", {}, {"amount": Property("amount", "number"), "shop": Property("shop", "text")})},
    segments={"recent": SegmentName("recent"), "hasty": SegmentName("hasty"), "local": SegmentName("local")},
)
RULES = {
    "recent": "DID order IN THE LAST 2 DAYS",
    "hasty": "DID order AT LEAST 2 TIMES IN THE LAST 1 HOUR",
    "lapsed": "DID order AND NOT recent",
    "local": "city = nantes",
    "big": "SUM(amount) OF order WHERE shop CONTAINS 'ré' IN THE LAST 7 DAYS >= 100",
}
ORDERS = pa.schema(
    [
        ("profile_id", pa.int64()),
        ("event_id", pa.string()),
        ("at", pa.timestamp("us", "UTC")),
        ("known_at", pa.timestamp("us", "UTC")),
        ("day", pa.date32()),
        ("hour", pa.int8()),
        ("weekday", pa.int8()),
        ("source", pa.string()),
        ("amount", pa.float64()),
        ("shop", pa.string()),
    ]
)
PROFILES = pa.schema(
    [
        ("profile_id", pa.int64()),
        ("is_counted", pa.bool_()),
        ("city", pa.string()),
        ("seen", pa.timestamp("us", "UTC")),
    ]
)
ANN, BOB, EVE = 1, 2, 3


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-{text}").replace(tzinfo=PARIS)


def engine(now: str, rules: dict[str, str] = RULES) -> Engine:
    checked = {name: check_rule(rule, NAMES) for name, rule in rules.items()}
    plan = FeaturePlan({name: item for rule in checked.values() for name, item in rule.aggregates.items()}, (), {})
    return Engine(plan, checked, {}, events={"order": ORDERS}, profiles=PROFILES, moment=moment(now))


def moment(now: str) -> Moment:
    return Moment(at(now), "Europe/Paris")


def people(*ids: int, is_counted: bool = True) -> pa.Table:
    rows = [{"profile_id": one, "is_counted": is_counted, "city": "Nantes" if one == ANN else None} for one in ids]
    return pa.Table.from_pylist(rows, schema=PROFILES)


def orders(*told: tuple[int, str], known: str | None = None, **more: Any) -> dict[str, pa.Table]:
    rows = [
        {
            "profile_id": who,
            "event_id": f"{who} {when}",
            "at": at(when),
            "known_at": at(known or when),
            "day": at(when).date(),
        }
        | more
        for who, when in told
    ]
    return {"order": pa.Table.from_pylist(rows, schema=ORDERS)}


def changes(live: Engine, rows: Any) -> set[tuple[int, str, str]]:
    return {(row["profile_id"], row["segment"], row["change"]) for row in live.changes(rows).to_pylist()}


def test_who_orders_enters_and_leaves_at_midnight_without_an_event() -> None:
    live = engine("03-10T12:00")
    assert changes(live, live.put(people(ANN, BOB))) == {(ANN, "local", "entered")}
    assert changes(live, live.apply(orders((ANN, "03-10T12:00")))) == {(ANN, "recent", "entered")}
    assert changes(live, live.apply(orders((ANN, "03-10T12:30")), moment("03-10T12:30"))) == {(ANN, "hasty", "entered")}
    assert changes(live, live.roll(moment("03-10T13:04:59"))) == set()
    assert changes(live, live.roll(moment("03-10T13:05"))) == {(ANN, "hasty", "left")}
    assert changes(live, live.roll(moment("03-12T23:59:59"))) == set()
    assert changes(live, live.roll(moment("03-13T00:00"))) == {(ANN, "recent", "left"), (ANN, "lapsed", "entered")}
    assert live.segments_of(ANN) == ("lapsed", "local")
    assert live.members("lapsed").tolist() == [ANN]
    assert live.segments_of(99) == ()


def test_an_event_counts_once_it_has_happened_and_is_known() -> None:
    live = engine("03-10T12:00")
    live.put(people(ANN, BOB))
    assert changes(live, live.apply(orders((BOB, "03-10T12:01")) | {})) == set()
    assert changes(live, live.apply(orders((ANN, "03-10T11:00"), known="03-10T12:02"))) == set()
    assert changes(live, live.roll(moment("03-10T12:01"))) == {(BOB, "recent", "entered")}
    assert (ANN, "recent", "entered") in changes(live, live.roll(moment("03-10T12:02")))
    assert len(live.states["order"]) == 2


def test_a_late_event_falls_on_its_own_day() -> None:
    live = engine("03-10T12:00")
    live.put(people(BOB))
    late = orders((BOB, "03-08T09:00"), known="03-10T12:00")
    assert changes(live, live.apply(late)) == {(BOB, "recent", "entered")}
    assert changes(live, live.roll(moment("03-11T00:00"))) == {(BOB, "recent", "left"), (BOB, "lapsed", "entered")}
    older = orders((BOB, "01-01T09:00"), known="03-11T00:00")
    assert changes(live, live.apply(older)) == set()
    assert len(live.states["order"]) == 1, "of what no window can see any more, only the state is kept"


def test_whoever_does_not_count_is_in_no_segment() -> None:
    live = engine("03-10T12:00")
    assert changes(live, live.apply(orders((EVE, "03-10T11:00")))) == set()
    assert changes(live, live.put(people(EVE))) == {(EVE, "recent", "entered")}
    assert changes(live, live.put(people(EVE, is_counted=False))) == {(EVE, "recent", "left")}


def test_memberships_follow_whoever_turns_out_to_be_somebody_else() -> None:
    live = engine("03-10T12:00")
    live.put(people(ANN, BOB))
    live.changes()
    changes(live, live.apply(orders((BOB, "03-10T11:59"), amount=60.0, shop="Le Pré")))
    changes(live, live.apply(orders((ANN, "03-10T11:58"), amount=40.0, shop="LE PRÉ")))
    merged = live.merge(pa.table({"old_id": [BOB], "new_id": [ANN]}))
    assert changes(live, merged) == {(ANN, "hasty", "entered"), (ANN, "big", "entered")}
    assert live.segments_of(BOB) == live.segments_of(ANN) == ("recent", "hasty", "local", "big")
    assert changes(live, live.roll(moment("03-10T13:05"))) == {(ANN, "hasty", "left")}


def test_texts_that_come_later_are_asked_too() -> None:
    live = engine("03-10T12:00")
    live.put(people(ANN, BOB))
    live.changes()
    for shop, told in (("Le Port", set()), ("LE PRÉ", {(BOB, "big", "entered")})):
        come = orders((BOB, f"03-10T11:1{len(shop) % 10}"), amount=100.0, shop=shop)
        found = changes(live, live.apply(come))
        assert {one for one in found if one[1] == "big"} == told


def test_who_was_a_member_before_does_not_enter_again() -> None:
    live = engine("03-10T12:00")
    live.put(people(ANN, BOB))
    live.remember({"local": np.array([ANN, EVE])})
    assert changes(live, None) == {(EVE, "local", "left")}


def test_time_does_not_go_back() -> None:
    live = engine("03-10T12:00")
    with pytest.raises(RunError, match="time cannot go back"):
        live.roll(moment("03-10T11:59"))


def test_it_says_what_it_does_not_keep_and_asks_for_it() -> None:
    rules = {
        "usual": "MODE(shop) OF order = 'Port'",
        "again": "DID order THEN order WITHIN 2 DAYS",
        "fresh": "DID order WHERE at < 3 days",
        "kept": "DID order IN THE LAST 3 MONTHS",
    }
    checked = {name: check_rule(rule, NAMES) for name, rule in rules.items()}
    plan = FeaturePlan({name: item for rule in checked.values() for name, item in rule.aggregates.items()}, (), {})
    with pytest.raises(RunError, match="is not given order_mode_shop_"):
        Engine(plan, checked, {}, events={"order": ORDERS}, profiles=PROFILES, moment=moment("03-10T12:00"))
    (usual,) = checked["usual"].aggregates
    schema = PROFILES.append(pa.field(usual, pa.string()))
    live = Engine(plan, checked, {}, events={"order": ORDERS}, profiles=schema, moment=moment("03-10T12:00"))
    assert {*live.unkept} == {usual}
    rows = live.put(pa.table({"profile_id": [ANN], "is_counted": [True], usual: ["PORT"]}))
    assert changes(live, rows) == {(ANN, "usual", "entered")}


SEQUENCES = {
    "again": "DID order THEN order WITHIN 1 HOUR",
    "alone": "DID order THEN NOT order WITHIN 2 DAYS",
    "fresh": "DID order WHERE at < 3 days",
}


def test_sequences_and_what_grows_old() -> None:
    live = engine("03-10T12:00", SEQUENCES | {"kept": "DID order"})
    live.put(people(ANN, BOB))
    entered = {(ANN, "fresh", "entered"), (ANN, "kept", "entered")}
    assert changes(live, live.apply(orders((ANN, "03-10T11:00")))) == entered
    assert changes(live, live.apply(orders((ANN, "03-10T10:00"), known="03-10T12:30"))) == set()
    assert changes(live, live.roll(moment("03-10T12:30"))) == {(ANN, "again", "entered")}
    assert changes(live, live.roll(moment("03-12T23:59"))) == set()
    assert changes(live, live.roll(moment("03-13T00:00"))) == {(ANN, "alone", "entered"), (ANN, "fresh", "left")}
    assert changes(live, live.apply(orders((BOB, "03-12T08:00"), (BOB, "03-12T09:00")))) >= {(BOB, "again", "entered")}
    live.changes(live.replace(np.array([BOB]), {}, orders((BOB, "03-12T08:00"))))
    assert live.segments_of(BOB) == ("fresh",)


@pytest.mark.parametrize(
    ("rule", "before", "enters", "leaves"),
    [
        ("DID order THEN NOT order WITHIN 2 DAYS", "03-12T23:59", "03-13T00:00", None),
        ("DID order THEN NOT order WITHIN 30 MINUTES IN THE LAST 2 HOURS", "03-10T11:34", "03-10T11:35", "03-10T13:05"),
        ("DID order WHERE at > 3 hours", "03-10T14:59", "03-10T15:00", None),
    ],
)
def test_a_delay_is_over_without_an_event(rule: str, before: str, enters: str, leaves: str | None) -> None:
    live = engine("03-10T11:00", {"over": rule})
    live.put(people(ANN, BOB))
    assert changes(live, live.apply(orders((ANN, "03-10T11:00")))) == set()
    assert changes(live, live.roll(moment(before))) == set()
    assert changes(live, live.roll(moment(enters))) == {(ANN, "over", "entered")}
    if leaves:
        assert changes(live, live.roll(moment(leaves))) == {(ANN, "over", "left")}


def test_who_turns_out_to_be_one_has_done_one_thing_after_the_other() -> None:
    live = engine("03-10T12:00", SEQUENCES)
    live.put(people(ANN, BOB))
    live.changes(live.apply(orders((ANN, "03-10T11:00"), (BOB, "03-10T11:30"))))
    live.changes(live.apply(orders((BOB, "03-10T12:30"))))
    assert changes(live, live.merge(pa.table({"old_id": [BOB], "new_id": [ANN]}))) == {(ANN, "again", "entered")}
    assert live.segments_of(BOB) == live.segments_of(ANN)
    later = moment("03-10T12:30")
    assert changes(live, live.roll(later)) == set()
    assert changes(live, live.apply(orders((EVE, "03-10T12:00")))) == set()


def test_a_profile_is_made_anew_from_its_events() -> None:
    live = engine("03-10T12:00")
    live.put(people(ANN, BOB))
    live.apply(orders((ANN, "03-10T11:00"), (BOB, "03-10T11:30"), (ANN, "03-10T12:30")))
    live.changes()
    needed = orders((ANN, "03-09T11:00"))
    partial = {"profile_id": [ANN], **{f"{name}__state": [1] for name in live.states["order"].states}}
    rows = live.replace(np.array([ANN]), {"order": pa.table(partial)}, needed)
    assert changes(live, rows) == set()
    assert changes(live, live.roll(moment("03-12T00:00"))) == {(ANN, "recent", "left"), (ANN, "lapsed", "entered")}
    assert len(live.states["order"]) == 2


def test_what_only_ends_is_loaded_from_partials_and_goes_on_with_events() -> None:
    live = engine("03-10T12:00", {"old": "DID order BEFORE yesterday", "new": "DID order IN THE LAST 1 DAYS"})
    live.put(people(ANN, BOB))
    assert [str(needed) for needed in live.needs("order")] == ["2026-03-09", "None"]
    old, new = live.states["order"].states
    partial = {"profile_id": [ANN, BOB], f"{old}__state": [3, 0], f"{new}__state": [0, 1]}
    rows = live.load({"order": pa.table(partial)}, orders((BOB, "03-09T11:00")))
    assert changes(live, rows) == {(ANN, "old", "entered"), (BOB, "new", "entered")}
    assert changes(live, live.roll(moment("03-11T00:00"))) == {(BOB, "old", "entered"), (BOB, "new", "left")}


def test_the_wide_table_is_of_those_who_count() -> None:
    live = engine("03-10T12:00")
    live.put(people(ANN, BOB))
    live.apply(orders((BOB, "03-10T11:00"), (EVE, "03-10T11:00")))
    wide = live.wide().to_pylist()
    assert [(row["profile_id"], [name for name in RULES if row[name]]) for row in wide] == [
        (ANN, ["local"]),
        (BOB, ["recent"]),
    ]
    assert live.wide(np.empty(0, np.intp)).column_names == ["profile_id", *RULES]


def test_days_of_a_window_leave_one_by_one() -> None:
    live = engine("03-10T12:00", {"steady": "DISTINCT(day) OF order IN THE LAST 3 DAYS >= 2"})
    live.put(people(ANN, BOB))
    three = orders((ANN, "03-08T11:00"), (ANN, "03-09T11:00"), (ANN, "03-09T12:00"), (BOB, "03-10T09:00"))
    assert changes(live, live.apply(three)) == {(ANN, "steady", "entered")}
    assert changes(live, live.merge(pa.table({"old_id": [BOB], "new_id": [ANN]}))) == set()
    assert changes(live, live.roll(moment("03-12T00:00"))) == set()
    assert changes(live, live.roll(moment("03-13T00:00"))) == {(ANN, "steady", "left")}


def test_what_is_waited_for_follows_too() -> None:
    live = engine("03-10T12:00")
    live.put(people(ANN, BOB))
    live.apply(orders((BOB, "03-10T12:01"), (BOB, "03-09T12:00")))
    live.changes()
    live.changes(live.merge(pa.table({"old_id": [BOB], "new_id": [ANN]})))
    assert changes(live, live.roll(moment("03-10T12:01"))) == set()
    assert changes(live, live.roll(moment("03-12T00:00"))) == set()
    assert changes(live, live.roll(moment("03-13T00:00"))) == {(ANN, "recent", "left"), (ANN, "lapsed", "entered")}


def test_a_trait_grows_old_without_an_event() -> None:
    come = pa.Table.from_pylist(
        [{"profile_id": ANN, "is_counted": True, "seen": at("03-10T11:30")}, {"profile_id": BOB, "is_counted": True}],
        schema=PROFILES,
    )
    for rule, before, then in (
        ("seen >= 2 hours", "03-10T13:29", "03-10T13:30"),
        ("seen > 1 day", "03-11T23:59", "03-12T00:00"),
    ):
        live = engine("03-10T12:00", {"away": rule})
        assert changes(live, live.put(come)) == set()
        assert changes(live, live.roll(moment(before))) == set()
        assert changes(live, live.roll(moment(then))) == {(ANN, "away", "entered")}


@pytest.mark.parametrize("function", ["MAX", "MIN", "FIRST"])
def test_when_the_deciding_event_leaves_the_next_one_decides(function: str) -> None:
    amounts = (60.0, 30.0) if function == "MAX" else (30.0, 60.0)
    measure = f"{function}(amount) OF order IN THE LAST 2 DAYS"
    rules = {"high": f"{measure} = 60", "low": f"{measure} = 30"}
    before, after = ("high", "low") if function == "MAX" else ("low", "high")
    live = engine("03-10T12:00", rules)
    live.put(people(ANN))
    live.apply(orders((ANN, "03-09T10:00"), amount=amounts[0]))
    assert changes(live, live.apply(orders((ANN, "03-10T10:00"), amount=amounts[1]))) == {(ANN, before, "entered")}
    assert changes(live, live.roll(moment("03-12T00:00"))) == {(ANN, before, "left"), (ANN, after, "entered")}
    assert changes(live, live.roll(moment("03-13T00:00"))) == {(ANN, after, "left")}


def test_a_first_time_before_the_end_of_the_calendar() -> None:
    live = engine("03-10T12:00", {"ever": "FIRST DID order BETWEEN 2026-03-10 AND 9999-12-31"})
    live.put(people(ANN, BOB))
    come = orders((ANN, "03-10T00:00"), (BOB, "03-09T23:59"))
    assert changes(live, live.apply(come)) == {(ANN, "ever", "entered")}


def test_a_jump_over_many_days_is_as_good_as_each_of_them() -> None:
    far = timedelta(days=400)
    live = engine("03-10T12:00")
    live.put(people(ANN))
    live.apply(orders((ANN, "03-10T11:00")))
    live.changes()
    later = Moment(at("03-10T12:00").astimezone(UTC) + far, "Europe/Paris")
    assert changes(live, live.roll(later)) == {(ANN, "recent", "left"), (ANN, "lapsed", "entered")}
    assert len(live.states["order"]) == 0
