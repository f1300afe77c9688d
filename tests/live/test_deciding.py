"""The events that a change carries are those that an explanation at its instant tells."""

from __future__ import annotations

import random
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

from facette.definitions.project import load
from facette.live.changes import Change
from facette.live.deciding import MOST
from facette.live_queries import Current
from facette.run import run
from facette.stream import Stream
from tests.live.projects import NOW, append, random_records, write_project
from tests.live.test_stream import told, visit
from tests.run.projects import Silent

RULES = """
features:
  - {name: dearest, value: MAX(amount) OF purchase}
  - {name: cheapest, value: MIN(amount) OF purchase}
  - {name: first_page, value: FIRST(page) OF visit}
  - {name: per_purchase, value: SUM(amount) OF purchase / COUNT OF purchase}
segments:
  - {name: spread, label: {en: Spread}, rule: dearest > 50 AND cheapest < 50}
  - {name: same, label: {en: Same}, rule: per_purchase >= 60 OR city = Nantes AND first_page = '/'}
  - {name: thrice, label: {en: Thrice}, rule: 'NOT (DID purchase AT MOST 2 TIMES) OR IN SEGMENT converted'}
  - {name: again, label: {en: Again}, rule: DID visit THEN visit WITHIN 10 DAYS}
  - {name: undecided, label: {en: Undecided}, rule: DID visit THEN NOT purchase WITHIN 3 DAYS AND last_seen < 20 DAYS}
"""
LAST_SEEN = "  - {name: last_seen, value: LAST(at) OF visit}\n"


def test_changes_carry_what_explanations_tell(tmp_path: Path) -> None:
    folder = write_project(tmp_path / "site")
    (folder / "more.yml").write_text(RULES.replace("segments:", f"{LAST_SEEN}segments:"), encoding="utf-8")
    rng = random.Random(4)
    records = random_records(rng, 150, n_people=14)
    append(folder, records[:60])
    run(load(folder), Silent(), as_of=NOW)
    compared: Counter[tuple[str, str]] = Counter()
    with Stream(load(folder), NOW) as stream:
        for number, start in enumerate(range(60, 150, 15)):
            append(folder, records[start : start + 15])
            after = len(stream.state.changes())
            stream.step(NOW + timedelta(days=number))
            changes = [change for change in told(stream, after) if change.segment]
            for change in rng.sample(changes, min(3, len(changes))):
                assert [*change.events] == explained(folder, change), change
                compared[change.change, change.why] += bool(change.events)
    assert {("entered", "events"), ("left", "events")} <= compared.keys()
    assert sum(compared.values()) > 8


def explained(folder: Path, change: Change) -> list[str]:
    """The events behind the conditions that make the rule what it is, by their instants."""
    person = Current(load(folder)).person(f"profile_id:{change.profile_id}", change.segment)
    assert person is not None
    answer = person.explain(str(change.profile_id), change.segment, "en")
    assert answer["as_of"] == change.at
    found: set[tuple[str, str]] = set()
    for condition in carrying(answer["reason"]):
        for decisive in condition["decided_by"]:
            for event in decisive["events"]:
                found.add((event["at"], event["event_id"]))
                if event["followed_by"]:
                    found.add((event["followed_by"]["at"], event["followed_by"]["event_id"]))
    return [id_ for _, id_ in sorted(found)]


def carrying(reason: dict[str, Any]) -> list[dict[str, Any]]:
    if not reason["items"]:
        return [reason]
    items = reason["items"]
    if reason["kind"] in ("and", "or"):
        items = [item for item in items if item["is_met"] == reason["is_met"]]
    return [condition for item in items for condition in carrying(item)]


def test_of_many_events_the_latest_are_told(tmp_path: Path) -> None:
    folder = write_project(tmp_path)
    run(load(folder), Silent(), as_of=NOW)
    append(folder, [visit(1, message_id=f"m{number:03}") for number in range(MOST + 20)])
    with Stream(load(folder), NOW) as stream:
        stream.step(NOW)
        [lookers] = [change for change in told(stream, 0) if change.segment == "lookers"]
    assert lookers.events == tuple(f"site:m{number:03}" for number in range(20, MOST + 20))


def test_they_may_be_left_out(tmp_path: Path) -> None:
    folder = write_project(tmp_path)
    (folder / "live.yml").write_text("live: {deciding_events: false}", encoding="utf-8")
    run(load(folder), Silent(), as_of=NOW)
    append(folder, [visit(1)])
    with Stream(load(folder), NOW) as stream:
        stream.step(NOW)
        assert [change.events for change in told(stream, 0)] == [()]


def test_published_events_are_ordered_once_for_each_run(tmp_path: Path) -> None:
    folder = write_project(tmp_path)
    append(folder, [visit(number) for number in range(3)])
    run(load(folder), Silent(), as_of=NOW)
    made = []
    for number in range(3):
        append(folder, [visit(0)])
        with Stream(load(folder), NOW) as stream:
            stream.step(NOW)
        if number == 1:
            run(load(folder), Silent(), as_of=NOW)
        made.append({(path.name, path.stat().st_ino) for path in (folder / ".facette" / "live").glob("*.arrow")})
    assert [{name.partition("-")[0] for name, _ in each} for each in made] == [{"events_purchase", "events_visit"}] * 3
    assert made[0] == made[1]
    assert made[2].isdisjoint(made[1])
