"""What is computed of an expression here is, to the last bit, what the warehouse computes."""

from __future__ import annotations

import random
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
import pytest

from facette.live.columnar.columns import arrow_of, column_of
from facette.live.columnar.formula import Formula, UnlikeError

TABLE = ibis.table({"x": "float64", "y": "float64", "n": "int64", "is_new": "boolean", "word": "string"}, name="given")
CON = ibis.duckdb.connect()


def number(rng: random.Random, depth: int) -> ir.FloatingValue:
    """A random expression of numbers with a point, none of which a literal alone."""
    if depth == 0:
        return rng.choice([TABLE.x, TABLE.y, TABLE.n.cast("float64")])
    one, other = number(rng, depth - 1), number(rng, depth - 1)
    literal = rng.choice([rng.uniform(-3, 3), rng.uniform(-3, 3) * 1e-7, 3.0, 2, 123456789.12345678])
    makes: list[Any] = [
        lambda: one + literal,
        lambda: literal - one,
        lambda: one * other,
        lambda: one / (literal or 1.0),
        lambda: -one.abs(),
        lambda: ibis.least(one, other, literal),
        lambda: ibis.greatest(one, other),
        lambda: ibis.coalesce(one, other, literal),
        lambda: ibis.ifelse(condition(rng, depth - 1), one, literal),
        lambda: ibis.cases((condition(rng, depth - 1), one), (condition(rng, depth - 1), literal), else_=other),
    ]
    return rng.choice(makes)()


def condition(rng: random.Random, depth: int) -> ir.BooleanValue:
    one, other = number(rng, depth), number(rng, depth)
    compared = rng.choice(
        [one < other, one <= 0.5, one > other, one >= 1, one == other, one != 0.25, TABLE.n >= TABLE.n]
    )
    simple = rng.choice([compared, TABLE.is_new, one.isnull(), ~one.notnull()])
    if depth == 0:
        return simple
    return rng.choice([simple & condition(rng, depth - 1), simple | condition(rng, depth - 1), ~simple])


@pytest.mark.parametrize("seed", range(40))
def test_any_expression(seed: int) -> None:
    rng = random.Random(seed)
    queries = {"number": number(rng, 4), "choice": ibis.cases((condition(rng, 2), 1), (condition(rng, 2), 3), else_=2)}
    between = TABLE.mutate(**queries).select("number", "choice")
    query = between.mutate(again=between.number + 1.5).select("number", "choice", "again")
    draw = {
        "x": [rng.choice([None, 0.0, 0.25, rng.uniform(-2, 2), rng.uniform(-2, 2)]) for _ in range(60)],
        "y": [rng.choice([None, -1.0, rng.uniform(-1e6, 1e6)]) for _ in range(60)],
        "n": [rng.choice([None, 0, rng.randrange(-5, 100)]) for _ in range(60)],
        "is_new": [rng.choice([None, True, False]) for _ in range(60)],
    }
    rows = pa.table({name: pa.array(values, TABLE.schema()[name].to_pyarrow()) for name, values in draw.items()})
    CON.con.register("given", rows.append_column("word", pa.nulls(60, pa.string())))
    told = CON.to_pyarrow(query)
    for name in query.columns:
        formula = Formula(query, name, CON)
        columns = {each: column_of(rows[each]) for each in formula.reads}
        found = arrow_of(formula.run(columns), told.schema.field(name).type, 60)
        expected = told[name].combine_chunks()
        assert found.is_valid().equals(expected.is_valid())
        assert np.array_equal(
            found.fill_null(0).to_numpy() + 0.0, expected.fill_null(0).to_numpy() + 0.0, equal_nan=True
        )


@pytest.mark.parametrize(
    "value",
    [
        TABLE.x.exp(),
        TABLE.x / TABLE.y,
        TABLE.n + 1,
        TABLE.n * 0.5,
        ibis.ifelse(TABLE.x > 0.5, 0.1, 0.2),
        ibis.ifelse(TABLE.word == "a", TABLE.x, 0.2),
        TABLE.x.round(2),
        ibis.null("float64"),
    ],
    ids=str,
)
def test_what_could_differ_is_asked_of_the_warehouse(value: ir.Value) -> None:
    with pytest.raises(UnlikeError):
        Formula(TABLE.select(value=value), "value", CON)
