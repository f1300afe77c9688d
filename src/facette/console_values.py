"""Values of answers as the terminal writes them."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from facette.definitions.model import Language
from facette.segments.sentences import value_text

INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?[+-]\d\d:\d\d")


def minute_of(text: str) -> str:
    """A local instant without its zone, which the answer begins with."""
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M}"


def read_value(value: Any, language: Language) -> str:
    """A value of an answer, in which instants are text."""
    if isinstance(value, str) and INSTANT.fullmatch(value):
        return when(value)
    return value_text(value, language)


def value_of(value: Any) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, datetime):
        return when(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def when(value: Any) -> str:
    instant = datetime.fromisoformat(value) if isinstance(value, str) else value
    return f"{instant:%Y-%m-%d %H:%M} {instant.tzname()}"
