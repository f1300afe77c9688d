"""Random people with random events around a random moment, placed where mistakes would show.

The same world is given to both sides: as rows to the plain evaluator, as tables to the engine.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from facette.clock import Moment
from facette.definitions.language.vocabulary import Band, Event, Property, SegmentName, Vocabulary
from facette.profiles.formats import tidy
from tests.language.strategies import DAYS, INSTANTS, NUMBERS, small_vocabulary
from tests.oracles.rules import days_back, five_minutes, local_day, today

Row = dict[str, Any]

NIGHTS = {
    "UTC": (date(2024, 2, 29), date(2026, 3, 15)),
    "Europe/Paris": (date(2026, 3, 29), date(2026, 10, 25), date(2026, 3, 31)),  # clocks change, month ends
    "America/New_York": (date(2026, 3, 8), date(2026, 11, 1), date(2025, 2, 28)),
    "Asia/Kolkata": (date(2026, 3, 15), date(2028, 2, 29)),
    "Pacific/Apia": (date(2011, 12, 31), date(2012, 1, 1)),  # there was no 30th
    "America/Sao_Paulo": (date(2018, 11, 4), date(2018, 2, 18)),  # midnight skipped, midnight repeated
    "Africa/Cairo": (date(2024, 4, 26), date(2024, 11, 1)),  # likewise
    "Australia/Lord_Howe": (date(2026, 4, 5), date(2026, 10, 4)),  # by half an hour
}
"""Local days that are hard, by time zone. Ordinary ones near the dates in random rules are added."""

TEXTS = (
    *("bio", "BIO", " Bio\t", "biologique", "ete", "Été", "ÉTÉ", "E\u0301te\u0301\u00a0", "l'été", "à l'Été"),
    *('dit "oui"', "il dit: « oui »", "Grand Public", "web", "7", "77", "not", "nothing", "%", "b_o"),
)
AMOUNTS = (0.1, 0.2, 0.3, 19.9, 19.99, -5.5, 1e9, 33.333333)
LENGTHS = (0, 1, 2, 3, 7, 8, 30, 31)
CALENDAR = ("day", "week", "month", "year")
TICK = timedelta(microseconds=1)


def vocabulary(n_features: int = 0) -> Vocabulary:
    """The vocabulary of random rules, with whole numbers, bands of a property, features and nested segments."""
    small = small_vocabulary()
    bands = (Band("few", None, 3, ("peu",)), Band("many", 3, None, ("beaucoup",)))
    purchase = small.events["purchase"]
    purchase = replace(
        purchase, properties={**purchase.properties, "quantity": Property("quantity", "number", {}, bands)}
    )
    features = {f"feature_{n}": Property(f"feature_{n}", "number") for n in range(n_features)}
    return Vocabulary(
        columns={**small.columns, "n_children": Property("n_children", "number"), **features},
        events={**small.events, "purchase": purchase},
        segments={**small.segments, "nested": SegmentName("nested")},
        thresholds=small.thresholds,
    )


ARROW = {
    "number": pa.float64(),
    "text": pa.string(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "instant": pa.timestamp("us", "UTC"),
}
WHOLE = ("n_children", "quantity")
"""Numbers that are whole in the tables too."""
EVENT_COLUMNS = (
    ("profile_id", pa.int64()),
    ("event_id", pa.string()),
    ("at", ARROW["instant"]),
    ("known_at", ARROW["instant"]),
    ("day", pa.date32()),
    ("hour", pa.int8()),
    ("weekday", pa.int8()),
    ("source", pa.string()),
)


@dataclass(frozen=True)
class World:
    """What there is at a moment.

    people : profile_id, is_counted, and traits
    events : profile_id, name, event_id, at, known_at, and properties
    """

    moment: Moment
    people: list[Row]
    events: list[Row]

    def events_of(self, profile_id: int) -> list[Row]:
        return [event for event in self.events if event["profile_id"] == profile_id]

    def profiles(self, names: Vocabulary) -> ir.Table:
        """profile_id, is_counted, traits; as the stage of the golden record would make it."""
        traits = [entry for entry in names.columns.values() if entry.name in self.people[0]]
        return _table([("profile_id", pa.int64()), ("is_counted", pa.bool_())], traits, self.people)

    def tables(self, names: Vocabulary) -> dict[str, ir.Table]:
        """Event → its table, as the stage of events would make it."""
        return {name: event_table(event, self.events, self.moment.zone) for name, event in names.events.items()}


def event_table(event: Event, events: list[Row], zone: str) -> ir.Table:
    """The events of one kind: profile_id, event_id, at, known_at, day, hour, weekday, source, properties."""
    rows = []
    for row in events:
        if row["name"] == event.name:
            local = row["at"].astimezone(ZoneInfo(zone))
            clock = {"day": local.date(), "hour": local.hour, "weekday": local.isoweekday(), "source": "shop"}
            rows.append({**row, **clock})
    return _table(list(EVENT_COLUMNS), list(event.properties.values()), rows)


def random_moment(rng: random.Random) -> Moment:
    """At and around a local midnight or a 5-minute step, on an ordinary or a hard day, with what was known then."""
    zone = rng.choice(list(NIGHTS))
    ordinary = [date(2026, 3, 15) + timedelta(days=days) for days in range(-1, 4)]
    day = rng.choice([*NIGHTS[zone], *ordinary])
    midnight = datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)
    within = (timedelta(0), -TICK, TICK, timedelta(minutes=5), timedelta(minutes=5) - TICK, timedelta(days=1) - TICK)
    as_of = midnight + rng.choice((*within, timedelta(seconds=rng.uniform(0, 86_400))))
    known_at = rng.choice((None, None, None, as_of - timedelta(days=2), as_of + timedelta(days=2)))
    return Moment(as_of, zone, known_at)


def random_world(rng: random.Random, names: Vocabulary, n_people: int = 30, n_events: int = 12) -> World:
    """People with up to ``n_events`` events each, some of whom are not counted."""
    moment = random_moment(rng)
    instants = telling_instants(moment)
    people = [
        {"profile_id": number, "is_counted": rng.random() < 0.9}
        | {entry.name: random_value(rng, entry, instants, moment) for entry in names.columns.values()}
        for number in rng.sample(range(1_000), n_people)
    ]
    strangers = [{"profile_id": 10_001}]
    events: list[Row] = []
    for person in people + strangers:
        for _ in range(rng.choice((0, 1, rng.randint(2, n_events), n_events))):
            events.append(random_event(rng, names, person["profile_id"], instants, moment, events))
    return World(moment, people, events)


def random_event(
    rng: random.Random,
    names: Vocabulary,
    profile_id: int,
    instants: list[datetime],
    moment: Moment,
    others: list[Row],
) -> Row:
    """An event at a telling instant or at the instant of another; known at once, late, or long after the moment."""
    event = rng.choice(list(names.events.values()))
    at = rng.choice(others[-5:])["at"] if others and rng.random() < 0.2 else random_instant(rng, instants, moment)
    delay = rng.choice((0, 0, 0, 1, 3_600, 86_400, rng.uniform(0, 40 * 86_400)))
    properties = {entry.name: random_value(rng, entry, instants, moment) for entry in event.properties.values()}
    return {
        "profile_id": profile_id,
        "name": event.name,
        "event_id": f"{rng.choice('aZé')}{len(others)}",
        "at": at,
        "known_at": at + timedelta(seconds=delay),
        **properties,
    }


def random_value(rng: random.Random, entry: Property, instants: list[datetime], moment: Moment) -> Any:
    """A value of the property's type, or unknown."""
    if rng.random() < 0.25:
        return None
    match entry.type:
        case "number" if entry.name in WHOLE:
            return rng.randint(-1, 4)
        case "number":
            return float(rng.choice((*NUMBERS, *AMOUNTS)))
        case "text":
            return rng.choice(TEXTS)
        case "boolean":
            return rng.random() < 0.5
        case "date":
            return local_day(rng.choice(instants), moment) + timedelta(days=rng.choice((-1, 0, 0, 0, 1)))
    return random_instant(rng, instants, moment)


def random_instant(rng: random.Random, instants: list[datetime], moment: Moment) -> datetime:
    if rng.random() < 0.3:
        return moment.as_of - timedelta(seconds=rng.uniform(-86_400, 70 * 86_400))
    nearby = (
        timedelta(0),
        -TICK,
        TICK,
        timedelta(minutes=rng.randint(-120, 120)),
        timedelta(hours=rng.randint(-30, 30)),
    )
    return rng.choice(instants) + rng.choice(nearby)


def telling_instants(moment: Moment) -> list[datetime]:
    """Where windows and days begin: an answer may differ on both sides of each of these."""
    zone, step, day = ZoneInfo(moment.zone), five_minutes(moment), today(moment)
    days = [days_back(day, amount, unit) for amount in LENGTHS for unit in CALENDAR]
    days += [day + timedelta(days=1), day - timedelta(days=1), *DAYS]
    midnights = [datetime.combine(day, time(), zone).astimezone(UTC) for day in days]
    steps = [step - timedelta(**{unit: amount}) for amount in LENGTHS for unit in ("minutes", "hours")]
    return [*midnights, *steps, *(instant.astimezone(UTC) for instant in INSTANTS), moment.as_of, moment.as_of]


def _table(columns: list[tuple[str, pa.DataType]], entries: list[Property], rows: list[Row]) -> ir.Table:
    """Rows as a table; text is made tidy as cleaning does."""
    typed = [(entry.name, pa.int64() if entry.name in WHOLE else ARROW[entry.type]) for entry in entries]
    table = ibis.memtable(pa.Table.from_pylist(rows, schema=pa.schema(columns + typed)))
    return table.mutate(**{entry.name: tidy(table[entry.name]) for entry in entries if entry.type == "text"})
