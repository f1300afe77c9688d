"""What is foretold of costs against what is measured: bytes of states, rows, and the profiles that a day touches."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import ibis.expr.datatypes as dt
import numpy as np
import pyarrow as pa
import pytest

from facette.clock import Moment
from facette.definitions import model
from facette.definitions.cost import History, event_costs, feature_costs
from facette.definitions.project import Definitions, define
from facette.features.partials import prepare
from facette.features.rolling import Grown, by_what_time_does, crossing, roll
from facette.warehouse.compiler import visible
from facette.warehouse.connect import connect

PEOPLE, DAYS, DAILY = 2000, 200, 0.05
NOW = Moment(datetime(2026, 6, 1, 12, tzinfo=UTC))
TYPES = {"amount": "number", "label": "text", "is_gift": "boolean", "due_on": "date", "paid_at": "instant"}
WIDTHS = {dt.Boolean: 1, dt.String: 16, dt.Decimal: 16, dt.Date: 4, dt.Array: 16}


def project(*values: str) -> Definitions:
    fields = {name: {"type": kind} for name, kind in TYPES.items()}
    events = {"name": "buy", "at": "at", "identifiers": {"customer": "customer"}, "fields": fields}
    source = {"name": "shop", "kind": "file", "path": "events", "events": [events]}
    features = [{"name": f"f{n}", "value": value} for n, value in enumerate(values)]
    written = {"name": "cost", "identifiers": [{"name": "customer"}], "sources": [source], "features": features}
    return define(model.Project.model_validate(written))


def events() -> pa.Table:
    """Events spread evenly over people and days."""
    rng = np.random.default_rng(1)
    n = int(PEOPLE * DAYS * DAILY)
    at = [NOW.as_of - timedelta(days=float(age)) for age in rng.uniform(0, DAYS, n)]
    return pa.table(
        {
            "profile_id": rng.integers(0, PEOPLE, n),
            "event_id": [f"e{i}" for i in range(n)],
            "at": pa.array(at, pa.timestamp("us", "UTC")),
            "known_at": pa.array(at, pa.timestamp("us", "UTC")),
            "day": pa.array([instant.date() for instant in at], pa.date32()),
            "amount": rng.uniform(1, 100, n).round(2),
            "label": pa.array(rng.choice(["a", "b", "c"], n), pa.string()),
            "is_gift": rng.random(n) < 0.5,
            "due_on": pa.array([date(2026, 1, 1)] * n, pa.date32()),
            "paid_at": pa.array(at, pa.timestamp("us", "UTC")),
        }
    )


@pytest.mark.parametrize("of", [*TYPES, "at", "day"])
def test_bytes_are_those_of_the_columns_that_hold_the_states(of: str) -> None:
    functions = ["FIRST", "LAST", "DISTINCT", "MODE", *(["SUM", "AVG"] if of == "amount" else [])]
    functions += ["MIN", "MAX"] if of != "is_gift" else []
    values = ["COUNT OF buy", "RECENCY OF buy", *(f"{function}({of}) OF buy" for function in functions)]
    values += ["DISTINCT(day) OF buy IN THE LAST 62 DAYS", "DISTINCT(day) OF buy IN THE LAST 63 DAYS"]
    definitions = project(*values)
    table = connect().create_table("events", events())
    for feature, told in zip(values, feature_costs(definitions), strict=True):
        states = prepare(table, definitions.values[told.name].aggregates, NOW).drop("profile_id").schema()
        assert told.bytes_per_profile == sum(WIDTHS.get(type(kind), 8) for kind in states.types), feature
        kept = [kind.value_type for kind in states.types if kind.is_array()]
        each = [part for kind in kept for part in (kind.types if kind.is_struct() else [kind])]
        assert told.bytes_per_event == sum(WIDTHS.get(type(kind), 8) for kind in each), feature


def test_rows_memory_and_what_a_day_touches_are_as_measured() -> None:
    definitions = project(
        "SUM(amount) OF buy IN THE LAST 30 DAYS",  # none of these three makes a run compute anybody anew
        "DISTINCT(day) OF buy IN THE LAST 30 DAYS",
        "RECENCY OF buy IN THE LAST 30 DAYS",
        "MAX(amount) OF buy IN THE LAST 20 DAYS",
        "LAST(label) OF buy IN THE LAST 90 DAYS",
    )
    con = connect()
    table = con.create_table("events", events())
    aggregates = definitions.aggregates
    before = con.create_table("partials", prepare(table, aggregates, NOW))
    rows, profiles = table.count().to_pyarrow().as_py(), before.count().to_pyarrow().as_py()
    (told,) = event_costs(definitions, {"buy": History(rows, profiles, DAYS + 1)})
    assert (told.rows, told.n_edges) == (rows, 2)
    fixed = [name for name, kind in before.schema().items() if not kind.is_string()]
    places = 16 * profiles * (len(before.columns) - len(fixed))  # of texts; Arrow counts their letters instead
    measured = before.select(*fixed).to_pyarrow().nbytes + places
    assert told.memory_bytes == pytest.approx(measured, rel=0.05)
    tomorrow = Moment(NOW.as_of + timedelta(days=1))
    known = table.filter(visible(table, NOW))
    _, _, others = by_what_time_does(aggregates, known, NOW, tomorrow)
    touched = crossing(known, others, NOW, tomorrow).profile_id.nunique().to_pyarrow().as_py() / profiles
    assert told.recomputed_share == pytest.approx(touched, rel=0.15)
    nobody = con.create_table("nobody", pa.table({"profile_id": pa.array([], pa.int64())}))
    rolled = roll(before, {"buy": Grown(table, table.limit(0))}, nobody, aggregates, NOW, tomorrow)
    assert rolled.count().to_pyarrow().as_py() == profiles


def test_before_a_run_nothing_is_said_of_how_much_there_is() -> None:
    (told,) = event_costs(project("SUM(amount) OF buy"), {})
    assert (told.aggregates, told.rows, told.memory_bytes, told.recomputed_share) == (1, None, None, None)
