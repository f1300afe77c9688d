"""Clusters in a run: methods without an expression, people in no group, and groups that move from fit to fit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from facette.definitions.project import load
from facette.queries import Published
from tests.run import projects

FACETTE = "facette.yml"
DENSE = """    kind: clusters
    methods: [{method: dbscan, radius: 0.5, minimum_points: 3}, {method: kmeans, clusters: 2}]
    search: {objective: validity, resamples: 0}
"""


@pytest.fixture(scope="module")
def dense(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The starter project, by DBSCAN, with a segment of those in no group."""
    folder = projects.starter(tmp_path_factory.mktemp("dense") / "shop")
    projects.edit(folder / FACETTE, "    kind: clusters\n", DENSE)
    projects.edit(folder / FACETTE, "  kpi: spend_1y\n", "  kpi: spend_1y\n  gate: publish\n")
    with (folder / "more.yml").open("w", encoding="utf-8") as file:
        file.write("segments:\n  - {name: alone, rule: styles = 0}\n  - {name: first, rule: styles = 1}\n")
        file.write("  - {name: some, rule: 'styles IN (1, 2, 3)'}\n")
    assert projects.run(folder).is_published
    return folder


def test_people_in_no_group_have_number_0(dense: Path) -> None:
    numbers = {row["profile_id"]: row["styles"] for row in projects.rows(dense, "scored")}
    assert set(numbers.values()) >= {0, 1, 2}
    wide = {row["profile_id"]: row for row in projects.rows(dense, "wide")}
    assert all(wide[profile]["alone"] == (number == 0) for profile, number in numbers.items())
    verdict = next(row for row in projects.rows(dense, "verdicts") if row["name"] == "styles")
    assert verdict["members"] == sum(number != 0 for number in numbers.values()) < len(numbers)


def test_queries_put_people_where_the_run_put_them(dense: Path) -> None:
    """The library's function runs in a query about somebody, and about everybody, too."""
    published = Published(load(dense))
    for name, rule in (("alone", "styles = 0"), ("first", "styles = 1")):
        members = [row["profile_id"] for row in projects.rows(dense, "wide") if row[name]]
        assert published.preview(rule)["members"] == len(members)
        told = published.explain(f"profile_id:{members[0]}", name)
        assert told["is_member"]


def test_methods_are_compared_by_the_kpi_too(dense: Path) -> None:
    row = next(row for row in projects.rows(dense, "models") if row["name"] == "styles")
    compared = {item["method"]: item for item in json.loads(row["metrics"])["comparison"]}
    assert compared["dbscan"]["is_published"] and not compared["kmeans"]["is_published"]
    assert all(0 < item["effect"] <= 1 for item in compared.values())
    assert compared["dbscan"]["noise"] > 0 == compared["kmeans"]["noise"]


def test_a_large_shift_is_a_warning(dense: Path, tmp_path: Path) -> None:
    folder = projects.copied(dense, tmp_path / "shop", has_store=True)
    before = {row["profile_id"]: row["styles"] for row in projects.rows(folder, "scored")}
    projects.edit(folder / FACETTE, "{method: dbscan, radius: 0.5, minimum_points: 3}, ", "")
    projects.edit(folder / FACETTE, "clusters: 2}", "clusters: 4}")
    projects.edit(folder / FACETTE, "resamples: 0}", "resamples: 5}")
    assert {row["segment"]: row["stability"] for row in projects.rows(folder, "worth")}["some"] is None
    outcome = projects.run(folder)
    now = {row["profile_id"]: row["styles"] for row in projects.rows(folder, "scored")}
    moved = sum(before[profile] != number for profile, number in now.items()) / len(now)
    row = next(row for row in projects.rows(folder, "models") if row["name"] == "styles")
    assert json.loads(row["metrics"])["shift"]["moved"] == pytest.approx(moved)
    assert moved > 0.2
    groups = {item["number"]: item["stability"] for item in json.loads(row["metrics"])["profile"]}
    told = {item["segment"]: item for item in projects.rows(folder, "worth")}["some"]
    stable = [groups[number] for number in now.values() if number <= 3]
    assert told["stability"] == pytest.approx(sum(stable) / len(stable))
    assert (told["stability_low"], told["stability_high"]) == (min(stable), max(stable))
    assert any("“styles” was fitted again" in warning and f"{moved:.0%}" in warning for warning in outcome.warnings)
