"""Readers see one published run or the next one, never something of both, and never nothing."""

from __future__ import annotations

import threading
from datetime import date
from pathlib import Path

import pytest

from facette.warehouse.connect import connect
from facette.warehouse.published import Store

from .projects import another_day, published, run, snapshot, starter


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = starter(tmp_path / "shop", has_models=False)
    run(folder)
    return folder


class Reader(threading.Thread):
    """Asks, again and again, until it is told to stop; keeps what it saw."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.stop = threading.Event()
        self.seen: list[tuple[str, dict[str, int], dict[str, int], int]] = []
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            while not self.stop.is_set():
                self.seen.append(self.look())
        except Exception as error:  # told to the test, which runs in another thread
            self.error = error

    def look(self) -> tuple[str, dict[str, int], dict[str, int], int]:
        """The run, and the members of each segment by three tables that must agree, all of one snapshot."""
        asked = published(self.folder)
        listed = {row["segment"]: row["members"] for row in asked.segments()}
        wide = asked.table("wide").to_pyarrow()
        counted = {name: sum(wide[name].to_pylist()) for name in wide.column_names if name != "profile_id"}
        since = asked.table("member_since").to_pyarrow()
        members = sum(len(since[name].drop_null()) for name in counted)
        return asked.snapshot.run, listed, counted, members


def test_a_reader_never_sees_a_mixture(shop: Path) -> None:
    reader = Reader(shop)
    reader.start()
    runs = [snapshot(shop).run]
    for day in (date(2026, 10, 2), date(2026, 12, 1), another_day(shop), date(2027, 6, 1)):
        runs.append(run(shop, day).run)
    reader.stop.set()
    reader.join()
    assert reader.error is None
    assert len(reader.seen) >= 2
    told = [seen[0] for seen in reader.seen]
    assert set(told) <= set(runs)
    assert told == sorted(told)  # never back to an older one
    for run_name, listed, counted, members in reader.seen:
        assert listed == counted, run_name
        assert sum(listed.values()) == members, run_name


def test_an_open_reader_keeps_its_run_while_others_are_published(shop: Path) -> None:
    asked = published(shop)
    before = asked.segments()
    for day in range(1, 4):
        run(shop, date(2026, 12, day))
    assert asked.segments() == before
    assert asked.profile("C001")["profile_id"] == asked.find("C001")
    assert published(shop).segments() != before


def test_a_reader_and_a_run_that_spill_do_not_read_each_others_data(tmp_path: Path) -> None:
    """Two DuckDBs that spill into one folder take each other's blocks for their own."""
    Store(tmp_path).folder.mkdir()
    sums: dict[int, list[int]] = {}

    def spill(number: int) -> None:
        con = connect(tmp_path, memory_limit="60MB", threads=1)
        con.raw_sql(f"CREATE TEMP VIEW numbers AS SELECT (range * 7 + {number}) % 1000003 AS x FROM range(3000000)")
        ranked = "SELECT sum(x * rank) FROM (SELECT x, row_number() OVER (ORDER BY x DESC) AS rank FROM numbers)"
        sums[number] = [con.raw_sql(ranked).fetchone()[0] for _ in range(2)]

    threads = [threading.Thread(target=spill, args=(number,)) for number in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(sums) == [1, 2]
    assert all(len(set(found)) == 1 for found in sums.values())
