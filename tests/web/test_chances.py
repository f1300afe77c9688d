"""What the report says of a score: how far it is off, and what raises it."""

from __future__ import annotations

from math import exp

import pytest

from facette.models.scores import Coefficient
from facette.web.report.chances import scores
from facette.web.report.reading import Reading
from facette.web.report.words import Words
from tests.web.pages import spaced
from tests.web.snapshots import ZONE, publish


@pytest.fixture(scope="module")
def reading(tmp_path_factory: pytest.TempPathFactory) -> Reading:
    return Reading(publish(tmp_path_factory.mktemp("shop")).published, Words("fr", ZONE))


def weights(
    reading: Reading, monkeypatch: pytest.MonkeyPatch, *items: tuple[str, bool, float]
) -> list[tuple[str, str]]:
    """The names and effects shown of a fitted score with these coefficients."""
    fitted = reading.propensity("chance")
    assert fitted is not None
    names = ("feature", "is_missing_flag", "weight")
    coefficients = [Coefficient(**dict(zip(names, item, strict=True))) for item in items]
    changed = fitted.model_copy(update={"metrics": fitted.metrics.model_copy(update={"coefficients": coefficients})})
    monkeypatch.setattr(Reading, "propensity", lambda self, name: changed)
    return [(item.name.replace("\u00a0", " "), item.versus) for item in scores(reading)[0]["weights"]]


def test_the_worst_miss_is_told_beside_the_average(reading: Reading) -> None:
    fitted = reading.propensity("chance")
    assert fitted is not None
    worst = max(fitted.metrics.calibration, key=lambda item: abs(item.observed - item.predicted))
    told = f"au pire, pour {worst.n} profils, il annonçait {worst.predicted:.0%} et {worst.observed:.0%} l'ont fait."
    assert told.replace("%", " %") in spaced(scores(reading)[0]["promises"][-1])


def test_features_that_are_unknown_together_are_told_together(
    reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = -0.6
    shown = weights(
        reading,
        monkeypatch,
        ("spend", False, 0.9),
        ("recency", True, shared),
        ("spend", True, shared * (1 + 1e-9)),
        ("orders_1y", True, -0.5),
    )
    assert shown == [
        ("Récence et Dépense : inconnus ensemble", f"cote × {exp(2 * shared):.3f}".replace(".", ",")),
        ("Dépense", "cote × 2,46"),
        ("Commandes : inconnu", "cote × 0,607"),
    ]


def test_a_weight_is_told_as_odds(reading: Reading) -> None:
    assert all(item.versus.startswith("cote × ") for item in scores(reading)[0]["weights"])
