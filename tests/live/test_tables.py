"""What came live stays fast to find, however many steps it came in."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import numpy as np
import pyarrow as pa

from facette.live import parts
from facette.live.ordered import put
from facette.live.tables import Records


def test_tables_that_are_put_to_others_stay_few_and_in_order() -> None:
    rng = np.random.default_rng(3)
    tables: list[pa.Table] = []
    n = 0
    for _ in range(2_000):
        rows = int(rng.choice([0, 1, 1, 3, 500]))
        put(tables, pa.table({"number": np.arange(n, n + rows)}))
        n += rows
        assert len(tables) <= 2 + np.log2(n + 1)
    assert np.array_equal(pa.concat_tables(tables)["number"].to_numpy(), np.arange(n))


def test_records_are_found_after_many_steps() -> None:
    """Those published and those that came later, by any of their identifiers."""
    schema = pa.schema({"name": pa.string(), "code": pa.int64()})
    records = Records(pa.Table.from_pylist([{"name": "first", "code": 7}], schema), [np.array([7]), np.array([-1])])
    for number in range(1_000):
        code = number % 10
        row = pa.Table.from_pylist([{"name": f"{number}", "code": code}], schema)
        records.append(row, [np.array([code]), np.array([100 + number])])
    found = records.of(np.array([7, 342, 999]))["name"].to_pylist()
    assert sorted(found) == sorted(["first", "242", "899", *(str(number) for number in range(7, 1_000, 10))])


def test_parts_on_disk_stay_few_and_in_order() -> None:
    rng = np.random.default_rng(4)
    wanted: dict[str, list[int]] = {"events_visit": [], "records_site": []}
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        db.executescript(parts.SCHEMA)

        def rows(query: str, *values: object) -> sqlite3.Cursor:
            return db.execute(query, values)

        for step in range(3_000):
            name = "records_site" if rng.random() < 0.1 else "events_visit"
            numbers = rng.integers(0, 1 << 60, rng.choice([1, 2, 2_000], p=[0.5, 0.49, 0.01]))
            wanted[name] += numbers.tolist()
            parts.put(db, step, name, pa.table({"number": numbers}))
        assert parts.names(rows) == [*wanted]
        for name, numbers in wanted.items():
            found = list(parts.tables(rows, name))
            assert len(found) < 60
            assert pa.concat_tables(found)["number"].to_pylist() == numbers
