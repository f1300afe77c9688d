"""Does what was written have the shape of the models? Pydantic's errors in plain words, each at its place."""

from __future__ import annotations

import re
import types
from collections.abc import Mapping
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from facette.definitions.base import NAME_PATTERN
from facette.definitions.documents import JOINED_KEYS
from facette.definitions.findings import Findings, KeyPath, Places, suggestion, texts_within
from facette.definitions.language.vocabulary import fold
from facette.definitions.model import LogSource, Project

EXPECTED = {
    "string": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "tuple": "a list",
    "dict": "a mapping of keys to values",
    "model": "a mapping of keys to values",
    "datetime": "a date (2026-11-22) or an instant (2026-11-22T08:30:00+01:00)",
    "date": "a date (2026-11-22) or an instant (2026-11-22T08:30:00+01:00)",
}
BOUNDS = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}


def validate(data: Mapping[str, Any], findings: Findings) -> Project:
    """The project that ``data`` describes, without the parts that do not have the shape of their model.

    Each part left out is a problem in ``findings``, and all names in it count as broken.
    """
    remaining = dict(data)
    blamed = {(problem.file, problem.line) for problem in findings.problems}  # by the reader: say nothing twice
    while True:
        try:
            return Project.model_validate(remaining)
        except ValidationError as error:
            problems = {_path(details): details for details in reversed(error.errors(include_url=False))}
        for path, details in reversed(problems.items()):
            place = findings.places.at(path)
            has_inner = any(len(other) > len(path) and other[: len(path)] == path for other in problems)
            if not has_inner and (place.file, place.line) not in blamed:
                findings.error(path, *_explained(details, path, remaining, findings.places))
        remaining = _without(remaining, set(problems), findings)


def _path(details: ErrorDetails) -> KeyPath:
    """The error's key path, without what pydantic adds to it: the chosen kind, the chosen type, ``[key]``."""
    path = list(details["loc"])
    for place in range(len(path) - 1):
        if path[place] == "description" and path[place + 1] in ("str", "Label"):
            del path[place + 1]
            break
    if path[0] in ("sources", "texts", "models", "sinks") and len(path) > 2:
        del path[2]
    if path[0] == "sources" and path[2:3] == ["log"] and len(path) > 3:
        del path[3]
    if path[0] == "as_of":
        del path[1:]
    elif path[-1] == "[key]":
        del path[-1]
    elif details["type"] == "union_tag_invalid":
        path.append("kind")
    return tuple(path)


def _without(data: dict[str, Any], paths: set[KeyPath], findings: Findings) -> dict[str, Any]:
    """``data`` without the list entry, or the top-level key, that holds each path."""
    broken: dict[str, set[int]] = {}
    remaining = dict(data)
    for path in paths:
        key = str(path[0])
        if key in JOINED_KEYS and len(path) > 1 and isinstance(path[1], int):
            broken.setdefault(key, set()).add(path[1])
        else:
            findings.give_up(*texts_within(remaining.pop(key, None)))
    for key, indices in broken.items():
        items = remaining.get(key, ())
        findings.give_up(*texts_within([items[index] for index in indices]))
        remaining[key] = [item for index, item in enumerate(items) if index not in indices]
        findings.places = findings.places.without(key, indices)
    remaining.setdefault("name", "unnamed")
    return remaining


# ── one error in plain words ────────────────────────────────────────────────────────────────────────────────────────


def _explained(details: ErrorDetails, path: KeyPath, data: Mapping[str, Any], places: Places) -> tuple[str, str]:
    """What is wrong, and what to do about it."""
    key, context, given = str(path[-1]), details.get("ctx", {}), details["input"]
    subject = f"`{key}`" if isinstance(path[-1], str) else f"entry {path[-1] + 1} of `{path[-2]}`"
    message, remedy = f"{subject}: {details['msg']}", "correct the value"
    match details["type"]:
        case "missing":
            message = f"{subject} is missing{_owner(path, data)}"
            remedy = _model_at(path[:-1], data).model_fields[key].description or f"add `{key}:`"
        case "extra_forbidden":
            message = f"unknown key {subject}{_owner(path, data)}"
            remedy = suggestion(key, _model_at(path[:-1], data).model_fields)
        case "union_tag_not_found":
            message, remedy = f"`kind` is missing{_owner((*path, 'kind'), data)}", suggestion("", _kinds(path))
        case "union_tag_invalid":
            message, remedy = f"unknown kind `{context['tag']}`", suggestion(str(context["tag"]), _kinds(path))
        case "literal_error":
            choices = re.findall(r"'([^']*)'", context["expected"])
            message, remedy = f"{subject} cannot be `{given}`", suggestion(str(given), choices)
        case "string_pattern_mismatch" if context["pattern"] == NAME_PATTERN:
            message, remedy = f"`{given}` cannot be a name", _name_remedy(str(given))
        case "string_pattern_mismatch":
            message, remedy = f"{subject} cannot be `{given}`", f"it must match {context['pattern']}"
        case "string_too_long":
            message, remedy = f"{subject} is longer than {context['max_length']} characters", "shorten it"
        case "too_short":
            message, remedy = f"{subject} needs at least {context['min_length']}{_owner(path, data)}", "add to it"
        case kind if kind in BOUNDS:
            bound, words = BOUNDS[kind]
            message, remedy = f"{subject} must be {words} {context[bound]:g}, not {given}", "correct the number"
        case kind if (expected := kind.partition("_")[0]) in EXPECTED:
            message = f"{subject} must be {EXPECTED[expected]}"
            remedy = _type_remedy(expected, key, given, places.at(path).written)
    return message, remedy


def _name_remedy(given: str) -> str:
    """The nearest thing to ``given`` that can be a name, and what a name is."""
    name = re.sub(r"[^a-z0-9]+", "_", fold(given)).lstrip("_0123456789").rstrip("_")
    what = "a name starts with a letter and has only lower-case letters, digits and underscores"
    return f"write `{name}`; {what}" if name else what


def _type_remedy(expected: str, key: str, given: object, written: str) -> str:
    if expected == "string" and given is None:
        return f"give `{key}` a value, or leave the key out"
    if expected == "string" and written:
        return f'put it in quotes: "{written}"'
    if expected == "date" and (digits := re.fullmatch(r"(\d{4})(\d\d)(\d\d)", str(given))):
        return f"write {'-'.join(digits.groups())}"
    if expected == "tuple" and isinstance(given, str):
        return f"put it in brackets: [{given}]"
    if expected == "model" and given is None:
        return f"write `{key}: {{}}` if nothing needs to be said about it"
    if key == "label" and isinstance(given, str):
        return f"say in which language: {{fr: {given}}}"
    return "correct the value"


def _owner(path: KeyPath, data: Mapping[str, Any]) -> str:
    """`` in segment vip``: the named list entry around a path, if it has a name."""
    if len(path) < 3 or not isinstance(path[1], int):
        return ""
    item = data[str(path[0])][path[1]]
    name = item.get("name") if isinstance(item, Mapping) else None
    return f" in {str(path[0]).removesuffix('s')} `{name}`" if isinstance(name, str) else ""


def _kinds(path: KeyPath) -> list[str]:
    """The kinds that an entry of the list at ``path``, or the log of a source, may have."""
    if "log" in path:
        models = get_args(LogSource.model_fields["log"].annotation)
    else:
        models = get_args(get_args(get_args(Project.model_fields[str(path[0])].annotation)[0])[0])
    return [get_args(model.model_fields["kind"].annotation)[0] for model in models]


def _model_at(path: KeyPath, data: Any) -> type[BaseModel]:
    """The model of the mapping at ``path``."""
    annotation: Any = Project
    for key in path:
        data = data[key]
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            annotation = annotation.model_fields[str(key)].annotation
        else:  # a tuple's entry, or a mapping's value
            annotation = get_args(annotation)[0 if get_origin(annotation) is tuple else 1]
        annotation = _chosen(annotation, data)
    return annotation


def _chosen(annotation: Any, data: Any) -> Any:
    """Of alternatives the one that ``data`` means: by its ``kind``, or else the only model, or what is not None."""
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) not in (Union, types.UnionType):
        return annotation
    alternatives = [item for item in get_args(annotation) if item is not type(None)]
    models = [item for item in alternatives if isinstance(item, type) and issubclass(item, BaseModel)]
    for item in models[1:]:
        if data.get("kind") in get_args(item.model_fields["kind"].annotation):
            return item
    return (models or alternatives)[0]
