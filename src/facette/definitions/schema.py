"""JSON Schema of the definitions, for editors: completion and checks while typing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from facette.definitions.model import Project
from facette.errors import FacetteError

SCHEMA_FILE = "facette.schema.json"


def json_schema() -> dict[str, Any]:
    """The schema (draft 2020-12) of one YAML file: a project may be spread over several, so no top key is required."""
    schema = Project.model_json_schema()
    schema.pop("required", None)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "Facette definitions",
        "description": "One file of a project. " + (Project.__doc__ or ""),
    }


def write_schema(folder: Path) -> Path:
    """Write the schema beside ``facette.yml``; the file. FacetteError if it cannot be written."""
    path = folder / SCHEMA_FILE
    try:
        path.write_text(json.dumps(json_schema(), ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        message = f"{path} cannot be written: {error.strerror}"
        raise FacetteError(message, remedy="name the project's folder with --project") from error
    return path
