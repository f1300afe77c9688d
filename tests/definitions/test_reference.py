"""The reference pages are what would be generated now, and the schema accepts what loads."""

from __future__ import annotations

from pathlib import Path

import pytest

from facette.definitions.model import Project
from facette.definitions.reference import definitions_markdown, language_markdown, write_pages
from facette.definitions.schema import json_schema

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize(("page", "generate"), [("definitions", definitions_markdown), ("language", language_markdown)])
def test_the_committed_page_is_current(page: str, generate: object) -> None:
    assert callable(generate)
    committed = (DOCS / f"{page}.md").read_text(encoding="utf-8")
    assert committed == generate(), "run: python -m facette.definitions.reference docs/"


def test_the_pages_are_written_to_a_folder(tmp_path: Path) -> None:
    write_pages(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["definitions.md", "language.md"]


def test_every_key_of_every_model_is_on_the_page() -> None:
    page = definitions_markdown()
    schema = json_schema()
    for model in (schema, *(item for item in schema["$defs"].values())):
        for key in model["properties"]:
            assert f"| `{key}` |" in page


def test_the_schema_is_for_one_file_of_several() -> None:
    schema = json_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert "required" not in schema
    assert schema["additionalProperties"] is False
    assert set(schema["properties"]) == set(Project.model_fields)
