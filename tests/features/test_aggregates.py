"""The edges of each aggregate: exact sums, ties, the case of text, numbers too large, nothing to aggregate."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pytest

from facette.clock import Moment
from facette.definitions.language import check_value, tree
from facette.definitions.language.vocabulary import Event, Property, Vocabulary
from facette.features.partials import finalize, merge, prepare, texts_in
from facette.warehouse.connect import connect

NOON = datetime(2026, 3, 15, 12, tzinfo=UTC)
MOMENT = Moment(NOON, "Europe/Paris")
PROPERTIES = {"amount": pa.float64(), "n": pa.int64(), "label": pa.string()}
NAMES = Vocabulary(
    events={
        "buy": Event(
            "buy",
            {},
            {name: Property(name, "text" if kind == pa.string() else "number") for name, kind in PROPERTIES.items()},
        )
    }
)
Row = dict[str, Any]


def values(texts: list[str], *parts: list[Row]) -> list[Any]:
    """The values of aggregates for profile 1, from partials of each part merged."""
    checked = [check_value(text, NAMES) for text in texts]
    aggregates = {name: aggregate for each in checked for name, aggregate in each.aggregates.items()}
    con = connect()
    made = tuple(
        con.create_table(f"part_{n}", prepare(events(part), aggregates, MOMENT), temp=True)
        for n, part in enumerate(parts)
    )
    merged = con.create_table("merged", merge(made, aggregates), temp=True)
    assert merged.schema() == made[0].schema()
    row = merged.select("profile_id", **finalize(merged, aggregates, MOMENT)).to_pyarrow().to_pylist()[0]
    con.disconnect()
    return [row[each.rule.name] for each in checked if isinstance(each.rule, tree.Column)]


def events(rows: list[Row]) -> ir.Table:
    clock = {"profile_id": 1, "event_id": "e", "at": NOON, "known_at": NOON, "day": date(2026, 3, 15)}
    types = {"profile_id": pa.int64(), "event_id": pa.string(), "at": pa.timestamp("us", "UTC")}
    types |= {"known_at": pa.timestamp("us", "UTC"), "day": pa.date32(), **PROPERTIES}
    return ibis.memtable(pa.Table.from_pylist([clock | row for row in rows], schema=pa.schema(list(types.items()))))


def amounts(*numbers: float | None) -> list[Row]:
    return [{"amount": number} for number in numbers]


@pytest.mark.parametrize(
    ("numbers", "total", "mean"),
    [
        ((0.1, 0.2, None, 0.3), 0.6, 0.2),
        ((19.9, 19.9, 19.9), 59.7, 19.9),  # 59.7 / 3 is 19.900000000000002 in floating point
        ((1e11, 0.000001, -1e11), 0.000001, 1 / 3_000_000),
        ((9e11,) * 11, 9.9e12, 9e11),  # whole millionths of the total do not fit in 64 bits
        ((1e12, 10.0, float("nan")), 10.0, 10.0),  # too large to be summed exactly: does not count
        ((-1e12, 10.0, float("inf"), -float("inf")), 10.0, 10.0),
    ],
)
def test_sums_and_means_are_those_of_the_numbers_as_written(
    numbers: tuple[float, ...], total: float, mean: float
) -> None:
    asked = ["SUM(amount) OF buy", "AVG(amount) OF buy"]
    assert values(asked, amounts(*numbers)) == [total, mean]
    assert values(asked, *([row] for row in amounts(*reversed(numbers)))) == [total, mean]


def test_whole_numbers_sum_to_a_whole_number() -> None:
    asked = ["SUM(n) OF buy", "AVG(n) OF buy", "COUNT OF buy"]
    found = values(asked, [{"n": 0}, {"n": 3}], [{"n": 4}, {"n": None}])
    assert found == [7, 7 / 3, 4]
    assert [type(value) for value in found] == [int, float, int]


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (1, 3, 0, 2)])
def test_the_least_text_regardless_of_case(order: tuple[int, ...]) -> None:
    labels = ("apple", "Bio", "Zebra", "bio")
    rows = [{"label": labels[n]} for n in order]
    asked = ["MIN(label) OF buy", "MAX(label) OF buy", "DISTINCT(label) OF buy"]
    assert values(asked, rows) == values(asked, rows[:2], rows[2:]) == ["apple", "Zebra", 3]
    assert values(["MIN(label) OF buy", "MAX(label) OF buy"], rows[:1], rows[1:])[0] == "apple"
    only = [row for row in rows if row["label"] in ("Bio", "bio")]
    assert values(asked, only) == values(asked, only[:1], only[1:]) == ["Bio", "bio", 1]


def test_events_at_one_instant_go_by_their_id() -> None:
    rows = [{"event_id": name, "label": name} for name in ("b", "é", "a", "B")] + [
        {"event_id": "0", "label": None, "at": NOON - timedelta(hours=1)},
        {"event_id": "z", "label": None},
    ]
    asked = ["FIRST(label) OF buy", "LAST(label) OF buy", "FIRST(at) OF buy"]
    assert values(asked, rows) == values(asked, *([row] for row in rows)) == ["B", "é", NOON - timedelta(hours=1)]


def test_over_nothing_counts_and_sums_are_0_and_all_else_is_unknown() -> None:
    functions = ("COUNT", "RECENCY")
    asked = [f"{function} OF buy WHERE n = 1" for function in functions]
    asked += [f"{name}(amount) OF buy" for name in ("SUM", "DISTINCT", "AVG", "MIN", "MAX", "FIRST", "LAST")]
    nothing = [0, None, 0, 0, None, None, None, None, None]
    assert values(asked, amounts(None)) == values(asked, amounts(None), amounts(None)) == nothing


@pytest.mark.parametrize(
    ("window", "n_days"),
    [
        ("1 DAY", 2),
        ("30 DAYS", 31),
        ("8 WEEKS", 57),
        ("30 HOURS", 2),
        ("2 MONTHS", 60),  # since January 15
        ("61 DAYS", 62),
        ("62 DAYS", 63),
        ("1 YEAR", 366),
    ],
)
def test_days_of_a_window_however_long(window: str, n_days: int) -> None:
    """Today is March 15; every day before it has two events."""
    days = [date(2026, 3, 15) - timedelta(days=age) for age in range(400)] * 2
    rows = [{"day": day, "at": datetime.combine(day, NOON.time(), UTC)} for day in days]
    asked = [f"DISTINCT(day) OF buy IN THE LAST {window}"]
    assert values(asked, rows) == values(asked, rows[:100], rows[100:]) == [n_days]


def test_the_most_frequent_value_is_of_several_the_latest_and_then_the_smallest() -> None:
    hour = timedelta(hours=1)
    early = [
        {"label": "a", "n": 1},
        {"label": "B", "n": 2, "at": NOON - hour},
        {"label": "b", "n": 2, "at": NOON - hour},
    ]
    late = [{"label": "A", "at": NOON}, {"label": "c"}, {"label": "C"}, {"label": None}]
    asked = ["MODE(label) OF buy", "PLUS_FRÉQUENT(n) DE buy", "MODE(amount) OF buy", "MODE(label) OF buy WHERE n = 1"]
    assert values(asked, early, late) == ["A", 2, None, "a"]
    assert values(asked[:1], early) == ["B"]


def test_the_most_frequent_value_names_its_state_no_more_often_than_it_must() -> None:
    """An engine computes whatever else a lambda names anew for every element: minutes for a few thousand people."""
    aggregates = dict(check_value("MODE(label) OF buy", NAMES).aggregates)
    con = connect()
    kept = con.create_table("kept", prepare(events([{"label": "a"}]), aggregates, MOMENT), temp=True)
    sql = str(ibis.to_sql(kept.select(**finalize(kept, aggregates, MOMENT))))
    assert sql.count("__state") <= 4  # three times to find the different values, once for the events of each
    con.disconnect()


@pytest.mark.parametrize("n_texts", [1, 63, 64])
def test_few_texts_are_counted_by_bits_and_many_by_a_set(n_texts: int) -> None:
    rows = [{"label": text, "profile_id": 1} for n in range(n_texts) for text in (f"É{n}", f"é{n}", None)]
    rows += [{"label": f"é{n_texts - 1}", "profile_id": 2}, {"label": None, "profile_id": 3}]
    asked = check_value("DISTINCT(label) OF buy", NAMES).aggregates
    texts = texts_in(events(rows), asked)
    assert texts == ({"label": tuple(sorted(f"é{n}" for n in range(n_texts)))} if n_texts < 64 else {})
    states = prepare(events(rows), asked, MOMENT, texts=texts)
    (value,) = finalize(states, asked, MOMENT).values()
    found = states.select("profile_id", n=value).to_pyarrow().to_pylist()
    assert {row["profile_id"]: row["n"] for row in found} == {1: n_texts, 2: 1, 3: 0}
