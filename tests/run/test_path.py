"""The whole path on the starter project: first run, nothing new, a day more, everything anew."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from facette.warehouse.ledger import Ledger
from facette.warehouse.published import Store

from .projects import (
    STORE,
    actions,
    another_day,
    content,
    copied,
    differences,
    edit,
    files,
    published,
    rows,
    run,
    snapshot,
    starter,
    truth,
)

HISTORY = {"changes", "sizes", "drift", "worth"}
EVERY_STAGE = ("clean", "people", "events", "partials", "features", "models", "segments", "validation")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The starter after its first run."""
    folder = starter(tmp_path_factory.mktemp("path") / "shop")
    outcome = run(folder)
    assert outcome.is_published
    assert actions(outcome) == dict.fromkeys(EVERY_STAGE, "rebuild")
    return folder


@pytest.fixture
def project(base: Path, tmp_path: Path) -> Path:
    return copied(base, tmp_path / "shop", has_store=True)


def test_the_first_run_publishes_the_segments(base: Path) -> None:
    members = {row["segment"]: row["members"] for row in published(base).segments()}
    # counted by hand in data/orders.csv, which ends on 2026-09-30
    assert members == {"active": 13, "loyal": 7, "lapsed": 12, "organic_lovers": 14, "vip": 7, "to_win_back": 8}


def test_nothing_new_publishes_nothing_and_writes_nothing(project: Path) -> None:
    before, kept = files(project), snapshot(project)
    outcome = run(project)
    assert not outcome.is_published
    assert outcome.run == kept.run
    assert [figures.stage for figures in outcome.stages] == ["extract"]
    assert files(project) == before
    assert snapshot(project) == kept


def test_a_file_that_is_only_touched_is_not_new(project: Path) -> None:
    (project / "data" / "orders.csv").touch()
    assert not run(project).is_published


def test_a_day_more_is_added_and_equals_everything_anew(project: Path, tmp_path: Path) -> None:
    before = snapshot(project)
    day = another_day(project)
    added = run(project, day)
    assert [actions(added)[stage] for stage in EVERY_STAGE[:4]] == ["add"] * 4
    after = snapshot(project)
    assert after.tables["events_purchase"][:-1] == before.tables["events_purchase"]  # only a file more
    events = [row["event_id"] for row in rows(project, "events_purchase")]
    assert len(events) == len(set(events)) == 119 + 3

    anew = copied(project, tmp_path / "anew", has_store=True)
    outcome = run(anew, day, is_full=True)
    assert actions(outcome) == dict.fromkeys(EVERY_STAGE, "rebuild")
    assert differences(content(project, without=HISTORY), content(anew, without=HISTORY)) == {}

    fresh = copied(project, tmp_path / "fresh", has_store=False)
    run(fresh, day)
    assert truth(project) == truth(fresh)


def test_a_day_more_is_the_same_from_many_small_portions(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        text = (project / "data" / "customers.csv").read_text(encoding="cp1252").splitlines()
        lines = [text[0], *(line.replace("C0", f"D{number}") for line in text[1 + number : 4 + number])]
        (project / "data" / f"customers-{number}.csv").write_text("\n".join(lines), encoding="cp1252")
    edit(project / "facette.yml", "path: data/customers.csv", "path: data/customers*.csv")
    day = another_day(project)
    portioned = copied(project, tmp_path / "portioned", has_store=True)
    run(project, day)
    monkeypatch.setattr("facette.stages.profiles.PORTION", 1)
    run(portioned, day)
    assert differences(content(project, but={"run"}), content(portioned, but={"run"})) == {}


def test_a_changed_file_is_read_anew_and_its_old_rows_go(project: Path) -> None:
    orders = project / "data" / "orders.csv"
    lines = orders.read_text(encoding="utf-8-sig").splitlines()
    orders.write_text("\n".join(lines[:-10]), encoding="utf-8")
    outcome = run(project)
    assert actions(outcome) == dict.fromkeys(EVERY_STAGE, "rebuild")
    assert "files that were read before have changed: orders" in outcome.stages[1].detail
    known = {line.split(";")[0] for line in lines[1:-10]}
    assert {row["event_id"] for row in rows(project, "events_purchase")} <= {f"orders:{order}" for order in known}


def test_a_file_that_vanishes_keeps_its_rows_and_is_told(project: Path) -> None:
    day = another_day(project)
    run(project, day)
    n_events = len(rows(project, "events_purchase"))
    (project / "data" / "orders-2026-10-01.csv").unlink()
    outcome = run(project, day)
    assert not outcome.is_published
    assert outcome.notes == ["data/orders-2026-10-01.csv is gone; what was read of it stays."]
    run(project, day, is_full=True)
    assert len(rows(project, "events_purchase")) == n_events


def test_a_source_that_is_somewhere_else_now_forgets_where_it_was(project: Path, tmp_path: Path) -> None:
    (project / "elsewhere").mkdir()
    lines = (project / "data" / "orders.csv").read_text(encoding="utf-8-sig").splitlines()
    (project / "elsewhere" / "orders.csv").write_text("\n".join(lines[:11]), encoding="utf-8")
    edit(project / "facette.yml", "path: data/orders*.csv", "path: elsewhere/orders*.csv")
    run(project)
    assert {row["event_id"] for row in rows(project, "events_purchase")} == {f"orders:F{n:04}" for n in range(1, 11)}
    fresh = copied(project, tmp_path / "fresh", has_store=False)
    run(fresh)
    assert truth(project) == truth(fresh)
    edit(project / "facette.yml", "path: elsewhere/orders*.csv", "path: data/orders*.csv")
    run(project)
    assert len(rows(project, "events_purchase")) == 119


def test_of_two_rows_with_one_id_the_first_that_came_stands_whatever_its_file_is_called(
    project: Path, tmp_path: Path
) -> None:
    (project / "data" / "orders-a-correction.csv").write_text(
        "N° commande;N° client;Date;Montant;Rayon;Canal\nF0001;C024;27/05/2025;99,99;enfants;Web\n", encoding="utf-8"
    )
    run(project)
    anew = copied(project, tmp_path / "anew", has_store=True)
    run(anew, is_full=True)
    for folder in (project, anew):
        assert [row["amount"] for row in rows(folder, "events_purchase") if row["event_id"] == "orders:F0001"] == [
            46.06
        ]


def test_every_run_is_in_the_ledger_with_its_stages(project: Path) -> None:
    run(project)
    run(project, date(2026, 10, 3))
    ledger = Ledger(project / STORE)
    found = ledger.runs()
    ledger.close()
    assert [row["status"] for row in found] == ["published", "unchanged", "published"]
    assert found[0]["run"] == snapshot(project).run
    assert [stage["stage"] for stage in found[0]["stages"]] == ["extract", *EVERY_STAGE]
    assert all(row["ended_at"] >= row["started_at"] for row in found)


def test_old_snapshots_go_and_their_files_with_them(project: Path) -> None:
    for day in range(1, 8):
        run(project, date(2026, 10, day))
    kept = sorted(path.stem for path in (project / STORE / "snapshots").iterdir())
    assert len(kept) == 5
    assert kept[-1] == snapshot(project).run
    named = {file for each in Store(project).snapshots() for files in each.tables.values() for file in files}
    found = [path for path in (project / STORE / "tables").rglob("*") if path.is_file()]
    assert {path.relative_to(project / STORE).as_posix() for path in found} == named
