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
    for path in yaml_files(definitions.folder):
        text = path.read_bytes().decode("utf-8-sig")
        edit = _edit(path.relative_to(definitions.folder).as_posix(), text, name, into)
        if edit is not None:
            _must_be_that_alone(text, edit, name, into)
            return edit
    raise FacetteError(
        f"The definition of “{name}” is not found in the files.", remedy=f"Write `{MERGED}: {into}` into it."
    )


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


def _edit(file: str, text: str, name: str, into: str) -> Edit | None:
    """Below the key ``name`` of the segment's mapping, or beside it where the mapping is on one line."""
    found = _segment(yaml.compose(text, Loader=yaml.SafeLoader), name)
    if found is None:
        return None
    mapping, key, value = found
    line = value.end_mark.line + 1
    if mapping.flow_style:
        return Edit(file, line, f", {MERGED}: {into}", value.end_mark.index)
    ends = text.find("\n", value.end_mark.index)
    start = len(text) if ends < 0 else ends + 1
    newline = "\r\n" if "\r\n" in text else "\n"
    added = f"{' ' * key.start_mark.column}{MERGED}: {into}{newline}"
    return Edit(file, line + 1, added if ends >= 0 else newline + added.rstrip("\r\n"), start)


def _segment(root: yaml.Node | None, name: str) -> tuple[yaml.MappingNode, yaml.Node, yaml.Node] | None:
    """The mapping that defines a segment, with the nodes of its key and value ``name``."""
    if not isinstance(root, yaml.MappingNode):
        return None
    for key, items in root.value:
        if key.value != "segments" or not isinstance(items, yaml.SequenceNode):
            continue
        for mapping in items.value:
            pairs = mapping.value if isinstance(mapping, yaml.MappingNode) else []
            for inner, value in pairs:
                if inner.value == "name" and value.value == name:
                    return mapping, inner, value
    return None


def _must_be_that_alone(text: str, edit: Edit, name: str, into: str) -> None:
    """FacetteError unless the file says the same afterwards, and that."""
    expected = yaml.safe_load(text)
    for item in expected["segments"]:
        if item.get("name") == name:
            item[MERGED] = into
    found: Any = None
    try:
        found = yaml.safe_load(edit.of(text))
    except yaml.YAMLError:
        found = None
    if found != expected:
        raise FacetteError(
            f"{edit.file} is written in a way that Facette does not edit.",
            remedy=f"Write `{MERGED}: {into}` into the definition of {name} yourself.",
        )
