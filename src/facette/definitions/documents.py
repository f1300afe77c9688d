"""The YAML files of a project, read into one mapping of plain data with the place of every key.

Only data is read: no tags, no anchors, no templates. A mapping may hold a key once.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any, get_origin

import yaml

from facette.definitions.findings import Findings, KeyPath, Place, texts_within
from facette.definitions.model import Project

MAIN_FILE = "facette.yml"
ENDINGS = (".yml", ".yaml")
SKIPPED_FOLDERS = ("data",)
JOINED_KEYS = tuple(key for key, info in Project.model_fields.items() if get_origin(info.annotation) is tuple)
"""Keys that hold lists: the lists of all files are joined. Every other key may be given once."""


def read_documents(folder: Path, places: dict[KeyPath, Place], findings: Findings) -> tuple[dict[str, Any], bool]:
    """Read and join every YAML file of ``folder``, the main file first, then by path.

    places   : filled with the place of every key path of the joined data
    returns  : the joined data, and whether every file could be read in full
    """
    joined: dict[str, Any] = {}
    is_complete = True
    if not (folder / MAIN_FILE).is_file():
        remedy = f"create a project with `facette init {folder}`"
        findings.error(Place(MAIN_FILE, 1), f"there is no {MAIN_FILE} in {folder}", remedy)
        return {}, False
    for path in yaml_files(folder):
        document = _Document(path.relative_to(folder).as_posix(), path, findings)
        data = document.read()
        is_complete &= document.is_complete
        _join(joined, data, document.places, places, findings)
    places.setdefault((), Place(MAIN_FILE, 1))
    return joined, is_complete


def yaml_files(folder: Path) -> list[Path]:
    """The YAML files of a project: the main file, then the others sorted by path; no hidden ones, none in ``data/``."""
    found = []
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in SKIPPED_FOLDERS)
        found += [Path(root) / name for name in files if name.endswith(ENDINGS) and not name.startswith(".")]
    main = folder / MAIN_FILE
    return sorted(found, key=lambda path: (path != main, path.relative_to(folder).as_posix()))


def _join(
    joined: dict[str, Any],
    data: dict[str, Any],
    document_places: dict[KeyPath, Place],
    places: dict[KeyPath, Place],
    findings: Findings,
) -> None:
    """Add one file's data: lists to the lists of their key, anything else if its key is new."""
    shifts: dict[str, int] = {}
    for key, value in data.items():
        if key in JOINED_KEYS and not isinstance(value, list):
            findings.error(document_places[(key,)], f"`{key}` must be a list", "begin each entry with `- `")
            findings.give_up(*texts_within(value))
        elif key in JOINED_KEYS:
            items = joined.setdefault(key, [])
            shifts[key] = len(items)
            items.extend(value)
        elif key not in joined:
            joined[key] = value
            shifts[key] = 0
        else:
            before = places[(key,)]
            message = f"`{key}` was already given in {before.file}:{before.line}"
            findings.error(document_places[(key,)], message, "keep one of the two; only lists are joined over files")
    for path, place in document_places.items():
        if not path or path[0] not in shifts:
            continue
        first, *rest = path
        if rest and isinstance(rest[0], int):
            rest[0] += shifts[str(first)]
        places.setdefault((first, *rest), place)


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, without aliases: a value stands where it is used, and no file can grow without bound."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()
            raise yaml.MarkedYAMLError(problem=f"aliases (*{event.anchor}) are refused", problem_mark=event.start_mark)
        return super().compose_node(parent, index)


class _Document:
    """One file: its data, and the place of each key path within it."""

    def __init__(self, name: str, path: Path, findings: Findings) -> None:
        self.name = name
        self.path = path
        self.findings = findings
        self.places: dict[KeyPath, Place] = {}
        self.is_complete = False

    def read(self) -> dict[str, Any]:
        """The keys that the file gives (a key without a value is not given); empty if it cannot be read in full."""
        try:
            data = self._parse()
        except UnicodeDecodeError as error:
            self._problem(1, f"is not UTF-8 text ({error.reason} at byte {error.start})", "save it as UTF-8")
        except OSError as error:
            self._problem(1, f"cannot be read: {error.strerror}", "check that the file is there and may be read")
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            what = " ".join(part for part in (error.context, error.problem) if part)
            self._problem(mark.line + 1 if mark else 1, f"cannot be read: {what}", _syntax_remedy(what))
        except yaml.reader.ReaderError as error:
            line = self.text.count("\n", 0, error.position) + 1
            self._problem(line, f"cannot be read: {error.reason}", "remove the character")
        except RecursionError:
            self._problem(1, "is nested too deeply", "definitions are only a few levels deep")
        else:
            if isinstance(data, dict):
                self.is_complete = True
                return {key: value for key, value in data.items() if value is not None}
            self._problem(1, "must hold keys, as `segments:`", f"the keys are {', '.join(Project.model_fields)}")
        return {}

    def _parse(self) -> Any:
        self.text = self.path.read_text(encoding="utf-8-sig")
        self.loader = _Loader(self.text)
        node = self.loader.get_single_node()
        return {} if node is None else self._value(node, ())

    def _value(self, node: yaml.Node, path: KeyPath) -> Any:
        """The plain data of a node; notes the places of everything in it."""
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                self.places[(*path, index)] = self._place(_line(item), item)
            return [self._value(item, (*path, index)) for index, item in enumerate(node.value)]
        return self._scalar(node)

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._problem(_line(key_node), "a key must be plain text", "put text in quotes if it has [ or {")
                continue
            key = key_node.value  # as written: `yes:` and `1:` are texts, whatever YAML makes of them
            if key in data:
                first = self.places[(*path, key)].line
                message = f"`{key}` stands twice in this mapping, first on line {first}"
                self._problem(_line(key_node), message, "keep one of the two")
                continue
            self.places[(*path, key)] = self._place(_line(key_node), value_node)
            data[key] = self._value(value_node, (*path, key))
        return data

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        is_plain = node.style is None
        if node.tag != self.loader.resolve(yaml.ScalarNode, node.value, (is_plain, not is_plain)):
            self._problem(_line(node), "tags (!name) are not read", "remove the tag")
            return None
        try:
            value = self.loader.construct_object(node)
        except (ValueError, OverflowError, yaml.YAMLError):
            self._problem(_line(node), f"`{node.value}` is not a value", "correct it, or put it in quotes as text")
            return None
        if isinstance(value, float) and not math.isfinite(value):
            self._problem(_line(node), f"`{node.value}` is not a finite number", "give a number, or leave the key out")
            return None
        return value

    def _place(self, line: int, value: yaml.Node) -> Place:
        if not isinstance(value, yaml.ScalarNode):
            return Place(self.name, line)
        written = self.text[value.start_mark.index : value.end_mark.index]
        return Place(self.name, line, written, _line(value))

    def _problem(self, line: int, message: str, remedy: str) -> None:
        self.findings.error(Place(self.name, line), message, remedy)


def _line(node: yaml.Node) -> int:
    return node.start_mark.line + 1


def _syntax_remedy(what: str) -> str:
    if "aliases" in what:
        return "write the value out"
    if "mapping values are not allowed" in what or "expected <block end>" in what:
        return "check the indentation, and put text that holds `: ` in quotes"
    if "\\t" in what or "tab" in what:
        return "indent with spaces, not tabs"
    return "put text with special characters in quotes, and check the lines just above"
