"""Where everything was written, and what was found wrong with it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from facette.definitions.language.vocabulary import fold
from facette.errors import Problem, RuleError

KeyPath = tuple[str | int, ...]
"""The way to a value: ``("segments", 3, "rule")``."""


@dataclass(frozen=True, slots=True)
class Place:
    """A key (or a list's entry) in a file; for a scalar also how it was written there, quotes included."""

    file: str
    line: int
    written: str = ""
    written_line: int = 0

    def line_after(self, before: str) -> int:
        """The line on which the scalar goes on after its first part ``before``.

        YAML folds lines and strips indentation, so the place is found by counting characters that are not white space.
        """
        body, line = self.written, self.written_line
        if body[:1] in ("|", ">"):
            body, line = body.partition("\n")[2], line + 1
        elif body[:1] == '"' and "\\" in body:
            return line
        elif body[:1] in ("'", '"'):
            body = body[1:-1].replace("''", "'")
        left = sum(not char.isspace() for char in before)
        for char in body.rstrip():
            if char == "\n":
                line += 1
            elif not char.isspace():
                if left == 0:
                    break
                left -= 1
        return line


@dataclass(frozen=True)
class Places:
    """Key path → place, over all files of a project. Definitions made in Python have no places."""

    known: Mapping[KeyPath, Place] = field(default_factory=dict)

    def at(self, path: KeyPath) -> Place:
        """The place of ``path``, or of the nearest thing around it that was written."""
        for end in range(len(path), -1, -1):
            if path[:end] in self.known:
                return self.known[path[:end]]
        return Place("definitions", 1)

    def without(self, key: str, indices: set[int]) -> Places:
        """The places once these entries are taken out of the list under ``key``: later ones move up."""
        kept: dict[KeyPath, Place] = {}
        for path, place in self.known.items():
            match path:
                case (first, int(index), *rest) if first == key:
                    if index not in indices:
                        kept[(key, index - sum(gone < index for gone in indices), *rest)] = place
                case _:
                    kept[path] = place
        return Places(kept)


@dataclass
class Findings:
    """Collects every problem. Names of broken things are kept, so that what refers to them is not blamed as well."""

    places: Places
    problems: list[Problem] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)

    def error(self, where: KeyPath | Place, message: str, remedy: str = "") -> None:
        self._add(where, message, remedy, "error")

    def warning(self, where: KeyPath | Place, message: str, remedy: str = "") -> None:
        self._add(where, message, remedy, "warning")

    def _add(self, where: KeyPath | Place, message: str, remedy: str, severity: str) -> None:
        place = where if isinstance(where, Place) else self.places.at(where)
        self.problems.append(Problem(place.file, place.line, message, remedy, severity))

    def rule_error(self, path: KeyPath, owner: str, error: RuleError) -> None:
        """A rule's error, at its own line, with the caret; silent when it stumbles over something broken elsewhere."""
        start, end = error.span
        if not self.is_broken(error.text[start:end]):
            self._rule(path, owner, error, "error")

    def rule_warning(self, path: KeyPath, owner: str, error: RuleError) -> None:
        """What a rule may say, but seldom means: shown as its errors are."""
        self._rule(path, owner, error, "warning")

    def _rule(self, path: KeyPath, owner: str, error: RuleError, severity: str) -> None:
        start, _ = error.span
        place = self.places.at(path)
        line = place.line_after(error.text[:start]) if place.written else place.line
        shown = RuleError(f"{owner}: {error.message}", text=error.text, span=error.span)
        self._add(Place(place.file, line), str(shown), error.remedy, severity)

    def unknown(self, path: KeyPath, what: str, name: str, known: Iterable[str]) -> None:
        """``name`` was used for a ``what``, and there is none; offers the nearest names that there are."""
        if not self.is_broken(name):
            self.error(path, f"unknown {what} `{name}`", suggestion(name, known))

    def give_up(self, *names: str) -> None:
        """Whatever is called so is broken: stay silent about those who refer to it."""
        self.broken.update(fold(name) for name in names)

    def is_broken(self, name: str) -> bool:
        return fold(name) in self.broken

    @property
    def errors(self) -> list[Problem]:
        return in_file_order(problem for problem in self.problems if problem.severity == "error")

    @property
    def warnings(self) -> list[Problem]:
        return in_file_order(problem for problem in self.problems if problem.severity == "warning")


def in_file_order(problems: Iterable[Problem]) -> list[Problem]:
    """By file and line, each problem once; ``facette.yml`` needs no special place."""
    return sorted(dict.fromkeys(problems), key=lambda problem: (problem.file, problem.line))


def suggestion(name: str, known: Iterable[str]) -> str:
    """What to write instead of ``name``: the nearest known names, or else all of them when they are few."""
    names = list(dict.fromkeys(known))
    near = nearest(name, names)
    if near:
        return f"did you mean {' or '.join(f'`{item}`' for item in near)}?"
    if not names:
        return "none is defined"
    shown = ", ".join(f"`{item}`" for item in names[:8])
    return f"there are {shown}" + (" and others" if len(names) > 8 else "")


def nearest(name: str, known: Iterable[str], limit: int = 2) -> list[str]:
    """The known names most like ``name``, by difflib's ratio on folded text, best first."""
    folded: dict[str, str] = {}
    for item in known:
        folded.setdefault(fold(item), item)
    return [folded[match] for match in difflib.get_close_matches(fold(name), folded, n=limit, cutoff=0.65)]


def texts_within(data: object) -> Iterator[str]:
    """Every text and every key anywhere in plain data."""
    if isinstance(data, str):
        yield data
    elif isinstance(data, Mapping):
        for key, value in data.items():
            yield str(key)
            yield from texts_within(value)
    elif isinstance(data, list | tuple):
        for value in data:
            yield from texts_within(value)
