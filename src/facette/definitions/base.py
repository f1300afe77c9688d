"""What every definition is made of: the base of the pydantic models, names, labels, texts of the rule language."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema

from facette.definitions.language.json_form import rule_text, value_text
from facette.errors import RuleError

NAME_PATTERN = r"^[a-z][a-z0-9_]*$"
DefinedName = Annotated[str, StringConstraints(pattern=NAME_PATTERN, max_length=63)]
Language = Literal["fr", "en"]


def _read(text_of: Callable[[Any], str]) -> BeforeValidator:
    def text(written: Any) -> Any:
        if not isinstance(written, dict):
            return written
        try:
            return text_of(written)
        except RuleError as error:
            raise ValueError(str(error)) from error

    return BeforeValidator(text)


_AS_JSON = {"type": "object", "required": ["kind"], "properties": {"kind": {"type": "string"}}}
_OR_JSON = WithJsonSchema({"anyOf": [{"type": "string"}, _AS_JSON]})
RuleText = Annotated[str, _read(rule_text), _OR_JSON]
"""A rule's text; it may be written as the tree's JSON (docs/language.md), and becomes text."""
ValueText = Annotated[str, _read(value_text), _OR_JSON]
"""Likewise of a feature's value."""
FieldType = Literal["text", "number", "boolean", "date", "instant"]


class Definition(BaseModel):
    """Base of all definitions. Validators are built when they are asked for: a project's has those of its parts."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, defer_build=True)


class Label(Definition):
    """What people read instead of the name, per language."""

    fr: str | None = None
    en: str | None = None


class Named(Definition):
    name: DefinedName = Field(description="Identifier: lower-case letters, digits and underscores.")
    label: Label = Field(default=Label(), description="What people read, per language; also usable in rules.")
    description: str | Label = Field(
        default="", description="For the report and the documentation: a text, or one per language."
    )


class BandDefinition(Definition):
    """A named part of a number's range, from the previous band's end up to (not including) ``below``."""

    name: DefinedName
    label: Label = Label()
    below: float | None = Field(default=None, description="Upper end, not included; left out for the last band.")


class Outliers(Definition):
    """What to do with a number far from the others: between bounds that are learned once, and stay."""

    method: Literal["iqr", "zscore"] = Field(description="Tukey's fences, or distance from the mean.")
    factor: float = Field(gt=0, description="Times the interquartile range (1.5 is usual), or standard deviations (3).")
    action: Literal["flag", "clip", "drop"] = Field(
        default="flag", description="Count it only, move it to the bound, or make it unknown."
    )
