"""Verdicts say the right word, and why, in both languages."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from facette.definitions.model import Label, Validation
from facette.definitions.models import ClustersModel
from facette.errors import RunError
from facette.models.clusters.fit import fit_clusters
from facette.models.clusters.fitted import FittedClusters
from facette.validation.sentences import LANGUAGES, SENTENCES, Probability, say, spoken, strength
from facette.validation.verdicts import SCHEMA, segment_verdicts, sentence

N = 4000
LABELS = {"spend": Label(fr="Dépense", en="Spend")}


@pytest.fixture(scope="module")
def people() -> tuple[pa.Table, pa.Table]:
    """Half buy more (spend is 60 against 40, deviation 10); coins have nothing to do with it."""
    random = np.random.default_rng(0)
    rich = np.arange(N) % 2 == 0
    spend = random.normal(size=N) * 10 + np.where(rich, 60, 40)
    shift = np.where(np.arange(N) % 3 == 0, 2.0, 0.0)
    wide = pa.table(
        {
            "profile_id": np.arange(N),
            "rich": rich,
            "coin": random.random(N) < 0.5,
            "few": np.arange(N) < 40,
            "nobody": np.zeros(N, dtype=bool),
            "everybody": np.ones(N, dtype=bool),
        }
    )
    features = pa.table(
        {
            "profile_id": np.arange(N),
            "spend": pa.array(spend, mask=random.random(N) < 0.05),
            "slight": random.normal(size=N) * 10 + shift,
            "flat": np.ones(N),
            "x": np.where(rich, 20.0, 0.0) + random.normal(size=N),
            "y": random.normal(size=N),
        }
    )
    return wide, features


@pytest.fixture(scope="module")
def clustering(people: tuple[pa.Table, pa.Table]) -> FittedClusters:
    model = ClustersModel(
        name="halves", kind="clusters", features=("x", "y"), scale="minmax", maximum_clusters=3, search={"resamples": 0}
    )
    return fit_clusters(model, people[1])


def verdicts(wide: pa.Table, features: pa.Table, validation: Validation, **more: Any) -> dict[str, dict[str, Any]]:
    table = segment_verdicts(wide, features, validation, labels=LABELS, **more)
    assert table.schema == SCHEMA
    return {row["name"]: row for row in table.to_pylist()}


@pytest.mark.parametrize("test", ["kruskal", "anova"])
def test_each_segment_gets_its_word(people: tuple[pa.Table, pa.Table], test: str) -> None:
    found = verdicts(*people, Validation(kpi="spend", test=test))
    assert {name: row["verdict"] for name, row in found.items()} == {
        "rich": "worth",
        "coin": "weak",
        "few": "small",
        "nobody": "empty",
        "everybody": "unknown",
    }
    rich = found["rich"]
    assert (rich["kind"], rich["members"], rich["share"]) == ("segment", N // 2, 0.5)
    assert rich["kpi_mean_in"] == pytest.approx(60, abs=1)
    assert rich["kpi_mean_out"] == pytest.approx(40, abs=1)
    assert rich["reason_fr"].startswith("Utile : « Dépense » vaut ")
    assert "Effet fort" in rich["reason_fr"] and "presque sûrement pas dû au hasard (p < 0,001)" in rich["reason_fr"]
    assert rich["reason_en"].startswith("Worth having: “Spend” is ")
    assert "effect is large" in rich["reason_en"] and "almost surely not chance (p < 0.001)" in rich["reason_en"]
    assert found["few"]["reason_en"] == "Too small: 40 profiles, where 100 are needed."


def test_a_sentence_tells_the_centre_that_its_test_compares() -> None:
    """Ranks do not differ while means do: a few members buy for a fortune."""
    random = np.random.default_rng(5)
    spend = random.permutation(np.arange(1000.0)) + 1
    member = np.arange(1000) % 4 == 0
    spend[member & (spend > 995)] = 1e6
    wide = pa.table({"profile_id": np.arange(1000), "some": member})
    features = pa.table({"profile_id": np.arange(1000), "spend": spend})
    inside, outside = spend[member], spend[~member]
    by_ranks = verdicts(wide, features, Validation(kpi="spend"))["some"]
    assert by_ranks["verdict"] == "weak"
    assert by_ranks["kpi_median_in"] == np.median(inside) and by_ranks["kpi_median_out"] == np.median(outside)
    told = f"“Spend” is {np.median(inside):.0f} at the median, {np.median(outside):.0f} elsewhere"
    assert told in by_ranks["reason_en"] and "en médiane" in by_ranks["reason_fr"]
    by_means = verdicts(wide, features, Validation(kpi="spend", test="anova"))["some"]
    told = f"“Spend” is {inside.mean():,.0f} on average, {outside.mean():,.0f} elsewhere"
    assert told in by_means["reason_en"] and "en moyenne" in by_means["reason_fr"]


@pytest.mark.parametrize(
    ("share", "told"), [(0.4, "inside as elsewhere, but is spread otherwise"), (0.2, "elsewhere.")]
)
def test_one_median_on_both_sides_is_said_once(share: float, told: str) -> None:
    """Most spend nothing, in the segment as elsewhere."""
    member = np.arange(2000) % 2 == 0
    place = np.arange(2000) // 2 / 1000
    spend = np.where(place < np.where(member, share, 0.2), 10 + place, 0.0)
    wide = pa.table({"profile_id": np.arange(2000), "some": member})
    row = verdicts(wide, pa.table({"profile_id": np.arange(2000), "spend": spend}), Validation(kpi="spend"))["some"]
    assert "“Spend” is 0 at the median, inside as elsewhere" in row["reason_en"]
    assert told in row["reason_en"]


def test_a_sentence_can_be_said_with_the_unit(people: tuple[pa.Table, pa.Table]) -> None:
    validation = Validation(kpi="spend")
    row = verdicts(*people, validation)["rich"]
    told = sentence(row, validation, kpi=LABELS["spend"], unit="EUR")
    assert f"vaut {row['kpi_median_in']:.0f}\u00a0€ en médiane" in told["fr"]
    assert f"is €{row['kpi_median_in']:.0f} at the median" in told["en"]
    assert sentence(row, validation, kpi=LABELS["spend"], unit="")["fr"] == row["reason_fr"]


@pytest.mark.parametrize(("effect", "word"), [(0.2, "fort"), (0.14, "fort"), (0.06, "moyen"), (0.01, "faible")])
def test_effects_in_words(effect: float, word: str) -> None:
    assert strength(effect).fr == word
    assert strength(0.0099).en == "slight"


def test_any_kpi_may_make_a_segment_worth_having(people: tuple[pa.Table, pa.Table]) -> None:
    """It is judged by the main one if that differs, else by the one that differs most surely."""
    first = verdicts(*people, Validation(kpi="spend", kpis=("x",)))
    assert (first["rich"]["kpi"], first["rich"]["verdict"]) == ("spend", "worth")
    other = verdicts(*people, Validation(kpi="y", kpis=("spend", "slight")))
    assert (other["rich"]["kpi"], other["rich"]["verdict"]) == ("spend", "worth")
    assert "“Spend” is" in other["rich"]["reason_en"]
    assert (other["coin"]["kpi"], other["coin"]["verdict"]) == ("y", "weak")


def test_a_real_difference_may_be_too_slight(people: tuple[pa.Table, pa.Table]) -> None:
    wide = people[0].append_column("third", pa.array(np.arange(N) % 3 == 0))
    third = verdicts(wide, people[1], Validation(kpi="slight", minimum_effect=0.05))["third"]
    assert third["verdict"] == "weak"
    assert third["p_adjusted"] < 0.05
    assert "too slight" in third["reason_en"] and "trop faible" in third["reason_fr"]
    assert verdicts(wide, people[1], Validation(kpi="slight", minimum_effect=0.001))["third"]["verdict"] == "worth"


def test_without_a_kpi_nobody_knows(people: tuple[pa.Table, pa.Table]) -> None:
    rich = verdicts(*people, Validation())["rich"]
    assert (rich["verdict"], rich["p_value"], rich["kpi_mean_in"]) == ("unknown", None, None)
    flat = verdicts(*people, Validation(kpi="flat"))["rich"]
    assert (flat["verdict"], flat["p_value"], flat["kpi_mean_in"]) == ("unknown", None, 1.0)


def test_profiles_may_come_in_any_order(people: tuple[pa.Table, pa.Table]) -> None:
    wide, features = people
    shuffled = features.take(np.random.default_rng(1).permutation(N))
    validation = Validation(kpi="spend")
    assert segment_verdicts(wide, shuffled, validation).equals(segment_verdicts(wide, features, validation))
    with pytest.raises(RunError, match="1000 profiles"):
        segment_verdicts(wide, features.slice(1000), validation)


def test_no_profile_at_all(people: tuple[pa.Table, pa.Table]) -> None:
    wide, features = (table.slice(0, 0) for table in people)
    assert {row["verdict"] for row in verdicts(wide, features, Validation(kpi="spend")).values()} == {"empty"}


def judged(
    people: tuple[pa.Table, pa.Table], clustering: FittedClusters, validation: Validation, **more: Any
) -> dict[str, Any]:
    wide, features = people
    features = features.append_column(clustering.name, pa.array(clustering.rows(features)))
    return verdicts(wide, features, validation, clusterings=[clustering])[clustering.name]


def test_a_clustering_is_judged_by_its_shape_and_its_use(
    people: tuple[pa.Table, pa.Table], clustering: FittedClusters
) -> None:
    easy = {"minimum_silhouette": 0.4, "maximum_davies_bouldin": 1.0}
    worth = judged(people, clustering, Validation(kpi="spend", **easy))
    assert (worth["kind"], worth["members"], worth["verdict"]) == ("clustering", N, "worth")
    assert worth["silhouette"] == clustering.metrics.silhouette
    labels = clustering.rows(people[1])
    spend = people[1]["spend"].to_numpy()
    groups = [spend[(labels == number) & ~np.isnan(spend)] for number in clustering.numbers]
    assert worth["statistic"] == pytest.approx(stats.kruskal(*groups).statistic, rel=1e-9)
    assert judged(people, clustering, Validation(kpi="y", minimum_effect=0.1, **easy))["verdict"] == "weak"
    assert judged(people, clustering, Validation(**easy))["verdict"] == "unknown"
    assert judged(people, clustering, Validation(kpi="spend", minimum_size=N, **easy))["verdict"] == "small"
    blurred = judged(people, clustering, Validation(kpi="spend", minimum_silhouette=0.99))
    assert blurred["verdict"] == "weak" and "blurred" in blurred["reason_en"]
    circular = judged(people, clustering, Validation(kpi="x", **easy))
    assert circular["verdict"] == "worth" and "proves nothing" in circular["reason_en"]


def test_numbers_are_spoken_as_each_language_writes_them() -> None:
    assert [spoken(1234567, language) for language in LANGUAGES] == ["1\u202f234\u202f567", "1,234,567"]
    assert [spoken(0.034567, language) for language in LANGUAGES] == ["0,0346", "0.0346"]
    assert [spoken(12345.6, language) for language in LANGUAGES] == ["12\u202f346", "12,346"]
    assert [spoken(0.0000123, language) for language in LANGUAGES] == ["0,0000123", "0.0000123"]
    assert [spoken(Probability(0.2), language) for language in LANGUAGES] == ["p = 0,2", "p = 0.2"]
    assert spoken(Label(en="only"), "fr") == "only"
    assert spoken(None, "en") == "–"


@pytest.mark.parametrize("case", SENTENCES)
def test_both_languages_say_the_same_things(case: str) -> None:
    names = (
        "kpi",
        "inside",
        "outside",
        "p",
        "measure",
        "effect",
        "least",
        "members",
        "minimum",
        "auc",
        "low",
        "chance",
        "centre",
        "versus",
        "certainty",
        "strength",
        "segments",
    )
    names += ("silhouette", "davies_bouldin", "least_silhouette", "most_davies_bouldin")
    said = say(case, **{name: f"<{name}>" for name in names})
    assert {name for name in names if f"<{name}>" in said["fr"]} == {
        name for name in names if f"<{name}>" in said["en"]
    }
