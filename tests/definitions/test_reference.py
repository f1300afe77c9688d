"""The reference pages are what would be generated now, and the schema accepts what loads."""

from __future__ import annotations

from pathlib import Path

import pytest

from facette.definitions.model import Project
from facette.definitions.reference import definitions_markdown, language_markdown, rule_schema_text, write_pages
from facette.definitions.schema import json_schema

DOCS = Path(__file__).parents[2] / "docs"


PAGES = {"definitions.md": definitions_markdown, "language.md": language_markdown, "rule.schema.json": rule_schema_text}


@pytest.mark.parametrize("page", PAGES)
def test_the_committed_page_is_current(page: str) -> None:
    committed = (DOCS / page).read_text(encoding="utf-8")
    assert committed == PAGES[page](), "run: python -m facette.definitions.reference docs/"


def test_the_pages_are_written_to_a_folder(tmp_path: Path) -> None:
    write_pages(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(PAGES)


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
