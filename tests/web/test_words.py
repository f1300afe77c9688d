"""Numbers, dates and texts as French and English write them."""

from __future__ import annotations

import ast
import inspect
import re
from datetime import UTC, date, datetime
from pathlib import Path
from string import Formatter

import pytest

from facette import plan
from facette.versions import MAIN_FIGURES
from facette.web.report import texts
from facette.web.report.words import Words

FR, EN = Words("fr", "Europe/Paris"), Words("en", "Europe/Paris")
PARTS = Path(texts.__file__).parent


@pytest.mark.parametrize(
    ("value", "unit", "fr", "en"),
    [
        (45.0, "EUR", "45\u00a0€", "€45"),
        (45.28, "EUR", "45\u00a0€", "€45"),
        (4.5, "EUR", "4,50\u00a0€", "€4.50"),
        (1234567, "$", "1\u202f234\u202f567\u00a0$", "$1,234,567"),
        (-12.5, "EUR", "−12,50\u00a0€", "−€12.50"),
        (4.44e-16, "EUR", "0\u00a0€", "€0"),
        (0.256, "0–1", "26\u202f%", "26%"),
        (3, "days", "3\u00a0jours", "3\u00a0days"),
        (2.125, "kg", "2,12\u00a0kg", "2.12\u00a0kg"),
        (12.34, "", "12,3", "12.3"),
        (999.7, "", "1\u202f000", "1,000"),
        (-0.256, "0–1", "−26\u202f%", "−26%"),
        (None, "EUR", "–", "–"),
    ],
)
def test_quantities(value: float | None, unit: str, fr: str, en: str) -> None:
    assert FR.quantity(value, unit) == fr
    assert EN.quantity(value, unit) == en


@pytest.mark.parametrize(
    ("share", "fr"),
    [
        (0.0, "0\u202f%"),
        (-4e-17, "0\u202f%"),
        (1.0, "100\u202f%"),
        (0.0999, "10\u202f%"),
        (0.0512, "5,1\u202f%"),
        (1e-5, "<\u00a00,1\u202f%"),
        (-1e-5, "0\u202f%"),
        (-0.0512, "−5,1\u202f%"),
    ],
)
def test_shares(share: float, fr: str) -> None:
    assert FR.percent(share) == fr


@pytest.mark.parametrize(
    ("amount", "fr", "en"),
    [(0, "0 profil", "0 profiles"), (1, "1 profil", "1 profile"), (2, "2 profils", "2 profiles")],
)
def test_counts(amount: int, fr: str, en: str) -> None:
    assert FR.count(amount, "profile").replace("\u00a0", " ") == fr
    assert EN.count(amount, "profile").replace("\u00a0", " ") == en


def test_a_unit_that_is_a_word_is_said_once() -> None:
    assert FR.quantities(3, 12, "days") == ("3", "12\u00a0jours")
    assert FR.quantities(3, 12, "EUR") == ("3\u00a0€", "12\u00a0€")


def test_dates() -> None:
    assert FR.day(date(2026, 3, 1)) == "1er\u00a0mars\u00a02026"
    assert EN.day(date(2026, 3, 1)) == "1\u00a0March\u00a02026"
    instant = datetime(2026, 3, 1, 22, 5, tzinfo=UTC)
    assert FR.instant(instant) == "1er\u00a0mars\u00a02026 à 23\u00a0h\u00a005"
    assert EN.instant(instant) == "1\u00a0March\u00a02026 at 23:05"


def test_french_punctuation_never_breaks() -> None:
    assert (
        FR.typeset("« moi » : oui ; non ? 5 % 3 €")
        == "«\u00a0moi\u00a0»\u00a0: oui\u202f; non\u202f? 5\u202f% 3\u00a0€"
    )
    assert EN.typeset("a : b") == "a : b"


def test_reasons_in_french() -> None:
    assert FR.reason("add: time passed: 2026-10-30 → 2026-10-31") == (
        "complété\u00a0: le temps a passé\u00a0: 30/10/2026 → 31/10/2026"
    )
    assert FR.reason("add: new from sites (2), base (to be read)") == (
        "complété\u00a0: nouveautés\u00a0: sites (2), base (à lire)"
    )
    assert EN.reason("add: new from sites (2)") == "add: new from sites (2)"


def test_every_reason_of_a_plan_is_said_in_french() -> None:
    tree = ast.parse(inspect.getsource(plan))
    docs = {ast.get_docstring(node, clean=False) for node in ast.walk(tree) if hasattr(node, "body") and has_doc(node)}
    texts_of_plan = {
        node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    parts = {part for text in texts_of_plan - docs for part in re.split("^after [a-z]+, |: |; ", text)}
    sentences = {part for part in parts if " " in part.strip()}
    assert len(sentences) > 15
    for sentence in sentences:
        assert FR.reason(sentence) != FR.typeset(sentence), sentence


def has_doc(node: ast.AST) -> bool:
    return isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)


def test_both_languages_say_the_same_things() -> None:
    for key, text in texts.TEXTS.items():
        holes = [{name for _, name, _, _ in Formatter().parse(text[language]) if name} for language in ("fr", "en")]
        assert holes[0] == holes[1], key


def test_every_figure_of_a_version_has_a_name() -> None:
    shown = {name for names in MAIN_FIGURES.values() for name in names}
    assert [name for name in shown if f"figure_{name}" not in texts.TEXTS] == []


def test_every_text_is_used() -> None:
    parts = [
        path for path in PARTS.iterdir() if path.suffix in (".py", ".jinja") and not path.name.endswith("texts.py")
    ]
    sources = "".join(path.read_text(encoding="utf-8") for path in parts)
    put_together = ("verdict_", "strength_", "stage_", "step_", "kpi_", "was_")
    put_together += ("choice_by_", "map_", "method_", "objective_", "parameter_", "linkage_", "group_")
    put_together += ("count_", "recency_", "number_", "often_", "mood_", "drift_", "input_", "output_", "figure_")
    put_together += ("effect_told_", "stability_", "test_", "forest_", "held_", "algorithm_", "selection_", "why_")
    put_together += ("calibrated_", "influence_", "influences_", "split_", "splits_")
    unused = [key for key in texts.TEXTS if not re.search(rf"[\"']{key}[\"']", sources)]
    assert [key for key in unused if not key.startswith(put_together)] == []
