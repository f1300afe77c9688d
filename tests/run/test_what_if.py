"""Another rule for a segment: what is foretold is what a run then finds, and what the run says of its cause."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from facette.definitions.project import load
from facette.errors import FacetteError, NotFoundError, RuleError, RunError
from facette.run import planned
from facette.what_if import what_if

from .projects import Silent, copied, edit, published, rows, run, snapshot

NOW = datetime(2026, 3, 27, 10, 2, tzinfo=UTC)
PEOPLE = [f"p{i:02}" for i in range(24)]
DEFINITIONS = """\
name: shop
language: en
time_zone: Europe/Paris
identifiers: [{name: id}]
sources:
  - {name: people, kind: file, path: people.csv, people: {identifiers: {id: id}, fields: {city: {}}}}
  - name: visits
    kind: file
    path: visits*.csv
    events: [{name: visit, identifiers: {id: id}, at: at, fields: {amount: {type: number}}}]
features:
  - {name: n, value: COUNT OF visit}
  - {name: spent, value: SUM(amount) OF visit}
  - {name: double, value: n * 2}
  - {name: score, quantiles: {of: n, groups: 3}}
models:
  - {name: groups, kind: clusters, label: {en: groups of people}, features: [n, spent], maximum_clusters: 3}
segments:
  - {name: loyal, label: {fr: fidèles, en: loyal people}, rule: n > 5}
  - {name: loyal_in_lyon, parent: loyal, rule: city = lyon}
  - {name: others, rule: NOT IN SEGMENT loyal_in_lyon AND n > 0}
  - {name: top, rule: score = 3 AND double > 4}
  - {name: first_group, rule: groups = 1}
  - {name: recent, rule: DID visit IN THE LAST 3 DAYS}
"""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everybody has as many visits as the number says, one a day, of ever higher amounts."""
    folder = tmp_path_factory.mktemp("what_if") / "shop"
    folder.mkdir()
    (folder / "facette.yml").write_text(DEFINITIONS, encoding="utf-8")
    cities = ["Lyon", "Paris", "Lille"]
    people = [f"{who},{cities[i % 3]}" for i, who in enumerate(PEOPLE)]
    (folder / "people.csv").write_text("\n".join(["id,city", *people]) + "\n", encoding="utf-8")
    visit(
        folder, {who: [(NOW - timedelta(days=day), 10 * i + day) for day in range(i)] for i, who in enumerate(PEOPLE)}
    )
    run(folder, NOW)
    return folder


def visit(folder: Path, visits: dict[str, list[tuple[datetime, int]]]) -> None:
    """A file more, with visits of some people."""
    lines = [f"{who},{at.isoformat()},{amount}" for who, mine in visits.items() for at, amount in mine]
    name = f"visits{len(list(folder.glob('visits*.csv')))}.csv"
    (folder / name).write_text("\n".join(["id,at,amount", *lines]) + "\n", encoding="utf-8")


@pytest.fixture
def project(base: Path, tmp_path: Path) -> Path:
    return copied(base, tmp_path / "shop", has_store=True)


def ask(folder: Path, segment: str, **asked: Any) -> dict[str, Any]:
    return what_if(published(folder), segment, Silent(), **asked)


def wide(folder: Path) -> dict[str, dict[str, bool]]:
    """Person → segment → membership, as published."""
    names = {row["profile_id"]: row["value"] for row in rows(folder, "identities")}
    return {names[row.pop("profile_id")]: row for row in rows(folder, "wide")}


def moved(before: dict[str, dict[str, bool]], after: dict[str, dict[str, bool]], segment: str) -> tuple[int, int]:
    """How many entered, and how many left."""
    was = {who for who, row in before.items() if row.get(segment)}
    now = {who for who, row in after.items() if row.get(segment)}
    return len(now - was), len(was - now)


def figures(row: dict[str, Any]) -> tuple[int, int]:
    return row["entering"], row["leaving"]


def causes(folder: Path) -> dict[str, tuple[tuple[int, int], tuple[int, int]] | None]:
    """Segment → entered and left by definition and by events in the published run; None where none is told."""
    latest = {row["segment"]: row for row in rows(folder, "sizes") if row["run"] == snapshot(folder).run}
    pairs = [(f"entered_by_{cause}", f"left_by_{cause}") for cause in ("definition", "events")]
    return {
        name: None
        if row["entered_by_definition"] is None
        else ((row[pairs[0][0]], row[pairs[0][1]]), (row[pairs[1][0]], row[pairs[1][1]]))
        for name, row in latest.items()
    }


EDITS = {
    "a rule": ("rule: n > 5", "rule: n BETWEEN 3 AND 9 OR DID visit WHERE amount > 230", "loyal"),
    "a rule with a model": ("rule: n > 5", "rule: groups = 2 OR n = 1", "loyal"),
    "a feature": ("n * 2", "n - 14", "top"),
    "a quantile score": ("{of: n, groups: 3}", "{of: spent, groups: 5}", "top"),
    "a parent": ("name: top, rule", "name: top, parent: loyal_in_lyon, rule", "top"),
}


@pytest.mark.parametrize("name", EDITS)
def test_what_is_foretold_of_an_edit_is_what_the_run_finds(project: Path, name: str) -> None:
    old, new, segment = EDITS[name]
    before = wide(project)
    by_rule = ask(project, segment, rule=new.removeprefix("rule: ")) if new.startswith("rule: ") else None
    edit(project / "facette.yml", old, new)
    told = ask(project, segment)
    assert next(iter(planned(load(project), as_of=NOW)["redefined"])) == segment
    outcome = run(project, NOW)
    after = wide(project)
    assert figures(told) == moved(before, after, segment) != (0, 0)
    assert told["members"] == sum(row[segment] for row in before.values())
    assert told["would_be"] == sum(row[segment] for row in after.values()) == told["staying"] + told["entering"]
    changed = {row["segment"]: figures(row) for row in (told, *told["downstream"])}
    assert changed == {other: moved(before, after, other) for other in changed}
    assert {other for other in after["p01"] if moved(before, after, other) != (0, 0)} == changed.keys()
    if by_rule is not None:
        assert [figures(row) for row in (by_rule, *by_rule["downstream"])] == [*changed.values()]
    found = causes(project)
    assert {other: found[other] for other in changed} == {other: (changed[other], (0, 0)) for other in changed}
    assert {other for other in found if found[other] is not None} == outcome.redefined.keys() >= changed.keys()
    assert ask(project, segment)["entering"] == ask(project, segment)["leaving"] == 0


def test_a_run_tells_what_the_definition_did_from_what_events_and_time_did(project: Path, tmp_path: Path) -> None:
    """The same deliveries with the rule as it was, in a copy, say what events and time did alone."""
    later = NOW + timedelta(days=2)
    before = wide(project)
    visit(project, {who: [(later - timedelta(hours=1), 500)] * (i % 4) for i, who in enumerate(PEOPLE)})
    visit(project, {"new": [(later - timedelta(hours=n), n) for n in range(1, 9)]})
    unedited = copied(project, tmp_path / "unedited", has_store=True)
    run(unedited, later)
    assert set(causes(unedited).values()) == {None}
    meanwhile = wide(unedited)
    edit(project / "facette.yml", "rule: n > 5", "rule: n > 8 OR n = 4")
    edit(project / "facette.yml", "rule: DID visit IN THE LAST 3 DAYS", "rule: n < 3 AND n > 0")
    outcome = run(project, later)
    after = wide(project)
    assert outcome.redefined == {
        "loyal": "its rule changed",
        "loyal_in_lyon": "it refers to loyal, which changed",
        "others": "it refers to loyal_in_lyon, which changed",
        "recent": "its rule changed",
    }
    found = causes(project)
    for name in outcome.redefined:
        assert found[name] == (moved(meanwhile, after, name), moved(before, meanwhile, name)), name
    assert found["loyal"] is not None and (0, 0) not in found["loyal"]
    assert found["top"] is found["first_group"] is None
    shown = {row["segment"]: row for row in published(project).segments()}
    assert shown["loyal"]["entered_by_definition"] == found["loyal"][0][0]


def test_a_model_that_was_redefined_is_compared_as_it_was_fitted(project: Path) -> None:
    before = wide(project)
    edit(project / "facette.yml", "maximum_clusters: 3", "maximum_clusters: 8, minimum_clusters: 6")
    with pytest.raises(RunError, match="groups is new or has changed"):
        ask(project, "first_group")
    outcome = run(project, NOW)
    assert outcome.redefined == {"first_group": "it reads groups, which changed"}
    assert causes(project)["first_group"] == (moved(before, wide(project), "first_group"), (0, 0))


def test_a_new_segment_is_entered_by_its_definition(project: Path) -> None:
    edit(project / "facette.yml", "segments:\n", "segments:\n  - {name: few, rule: n < 3}\n")
    told = ask(project, "few")
    assert (told["rule"]["before"], figures(told), told["reason"]) == (None, (3, 0), "new")
    run(project, NOW)
    assert causes(project)["few"] == ((3, 0), (0, 0))


def test_at_a_past_instant_both_rules_are_those_of_a_run_made_for_it(base: Path, tmp_path: Path) -> None:
    past = NOW - timedelta(days=9)
    twin = copied(base, tmp_path / "twin", has_store=False)
    run(twin, past)
    before = wide(twin)
    rule = "n > 8 OR score = 2"
    told = ask(base, "loyal people", rule=rule, as_of=past)
    edit(twin / "facette.yml", "rule: n > 5", f"rule: {rule}")
    run(twin, past)
    after = wide(twin)
    for row in (told, *told["downstream"]):
        assert figures(row) == moved(before, after, row["segment"]), row["segment"]
    assert (told["population"], told["as_of"]) == (24, past)
    assert figures(told) != (0, 0)
    assert told["cost"]["rows"] == 24 + sum(range(24))


def test_samples_show_who_people_are_and_what_the_rules_read(base: Path) -> None:
    told = ask(base, "top", rule="city = lyon AND n > 8 OR spent = 1")
    entering = {person["identifiers"]["id"]: person for person in told["samples"]["entering"]}
    assert entering.keys() == {"p09", "p12", "p15"}
    assert [*entering] == sorted(entering, key=lambda who: entering[who]["profile_id"])
    assert entering["p09"]["traits"] == {"city": "Lyon"}
    assert entering["p09"]["read"] == {"double": 18, "n": 9, "score": 2, "spent": 846.0}
    assert len(told["samples"]["leaving"]) == min(5, told["leaving"])
    assert told["models"] == []
    used = ask(base, "top", rule="groups = 1", as_of=NOW - timedelta(days=1))
    assert [(item["name"], item["version"], item["is_later"]) for item in used["models"]] == [("groups", 1, True)]


@pytest.mark.parametrize(
    ("segment", "asked", "error", "told"),
    [
        ("loyalty", {"rule": "n > 1"}, NotFoundError, "did you mean `loyal`"),
        ("groups of people", {"rule": "n > 1"}, RunError, "gives clusters.*such as first_group"),
        ("loyal", {"rule": "n >> 1"}, RuleError, r"n >> 1\n +\^"),
        ("loyal", {"rule": "nn > 1"}, RuleError, r"nn > 1\n +\^\^"),
        ("loyal", {"rule": "IN SEGMENT others"}, RuleError, "circle: loyal → others → loyal_in_lyon"),
        ("loyal", {"as_of": NOW - timedelta(days=300)}, NotFoundError, "the data begins at 2026-03-05"),
        ("loyal", {"as_of": NOW + timedelta(seconds=1)}, RunError, "after the published run"),
        ("loyal", {"as_of": NOW, "known_at": NOW + timedelta(days=1)}, RunError, "after the published run"),
    ],
)
def test_what_cannot_be_asked_is_said_with_a_remedy(
    base: Path, segment: str, asked: dict[str, Any], error: type[FacetteError], told: str
) -> None:
    with pytest.raises(error, match=f"(?s){told}") as caught:
        ask(base, segment, **asked)
    assert getattr(caught.value, "remedy", "")


def test_a_project_without_a_run_or_of_an_older_version(base: Path, project: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="Nothing has been published"):
        ask(copied(base, tmp_path / "new", has_store=False), "loyal", rule="n > 1")
    for file in (project / ".facette" / "published.json", *(project / ".facette" / "snapshots").glob("*.json")):
        data = json.loads(file.read_text(encoding="utf-8"))
        del data["definitions"]
        file.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(RunError, match="does not say by which definitions"):
        ask(project, "loyal")
    assert figures(ask(project, "loyal", rule="n > 8")) == (0, 3)
    edit(project / "facette.yml", "rule: n > 5", "rule: n > 8")
    outcome = run(project, NOW)
    assert (outcome.redefined, causes(project)["loyal"]) == ({}, None)
