"""Redis is where the worker is, whatever happens between: runs, people who become one, other definitions, restarts."""

from __future__ import annotations

import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import redis

from facette.clock import Moment
from facette.definitions.project import load
from facette.live.recomputing import Recomputing
from facette.live.values import texts
from facette.run import run
from facette.stream import Stream
from tests.live.projects import NOW, append, members_of, random_records, write_project
from tests.live.sinks import Where, in_redis
from tests.run.projects import Silent, edit

MODELS = """
features:
  - {name: spent, value: SUM(amount) OF purchase}
  - {name: n_visits, value: COUNT OF visit}
models:
  - {name: ways, kind: clusters, features: [spent, n_visits], log: [spent], minimum_clusters: 2, maximum_clusters: 3}
validation: {gate: publish}
"""


def test_redis_is_where_the_worker_is(tmp_path: Path, redis_url: str) -> None:
    project = write_project(tmp_path / "followed")
    file = project / "facette.yml"
    with file.open("a", encoding="utf-8") as out:
        sink = f"kind: redis, name: pages, url: '{redis_url}', prefix: 'followed:', traits: [city, spent, ways]"
        out.write(f"{MODELS}sinks: [{{{sink}}}]\n")
    records = random_records(random.Random(5), 180, n_people=40)
    append(project, records[:60])
    run(load(project), Silent(), as_of=NOW)
    for number, start in enumerate((60, 120)):
        now = NOW + timedelta(days=4 * number)
        with Stream(load(project), now) as stream:
            append(project, records[start : start + 30])
            stream.step(now)
            run(load(project), Silent(), as_of=now)
            append(project, records[start + 30 : start + 60])
            stream.step(now, most=10)
            while stream.step(now + timedelta(minutes=30)):
                pass
            if number == 0:
                edit(file, "  - {name: big, label: {en: Big}, rule: SUM(amount) OF purchase >= 100}\n", "")
                stream.redefine(load(project), now + timedelta(minutes=31))
            if number == 1:
                edit(
                    file,
                    "prefix: 'followed:', traits: [city, spent, ways]",
                    "prefix: 'followed again:', traits: [n_visits]",
                )
                stream.redefine(load(project), now + timedelta(minutes=31))
            stream.end_sinks(is_whole=True)
            told = [change for _, change in stream.state.changes()]
            assert stream.figures.sinks == {"redis:pages": 0}
            assert stream.figures.warnings == []
            prefix = "followed again:" if number == 1 else "followed:"
            assert in_redis(redis_url, prefix) == where(stream)
            kept = ("n_visits",) if number == 1 else ("city", "spent", "ways")
            assert traits_in_redis(redis_url, prefix) == traits(stream, kept)
    assert {change.change for change in told} == {"entered", "left", "merged"}
    assert {"events", "run", "time"} <= {change.why for change in told}


def traits_in_redis(url: str, prefix: str) -> dict[int, dict[str, str]]:
    start = f"{prefix}traits:"
    client: Any = redis.Redis.from_url(url, decode_responses=True)
    try:
        return {int(key.removeprefix(start)): client.hgetall(key) for key in client.keys(f"{start}*")}
    finally:
        client.close()


def traits(stream: Stream, names: tuple[str, ...]) -> dict[int, dict[str, str]]:
    """As a run would publish them for everybody."""
    worker = stream.worker
    moment = Moment(worker.known.as_of, "Europe/Paris")
    rows = Recomputing(stream.definitions, worker.knowledge).columns(names, moment, None).to_pylist()
    found = {row["profile_id"]: texts(row, names) for row in rows if row["is_counted"]}
    assert {name for values in found.values() for name in values} == {*names}
    return {profile_id: values for profile_id, values in found.items() if values}


def where(stream: Stream) -> Where:
    found = {(profile_id, segment): since // 1000 for profile_id, segment, since in members_of(stream.state)}
    assert len(found) > 10
    return found
