"""Whatever happens to a run, what is published stays whole, and the next run comes to the same result."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from facette.errors import RunError
from facette.warehouse.ledger import Ledger
from facette.warehouse.published import Snapshot, Store

from .crashes import effects_of_a_run, held, killed_before, started, told
from .projects import STORE, Content, another_day, content, copied, differences, files, run, snapshot, starter

NOT_THE_RUN = {"run"}
"""A column that tells which run it was, so that it differs."""


@pytest.fixture(scope="module")
def day() -> date:
    return date(2026, 10, 1)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that is published, and has a day more to run."""
    folder = starter(tmp_path_factory.mktemp("crash") / "base", has_models=False)
    run(folder)
    another_day(folder)
    return folder


@pytest.fixture(scope="module")
def expected(base: Path, day: date, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], Content]:
    """The effects of an uninterrupted run, and the tables that it comes to."""
    folder = copied(base, tmp_path_factory.mktemp("expected") / "shop", has_store=True)
    effects = effects_of_a_run(folder, day)
    return effects, content(folder, but=NOT_THE_RUN)


@pytest.fixture
def project(base: Path, tmp_path: Path) -> Path:
    return copied(base, tmp_path / "shop", has_store=True)


def statuses(folder: Path) -> list[str]:
    """How the runs ended, newest first."""
    ledger = Ledger(folder / STORE)
    found = [row["status"] for row in ledger.runs()]
    ledger.close()
    return found


def strays(folder: Path) -> set[str]:
    """Files of the store that nothing names and nobody needs."""
    store = Store(folder)
    kept: list[Snapshot] = store.snapshots()
    named = {file for each in kept for table in each.tables.values() for file in table}
    named |= {f"snapshots/{each.run}.json" for each in kept} | {"published.json"}
    found = {path for path in files(folder) if not path.startswith("raw/") or path.split("/")[-1].startswith(".")}
    return found - named


# ── kill -9 ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_run_killed_before_an_effect_is_as_if_it_had_not_been(
    base: Path, day: date, expected: tuple[list[str], Content], tmp_path: Path
) -> None:
    effects, wanted = expected
    before, n = content(base), len(effects)
    published_at = 1 + next(i for i, effect in enumerate(effects) if effect.endswith("published.json"))
    assert {effect.split()[0] for effect in effects} >= {"ledger", "orders", "events_purchase", "wide", "snapshots"}
    for number in sorted({*range(0, n, 4), *range(n - 5, n)}):
        effect, is_published = effects[number], number >= published_at
        folder = copied(base, tmp_path / str(number), has_store=True)
        killed_before(folder, day, number)
        found = content(folder, but=NOT_THE_RUN) if is_published else content(folder)
        assert differences(found, wanted if is_published else before) == {}, f"right after the kill before {effect}"
        outcome = run(folder, day)
        assert outcome.is_published is not is_published, effect
        assert differences(content(folder, but=NOT_THE_RUN), wanted) == {}, f"killed before {effect}"
        assert strays(folder) == set(), effect
        ended = ["unchanged", "published"] if is_published else ["published", "interrupted"]
        assert statuses(folder)[:2] == (ended if number > 1 else ["published", "published"]), effect


def test_a_first_run_that_is_killed_again_and_again_ends_as_if_nothing_had_been(
    base: Path, day: date, tmp_path: Path
) -> None:
    fresh = copied(base, tmp_path / "fresh", has_store=False)
    effects = effects_of_a_run(fresh, day)
    folder = copied(base, tmp_path / "shop", has_store=False)
    for number in range(2, len(effects) - 8, 5):  # a later attempt has fewer: it need not land again
        killed_before(folder, day, number)
        assert Store(folder).published() is None
    run(folder, day)
    assert differences(content(folder, but=NOT_THE_RUN), content(fresh, but=NOT_THE_RUN)) == {}
    assert strays(folder) == set()
    assert set(statuses(folder)[1:]) == {"interrupted"}


def test_a_run_killed_at_any_instant(project: Path, day: date, expected: tuple[list[str], Content]) -> None:
    """While DuckDB writes, between two stages, while it starts: whenever it happens to be."""
    chance = random.Random(7)
    before = snapshot(project)
    for _ in range(6):
        process = started(project, day)
        time.sleep(chance.uniform(0, 0.8))
        process.kill()
        process.join()
        if snapshot(project) != before:  # it was done already
            break
        content(project)  # every file that it names can be read
    run(project, day)
    assert differences(content(project, but=NOT_THE_RUN), expected[1]) == {}
    assert strays(project) == set()


def test_what_killed_processes_spilled_is_removed_and_what_others_use_stays(project: Path, day: date) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    names = {f"tmp-{gone.pid}-0a": False, f"tmp-{os.getpid()}-0b": False, f"tmp-{os.getppid()}-0c": True}
    for name in names:
        (project / STORE / name).mkdir()
        (project / STORE / name / "duckdb_temp_storage_DEFAULT-0.tmp").write_bytes(b"x")
    run(project, day)
    assert {name: (project / STORE / name).exists() for name in names} == names


def test_what_facette_did_not_write_stays_and_what_it_left_unfinished_goes(project: Path, day: date) -> None:
    store = project / STORE
    kept = [".gitignore", ".cache/x", ".unfinished/x", "raw/orders/.keep", "tables/sizes/.keep", "tables/sizes/notes/x"]
    gone = ["raw/orders/.orders-0a.0123abcd", "tables/sizes/.x.parquet.0123abcd", "snapshots/.x.json.unfinished"]
    for name in (*kept, *gone):
        (store / name).parent.mkdir(exist_ok=True)
        (store / name).write_text("x")
    run(project, day)
    assert {name: (store / name).is_file() for name in (*kept, *gone)} == dict.fromkeys(kept, True) | dict.fromkeys(
        gone, False
    )


# ── a file that is missing ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_missing_file_of_a_table_is_named_and_a_full_run_makes_it_anew(
    project: Path, day: date, expected: tuple[list[str], Content]
) -> None:
    file = project / STORE / snapshot(project).tables["events_purchase"][0]
    file.unlink()
    with pytest.raises(
        RunError, match=rf"{file.name} is missing, a file of the published table events_purchase"
    ) as caught:
        run(project, day)
    assert "facette run --full" in caught.value.remedy
    run(project, day, is_full=True)
    assert differences(content(project, but=NOT_THE_RUN), expected[1]) == {}


def test_a_missing_file_that_even_a_full_run_needs(project: Path, day: date) -> None:
    for file in snapshot(project).tables["identities"]:
        (project / STORE / file).unlink()
    with pytest.raises(RunError, match=r"a file of the published table identities") as caught:
        run(project, day, is_full=True)
    assert f"remove {project / STORE / 'published.json'}" in caught.value.remedy
    (project / STORE / "published.json").unlink()
    assert run(project, day).is_published


# ── two at once ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_second_run_is_refused_at_once_and_names_the_first(project: Path, day: date) -> None:
    process, channel = held(project)
    before = files(project)
    with pytest.raises(RunError, match=rf"Another run is under way .*process {process.pid}\)") as caught:
        run(project, day)
    assert caught.value.remedy
    assert files(project) == before
    assert "running" not in statuses(project)
    channel.send("enough")
    process.join()
    assert run(project, day).is_published


def test_a_killed_process_lets_go(project: Path, day: date) -> None:
    process, _ = held(project)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert run(project, day).is_published


# ── no room, no permission ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A disk of 2 MB. Not under pytest's own directory, which could not be removed if this test were killed."""
    with tempfile.TemporaryDirectory(prefix="facette-disk-") as directory:
        mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", directory]
        if subprocess.run(mount, capture_output=True, check=False).returncode:
            pytest.skip("this user may mount no disk; test_files_that_cannot_be_written stands in")
        yield Path(directory)
        subprocess.run(["umount", "--lazy", directory], check=True)


def fill(disk: Path, free: int) -> Path:
    """A file that leaves only so many bytes free."""
    ballast = disk / "ballast"
    room = os.statvfs(disk)
    ballast.write_bytes(b"\0" * max(0, room.f_bavail * room.f_frsize - free))
    return ballast


@pytest.mark.parametrize("free", [0, 20_000, 50_000, 80_000])
def test_a_full_disk(base: Path, day: date, small_disk: Path, free: int, expected: tuple[list[str], Content]) -> None:
    folder = copied(base, small_disk / "shop", has_store=True)
    before, kept = content(folder), snapshot(folder)
    ballast = fill(small_disk, free)
    with pytest.raises(RunError, match=r"(?i)the disk is full") as caught:
        run(folder, day)
    assert "free space" in caught.value.remedy.lower()
    assert snapshot(folder) == kept
    assert differences(content(folder), before) == {}
    ballast.unlink()
    run(folder, day)
    assert differences(content(folder, but=NOT_THE_RUN), expected[1]) == {}
    assert strays(folder) == set()


def small_files_only() -> None:
    """No file may grow beyond some kilobytes, as on a disk that is full."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, resource.RLIM_INFINITY))


def test_files_that_cannot_be_written(project: Path, day: date, expected: tuple[list[str], Content]) -> None:
    before = content(project)
    text = told(project, day, small_files_only)
    assert "cannot be written" in text or "ledger" in text
    assert "→" in text
    assert differences(content(project), before) == {}
    run(project, day)
    assert differences(content(project, but=NOT_THE_RUN), expected[1]) == {}


def no_large_files() -> None:
    """As on a disk that is nearly full: what a run of the starter writes has room, and not much more."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, resource.RLIM_INFINITY))


def test_refused_rows_that_cannot_be_written(project: Path, day: date) -> None:
    before, chance = content(project), random.Random(7)
    with (project / "data" / "orders-2026-10-01.csv").open("a", encoding="utf-8") as out:
        for number in range(5000):
            out.write(f"X{number};{chance.getrandbits(800):x};too short\n")
    text = told(project, day, no_large_files)
    assert "refused.parquet cannot be written" in text
    assert "→" in text
    assert differences(content(project), before) == {}
    assert not [name for name in files(project) if ".refused" in name]
    run(project, day)
    assert len([name for name in files(project) if name.endswith(".refused.parquet")]) == 1
    assert strays(project) == set()


def test_a_store_that_is_a_file(tmp_path: Path) -> None:
    folder = starter(tmp_path / "shop", has_models=False)
    (folder / STORE).write_text("not a folder")
    with pytest.raises(RunError, match="cannot be written") as caught:
        run(folder)
    assert caught.value.remedy


def test_a_snapshot_that_makes_no_sense_is_an_error_with_a_remedy(project: Path, day: date) -> None:
    (project / STORE / "published.json").write_text('{"run": "half of')
    with pytest.raises(RunError, match=r"published\.json is not a snapshot") as caught:
        run(project, day)
    assert "snapshots" in caught.value.remedy
    (project / STORE / "published.json").unlink()
    assert run(project, day).is_published
