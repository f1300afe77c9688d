"""Landing files: what is read once, again, or never again; and what is on disk at every moment."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from facette.definitions.model import FileSource
from facette.errors import RunError, SourceError
from facette.sources import landing as landing_module
from facette.sources.files import Files
from facette.sources.landing import CONNECTORS, Landing, LandResult, land, survey
from facette.sources.source import REFUSED, Batch, Part, Position


class Project:
    """A project folder that remembers its landings as the ledger does: as JSON."""

    def __init__(self, folder: Path, **source: Any) -> None:
        self.folder, self.raw = folder, folder / ".facette" / "raw"
        self.source = FileSource(name="shop", **source)
        self.known: list[Landing] = []

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True, parents=True)
        before = path.stat().st_mtime_ns if path.exists() else 0
        path.write_text(text)
        if path.stat().st_mtime_ns == before:
            os.utime(path, ns=(before + 1, before + 1))

    def land(self) -> LandResult:
        result = land(self.source, folder=self.folder, raw=self.raw, known=self.known)
        self.known = [Landing(**json.loads(json.dumps(asdict(each)))) for each in result.current]
        assert self.known == list(result.current)
        return result

    def rows(self) -> list[dict[str, Any]]:
        return [row for each in self.known for row in pq.read_table(self.raw / each.landed_path).to_pylist()]

    def survey(self) -> tuple[int | None, int]:
        return survey(self.source, folder=self.folder, raw=self.raw, known=self.known)


def files(results: tuple[Landing, ...]) -> list[str]:
    return [each.file for each in results]


def test_a_folder_over_time(tmp_path: Path) -> None:
    project = Project(tmp_path, path="data/*.csv")
    project.write("data/a.csv", "x,y\n1,2\n")
    project.write("data/b.csv", "x;y\n3;4\n5\n")
    assert project.survey() == (2, 0)

    first = project.land()
    assert files(first.landed) == ["data/a.csv", "data/b.csv"]
    assert [(each.rows, each.refused) for each in first.landed] == [(1, 0), (1, 1)]
    assert first.refused.schema == REFUSED
    assert first.refused.to_pylist() == [
        {
            "source": "shop",
            "landing": first.landed[1].landing,
            "row": 2,
            "column": None,
            "value": "5",
            "reason": "1 value instead of 2",
            "raw": '"5"',
        }
    ]
    row = {"x": "3", "y": "4", "_landing": first.landed[1].landing, "_file": "data/b.csv", "_row": 1}
    assert project.rows()[1] == row

    again = project.land()
    assert (again.landed, again.replaced, again.notes) == ((), (), ())
    assert files(again.unchanged) == ["data/a.csv", "data/b.csv"]

    project.write("data/c.csv", "x,y\n6,7\n")
    project.write("data/a.csv", "x,y\n1,9\n")
    assert project.survey() == (1, 1)
    third = project.land()
    assert files(third.landed) == ["data/a.csv", "data/c.csv"]
    assert third.replaced == (first.landed[0],)
    assert (project.raw / first.landed[0].landed_path).exists()  # until whoever published it lets go of it
    assert sorted(row["y"] for row in project.rows()) == ["4", "7", "9"]

    (tmp_path / "data/b.csv").unlink()
    fourth = project.land()
    assert fourth.notes == ("data/b.csv is gone; what was read of it stays.",)
    assert sorted(files(fourth.current)) == ["data/a.csv", "data/b.csv", "data/c.csv"]
    for name in ("a", "c"):
        (tmp_path / f"data/{name}.csv").unlink()
    assert len(project.land().unchanged) == 3  # even when all have gone


def test_a_content_that_comes_back_is_a_landing_of_its_own(tmp_path: Path) -> None:
    project = Project(tmp_path, path="a.csv")
    ids = []
    for text in ("x,y\n1,1\n", "x,y\n2,2\n", "x,y\n1,1\n", "x,y\n2,2\n"):
        project.write("a.csv", text)
        ids += [each.landing for each in project.land().landed]
    assert len(set(ids)) == 4


def test_content_is_hashed_only_when_size_or_time_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = Project(tmp_path, path="a.csv")
    project.write("a.csv", "x,y\n1,2\n")
    project.land()
    hashed = []
    monkeypatch.setattr("facette.sources.files._content_hash", lambda path: hashed.append(path) or "0")
    project.land()
    assert hashed == []
    monkeypatch.undo()
    os.utime(tmp_path / "a.csv", ns=(1, 1))
    result = project.land()
    assert not result.landed
    assert result.unchanged[0].mtime_ns == 1


def test_other_settings_read_the_file_again(tmp_path: Path) -> None:
    project = Project(tmp_path, path="a.csv")
    project.write("a.csv", "x;y\n1;2\n")
    project.land()
    project.source = FileSource(name="shop", path="a.csv", delimiter=",")
    assert len(project.land().replaced) == 1
    assert project.rows()[0]["x;y"] == "1;2"


def test_a_landing_whose_file_was_lost_is_made_again(tmp_path: Path) -> None:
    project = Project(tmp_path, path="a.csv")
    project.write("a.csv", "x,y\n1,2\n")
    [lost] = project.land().landed
    (project.raw / lost.landed_path).unlink()
    result = project.land()
    assert result.replaced == (lost,)
    assert result.landed[0].landing != lost.landing


def test_a_crash_leaves_nothing_that_looks_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = Project(tmp_path, path="a.jsonl")
    project.write("a.jsonl", '{"x": 1}\n{"y": 2}\n')
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("facette.sources.landing.put_in_place", interrupt)
        project.land()
    assert [path for path in project.raw.rglob("*") if path.is_file()] == []
    assert len(project.land().landed) == 1


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_file_that_changes_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = Project(tmp_path, path="a.csv")
    project.write("a.csv", "x,y\n1,2\n")
    read_csv = landing_module.Files._read.__globals__["read_csv"]

    def grow(path: Path, *rest: Any, **more: Any) -> Iterator[Batch]:
        yield from read_csv(path, *rest, **more)
        path.write_text("x,y\n1,2\n3,4\n")

    with monkeypatch.context() as patch, pytest.raises(SourceError, match="changed while it was being read"):
        patch.setattr("facette.sources.files.read_csv", grow)
        project.land()
    assert project.land().landed[0].rows == 2


def test_a_full_disk_is_a_run_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = Project(tmp_path, path="a.csv")
    project.write("a.csv", "x,y\n1,2\n")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("facette.sources.landing.put_in_place", full)
    with pytest.raises(RunError, match="The disk is full"):
        project.land()


def test_json_lines(tmp_path: Path) -> None:
    project = Project(tmp_path, path="a.jsonl")
    lines = ['{"a": 1, "b": {"c": [1.5, "é"]}, "d": null}', "", '{"a": "x", "e": true}', "[1]", "{bad", '{"a": NaN}']
    project.write("a.jsonl", "\n".join([*lines, '{"a": "\\ud800"}', '{"a": 12345678901234567890}']))
    result = project.land()
    rows = [{name: value for name, value in row.items() if name[0] != "_"} for row in project.rows()]
    assert rows == [
        {"a": "1", "b": '{"c":[1.5,"é"]}', "d": None, "e": None},
        {"a": "x", "b": None, "d": None, "e": "true"},
        {"a": "12345678901234567890", "b": None, "d": None, "e": None},
    ]
    assert [row["_row"] for row in project.rows()] == [1, 3, 8]
    assert [row["row"] for row in result.refused.to_pylist()] == [4, 5, 6, 7]


def test_json_lines_whose_columns_change_between_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facette.sources.files.LINES", 2)
    project = Project(tmp_path, path="a.jsonl")
    project.write("a.jsonl", "".join(json.dumps({f"c{i // 3}": str(i), "all": "x"}) + "\n" for i in range(9)))
    project.land()
    assert [[row.get(f"c{i}") for i in range(3)] for row in project.rows()] == [
        [str(i) if i // 3 == column else None for column in range(3)] for i in range(9)
    ]
    assert len(list(project.raw.rglob("*"))) == 2  # the folder and one file


def test_parquet_keeps_its_types(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facette.sources.files.ROWS", 3)
    table = pa.table({"n": range(10), "at": [datetime(2026, 1, 1)] * 10, "l": [[1]] * 10, "t": ["é"] * 10})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=4)
    project = Project(tmp_path, path="a.parquet")
    [landed] = project.land().landed
    found = pq.read_table(project.raw / landed.landed_path)
    assert found.drop(["_landing", "_file", "_row"]) == table
    assert found["_row"].to_pylist() == list(range(1, 11))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.parquet", b"PAR1 no", "cannot be read as Parquet"),
        ("a.csv", b"x,y\n1\n2\n", "none of its 2 rows can be read; row 1: 1 value instead of 2"),
        ("a.jsonl", b"[\n{}]\n", "none of its 2 rows can be read"),
        ("a.csv", b"x,_row\n1,2\n", "a name that Facette uses itself"),
        ("a.jsonl", b'{"Id": 1, "id": 2}', "differ only in upper and lower case"),
        ("a.xlsx", b"", "does not tell the format"),
    ],
)
def test_files_that_cannot_be_landed(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=message) as caught:
        Project(tmp_path, path=name).land()
    assert caught.value.remedy


def test_a_missing_file_is_told_with_the_nearest(tmp_path: Path) -> None:
    project = Project(tmp_path, path="data/clientes.csv")
    project.write("data/clients.csv", "x,y\n1,2\n")
    with pytest.raises(SourceError, match=r"There is no file data/clientes.csv(.|\n)*data/clients.csv"):
        project.land()
    with pytest.raises(SourceError, match=r"No file matches other/\*\.csv"):
        Project(tmp_path, path="other/*.csv").land()


def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    project = Project(tmp_path, path="data/*.csv")
    project.write("data/a.csv", "x,y\n1,2\n")
    (tmp_path / "data" / os.fsdecode(b"caf\xe9.csv")).write_text("x,y\n1,2\n")
    with pytest.raises(SourceError, match=r"data/caf\\xe9\.csv.* is not UTF-8") as caught:
        project.land()
    assert "Rename" in caught.value.remedy


def test_names_with_pattern_characters_and_nested_folders(tmp_path: Path) -> None:
    project = Project(tmp_path, path="data/**/*.csv")
    project.write("data/2026/it's [1].csv", "x,y\n1,2\n")
    project.write("data/top.csv", "x,y\n3,4\n")
    assert sorted(files(project.land().landed)) == ["data/2026/it's [1].csv", "data/top.csv"]
    assert files(Project(tmp_path, path="data/2026/it's [1].csv").land().landed) == ["data/2026/it's [1].csv"]


def test_a_connector_of_another_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Fixed:
        """Two batches of one part, as a connector from another package might give them."""

        def __init__(self, source: object, folder: Path) -> None: ...

        def batches(self, position: Position) -> Iterator[Batch]:
            for start in (1, 3):
                yield Batch("all", pa.table({"n": [start, start + 1]}), pa.array([start, start + 1]))
            yield Batch("all", after=Part("all", "fixed", position="4"))

    monkeypatch.setitem(CONNECTORS, "file", Fixed)
    project = Project(tmp_path, path="anything")
    told: list[tuple[str, int]] = []
    land(project.source, folder=tmp_path, raw=project.raw, progress=lambda *each: told.append(each))
    assert told == [("all", 2), ("all", 4)]
    assert project.land().landed[0].position == "4"
    assert project.land().landed == ()
    unknown = FileSource.model_construct(name="x", kind="fax", path="")
    with pytest.raises(SourceError, match="reads sources of kind 'fax'"):
        land(unknown, folder=tmp_path, raw=project.raw)
    assert CONNECTORS["file"] is not Files
