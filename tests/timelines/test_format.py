"""The format of told stories refuses what it does not know, and a story that is not true fails."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.timelines.batch import Functions, Runs, batch
from tests.timelines.story import Story, instant, read
from tests.timelines.test_timelines import Teller

BEGIN: dict[str, Any] = {"at": "2026-03-01 10:00", "people": [{"who": "ann", "city": "Nantes"}]}
LOOK: dict[str, Any] = {"expect": {"nantes": ["ann"]}}
TOLD: dict[str, Any] = {
    "name": "a-story",
    "tells": "Ann lives in Nantes.",
    "traits": {"city": "text"},
    "events": {"visit": {"fields": {"page": "text"}}},
    "segments": {"nantes": "city = Nantes"},
    "steps": [BEGIN, LOOK],
}


def story(**changes: Any) -> Story:
    return Story.model_validate(TOLD | changes)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"segmnets": {}}, "segmnets"),
        ({"steps": [BEGIN | {"wait": "1 day"}, LOOK]}, "wait"),
        ({"steps": [BEGIN | {"people": [{"who": "ann", "town": "Nantes"}]}, LOOK]}, "nothing is called ['town']"),
        ({"steps": [BEGIN | {"people": [{"who": "ann", "city": 7}]}, LOOK]}, "7 is no text"),
        ({"steps": [BEGIN | {"people": [{"city": "Nantes"}]}, LOOK]}, "about whom"),
        ({"steps": [BEGIN | {"people": [{"who": "ann", "from": "crm"}]}, LOOK]}, "no source 'crm'"),
        ({"steps": [BEGIN | {"events": [{"who": "ann", "did": "buy"}]}, LOOK]}, "`did` is one of ['visit']"),
        ({"steps": [BEGIN, {"correct": [{"id": "v1"}]}, LOOK]}, "no event 'v1' to correct"),
        ({"steps": [BEGIN, {"expect": {"nantais": ["ann"]}}]}, "`nantais` is no segment here"),
        ({"steps": [BEGIN, {"expect": {"nantes": {"ann": 1}}}]}, "`nantes` is no feature here"),
        ({"steps": [BEGIN, {"expect": {"nantes": ["anne"]}}]}, "nothing was told of ['anne']"),
        ({"steps": [BEGIN, LOOK | {"enters": {"nantais": []}}]}, "there is no such segment"),
        ({"steps": [BEGIN]}, "nothing is expected of this story"),
        ({"segments": TOLD["segments"] | {"angers": "city = Angers"}}, "nothing is expected of segment ['angers']"),
        ({"steps": [BEGIN, {}, LOOK]}, "a step in which nothing happens"),
        ({"steps": [{"people": BEGIN["people"]}, LOOK]}, "the first step says `at`"),
        ({"steps": [BEGIN, LOOK | {"at": "2026-03-01 09:59"}]}, "time goes back"),
        ({"steps": [BEGIN, LOOK | {"at": "2026-03-02 10:00", "advance": "1 day"}]}, "not both"),
        ({"steps": [BEGIN, LOOK | {"advance": "1 month"}]}, "`advance: 1 month` is no number of"),
        ({"steps": [BEGIN, LOOK | {"at": "2026-03-02"}]}, "say at what time"),
    ],
)
def test_what_does_not_hold_together_is_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        story(**changes)


@pytest.mark.parametrize("written", ["2026-03-29 02:30", "2026-10-25 02:30"])
def test_a_local_time_comes_exactly_once(written: str) -> None:
    with pytest.raises(ValueError, match="does not come exactly once in Europe/Paris"):
        instant(written, "Europe/Paris")


@pytest.mark.parametrize(
    ("advance", "expected"),
    [
        ("1 day", datetime(2026, 3, 29, 10, tzinfo=UTC)),
        ("1 week", datetime(2026, 4, 4, 10, tzinfo=UTC)),
        ("24 hours", datetime(2026, 3, 29, 11, tzinfo=UTC)),
        ("1 microsecond", datetime(2026, 3, 28, 11, 0, 0, 1, tzinfo=UTC)),
    ],
)
def test_days_keep_the_local_clock_and_hours_do_not(advance: str, expected: datetime) -> None:
    steps = [BEGIN | {"at": "2026-03-28 12:00"}, LOOK | {"advance": advance}]
    assert story(time_zone="Europe/Paris", steps=steps).moments[-1].at == expected


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        (
            [BEGIN, {"expect": {"nantes": []}}],
            r"(?s)lives in Nantes.*10:00.*nantes: city = Nantes.*expected \[\].*'ann'",
        ),
        ([BEGIN, LOOK | {"enters": {"nantes": []}}], "nantes, who entered"),
        ([BEGIN | LOOK, LOOK | {"leaves": {"nantes": ["ann"]}}], "nantes, who left"),
        ([BEGIN, LOOK | {"expect": {"nantes": ["ann"], "town": {"ann": "Angers"}}}], "(?s)town.*angers.*nantes"),
    ],
)
def test_a_story_that_is_not_true_fails(steps: list[dict[str, Any]], told: str, tmp_path: Path) -> None:
    untrue = story(steps=steps, features={"town": "city"})
    with pytest.raises(AssertionError, match=told):
        Teller(untrue, batch(untrue, tmp_path), tmp_path, "file::a-story").tell()


def test_stories_about_what_only_a_run_does_go_through_runs(tmp_path: Path) -> None:
    visit = {"who": "ann", "did": "visit", "id": "v1"}
    for steps in (
        [BEGIN | {"events": [visit, visit]}, LOOK],
        [BEGIN | {"events": [visit]}, LOOK | {"correct": [{"id": "v1", "page": "accueil"}]}],
        [BEGIN | {"events": [visit | {"at": "2026-03-01 11:00", "known_at": "2026-03-01 10:00"}]}, LOOK],
        [BEGIN, LOOK | {"redefine": {"segments": {"nantes": "city = nantes"}}}],
    ):
        assert isinstance(batch(story(steps=steps), tmp_path), Runs)
    assert isinstance(batch(story(), tmp_path), Functions)


def test_a_file_shares_what_its_stories_need(tmp_path: Path) -> None:
    file = tmp_path / "told.yaml"
    shared = {"about": "…", "time_zone": "Europe/Paris", "traits": TOLD["traits"], "events": TOLD["events"]}
    own = {key: value for key, value in TOLD.items() if key not in shared} | {"traits": {"age": "number"}}
    file.write_text(yaml.safe_dump(shared | {"stories": [own]}), encoding="utf-8")
    (found,) = read(file)
    assert (found.time_zone, set(found.traits), set(found.events)) == ("Europe/Paris", {"city", "age"}, {"visit"})
    file.write_text(yaml.safe_dump(shared | {"stories": [own, own]}), encoding="utf-8")
    with pytest.raises(ValueError, match=r"told\.yaml has two stories named \['a-story'\]"):
        read(file)
    file.write_text(yaml.safe_dump(shared | {"stories": [own | {"tels": ""}]}), encoding="utf-8")
    with pytest.raises(ValueError, match=r"(?s)told\.yaml::a-story: .*tels"):
        read(file)
