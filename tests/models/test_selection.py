"""Features that are of no use go, those that are stay, and the number that decided is kept."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from tests.models.test_scores import a_model, history

from facette.models.scores import FittedPropensity, fit_propensity, score_rows

NOISE = tuple(f"noise_{place}" for place in range(4))


@pytest.fixture(scope="module")
def table() -> pa.Table:
    table, _ = history(1, profiles=700)
    random = np.random.default_rng(3)
    for name in NOISE:
        table = table.append_column(name, pa.array(random.normal(size=table.num_rows)))
    return table.append_column("same", pa.array(np.ones(table.num_rows)))


def fit(table: pa.Table, method: str | None, algorithm: str = "logistic") -> FittedPropensity:
    model = a_model(select=method, algorithms=(algorithm,)).model_copy(
        update={"features": ("a", "b", "c", *NOISE, "same"), "log": ("c",)}
    )
    return fit_propensity(model, table)


@pytest.mark.parametrize(
    ("method", "algorithm"),
    [
        ("rfe", "logistic"),
        ("lasso", "logistic"),
        ("importance", "logistic"),
        ("importance", "lightgbm"),
        ("gain", "lightgbm"),
    ],
)
def test_noise_goes_and_signal_stays(table: pa.Table, method: str, algorithm: str) -> None:
    fitted = fit(table, method, algorithm)
    selection = fitted.metrics.selection
    assert selection is not None and selection.method == method
    choices = {item.feature: item for item in selection.choices}
    assert choices.keys() == {"a", "b", "c", *NOISE, "same"}
    assert choices["a"].is_kept and choices["b"].is_kept
    assert sum(choices[name].is_kept for name in (*NOISE, "c")) <= 1  # chance lets one in now and then
    assert not choices["same"].is_kept and choices["same"].value is None
    assert fitted.preparation.features == tuple(item for item in ("a", "b", "c", *NOISE) if choices[item].is_kept)
    assert selection.log_loss_of_kept <= selection.log_loss_of_all + 0.001
    assert {item.feature for item in fitted.metrics.influences} == set(fitted.preparation.features)
    assert len(score_rows(fitted, table.select(list(fitted.preparation.features)))) == table.num_rows


def test_why_is_a_number(table: pa.Table) -> None:
    found = {method: fit(table, method).metrics.selection for method in ("rfe", "lasso", "importance")}
    of = {method: {item.feature: item for item in one.choices} for method, one in found.items() if one}
    assert of["lasso"]["a"].value > of["lasso"]["b"].value > 0  # type: ignore[operator]
    assert of["importance"]["a"].value > of["importance"]["b"].value > 0.01  # type: ignore[operator]
    assert of["importance"]["a"].low < of["importance"]["a"].value  # type: ignore[operator]
    without_b = of["rfe"]["b"].value
    assert without_b is None or without_b > found["rfe"].log_loss_of_kept + 0.01  # type: ignore[union-attr]


def test_without_selection_everything_stays(table: pa.Table) -> None:
    fitted = fit(table, None)
    assert fitted.metrics.selection is None
    assert fitted.preparation.features == ("a", "b", "c", *NOISE, "same")


def test_what_was_imputed_from_others_is_so_by_its_median_once_these_are_gone() -> None:
    table, _ = history(1, profiles=700)
    random = np.random.default_rng(3)
    table = table.select(["profile_id", "instant", "target", "a"]).append_column(
        "noise", pa.array(random.normal(size=table.num_rows))
    )
    values = pa.array(table["a"].to_numpy(), mask=random.random(table.num_rows) < 0.1)
    model = a_model(select="rfe", impute={"a": {"method": "regression"}}).model_copy(
        update={"features": ("a", "noise")}
    )
    fitted = fit_propensity(model, table.set_column(3, "a", values))
    assert fitted.preparation.features == ("a",)
