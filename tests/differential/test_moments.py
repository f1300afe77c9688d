"""One person at many moments in one query: the same answers as moment by moment from the plain evaluator."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from facette.clock import Moment
from facette.definitions.language import check_rule, print_rule, tree
from facette.segments.membership import wide_memberships
from facette.warehouse.moments import Moments
from tests.cases import COMPARED, random_cases
from tests.differential.engine import asked_of, lifted, wide_row
from tests.differential.worlds import TICK, World, random_world, vocabulary
from tests.language.strategies import aggregates, comparisons, connected, dids, traits
from tests.oracles.rules import evaluate
from tests.warehouses import Engine

NAMES = vocabulary()
RULES = connected(st.one_of(comparisons(st.one_of(traits(NAMES), aggregates(NAMES))), dids(NAMES)), 6)
N_RULES = 20


def test_every_rule_at_every_moment(engine: Engine) -> None:
    @random_cases(engine.cases(2))
    @given(rules=st.lists(RULES, min_size=N_RULES, max_size=N_RULES), seed=st.integers(0, 2**32))
    def whenever(rules: list[tree.Rule], seed: int) -> None:
        compare(rules, random.Random(seed), engine)

    whenever()


def compare(rules: list[tree.Rule], rng: random.Random, engine: Engine) -> None:
    rules = [asked_of(engine, rule) for rule in rules]
    world = random_world(rng, NAMES, n_people=1, n_events=30)
    person = world.people[0] | {"is_counted": True}
    world = replace(world, people=[person], events=world.events_of(person["profile_id"]))
    moments = later_moments(rng, world.moment)
    answers = answered(rules, world, moments, engine)
    for position, moment in enumerate(moments):
        for n, rule in enumerate(rules):
            expected = evaluate(rule, person, world.events, moment, NAMES, {})
            assert answers[position][f"rule_{n}"] is expected, (print_rule(rule, "en"), moment, person, world.events)
    COMPARED[f"answers of rules at many moments on {engine.name}"] += len(moments) * len(rules)


def later_moments(rng: random.Random, first: Moment) -> list[Moment]:
    """The moment itself, and some around the midnights and steps of the months after it."""
    found = [Moment(first.as_of, first.zone)]
    for _ in range(15):
        day = first.today + timedelta(days=rng.randint(0, 70))
        at = first.start_of(day) + rng.choice((timedelta(0), -TICK, TICK, timedelta(minutes=rng.randint(0, 1_440))))
        found.append(Moment(at, first.zone))
    return found


def answered(rules: list[tree.Rule], world: World, moments: list[Moment], engine: Engine) -> dict[int, dict[str, bool]]:
    checked = {f"rule_{n}": check_rule(rule, NAMES) for n, rule in enumerate(rules)}
    trees = [*(each.rule for each in checked.values()), *lifted(checked).values()]
    at_once = Moments(tuple(moments), tree.durations(trees))
    row = wide_row(world, NAMES, checked, engine, at_once)
    answers = engine.rows(wide_memberships(row, checked, at_once))
    return {answer.pop("profile_id"): answer for answer in answers}
