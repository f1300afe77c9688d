"""What a sound project gives: names in order, aggregates, fingerprints."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from facette.definitions.dependence import in_order
from facette.definitions.language.tree import And, Arithmetic, Column, InSegment
from facette.definitions.model import Project
from facette.definitions.project import Definitions, define
from facette.errors import DefinitionError
from tests.definitions.projects import SOUND, loaded, problems

MORE = """\
features:
  - {name: basket, value: dépense / recent_orders}
  - {name: recent_orders, value: orders_90d}
  - {name: last_rayon, value: LAST(category) OF purchase}
  - {name: grade, quantiles: {of: basket}, bands: [{name: low, below: 3, label: {fr: faible}}, {name: high}]}
models:
  - {name: groups, kind: clusters, features: [spend, is_subscribed]}
  - name: chance
    kind: propensity
    target: purchase
    where: rayon = bio
    horizon_days: 30
    features: [basket]
    bands: [{name: weak, below: 50}, {name: strong}]
segments:
  - {name: best, parent: good, rule: IN SEGMENT rich}
  - {name: good, rule: DID purchase IN THE LAST 90 DAYS}
  - {name: rich, rule: spend > 100 AND chance = strong AND COUNT OF purchase IN THE LAST 90 DAYS > 2}
"""


@pytest.fixture
def definitions(tmp_path: Path) -> Definitions:
    return loaded(tmp_path, more=MORE)


def test_columns_have_types(definitions: Definitions) -> None:
    types = {name: column.type for name, column in definitions.vocabulary.columns.items()}
    assert types == {
        "customer_id": "text",
        "email": "text",
        "city": "text",
        "born_on": "date",
        "is_subscribed": "boolean",
        "children": "number",
        "spend": "number",
        "orders_90d": "number",
        "recent_orders": "number",
        "basket": "number",
        "last_rayon": "text",
        "grade": "number",
        "groups": "number",
        "chance": "number",
    }
    assert set(definitions.traits) == {"city", "born_on", "is_subscribed", "children"}


def test_bands_join_without_gap(definitions: Definitions) -> None:
    low, high = definitions.vocabulary.columns["grade"].bands
    assert (low.name, low.low, low.high, low.labels) == ("low", None, 3, ("faible",))
    assert (high.name, high.low, high.high) == ("high", 3, None)
    assert [band.name for band in definitions.vocabulary.columns["chance"].bands] == ["weak", "strong"]


def test_everything_comes_after_what_it_reads(definitions: Definitions) -> None:
    order = definitions.features
    assert order.index("recent_orders") < order.index("basket") < order.index("grade")
    assert order.index("spend") < order.index("basket")
    assert list(definitions.values) == [name for name in order if name != "grade"]
    assert list(definitions.rules)[-1] == "best"


def test_values_and_aggregates_are_checked_trees(definitions: Definitions) -> None:
    basket = definitions.values["basket"].rule
    assert isinstance(basket, Arithmetic)
    assert basket.left == Column("spend", "number")
    counts = [name for name, item in definitions.aggregates.items() if item.function == "count"]
    assert len(counts) == 1, "the rules' counts in 90 days are the feature's"
    assert {item.function for item in definitions.aggregates.values()} >= {"sum", "count", "last"}
    assert definitions.targets["chance"] is not None


def test_a_project_made_in_python_is_checked_alike(definitions: Definitions, tmp_path: Path) -> None:
    assert define(definitions.project, definitions.folder) == definitions
    with pytest.raises(DefinitionError, match="unknown kind of identifier `email`"):
        define(Project(name="empty", population=("email",)))
    assert define(Project(name="empty")).features == ()


def test_definitions_load_without_engines() -> None:
    code = (
        "import sys, facette.definitions.project, facette.definitions.schema;"
        "print({'ibis', 'sklearn', 'duckdb', 'pyarrow', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


# ── fingerprints ────────────────────────────────────────────────────────────────────────────────────────────────────


def fingerprints(definitions: Definitions) -> dict[str, str]:
    return {
        "sources": definitions.sources_fingerprint,
        "features": definitions.features_fingerprint,
        "groups": definitions.model_fingerprint("groups"),
        "chance": definitions.model_fingerprint("chance"),
        "segments": definitions.segments_fingerprint,
    }


CHANGES: dict[str, tuple[str, str, set[str]]] = {
    "label": ("{fr: faible}", "{fr: bas}", set()),
    "label used in a rule": ("dépense / recent_orders", "spend / recent_orders", set()),
    "wording": ("DID purchase IN THE LAST 90 DAYS", "A FAIT achat DANS LES 90 DERNIERS JOURS", set()),
    "feature of one model": ("value: dépense /", "value: 2 * dépense /", {"features", "chance"}),
    "feature far below": ("value: orders_90d}", "value: orders_90d + 1}", {"features", "chance"}),
    "quantile": ("{of: basket}", "{of: basket, groups: 4}", {"features"}),
    "model": ("features: [spend, is_subscribed]", "features: [spend, is_subscribed], seed: 3", {"groups"}),
    "target": ("rayon = bio", "rayon = web", {"chance"}),
    "rule": ("spend > 100", "spend > 101", {"segments"}),
    "parent": ("parent: good, ", "", {"segments"}),
    "rule with another aggregate": ("90 DAYS > 2", "91 DAYS > 2", {"features", "segments"}),
}


@pytest.mark.parametrize(("old", "new", "changed"), CHANGES.values(), ids=CHANGES)
def test_a_fingerprint_changes_with_the_meaning_only(
    tmp_path: Path, definitions: Definitions, old: str, new: str, changed: set[str]
) -> None:
    assert old in MORE
    before, after = fingerprints(definitions), fingerprints(loaded(tmp_path, more=MORE.replace(old, new)))
    assert {name for name in before if before[name] != after[name]} == changed


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("path: data/customers.csv", "path: data/clients.csv", {"sources"}),
        ("{type: number}", "{type: number, minimum: 0}", {"sources"}),
        ("amount: {type: number, label: {fr: montant}}", "amount: {type: number, unit: EUR}", set()),
        ("name: shop\n", "name: shop\ntime_zone: Europe/Paris\n", {"sources"}),
    ],
)
def test_the_fingerprint_of_sources(
    tmp_path: Path, definitions: Definitions, old: str, new: str, changed: set[str]
) -> None:
    assert old in SOUND
    before = fingerprints(definitions)
    after = fingerprints(loaded(tmp_path, facette=SOUND.replace(old, new, 1), more=MORE))
    assert {name for name in before if before[name] != after[name]} == changed


def test_fingerprints_are_the_same_in_another_process(definitions: Definitions) -> None:
    code = (
        "from pathlib import Path; from facette.definitions.project import load; import sys;"
        "found = load(Path(sys.argv[1])); print(found.features_fingerprint, found.model_fingerprint('chance'))"
    )
    expected = f"{definitions.features_fingerprint} {definitions.model_fingerprint('chance')}"
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    done = subprocess.run(
        [sys.executable, "-c", code, str(definitions.folder)],
        capture_output=True, text=True, check=True, env=environment,
    )  # fmt: skip
    assert done.stdout.strip() == expected


def test_the_order_of_dependence() -> None:
    order, circles = in_order({"a": ["b", "x"], "b": [], "c": ["a", "d"], "d": ["c"], "e": ["c"], "f": ["f"]})
    assert order.index("b") < order.index("a")
    assert set(order) == {"a", "b", "e"}
    assert sorted(circles) == [["c", "d", "c"], ["f", "f"]]


def test_a_label_that_reads_like_a_count_is_a_dependence(tmp_path: Path) -> None:
    text = (
        "features:\n  - {name: twice, value: 2 * Nombre de visites}\n"
        "  - {name: visits, value: orders_90d + 1, label: {fr: nombre de visites}}\n"
    )
    definitions = loaded(tmp_path, more=text)
    assert definitions.features[-2:] == ("visits", "twice")
    assert definitions.values["twice"].columns == {"visits"}


def test_being_in_the_parent_is_part_of_the_rule(definitions: Definitions) -> None:
    assert definitions.rules["best"].rule == And((InSegment("good"), InSegment("rich")))
    assert definitions.rules["best"].segments == {"good", "rich"}


def test_a_rule_may_be_written_as_json(tmp_path: Path) -> None:
    rule = "{kind: compare, left: {kind: name, text: spend}, operator: '>', right: {kind: number, value: 100}}"
    value = "{kind: arithmetic, operator: '*', left: {kind: name, text: spend}, right: {kind: number, value: 2}}"
    more = "features: [{{name: double, value: {}}}]\nsegments: [{{name: rich, rule: {}}}]\n"
    as_text = loaded(tmp_path, more=more.format("spend * 2", "spend > 100"))
    as_json = loaded(tmp_path, more=more.format(value, rule))
    assert as_json.rules == as_text.rules
    assert as_json.values == as_text.values
    assert as_json.segment("rich").rule == "spend > 100"
    wrong = rule.replace(", operator: '>'", "")
    (problem,) = problems(tmp_path, more=more.format("spend * 2", wrong))
    assert problem.startswith("more.yml:2 `rule`: Value error, This is not a rule as JSON. operator: Field required.")


def test_which_features_can_be_kept_live(tmp_path: Path) -> None:
    text = """\
features:
  - {name: band, live: required, cuts: {of: spend, at: [50]}}
  - {name: trend, live: required, trend: {of: orders_90d}}
  - {name: kinds, live: required, value: DISTINCT(category) OF purchase}
  - {name: usual, live: required, value: MODE(category) OF purchase}
  - {name: fifth, quantiles: {of: spend}}
  - {name: above, value: spend - THRESHOLD(big)}
thresholds:
  - {name: big, of: spend, quantile: {q: 0.9}}
"""
    live = loaded(tmp_path, more=text).live
    waits = {name: item.reason for name, item in live.items() if not item.is_live}
    assert waits.keys() == {"fifth", "above", "big"}
    assert waits["above"] == "it reads big, which waits for the next run"
    assert "grows with every different value" in live["kinds"].reason
    assert "computed anew from all events" in live["usual"].reason
