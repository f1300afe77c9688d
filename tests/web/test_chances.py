"""What the report says of a score: how far it is off, and what raises it."""

from __future__ import annotations

from math import exp

import pytest

from facette.models.scores import Coefficient
from facette.models.scores.metrics import Compared, FeatureChoice, Selection, Tuned
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
        ("Commandes : valeur inconnue", "cote × 0,607"),
    ]


def test_a_weight_is_told_as_odds(reading: Reading) -> None:
    assert all(item.versus.startswith("cote × ") for item in scores(reading)[0]["weights"])


def test_what_was_compared_searched_and_selected_is_told(reading: Reading, monkeypatch: pytest.MonkeyPatch) -> None:
    fitted = reading.propensity("chance")
    assert fitted is not None
    (one,) = fitted.metrics.compared
    others = [
        Compared(**{**one.model_dump(), "algorithm": name, "is_published": name == "xgboost", "log_loss": loss})
        for name, loss in (("logistic", 0.5), ("xgboost", 0.4321))
    ]
    tuned = Tuned(
        algorithm="xgboost",
        library="optuna",
        trials=40,
        log_loss=0.41,
        log_loss_of_defaults=0.42,
        parameters={"depth": 3, "learning_rate": 0.05},
    )
    choices = (
        FeatureChoice(feature="spend", is_kept=False, value=0.0001, low=-0.0002),
        FeatureChoice(feature="recency", is_kept=True, value=0.02, low=0.01),
    )
    selection = Selection(method="importance", choices=choices, log_loss_of_all=0.43, log_loss_of_kept=0.42)
    update = {"compared": tuple(others), "tuned": (tuned,), "selection": selection, "coefficients": ()}
    changed = fitted.model_copy(update={"metrics": fitted.metrics.model_copy(update=update)})
    monkeypatch.setattr(Reading, "propensity", lambda self, name: changed)
    (told,) = scores(reading)
    first, second = told["compared"]
    assert first["name"] == "Arbres boostés (XGBoost) – publié" and first["figures"][3] == "0,4321"
    assert second["name"] == "Régression logistique" and second["figures"][3] == "0,5000"
    assert spaced(told["searched"][0]) == (
        "Arbres boostés (XGBoost) : 40 réglages essayés par Optuna, perte en validation croisée de 0,4200 (réglage par "
        "défaut) à 0,4100 (depth 3, learning_rate 0,05)."
    )
    assert "1 sur 2" in told["selection"]["text"]
    kept, left = told["selection"]["rows"]
    assert (kept["feature"], kept["choice"]) == ("Récence", "gardée")
    assert left["choice"] == "écartée" and "0,0001" in left["why"] and "-0,0002" in left["why"].replace("−", "-")
    assert told["weights"] == []
