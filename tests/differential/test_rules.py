"""Rules mean the same to the engine as to the plain evaluator: random rules × random people × random moments."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from facette.definitions import model
from facette.definitions.language import check_rule, check_value, print_rule, print_value
from facette.definitions.language.tree import Operand, Rule
from facette.definitions.language.vocabulary import Vocabulary
from facette.features.partials import by_event, prepare
from facette.features.table import FeaturePlan, feature_table
from facette.segments.membership import wide_memberships
from facette.warehouse.connect import connect
from tests.cases import COMPARED
from tests.differential.worlds import Row, World, random_world, vocabulary
from tests.language.strategies import aggregates, comparisons, connected, dids, rules, traits, values
from tests.oracles.rules import evaluate, same, value_of

N_FEATURES, N_RULES, N_PEOPLE = 6, 30, 60
LEVELS = (0, 2, 4)
"""How many features are there when the next ones are written, which may use them."""
CHAIN = ("vip", "cold", "nested")
"""Segments, each of which may refer to those before it; the random rules may refer to all three."""
NAMES = vocabulary(N_FEATURES)


@dataclass(frozen=True)
class Written:
    """Random features and rules as parsed; what comes later may use what came before."""

    features: dict[str, Operand]
    defaults: dict[str, float | None]
    rules: dict[str, Rule]
    thresholds: dict[str, float | None]

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """Hypothesis would print thousands of lines; the assertion tells what matters."""
        printer.text("Written(…)")


def numbers(names: Vocabulary) -> st.SearchStrategy[Operand]:
    return values(names).filter(lambda value: check_value(value, names).type == "number")


def referring(n: int) -> st.SearchStrategy[Rule]:
    """Rules that may refer to the first ``n`` segments of the chain."""
    leaves = st.one_of(comparisons(st.one_of(traits(NAMES), aggregates(NAMES)), NAMES), dids(NAMES))
    known = replace(NAMES, segments={name: NAMES.segments[name] for name in CHAIN[:n]})
    return rules(known) if n else connected(leaves, 6)


VALUES = [numbers(vocabulary(level)) for level in LEVELS for _ in range(N_FEATURES // len(LEVELS))]
RULES = [*(referring(n) for n in range(len(CHAIN))), *[referring(len(CHAIN))] * N_RULES]


@st.composite
def written(draw: st.DrawFn) -> Written:
    features = {f"feature_{n}": draw(value) for n, value in enumerate(VALUES)}
    defaults = {name: draw(st.sampled_from((None, 0, 2.5))) for name in features}
    segments = (*CHAIN, *(f"rule_{n}" for n in range(N_RULES)))
    thresholds = {name: draw(st.sampled_from((None, 1.0, 2.5, 20.0, 33.333333))) for name in NAMES.thresholds}
    return Written(features, defaults, dict(zip(segments, map(draw, RULES), strict=True)), thresholds)


@settings(
    deadline=None,
    max_examples=8,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # a failure tells one rule and one person already
    suppress_health_check=list(HealthCheck),
)
@given(made=written(), seed=st.integers(0, 2**32))
def test_every_rule_for_everybody(made: Written, seed: int) -> None:
    world = random_world(random.Random(seed), vocabulary(), n_people=N_PEOPLE)
    answers = engine(made, world)
    counted = [person for person in world.people if person["is_counted"]]
    assert set(answers) == {person["profile_id"] for person in counted}
    for person in counted:
        expected = plainly(made, world, person)
        wrong = [name for name in expected if not agree(expected[name], answers[person["profile_id"]][name])]
        assert not wrong, told(made, world, person, wrong[0], expected, answers)
    COMPARED["answers of rules"] += len(counted) * len(made.rules)
    COMPARED["values of features"] += len(counted) * len(made.features)


def engine(made: Written, world: World) -> dict[int, Row]:
    """profile_id → every feature and every segment, by the batch engine."""
    checked_values = {name: check_value(value, NAMES) for name, value in made.features.items()}
    checked_rules = {name: check_rule(rule, NAMES) for name, rule in made.rules.items()}
    every = [*checked_values.values(), *checked_rules.values()]
    plan = FeaturePlan(
        {name: aggregate for checked in every for name, aggregate in checked.aggregates.items()},
        (
            *(model.Threshold(name=name, of="n_children") for name in made.thresholds),
            *(model.Feature(name=name, value="-", default=made.defaults[name]) for name in made.features),
        ),
        {name: checked.rule for name, checked in checked_values.items()},
    )
    con = connect()
    tables = world.tables(NAMES)
    partials = {
        event: con.create_table(
            f"partials_{event}", prepare(tables[event], aggregates, world.moment, tables), temp=True
        )
        for event, aggregates in by_event(plan.aggregates).items()
    }
    cuts = {name: () if value is None else (value,) for name, value in made.thresholds.items()}
    features = feature_table(world.profiles(NAMES), partials, plan, world.moment, cuts)
    features = con.create_table("features", features, temp=True)
    wide = wide_memberships(features, checked_rules, world.moment)
    rows = features.select("profile_id", *made.features).join(wide, "profile_id").to_pyarrow().to_pylist()
    con.disconnect()
    return {row["profile_id"]: row for row in rows}


def plainly(made: Written, world: World, person: Row) -> Row:
    """The same for one person, by the plain evaluator."""
    events, moment = world.events_of(person["profile_id"]), world.moment
    row = dict(person) | made.thresholds
    for name, value in made.features.items():
        found = value_of(value, row, events, moment, NAMES)
        row[name] = made.defaults[name] if found is None else found
    expected = {name: row[name] for name in made.features}
    return expected | {
        name: evaluate(rule, row, events, moment, NAMES, made.rules) for name, rule in made.rules.items()
    }


def agree(expected: Any, found: Any) -> bool:
    return (expected is None) == (found is None) and same(expected) == same(found)


def told(made: Written, world: World, person: Row, wrong: str, expected: Row, answers: dict[int, Row]) -> str:
    """One disagreement with all that bears on it."""
    rule = print_rule(made.rules[wrong], "en") if wrong in made.rules else print_value(made.features[wrong], "en")
    features = {name: print_value(value, "en") for name, value in made.features.items()}
    lines = [
        f"{wrong}: {rule}",
        f"plainly {expected[wrong]!r}, engine {answers[person['profile_id']][wrong]!r}",
        f"{world.moment}",
        *(f"{name}: {print_rule(made.rules[name], 'en')}" for name in CHAIN),
        *(f"{name}: {value} = {expected[name]!r}" for name, value in features.items()),
        f"{person}",
        *(f"{event}" for event in sorted(world.events_of(person["profile_id"]), key=lambda event: event["at"])),
    ]
    return "\n".join(lines)
