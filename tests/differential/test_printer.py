"""Rules printed for NumPy mean the same as those compiled for engines, and as the plain evaluator says."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facette.definitions.language import check_rule, check_value, check_where
from facette.features.table import FeaturePlan
from facette.live.columnar.columns import Column, column_of, days, lowered
from facette.live.columnar.features import program_of
from facette.live.columnar.printer import Program, days_before
from tests.cases import COMPARED, random_cases
from tests.differential.engine import features
from tests.differential.test_rules import NAMES, Written, compare_each, plan_of, written
from tests.differential.worlds import World, event_table, random_world, vocabulary
from tests.language.strategies import wheres
from tests.oracles.rules import days_back, event_meets
from tests.warehouses import Engine

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def test_every_rule_for_everybody(duckdb: Engine) -> None:
    @random_cases(8)
    @given(made=written(), seed=st.integers(0, 2**32))
    def whoever(made: Written, seed: int) -> None:
        world = random_world(random.Random(seed), vocabulary(), n_people=60)
        compare_each(made, world, printed(made, world, duckdb))
        COMPARED["answers of rules by the printer"] += 60 * len(made.rules)
        COMPARED["values of features by the printer"] += 60 * len(made.features)

    whoever()


def printed(made: Written, world: World, engine: Engine) -> dict[int, dict[str, Any]]:
    """profile_id → every feature and segment, by the printer over traits and aggregates of the engine."""
    plan, rules, cuts = plan_of(made)
    table = engine.con.to_pyarrow(features(world, NAMES, FeaturePlan(plan.aggregates, (), {}), engine))
    found = program_of(plan, rules, cuts).run(columns_of(table), world.moment)
    answers: dict[int, dict[str, Any]] = {number: {} for number in table["profile_id"].to_pylist()}
    for name in (*made.features, *made.rules):
        for row, value in zip(answers.values(), values_of(found[name], len(answers), kind_of(name, made)), strict=True):
            row[name] = value
    return answers


def columns_of(table: pa.Table) -> dict[str, Column]:
    return {name: column_of(table[name]) for name in table.column_names}


def kind_of(name: str, made: Written) -> str:
    return check_value(made.features[name], NAMES).type if name in made.features else "boolean"


def values_of(found: Any, n: int, kind: str) -> list[Any]:
    """A column as Python's values, None where unknown."""
    column = found if isinstance(found, Column) else Column(found)
    values = np.broadcast_to(column.values, n).tolist()
    known = np.broadcast_to(column.is_known, n).tolist()
    read = {
        "text": lambda code: column.texts.texts[code] if column.texts else None,
        "date": lambda day: date(1970, 1, 1) + timedelta(days=day),
        "instant": lambda at: EPOCH + timedelta(microseconds=at),
    }.get(kind, lambda value: value)
    return [read(value) if is_known else None for value, is_known in zip(values, known, strict=True)]


@pytest.mark.parametrize("name", sorted(NAMES.events))
def test_every_condition_on_every_event(name: str, duckdb: Engine) -> None:
    event = NAMES.events[name]

    @random_cases(8)
    @given(made=st.lists(wheres(event), min_size=40, max_size=40), seed=st.integers(0, 2**32))
    def whichever(made: list[Any], seed: int) -> None:
        world = random_world(random.Random(seed), NAMES, n_people=20)
        events = sorted((one for one in world.events if one["name"] == name), key=lambda one: one["event_id"])
        table = event_table(event, events, world.moment.zone).order_by("event_id").to_pyarrow()
        program = Program()
        for number, rule in enumerate(made):
            program.define_rule(str(number), check_where(rule, name, NAMES).rule)  # type: ignore[arg-type]
        found = program.run(columns_of(table), world.moment)
        by_id = dict(zip(table["event_id"].to_pylist(), range(len(events)), strict=True))
        for number, rule in enumerate(made):
            answers = np.broadcast_to(found[str(number)], len(events)).tolist()
            for one in events:
                expected = event_meets(one, rule, world.moment, NAMES)
                assert answers[by_id[one["event_id"]]] is expected, (rule, one, world.moment)
        COMPARED["conditions on events by the printer"] += len(events) * len(made)

    whichever()


def test_lower_case_is_that_of_the_engine(duckdb: Engine) -> None:
    letters = [chr(code) for code in range(1, 0x30000) if not 0xD800 <= code < 0xE000]
    texts = [*letters, "ΑΣ", "ΟΔΟΣ ΟΔΟΣ", "İstanbul", "ÉTÉ"]
    table = duckdb.con.create_table("letters", pa.table({"text": texts}), temp=True, overwrite=True)
    engine = duckdb.con.to_pyarrow(table.select("text", low=table.text.lower())).to_pylist()
    assert [row for row in engine if lowered(row["text"]) != row["low"]] == []


@pytest.mark.parametrize("unit", ["day", "week", "month", "year"])
@pytest.mark.parametrize("amount", [0, 1, 2, 13])
def test_days_before_many_days_are_those_before_each(unit: str, amount: int) -> None:
    every = [date(2023, 12, 1) + timedelta(days=n) for n in range(800)]
    found = days_before(np.array([days(day) for day in every], np.int32), amount, unit)
    assert found.tolist() == [days(days_back(day, amount, unit)) for day in every]


def test_clauses_of_one_meaning_are_computed_once() -> None:
    program = Program()
    names = vocabulary()
    for number, text in enumerate(("score > 2 AND city = 'web'", "NOT score > 2", "city = 'WEB' OR score > 2")):
        program.define_rule(str(number), check_rule(text, names).rule)  # type: ignore[arg-type]
    # two columns, score > 2, city = 'web', and one connective of each rule
    assert len(program) == 7
