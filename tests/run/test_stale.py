"""Questions asked after the definitions were edited and before the next run: answered by today's definitions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from facette.definitions.language import SegmentName
from facette.errors import NotFoundError, RunError
from facette.queries import Published

from .projects import copied, edit, published, rows, run, snapshot

NOW = datetime(2026, 3, 27, 10, 2, tzinfo=UTC)
PEOPLE = [f"p{i:02}" for i in range(24)]
DEFINITIONS = """\
name: shop
time_zone: Europe/Paris
identifiers: [{name: id}]
sources:
  - {name: people, kind: file, path: people.csv, people: {identifiers: {id: id}, fields: {city: {}}}}
  - name: visits
    kind: file
    path: visits.csv
    events: [{name: visit, identifiers: {id: id}, at: at, fields: {amount: {type: number}}}]
features:
  - {name: n, value: COUNT OF visit}
  - {name: spent, value: SUM(amount) OF visit}
  - {name: big, value: n * 10000000000}
  - {name: score, quantiles: {of: n, groups: 3}}
models:
  - {name: groups, kind: clusters, features: [n, spent], minimum_clusters: 2, maximum_clusters: 3}
segments:
  - {name: s0, label: {fr: fidèles, en: loyal people}, rule: n > 5}
  - {name: s1, rule: IN SEGMENT s0 AND city = lyon}
  - {name: s2, rule: score = 3}
  - {name: s3, rule: groups = 1}
  - {name: s4, rule: DID visit IN THE LAST 3 DAYS}
"""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everybody has as many visits as the number says, one a day, of ever higher amounts."""
    folder = tmp_path_factory.mktemp("stale") / "shop"
    folder.mkdir()
    (folder / "facette.yml").write_text(DEFINITIONS, encoding="utf-8")
    cities = ["Lyon", "Paris", "Lille"]
    people = [f"{who},{cities[i % 3]}" for i, who in enumerate(PEOPLE)]
    (folder / "people.csv").write_text("\n".join(["id,city", *people]) + "\n", encoding="utf-8")
    visits = [
        f"{who},{(NOW - timedelta(days=day)).isoformat()},{10 * i + day}"
        for i, who in enumerate(PEOPLE)
        for day in range(i)
    ]
    (folder / "visits.csv").write_text("\n".join(["id,at,amount", *visits]) + "\n", encoding="utf-8")
    run(folder, NOW)
    return folder


@pytest.fixture
def project(base: Path, tmp_path: Path) -> Path:
    return copied(base, tmp_path / "shop", has_store=True)


def change(old: str, new: str) -> Callable[[Path], None]:
    return lambda folder: edit(folder / "facette.yml", old, new)


def added(line: str, section: str) -> Callable[[Path], None]:
    return change(f"{section}:\n", f"{section}:\n  - {line}\n")


MANY_PARTS = "{name: newf, value: big / spent + n}"
EDITS: dict[str, tuple[Callable[[Path], None], dict[str, int | None]]] = {
    "a new feature": (
        added("{name: newf, value: n * 2}", "features"),
        {"newf > 3": 22, "NOT newf > 3 OR score = 3": 10},
    ),
    "a new feature of features": (added(MANY_PARTS, "features"), {"newf > 10": 23, "newf IS KNOWN": None}),
    "a new feature with an aggregate": (
        added("{name: newf, value: COUNT OF visit WHERE amount > 100 IN THE LAST 5 DAYS}", "features"),
        {"newf > 3": 14, "newf = 0 AND DID visit WHERE amount < 30": None},
    ),
    "a new quantile score": (
        added("{name: newf, quantiles: {of: spent, groups: 4}}", "features"),
        {"newf = 4": 6, "newf = 1 AND IN SEGMENT s1": 0},
    ),
    "a changed feature": (change("n * 10000000000", "n * 2"), {"big > 100": 0, "big > 10": 18, "IN SEGMENT s0": 18}),
    "a changed quantile score": (
        change("{of: n, groups: 3}", "{of: n, groups: 5}"),
        {"score = 3": 4, "score = 5": 5, "IN SEGMENT s2": 4},
    ),
    "a changed feature below a quantile score": (change("of: n, groups", "of: big, groups"), {"score = 3": 8}),
    "a new segment": (added("{name: new, rule: IN SEGMENT s1 OR n = 2}", "segments"), {"IN SEGMENT new": 7, "new": 7}),
    "a new segment with a parent": (
        added("{name: new, parent: s1, rule: DID visit AT LEAST 10 TIMES}", "segments"),
        {"IN SEGMENT new": 4, "IN SEGMENT s1 AND NOT IN SEGMENT new": 2},
    ),
    "a new segment of something else": (
        added("{name: new, rule: SUM(amount) OF visit IN THE LAST 2 DAYS > 100}", "segments"),
        {"IN SEGMENT new": None, "NOT IN SEGMENT new AND IN SEGMENT s0": None},
    ),
    "a changed segment": (change("n > 5", "n > 20"), {"IN SEGMENT s0": 3, "IN SEGMENT s1": 1}),
    "a changed segment and a new feature for it": (
        lambda folder: (
            added("{name: newf, value: n + 1}", "features")(folder),
            change("n > 5", "newf > 20 AND IN SEGMENT s4")(folder),
        )[0],
        {"IN SEGMENT s0": 4, "IN SEGMENT s1": 1},
    ),
    "a feature beside a model": (change("n * 10000000000", "n * 2"), {"IN SEGMENT s3": None, "groups = 2": None}),
    "nothing": (lambda folder: None, {"IN SEGMENT s0": 18, "big > 100": 23, "score = 3": 8}),
}


@pytest.mark.parametrize("name", EDITS)
def test_before_the_run_the_answers_are_those_after_it(project: Path, name: str) -> None:
    make, rules = EDITS[name]
    before = {row["profile_id"]: row for row in rows(project, "wide")}
    make(project)
    asked = published(project)
    previews = {rule: asked.preview(rule) for rule in rules}
    explained = {
        (who, segment): asked.explain(who, segment) for who in PEOPLE[::5] for segment in asked.definitions.rules
    }
    profiles = {who: asked.find(who) for who in PEOPLE}
    run(project, NOW)
    then = published(project)
    assert previews == {rule: then.preview(rule) for rule in rules}
    for rule, count in rules.items():
        assert count is None or previews[rule]["members"] == count, rule
    after = {row["profile_id"]: row for row in rows(project, "wide")}
    for (who, segment), answer in explained.items():
        assert answer["is_member"] == after[profiles[who]][segment], (who, segment)
        was = before[profiles[who]].get(segment)
        assert answer["warning"] or was == answer["is_member"]
        if answer["warning"]:
            assert "The definitions have changed since the published run" in answer["warning"]
            word = {True: "membership is: a member", False: "membership is: not a member", None: "does not have"}[was]
            assert word in answer["warning"]
    assert {then.explain(who, "s0")["warning"] for who in PEOPLE[:2]} == {""}


def test_a_warning_only_where_it_concerns(project: Path) -> None:
    change("fr: fidèles", "fr: très fidèles")(project)
    assert published(project).explain("p09", "s0")["warning"] == published(project).profile("p09")["warning"] == ""
    change("n * 10000000000", "n * 2")(project)
    asked = published(project)
    assert f"since the published run {snapshot(project).run} (features)" in asked.explain("p09", "s0")["warning"]
    assert asked.explain("p09", "s4")["warning"] == ""  # reads no feature
    change("minimum_clusters: 2", "minimum_clusters: 3")(project)
    assert "(features)" in published(project).explain("p09", "s0")["warning"]
    assert "(features, models)" in published(project).profile("p09")["warning"]


def test_a_profile_is_what_was_published(project: Path) -> None:
    shown = published(project).profile("p09")
    assert shown["warning"] == ""
    added("{name: newf, value: n * 2}", "features")(project)
    added("{name: new, rule: newf > 2}", "segments")(project)
    change("n * 10000000000", "n * 2")(project)
    change("n > 5", "n > 1000")(project)
    change("fields: {city: {}}", "fields: {city: {}, town: {column: city}}")(project)
    change("events: [{", "events: [{name: look, identifiers: {id: id}, at: at}, {")(project)
    answer = published(project).profile("p09")
    warning = answer.pop("warning")
    assert answer == {key: value for key, value in shown.items() if key != "warning"}
    assert "The definitions have changed since the published run" in warning
    assert "(sources, features, segments)" in warning


# ── what takes a run ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("fields: {city: {}}", "fields: {city: {}, town: {column: city}}", "town = lyon"),
        (
            "fields: {amount: {type: number}}",
            "fields: {amount: {type: number}, who: {column: id}}",
            "DID visit WHERE who = p01",
        ),
        ("events: [{", "events: [{name: look, identifiers: {id: id}, at: at}, {", "DID look"),
        ("Europe/Paris", "Asia/Tokyo", "n > 5"),
    ],
)
def test_changed_sources_take_a_run(project: Path, old: str, new: str, rule: str) -> None:
    change(old, new)(project)
    asked = published(project)
    for ask in (lambda: asked.preview(rule), lambda: asked.explain("p09", "s0")):
        with pytest.raises(RunError, match="The sources changed since the published run") as caught:
            ask()
        assert "facette run" in caught.value.remedy
    run(project, NOW)
    assert published(project).preview(rule)["members"]


@pytest.mark.parametrize(
    "make",
    [
        change("minimum_clusters: 2", "minimum_clusters: 3"),
        change("features: [n, spent]", "features: [n, big]"),
        change("value: SUM(amount) OF visit}", "value: SUM(amount) OF visit IN THE LAST 9 DAYS}"),
    ],
)
def test_a_changed_model_takes_a_run(project: Path, make: Callable[[Path], None]) -> None:
    make(project)
    asked = published(project)
    questions = [
        lambda: asked.preview("groups = 1"),
        lambda: asked.preview("IN SEGMENT s3"),
        lambda: asked.explain("p09", "s3"),
    ]
    for ask in questions:
        with pytest.raises(RunError, match="model groups") as caught:
            ask()
        assert "facette run" in caught.value.remedy
    assert asked.preview("IN SEGMENT s1 AND spent > 0")["members"] == 6
    assert asked.explain("p09", "s1")["is_member"] is True


def test_a_new_model_takes_a_run(project: Path) -> None:
    added("{name: kinds, kind: clusters, features: [n, big]}", "models")(project)
    added("{name: new, rule: kinds = 1}", "segments")(project)
    asked = published(project)
    for ask in (lambda: asked.preview("kinds = 1"), lambda: asked.explain("p09", "new")):
        with pytest.raises(RunError, match="model kinds"):
            ask()
    before = asked.preview("groups = 1")
    assert before["members"]
    assert asked.explain("p09", "s3")["is_member"] == bool(asked.preview("groups = 1 AND n = 9")["members"])
    assert "kinds" not in asked.profile("p09")["features"]


# ── segments by what people call them ───────────────────────────────────────────────────────────────────────────────


def test_a_segment_answers_to_its_labels(base: Path) -> None:
    asked = published(base)
    for name in ("s0", "S0", "fidèles", " FIDELES ", "Loyal  People"):
        assert asked.explain("p09", name) == asked.explain("p09", "s0"), name
    with pytest.raises(NotFoundError, match="There is no segment fidele"):
        asked.explain("p09", "fidele")


def test_a_label_of_two_segments_asks_which(base: Path) -> None:
    definitions = published(base).definitions
    twins = {name: SegmentName(name, {"en": "Twin"}) for name in ("s0", "s1")}
    vocabulary = replace(definitions.vocabulary, segments={**definitions.vocabulary.segments, **twins})
    with pytest.raises(NotFoundError, match="“twin” could be several segments") as caught:
        Published(replace(definitions, vocabulary=vocabulary)).explain("p09", "twin")
    assert "s0, s1" in caught.value.remedy
