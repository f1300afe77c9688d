"""People whom a run published as one and who are two: at once everything is as a run would publish it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from facette.definitions.project import load
from facette.errors import RunError
from facette.live.changes import Change
from facette.live_queries import Current
from facette.queries import Published
from facette.run import run
from facette.sources.record import Record, encode, instant_text
from facette.stream import Stream
from tests.cases import COMPARED
from tests.live.projects import NOW, append, write_project
from tests.live.test_deciding import carrying, explained
from tests.live.test_keeping import as_a_run_would
from tests.live.test_person import without_ids
from tests.live.test_stream import told
from tests.run.projects import Person, Silent, copied, edit, rows, truth

MORE = """
  - {name: last_looked, label: {en: Last looked}, rule: LAST(page) OF visit = '/last'}
  - {name: usual, label: {en: Usual}, rule: MODE(page) OF visit = '/' AND DID visit THEN visit WITHIN 3 DAYS}
  - {name: busy, label: {en: Busy}, rule: activity >= 50}
  - {name: regular, label: {en: Regular}, rule: 'DID visit AT LEAST 3 TIMES IN THE LAST 10 DAYS'}
features:
  - {name: spent, value: SUM(amount) OF purchase IN THE LAST 30 DAYS}
  - {name: n_visits, value: COUNT OF visit IN THE LAST 20 DAYS}
models:
  - {name: activity, kind: composite, refit_days: 1000, parts: [{of: spent}, {of: n_visits, weight: 2}]}
validation: {gate: publish}
"""


def site(folder: Path) -> Path:
    """One user at most is one person, however many devices."""
    project = write_project(folder)
    edit(project / "facette.yml", "  - name: user\n", "  - name: user\n    limit: 1\n")
    with (project / "facette.yml").open("a", encoding="utf-8") as file:
        file.write(MORE.lstrip("\n"))
    return project


def record(kind: str, number: int, days: float, user: str | None, device: str | None, said: object = None) -> Record:
    """Something that happened, and was received, some days before now."""
    at = instant_text(NOW - timedelta(days=days))
    return Record(
        message_id=f"{kind}{number}",
        kind=kind,  # type: ignore[arg-type]
        event="purchase" if kind == "track" else None,
        at=at,
        received_at=at,
        user_id=user,
        anonymous_id=device,
        properties={"amount": said} if kind == "track" else {"page": said or "/"} if kind == "page" else {},
        traits={"city": said} if kind == "identify" else {},
        protocol="segment",
        source="site",
    )


# ── whose events are ────────────────────────────────────────────────────────────────────────────────────────────────


def tangled(rng: random.Random, n: int, oldest: int) -> list[Record]:
    """Events of users and devices that are taken for each other's, in no order."""
    made = []
    for _ in range(n):
        kind = rng.choice(("page", "page", "track", "identify", "identify"))
        user, device = f"u{rng.randrange(7)}", f"d{rng.randrange(9)}"
        both = kind == "identify" or rng.random() < 0.2
        said = {
            "page": rng.choice(("/", "/last")),
            "track": rng.choice((5, 60)),
            "identify": rng.choice(("Nantes", "Lyon")),
        }
        made.append(
            record(
                kind,
                rng.randrange(10**12),
                rng.uniform(0, oldest),
                user if both or kind == "track" else None,
                device if both or kind == "page" else None,
                said[kind],
            )
        )
    return made


@pytest.mark.parametrize("seed", range(2))
def test_events_go_with_their_identifiers(seed: int, tmp_path: Path) -> None:
    """Through runs and starts between: of all events the profile is that of their most trusted identifier."""
    rng = random.Random(seed)
    project = site(tmp_path)
    records = tangled(rng, 30, 20)
    append(project, [encode(each) for each in records])
    run(load(project), Silent(), as_of=NOW)
    stream = Stream(load(project), NOW)
    n_parted = 0
    for number in range(1, 7):
        new = tangled(rng, rng.randint(2, 5), 20 + 8 * number)
        records += new
        append(project, [encode(each) for each in new])
        if number == 3:
            run(load(project), Silent(), as_of=NOW)
        while stream.step(NOW, most=rng.randint(1, 4)):
            pass
        if rng.random() < 0.3:
            stream.close()
            stream = Stream(load(project), NOW)
            as_a_run_would(stream)
        n_parted += len(stream.worker.knowledge.parted)
        as_identified(stream, records)
    as_a_run_would(stream)
    stream.close()
    assert n_parted > 5
    COMPARED["published people who fell apart"] += n_parted


def as_identified(stream: Stream, records: list[Record]) -> None:
    knowledge = stream.worker.knowledge
    everybody = knowledge.identities().to_pyarrow()["profile_id"].unique().to_pylist()
    expected: dict[str, dict[str, int | None]] = {"visit": {}, "purchase": {}}
    for each in records:
        if each.kind != "identify":
            by = ("user", each.user_id) if each.user_id else ("device", each.anonymous_id)
            owners = expected["visit" if each.kind == "page" else "purchase"]
            owners[f"site:{each.message_id}"] = knowledge.people.owner(*by)  # type: ignore[arg-type]
    for kind, owners in expected.items():
        for found in (knowledge.events(kind, None).to_pyarrow(), knowledge.events_of(kind, everybody)):
            assert len(found) == len(owners)
            assert dict(zip(found["event_id"].to_pylist(), found["profile_id"].to_pylist(), strict=True)) == owners


# ── what a run would publish ────────────────────────────────────────────────────────────────────────────────────────

BEGIN = [
    record("identify", 1, 15, "u1", "d1", "Nantes"),
    record("identify", 2, 15, "u2", None, "Lyon"),
    record("identify", 3, 15, "u3", "d3", "Nantes"),
    record("page", 1, 9, None, "d1"),
    record("page", 2, 8, None, "d1"),
    record("page", 3, 7.5, None, "d1", "/last"),
    record("track", 1, 7, "u1", None, 60),
    record("track", 2, 7, "u2", None, 60),
    record("track", 3, 6.5, "u2", "d2", 5),
    record("page", 4, 6, None, "d3"),
    record("page", 5, 5, None, "d5"),
    record("page", 6, 4, None, "d5", "/last"),
    record("track", 4, 4, "u5", None, 60),
]
NIGHT = [record("identify", 5, 3, "u5", "d5", "Nantes"), record("page", 7, 3, None, "d5")]
STEPS = {
    "the device was another's": [record("identify", 6, 20, "u2", "d1", "Lyon")],
    "both go on, and a device that a night had joined was another's": [
        record("page", 8, 0.1, None, "d1"),
        record("track", 5, 0.1, "u1", None, 60),
        record("identify", 7, 20, "u6", "d5", "Nantes"),
    ],
    "once more another's": [record("identify", 8, 30, "u4", "d1", "Lyon"), record("page", 9, 0.1, None, "d5")],
    "two become one, and what was another's goes back": [
        record("identify", 9, 2, "u4", "d9"),
        record("page", 10, 0.1, None, "d9"),
        record("identify", 10, 31, "u1", "d1"),
    ],
}


@dataclass(frozen=True)
class After:
    """What a worker says after a step, and what a run says of the same records.

    members           : person → segments, by the worker
    changes           : what it told in the step, with an identifier of who it is about
    by_worker, by_run : the project's folder with the worker's state, and with a run on the same records
    """

    step: str
    members: Mapping[Person, frozenset[str]]
    changes: Sequence[tuple[str, Change]]
    by_worker: Path
    by_run: Path


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> list[After]:
    """A worker builds on two runs, and is started anew after every other step."""
    folder = tmp_path_factory.mktemp("parting")
    project = site(folder / "site")
    for published in (BEGIN, NIGHT):
        append(project, [encode(each) for each in published])
        run(load(project), Silent(), as_of=NOW)
    found = []
    stream = Stream(load(project), NOW)
    try:
        for number, (step, records) in enumerate(STEPS.items()):
            append(project, [encode(each) for each in records])
            n_told = len(stream.state.changes())
            stream.step(NOW)
            as_a_run_would(stream)
            by_worker, by_run = (copied(project, folder / f"{number}-{by}", has_store=True) for by in ("worker", "run"))
            run(load(by_run), Silent(), as_of=NOW)
            people = people_of(stream)
            changes = [
                (min(people[each.profile_id]).partition(":")[2], each) for each in told(stream, n_told) if each.segment
            ]
            found.append(After(step, members_of(stream), changes, by_worker, by_run))
            if number % 2 == 0:
                stream.close()
                stream = Stream(load(project), NOW)
                as_a_run_would(stream)
    finally:
        stream.close()
    return found


def people_of(stream: Stream) -> dict[int, Person]:
    owned: dict[int, set[str]] = {}
    for row in stream.worker.knowledge.identities().to_pyarrow().to_pylist():
        owned.setdefault(row["profile_id"], set()).add(f"{row['kind']}:{row['value']}")
    return {profile_id: frozenset(identifiers) for profile_id, identifiers in owned.items()}


def members_of(stream: Stream) -> dict[Person, frozenset[str]]:
    members = stream.worker.memberships.members()
    return {
        person: frozenset(name for name, ids in members.items() if profile_id in ids)
        for profile_id, person in people_of(stream).items()
    }


def test_memberships_are_those_of_a_run(story: list[After]) -> None:
    for after in story:
        assert after.members == truth(after.by_run).segments, after.step
    assert sum(len(segments) for after in story for segments in after.members.values()) > 30


def test_changes_carry_what_a_run_would_explain(story: list[After]) -> None:
    compared: Counter[tuple[str, bool]] = Counter()
    for after in story[:3]:
        published = Published(load(after.by_run))
        assert after.changes, after.step
        for asked, change in after.changes[::2]:
            answer = published.explain(asked, change.segment, "en")
            assert [*change.events] == decided_by(answer), (after.step, change)
            compared[change.change, bool(change.events)] += 1
        assert [*change.events] == explained(after.by_worker, change)
    assert {("left", False), ("entered", True)} <= compared.keys()
    assert sum(compared.values()) > 6


def decided_by(answer: dict[str, Any]) -> list[str]:
    found = {
        (event["at"], event["event_id"])
        for condition in carrying(answer["reason"])
        for decisive in condition["decided_by"]
        for one in decisive["events"]
        for event in (one, *([one["followed_by"]] if one["followed_by"] else ()))
    }
    return [id_ for _, id_ in sorted(found)]


def test_people_are_as_a_run_would_publish_them(story: list[After]) -> None:
    for after in story[::2]:
        published, current = Published(load(after.by_run)), Current(load(after.by_worker))
        for asked in ("u1", "d1", "u5", "d5"):
            live = current.person(asked)
            assert live is not None
            assert without_ids(live.profile(asked)) == without_ids(published.profile(asked)), (after.step, asked)


def test_the_next_run_tells_nothing_new(story: list[After]) -> None:
    for after in story[::2]:
        with Stream(load(after.by_run), NOW) as stream:
            assert [each for each in told(stream, 0) if each.segment and each.why == "run"] == [], after.step
            assert members_of(stream) == after.members


def test_what_placed_an_event_is_a_number_where_people_can_fall_apart(story: list[After], tmp_path: Path) -> None:
    digests = {row["event_id"]: row["_placed_by"] for row in rows(story[0].by_run, "events_visit")}
    assert digests["site:page1"] == digests["site:page3"] != digests["site:page4"]
    free = write_project(tmp_path)
    append(free, [encode(each) for each in BEGIN])
    run(load(free), Silent(), as_of=NOW)
    assert "_placed_by" not in rows(free, "events_visit")[0]


def test_a_run_of_an_earlier_version_is_not_built_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has events that do not tell what placed them; the next run makes them anew."""
    project = site(tmp_path)
    append(project, [encode(each) for each in BEGIN])
    with monkeypatch.context() as earlier:
        earlier.setattr("facette.definitions.model.can_fall_apart", lambda identifiers: False)
        earlier.setattr("facette.definitions.project.can_fall_apart", lambda identifiers: False)
        run(load(project), Silent(), as_of=NOW)
    assert "_placed_by" not in rows(project, "events_visit")[0]
    with pytest.raises(RunError, match="or this version reads them otherwise"):
        Stream(load(project), NOW)
    append(project, [encode(each) for each in NIGHT])
    run(load(project), Silent(), as_of=NOW)
    assert all(row["_placed_by"] for row in rows(project, "events_visit"))
    Stream(load(project), NOW).close()
