"""Segments of pure noise are hardly ever found worth having, whatever is compared."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from facette.definitions.validation import Validation
from facette.validation.effects import effects
from facette.validation.verdicts import segment_verdicts

TRIALS = 200


@pytest.mark.parametrize("test", ["kruskal", "anova"])
def test_noise_is_seldom_worth_having(test: str) -> None:
    """Six segments, a child among them, and two skewed KPIs that have nothing to do with them.

    In a share of the trials that is no greater than the significance anything at all is found to differ (where nothing
    differs, the false discovery rate is the chance of any discovery: Benjamini, Hochberg 1995), within three standard
    errors of so many trials; and the least effect asked for is 0, so that nothing but the tests is in the way.
    """
    random, n, significance = np.random.default_rng(20), 400, 0.1
    validation = Validation(
        kpi="spend", kpis=("visits",), test=test, minimum_size=20, minimum_effect=0, significance=significance
    )
    any_found, any_worth, worth = 0, 0, 0
    for _ in range(TRIALS):
        masks = {f"s{i}": random.random(n) < share for i, share in enumerate((0.5, 0.3, 0.2, 0.1, 0.4))}
        masks["child"] = masks["s0"] & (random.random(n) < 0.5)
        wide = pa.table({"profile_id": np.arange(n), **masks})
        spend, visits = random.gamma(2, 10, n), random.poisson(2, n).astype(float)
        features = pa.table({"profile_id": np.arange(n), "spend": spend, "visits": visits})
        found = effects(wide, features, validation, parents={"child": "s0"})
        verdicts = segment_verdicts(wide, features, validation, found=found)["verdict"].to_pylist()
        any_found += min(found["p_adjusted"].to_pylist()) < significance
        any_worth += "worth" in verdicts
        worth += verdicts.count("worth")
    error = 3 * np.sqrt(significance * (1 - significance) / TRIALS)
    assert any_found / TRIALS <= significance + error
    assert any_worth <= any_found
    assert worth / (6 * TRIALS) <= significance
    assert any_found  # the tests do find something now and then
