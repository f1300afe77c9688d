"""What the live commands say, and what each says when it cannot do what it is asked."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from facette.definitions.project import load
from facette.run import run
from tests.cli.test_commands import Facette, facette
from tests.live.projects import NOW, append, random_records, write_project
from tests.run.projects import Silent

__all__ = ["facette"]  # a fixture


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a run, and records that came after it."""
    folder = write_project(tmp_path_factory.mktemp("live") / "site")
    records = random_records(random.Random(3), 60, n_people=20)
    append(folder, records[:20])
    run(load(folder), Silent(), as_of=NOW)
    append(folder, records[20:])
    return folder


def test_a_sink_that_fails_is_told_and_its_changes_wait(site: Path, facette: Facette) -> None:
    words = ("stream", "--project", site, "--once", "--as-of", NOW.isoformat())
    (site / "sinks.yml").write_text("sinks: [{kind: file, name: out, path: notes.txt}]", encoding="utf-8")
    (site / "notes.txt").write_text("my notes\n", encoding="utf-8")
    said = facette(*words, "--changes", site / "changes.jsonl")
    assert said.code == 0
    assert "notes.txt is no file of changes" in said.err
    lines = (site / "changes.jsonl").read_text(encoding="utf-8").splitlines()
    assert f"notes.txt lacks {len(lines)} changes" in said.err
    assert len(lines) > 5
    (site / "notes.txt").unlink()
    figures = facette(*words, "--json").json
    assert figures["sinks"] == {f"file:{site / 'notes.txt'}": 0}
    assert (site / "notes.txt").read_text(encoding="utf-8").splitlines() == lines


def test_changes_of_runs_and_of_the_worker(site: Path, facette: Facette) -> None:
    facette("stream", "--project", site, "--once", "--as-of", NOW.isoformat())
    said = facette("changes", "--project", site, "--last", 1_000, "--json").json
    assert {row["told_by"] for row in said} == {"run", "worker"}
    of_one = [row for row in said if row["segment"] == "buyers"]
    assert facette("changes", "--project", site, "--segment", "Buyers", "--last", 1_000, "--json").json == of_one
    row = next(row for row in of_one if row["told_by"] == "worker")
    mine = facette("changes", "--project", site, "--profile", row["profile_id"], "--json").json
    assert row in mine
    assert {each["profile_id"] for each in mine if each["segment"]} == {row["profile_id"]}
    text = facette("changes", "--project", site, "--segment", "buyers", "--last", 2).out
    assert text.count("buyers") == 2
    assert "Nobody answers to" in facette("changes", "--project", site, "--profile", "nobody").err


def test_profile_and_explain_say_who_answers(site: Path, facette: Facette) -> None:
    """After the worker was at work; the language of the project is French."""
    facette("stream", "--project", site, "--once", "--as-of", NOW.isoformat())
    row = next(
        row
        for row in facette("changes", "--project", site, "--last", 1_000, "--json").json
        if row["told_by"] == "worker" and row["segment"] == "buyers" and row["change"] == "entered"
    )
    person = facette("profile", row["profile_id"], "--project", site, "--json").json
    assert (person["told_by"], person["as_of"]) == ("worker", "2026-11-20T13:00:00+01:00")
    assert "buyers" in {each["segment"] for each in person["memberships"]}
    assert "en direct, à 2026-11-20 13:00 CET" in facette("profile", row["profile_id"], "--project", site).out
    said = facette("explain", row["profile_id"], "buyers", "--language", "en", "--project", site).out
    assert "live at 2026-11-20 13:00 CET (since run " in said


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["stream", "--answers", "8101"], "--answers 8101 is no address"),
        (["stream", "--answers", "127.0.0.1:99999"], "is no address"),
        (["stream", "--answers", "0.0.0.0:0"], "Whoever reaches 0.0.0.0 could ask who is in which segment"),
        (["serve", "--collect", "here", "--answers", "127.0.0.1:0"], "--collect here is no address"),
        (["serve", "--collect", "127.0.0.1:0", "--answers", "127.0.0.1:0"], "No source of the project has write keys"),
    ],
)
def test_what_cannot_be(site: Path, facette: Facette, words: list[str], told: str) -> None:
    said = facette(*words, "--project", site, "--json")
    assert said.code == 1
    assert told in json.loads(said.out)["error"]
