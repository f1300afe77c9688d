"""A segment that is merged into another, and the edit that merges it."""

from __future__ import annotations

from pathlib import Path

import pytest

from facette.definitions.edits import Edit, merging, merging_group, write
from facette.definitions.language import print_rule
from facette.definitions.project import load
from facette.errors import DefinitionError, FacetteError

START = """\
name: shop
identifiers: [{name: customer}]
sources:
  - name: people
    kind: file
    path: people.csv
    people: {identifiers: {customer: id}, fields: {age: {type: number}, city: {}}}
"""


def project(folder: Path, segments: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "facette.yml").write_text(START, encoding="utf-8")
    (folder / "segments.yml").write_text(segments, encoding="utf-8", newline="")
    return folder


def rules(folder: Path) -> dict[str, str]:
    return {name: print_rule(checked.rule, "en") for name, checked in load(folder).rules.items()}  # type: ignore[arg-type]


ADULTS = """\
segments:
  - name: adults
    rule: age >= 18
  - name: lyon
    parent: adults
    rule: city = Lyon
"""


def test_the_other_holds_whom_either_rule_is_true_of(tmp_path: Path) -> None:
    more = "  - {name: young, rule: age < 26, merged_into: lyon}\n"
    assert rules(project(tmp_path, ADULTS + more)) == {
        "adults": "age >= 18",
        "lyon": "IN SEGMENT adults AND city = Lyon OR age < 26",
    }


def test_the_parent_holds_its_child_already(tmp_path: Path) -> None:
    folder = project(tmp_path, ADULTS.replace("    parent", "    merged_into: adults\n    parent"))
    assert rules(folder) == {"adults": "age >= 18"}


INTO = "  - {name: a, rule: age < 26, merged_into: %s}\n"
WRONG = {
    "nobody": (INTO % "nowhere", "unknown segment `nowhere`"),
    "a chain": (INTO % "b" + "  - {name: b, rule: age < 9, merged_into: adults}", "`b` is merged into `adults`"),
    "a reference": (INTO % "adults" + "  - {name: b, rule: IN SEGMENT a}", "`a` is merged into `adults`"),
    "a child": (INTO % "adults" + "  - {name: b, parent: a, rule: age > 1}", "`a` is merged into `adults`"),
    "a circle": ("  - {name: a, rule: NOT IN SEGMENT adults, merged_into: adults}", "in a circle: adults → adults"),
    "itself": (INTO % "a", "`a` is merged into `a`"),
}


@pytest.mark.parametrize(("more", "message"), WRONG.values(), ids=WRONG)
def test_what_does_not_go_together_is_said(tmp_path: Path, more: str, message: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        load(project(tmp_path, ADULTS + more + "\n"))
    assert message in str(caught.value)


FOLDED = "  - rule: >-\n      city\n      = Lyon\n    name: lyon"
INDENTED = "  -   rule: city = Lyon\n      name: 'lyon'\n"
LAYOUTS = {
    "block": (
        "  - name: lyon  # ours\n    rule: city = Lyon\n",
        "  - name: lyon  # ours\n    merged_into: adults\n    rule: city = Lyon\n",
    ),
    "flow": (
        "  - {name: lyon, rule: city = Lyon}  # ours\n",
        "  - {name: lyon, merged_into: adults, rule: city = Lyon}  # ours\n",
    ),
    "name last": (FOLDED, f"{FOLDED}\n    merged_into: adults"),
    "quoted": (INDENTED, f"{INDENTED}      merged_into: adults\n"),
}


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_edit_leaves_the_rest_as_it_was_written(tmp_path: Path, layout: str, mark: str, newline: str) -> None:
    head = "# Our people.\nsegments:\n  - {name: adults, rule: age >= 18}   # of age\n"
    before, after = ((mark + head + part).replace("\n", newline) for part in LAYOUTS[layout])
    folder = project(tmp_path, before)
    edit = merging(load(folder), "lyon", "adults")
    assert edit.file == "segments.yml" and "merged_into: adults" in edit.text
    assert (folder / "segments.yml").read_bytes().decode() == before  # nothing is written yet
    write(folder, edit)
    assert (folder / "segments.yml").read_bytes().decode() == after
    assert "lyon" not in load(folder).rules
    assert sorted(path.name for path in folder.iterdir()) == ["facette.yml", "segments.yml"]


def test_what_others_need_is_not_merged(tmp_path: Path) -> None:
    folder = project(tmp_path, ADULTS + "  - {name: rest, rule: NOT IN SEGMENT lyon}\n")
    with pytest.raises(FacetteError, match="`lyon` is merged into `adults`") as caught:
        merging(load(folder), "lyon", "adults")
    assert "name `adults` instead" in caught.value.remedy  # type: ignore[attr-defined]


def test_an_edit_that_would_say_something_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = project(tmp_path, ADULTS)
    wrong = Edit("segments.yml", 4, "    rule: age > 3\n", len("segments:\n  - name: adults\n"))
    monkeypatch.setattr("facette.definitions.edits._edit", lambda file, *_: wrong if file == wrong.file else None)
    with pytest.raises(FacetteError, match="does not edit"):
        merging(load(folder), "lyon", "adults")


OF_GROUPS = {
    "block": (
        "models:\n  - name: kinds  # of people\n    kind: clusters\n    features: [age, n]\n",
        "models:\n  - name: kinds  # of people\n    merge: {3: 1}\n    kind: clusters\n    features: [age, n]\n",
    ),
    "on one line": (
        "models:\n  - {name: kinds, kind: clusters, features: [age, n]}\n",
        "models:\n  - {name: kinds, merge: {3: 1}, kind: clusters, features: [age, n]}\n",
    ),
    "one more": (
        "models:\n  - {name: kinds, kind: clusters, merge: {4: 3}, features: [age, n]}\n",
        "models:\n  - {name: kinds, kind: clusters, merge: {4: 3, 3: 1}, features: [age, n]}\n",
    ),
    "one more line": (
        "models:\n  - name: kinds\n    merge:\n      4: 2  # too few\n    kind: clusters\n    features: [age, n]\n",
        "models:\n  - name: kinds\n    merge:\n      4: 2  # too few\n      3: 1\n    kind: clusters\n"
        "    features: [age, n]\n",
    ),
}


@pytest.mark.parametrize("layout", OF_GROUPS)
def test_groups_are_merged_by_an_edit_too(tmp_path: Path, layout: str) -> None:
    before, after = OF_GROUPS[layout]
    folder = project(tmp_path, ADULTS + "features:\n  - {name: n, value: age + 1}\n" + before)
    edit = merging_group(load(folder), "kinds", 3, 1)
    write(folder, edit)
    assert (folder / "segments.yml").read_text(encoding="utf-8").endswith(after)
    (model,) = load(folder).project.models
    assert model.merge[3] == 1  # type: ignore[union-attr]


GROUPS = """\
models:
  - {name: kinds, label: {fr: styles, en: styles}, kind: clusters, features: [age, n], merge: {4: 3, 3: 1}}
"""
NAMED = {
    "english": ("age > 1\n      AND kinds = 4", "Group 4 of “kinds” is part of group 1", "Name group 1 instead."),
    "french": ("age > 1\n      ET styles DANS (1, 3)", "Le groupe 3 de « styles » fait partie du groupe 1", "Nommez"),
    "not": ("age > 1\n      OR NOT kinds != 3", "Group 3 of “kinds” is part of group 1", "Name group 1 instead."),
}


@pytest.mark.parametrize(("rule", "message", "remedy"), NAMED.values(), ids=NAMED)
def test_a_group_that_is_merged_away_is_told(tmp_path: Path, rule: str, message: str, remedy: str) -> None:
    label = "    label: {en: x}\n"
    folder = project(tmp_path, GROUPS + f"segments:\n  - name: x\n{label}    rule: |\n      {rule}\n")
    (folder / "facette.yml").write_text(START.replace("city: {}", "city: {}, n: {type: number}"), encoding="utf-8")
    (found,) = load(folder).warnings
    assert (found.file, found.line, found.severity) == ("segments.yml", 8, "warning")
    assert message in found.message and remedy in found.remedy


def test_groups_that_are_there_are_not_told(tmp_path: Path) -> None:
    rule = "kinds IN (1, 2, 5) OR kinds > 3 OR age = 4"
    folder = project(tmp_path, GROUPS + f"segments: [{{name: x, label: {{en: x}}, rule: '{rule}'}}]\n")
    (folder / "facette.yml").write_text(START.replace("city: {}", "city: {}, n: {type: number}"), encoding="utf-8")
    assert load(folder).warnings == ()
