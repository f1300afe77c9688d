"""Files that cannot be read, and parts that do not have the shape of their model."""

from __future__ import annotations

from pathlib import Path

import pytest

from facette.definitions.findings import Place
from facette.definitions.model import Label
from facette.definitions.project import load
from facette.errors import DefinitionError
from tests.definitions.projects import SOUND, loaded, problems, written

BROKEN = {
    "syntax": ("segments: [a,\n  b: 1", [":2 cannot be read: while parsing a flow sequence"]),
    "colon in text": (
        "segments:\n  - name: a\n    rule: city = a: b",
        [":3 cannot be read: mapping values", "in quotes"],
    ),
    "tab": ("segments:\n\t- name: a", [":2 cannot be read: while scanning", "indent with spaces"]),
    "control character": ("name: \x07", [":1 cannot be read: special characters are not allowed"]),
    "two documents": ("name: a\n---\nname: b", [":2 cannot be read: expected a single document"]),
    "a list": ("- 1\n- 2", [":1 must hold keys"]),
    "a text": ("hello", [":1 must hold keys"]),
    "too deep": ("features: " + "[" * 1000, [":1 is nested too deeply"]),
    "doubled key": (
        "features:\n  - name: a\n    value: '1'\n    name: b",
        [":4 `name` stands twice", "first on line 2"],
    ),
    "anchor": (
        "features: &f\n  - {name: a, value: '1', bands: *f}",
        [":2 cannot be read: aliases (*f) are refused", "write the value out"],
    ),
    "tag": ("features:\n  - name: !secret x\n    value: '1'", [":2 tags (!name) are not read"]),
    "python tag": ("features:\n  - name: !!python/name:os.system x\n    value: '1'", [":2 tags (!name) are not read"]),
    "impossible date": ("as_of: 2026-02-30", [":1 `2026-02-30` is not a value"]),
    "not a number": ("validation: {minimum_effect: .nan}", [":1 `.nan` is not a finite number"]),
    "key that is a list": ("? [a, b]\n: 1", [":1 a key must be plain text"]),
    "given twice": ("currency: EUR\nname: other", [":2 `name` was already given in facette.yml:1"]),
    "not a list": ("segments: {name: a}", [":1 `segments` must be a list", "- "]),
    "unknown key": ("segmnts: []", [":1 unknown key `segmnts`", "did you mean `segments`?"]),
    "unknown key within": (
        "segments:\n  - name: a\n    rule: abonné\n    parnet: b",
        [":4 unknown key `parnet` in segment `a`", "did you mean `parent`?"],
    ),
    "unknown key of a kind": (
        "sources:\n  - {name: s, kind: sql, url: x, table_name: t, path: y, table: {key: k}}",
        [":2 unknown key `path` in source `s`"],
    ),
    "missing key": ("segments:\n  - name: a", [":2 `rule` is missing in segment `a`"]),
    "missing in a source": (
        "sources:\n  - name: a\n    kind: file\n    table: {key: k}",
        [":2 `path` is missing in source `a`"],
    ),
    "missing kind": ("sources:\n  - name: a\n    path: x", [":2 `kind` is missing in source `a`", "`file`, `sql`"]),
    "unknown kind": ("sources:\n  - name: a\n    kind: fiel", [":3 unknown kind `fiel`", "did you mean `file`?"]),
    "not text": ("segments:\n  - name: a\n    rule: NO", [":3 `rule` must be text", 'put it in quotes: "NO"']),
    "empty": ("segments:\n  - name: a\n    rule:", [":3 `rule` must be text", "give `rule` a value"]),
    "not a name": (
        "features:\n  - name: Chiffre d'affaires\n    value: '1'",
        [":2 `Chiffre d'affaires` cannot", "`chiffre_d_affaires`"],
    ),
    "long name": (f"features:\n  - name: {'a' * 64}\n    value: '1'", [":2 `name` is longer than 63 characters"]),
    "key that is not a name": (
        "sources:\n  - name: a\n    kind: file\n    path: x\n    people:\n      identifiers: {email: m}\n"
        "      fields:\n        Date de naissance: {type: date}",
        [":8 `Date de naissance` cannot be a name", "`date_de_naissance`"],
    ),
    "not a mapping": (
        "sources:\n  - name: a\n    kind: file\n    path: x\n    people:\n      identifiers: {email: m}\n"
        "      fields:\n        age:",
        [":8 `age` must be a mapping", "`age: {}`"],
    ),
    "label without language": (
        "segments:\n  - name: a\n    rule: abonné\n    label: A",
        [":4 `label` must be", "{fr: A}"],
    ),
    "description that is no text": (
        "segments:\n  - name: a\n    rule: abonné\n    description: 3",
        [":4 `description` must be text", '"3"'],
    ),
    "description in an unknown language": (
        "sources:\n  - {name: a, kind: file, path: x, table: {key: k}, description: {fr: A, de: B}}",
        [":2 unknown key `de` in source `a`", "`fr`, `en`"],
    ),
    "wrong choice": ("survivorship: newest", [":1 `survivorship` cannot be `newest`", "`recent`"]),
    "wrong choice within": (
        "identifiers:\n  - name: phone\n    format: phnoe",
        [":3 `format` cannot be `phnoe`", "did you mean `phone`?"],
    ),
    "text for a list": ("population: email", [":1 `population` must be a list"]),
    "number out of bounds": ("validation:\n  significance: 2", [":2 `significance` must be less than 1, not 2"]),
    "not a whole number": ("validation:\n  minimum_size: 1.5", [":2 `minimum_size` must be a whole number"]),
    "too few": (
        "models:\n  - name: m\n    kind: clusters\n    features: [spend]",
        [":4 `features` needs at least 2 in model `m`"],
    ),
    "entry of a list": (
        "models:\n  - name: m\n    kind: clusters\n    features:\n      - spend\n      - 3",
        [":6 entry 2 of `features` must be text", '"3"'],
    ),
    "unknown method": (
        "models:\n  - name: m\n    kind: clusters\n    features: [spend, city]\n    methods:\n"
        "      - kmeans\n      - dbscna",
        [":7 `method` cannot be `dbscna`", "did you mean `dbscan` or `hdbscan`?"],
    ),
    "unknown key of a method": (
        "models:\n  - name: m\n    kind: clusters\n    features: [spend, city]\n    methods:\n"
        "      - {method: dbscan, radus: 2}",
        [":6 unknown key `radus`", "did you mean `radius`?"],
    ),
    "no method": (
        "models:\n  - name: m\n    kind: clusters\n    features: [spend, city]\n    methods:\n      - {radius: 2}",
        [":6 `method` is missing in model `m`"],
    ),
    "pattern": ("country: fr", [":1 `country` cannot be `fr`", "[A-Z]{2}"]),
    "as_of": ("as_of: hello", [":1 `as_of` must be a date"]),
}


@pytest.mark.parametrize(("text", "expected"), BROKEN.values(), ids=BROKEN)
def test_each_problem_has_its_place_and_words(tmp_path: Path, text: str, expected: list[str]) -> None:
    found = problems(tmp_path, extra=text)
    assert len(found) == 1, found
    assert found[0].startswith(f"extra.yml{expected[0]}"), found[0]
    for part in expected[1:]:
        assert part in found[0]


def test_all_problems_are_reported_at_once(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        a="features:\n  - {name: x}\n  - {nam: y, value: '1'}\n",
        b="segments:\n  - {name: s, rule: nothing = 3}\n  - {name: t}\ncuntry: FR\n",
        c="time_zone: Europe/Pari\n",
    )
    assert [line.split(" ")[0] for line in found] == [
        "a.yml:2", "a.yml:3", "a.yml:3", "b.yml:2", "b.yml:3", "b.yml:4", "c.yml:1",
    ]  # fmt: skip


def test_what_refers_to_something_broken_is_not_blamed(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        extra="features:\n  - {name: visits, vlaue: '1'}\n  - {name: twice, value: visits * 2}\n"
        "segments:\n  - {name: a, rule: twice > 3}\n  - {name: b, rule: IN SEGMENT a}\n",
    )
    assert found == ["extra.yml:2 unknown key `vlaue` in feature `visits` → did you mean `value`?"]


def test_places_follow_when_an_entry_before_is_left_out(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        extra="segments:\n  - {name: a, rul: x}\n  - {name: b, rule: abonné}\n  - name: c\n    rule: nothing\n",
    )
    assert [line.split(" ")[0] for line in found] == ["extra.yml:2", "extra.yml:2", "extra.yml:5"]


def test_a_file_that_cannot_be_read_silences_unknown_names(tmp_path: Path) -> None:
    found = problems(tmp_path, a="features: [", b="segments:\n  - {name: s, rule: visits > 3}\n  - {name: t}\n")
    assert [line.split(" ")[0] for line in found] == ["a.yml:1", "b.yml:3"]


def test_a_folder_without_a_main_file(tmp_path: Path) -> None:
    (tmp_path / "segments.yml").write_text("segments: []")
    assert problems_of_folder(tmp_path) == ["facette.yml:1"]
    assert problems_of_folder(tmp_path / "nowhere") == ["facette.yml:1"]


def test_an_empty_main_file_lacks_a_name(tmp_path: Path) -> None:
    assert [line.partition(" →")[0] for line in problems(tmp_path, facette="")] == ["facette.yml:1 `name` is missing"]


def test_a_file_in_another_encoding(tmp_path: Path) -> None:
    written(tmp_path)
    (tmp_path / "latin.yml").write_bytes("segments: [] # été".encode("latin-1"))
    assert problems_of_folder(tmp_path) == ["latin.yml:1"]


def test_files_are_joined_in_order(tmp_path: Path) -> None:
    for name in ("b", "a", "data", ".hidden"):
        (tmp_path / name).mkdir()
    entry = "segments:\n  - {{name: {}, rule: abonné}}\n"
    for path in ("b/x.yaml", "a/y.yml", "data/no.yml", ".hidden/no.yml", ".no.yml", "zz.yml"):
        (tmp_path / path).write_text(entry.format(path[0] if "no" not in path else "Not Read"))
    project = loaded(tmp_path, facette=SOUND + entry.format("main")).project
    assert [segment.name for segment in project.segments] == ["main", "a", "b", "z"]


def test_a_description_is_one_text_or_one_per_language(tmp_path: Path) -> None:
    entries = "segments:\n  - {name: a, rule: abonné, description: Both}\n"
    entries += "  - {name: b, rule: abonné, description: {fr: Les deux, en: Both}}\n"
    segments = loaded(tmp_path, extra=entries).project.segments
    assert [item.description for item in segments] == ["Both", Label(fr="Les deux", en="Both")]


def test_keys_are_text_as_written(tmp_path: Path) -> None:
    text = SOUND.replace("city: {", "city: {values: {yes: a, 1: b, 2026-01-01: c, ~: d}, ")
    source = loaded(tmp_path, facette=text).project.sources[0]
    assert source.people is not None
    assert source.people.fields["city"].values == {"yes": "a", "1": "b", "2026-01-01": "c", "~": "d"}


@pytest.mark.parametrize(
    ("written", "lines"),
    [
        ("aaa bbb", [3, 3, 3, 3]),
        ("'aaa\n  bbb''b\n\n  ccc'", [3, 4, 6, 6]),
        ("|2-\n  aaa\n  bbb''b\n\n  ccc", [4, 5, 7, 7]),
        (">- # folded\n  aaa\n  bbb''b   ccc", [4, 5, 5, 5]),
        ("\"aaa \\\n  bbb''b\n  ccc\"", [3, 3, 3, 3]),
    ],
)
def test_the_line_within_a_scalar(written: str, lines: list[int]) -> None:
    place = Place("f.yml", 3, written, 3)
    middle = "bbb'b" if written.startswith("'") else "bbb''b"
    assert [place.line_after(before) for before in ("", "aaa ", f"aaa {middle} ", f"aaa {middle} ccc")] == lines


def problems_of_folder(folder: Path) -> list[str]:
    with pytest.raises(DefinitionError) as caught:
        load(folder)
    return [f"{item.file}:{item.line}" for item in caught.value.problems]
