"""The plain evaluator says what the contract says: one person, one moment, answers worked out by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from facette.clock import Moment
from facette.definitions.language import parse_rule, parse_value
from tests.language.strategies import small_vocabulary
from tests.oracles.rules import evaluate, value_of

VOCABULARY = small_vocabulary()
NOW = Moment(datetime(2026, 3, 31, 10, 7, 30, tzinfo=UTC), "Europe/Paris")  # 12:07 there, a Tuesday
SEGMENTS = {"vip": parse_rule("score > 10"), "cold": parse_rule("NOT IN SEGMENT vip")}
PERSON = {
    "score": 20,
    "spend_90d": None,
    "is_engaged": True,
    "city": " pARIS ",
    "channel": "Été",
    "birthday": date(1990, 2, 28),
    "last_seen": datetime(2026, 3, 30, 21, 59, tzinfo=UTC),  # 23:59 on the 30th there
}


def purchase(number: int, at: datetime, **properties: object) -> dict[str, object]:
    blank = {"amount": None, "category": None, "is_promo": None, "delivered_on": None, "paid_at": None}
    return {"name": "purchase", "event_id": str(number), "at": at, "known_at": at, **blank, **properties}


EVENTS = [
    purchase(1, datetime(2026, 2, 27, 22, 59, tzinfo=UTC), amount=10, category="Bio"),  # the 27th there
    purchase(2, datetime(2026, 2, 27, 23, 0, tzinfo=UTC), amount=30, category="web", is_promo=True),  # the 28th
    purchase(3, datetime(2026, 3, 31, 9, 4, tzinfo=UTC), category="bio"),
    purchase(4, datetime(2026, 3, 31, 10, 8, tzinfo=UTC), amount=1000),  # not yet
    {**purchase(5, datetime(2026, 3, 1, tzinfo=UTC), amount=1000), "known_at": datetime(2026, 4, 1, tzinfo=UTC)},
]


@pytest.mark.parametrize(
    ("rule", "answer"),
    [
        ("spend_90d < 5", False),
        ("spend_90d != 5", True),
        ("spend_90d NOT BETWEEN 1 AND 2", True),
        ("spend_90d IS UNKNOWN", True),
        ("city = paris", True),
        ("city CONTAINS AR", True),
        ("channel = ete", False),
        ("channel STARTS WITH É", True),
        ("recent engagement = yes AND is_engaged != faux", True),
        ("score = high AND NOT score = moyen", True),
        ("last_seen < 1 day", False),
        ("last_seen = 1 day", True),
        ("last_seen < 13 hours", True),
        ("last_seen = 12 hours", True),
        ("last_seen = yesterday AND last_seen > 2026-03-30T21:58:00Z", True),
        ("birthday > 36 years", True),
        ("IN SEGMENT vip AND NOT cold", True),
        ("DID purchase EXACTLY 3 TIMES", True),
        ("DID purchase EXACTLY 2 TIMES IN THE LAST MONTH", True),  # back to 28 February
        ("DID purchase IN THE LAST HOUR", False),  # since 9:05
        ("DID purchase IN THE LAST 61 MINUTES", True),
        ("DID purchase BEFORE 2026-02-28", True),
        ("DID purchase EXACTLY 1 TIME BETWEEN 2026-02-28 AND yesterday", True),
        ("DID purchase WHERE category = bio AND amount > 20", False),
        ("DID purchase WHERE weekday = 6 AND hour = 0", True),
        ("DID NOT open_email AND DID open_email AT MOST 2 TIMES", True),
        ("FIRST DID purchase IN THE LAST MONTH", False),
        ("FIRST DID purchase WHERE amount > 10 IN THE LAST MONTH", True),
        ("FIRST(category) OF purchase = BIO AND LAST(amount) OF purchase = 30", True),
        # purchases of 27, 28 February and 31 March, the last at 11:04 there, when it is 12:07
        ("DID purchase THEN purchase WITHIN 1 MINUTE", True),
        ("DID purchase THEN purchase WHERE category = bio WITHIN 30 DAYS", False),
        ("DID purchase THEN purchase WHERE category = bio WITHIN 31 DAYS", True),
        ("DID purchase THEN purchase WHERE category = bio WITHIN 1 MONTH", True),  # 31 March is a month after the 28th
        ("DID purchase THEN purchase WITHIN 60 DAYS IN THE LAST MONTH", True),
        ("DID purchase THEN purchase WITHIN 60 DAYS SINCE 2026-03-01", False),  # it does not follow itself
        ("DID purchase WHERE category = bio THEN NOT purchase WITHIN 62 MINUTES", False),
        ("DID purchase WHERE amount IS UNKNOWN THEN NOT purchase WITHIN 61 MINUTES", False),  # not over before 12:10
        ("DID purchase WHERE amount IS UNKNOWN THEN NOT purchase WITHIN 60 MINUTES", True),
        ("DID purchase WHERE amount IS UNKNOWN THEN NOT purchase WITHIN 0 DAYS", False),  # not over before midnight
        ("DID purchase WHERE is_promo THEN NOT purchase WITHIN 30 DAYS", True),
        ("DID purchase WHERE is_promo THEN NOT purchase WITHIN 31 DAYS", False),
        ("DID open_email THEN NOT purchase WITHIN 1 DAY OR DID purchase THEN open_email WITHIN 1 DAY", False),
        ("SUM(amount) OF purchase SINCE today = 0", True),
        ("AVG(amount) OF purchase SINCE today < 5", False),
        ("COUNT(amount) OF purchase = 2 AND COUNT OF purchase = 3", True),
        ("DISTINCT(category) OF purchase = 2 AND RECENCY OF purchase = 0", True),
    ],
)
def test_rules(rule: str, answer: bool) -> None:
    assert evaluate(parse_rule(rule), PERSON, EVENTS, NOW, VOCABULARY, SEGMENTS) is answer


@pytest.mark.parametrize(
    ("value", "answer"),
    [
        ("SUM(amount) OF purchase / COUNT OF purchase", 40 / 3),
        ("1 / COUNT OF open_email", None),
        ("score + spend_90d", None),
        ("MAX(category) OF purchase", "web"),
        ("MIN(day) OF purchase", date(2026, 2, 27)),
        ("RECENCY OF open_email", None),
    ],
)
def test_values(value: str, answer: object) -> None:
    assert value_of(parse_value(value), PERSON, EVENTS, NOW, VOCABULARY) == answer
