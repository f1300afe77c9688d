"""Leaks are found in the data; what is only strong is not called one."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from tests.models.test_scores import a_model, history, of_instant, with_column

from facette.errors import ModelError
from facette.models.scores import fit_propensity
from facette.models.scores.leaks import auc_alone

TABLE, _ = history(1, profiles=800)
TARGET = TABLE["target"].to_numpy()
RANDOM = np.random.default_rng(0)


def noisy(strength: float) -> np.ndarray:
    return RANDOM.normal(size=len(TARGET)) + strength * TARGET


def masked(values: np.ndarray, unknown: np.ndarray) -> pa.Array:
    return pa.array(values, mask=unknown)


@pytest.mark.parametrize(
    ("planted", "told"),
    [
        (noisy(5.0), "alone it tells who did with an AUC of "),
        (-noisy(5.0), "alone it tells who did with an AUC of "),
        (np.where(TARGET, 0.0, RANDOM.choice([-4.0, 4.0], len(TARGET))) + RANDOM.normal(size=len(TARGET)) / 2, "AUC"),
        (masked(RANDOM.normal(size=len(TARGET)), ~TARGET), "alone it tells who did with an AUC of 1.000"),
        (masked(RANDOM.normal(size=len(TARGET)), ~(TARGET & (RANDOM.random(len(TARGET)) < 0.3))), "100% of those of"),
        (masked(RANDOM.normal(size=len(TARGET)), TARGET & (RANDOM.random(len(TARGET)) < 0.3)), "it is unknown only"),
    ],
    ids=["order", "reverse", "no order", "known of them all", "known of some of them", "unknown of some of them"],
)
def test_a_planted_leak_is_named_with_the_remedy(planted: object, told: str) -> None:
    with pytest.raises(ModelError, match=rf"“returns” .* gives purchase away: “c” \(.*{told}") as caught:
        fit_propensity(a_model(), with_column(TABLE, "c", planted))
    assert "known_at" in caught.value.remedy and "“a”" not in caught.value.message


@pytest.mark.parametrize("strength", [1.0, 2.0, 2.6])
def test_an_honest_strong_feature_is_no_leak(strength: float) -> None:
    table = with_column(TABLE, "c", noisy(strength))
    fitted = fit_propensity(a_model(), table)
    assert fitted.metrics.roc_auc > 0.8


def test_a_feature_known_of_few_is_no_leak() -> None:
    unknown = RANDOM.random(len(TARGET)) < np.where(TARGET, 0.2, 0.9)  # two in three who have it did it
    fitted = fit_propensity(a_model(), with_column(TABLE, "c", masked(RANDOM.normal(size=len(TARGET)), unknown)))
    assert "c" in {column.feature for column in fitted.preparation.columns}


def test_a_trusted_feature_may_be_as_strong_as_it_is() -> None:
    table = with_column(TABLE, "c", noisy(5.0))
    assert fit_propensity(a_model(trusted=("c",)), table).metrics.roc_auc > 0.98


@pytest.mark.parametrize("past", [0.0, 1.0])
def test_what_tells_the_newest_instant_alone_is_a_leak(past: float) -> None:
    """A trait of today, of which the past has little or nothing."""
    values = np.where(of_instant(TABLE, 0), noisy(6.0), noisy(past))
    with pytest.raises(ModelError, match=r"“c” \(alone it tells who did"):
        fit_propensity(a_model(), with_column(TABLE, "c", values))


def test_only_what_holds_out_of_time_is_a_leak() -> None:
    """A feature that told the past by chance, and tells nothing later."""
    newest = of_instant(TABLE, 0)
    values = np.where(newest, RANDOM.normal(size=len(TARGET)), noisy(6.0))
    assert auc_alone(values[~newest], TARGET[~newest], values[~newest], TARGET[~newest]) > 0.99
    fit_propensity(a_model(), with_column(TABLE, "c", values))
