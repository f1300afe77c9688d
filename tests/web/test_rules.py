"""Rules are printed with the names of bands, and still mean the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from facette.definitions.language import Band, Property, Vocabulary, check_rule, print_rule
from facette.queries import Published
from facette.web.report.reading import Reading
from facette.web.report.rules import with_bands
from facette.web.report.words import Words
from tests.web.snapshots import ZONE, definitions

VOCABULARY = Vocabulary(
    columns={
        "score": Property(
            "score", "number", bands=(Band("low", None, 40), Band("mid", 40, 75), Band("high", 75, None))
        ),
        "age": Property("age", "number"),
    }
)
BANDS: dict[str, Any] = {"score": {(None, 40): "low", (40, 75): "mid", (75, None): "high"}}


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("score = high", "score = high"),
        ("score = mid", "score = mid"),
        ("score = low AND age >= 75", "score = low AND age >= 75"),
        ("score IN (mid, high)", "score = mid OR score = high"),
        ("NOT score = mid", "score != mid"),
        ("age > 3 AND (score = mid OR age < 40)", "age > 3 AND (score = mid OR age < 40)"),
        ("score >= 40 AND score < 75", "score = mid"),
        ("score >= 50 AND score < 75", "score >= 50 AND score < 75"),
        ("score > 75", "score > 75"),
    ],
)
def test_bands_by_their_names(text: str, printed: str) -> None:
    checked = check_rule(text, VOCABULARY).rule
    assert print_rule(with_bands(checked, BANDS), "en", VOCABULARY) == printed  # type: ignore[arg-type]
    assert check_rule(printed, VOCABULARY).rule == checked


def test_a_report_calls_bands_as_its_language_does(tmp_path: Path) -> None:
    segments = [{"name": "ready", "rule": "chance = high"}, {"name": "not", "rule": "chance < 40 AND spend >= 40"}]
    published = Published(definitions(tmp_path, segments=segments))
    reading = Reading(published, Words("fr", ZONE))
    assert reading.rule("ready") == "appétence = élevé"
    assert reading.rule("not") == "appétence = faible ET dépense >= 40"
