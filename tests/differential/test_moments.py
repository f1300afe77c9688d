"""One person at many moments in one query: the same answers as moment by moment from the plain evaluator."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from facette.clock import Moment
from facette.definitions.language import check_rule, print_rule, tree
from facette.segments.membership import wide_memberships
from facette.warehouse.connect import connect
from facette.warehouse.moments import Moments
from tests.cases import COMPARED
from tests.differential.engine import lifted, wide_row
from tests.differential.worlds import TICK, World, random_world, vocabulary
from tests.language.strategies import aggregates, comparisons, connected, dids, traits
from tests.oracles.rules import evaluate

NAMES = vocabulary()
RULES = connected(st.one_of(comparisons(st.one_of(traits(NAMES), aggregates(NAMES))), dids(NAMES)), 6)
N_RULES = 20


@settings(
    deadline=None,
    max_examples=2,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
@given(rules=st.lists(RULES, min_size=N_RULES, max_size=N_RULES), seed=st.integers(0, 2**32))
def test_every_rule_at_every_moment(rules: list[tree.Rule], seed: int) -> None:
    rng = random.Random(seed)
    world = random_world(rng, NAMES, n_people=1, n_events=30)
    person = world.people[0] | {"is_counted": True}
    world = replace(world, people=[person], events=world.events_of(person["profile_id"]))
    moments = later_moments(rng, world.moment)
    answers = engine(rules, world, moments)
    for position, moment in enumerate(moments):
        for n, rule in enumerate(rules):
            expected = evaluate(rule, person, world.events, moment, NAMES, {})
            assert answers[position][f"rule_{n}"] is expected, (print_rule(rule, "en"), moment, person, world.events)
    COMPARED["answers of rules at many moments"] += len(moments) * len(rules)


def later_moments(rng: random.Random, first: Moment) -> list[Moment]:
    """The moment itself, and some around the midnights and steps of the months after it."""
    found = [Moment(first.as_of, first.zone)]
    for _ in range(15):
        day = first.today + timedelta(days=rng.randint(0, 70))
        at = first.start_of(day) + rng.choice((timedelta(0), -TICK, TICK, timedelta(minutes=rng.randint(0, 1_440))))
        found.append(Moment(at, first.zone))
    return found


def engine(rules: list[tree.Rule], world: World, moments: list[Moment]) -> dict[int, dict[str, bool]]:
    checked = {f"rule_{n}": check_rule(rule, NAMES) for n, rule in enumerate(rules)}
    trees = [*(each.rule for each in checked.values()), *lifted(checked).values()]
    at_once = Moments(tuple(moments), tree.durations(trees))
    row = wide_row(world, NAMES, checked, at_once)
    con = connect()
    answers = con.to_pyarrow(wide_memberships(row, checked, at_once)).to_pylist()
    con.disconnect()
    return {answer.pop("profile_id"): answer for answer in answers}
