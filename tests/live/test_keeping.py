"""What the worker keeps is what the functions of a run make of all that it knows, after every step."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from facette.clock import Moment
from facette.definitions.project import load
from facette.live.memberships import Memberships
from facette.live.recomputing import Recomputing
from facette.run import run
from facette.sources.record import Record, encode, instant_text
from facette.stream import Stream
from tests.live.projects import NOW, PROJECT, append, random_records, write_project
from tests.run.projects import Silent, edit

KEPT = """
  - {name: regular, label: {en: Regular}, rule: DISTINCT(day) OF visit IN THE LAST 20 DAYS >= 2}
  - {name: dear, label: {en: Dear}, rule: MAX(amount) OF purchase IN THE LAST 10 DAYS >= 20}
  - {name: lately, label: {en: Lately}, rule: RECENCY OF purchase < 5}
  - {name: aged, label: {en: Aged}, rule: DID visit WHERE at > 12 days}
  - {name: again, label: {en: Again}, rule: DID purchase THEN purchase WITHIN 5 DAYS}
  - {name: rest, label: {en: Rest}, rule: NOT regular AND NOT dear}
"""
GIVEN = """
  - {name: dropped, label: {en: Dropped}, rule: DID purchase THEN NOT visit WITHIN 3 DAYS IN THE LAST 7 DAYS}
  - {name: usual, label: {en: Usual}, rule: MODE(amount) OF purchase IN THE LAST 30 DAYS < 20}
  - {name: first_group, label: {en: First group}, rule: ways = 1}
  - {name: upper, label: {en: Upper}, rule: rank = 2}
features:
  - {name: spent, value: SUM(amount) OF purchase IN THE LAST 30 DAYS}
  - {name: n_visits, value: COUNT OF visit IN THE LAST 20 DAYS}
  - {name: rank, quantiles: {of: spent, groups: 2}}
models:
  - {name: ways, kind: clusters, features: [spent, n_visits], log: [spent], minimum_clusters: 2, maximum_clusters: 3}
validation: {gate: publish}
"""
VALUED = """
  - {name: dear, label: {en: Dear}, rule: worth > 30}
  - {name: gone, label: {en: Gone}, rule: worth_alive < 0.6}
  - {name: first, label: {en: First}, rule: priority >= 60}
features:
  - {name: n_visits, value: COUNT OF visit IN THE LAST 20 DAYS}
models:
  - {name: worth, kind: value, event: purchase, amount: amount, horizon_days: 30}
  - {name: priority, kind: composite, parts: [{of: worth, weight: 2}, {of: n_visits}]}
"""
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
PAUSES = (timedelta(0), MINUTE, 5 * MINUTE, 3 * timedelta(hours=1), DAY, 6 * DAY)


def recent(rng: random.Random, until: datetime) -> list[bytes]:
    """Some records of people of whom most are known, and visits and purchases of whom nothing else is new."""
    told = [
        Record(
            message_id=f"p{rng.randrange(10**12)}",
            kind=kind,  # type: ignore[arg-type]
            event="purchase",
            at=instant_text(until),
            received_at=instant_text(until),
            user_id=f"u{rng.randrange(20)}",
            properties={"amount": rng.choice((5, 60))},
            protocol="segment",
            source="site",
        )
        for kind in ("page", "page", "track", "track", "track")
    ]
    return [*random_records(rng, 4, n_people=30, until=until), *map(encode, told)]


def as_a_run_would(stream: Stream) -> None:
    """Compare who is where by the worker, and by its engine for everybody, with what a run would say."""
    worker = stream.worker
    moment = Moment(worker.known.as_of, "Europe/Paris")
    wide = Recomputing(worker.definitions, worker.knowledge).memberships(moment, None).sort_by("profile_id")
    assert worker.engine.wide().sort_by("profile_id").equals(wide)
    members = {name: set(wide.filter(wide[name])["profile_id"].to_pylist()) for name in worker.memberships.segments}
    assert worker.memberships.members() == members
    assert [*Memberships.of_columns(stream.state.members(), worker.memberships.segments).rows()] == [
        *worker.memberships.rows()
    ]


@pytest.mark.parametrize("rules", [KEPT, GIVEN], ids=["kept", "given"])
def test_after_every_step(rules: str, tmp_path: Path) -> None:
    rng = random.Random(3)
    project = write_project(tmp_path)
    (project / "facette.yml").write_text(PROJECT.rstrip() + rules, encoding="utf-8")
    append(project, random_records(rng, 200, n_people=25))
    run(load(project), Silent(), as_of=NOW)
    now = NOW
    stream = Stream(load(project), now)
    for pause in PAUSES:
        stream.step(now := now + pause)
        as_a_run_would(stream)
        append(project, recent(rng, now + rng.choice((0, 2)) * MINUTE))
        stream.step(now)
        as_a_run_would(stream)
        if rng.random() < 0.3:
            stream.close()
            stream = Stream(load(project), now)
            as_a_run_would(stream)
    assert {change.segment for _, change in stream.state.changes()} >= {*stream.worker.memberships.segments[6:]}
    stream.close()


def test_a_trait_that_only_a_model_reads(tmp_path: Path) -> None:
    rng = random.Random(5)
    project = write_project(tmp_path)
    rules = GIVEN.replace("features: [spent, n_visits]", "features: [spent, n_visits, city]")
    (project / "facette.yml").write_text(PROJECT.replace("city = Nantes", "DID visit").rstrip() + rules, "utf-8")
    append(project, random_records(rng, 200, n_people=25))
    run(load(project), Silent(), as_of=NOW)
    with Stream(load(project), NOW) as stream:
        append(project, recent(rng, NOW))
        stream.step(NOW)
        as_a_run_would(stream)


def test_values_and_composites(tmp_path: Path) -> None:
    """What models read of each other, and of aggregates that no rule names, is what a run makes of it."""
    rng = random.Random(4)
    project = write_project(tmp_path)
    (project / "facette.yml").write_text(PROJECT.rstrip() + VALUED, encoding="utf-8")
    append(project, random_records(rng, 2500, n_people=200))
    run(load(project), Silent(), as_of=NOW)
    with Stream(load(project), NOW) as stream:
        for pause in (timedelta(0), MINUTE, 6 * DAY):
            append(project, recent(rng, NOW + pause))
            stream.step(NOW + pause)
            as_a_run_would(stream)
        assert "first" in {change.segment for _, change in stream.state.changes()}
        assert stream.worker.memberships.members()["dear"]


def test_other_windows_than_those_of_the_run(tmp_path: Path) -> None:
    """What the snapshot has no partials of is made from its events."""
    project = write_project(tmp_path)
    append(project, random_records(random.Random(5), 60, n_people=8))
    run(load(project), Silent(), as_of=NOW)
    append(project, random_records(random.Random(6), 10, n_people=8))
    with Stream(load(project), NOW) as stream:
        stream.step(NOW)
        edit(
            project / "facette.yml", "SUM(amount) OF purchase >= 100", "AVG(amount) OF purchase BEFORE yesterday >= 30"
        )
        edit(project / "facette.yml", "DID purchase IN THE LAST 7 DAYS", "LAST(amount) OF purchase = 60")
        stream.redefine(load(project), NOW)
        as_a_run_would(stream)
        stream.step(NOW + 2 * DAY)
        as_a_run_would(stream)


def test_a_clock_behind_the_published_run(tmp_path: Path) -> None:
    project = write_project(tmp_path)
    append(project, random_records(random.Random(8), 60, n_people=8, until=NOW + 20 * DAY))
    run(load(project), Silent(), as_of=NOW + 20 * DAY)
    append(project, random_records(random.Random(9), 6, n_people=8))
    with Stream(load(project), NOW) as stream:
        as_a_run_would(stream)
        for days in (0, 1, 30):
            stream.step(NOW + days * DAY)
            as_a_run_would(stream)
