"""Regular expressions that say no more than a rule can: equal to, starting with, ending with or containing a text.

Such a pattern is made of plain characters, ``^`` and ``$`` at its ends, and alternatives: ``^(Mobile|Tablet)``. What a
rule has no words for (classes, repetitions, references) is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Literal

How = Literal["equals", "starts", "ends", "contains"]
MAXIMUM_TEXTS = 100
"""Alternatives in a row multiply: ``(a|b)(c|d)`` are 4 texts."""
MAXIMUM_DEPTH = 20
"""Groups within groups."""


class NotPlain(ValueError):  # noqa: N818 - an answer inside the package
    """The pattern says more than a rule can; the argument is the part that does."""


def plain_forms(pattern: str) -> tuple[tuple[How, str], ...]:
    """What the pattern looks for, one form per alternative: ``^a|b$`` is ``("starts", "a"), ("ends", "b")``.

    Raises NotPlain.
    """
    reader = _Reader(pattern)
    found = reader.branch()
    while reader.takes("|"):
        found += reader.branch()
    if reader.at < len(pattern):
        raise NotPlain(pattern[reader.at :])
    return tuple(dict.fromkeys(found))


@dataclass
class _Reader:
    pattern: str
    at: int = 0
    depth: int = 0

    def takes(self, sign: str) -> bool:
        if not self.pattern.startswith(sign, self.at):
            return False
        self.at += len(sign)
        return True

    def branch(self) -> list[tuple[How, str]]:
        """One alternative of the whole pattern, with its anchors. Unanchored, ``.*`` at an end says nothing."""
        has_start = self.takes("^")
        if not has_start:
            self.takes(".*")
        texts, rest = self.texts(), self.pattern[self.at :]
        if self.takes(".*") and rest[2:3] not in ("", "|"):
            raise NotPlain(rest)
        has_end = self.takes("$")
        forms: dict[tuple[bool, bool], How] = {
            (True, True): "equals",
            (True, False): "starts",
            (False, True): "ends",
            (False, False): "contains",
        }
        return [(forms[has_start, has_end], text) for text in texts]

    def texts(self) -> list[str]:
        """Plain characters and groups in a row: every text that they stand for."""
        parts: list[list[str]] = []
        while self.at < len(self.pattern):
            if self.takes("("):
                parts.append(self.group())
            elif (char := self.character()) is not None:
                parts.append([char])
            else:
                break
        if prod(map(len, parts)) > MAXIMUM_TEXTS:
            raise NotPlain(self.pattern)
        return ["".join(chosen) for chosen in product(*parts)]

    def group(self) -> list[str]:
        start = self.at - 1
        self.takes("?:")
        self.depth += 1
        if self.depth > MAXIMUM_DEPTH:
            raise NotPlain(self.pattern)
        found = self.texts()
        while self.takes("|"):
            found += self.texts()
        if not self.takes(")"):
            raise NotPlain(self.pattern[self.at :] or self.pattern[start:])
        self.depth -= 1
        return found

    def character(self) -> str | None:
        """The next plain character, or one made plain by a backslash; None before a sign that means something else."""
        escaped = re.compile(r"\\([^\w\s])").match(self.pattern, self.at)
        if escaped:
            self.at = escaped.end()
            return escaped[1]
        char = self.pattern[self.at]
        if char in r".^$*+?()[]{}|" + "\\":
            return None
        self.at += 1
        return char
