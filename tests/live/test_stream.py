"""Following a log: what is refused, what is taken over while it goes on, and what time does."""

from __future__ import annotations

import random
from datetime import timedelta
from pathlib import Path

import pytest

from facette import stream
from facette.definitions.project import load
from facette.errors import LogError, RunError
from facette.live.changes import Change
from facette.live.figures import Figures
from facette.run import run
from facette.sources.log import Records
from facette.sources.record import Record, encode, instant_text
from facette.sources.replay import FileReader
from facette.stream import RefitError, Stream, follow
from tests.live.projects import NOW, PROJECT, append, random_records, write_project
from tests.run.projects import Silent, edit, starter, truth

HOUR = timedelta(hours=1)


def visit(number: int, **at: object) -> bytes:
    received_at = instant_text(NOW)
    told = {"message_id": f"v{number}", "kind": "page", "at": received_at, "received_at": received_at, **at}
    return encode(Record(anonymous_id=f"d{number}", protocol="segment", source="site", **told))  # type: ignore[arg-type]


def told(stream: Stream, after: int) -> list[Change]:
    return [change for _, change in stream.state.changes(after)]


def test_there_must_be_something_to_follow(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no source of this project is a log"):
        Stream(load(starter(tmp_path)), NOW)


def test_a_run_comes_first(tmp_path: Path) -> None:
    project = write_project(tmp_path)
    with pytest.raises(Exception, match="Nothing has been published") as refused:
        Stream(load(project), NOW)
    assert "facette run" in str(refused.value)


def test_changed_sources_wait_for_a_run(tmp_path: Path) -> None:
    project = write_project(tmp_path)
    run(load(project), Silent(), as_of=NOW)
    edit(project / "facette.yml", "fields:\n          page:", "fields:\n          seen:")
    with pytest.raises(RunError, match="The sources changed since the published run"):
        Stream(load(project), NOW)


def test_a_life_of_a_worker(tmp_path: Path) -> None:
    """Records, time, another definition, a run in between, a restart: each told once, with its cause."""
    project = write_project(tmp_path)
    append(project, random_records(random.Random(7), 20, n_people=5))
    run(load(project), Silent(), as_of=NOW)
    with Stream(load(project), NOW) as stream:
        append(project, [visit(900), b"no record at all"])
        assert stream.step(NOW) == 2
        assert stream.figures.refused == 1
        assert _kinds(stream, 0) == [("just_now", "entered", "events")]
        assert told(stream, 0)[0].events == ("site:v900",)
        assert stream.step(NOW + HOUR) == 0
        assert stream.worker.known.n_steps == 3  # the hour rolled windows of hours
        stream.step(NOW + HOUR)
        assert stream.worker.known.n_steps == 3  # nothing to do, nothing written
        edit(project / "facette.yml", "IN THE LAST 3 HOURS", "IN THE LAST 4 HOURS")
        stream.redefine(load(project), NOW + HOUR)
        assert _kinds(stream, 1) == []
        stream.step(NOW + 4 * HOUR)
        assert _kinds(stream, 1) == []
        stream.step(NOW + 4 * HOUR + timedelta(minutes=5))
        assert _kinds(stream, 1) == [("just_now", "left", "time")]
        provisional = told(stream, 0)[0].profile_id
        append(project, [visit(900, message_id="again", received_at=instant_text(NOW + 5 * HOUR))])
        stream.step(NOW + 5 * HOUR)
        append(project, [visit(901, received_at=instant_text(NOW + 5 * HOUR))])
    run(load(project), Silent(), as_of=NOW + 5 * HOUR)
    append(project, [visit(902, received_at=instant_text(NOW + 5 * HOUR))])
    with Stream(load(project), NOW + 5 * HOUR) as stream:
        assert provisional not in {row[0] for row in stream.worker.memberships.rows()}
        while stream.step(NOW + 5 * HOUR):
            pass
        published = truth(project)
        members = stream.worker.memberships.members()
        assert {name: len(ids) for name, ids in members.items()} == {
            name: sum(name in segments for segments in published.segments.values()) for name in members
        }


def test_a_run_by_other_sources_is_not_built_on_by_these(tmp_path: Path) -> None:
    project = write_project(tmp_path)
    append(project, [visit(1)])
    run(load(project), Silent(), as_of=NOW)
    with Stream(load(project), NOW) as stream:
        edit(project / "facette.yml", "fields:\n          page:", "fields:\n          seen:")
        with pytest.raises(RunError, match="The sources changed"):
            stream.redefine(load(project), NOW)
        assert stream.step(NOW) == 0  # those before go on
        run(load(project), Silent(), as_of=NOW)
        with pytest.raises(RefitError):
            stream.step(NOW)
    Stream(load(project), NOW).close()


def test_members_of_a_segment_that_is_gone_are_forgotten(tmp_path: Path) -> None:
    project = write_project(tmp_path)
    run(load(project), Silent(), as_of=NOW)
    append(project, [visit(1)])
    rule = "  - {name: just_now, label: {en: Just now}, rule: DID visit IN THE LAST 3 HOURS}\n"
    with Stream(load(project), NOW) as stream:
        stream.step(NOW)
        assert {segment for segment, _, _ in stream.state.members()} == {"just_now"}
        edit(project / "facette.yml", rule, "")
        stream.redefine(load(project), NOW)
        assert [*stream.state.members()] == []
        file = project / "facette.yml"
        file.write_text(file.read_text(encoding="utf-8") + rule, encoding="utf-8")
        stream.redefine(load(project), NOW)
        assert _kinds(stream, 1) == [("just_now", "entered", "definition")]


def test_catching_up_goes_through_what_happened(tmp_path: Path) -> None:
    """As a worker that was never stopped would have told it, but for what is between two records of a step."""
    hours = range(1, 241)
    visits = {hour: visit(hour, at=at(hour), received_at=at(hour)) for hour in hours if hour % 30 == 0 and hour <= 180}
    later = NOW + hours[-1] * HOUR
    stories, steps = [], []
    for is_stopped in (False, True):
        project = write_project(tmp_path / f"{is_stopped}")
        edit(project / "facette.yml", "DID visit IN THE LAST 3 HOURS", "DID visit IN THE LAST 2 DAYS")
        run(load(project), Silent(), as_of=NOW)
        with Stream(load(project), later if is_stopped else NOW) as stream:
            for hour in () if is_stopped else hours:
                append(project, [visits[hour]] if hour in visits else [])
                stream.step(NOW + hour * HOUR)
            if is_stopped:
                append(project, [*visits.values()])
                behind: list[float] = []
                while stream.run_step(lambda: later, most=1, tell=lambda: steps.append(stream.figures.steps)):
                    behind.append(stream.figures.behind)
                assert behind == [(240 - hour) * 3600 for hour in visits]
                assert stream.figures.behind == 0
            told_of = [(one.segment, one.change, one.why, one.at) for one in told(stream, 0)]
            stories.append([one for one in told_of if one[0] == "just_now"])
    assert stories[0] == stories[1]
    assert [what for _, what, _, _ in stories[1]].count("left") == 5
    assert len(steps) == 10  # a step for each midnight


def at(hour: int) -> str:
    return instant_text(NOW + hour * HOUR)


def test_changes_are_kept_for_some_days(tmp_path: Path) -> None:
    """And longer where a sink lacks them, or no run has taken them over."""
    project = write_project(tmp_path)
    run(load(project), Silent(), as_of=NOW)
    with (project / "facette.yml").open("a", encoding="utf-8") as file:
        file.write("live: {keep_days: 2}\nsinks: [{kind: file, name: out, path: facette.yml/out.jsonl}]\n")
    append(project, [visit(1)])
    with Stream(load(project), NOW) as stream:
        stream.step(NOW)
        append(project, [visit(2, received_at=instant_text(NOW + HOUR), at=instant_text(NOW + HOUR))])
        for days in range(4):
            stream.step(NOW + timedelta(days=days, hours=1))
        assert len(told(stream, 0)) == 4
    run(load(project), Silent(), as_of=NOW + timedelta(days=3, hours=1))
    with Stream(load(project), NOW + timedelta(days=5)) as stream:
        stream.step(NOW + timedelta(days=6))
        assert len(told(stream, 0)) == 4  # the sink cannot be written
        edit(project / "facette.yml", "path: facette.yml/out.jsonl", "path: out.jsonl")
        stream.redefine(load(project), NOW + timedelta(days=6))
        stream.end_sinks(is_whole=True)
        stream.step(NOW + timedelta(days=7))
        assert [seq for seq, _ in stream.state.changes()] == [3, 4]  # what was told last stays
    assert len((project / "out.jsonl").read_text(encoding="utf-8").splitlines()) == 4


def _kinds(stream: Stream, after: int) -> list[tuple[str, str, str]]:
    return [(change.segment, change.change, change.why) for change in told(stream, after)]


def test_where_the_gate_holds_segments_back_a_run_judges_them_first(tmp_path: Path) -> None:
    project = write_project(tmp_path)
    append(project, [*random_records(random.Random(7), 20, n_people=5), visit(900)])
    with (project / "facette.yml").open("a", encoding="utf-8") as file:
        file.write("\nvalidation: {minimum_size: 1, gate: {segments: hold}}\n")
    run(load(project), Silent(), as_of=NOW)
    with Stream(load(project), NOW) as stream:
        before = stream.definitions.rules["just_now"].rule
        edit(project / "facette.yml", "IN THE LAST 3 HOURS", "IN THE LAST 4 HOURS")
        stream.redefine(load(project), NOW)
        assert stream.definitions.rules["just_now"].rule == before
        run(load(project), Silent(), as_of=NOW)
        with pytest.raises(RefitError):
            stream.step(NOW)
    with Stream(load(project), NOW) as stream:
        assert stream.definitions.rules["just_now"].rule == load(project).rules["just_now"].rule != before


class Watched:
    """Ends the worker once it has taken a record, or after ten steps."""

    n_shown = 0

    def show(self, figures: Figures) -> None:
        self.n_shown += 1
        if figures.records or self.n_shown == 10:
            raise KeyboardInterrupt


def test_a_log_that_is_gone_for_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a warning; and what was read of another log meanwhile is read again."""
    project = write_project(tmp_path)
    second = PROJECT[PROJECT.index("  - name: site") : PROJECT.index("segments:")].replace("name: site", "name: app")
    second = second.replace("kind: log", "kind: log\n    log: {kind: file, path: l}")
    (project / "facette.yml").write_text(PROJECT.replace("segments:", second + "segments:"), encoding="utf-8")
    run(load(project), Silent(), as_of=NOW)
    append(project, [visit(1)])
    is_gone = [True]

    def read(self: FileReader, most: int = 10_000, wait: float = 0.0) -> Records:
        if is_gone.pop() if is_gone else False:
            raise LogError("The log l is gone.", remedy="Wait.")
        return original(self, most, wait)

    original = FileReader.read
    monkeypatch.setattr(FileReader, "read", read)
    monkeypatch.setattr(stream, "AGAIN", 0.01)
    figures = follow(load(project), Watched(), as_of=NOW)
    assert (figures.records, is_gone) == (1, [])
    assert ["The log l is gone" in warning for warning in figures.warnings] == [True]
    append(project, [visit(2)])
    is_gone.append(True)
    with pytest.raises(LogError, match="is gone"):
        follow(load(project), Watched(), as_of=NOW, is_once=True)
