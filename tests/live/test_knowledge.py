"""What a worker knows is what it knows again when it starts anew, and when somebody asks for tables."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
import pytest

from facette.clock import Moment
from facette.definitions.project import load
from facette.live.knowledge import Knowledge
from facette.run import run
from facette.sources.record import Record, encode, instant_text
from facette.stream import Stream
from facette.warehouse.published import Snapshot, Store
from tests.live.projects import NOW, append, random_records, write_project
from tests.run.projects import Silent, edit, rows


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
    found_out = _kept(project)
    assert len(found_out) == 1  # by all of them
    for path in found_out:
        shutil.rmtree(path)
    with Stream(load(project), NOW) as stream:
        assert _known(stream.worker.knowledge) == before
    assert [path.name for path in _kept(project)] == [path.name for path in found_out]
    run(load(project), Silent(), as_of=NOW)
    with Stream(load(project), NOW):
        assert len(_kept(project)) == 1 and _kept(project)[0].name != found_out[0].name


def test_records_are_those_of_whom_they_describe_in_whatever_order_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The warehouse keeps no order of rows, and what was found out at an earlier start is about rows in an order."""
    project = write_project(tmp_path)
    rng = random.Random(3)
    for _ in range(2):
        append(project, random_records(rng, 60, n_people=12))
        run(load(project), Silent(), as_of=NOW)
    table = Store.table
    for direction in (ibis.asc, ibis.desc):

        def read(
            self: Store, con: ibis.BaseBackend, snapshot: Snapshot, name: str, direction: Any = direction
        ) -> ir.Table:
            rows = table(self, con, snapshot, name)
            return rows.order_by(direction("record")) if name.startswith("records_") else rows

        monkeypatch.setattr(Store, "table", read)
        with Stream(load(project), NOW) as stream:
            knowledge = stream.worker.knowledge
            moment = Moment(NOW, "Europe/Paris")
            everybody = knowledge.profiles(moment).to_pyarrow()
            ids = everybody["profile_id"].to_pylist()
            alone = pa.concat_tables(knowledge.profiles_of([each], moment) for each in ids)
            assert _rows(alone.select(everybody.column_names)) == _rows(everybody)


def _kept(project: Path) -> list[Path]:
    return [*(project / ".facette" / "live").glob("*known-*")]


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
        _as_published_or_renewed(knowledge, moment)
    with Stream(load(project), NOW) as stream:
        _as_published_or_renewed(stream.worker.knowledge, moment)


def _as_published_or_renewed(knowledge: Knowledge, moment: Moment) -> None:
    names = ["user", "device", "city"]
    whole = knowledge.profiles(moment).select("profile_id", "is_counted", *names).to_pyarrow()
    assert _rows(knowledge.everybody(names, moment)) == _rows(whole)
    knowledge.let_go()


def _known(knowledge: Knowledge) -> dict[str, Any]:
    tables = {
        "identities": knowledge.identities().to_pyarrow(),
        "links": knowledge.people.links(np.arange(len(knowledge.people._links))),
        **{kind: knowledge.events(kind, None).to_pyarrow() for kind in ("purchase", "visit")},
    }
    return {"merged": dict(knowledge.merged), "highest": knowledge.highest} | {
        name: _rows(table) for name, table in tables.items()
    }


def _rows(table: pa.Table) -> list[str]:
    return sorted(str(sorted(row.items())) for row in table.to_pylist())


def test_what_is_looked_up(tmp_path: Path) -> None:
    """Events with columns of a table, e-mail addresses as identifiers, and texts of all kinds."""
    project = write_project(tmp_path)
    (project / "pages.csv").write_text("address,theme\n/,home\n/wine,red  wine\n", encoding="utf-8")
    edit(project / "facette.yml", "sources:\n", f"sources:\n{PAGES}")
    edit(project / "facette.yml", "          page: {column: properties.page}\n", LOOKED_UP)
    append(project, [_visit(0, "/", "Site")])
    run(load(project), Silent(), as_of=NOW)
    pages = ["/", " /wine ", "/none", None, "/wine"]
    append(project, [_visit(number, page, name) for number, page in enumerate(pages, 1) for name in ("Été", "a  b")])
    with Stream(load(project), NOW) as stream:
        stream.step(NOW)
        found = stream.worker.knowledge.events("visit", None).to_pyarrow()
    run(load(project), Silent(), as_of=NOW)
    published = pa.Table.from_pylist(rows(project, "events_visit"))
    columns = ["event_id", "at", "theme", "page", "title"]
    assert _rows(found.select(columns)) == _rows(published.select(columns).cast(found.select(columns).schema))
    assert set(found["theme"].to_pylist()) == {"home", "red wine", None}


PAGES = """  - {name: pages, kind: file, path: pages.csv, table: {key: address}}
"""
LOOKED_UP = """          page: {column: properties.page}
          title: {column: properties.title}
          theme: {column: theme}
        lookups: [{source: pages, on: properties.page}]
"""


def _visit(number: int, page: str | None, title: str) -> bytes:
    return encode(
        Record(
            message_id=f"v{number}{title}",
            kind="page",
            at=instant_text(NOW),
            received_at=instant_text(NOW),
            anonymous_id=f"d{number}",
            properties={"page": page, "title": title},
            protocol="segment",
            source="site",
        )
    )
