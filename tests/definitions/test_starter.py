"""The starter project works, and no way of breaking its files gets past the checks."""

from __future__ import annotations

import csv
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facette.definitions.project import load
from facette.definitions.project_starter import write_starter
from facette.errors import DefinitionError, FacetteError


def test_the_starter_is_sound_and_without_warnings(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "shop"
    files = write_starter(folder)
    assert {path.relative_to(folder).as_posix() for path in files} == {
        "README.md",
        "data/customers.csv",
        "data/orders.csv",
        "facette.yml",
        "segments.yml",
    }
    definitions = load(folder)
    assert definitions.warnings == ()
    assert len(definitions.rules) == 6


def test_the_starter_names_columns_that_its_data_has(tmp_path: Path) -> None:
    write_starter(tmp_path)
    for source in load(tmp_path).project.sources:
        assert source.kind == "file"
        encoding = {"data/customers.csv": "cp1252", "data/orders.csv": "utf-8-sig"}[source.path]
        with (tmp_path / source.path).open(encoding=encoding, newline="") as file:
            header = set(next(csv.reader(file, delimiter=";")))
        for reader in (*source.events, *([source.people] if source.people else [])):
            columns = {field.column or name for name, field in reader.fields.items()}
            assert columns | set(reader.identifiers.values()) <= header


@pytest.mark.parametrize("existing", ["facette.yml", "other.yaml", "README.md", "data"])
def test_the_starter_overwrites_nothing(tmp_path: Path, existing: str) -> None:
    (tmp_path / existing).write_text("mine")
    with pytest.raises(FacetteError, match="is already there"):
        write_starter(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [existing]
    assert (tmp_path / existing).read_text() == "mine"


# ── mutations ───────────────────────────────────────────────────────────────────────────────────────────────────────

STRANGE_TEXTS = ("", "a", "purchase", "vip", "achat", "spend_1y", "IN SEGMENT vip", "(", "é = 'x")
STRANGE = st.sampled_from([*STRANGE_TEXTS, None, True, 0, -1, 1e300, [], ["a"], [None], {}, {"a": 1}])


def starter_data() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        write_starter(Path(folder))
        texts = [(Path(folder) / name).read_text(encoding="utf-8") for name in ("facette.yml", "segments.yml")]
    return {key: value for text in texts for key, value in yaml.safe_load(text).items()}


def paths_of(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [step for key, value in items for step in [(*path, key), *paths_of(value, (*path, key))]]


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_no_mutation_raises_anything_but_definition_errors(data: st.DataObject) -> None:
    project = starter_data()
    for _ in range(data.draw(st.integers(1, 4), label="mutations")):
        *parents, key = data.draw(st.sampled_from(paths_of(project)), label="path")
        parent = project
        for step in parents:
            parent = parent[step]
        match data.draw(st.sampled_from(["delete", "rename", "replace", "double"]), label="how"):
            case "delete":
                del parent[key]
            case "rename" if isinstance(parent, dict):
                parent[data.draw(st.sampled_from(["x", "name", "label", "rule", "kind", "Bad Name"]))] = parent.pop(key)
            case "double" if isinstance(parent, list):
                parent.append(parent[key])
            case _:
                parent[key] = data.draw(STRANGE, label="value")
        if not project:
            return
    with tempfile.TemporaryDirectory() as folder:
        text = yaml.dump(project, Dumper=_Plain, allow_unicode=True)
        (Path(folder) / "facette.yml").write_text(text, encoding="utf-8")
        try:
            load(Path(folder))
        except DefinitionError as error:
            lines = len(text.splitlines())
            assert error.problems
            assert all(
                item.message and item.file == "facette.yml" and 1 <= item.line <= lines for item in error.problems
            )


class _Plain(yaml.SafeDumper):
    """Writes what stands twice out twice, instead of as an alias."""

    def ignore_aliases(self, data: Any) -> bool:
        return True
