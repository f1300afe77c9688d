"""A change of a project's YAML that leaves everything else in the file as it was written: comments, order, layout."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from facette.definitions.documents import yaml_files
from facette.definitions.project import Definitions, define
from facette.errors import DefinitionError, FacetteError

MERGED = "merged_into"
Keys = tuple[str] | tuple[str, int]
"""The key that is set in a definition, or in the mapping that it has there."""


@dataclass(frozen=True)
class Edit:
    """What is put into a file, and where.

    file : relative to the project;  line: the first is 1;  text: what is added
    place : of the text in the file, counted in characters
    """

    file: str
    line: int
    text: str
    place: int

    def of(self, before: str) -> str:
        return before[: self.place] + self.text + before[self.place :]


def merging(definitions: Definitions, name: str, into: str) -> Edit:
    """The edit that makes a segment part of another: `merged_into` below its name.

    Nothing is written. Raises FacetteError if the project would not hold together with it, or if there is no place.
    """
    segments = tuple(
        item.model_copy(update={MERGED: into}) if item.name == name else item for item in definitions.project.segments
    )
    try:
        define(definitions.project.model_copy(update={"segments": segments}), definitions.folder)
    except DefinitionError as error:
        told = "; ".join(problem.message for problem in error.problems)
        remedy = "; ".join(dict.fromkeys(problem.remedy for problem in error.problems if problem.remedy))
        raise FacetteError(f"“{name}” cannot be merged into “{into}” as it is: {told}.", remedy=remedy) from error
    return _found(definitions, "segments", name, (MERGED,), into)


def merging_group(definitions: Definitions, clustering: str, group: int, into: int) -> Edit:
    """The edit that makes a group of a clustering part of another: `merge` below its name, or one more line of it.

    Nothing is written. Raises FacetteError as :func:`merging`.
    """
    return _found(definitions, "models", clustering, ("merge", group), into)


def _found(definitions: Definitions, section: str, name: str, keys: Keys, value: str | int) -> Edit:
    for path in yaml_files(definitions.folder):
        text = path.read_bytes().decode("utf-8-sig")
        edit = _edit(path.relative_to(definitions.folder).as_posix(), text, section, name, keys, value)
        if edit is not None:
            _must_be_that_alone(text, edit, section, name, keys, value)
            return edit
    raise FacetteError(
        f"The definition of “{name}” is not found in the files.", remedy=f"Write `{_said(keys, value)}` into it."
    )


def _said(keys: Keys, value: str | int) -> str:
    return f"{keys[0]}: {value}" if len(keys) == 1 else f"{keys[0]}: {{{keys[1]}: {value}}}"


def write(folder: Path, edit: Edit) -> None:
    """Make an edit in its file, which appears changed or not at all. FacetteError if it cannot be written."""
    path = folder / edit.file
    raw = path.read_bytes()
    mark = "\ufeff" if raw.startswith(b"\xef\xbb\xbf") else ""
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        unfinished.write_bytes((mark + edit.of(raw.decode("utf-8-sig"))).encode())
        unfinished.chmod(path.stat().st_mode)
        unfinished.replace(path)
    except OSError as error:
        raise FacetteError(f"{path} cannot be written: {error.strerror}.", remedy="Check your rights to it.") from error
    finally:
        unfinished.unlink(missing_ok=True)


def _edit(file: str, text: str, section: str, name: str, keys: Keys, value: str | int) -> Edit | None:
    """Below the key ``name`` of the mapping, or beside it where the mapping is on one line; in the mapping of the first
    of two keys, if it is there."""
    mapping = _mapping(yaml.compose(text, Loader=yaml.SafeLoader), section, name)
    if mapping is None:
        return None
    (anchor,) = [pair for pair in mapping.value if pair[0].value == "name"]
    added = _said(keys, value)
    for key, inner in mapping.value:
        if key.value == keys[0] and isinstance(inner, yaml.MappingNode) and inner.value:
            mapping, anchor, added = inner, inner.value[-1], f"{keys[-1]}: {value}"
    key, node = anchor
    line = node.end_mark.line + 1
    if mapping.flow_style:
        return Edit(file, line, f", {added}", node.end_mark.index)
    ends = text.find("\n", node.end_mark.index)
    start = len(text) if ends < 0 else ends + 1
    newline = "\r\n" if "\r\n" in text else "\n"
    written = f"{' ' * key.start_mark.column}{added}{newline}"
    return Edit(file, line + 1, written if ends >= 0 else newline + written.rstrip("\r\n"), start)


def _mapping(root: yaml.Node | None, section: str, name: str) -> yaml.MappingNode | None:
    """The mapping that defines a segment or a model."""
    if not isinstance(root, yaml.MappingNode):
        return None
    for key, items in root.value:
        if key.value != section or not isinstance(items, yaml.SequenceNode):
            continue
        for mapping in items.value:
            pairs = mapping.value if isinstance(mapping, yaml.MappingNode) else []
            if any(inner.value == "name" and value.value == name for inner, value in pairs):
                return mapping
    return None


def _must_be_that_alone(text: str, edit: Edit, section: str, name: str, keys: Keys, value: str | int) -> None:
    """FacetteError unless the file says the same afterwards, and that."""
    expected = yaml.safe_load(text)
    for item in expected[section]:
        if item.get("name") == name:
            if len(keys) == 1:
                item[keys[0]] = value
            else:
                item[keys[0]] = {**(item.get(keys[0]) or {}), keys[1]: value}
    found: Any = None
    try:
        found = yaml.safe_load(edit.of(text))
    except yaml.YAMLError:
        found = None
    if found != expected:
        raise FacetteError(
            f"{edit.file} is written in a way that Facette does not edit.",
            remedy=f"Write `{_said(keys, value)}` into the definition of {name} yourself.",
        )
