"""Told stories: what happens to people over time, and who is then in which segment.

What is expected was worked out from the contract by hand. The batch engine has to find it, and so has the plain
evaluator, for everybody at every instant that is looked at. So does the live worker, to which the story comes through a
log; with ``--all-live`` every story that a log can tell.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.cases import COMPARED
from tests.oracles.rules import same
from tests.timelines.batch import batch
from tests.timelines.engine import Engine, Found
from tests.timelines.live import Live, Runs
from tests.timelines.plainly import counted, plainly
from tests.timelines.story import Happening, Moment, Record, Redefined, Step, Story, read

FILES = sorted(Path(__file__).parent.glob("*.yaml"))


def _cases() -> list[Any]:
    return [
        pytest.param(
            story,
            id=f"{path.stem}::{story.name}",
            marks=pytest.mark.xfail(reason=story.xfail, raises=AssertionError) if story.xfail else (),
        )
        for path in FILES
        for story in read(path)
    ]


@pytest.mark.parametrize("story", _cases())
def test_story(story: Story, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    engine = batch(story, tmp_path, is_real=request.config.getoption("--real-runs"))
    Teller(story, engine, tmp_path, request.node.callspec.id).tell()
    COMPARED["told stories"] += 1


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "runs" in metafunc.fixturenames:
        metafunc.parametrize(("story", "runs"), _live_cases(is_all=metafunc.config.getoption("--all-live")))


def test_story_live(story: Story, runs: Runs, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    engine = Live(tmp_path, sum(map(ord, story.name)), runs=runs)
    try:
        Teller(story, engine, tmp_path, request.node.callspec.id).tell()
    finally:
        engine.close()
    COMPARED["told stories, live"] += 1


def _live_cases(*, is_all: bool) -> list[Any]:
    """Stories for the live worker: all it can be told, or those about what comes when, and some of the others."""
    found = []
    for number, case in enumerate(_cases()):
        (story,) = case.values
        if any(step.correct for step in story.steps):  # what is in a log is never corrected
            continue
        theme = case.id.partition("::")[0]
        needs_runs = any(feature.quantiles for feature in story.features.values())  # their cuts are those of a run
        is_asked = is_all or theme in ("arrivals", "identity", "redefinition") or number % 12 == 0
        if is_asked and not needs_runs:
            found.append(pytest.param(story, "once", id=f"{case.id}-live", marks=case.marks))
        if is_all or (is_asked and needs_runs) or theme == "identity":
            found.append(pytest.param(story, "before", id=f"{case.id}-live-and-runs", marks=case.marks))
        if (is_all or theme == "identity") and not needs_runs:
            found.append(pytest.param(story, "after", id=f"{case.id}-live-after-runs", marks=case.marks))
    return found


class Teller:
    """Lets a story happen to an engine and to the plain evaluator, and compares whenever somebody looks."""

    def __init__(self, story: Story, engine: Engine, folder: Path, title: str) -> None:
        self.story, self.engine, self.folder, self.title = story, engine, folder, title
        self.records: list[Record] = []
        self.happenings: list[Happening] = []
        self.redefined: list[Redefined] = []

    def tell(self) -> None:
        self._define()
        for moment in self.story.moments:
            if moment.step.redefine:
                self.redefined.append(moment.step.redefine)
                self._define()
            self._deliver(moment)
            if moment.step.is_looked_at:
                self._compare(moment.step, moment, self.engine.look(moment.at))

    def _define(self) -> None:
        self.definitions = self.story.define(self.redefined, self.folder)
        self.engine.define(self.definitions)

    def _deliver(self, moment: Moment) -> None:
        self.records += moment.records
        self.happenings += moment.happenings
        if moment.records or moment.happenings:
            self.engine.arrive(moment.records, moment.happenings)
        for row in moment.step.correct:
            (place,) = (place for place, each in enumerate(self.happenings) if each.id == row["id"])
            self.happenings[place] = self.story.corrected(row, self.happenings[place])
            self.engine.correct(self.happenings[place])

    def _compare(self, step: Step, moment: Moment, found: Found) -> None:
        for name, expected in step.expect.items():
            if isinstance(expected, list):
                self._same(moment, name, set(expected), set(found.members[name]))
                COMPARED["expectations of told stories"] += len(found.people)
            else:
                values = {person: found.values[name].get(person, "nobody") for person in expected}
                self._same(moment, name, _plain(expected), _plain(values))
                COMPARED["expectations of told stories"] += len(expected)
        for told, change in ((step.enters, "entered"), (step.leaves, "left")):
            for name, expected in told.items():
                changed = {who for who, segment, what in found.changes if (segment, what) == (name, change)}
                self._same(moment, name, set(expected), changed, f", who {change}")
                COMPARED["expectations of told stories"] += len(expected)
        self._compare_plainly(moment, found)

    def _compare_plainly(self, moment: Moment, found: Found) -> None:
        """The same of everybody from the plain evaluator."""
        happenings = [each for each in map(_on_time, self.happenings) if each is not None]
        ids = counted(self.definitions, self.records, happenings, moment.at)
        who = {value: person for person in found.people for value in person.split(" + ")}
        self._same(moment, "whoever counts", {who.get(value, value) for value in ids}, set(found.people), ", plainly")
        members, values = plainly(self.definitions, self.records, happenings, found.people, moment.at)
        for name, expected in members.items():
            self._same(moment, name, expected, set(found.members[name]), ", plainly")
        for name, by_person in values.items():
            self._same(moment, name, _plain(by_person), _plain(found.values[name]), ", plainly")
        COMPARED["answers in told stories with the plain evaluator"] += len(found.people) * (len(members) + len(values))

    def _same(self, moment: Moment, name: str, expected: Any, found: Any, what: str = "") -> None:
        project = self.definitions.project
        texts: dict[str, str | None] = {each.name: each.rule for each in project.segments}
        texts |= {each.name: each.value for each in project.features}
        local = moment.at.astimezone(ZoneInfo(self.story.time_zone))
        shown = [sorted(each) if isinstance(each, set) else each for each in (expected, found)]
        told = [
            f"{self.title}: {self.story.tells}",
            f"at {local.isoformat(sep=' ')} ({moment.at:%Y-%m-%d %H:%M:%S.%f} UTC), {name}{what}: {texts.get(name)}",
            f"expected {shown[0]}",
            f"found    {shown[1]}",
        ]
        assert expected == found, "\n".join(told)


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """Values as they compare: text without regard to case."""
    return {person: same(value) for person, value in values.items()}


def _on_time(happening: Happening) -> Happening | None:
    """An event as it is after the clock of its sender was corrected; None if it is too far ahead."""
    ahead = happening.at - happening.known_at
    if ahead.total_seconds() <= 0:
        return happening
    return replace(happening, at=happening.known_at) if ahead.total_seconds() <= 24 * 3600 else None
