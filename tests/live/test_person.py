"""What is said of one person from a worker's state is what a run would say; and which of the two answers."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from facette.definitions.project import load
from facette.live.reading import Reading
from facette.live_queries import Current
from facette.queries import Published
from facette.run import run
from facette.stream import Stream
from facette.web.report import facts, people
from facette.web.report.reading import Reading as ReportReading
from facette.web.report.words import Words
from tests.live.projects import NOW, append, random_records, write_project
from tests.live.test_stream import visit
from tests.run.projects import Silent, copied, edit, truth

FEATURES = """
features:
  - {name: spent, value: SUM(amount) OF purchase IN THE LAST 30 DAYS}
  - {name: last_page, value: LAST(page) OF visit}
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A worker is at work on it, which knows more than the published run."""
    folder = write_project(tmp_path_factory.mktemp("person") / "site")
    with (folder / "facette.yml").open("a", encoding="utf-8") as file:
        file.write(FEATURES)
    records = random_records(random.Random(12), 200, n_people=25)
    append(folder, records[:80])
    run(load(folder), Silent(), as_of=NOW - timedelta(hours=5))
    append(folder, records[80:])
    with Stream(load(folder), NOW) as stream:
        while stream.step(NOW, most=30):
            pass
        yield folder


@pytest.fixture(scope="module")
def batch(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same by a run."""
    folder = copied(site, tmp_path_factory.mktemp("batch") / "site", has_store=True)
    run(load(folder), Silent(), as_of=NOW)
    return folder


def test_people_are_as_a_run_would_publish_them(site: Path, batch: Path) -> None:
    published, current = Published(load(batch)), Current(load(site))
    n_members, told = 0, set()
    for person, segments in published_segments(batch)[::3]:
        [asked, *_] = sorted(person)
        live, by_run = current.person(asked), published.profile(asked)
        assert live is not None
        answer = live.profile(asked)
        assert without_ids(answer) == without_ids(by_run), asked
        assert {row["segment"] for row in answer["memberships"]} == segments
        assert (answer["told_by"], by_run["told_by"]) == ("worker", "run")
        n_members += len(segments)
        told.add(answer["profile_id"] > 2_000_000_000)
    assert n_members > 10
    assert told == {True, False}


def test_explanations_are_those_of_a_run(site: Path, batch: Path) -> None:
    published, current = Published(load(batch)), Current(load(site))
    people = [sorted(person)[0] for person, segments in published_segments(batch) if segments]
    for asked, segment in zip(people, ("big", "converted", "nantais", "just_now"), strict=False):
        live = current.person(asked, segment)
        assert live is not None
        answer, by_run = live.explain(asked, segment), published.explain(asked, segment)
        assert answer["as_of"] == by_run["as_of"]
        for key in ("is_member", "reason", "to_flip", "changes_at"):
            assert answer[key] == by_run[key], (asked, segment)


def test_the_newer_answers(tmp_path: Path) -> None:
    folder = write_project(tmp_path)
    append(folder, [visit(1)])
    run(load(folder), Silent(), as_of=NOW)
    assert Current(load(folder)).person("d1") is None  # no worker yet
    with Stream(load(folder), NOW) as stream:
        append(folder, [visit(2)])
        while stream.step(NOW + timedelta(minutes=1)):
            pass
    live = Current(load(folder)).person("d2")  # whom no run knows; and no worker is at work now
    assert live is not None
    assert live.profile("d2")["as_of"].isoformat() == "2026-11-20T13:01:00+01:00"
    edit(folder / "facette.yml", "IN THE LAST 3 HOURS", "IN THE LAST 4 HOURS")
    assert Current(load(folder)).person("d1") is None  # the worker went by other definitions
    edit(folder / "facette.yml", "IN THE LAST 4 HOURS", "IN THE LAST 3 HOURS")
    run(load(folder), Silent(), as_of=NOW + timedelta(seconds=30))
    assert Current(load(folder)).person("d1") is not None  # the worker came later
    run(load(folder), Silent(), as_of=NOW + timedelta(minutes=10))
    assert Current(load(folder)).person("d1") is None


def test_the_report_goes_on_from_the_run(site: Path) -> None:
    published = Published(load(site))
    live = Current(load(site)).since(published.snapshot)
    assert live is not None
    with Reading(published.store.folder) as reading:
        told = [change for _, change in reading.changes()]
        assert live.members == reading.counts()
    assert live.entered == sum(change.change == "entered" for change in told) > 10
    assert live.left == sum(change.change == "left" for change in told)
    assert live.as_of == NOW
    for language, text in (("fr", "depuis ce calcul, jusqu'au"), ("en", "since this run, until")):
        page = ReportReading(published, Words(language, "Europe/Paris"))  # type: ignore[arg-type]
        [figure] = [each for each in facts.header(page)["figures"] if text in each["note"]]
        assert figure["value"].startswith(f"+{live.entered} / ")
        history = people.glance(page)["history"]
        assert history is not None  # there was one run only
        [nantais] = [line for line in history.figure["data"] if line["name"] == "Nantais"]
        assert list(nantais["y"])[-1] == live.members["nantais"]
        assert page.words.say("live_now") in str(nantais)


def published_segments(folder: Path) -> list[tuple[frozenset[str], frozenset[str]]]:
    return sorted(truth(folder).segments.items(), key=lambda one: sorted(one[0]))


def without_ids(answer: dict[str, Any]) -> dict[str, Any]:
    """What a run and a worker say alike: not the id of whom no run knew, nor the instants at which each noticed."""
    told = {key: value for key, value in answer.items() if key not in ("profile_id", "told_by", "run")}
    return {**told, "memberships": [row["segment"] for row in answer["memberships"]]}
