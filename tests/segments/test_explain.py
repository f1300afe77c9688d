"""Time alone changes an answer only at the moments that explanations ask about, and each segment is looked at once."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import ibis
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from facette.clock import Moment
from facette.definitions.language import check_rule, parse_rule, print_rule, tree
from facette.definitions.language.tree import Aggregate, And, Checked, Column, Compare, Duration, InSegment, Not, Number
from facette.segments.explain import Reason, explain
from facette.segments.turning_points import turning_points
from facette.warehouse.moments import Moments
from tests.differential.worlds import random_event, random_moment, random_value, telling_instants, vocabulary
from tests.language.strategies import aggregates, comparisons, connected, dids, traits
from tests.oracles.rules import aggregate_value, compares, evaluate, local_day, matching

ENDS_OF_MONTHS = (date(2026, 1, 31), date(2026, 2, 28), date(2027, 11, 30), date(2028, 2, 29), date(2026, 3, 15))
LENGTHS = (Duration(0, "day"), Duration(3, "day"), Duration(2, "week"), Duration(1, "month"), Duration(1, "year"))
Row = dict[str, Any]


@pytest.mark.parametrize("seen", ENDS_OF_MONTHS)
@pytest.mark.parametrize("length", LENGTHS, ids=lambda length: f"{length.amount} {length.unit}")
@pytest.mark.parametrize("sign", ["=", "<", "<=", ">", ">="])
def test_an_age_passes_a_length_at_a_moment_that_is_asked_about(seen: date, length: Duration, sign: str) -> None:
    moment = Moment(datetime(seen.year, seen.month, seen.day, 12, tzinfo=UTC), "Europe/Paris")
    rule = Compare(Column("seen", "date"), sign, length)  # type: ignore[arg-type]
    asked = {later.as_of for later in turning_points([rule], {}, {}, {"seen": seen}, moment)}
    midnights = [moment.start_of(moment.today + timedelta(days=n)) for n in range(1, 500)]
    answers = [compares(seen, sign, length, (), Moment(at, moment.zone)) for at in (moment.as_of, *midnights)]
    flips = {at for at, before, after in zip(midnights, answers, answers[1:], strict=False) if before != after}
    assert flips <= asked


# ── any rule about one person ───────────────────────────────────────────────────────────────────────────────────────

NAMES = vocabulary()
MARCH = datetime(2026, 3, 14, 12, tzinfo=UTC)  # near the dates of the rules
TELLING = (
    "RECENCY OF purchase > 20",
    "RECENCY OF purchase WHERE amount > 0 BETWEEN 3 AND 60",
    "RECENCY OF purchase WHERE amount > 0 > 50.5",
    "RECENCY OF purchase WHERE paid_at < 5 DAYS > 2.5",
    "RECENCY OF purchase BEFORE 2026-03-01 > 70",
    "RECENCY OF purchase BETWEEN 2026-02-20 AND 2026-03-05 > 70",
    "RECENCY OF purchase BEFORE yesterday = 10",
    "RECENCY OF purchase BETWEEN yesterday AND today < 1",
    "MIN(day) OF purchase IN THE LAST 30 DAYS = 20 DAYS",
    "MAX(delivered_on) OF purchase IN THE LAST 7 DAYS < 9 DAYS",
    "FIRST(at) OF purchase IN THE LAST 2 DAYS > 30 HOURS",
    "LAST(paid_at) OF purchase WHERE delivered_on >= yesterday >= 3 DAYS",
    "MIN(paid_at) OF purchase IN THE LAST 1 MONTHS BETWEEN 2 WEEKS AND 20 DAYS",
    "(MIN(day) OF purchase IN THE LAST 30 DAYS) BETWEEN yesterday AND today",
    "LAST(at) OF purchase WHERE amount > 10 < 5 HOURS",
    "FIRST DID purchase BETWEEN yesterday AND today",
    "FIRST DID purchase WHERE paid_at >= 1 HOURS BETWEEN yesterday AND yesterday",
    "FIRST DID purchase WHERE paid_at < 20 HOURS IN THE LAST 26 HOURS",
    "FIRST DID purchase SINCE yesterday",
    "DID purchase THEN NOT open_email WHERE at > 2 DAYS WITHIN 3 DAYS",
    "DID purchase THEN purchase WHERE delivered_on < 9 DAYS WITHIN 2 DAYS IN THE LAST 5 DAYS",
)
ANY = st.one_of(comparisons(st.one_of(traits(NAMES), aggregates(NAMES))), dids(NAMES))
QUICK = settings(
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize("text", TELLING)
def test_an_answer_changes_only_at_moments_that_are_asked_about(text: str) -> None:
    for seed in range(16 if "HOURS" in text else 60):
        assert not missed([parse_rule(text)], seed), (text, seed)


@settings(QUICK, max_examples=40)
@given(rules=st.lists(connected(ANY, 2), min_size=3, max_size=3), seed=st.integers(0, 2**32))
def test_no_answer_changes_unasked(rules: list[tree.Rule], seed: int) -> None:
    assert not missed(rules, seed)


def missed(rules: list[tree.Rule], seed: int) -> list[tuple[str, datetime]]:
    """The rules and the moments at which they change for a random person, without having been asked about."""
    rng = random.Random(seed)
    moment = random_moment(rng)
    moment = Moment(moment.as_of, moment.zone) if seed % 2 else Moment(MARCH + rng.random() * timedelta(days=2), "UTC")
    instants = telling_instants(moment)
    instants += [moment.as_of - timedelta(hours=rng.uniform(0, hours)) for hours in (48, 30 * 24) for _ in range(99)]
    person = {entry.name: random_value(rng, entry, instants, moment) for entry in NAMES.columns.values()}
    events: list[Row] = []
    for _ in range(rng.choice((0, 1, 2, 6, 12))):
        event = random_event(rng, NAMES, 1, instants, moment, events)
        events.append(event | {"known_at": event["at"]})
    events = [event for event in events if event["at"] <= moment.as_of]
    seen = {
        name: [{**event, "day": local_day(event["at"], moment)} for event in events if event["name"] == name]
        for name in NAMES.events
    }
    wrong = []
    for rule in rules:
        checked = check_rule(rule, NAMES)
        row = {column.name: value_now(column, person, events, moment) for column in columns_of(checked.rule)}
        later = turning_points([checked.rule], checked.aggregates, seen, row, moment)  # type: ignore[list-item]
        asked = [moment.as_of, *(each.as_of for each in later)]
        moments = [moment.as_of, *looked_at(moment, checked)]
        answers = [evaluate(rule, person, events, Moment(at, moment.zone), NAMES, {}) for at in moments]
        wrong += [
            (print_rule(rule, "en"), at)
            for at, since, before, after in zip(moments[1:], moments, answers, answers[1:], strict=False)
            if before != after and not any(since < each <= at for each in asked)
        ]
    return wrong


def looked_at(moment: Moment, checked: Checked) -> list[datetime]:
    """The midnights of the next months, and the next steps of 5 minutes if hours or minutes matter."""
    units = {unit for _, unit in tree.durations([checked.rule, *checked.aggregates.values()])}
    found = {moment.start_of(moment.today + timedelta(days=n)) for n in range(1, 75)}
    if units & {"hour", "minute"}:
        found |= {moment.step + timedelta(minutes=5 * n) for n in range(1, 12 * 32)}
    return sorted(found)


def columns_of(node: object) -> Iterator[Column]:
    if isinstance(node, Column):
        yield node
    elif isinstance(node, tuple):
        for item in node:
            yield from columns_of(item)
    else:
        for name in ("items", "item", "left"):
            yield from columns_of(getattr(node, name, ()))


def value_now(column: Column, person: Row, events: list[Row], moment: Moment) -> Any:
    match column.written:
        case Aggregate() as aggregate:
            return aggregate_value(aggregate, events, moment, NAMES)
        case tree.Did(event=event, where=where):
            found = matching(event, where, None, events, moment, NAMES)
            return found[0]["at"] if found and column.type == "instant" else len(found)
    return person[column.name]


@pytest.mark.parametrize("n", [4_000, 40_000])
def test_a_number_of_days_since_may_be_large(n: int) -> None:
    moment = Moment(datetime(2026, 3, 27, 10, tzinfo=UTC), "Europe/Paris")
    rule, day = check_rule(f"RECENCY OF purchase > {n}", NAMES), date(2016, 1, 1)
    events = {"purchase": [{"at": datetime(2016, 1, 1, 10, tzinfo=UTC), "day": day}]}
    row = dict.fromkeys(rule.aggregates, (moment.today - day).days)
    later = turning_points([rule.rule], rule.aggregates, events, row, moment)  # type: ignore[list-item]
    assert moment.start_of(day + timedelta(days=n + 1)) in [each.as_of for each in later]


@pytest.mark.parametrize("literal", ["200 YEARS", "2400 MONTHS", "50000 DAYS", "1000000 HOURS", "yesterday"])
def test_the_end_of_the_calendar_is_not_passed(literal: str) -> None:
    moment = Moment(datetime(2026, 3, 27, 10, tzinfo=UTC), "Europe/Paris")
    for rule, value in (("last_seen", datetime(9998, 12, 31, tzinfo=UTC)), ("birthday", date(9998, 12, 31))):
        if rule == "birthday" and "HOURS" in literal:
            continue
        checked = check_rule(f"{rule} < {literal}", NAMES)
        row = {rule: value}
        assert turning_points([checked.rule], {}, {}, row, moment) == []  # type: ignore[list-item]


def test_an_aggregate_is_known_under_every_name() -> None:
    moment = Moment(datetime(2026, 3, 27, 10, tzinfo=UTC), "Europe/Paris")
    recent = Aggregate("min", "purchase", "day", None, tree.InTheLast(30, "day"))
    since = Aggregate("recency", "purchase", None, None, tree.Before(tree.Date(date(2026, 3, 2))))
    columns = {"recent": recent, "since": since}
    values = {"alias": Column("recent", "date"), "other": Column("alias", "date"), "score": Column("since", "number")}
    days = [date(2026, 3, 1), date(2026, 3, 20)]
    at = datetime(2026, 3, 1, 10, tzinfo=UTC)
    events = {"purchase": [{"at": at, "day": day} for day in days]}
    row = {"recent": days[0], "alias": days[0], "other": days[0], "since": None, "score": None}
    rule = Compare(Column("other", "date"), "=", Duration(20, "day"))
    later = turning_points([rule], columns, events, row, moment, values=values)
    assert {moment.start_of(day + timedelta(days=20)) for day in days[1:]} <= {each.as_of for each in later}
    row |= {"since": 26, "score": 26}
    later = turning_points([], columns, events, row, moment, values=values, cuts={"score": (99.5,)})
    assert moment.start_of(days[0] + timedelta(days=100)) in {each.as_of for each in later}


# ── segments in segments ────────────────────────────────────────────────────────────────────────────────────────────


def test_segments_that_share_references_are_each_looked_at_once() -> None:
    number = Compare(Column("score", "number"), ">", Number(3))
    rules = {"s0": Checked(number, {}, frozenset({"score"}), frozenset())}
    layers = 60
    for n in range(1, layers + 1):
        below = f"s{n - 1}"
        rule = And((InSegment(below), Not(Not(InSegment(below)))))
        rules[f"s{n}"] = Checked(rule, {}, frozenset(), frozenset({below}))
    moment = Moment(datetime(2026, 3, 27, tzinfo=UTC))
    later = Moment(datetime(2026, 3, 28, tzinfo=UTC))
    scores = ibis.memtable(pa.table({"profile_id": [1, 0], "score": [2.5, 3.5]}))  # 3.5 at the first moment
    top = rules[f"s{layers}"].rule
    moments = Moments((moment, later), frozenset())
    answer = explain(top, rules, lambda _: scores, moments, print_rule=str)  # type: ignore[arg-type]
    reasons = list(every(answer.reason))
    assert len(reasons) == 5 * layers + 1
    assert {reason.changes_at for reason in reasons} == {later.local}
    assert all(reason.is_met for reason in reasons if reason.kind in ("and", "segment", "condition"))
    assert [reason.value for reason in reasons if reason.kind == "condition"] == [3.5]
    first, second = (reason for reason in reasons if reason.kind == "segment" and "'s5'" in reason.text)
    assert (len(first.items), len(second.items)) == (1, 0)


def every(reason: Reason) -> Iterator[Reason]:
    yield reason
    for item in reason.items:
        yield from every(item)
