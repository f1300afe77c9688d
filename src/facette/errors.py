"""The errors Facette raises on purpose. Anything else that escapes is a defect.

FacetteError
├── DefinitionError        what the user wrote does not hold together (carries every problem found)
├── RuleError              one rule text is wrong (carries the span, so that a caret can be drawn)
│   └── ConditionError     a condition of another system says what no rule can (carries the JSON pointer to it)
├── SourceError            a source cannot be read
│   └── LogError           a log cannot be opened, written or read
│       └── LogFullError   a log takes no more until what is in it has been read
├── ModelError             a model cannot be fitted, and why
├── RunError               a run cannot start or go on (another one is running, the disk is full, …)
└── NotFoundError          a profile, a segment or a published run that was asked for does not exist
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


class FacetteError(Exception):
    """Base of every error with a message meant for the user: what is wrong, then what to do.

    said : by which key and values it is said in other languages too (see ``definitions/error_texts.py``)
    """

    said: tuple[str, dict[str, Any]] | None = None

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}\n  → {self.remedy}" if self.remedy else self.message


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in the definitions: where, what, and what to do about it."""

    file: str
    line: int
    message: str
    remedy: str = ""
    severity: str = "error"  # "error" stops everything, "warning" is shown by lint

    def __str__(self) -> str:
        text = f"{self.file}:{self.line}: {self.severity}: {self.message}"
        return f"{text}\n  → {self.remedy}" if self.remedy else text


class DefinitionError(FacetteError):
    """The project's definitions have problems; all of them are listed, not only the first."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class RuleError(FacetteError):
    """A rule text is wrong at ``span`` (start and end offsets into ``text``)."""

    def __init__(self, message: str, *, text: str, span: tuple[int, int], remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.text = text
        self.span = span

    def __str__(self) -> str:
        if not self.text:
            return super().__str__()
        start, end = self.span
        line_start = self.text.rfind("\n", 0, start) + 1
        line_end = self.text.find("\n", start)
        line = self.text[line_start : line_end if line_end >= 0 else None].replace("\t", " ")
        width = max(1, min(end, line_start + len(line)) - start)
        caret = " " * (start - line_start) + "^" * width
        return "\n".join(
            part for part in (self.message, f"  {line}", f"  {caret}", self.remedy and f"  → {self.remedy}") if part
        )


class ConditionError(RuleError):
    """A condition of another system, given as JSON, says at ``pointer`` (RFC 6901) what no rule can.

    reason : a key that is the same in every language
    """

    def __init__(self, message: str, *, reason: str, pointer: str, remedy: str) -> None:
        super().__init__(message, text="", span=(0, 0), remedy=remedy)
        self.reason = reason
        self.pointer = pointer


class SourceError(FacetteError):
    """A source cannot be read: not there, not in the declared shape, or not reachable."""


class LogError(SourceError):
    """A log cannot be opened, written or read."""


class LogFullError(LogError):
    """A log holds as much as it may: nothing was added, and the sender should try again later."""


class SinkError(FacetteError):
    """A sink did not take what it was sent; it is worth trying again.

    retry_after : seconds that the sink asks to be left alone, if it says so
    """

    def __init__(self, message: str, *, remedy: str = "", retry_after: float = 0.0) -> None:
        super().__init__(message, remedy=remedy)
        self.retry_after = retry_after


class SinkRefusedError(SinkError):
    """A sink refuses what it is sent, or cannot be used: trying again does not help."""


class ModelError(FacetteError):
    """A model cannot be fitted on this data."""


class RunError(FacetteError):
    """A run cannot start or go on."""


class NotFoundError(FacetteError):
    """What was asked for is not in the published snapshot."""
