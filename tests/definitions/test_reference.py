"""The reference pages are what would be generated now, and the schema accepts what loads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from facette.definitions.model import Project
from facette.definitions.project import load
from facette.definitions.project_starter import write_starter
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


def test_the_examples_of_the_page_about_features_are_a_project(tmp_path: Path) -> None:
    write_starter(tmp_path)
    page = (DOCS / "features.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```yaml\n(.*?)```", page, flags=re.DOTALL)
    for n, block in enumerate(blocks):
        (tmp_path / f"page{n}.yml").write_text(block, encoding="utf-8")
    definitions = load(tmp_path)
    assert {"loyalty", "spend_trend"} <= set(definitions.features)
    assert set(definitions.vocabulary.thresholds) == {"frequency_p75", "usual_monetary", "large", "median_of_frequent"}
    assert not [problem for problem in definitions.warnings if problem.file.startswith("page")]
