"""Rules over one wide row mean the same on PostgreSQL as on DuckDB."""

from __future__ import annotations

import random

import ibis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from facette.definitions.language import check_rule, print_rule, tree
from facette.segments.membership import wide_memberships
from facette.warehouse.connect import connect
from tests.cases import COMPARED
from tests.differential.engine import wide_row
from tests.differential.worlds import random_world, vocabulary
from tests.language.strategies import aggregates, comparisons, connected, dids, traits

NAMES = vocabulary()
RULES = connected(st.one_of(comparisons(st.one_of(traits(NAMES), aggregates(NAMES))), dids(NAMES)), 6)
N_RULES = 40


@settings(
    deadline=None,
    max_examples=2,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
@given(rules=st.lists(RULES, min_size=N_RULES, max_size=N_RULES), seed=st.integers(0, 2**32))
def test_every_rule_for_everybody(postgres: ibis.BaseBackend, rules: list[tree.Rule], seed: int) -> None:
    world = random_world(random.Random(seed), NAMES, n_people=60)
    checked = {f"rule_{n}": check_rule(rule, NAMES) for n, rule in enumerate(rules)}
    con = connect()
    here = con.create_table("row", wide_row(world, NAMES, checked), temp=True)
    there = postgres.create_table("row", here.to_pyarrow(), temp=True, overwrite=True)
    expected, found = (
        {
            answer.pop("profile_id"): answer
            for answer in wide_memberships(table, checked, world.moment).to_pyarrow().to_pylist()
        }
        for table in (here, there)
    )
    con.disconnect()
    for profile_id, answers in expected.items():
        wrong = [print_rule(rules[int(name[5:])], "en") for name in answers if answers[name] != found[profile_id][name]]
        assert not wrong, (
            wrong[0],
            world.moment,
            [person for person in world.people if person["profile_id"] == profile_id],
        )
    COMPARED["answers on PostgreSQL"] += len(expected) * len(rules)
