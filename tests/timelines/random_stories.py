"""Random stories: people who turn out to be one, events that come late, early or twice, looks at hard instants."""

from __future__ import annotations

import random
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from facette.clock import Moment
from facette.definitions.language.vocabulary import Property
from tests.differential.worlds import NIGHTS, TICK, random_instant, random_value, telling_instants
from tests.timelines.story import Row, Story

TRAITS = {"city": "text", "n_children": "number", "is_engaged": "boolean", "birthday": "date", "last_seen": "instant"}
EVENTS = {
    "purchase": {"amount": "number", "category": "text", "quantity": "number"},
    "visit": {"page": "text", "until": "instant"},
}
N_PEOPLE, N_STEPS = 8, 3


def random_story(rng: random.Random, segments: dict[str, str]) -> Story:
    """A story of the given segments, of which nothing is expected but what the plain evaluator says."""
    zone = rng.choice(list(NIGHTS))
    day = rng.choice(NIGHTS[zone])
    midnight = datetime.combine(day, time(), ZoneInfo(zone)).astimezone(ZoneInfo("UTC"))
    looks = _looks(rng, midnight)
    instants = telling_instants(Moment(midnight, zone))
    told: list[Row] = []
    steps: list[dict[str, Any]] = []
    for at in looks:
        people = [_person(rng, instants, at, zone) for _ in range(rng.randint(0, 4))]
        events = [_event(rng, instants, at, zone, told) for _ in range(rng.randint(1, 12))]
        if told and rng.random() < 0.5:
            events.append(dict(rng.choice(told)))  # delivered again
        told += events
        steps.append({"at": at, "people": people, "events": events, "expect": {name: [] for name in segments}})
    return Story.model_validate(
        {
            "name": "random",
            "tells": "Whatever happens to anybody.",
            "time_zone": zone,
            "identifiers": {"customer": {"limit": rng.choice((None, 1))}, "email": {}},
            "population": rng.choice(((), ("customer",))),
            "survivorship": rng.choice(("recent", "trusted", "frequent")),
            "sources": ("crm", "site"),
            "traits": TRAITS,
            "events": {name: {"fields": fields} for name, fields in EVENTS.items()},
            "segments": segments,
            "steps": steps,
        }
    )


def _looks(rng: random.Random, midnight: datetime) -> list[datetime]:
    """Around a local midnight and 5-minute steps, and days later."""
    hard = (
        timedelta(minutes=-7),
        -TICK,
        timedelta(0),
        timedelta(minutes=5) - TICK,
        timedelta(minutes=5),
        timedelta(hours=1),
        timedelta(hours=25),
        timedelta(days=3),
        timedelta(days=31, minutes=5),
    )
    return sorted(midnight + each for each in rng.sample(hard, N_STEPS))


def _identifiers(rng: random.Random) -> dict[str, str]:
    """Mostly one; sometimes two that belong together, rarely two that do not."""
    number = rng.randrange(N_PEOPLE)
    other = number if rng.random() < 0.9 else rng.randrange(N_PEOPLE)
    both = {"customer": f"C{number}", "email": f"c{other}@shop.fr"}
    kinds = rng.choice((["customer"], ["customer"], ["email"], ["email"], ["customer", "email"]))
    return {kind: both[kind] for kind in kinds}


def _person(rng: random.Random, instants: list[datetime], now: datetime, zone: str) -> Row:
    known_at = rng.choice((now, random_instant(rng, instants, Moment(now, zone))))
    values = _values(rng, TRAITS, instants, Moment(now, zone))
    return {"from": rng.choice(("crm", "site")), **_identifiers(rng), "known_at": known_at, **values}


def _event(rng: random.Random, instants: list[datetime], now: datetime, zone: str, others: list[Row]) -> Row:
    """At a telling instant or at the instant of another; known at once, late, or long after; its id is its own."""
    kind = rng.choice(list(EVENTS))
    at = rng.choice(others)["at"] if others and rng.random() < 0.2 else random_instant(rng, instants, Moment(now, zone))
    delay = rng.choice((0, 0, 0, -3_600, 1, 3_600, 86_400, rng.uniform(0, 40 * 86_400)))
    values = _values(rng, EVENTS[kind], instants, Moment(now, zone))
    number = f"e{rng.randrange(10**9)}"
    return {
        "did": kind,
        "id": number,
        **_identifiers(rng),
        "at": at,
        "known_at": at + timedelta(seconds=delay),
        **values,
    }


def _values(rng: random.Random, types: dict[str, str], instants: list[datetime], moment: Moment) -> Row:
    values = {name: random_value(rng, Property(name, kind), instants, moment) for name, kind in types.items()}  # type: ignore[arg-type]
    return {name: value for name, value in values.items() if value is not None}
