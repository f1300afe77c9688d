"""Readers that take a second to learn are made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from facette.definitions.texts import AnyReading, readings
from facette.text.fitting import fit_text
from facette.text.readers import TextReader


def reader_of(reading: AnyReading, samples: list[tuple[str, str | None]] | None = None) -> TextReader:
    return TextReader(reading, fit_text(reading, "now", Path(), samples or []), Path())


@pytest.fixture(scope="session")
def sentiment() -> TextReader:
    return reader_of(readings(())["sentiment"])


@pytest.fixture(scope="session")
def intent() -> TextReader:
    return reader_of(readings(())["intent"])
