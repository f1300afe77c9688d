"""Thresholds: each kind against a plain twin, at the moment of the run and earlier, and what rules make of it."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Iterator
from datetime import date, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from facette.features.thresholds import natural_breaks, quantile
from facette.warehouse.published import Store
from tests.run.projects import published, rows, run, starter

END = date(2026, 9, 30)
N_DAYS = 3
MORE = f"""\
features:
  - {{name: days_over, label: {{en: days over}}, value: recency_days - THRESHOLD(usual_recency)}}
  - {{name: over_score, quantiles: {{of: days_over, groups: 4}}}}
thresholds:
  - {{name: spend_p75, label: {{fr: dépense_p75, en: spend at 75 %}}, of: spend_1y, quantile: {{q: 0.75}}}}
  - {{name: spend_p30_of_recent, of: spend_1y, quantile: {{q: 0.3, segment: came_lately}}}}
  - {{name: usual_recency, of: recency_days, moving_average: {{days: {N_DAYS}}}}}
  - {{name: spend_break, of: spend_1y, cluster: {{groups: 3, cut: 2}}}}
  - {{name: over_break, of: over_score, cluster: {{groups: 4, cut: 1}}}}
  - {{name: too_many_groups, of: over_score, cluster: {{groups: 9, cut: 1}}}}
segments:
  - {{name: came_lately, label: {{en: came lately}}, rule: recency_days <= THRESHOLD(usual_recency) AND NOT far}}
  - {{name: far, label: {{en: far}}, rule: DID NOT purchase}}
  - {{name: big, label: {{fr: gros}}, rule: dépense sur un an > SEUIL(dépense_p75)}}
  - {{name: top, label: {{en: top}}, rule: spend_1y > THRESHOLD(spend_break) OR days_over > 40}}
  - {{name: never, label: {{en: never}}, rule: spend_1y > THRESHOLD(too_many_groups)}}
  - name: between
    label: {{en: between}}
    rule: spend_1y BETWEEN THRESHOLD(spend_p30_of_recent) AND THRESHOLD(spend_p75)
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = starter(tmp_path_factory.mktemp("thresholds") / "shop", has_models=False)
    (folder / "more.yml").write_text(MORE, encoding="utf-8")
    run(folder)
    return folder


@pytest.fixture(scope="module")
def values(shop: Path) -> dict[str, float | None]:
    return {row["name"]: row["value"] for row in rows(shop, "thresholds")}


# ── the plain twins ─────────────────────────────────────────────────────────────────────────────────────────────────


def plain_quantile(values: list[float], share: Fraction) -> float:
    """At the share's part of the way from the first to the last of the values in order, between two in proportion."""
    known = sorted(Fraction(value) for value in values)
    position = share * (len(known) - 1)
    low, high = known[int(position)], known[min(int(position) + 1, len(known) - 1)]
    return float(low + (position - int(position)) * (high - low))


def apart(group: list[float]) -> Fraction:
    """The sum of squared distances from the mean."""
    exact = [Fraction(value) for value in group]
    mean = sum(exact) / len(exact)
    return sum(((value - mean) ** 2 for value in exact), Fraction(0))


def groupings(values: list[float], groups: int) -> Iterator[tuple[Fraction, tuple[float, ...]]]:
    """Every way to cut the values in order, with how far apart those within groups lie."""
    known = sorted(values)
    places = [place for place in range(1, len(known)) if known[place] != known[place - 1]]
    for cuts in itertools.combinations(places, groups - 1):
        parts = [known[start:end] for start, end in itertools.pairwise((0, *cuts, len(known)))]
        yield sum(map(apart, parts), Fraction(0)), tuple((known[cut - 1] + known[cut]) / 2 for cut in cuts)


# ── each kind ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_quantiles_of_the_population_and_of_a_segment(shop: Path, values: dict[str, float | None]) -> None:
    people = rows(shop, "features")
    wide = {row["profile_id"]: row for row in rows(shop, "wide")}
    recent = [row["spend_1y"] for row in people if wide[row["profile_id"]]["came_lately"]]
    assert values["spend_p75"] == plain_quantile([row["spend_1y"] for row in people], Fraction(3, 4))
    assert 1 < len(recent) < len(people)
    assert values["spend_p30_of_recent"] == pytest.approx(plain_quantile(recent, Fraction(3, 10)), rel=1e-15)


def test_a_moving_average_is_the_mean_of_what_runs_on_those_days_would_have_found(
    shop: Path, values: dict[str, float | None], tmp_path: Path
) -> None:
    means = []
    for ago in range(1, N_DAYS + 1):
        folder = starter(tmp_path / f"{ago}", has_models=False)
        run(folder, END - timedelta(days=ago))
        known = [row["recency_days"] for row in rows(folder, "features") if row["recency_days"] is not None]
        means.append(sum(known) / len(known))
    assert len(set(means)) == N_DAYS
    assert values["usual_recency"] == pytest.approx(sum(means) / N_DAYS, rel=1e-14)


def test_natural_breaks(shop: Path, values: dict[str, float | None]) -> None:
    people = rows(shop, "features")
    least, cuts = min(groupings([row["spend_1y"] for row in people], 3))
    assert least > 0
    assert values["spend_break"] == pytest.approx(cuts[1])
    assert values["over_break"] == 1.5
    assert values["too_many_groups"] is None


@settings(deadline=None, max_examples=200)
@given(
    known=st.lists(st.integers(-50, 50).map(float) | st.sampled_from((0.1, 0.25, 1e6)), min_size=1, max_size=12),
    groups=st.integers(2, 4),
)
@example(known=[1.0, 1.0, 1.0, 2.0, 2.0, 9.0], groups=3)
@example(known=[5.0] * 8, groups=2)
def test_no_other_grouping_is_closer(known: list[float], groups: int) -> None:
    found = natural_breaks(np.array(known), groups)
    every = dict(reversed(pair) for pair in groupings(known, groups))  # type: ignore[misc]
    if not every:
        assert found == ()
        return
    (distance,) = [value for cuts, value in every.items() if cuts == pytest.approx(found)]
    assert float(distance) == pytest.approx(float(min(every.values())), rel=1e-9, abs=1e-6)


def test_of_very_many_values_the_breaks_are_those_of_their_shape() -> None:
    rng = np.random.default_rng(7)
    known = np.concatenate([rng.normal(mean, 1, 40_000) for mean in (0, 20, 50)])
    low, high = natural_breaks(rng.permutation(known), 3)
    assert natural_breaks(known, 3) == (low, high)
    assert 5 < low < 15
    assert 25 < high < 45


@given(
    known=st.lists(st.sampled_from((-3.0, 0.0, 0.5, 2.0)) | st.integers(0, 50).map(float), min_size=1, max_size=30),
    percent=st.integers(1, 99),
)
def test_quantiles(known: list[float], percent: int) -> None:
    share = Fraction(percent, 100)
    assert quantile(np.sort(known), share) == pytest.approx(plain_quantile(known, share), rel=1e-14, abs=1e-14)


# ── in rules and values ─────────────────────────────────────────────────────────────────────────────────────────────


def test_rules_and_values_read_them(shop: Path, values: dict[str, Any]) -> None:
    people = {row["profile_id"]: row for row in rows(shop, "features")}
    for wide in rows(shop, "wide"):
        row = people[wide["profile_id"]]
        spend, days = row["spend_1y"], row["recency_days"]
        over = None if days is None else days - values["usual_recency"]
        assert row["days_over"] == over
        assert row["spend_p75"] == values["spend_p75"]
        assert wide["big"] is (spend > values["spend_p75"])
        assert wide["top"] is (spend > values["spend_break"] or (over is not None and over > 40))
        assert wide["came_lately"] is (days is not None and days <= values["usual_recency"])
        assert wide["between"] is (values["spend_p30_of_recent"] <= spend <= values["spend_p75"])
        assert wide["never"] is False


def test_previews_know_them_and_new_ones(shop: Path, values: dict[str, Any], tmp_path: Path) -> None:
    spent = [row["spend_1y"] for row in rows(shop, "features")]
    answers = published(shop)
    assert answers.preview("spend_1y > THRESHOLD(spend_p75)")["members"] == sum(
        value > values["spend_p75"] for value in spent
    )
    folder = tmp_path / "edited"
    shutil.copytree(shop, folder)
    (folder / "new.yml").write_text("thresholds: [{name: spend_p10, of: spend_1y, quantile: {q: 0.1}}]")
    expected = sum(value <= plain_quantile(spent, Fraction(1, 10)) for value in spent)
    assert published(folder).preview("spend_1y <= THRESHOLD(spend_p10)")["members"] == expected
    again = published(folder).preview("recency_days <= THRESHOLD(usual_recency)")  # from the past, not from the run
    assert again["members"] == answers.preview("recency_days <= THRESHOLD(usual_recency)")["members"]


def test_an_explanation_tells_the_value(shop: Path, values: dict[str, Any]) -> None:
    answer = published(shop).explain("C001", "big")
    told = f"{values['spend_p75']:.6g}".replace(".", ",")
    assert answer["rule"] == "dépense sur un an > SEUIL(dépense_p75)"
    assert answer["reason"]["text"] == f"dépense sur un an > SEUIL(dépense_p75) [= {told}]"
    never = published(shop).explain("C001", "never")
    assert "SEUIL(too_many_groups) [= inconnu]" in never["reason"]["text"]


def test_an_explanation_finds_when_a_recency_passes_a_threshold(shop: Path, values: dict[str, Any]) -> None:
    answers, usual = published(shop), values["usual_recency"]
    for row in rows(shop, "features"):
        answer = answers.explain(f"profile_id:{row['profile_id']}", "came_lately")
        days = row["recency_days"]
        if days is None or days > usual:
            assert answer["changes_at"] is None
        else:
            assert answer["changes_at"].date() == END + timedelta(days=int(usual) - days + 1)


# ── over time ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_runs_keep_what_they_were(shop: Path, values: dict[str, Any], tmp_path: Path) -> None:
    folder = tmp_path / "history"
    shutil.copytree(shop, folder)
    run(folder, END + timedelta(days=1))
    run(folder, END + timedelta(days=2))
    kept = rows(folder, "thresholds")
    assert len({row["run"] for row in kept}) == 3
    assert len(kept) == 3 * len(values)
    assert {row["name"]: row["value"] for row in kept[: len(values)]} == values
    assert {row["how"] for row in kept if row["name"] == "usual_recency"} == {
        "mean over 3 days of the mean of recency_days"
    }
    usual = [row["value"] for row in kept if row["name"] == "usual_recency"]
    assert usual == sorted(set(usual)), "nobody buys, so everybody's last purchase grows older"
    fresh = tmp_path / "fresh"
    shutil.copytree(shop, fresh, ignore=shutil.ignore_patterns(".facette"))
    run(fresh, END + timedelta(days=2))
    now = {row["name"]: row["value"] for row in rows(fresh, "thresholds")}
    assert now == {row["name"]: row["value"] for row in kept[-len(values) :]}
    run(folder, END)
    again = rows(folder, "thresholds")
    assert [row["computed_at"] for row in again] == sorted(row["computed_at"] for row in again)
    assert {row["name"]: row["value"] for row in again[-len(values) :]} == values
    assert len(again) == 2 * len(values), "what came later is forgotten"


def test_what_they_were_is_in_the_snapshot(shop: Path, values: dict[str, Any]) -> None:
    snapshot = Store(shop).must_be_published()
    assert {name: snapshot.cuts[name] for name in values} == {
        name: () if value is None else (value,) for name, value in values.items()
    }
    assert json.loads((shop / ".facette" / "published.json").read_text())["tables"]["thresholds"]
    (file,) = snapshot.tables["thresholds"]
    assert pq.read_schema(shop / ".facette" / file).names == ["name", "value", "computed_at", "run", "how"]
