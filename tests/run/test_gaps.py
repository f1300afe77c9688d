"""A model of texts and numbers with gaps: what a run tells of whom it learns from, and that all who apply it agree."""

from __future__ import annotations

from pathlib import Path

import pytest

from facette.queries import Published
from facette.what_if import what_if
from tests.run.projects import Silent, edit, published, rows, run, starter

PREPARED = """
    features: [recency_days, spend_1y, basket_1y, city, is_subscribed]
    log: [spend_1y]
    impute: {basket_1y: {method: neighbours, neighbours: 3}, recency_days: {method: interpolation, by: spend_1y}}
    outliers: {basket_1y: {method: iqr, factor: 1.5, action: clip}}
    groups: [is_subscribed]
    weights: {is_subscribed: {"true": 0.5, "false": 0.5}}
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = starter(tmp_path_factory.mktemp("gaps") / "shop")
    learned = "    features: [recency_days, n_orders_1y, spend_1y]\n    log: [spend_1y]\n"
    edit(folder / "facette.yml", learned, PREPARED.lstrip("\n"))
    edit(folder / "facette.yml", "  kpi: spend_1y\n", "  kpi: spend_1y\n  gate: publish\n")
    (folder / "segments.yml").write_text("segments:\n  - {name: first, rule: styles = 1}\n")
    assert run(folder).warnings == []
    return folder


def test_gaps_and_groups_are_told(shop: Path) -> None:
    gaps = {(row["feature"], row["group"], row["level"]): row for row in rows(shop, "missingness")}
    features = published(shop).table("features").to_pyarrow()
    lacking = features["basket_1y"].null_count
    assert lacking > 0
    assert gaps["basket_1y", None, None]["unknown_share"] == pytest.approx(lacking / len(features))
    assert {level for feature, group, level in gaps if group == "is_subscribed"} >= {"true", "false"}
    shares = {row["level"]: row for row in rows(shop, "representation")}
    assert shares["true"]["reference"] == 0.5
    known = [shares[level]["weighted_share"] for level in ("true", "false")]
    assert known[0] == pytest.approx(known[1])


def test_a_preview_applies_the_model_as_the_run_did(shop: Path) -> None:
    published_run: Published = published(shop)
    scored = published_run.table("scored").to_pyarrow()["styles"].to_pylist()
    assert len(set(scored)) >= 2
    assert None not in scored
    assert published_run.preview("styles = 1")["members"] == scored.count(1) == rows(shop, "sizes")[0]["members"]


def test_what_if_applies_the_model_anew_and_changes_nothing(shop: Path) -> None:
    compared = what_if(published(shop), "first", Silent(), rule="styles = 1 OR styles = 9")
    assert compared["members"] == rows(shop, "sizes")[0]["members"]
    assert (compared["entering"], compared["leaving"]) == (0, 0)


def test_what_was_looked_at_stays_while_the_model_is_young(shop: Path) -> None:
    before = rows(shop, "missingness")
    edit(shop / "segments.yml", "styles = 1", "styles = 2")
    run(shop)
    assert rows(shop, "missingness") == before
