"""How many people an A/B test needs agrees with statsmodels, and the days follow from who is there and who comes."""

from __future__ import annotations

from math import ceil, inf
from pathlib import Path

import numpy as np
import pytest
from statsmodels.stats.power import normal_sample_size_one_tail
from statsmodels.stats.proportion import samplesize_proportions_2indep_onetail
from tests.run.projects import published, run, starter, work

from facette.definitions.validation import Experiment
from facette.stages.worth import _measure, _needed
from facette.validation import experiment as module
from facette.validation.experiment import is_too_large, needed_for_means, needed_for_shares, readable


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups that are not rounded up to whole people."""
    monkeypatch.setattr(module, "_both", lambda old, ratio: old)


@pytest.mark.usefixtures("exact")
@pytest.mark.parametrize("split", [0.5, 0.2, 0.9])
@pytest.mark.parametrize(("share", "effect"), [(0.04, 0.1), (0.3, 0.5), (0.001, 2.0)])
def test_shares_agree_with_statsmodels(split: float, share: float, effect: float) -> None:
    """Theirs counts the first group of which the share is p₂ + diff, and asks for the ratio of the second."""
    asked = Experiment(rate=share, minimum_effect=effect, power=0.9, significance=0.01, split=split)
    ratio = split / (1 - split)
    theirs = samplesize_proportions_2indep_onetail(-share * effect, share * (1 + effect), 0.9, ratio, alpha=0.01)
    assert needed_for_shares(share, asked) == pytest.approx(theirs, rel=1e-9)


@pytest.mark.usefixtures("exact")
@pytest.mark.parametrize("split", [0.5, 0.25])
def test_means_agree_with_statsmodels(split: float) -> None:
    asked = Experiment(kpi="spend", minimum_effect=0.1, split=split)
    deviation = np.sqrt(900 * (1 + (1 - split) / split))
    theirs = normal_sample_size_one_tail(5, 0.8, 0.025, std_null=deviation)
    assert needed_for_means(50, 900, asked) == pytest.approx(theirs, rel=1e-9)


def test_the_power_is_what_was_asked_for() -> None:
    """With as many people as are said to be needed, 80 of 100 tests find the change."""
    asked = Experiment(rate=0.2, minimum_effect=0.25)
    n = ceil(needed_for_shares(0.2, asked)) // 2
    random = np.random.default_rng(0)
    old, new = random.binomial(n, 0.2, 4000) / n, random.binomial(n, 0.25, 4000) / n
    middle = (old + new) / 2
    found = np.abs(new - old) / np.sqrt(2 * middle * (1 - middle) / n) > 1.959964
    assert found.mean() == pytest.approx(0.8, abs=0.02)


def test_days_are_those_of_who_is_missing_and_of_the_last_observed() -> None:
    asked = Experiment(rate=0.1, minimum_effect=0.2, days=14)
    assert readable(1000, 1500, 5, asked).days == 14
    assert readable(1000, 400, 20, asked).days == 30 + 14
    assert readable(1000, 400, 7, asked).days == 86 + 14
    assert readable(1000, 1500, None, asked).days == 14
    late = readable(1000, 400, 1, asked)
    assert (late.state, late.why, late.needed, late.per_day) == ("never", "long", 1000, 1)


def test_never_is_said_honestly() -> None:
    asked = Experiment(rate=0.6, minimum_effect=0.8)
    assert needed_for_shares(0.6, asked) == inf  # 108 %
    assert needed_for_shares(0.0, asked) == inf
    assert needed_for_means(0, 4, asked) == needed_for_means(5, 0, asked) == needed_for_means(5, np.nan, asked) == inf
    assert readable(inf, 10**6, 100, asked).state == "never"
    assert is_too_large(0.6, asked) and not is_too_large(0.5, asked)
    assert not is_too_large(0, asked) and not is_too_large(1, asked)
    assert _needed(np.array([1.0, 1, 1, 0, 0]), Experiment(event="visit", minimum_effect=0.8)) == (inf, "large")
    assert _needed(np.zeros(5), Experiment(event="visit", minimum_effect=0.8)) == (inf, "constant")
    assert _needed(np.array([]), asked) == (inf, "large")
    assert readable(inf, 10**6, 100, asked, why_never="large").why == "large"
    assert (readable(1000, 10, 0, asked).state, readable(1000, 10, 0, asked).why) == ("never", "nobody")
    assert readable(1000, 10, None, asked).state == "unknown"


DAYS = (1, 2, 3, 5, 7, 10, 14, 20, 21, 30, 45, 60)


def test_the_share_before_a_test_is_that_of_a_rule(tmp_path: Path) -> None:
    """Who did it in the last n days is whom ``DID … IN THE LAST n DAYS`` is true of, for every n."""
    folder = starter(tmp_path / "shop", has_models=False)
    run(folder)
    with work(folder) as there:
        row = there.table("features").select("profile_id").to_pyarrow()
        asked = [Experiment(event="purchase", minimum_effect=0.1, days=days) for days in DAYS]
        found = [int(_measure(there, row, item).sum()) for item in asked]
    reader = published(folder)
    assert found == [reader.preview(f"DID purchase IN THE LAST {days} DAYS")["members"] for days in DAYS]
    assert len({*found}) > 3
