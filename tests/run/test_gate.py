"""What fails its checks is held back where the project says so: the version before stays, until somebody approves."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from facette.approving import approve
from facette.definitions.models import ClustersModel
from facette.definitions.project import load
from facette.errors import NotFoundError, RunError
from facette.models.clusters.fit import fit_clusters
from facette.models.clusters.fitted import FittedClusters
from tests.run.projects import another_day, edit, memberships, published, rows, run, snapshot, starter


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return starter(tmp_path / "shop", has_models=False)


def gated(folder: Path, policy: str) -> None:
    """Declare a policy for segments, and that seven people are too few."""
    edit(folder / "facette.yml", "  minimum_size: 3", f"  minimum_size: 8\n  gate: {{segments: {policy}}}")


def members(folder: Path, segment: str) -> set[int]:
    return {row["profile_id"] for row in memberships(folder) if row["segment"] == segment}


def test_a_segment_is_judged_only_when_its_definition_is_new(shop: Path) -> None:
    """Seven people are too few now, but their rule is as it was: they stay."""
    run(shop)
    before = {row["segment"]: row["members"] for row in published(shop).segments()}
    assert before["vip"] == 7
    gated(shop, "hold")
    outcome = run(shop)
    assert {row["segment"]: row["members"] for row in published(shop).segments()} == before
    assert snapshot(shop).held == {}
    assert not [told for told in outcome.warnings if "held back" in told]


def test_the_definition_before_stays_in_force(shop: Path) -> None:
    run(shop)
    gated(shop, "hold")
    run(shop)
    before = members(shop, "organic_lovers")
    assert len(before) == 14
    edit(shop / "segments.yml", "ET montant > 20", "ET montant > 20000")  # nobody
    outcome = run(shop)
    assert outcome.is_published
    assert members(shop, "organic_lovers") == before
    held = snapshot(shop).held["organic_lovers"]
    assert (held["what"], held["policy"]) == ("segment", "hold")
    assert "Nobody is in it" in held["reason_en"]
    assert any("“organic_lovers” is held back (the definition before" in told for told in outcome.warnings)
    assert len(published(shop).segments()) == 6
    with pytest.raises(RunError, match="hold"):
        approve(load(shop), "organic_lovers")
    again = run(shop, another_day(shop))  # it goes on by the definition before
    assert any("“organic_lovers” is held back" in told for told in again.warnings)
    assert len(members(shop, "organic_lovers")) >= 14

    edit(shop / "segments.yml", "ET montant > 20000", "ET montant > 20")
    run(shop)
    assert snapshot(shop).held == {}


def test_a_new_segment_waits_until_somebody_approves(shop: Path) -> None:
    gated(shop, "ask")
    with (shop / "segments.yml").open("a", encoding="utf-8") as file:
        file.write("\n  - {name: either, label: {fr: ou}, rule: amateurs de bio OU meilleurs clients}\n")
    first = run(shop)
    held = {name for name, item in snapshot(shop).held.items() if item["what"] == "segment"}
    assert "vip" in held and "organic_lovers" not in held
    assert "refers to vip" in snapshot(shop).held["either"]["reason_en"]  # it would be worth having
    assert any("`facette approve vip` lets it through" in told for told in first.warnings)
    assert {row["segment"] for row in published(shop).segments()} & held == set()
    for name in sorted(held):
        approve(load(shop), name)
    run(shop)
    assert snapshot(shop).held == {}
    assert len(members(shop, "vip")) == 7
    with pytest.raises(NotFoundError, match="vip"):
        approve(load(shop), "vip")


def test_what_only_labels_change_keeps_its_sizes(shop: Path) -> None:
    """A run that evaluates no segment says what the one before found."""
    run(shop)
    before = {row["segment"]: row["members"] for row in published(shop).segments()}
    edit(shop / "segments.yml", "fr: clients actifs", "fr: actifs")
    run(shop)
    assert {row["segment"]: row["members"] for row in published(shop).segments()} == before


# ── models ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def modelled(tmp_path: Path) -> Path:
    return starter(tmp_path / "shop")


def test_a_first_model_that_fails_gives_no_values(modelled: Path) -> None:
    edit(modelled / "facette.yml", "  minimum_size: 3", "  minimum_size: 3\n  minimum_silhouette: 0.99")
    outcome = run(modelled)
    assert any("“styles” is held back (the model gives no values)" in told for told in outcome.warnings)
    assert rows(modelled, "models") == []
    assert {row["styles"] for row in rows(modelled, "scored")} == {None}
    assert [row["name"] for row in rows(modelled, "held")] == ["styles"]

    edit(modelled / "facette.yml", "minimum_silhouette: 0.99", "minimum_silhouette: 0.0\n  maximum_davies_bouldin: 9")
    run(modelled)  # easier thresholds: the one that waits is judged again, not fitted again
    assert [row["version"] for row in rows(modelled, "models")] == [1]
    assert {row["styles"] for row in rows(modelled, "scored")} >= {1, 2}
    assert (rows(modelled, "held"), snapshot(modelled).held) == ([], {})


def test_a_run_that_holds_a_segment_fits_its_models_once(modelled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gated(modelled, "hold")
    fits: list[str] = []

    def counted(item: ClustersModel, *rest: Any) -> FittedClusters:
        fits.append(item.name)
        return fit_clusters(item, *rest)

    monkeypatch.setattr(import_module("facette.stages.models"), "fit_clusters", counted)
    outcome = run(modelled)
    assert [figures.stage for figures in outcome.stages].count("models") == 2  # vip is too few: it is done again
    assert any("“vip” is held back" in told for told in outcome.warnings)
    assert fits == ["styles"] and [row["version"] for row in rows(modelled, "models")] == [1]
    run(modelled, refit=["styles"])
    assert fits == ["styles"] * 2 and [row["version"] for row in rows(modelled, "models")] == [2]


def test_the_version_before_stays(modelled: Path) -> None:
    edit(modelled / "facette.yml", "  minimum_size: 3", "  minimum_size: 3\n  gate: publish")
    run(modelled)
    before, scored = rows(modelled, "models"), rows(modelled, "scored")
    edit(modelled / "facette.yml", "  gate: publish", "  gate: ask\n  minimum_silhouette: 0.99")
    edit(modelled / "facette.yml", "maximum_clusters: 4", "maximum_clusters: 3")
    outcome = run(modelled)
    assert any("“styles” is held back (the previous version stays" in told for told in outcome.warnings)
    assert (rows(modelled, "models"), rows(modelled, "scored")) == (before, scored)
    run(modelled, refit=["styles"])  # fitted once more, and judged as ever
    assert (rows(modelled, "models"), [row["version"] for row in rows(modelled, "held")]) == (before, [3])
    waiting = rows(modelled, "held")

    approve(load(modelled), "styles")
    run(modelled)
    assert rows(modelled, "models") == waiting  # the very one that was looked at
    assert snapshot(modelled).held == {}
