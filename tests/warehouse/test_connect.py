"""The embedded warehouse: local time against zoneinfo, and files that are complete or absent."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa
import pytest

from facette.errors import RunError
from facette.warehouse import connect as connect_module
from facette.warehouse.connect import (
    connect,
    instant_of,
    local_day,
    local_hour,
    local_weekday,
    read_parquet,
    write_parquet,
)

ZONES = ["Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Sao_Paulo", "UTC"]


def instants(zone: str) -> list[datetime]:
    """Random instants from 1971 to 2036, and every hour around each change of clocks of a few years."""
    draw = random.Random(zone)
    first = datetime(1971, 1, 1, tzinfo=UTC)
    found = [first + timedelta(microseconds=draw.randrange(66 * 365 * 86_400_000_000)) for _ in range(2000)]
    hours = [datetime(2018, 1, 1, tzinfo=UTC) + timedelta(hours=i) for i in range(24 * 365 * 2)]
    offset = [hour.astimezone(ZoneInfo(zone)).utcoffset() for hour in hours]
    changes = [i for i in range(1, len(hours)) if offset[i] != offset[i - 1]]
    return found + [hours[i] + timedelta(minutes=30 * step) for i in changes for step in range(-6, 6)]


@pytest.mark.parametrize("zone", ZONES)
def test_local_time_is_that_of_zoneinfo(zone: str) -> None:
    con = connect()
    table = con.create_table("t", pa.table({"at": pa.array(instants(zone), pa.timestamp("us", "UTC"))}), temp=True)
    found = table.select(
        "at", day=local_day(table.at, zone), hour=local_hour(table.at, zone), weekday=local_weekday(table.at, zone)
    ).to_pyarrow()
    assert [str(found.schema.field(name).type) for name in ("day", "hour", "weekday")] == [
        "date32[day]",
        "int8",
        "int8",
    ]
    for row in found.to_pylist():
        local = row["at"].astimezone(ZoneInfo(zone))
        assert (row["day"], row["hour"], row["weekday"]) == (local.date(), local.hour, local.isoweekday())


@pytest.mark.parametrize("zone", ZONES)
def test_instants_of_wall_clocks_are_those_of_zoneinfo(zone: str) -> None:
    walls = [instant.replace(tzinfo=None) for instant in instants(zone)]
    con = connect()
    table = con.create_table("t", pa.table({"wall": pa.array(walls, pa.timestamp("us"))}), temp=True)
    for row in table.select("wall", at=instant_of(zone, table.wall)).to_pyarrow().to_pylist():
        assert row["at"] == naive_instant_of(row["wall"], zone)


def naive_instant_of(wall: datetime, zone: str) -> datetime:
    """Skipped times move forward (zoneinfo's fold 0), of two equal times the later is taken (fold 1)."""
    first, second = (wall.replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC) for fold in (0, 1))
    return first if first.astimezone(ZoneInfo(zone)).replace(tzinfo=None) != wall else second


def test_files_are_written_whole_and_read_by_name(tmp_path: Path) -> None:
    con = connect(tmp_path)
    folder = tmp_path / "it's [a] folder *"
    one = con.create_table("one", pa.table({"a": [1, 2], "b": ["x", "y"]}), temp=True)
    two = con.create_table("two", pa.table({"c": [1.5], "a": [3]}), temp=True)
    assert write_parquet(one, folder / "1.parquet") == 2
    assert write_parquet(two, folder / "2.parquet") == 1
    found = read_parquet(con, [folder / "1.parquet", folder / "2.parquet"]).order_by("a").to_pyarrow().to_pylist()
    assert [(row["a"], row["b"], row["c"]) for row in found] == [(1, "x", None), (2, "y", None), (3, None, 1.5)]
    assert sorted(path.name for path in folder.iterdir()) == ["1.parquet", "2.parquet"]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(28, "No space left on device"), "The disk is full"),
        (duckdb.IOException("Could not write: No space left on device"), "The disk is full"),
        (duckdb.OutOfMemoryException("too much"), "takes more memory than there is"),
        (PermissionError(13, "Permission denied"), "cannot be written: .*Permission denied"),
    ],
)
def test_what_is_told_when_writing_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, message: str
) -> None:
    table = connect().create_table("one", pa.table({"a": [1]}), temp=True)
    path = tmp_path / "x.parquet"
    write_parquet(table, path)
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(connect_module, "put_in_place", fail)
    with pytest.raises(RunError, match=message) as caught:
        write_parquet(table, path)
    assert caught.value.remedy
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.glob("*")] == ["x.parquet"]


def test_more_memory_than_allowed_spills_into_the_store(tmp_path: Path) -> None:
    con = connect(tmp_path, memory_limit="60MB", threads=1)
    con.raw_sql("CREATE TEMP VIEW numbers AS SELECT range AS a, range::text AS b FROM range(2000000)")
    assert write_parquet(con.table("numbers").order_by("b"), tmp_path / "sorted.parquet") == 2_000_000
    assert list((tmp_path / ".facette").glob("tmp-*"))


def test_settings(tmp_path: Path) -> None:
    con = connect(tmp_path, threads=1)
    names = ("TimeZone", "threads", "autoinstall_known_extensions", "python_enable_replacements")
    assert [con.raw_sql(f"SELECT current_setting('{name}')").fetchone()[0] for name in names] == [
        "UTC",
        1,
        False,
        False,
    ]
