"""Which fitted models meet their thresholds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from facette.definitions.model import Validation
from facette.definitions.models import ClustersModel, PropensityModel
from facette.models.clusters.fit import fit_clusters
from facette.models.clusters.fitted import FittedClusters
from facette.models.scores import fit_propensity
from facette.validation.gate import gate

MODEL = ClustersModel(name="groups", kind="clusters", features=("x", "y"), maximum_clusters=3, search={"resamples": 0})


@pytest.fixture(scope="module")
def fitted() -> FittedClusters:
    random = np.random.default_rng(0)
    return fit_clusters(MODEL, pa.table({"x": random.normal(size=300), "y": random.normal(size=300)}))


def test_noise_stays_outside_the_gate_of_clusters(fitted: FittedClusters) -> None:
    closed = gate(fitted, Validation())
    assert not closed.is_open
    assert closed.reason["en"].startswith("The groups are blurred") and "se distinguent mal" in closed.reason["fr"]
    easy = gate(fitted, Validation(minimum_silhouette=-1, maximum_davies_bouldin=99))
    assert easy.is_open and easy.reason["en"].startswith("Distinct groups")


@pytest.mark.parametrize(("strength", "is_open"), [(1.0, True), (0.0, False)])
def test_a_score_must_beat_chance(strength: float, is_open: bool) -> None:
    random = np.random.default_rng(2)
    x = random.normal(size=1200)
    instants = np.repeat([datetime(2026, 6, 1, tzinfo=UTC) - timedelta(days=30 * i) for i in range(3)], 400)
    training = pa.table(
        {
            "instant": pa.array(instants.tolist(), pa.timestamp("us", "UTC")),
            "x": x,
            "target": random.random(1200) < 1 / (1 + np.exp(-strength * x)),
        }
    )
    model = PropensityModel(name="returns", kind="propensity", target="buy", horizon_days=30, features=("x",))
    assert gate(fit_propensity(model, training), Validation()).is_open == is_open
