"""Every way to speak of time, at hard moments in many time zones, of people at, before and after each boundary."""

from __future__ import annotations

import itertools
import random
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from facette.clock import Moment
from facette.definitions.language import check_rule, print_rule
from facette.definitions.language.tree import (
    Before,
    BetweenDays,
    Compare,
    Date,
    Did,
    Duration,
    InTheLast,
    Name,
    RelativeDay,
    Rule,
    Since,
)
from facette.segments.membership import wide_memberships
from tests.cases import COMPARED
from tests.differential.engine import wide_row
from tests.differential.worlds import CALENDAR, NIGHTS, TICK, World, telling_instants, vocabulary
from tests.language.strategies import DAYS, SIGNS, UNITS
from tests.oracles.rules import evaluate, local_day
from tests.warehouses import Engine

NAMES = vocabulary()
N_RULES, N_PEOPLE = 100, 200
AMOUNTS = (0, 1, 2, 7, 30)
LITERAL_DAYS = (*map(Date, DAYS), RelativeDay(0), RelativeDay(1))


def every_way() -> list[Rule]:
    seen, born = Name("last_seen"), Name("birthday")
    compared = [(seen, Duration(*length)) for length in itertools.product(AMOUNTS, UNITS)]
    compared += [(born, Duration(*length)) for length in itertools.product(AMOUNTS, CALENDAR)]
    compared += list(itertools.product((seen, born), LITERAL_DAYS))
    rules: list[Rule] = [Compare(left, sign, right) for left, right in compared for sign in SIGNS]
    windows = [InTheLast(*length) for length in itertools.product(AMOUNTS, UNITS)]
    windows += [kind(day) for kind in (Since, Before) for day in LITERAL_DAYS]
    windows += [BetweenDays(first, last) for first, last in zip(LITERAL_DAYS[1:], LITERAL_DAYS, strict=False)]
    return rules + [Did("purchase", None, None, window, is_first) for window in windows for is_first in (False, True)]


def people(rng: random.Random, moment: Moment) -> World:
    """Each seen, born and buying exactly at a boundary, or right beside it."""
    instants = telling_instants(moment)
    rows, events = [], []
    for number in range(N_PEOPLE):
        at, seen, born = (rng.choice(instants) + rng.choice((timedelta(0), -TICK, TICK)) for _ in range(3))
        traits = dict.fromkeys(NAMES.columns) | {"last_seen": seen, "birthday": local_day(born, moment)}
        rows.append({"profile_id": number, "is_counted": True, **traits})
        event = {"profile_id": number, "name": "purchase", "event_id": "e", "at": at, "known_at": at}
        events.append(event | dict.fromkeys(NAMES.events["purchase"].properties))
    return World(moment, rows, events)


@pytest.mark.parametrize(("zone", "day"), [(zone, day) for zone, days in NIGHTS.items() for day in days])
def test_every_way_to_speak_of_time(zone: str, day: date, duckdb: Engine) -> None:
    rng = random.Random(f"{zone} {day}")
    midnight = datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)
    within = (timedelta(0), TICK, timedelta(minutes=5) - TICK, timedelta(hours=12, minutes=34))
    world = people(rng, Moment(midnight + rng.choice(within), zone))
    rules = {f"rule_{n}": rule for n, rule in enumerate(rng.sample(every_way(), N_RULES))}
    checked = {name: check_rule(rule, NAMES) for name, rule in rules.items()}
    row = wide_row(world, NAMES, checked, duckdb)
    answers = {row["profile_id"]: row for row in duckdb.rows(wide_memberships(row, checked, world.moment))}
    for person in world.people:
        events = world.events_of(person["profile_id"])
        for name, rule in rules.items():
            expected = evaluate(rule, person, events, world.moment, NAMES, {})
            found = answers[person["profile_id"]][name]
            assert found is expected, (print_rule(rule, "en"), world.moment, person, events)
    COMPARED["answers at boundaries of time"] += len(world.people) * len(rules)
