"""Rules mean the same to the engine as to the plain evaluator: random rules × random people × random moments."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from facette.definitions import model
from facette.definitions.language import check_rule, check_value, print_rule, print_value
from facette.definitions.language.tree import Checked, Operand, Rule
from facette.definitions.language.vocabulary import Vocabulary
from facette.features.table import FeaturePlan
from facette.segments.membership import wide_memberships
from tests.cases import COMPARED, random_cases
from tests.differential.engine import asked_of, features
from tests.differential.worlds import Row, World, random_world, vocabulary
from tests.language.strategies import aggregates, comparisons, connected, dids, rules, traits, values
from tests.oracles.rules import evaluate, same, value_of
from tests.warehouses import Engine

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


def test_every_rule_for_everybody(engine: Engine) -> None:
    @random_cases(engine.cases(8))
    @given(made=written(), seed=st.integers(0, 2**32))
    def whoever(made: Written, seed: int) -> None:
        compare(made, random_world(random.Random(seed), vocabulary(), n_people=N_PEOPLE), engine)

    whoever()


def compare(made: Written, world: World, engine: Engine) -> None:
    made = replace(
        made,
        features={name: asked_of(engine, value) for name, value in made.features.items()},
        rules={name: asked_of(engine, rule) for name, rule in made.rules.items()},
    )
    compare_each(made, world, answered(made, world, engine))
    n = sum(person["is_counted"] for person in world.people)
    COMPARED[f"answers of rules on {engine.name}"] += n * len(made.rules)
    COMPARED[f"values of features on {engine.name}"] += n * len(made.features)


def compare_each(made: Written, world: World, answers: dict[int, Row]) -> None:
    """Every feature and every segment of everybody who counts, beside the plain evaluator's."""
    counted = [person for person in world.people if person["is_counted"]]
    assert set(answers) == {person["profile_id"] for person in counted}
    for person in counted:
        expected = plainly(made, world, person)
        wrong = [name for name in expected if not agree(expected[name], answers[person["profile_id"]][name])]
        assert not wrong, told(made, world, person, wrong[0], expected, answers)


def answered(made: Written, world: World, engine: Engine) -> dict[int, Row]:
    """profile_id → every feature and every segment, by the batch functions."""
    plan, rules, cuts = plan_of(made)
    table = features(world, NAMES, plan, engine, cuts=cuts)
    wide = engine.keep("wide", wide_memberships(table, rules, world.moment))
    rows = engine.rows(table.select("profile_id", *made.features).join(wide, "profile_id"))
    return {row["profile_id"]: row for row in rows}


def plan_of(made: Written) -> tuple[FeaturePlan, dict[str, Checked], dict[str, tuple[float, ...]]]:
    """What to compute, the segments' rules, and what the thresholds are."""
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
    cuts = {name: () if value is None else (value,) for name, value in made.thresholds.items()}
    return plan, checked_rules, cuts


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
        f"plainly {expected[wrong]!r}, the engine {answers[person['profile_id']][wrong]!r}",
        f"{world.moment}",
        *(f"{name}: {print_rule(made.rules[name], 'en')}" for name in CHAIN),
        *(f"{name}: {value} = {expected[name]!r}" for name, value in features.items()),
        f"{person}",
        *(f"{event}" for event in sorted(world.events_of(person["profile_id"]), key=lambda event: event["at"])),
    ]
    return "\n".join(lines)
