"""States of aggregates in the cases that random rules hardly meet: large sums, ties, long ids, pairs that come back."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest

from facette.clock import Moment
from facette.errors import RunError
from facette.live.columnar.columns import Column, Texts, column_of, encoded
from facette.live.columnar.extremes import Ranked, TextExtreme
from facette.live.columnar.kept import Picked
from facette.live.columnar.sets import Distinct
from facette.live.columnar.sums import Total, millionths
from tests.warehouses import Engine

NOW = Moment(datetime(2026, 3, 15, tzinfo=UTC))
HARD = [
    0.1,
    0.2,
    0.3,
    19.99,
    -5.5,
    2.5e-7,
    5e-7,
    -5e-7,
    1e9,
    33.333333,
    123456.7890125,
    999_999_999_999.75,
    1e12,
    -1e12,
]


def events(rows: list[int], **columns: Column) -> Picked:
    return Picked(np.array(rows, np.intp), columns)


def numbers(values: list[float]) -> Column:
    return Column(np.array(values, np.float64))


def drawn(rng: random.Random, n: int) -> list[float]:
    spread = [rng.choice((1, 1e3, 1e6, 1e9, 1e12)) * rng.uniform(-1, 1) for _ in range(n)]
    return [rng.choice((value, round(value, 2), rng.choice(HARD))) for value in spread]


def test_millionths_are_those_of_the_engine(duckdb: Engine) -> None:
    values = drawn(random.Random(1), 20_000)
    table = duckdb.con.create_table("numbers", pa.table({"x": values}), temp=True, overwrite=True)
    engine = duckdb.con.to_pyarrow(table.select(d=table.x.try_cast("decimal(18, 6)")))["d"].to_pylist()
    found, fits = millionths(np.array(values))
    assert [value is not None for value in engine] == fits.tolist()
    assert [int(value.scaleb(6)) for value in engine if value is not None] == found[fits].tolist()


@pytest.mark.parametrize("size", [1e2, 1e8, 9e11])
def test_sums_are_exact_however_large_and_can_be_taken_back(size: float, duckdb: Engine) -> None:
    rng = random.Random(size)
    state, expected, kept = Total("x", is_whole=False, is_mean=False), [0, 0, 0], []
    state.grow(3)
    for _ in range(40):
        rows = [rng.randrange(3) for _ in range(50)]
        values = [round(size * rng.uniform(-0.2, 1), 6) for _ in rows]
        state.add(events(rows, x=numbers(values)))
        kept.append((rows, values))
        if rng.random() < 0.3:
            rows, values = kept.pop(rng.randrange(len(kept)))
            state.take(events(rows, x=numbers(values)))
    for rows, values in kept:
        for row, millionth in zip(rows, millionths(np.array(values))[0].tolist(), strict=True):
            expected[row] += millionth
    assert (state.high is not None) is (size == 9e11)
    table = pa.table({"total": pa.array([Decimal(total).scaleb(-6) for total in expected], pa.decimal128(38, 6))})
    totals = duckdb.con.create_table("totals", table, temp=True, overwrite=True)
    engine = duckdb.con.to_pyarrow(totals.select(x=totals.total.cast("float64")))["x"].to_pylist()
    assert state.value(np.arange(3), NOW).values.tolist() == engine
    again = Total("x", is_whole=False, is_mean=False)
    again.grow(3)
    again.load({"state": table["total"]}, np.arange(3))
    assert again.value(np.arange(3), NOW).values.tolist() == engine
    again.merge(np.array([0]), np.array([1]))
    whole = again.value(np.array([1]), NOW).values.tolist()[0]
    assert whole == pytest.approx(float(Fraction(expected[0] + expected[1], 10**6)), rel=1e-15)


def test_a_sum_that_overflows_when_profiles_merge_is_exact() -> None:
    state = Total("x", is_whole=False, is_mean=False)
    state.grow(2)
    state.add(events([0, 0, 1, 1], x=numbers([9e11] * 4)))
    assert state.high is None
    state.merge(np.array([0]), np.array([1]))
    assert state.high is not None
    assert state.value(np.array([1]), NOW).values.tolist() == [36e11]


def test_whole_numbers_that_batch_could_not_sum_are_refused() -> None:
    state = Total("cents", is_whole=True, is_mean=False)
    state.grow(1)
    big = Column(np.array([2**61], np.int64))
    state.add(events([0], cents=big))
    with pytest.raises(RunError, match="sums of cents are too large"):
        state.add(events([0], cents=big))


@pytest.mark.parametrize("length", [3, 200])
@pytest.mark.parametrize("is_first", [False, True])
def test_ties_go_by_event_id_however_they_come(is_first: bool, length: int) -> None:
    rng = random.Random(length)
    for _ in range(50):
        told = [(rng.randrange(2), rng.randrange(2), rng.choice("aZé") * length + str(n)) for n in range(12)]
        state = Ranked("x", np.dtype(np.float64), None, is_first)
        state.grow(2)
        places = {one: n for n, one in enumerate(told)}
        for part in (told[:5], told[5:9], told[9:]):
            ids = encoded(pa.array([one for _, _, one in part]))
            columns = {"at": Column(np.array([at for _, at, _ in part], np.int64)), "event_id": Column(ids)}
            columns["x"] = numbers([places[one] for one in part])
            state.add(events([row for row, _, _ in part], **columns))
        for row in range(2):
            mine = sorted(one for one in told if one[0] == row)
            found = state.value(np.array([row]), NOW)
            assert found.known.tolist() == [bool(mine)]
            assert not mine or found.values[0] == places[mine[0 if is_first else -1]]


def test_texts_are_ordered_without_regard_to_case() -> None:
    texts = Texts()
    words = ["Zoé", "été", "Ete", "ete", "ZOÉ", "abc"]
    least, greatest = (TextExtreme("x", texts, is_least) for is_least in (True, False))
    for state in (least, greatest):
        state.grow(1)
        for word in words:
            state.add(events([0], x=column_of(pa.array([word]), texts)))
    (first,), (last,) = (state.value(np.array([0]), NOW).values for state in (least, greatest))
    assert (texts.texts[first], texts.texts[last]) == ("abc", "été")


@pytest.mark.parametrize("kind", ["text", "number", "day"])
def test_different_values_come_and_go_and_follow(kind: str) -> None:
    rng = random.Random(kind)
    texts = Texts() if kind == "text" else None
    made = {
        "text": lambda n: column_of(pa.array([rng.choice((f"v{one}", f"V{one}")) for one in n]), texts),
        "number": lambda n: numbers([one / 8 for one in n]),
        "day": lambda n: Column(np.array(n, np.int32) - 40),
    }[kind]
    state, there = Distinct("x", texts), []
    state.grow(3)
    for _ in range(60):
        some = [(rng.randrange(3), rng.randrange(100)) for _ in range(20)]
        state.add(events([row for row, _ in some], x=made([value for _, value in some])))
        there += some
        left = [there.pop(rng.randrange(len(there))) for _ in range(min(len(there), rng.choice((0, 15, 40))))]
        state.take(events([row for row, _ in left], x=made([value for _, value in left])))
        state.tidy()
        if rng.random() < 0.1:
            state.merge(np.array([2]), np.array([0]))
            state.clear(np.array([2]))
            there = [(row % 2, value) for row, value in there]
        expected = [len({value for row, value in there if row == mine}) for mine in range(3)]
        assert state.value(np.arange(3), NOW).values.tolist() == expected
