"""JSON Schema of the definitions, for editors: completion and checks while typing."""

from __future__ import annotations

from typing import Any

from facette.definitions.model import Project


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
