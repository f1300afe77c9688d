"""What engines express differently has the same answers on each: numbers of many digits, orders of text, sets."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import ibis
import pyarrow as pa
import pytest
from tests.warehouses import Engine

from facette.clock import Moment
from facette.definitions.language import tree
from facette.errors import RunError
from facette.features.aggregates import DAYS_OF_A_SHORT_WINDOW, algebra
from facette.features.partials import finalize, merge, prepare
from facette.warehouse.engines import REFUSED, engine_of, ordered

MOMENT = Moment(datetime(2026, 3, 15, 12, tzinfo=UTC), "Europe/Paris")


def answers(engine: Engine, values: list[Any], kind: pa.DataType, *functions: str) -> list[Any]:
    """Aggregates of one person's values, one event each; the events are cut in three, one part without a value."""
    events = [
        {"profile_id": 1, "event_id": f"e{n}", "at": MOMENT.as_of, "known_at": MOMENT.as_of, "day": MOMENT.today}
        | {"it": value}
        for n, value in enumerate([*values, None])
    ]
    instant = pa.timestamp("us", "UTC")
    columns = {"profile_id": pa.int64(), "event_id": pa.string(), "at": instant, "known_at": instant}
    schema = pa.schema(list((columns | {"day": pa.date32(), "it": kind}).items()))
    aggregates = {name: tree.Aggregate(name, "purchase", "it") for name in functions}  # type: ignore[arg-type]
    cuts = (events[: len(values) // 2], events[len(values) // 2 : -1], events[-1:])
    tables = [ibis.memtable(pa.Table.from_pylist(part, schema=schema)) for part in cuts]
    parts = [engine.put(f"part_{n}", table) for n, table in enumerate(tables)]
    kept = [engine.keep(f"state_{n}", prepare(part, aggregates, MOMENT)) for n, part in enumerate(parts)]
    merged = engine.keep("merged", merge(tuple(kept), aggregates))
    (row,) = engine.rows(merged.select(**finalize(merged, aggregates, MOMENT)))
    return [row[name] for name in functions]


@pytest.mark.parametrize(
    ("values", "total", "mean"),
    [
        ([19.9, 19.9, 19.9], 59.7, 19.9),
        ([123456789012.34567], 123456789012.34567, 123456789012.34567),
        ([900719925474.0991, 0.000001], 900719925474.099101, 450359962737.049550),
        ([0.1] * 10, 1.0, 0.1),
        ([-0.000001, 1e-9, 999999999999.5], 999999999999.499999, 333333333333.166666),
        ([1e13, 2.5], 2.5, 2.5),
    ],
)
def test_sums_and_means_keep_every_digit(engine: Engine, values: list[float], total: float, mean: float) -> None:
    assert answers(engine, values, pa.float64(), "sum") == [total]
    if 1e13 not in values:  # what cannot be summed still counts as a value
        (found,) = answers(engine, values, pa.float64(), "avg")
        assert abs(found - mean) <= abs(mean) * 1e-15


def test_text_is_ordered_by_code_points_without_regard_to_case(engine: Engine) -> None:
    values = ["été", "Zoo", "a-b", "a b", "ab", "A", "éa", "z", "~", "_"]
    assert answers(engine, values, pa.string(), "min", "max") == ["_", "été"]
    assert answers(engine, ["ab", "AB", "aB", "Ab"], pa.string(), "min", "max") == ["AB", "ab"]


@pytest.mark.parametrize(
    ("values", "kind", "n"),
    [
        (["a,b", "A,B", 'c"', "c\\", "{}", "", "null", "[1]"], pa.string(), 7),
        ([1.0, 1.5, 0.1, 0.1, -0.0, 0.0, 1e300, 12345678901234567.0], pa.float64(), 6),
        ([1, 2, 2, 2**62], pa.int64(), 3),
        ([True, False, True], pa.bool_(), 2),
        ([date(2026, 1, 1), date(2026, 1, 2), date(2026, 1, 1)], pa.date32(), 2),
        ([datetime(2026, 1, 1, 0, 0, 0, n, tzinfo=UTC) for n in (0, 1, 1)], pa.timestamp("us", "UTC"), 2),
        ([], pa.string(), 0),
    ],
)
def test_sets_are_joined_whatever_is_in_them(engine: Engine, values: list[Any], kind: pa.DataType, n: int) -> None:
    assert answers(engine, values, kind, "distinct") == [n]


def test_days_of_a_short_window_are_bits(engine: Engine) -> None:
    """In all but one of the 63 places, some seen twice."""
    window = tree.InTheLast(61, "day")
    ago = [*range(62), 3, 31, 32, 61]
    rows = [
        {"profile_id": n % 2, "event_id": str(n), "at": at, "known_at": at, "day": at.date()}
        for n, at in enumerate(MOMENT.as_of - timedelta(days=days) for days in ago)
    ]
    instant = pa.timestamp("us", "UTC")
    columns = {"profile_id": pa.int64(), "event_id": pa.string(), "at": instant, "known_at": instant}
    schema = pa.schema(list((columns | {"day": pa.date32()}).items()))
    aggregates = {"days": tree.Aggregate("distinct", "purchase", "day", None, window)}
    events = engine.put("events", ibis.memtable(pa.Table.from_pylist(rows, schema=schema)))
    states = engine.keep("states", prepare(events, aggregates, MOMENT).mutate(profile_id=ibis.literal(1, "int64")))
    merged = engine.keep("merged", merge((states,), aggregates))
    assert algebra(aggregates["days"]) is DAYS_OF_A_SHORT_WINDOW
    assert engine.rows(merged.select(**finalize(merged, aggregates, MOMENT))) == [{"days": 62}]


def test_what_an_engine_cannot_compute_is_refused(engine: Engine) -> None:
    if "mode" not in REFUSED.get(engine.con.name, ()):
        assert answers(engine, ["b", "a", "b"], pa.string(), "mode") == ["b"]
    else:
        with pytest.raises(RunError, match="MODE cannot be computed on postgres") as caught:
            answers(engine, ["b", "a", "b"], pa.string(), "mode")
        assert "LAST" in caught.value.remedy


def test_the_engine_of_a_column_is_that_of_its_tables(engine: Engine) -> None:
    kept = engine.put("some", ibis.memtable(pa.table({"a": [1], "b": ["x"]})))
    joined = (
        kept.filter(kept.a > 0).join(ibis.memtable(pa.table({"c": [1]})), ibis.literal(True)).mutate(d=ibis.literal(2))
    )
    assert engine_of(joined.d + joined.a) == engine.con.name
    assert engine_of(ibis.memtable(pa.table({"a": [1]})).a) == "duckdb"
    assert (ordered(kept.b).type() == kept.b.type()) is (engine.name != "PostgreSQL")
