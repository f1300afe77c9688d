"""A worker that is killed at any instant loses nothing and tells nothing twice."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from facette.definitions.project import load
from facette.live.state import State
from facette.run import run
from facette.warehouse.published import Store
from tests.cases import COMPARED
from tests.live.projects import NOW, append, members_of, random_records, write_project
from tests.live.sinks import in_redis
from tests.run.projects import Silent, edit

N_RECORDS, BATCH = 240, 20


def test_killed_worker(tmp_path: Path, request: pytest.FixtureRequest, redis_url: str) -> None:
    kills = request.config.getoption("--kills")
    n_records = N_RECORDS + 4 * kills
    project = write_project(tmp_path / "undisturbed")
    _keep_in_redis(project, redis_url)
    records = random_records(random.Random(kills), n_records, n_people=30)
    append(project, records[: n_records // 3])
    run(load(project), Silent(), as_of=NOW)
    append(project, records[n_records // 3 :])
    other = shutil.copytree(project, tmp_path / "killed")
    edit(other / "facette.yml", "undisturbed:", "killed:")
    undisturbed = _stream(project, kills=0)
    assert undisturbed["killed"] == 0
    killed = _stream(other, kills=kills, longest=0.7 * undisturbed["seconds"])["killed"]
    assert (killed > 0) == (kills > 0)
    expected, found = _told(project), _told(other)
    assert found == expected
    for folder in (project, other):
        where = {(one, segment): since // 1000 for one, segment, since in expected["members"]}
        assert in_redis(redis_url, f"{folder.name}:") == where
    assert len(expected["changes"]) == len({change.id for _, change in expected["changes"]}) > 20
    COMPARED["workers killed"] += killed
    COMPARED["changes told by workers that were killed"] += len(expected["changes"])


def _keep_in_redis(project: Path, url: str) -> None:
    with (project / "facette.yml").open("a", encoding="utf-8") as file:
        file.write(f"sinks: [{{kind: redis, name: pages, url: '{url}', prefix: '{project.name}:'}}]\n")


def _stream(project: Path, *, kills: int, longest: float = 1.0) -> dict[str, Any]:
    words = ["stream", "--project", str(project), "--once", "--batch", str(BATCH), "--as-of", NOW.isoformat()]
    words += ["--changes", str(project / "changes.jsonl"), "--json"]
    script = Path(__file__).with_name("killing.py")
    asked = [sys.executable, str(script), "1", str(longest / 10), str(longest), str(kills), "0", *words]
    done = subprocess.run(asked, capture_output=True, text=True, check=True)
    answer: dict[str, Any] = json.loads(done.stdout.rpartition("\n")[2] or done.stdout)
    assert answer["status"] == 0, done.stdout + done.stderr
    return answer


def _told(project: Path) -> dict[str, Any]:
    """All that a worker keeps of what it found out, and what its sink has."""
    state = State(Store(project).folder)
    try:
        known = state.known()
        assert known is not None
        lines = [json.loads(line) for line in (project / "changes.jsonl").read_text(encoding="utf-8").splitlines()]
        changes = state.changes()
        assert [(line["seq"], line["id"]) for line in lines] == [(seq, change.id) for seq, change in changes]
        return {
            "positions": known.positions,
            "steps": known.n_steps,
            "members": sorted(members_of(state)),
            "changes": changes,
            "merged": state.merged(),
        }
    finally:
        state.close()
