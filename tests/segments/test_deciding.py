"""The events that are named made the value what it is, all and no other; what is told of a rule is what happens."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from facette.clock import Moment
from facette.definitions import model
from facette.definitions.language import check_rule, check_value, parse_rule, print_rule, tree
from facette.definitions.language.tree import Aggregate, Did, Rule
from facette.features.table import FeaturePlan
from facette.segments import deciding
from facette.segments.deciding import Decisive
from facette.segments.explain import Explanation, explain_person, what_decided
from facette.segments.person import Person
from facette.segments.sentences import Words
from facette.warehouse.compiler import visible
from facette.warehouse.connect import connect
from facette.warehouse.moments import Moments
from tests.cases import COMPARED
from tests.differential.engine import lifted
from tests.differential.worlds import (
    TICK,
    Row,
    World,
    random_event,
    random_moment,
    random_value,
    telling_instants,
    vocabulary,
)
from tests.language.strategies import aggregates, comparisons, connected, dids, traits
from tests.oracles.rules import (
    days_back,
    evaluate,
    five_minutes,
    local_day,
    matching,
    only,
    properties,
    property_of,
    same,
    today,
)

NAMES = vocabulary(2)
CHAIN = ("vip", "cold", "nested")
BEHAVIOUR = st.one_of(comparisons(aggregates(NAMES)), dids(NAMES))
AGES = ("last_seen", "birthday")
ANY = st.one_of(BEHAVIOUR, comparisons(traits(replace(NAMES, columns={name: NAMES.columns[name] for name in AGES}))))
TIMELY = (
    "DID purchase IN THE LAST 20 HOURS",
    "DID NOT open_email IN THE LAST 90 MINUTES",
    "DID purchase AT LEAST 2 TIMES IN THE LAST 1 MONTHS",
    "DID open_email AT MOST 1 TIMES IN THE LAST 2 DAYS",
    "DID purchase THEN NOT open_email WITHIN 30 HOURS",
    "DID open_email THEN NOT purchase WITHIN 1 MONTHS",
    "DID purchase THEN open_email WITHIN 2 DAYS IN THE LAST 3 DAYS",
    "DID open_email THEN open_email WITHIN 5 HOURS IN THE LAST 40 HOURS",
    "FIRST DID purchase IN THE LAST 1 MONTHS",
    "LAST(at) OF purchase < 40 HOURS",
    "RECENCY OF open_email <= 2",
    "AVG(amount) OF purchase IN THE LAST 26 HOURS > 3",
)
SOON = st.one_of(ANY, *(st.just(parse_rule(text)) for text in TIMELY))
QUICK = settings(
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
CON = connect()
TELLING = (
    "DID purchase THEN open_email WITHIN 7 DAYS",
    "DID purchase THEN purchase WITHIN 90 MINUTES",
    "DID open_email THEN open_email WITHIN 3 DAYS IN THE LAST 1 MONTHS",
    "DID purchase WHERE amount > 0 THEN NOT purchase WITHIN 2 DAYS",
    "DID purchase THEN NOT open_email WITHIN 30 HOURS",
    "FIRST DID purchase IN THE LAST 30 DAYS",
    "FIRST DID purchase",
    "RECENCY OF purchase WHERE amount > 0 > 3",
    "MAX(category) OF purchase = bio",
    "MIN(category) OF purchase SINCE 2026-01-01 = bio",
    "FIRST(amount) OF purchase > 3",
    "LAST(category) OF purchase IN THE LAST 50 HOURS = bio",
    "AVG(amount) OF purchase IN THE LAST 2 MONTHS > 3",
    "DISTINCT(category) OF purchase BEFORE yesterday > 2",
    "SUM(quantity) OF purchase IN THE LAST 1 YEARS > 3",
    "COUNT OF open_email >= 2",
    "feature_0 > 3",
    "feature_1 > 3 AND SUM(amount) OF purchase > 5",
)
FEATURES = {
    "feature_0": "SUM(amount) OF purchase IN THE LAST 30 DAYS / COUNT OF open_email",
    "feature_1": "feature_0 + 1",
}


def one_person(rng: random.Random) -> World:
    """One person with some events, of which a few are not known yet or still to come."""
    moment = random_moment(rng)
    if rng.random() < 0.5:
        moment = Moment(moment.as_of, moment.zone)
    instants = telling_instants(moment)
    instants += [moment.as_of - timedelta(hours=rng.uniform(0, hours)) for hours in (50, 24 * 40) for _ in range(300)]
    traits = {entry.name: random_value(rng, entry, instants, moment) for entry in vocabulary().columns.values()}
    events: list[Row] = []
    for _ in range(rng.choice((2, 6, 12, 20, 30))):
        events.append(random_event(rng, NAMES, 1, instants, moment, events))
    return World(moment, [{"profile_id": 1, "is_counted": True, **traits}], events)


def alone(world: World, rules: dict[str, tree.Checked]) -> Person:
    """As queries put a person together."""
    values = {name: check_value(text, NAMES) for name, text in FEATURES.items()}
    plan = FeaturePlan(
        lifted({**rules, **values}),
        tuple(model.Feature(name=name, value="-") for name in FEATURES),
        {name: checked.rule for name, checked in values.items()},
    )
    tables = {name: table.filter(visible(table, world.moment)) for name, table in world.tables(NAMES).items()}
    kept = {
        name: CON.create_table(f"mine_{name}", CON.to_pyarrow(table), temp=True, overwrite=True)
        for name, table in tables.items()
    }
    profile = CON.create_table("one", CON.to_pyarrow(world.profiles(vocabulary())), temp=True, overwrite=True)
    return Person(profile, kept, plan, {}, {}, {})


def explained(world: World, rules: dict[str, Rule], asked: str) -> Explanation:
    checked = {name: check_rule(rule, NAMES) for name, rule in rules.items()}
    words = Words("en", NAMES, world.moment.zone)
    return explain_person(alone(world, checked), asked, checked, world.moment, words, ask=CON.to_pyarrow)


# ── which events ────────────────────────────────────────────────────────────────────────────────────────────────────


def expected(written: Did | Aggregate, world: World) -> list[tuple[str, Any]]:
    """The ids of the events that decide, latest first, with what of them matters: the property, or what follows."""
    moment = world.moment
    if isinstance(written, Did):
        if written.then is not None:
            return in_sequence(written, world)
        if written.is_first and written.window is not None:
            ever = matching(written.event, written.where, None, world.events, moment, NAMES)
            return [(event["event_id"], event["at"]) for event in ever[:1]]
    found = matching(written.event, written.where, written.window, world.events, moment, NAMES)
    if isinstance(written, Did) or written.of is None:
        ids = [(event["event_id"], None) for event in reversed(found)]
        return ids[:1] if isinstance(written, Aggregate) and written.function == "recency" else ids
    of = only(written.of, properties(written.event, NAMES)).name
    known = [(event["event_id"], value) for event in found if (value := property_of(event, of, moment)) is not None]
    match written.function:
        case "first":
            return known[:1]
        case "last":
            return known[-1:]
        case "min" | "max":
            extreme = (min if written.function == "min" else max)([same(value) for _, value in known], default=None)
            return [pair for pair in known if same(pair[1]) == extreme]
    return known[::-1]


def in_sequence(did: Did, world: World) -> list[tuple[str, Any]]:
    then, moment = did.then, world.moment
    assert then is not None
    firsts = matching(did.event, did.where, did.window, world.events, moment, NAMES)
    seconds = matching(then.event, then.where, did.window, world.events, moment, NAMES)
    amount, unit = then.delay.amount, then.delay.unit
    keys = ((then.on or "", did.event), (then.other or then.on or "", then.event))
    found: list[tuple[str, Any]] = []
    for first in firsts:
        after = [second for second in seconds if second is not first and second["at"] >= first["at"]]
        if then.on is not None:
            mine, its = (only(name, properties(event, NAMES)).name for name, event in keys)
            key = same(property_of(first, mine, moment))
            after = [second for second in after if key is not None and key == same(property_of(second, its, moment))]
        if unit in ("hour", "minute"):
            delay = timedelta(**{f"{unit}s": amount})
            in_time = [second for second in after if second["at"] - first["at"] <= delay]
            is_over = five_minutes(moment) - first["at"] > delay
        else:
            day = local_day(first["at"], moment)
            in_time = [second for second in after if days_back(local_day(second["at"], moment), amount, unit) <= day]
            is_over = days_back(today(moment), amount, unit) > day
        if then.is_absent and is_over and not in_time:
            found.append((first["event_id"], None))
        if not then.is_absent and in_time:
            found.append((first["event_id"], in_time[0]["event_id"]))
    return found[::-1]


def told(decisive: Decisive) -> list[tuple[str, Any]]:
    return [
        (cause.event_id, cause.followed_by.event_id if cause.followed_by else cause.value) for cause in decisive.events
    ]


def check(world: World, written: Did | Aggregate, decisive: Decisive) -> None:
    wanted, found = expected(written, world), told(decisive)
    one = isinstance(written, Aggregate) and written.function in ("min", "max")
    same_values = [(event_id, same(value)) for event_id, value in wanted]
    if one:
        assert len(found) == bool(wanted)
        assert all((event_id, same(value)) in same_values for event_id, value in found), (written, world, decisive)
    else:
        assert [(event_id, same(value)) for event_id, value in found] == same_values, (written, world, decisive)
        assert decisive.n_events == len(found)
    by_id = {event["event_id"]: event for event in world.events}
    for cause in decisive.events:
        assert (cause.at.astimezone(UTC), cause.source) == (by_id[cause.event_id]["at"], "shop")
        assert cause.at <= world.moment.as_of and by_id[cause.event_id]["known_at"] <= world.moment.known_at
        follower = cause.followed_by
        if follower is not None:
            assert (follower.at.astimezone(UTC), follower.source) == (by_id[follower.event_id]["at"], "shop")


def check_all(world: World, rule: Rule) -> int:
    """The events behind every condition of a rule against the plain evaluator; how many aggregates there were."""
    checked = check_rule(rule, NAMES)
    person = alone(world, {"r": checked})
    plan, words = person.plan, Words("en", NAMES, world.moment.zone)
    moments = Moments((world.moment,), tree.durations([checked.rule, *plan.aggregates.values()]))
    row = person.rows_at(moments).to_pyarrow().to_pylist()[0]
    found = what_decided(person, {"r": checked}, row, world.moment, words)
    written = {words.operand(c): c.written for c in columns_of([checked.rule, *plan.values.values()])}
    behind = {name: set(checked.aggregates) & {name} for name in found}
    behind["feature_0"] = behind["feature_1"] = set(check_value(FEATURES["feature_0"], NAMES).aggregates)
    for name, decisive in found.items():
        told = {each.aggregate for each in decisive}
        every = columns_of([checked.rule, *plan.values.values()])
        assert told and told <= {words.operand(c) for c in every if c.name in behind[name]}  # one may be written twice
        assert len(decisive) == len(behind[name])
        for each in decisive:
            behaviour = written[each.aggregate]
            assert isinstance(behaviour, Did | Aggregate)
            check(world, behaviour, each)
    COMPARED["events that decided"] += sum(each.n_events for decisive in found.values() for each in decisive)
    return sum(each.n_events for decisive in found.values() for each in decisive)


def columns_of(node: object) -> Iterator[tree.Column]:
    if isinstance(node, tree.Column):
        yield node
    elif isinstance(node, tuple | list):
        for item in node:
            yield from columns_of(item)
    else:
        for name in ("items", "item", "left", "right"):
            yield from columns_of(getattr(node, name, ()))


@pytest.mark.parametrize("text", TELLING)
def test_the_events_of_every_way_to_speak_of_behaviour(text: str) -> None:
    rule = parse_rule(text)
    assert sum(check_all(one_person(random.Random(f"{text} {seed}")), rule) for seed in range(6)) > 0


@settings(QUICK, max_examples=25)
@given(rule=connected(BEHAVIOUR, 4), seed=st.integers(0, 2**32))
# Python finds neither of two equal local times the same as an instant of another zone
@example(rule=parse_rule("NOT DISTINCT(CATEGORY) OF purchase BEFORE 2026-03-18 = 10"), seed=7)
def test_the_events_of_any_behaviour(rule: Rule, seed: int) -> None:
    check_all(one_person(random.Random(seed)), rule)


def test_the_first_event_of_all_decides_whatever_the_window() -> None:
    rule = parse_rule("FIRST DID purchase BETWEEN 2026-03-18 AND yesterday OR FIRST DID purchase BEFORE 2025-02-08")
    assert check_all(one_person(random.Random(0)), rule) > 0


def test_of_many_events_the_latest_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deciding, "MOST_EVENTS", 2)
    world = one_person(random.Random(0))
    at = world.moment.as_of - timedelta(days=1)
    events = [
        {
            "profile_id": 1,
            "name": "open_email",
            "event_id": f"e{n}",
            "at": at + n * TICK,
            "known_at": at,
            "subject": None,
        }
        for n in range(5)
    ]
    answer = explained(replace(world, events=events), {"r": parse_rule("DID open_email")}, "r")
    (decisive,) = answer.reason.decided_by
    assert (decisive.n_events, [cause.event_id for cause in decisive.events]) == (5, ["e4", "e3"])


# ── what happens ────────────────────────────────────────────────────────────────────────────────────────────────────


@settings(QUICK, max_examples=8)
@given(chain=st.lists(connected(SOON, 2), min_size=2, max_size=2), rule=connected(SOON, 2), seed=st.integers(0, 2**32))
def test_an_explanation_agrees_with_the_plain_evaluator(chain: list[Rule], rule: Rule, seed: int) -> None:
    """Now, at the instant of the flip that is told, just before it, and at some instants between."""
    world = one_person(random.Random(seed))
    below, other = chain
    rules = {"vip": below, "cold": tree.Or((other, tree.InSegment("vip")))}
    rules["nested"] = tree.And((tree.Or((rule, tree.InSegment("cold"))), tree.Not(tree.InSegment("vip"))))
    known = [
        {**event, "known_at": event["at"]}
        for event in world.events
        if event["at"] <= world.moment.as_of and event["known_at"] <= world.moment.known_at
    ]

    def is_member(name: str, at: datetime) -> bool:
        person = {**world.people[0], "feature_0": None, "feature_1": None}
        return evaluate(rules[name], person, known, Moment(at, world.moment.zone), NAMES, rules)

    for name in ("nested", "cold"):
        answer = explained(world, rules, name)
        told = (print_rule(rules[name], "en"), world)
        now = world.moment.as_of
        assert answer.reason.is_met is is_member(name, now), told
        at = answer.reason.changes_at
        if at is not None:
            assert is_member(name, at) is not answer.reason.is_met, told
        end = at or answer.looked_until or now + timedelta(days=400)
        between = [now + (end - now) * random.Random(seed).random() for _ in range(6)]
        for instant in (end - TICK, *between):
            assert instant < now or is_member(name, instant) is answer.reason.is_met, (told, at, instant)
        COMPARED["flips foretold"] += at is not None
