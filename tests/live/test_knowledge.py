"""What a worker knows is what it knows again when it starts anew, and when somebody asks for tables."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pyarrow as pa

from facette.clock import Moment
from facette.definitions.project import load
from facette.live.knowledge import Knowledge
from facette.run import run
from facette.stream import Stream
from tests.live.projects import NOW, append, random_records, write_project
from tests.run.projects import Silent


def test_known_again_after_a_start(tmp_path: Path) -> None:
    project = write_project(tmp_path)
    rng = random.Random(3)
    append(project, random_records(rng, 60, n_people=12))
    run(load(project), Silent(), as_of=NOW)
    merged = 0
    for _ in range(3):
        append(project, random_records(rng, 60, n_people=25))
        with Stream(load(project), NOW) as stream:
            while stream.step(NOW, most=25):
                pass
            before = _known(stream.worker.knowledge)
            assert stream.state.merged() == stream.worker.knowledge.merged
            merged = len(stream.worker.knowledge.merged)
        with Stream(load(project), NOW) as stream:
            assert _known(stream.worker.knowledge) == before
            append(project, random_records(random.Random(3), 60, n_people=12))  # all of them once more
            while stream.step(NOW, most=25):
                pass
            assert _known(stream.worker.knowledge) == before
    assert merged > 3


def test_profiles_of_some_are_those_of_all(tmp_path: Path) -> None:
    project = write_project(tmp_path)
    rng = random.Random(5)
    append(project, random_records(rng, 60, n_people=12))
    run(load(project), Silent(), as_of=NOW)
    append(project, random_records(rng, 150, n_people=25))
    with Stream(load(project), NOW) as stream:
        while stream.step(NOW, most=40):
            pass
        knowledge = stream.worker.knowledge
        moment = Moment(NOW, knowledge.snapshot.zone)
        everybody = _rows(knowledge.profiles(moment).to_pyarrow())
        ids = sorted(knowledge.identities().to_pyarrow()["profile_id"].unique().to_pylist())
        some = [_rows(knowledge.profiles_of(ids[start::3], moment)) for start in range(3)]
        assert sorted(row for rows in some for row in rows) == everybody
        assert len(everybody) == len(ids) > 20
        knowledge.let_go()


def _known(knowledge: Knowledge) -> dict[str, Any]:
    tables = {
        "identities": knowledge.identities().to_pyarrow(),
        "links": knowledge.links().to_pyarrow(),
        **{kind: knowledge.events(kind, None).to_pyarrow() for kind in ("purchase", "visit")},
    }
    return {"merged": dict(knowledge.merged), "highest": knowledge.highest} | {
        name: _rows(table) for name, table in tables.items()
    }


def _rows(table: pa.Table) -> list[str]:
    return sorted(str(sorted(row.items())) for row in table.to_pylist())
