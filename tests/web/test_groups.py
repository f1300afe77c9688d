"""What the report says of groups: methods side by side, the hierarchy, who went where, and who is in each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from facette.models.clusters.fitted import Fate, Shift
from facette.web.report.compared import comparison, dendrogram, shift
from facette.web.report.groups import clusterings
from facette.web.report.portrait import portrait
from facette.web.report.reading import Reading
from facette.web.report.words import Words
from tests.web.pages import spaced
from tests.web.snapshots import PEOPLE, PROFILES, ZONE, World, publish

STYLES = {
    "name": "styles",
    "kind": "clusters",
    "label": {"fr": "styles", "en": "styles"},
    "features": ["recency", "spend"],
    "methods": [
        {"method": "agglomerative", "clusters": 3},
        {"method": "kmeans", "clusters": 5},
        {"method": "dbscan", "radius": 1e-6, "minimum_points": 30},
    ],
    "maximum_clusters": 5,
    "search": {"resamples": 2},
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Half of the people are in no group."""
    numbers = pa.table({"profile_id": PROFILES, "styles": np.arange(PEOPLE) % 2})
    return publish(tmp_path_factory.mktemp("shop"), models=[STYLES], instead={"scored": numbers})


@pytest.fixture(params=["fr", "en"])
def reading(request: pytest.FixtureRequest, world: World) -> Reading:
    return Reading(world.published, Words(request.param, ZONE))


def test_methods_stand_side_by_side(reading: Reading) -> None:
    fitted = reading.clustering("styles")
    assert fitted is not None
    told = comparison(reading, fitted.metrics)
    assert told is not None
    assert {len(row["cells"]) for row in told["rows"]} == {len(told["heads"]) - 1}
    assert [row["method"] for row in told["rows"]] == [
        {"fr": "classification hiérarchique", "en": "agglomerative"}[reading.language],
        "k-means",
        "DBSCAN",
    ]
    best = max(fitted.metrics.comparison, key=lambda row: row.silhouette or -1)
    assert [row["is_published"] for row in told["rows"]] == [row is best for row in fitted.metrics.comparison]
    assert told["rows"][0]["cells"][0] == "3"
    assert told["rows"][2]["parameters"] == {"fr": "aucun groupe trouvé", "en": "no groups found"}[reading.language]
    assert set(told["rows"][2]["cells"][:-1]) == {"–"}
    figure = told["picture"].figure
    assert [len(trace["x"]) for trace in figure["data"]] == [3, 3, 3]
    assert sum(name.startswith("<b>") for name in figure["layout"]["yaxis"]["ticktext"]) == 1
    assert told["picture"].json


def test_one_method_is_not_compared(tmp_path_factory: pytest.TempPathFactory) -> None:
    world = publish(tmp_path_factory.mktemp("one"), models=[STYLES | {"methods": ["kmeans"]}])
    reading = Reading(world.published, Words("en", ZONE))
    fitted = reading.clustering("styles")
    assert fitted is not None
    assert comparison(reading, fitted.metrics) is None and dendrogram(reading, fitted.metrics) is None
    assert "where the silhouette is highest" in clusterings(reading)[0]["choice"].caption


def test_a_hierarchy_is_drawn_with_its_cut(tmp_path: Path) -> None:
    methods = [{"method": "agglomerative", "clusters": 3}]
    reading = Reading(publish(tmp_path, models=[STYLES | {"methods": methods}]).published, Words("fr", ZONE))
    fitted = reading.clustering("styles")
    assert fitted is not None and fitted.metrics.dendrogram is not None
    picture = dendrogram(reading, fitted.metrics)
    assert picture is not None
    brackets, cut = picture.figure["data"]
    leaves = len(fitted.metrics.dendrogram.leaves)
    assert len(brackets["x"]) == 5 * (leaves - 1)
    crossing = sum(
        min(low, other) < cut["y"][0] < high for low, high, _, other, _ in zip(*[iter(brackets["y"])] * 5, strict=True)
    )
    assert crossing == 2  # brackets that reach through the cut: three groups
    assert sorted(picture.figure["layout"]["xaxis"]["ticktext"], key=int)[-1] == str(
        max(fitted.metrics.dendrogram.leaves)
    )


def test_who_is_in_no_group_is_told_last(reading: Reading) -> None:
    groups = clusterings(reading)[0]["groups"]
    assert groups[-1]["label"] == {"fr": "Sans groupe", "en": "In no group"}[reading.language]
    assert spaced(groups[-1]["share"]).startswith("50")
    assert all(group["portrait"].name and group["portrait"].sentence for group in groups)


def test_what_became_of_each_group_is_told(reading: Reading) -> None:
    fates = (Fate(number=1, size=40, into={1: 0.9, 2: 0.075, 0: 0.025}), Fate(number=2, size=0, into={}))
    told = shift(reading, Shift(rows=60, moved=0.25, fates=fates))
    assert told is not None
    expected = {
        "fr": [
            "Groupe 1 (40 profils) : 90 % y sont restés, 7,5 % sont passés au groupe 2 et 2,5 % ne sont plus dans "
            "aucun groupe",
            "Groupe 2 (0 profil) : plus personne n'y était",
        ],
        "en": [
            "Group 1 (40 profiles): 90% stayed, 7.5% went to group 2 and 2.5% are in no group any more",
            "Group 2 (0 profiles): nobody was in it any more",
        ],
    }
    assert [spaced(fate).replace("\u202f", " ") for fate in told["fates"]] == expected[reading.language]
    assert "25" in told["told"]
    assert shift(reading, None) is None


def trait(feature: str, effect: float, inside: float, outside: float, level: str | None = None) -> dict[str, Any]:
    return {
        "feature": feature,
        "level": level,
        "effect": effect,
        "inside": inside,
        "outside": outside,
        "known_inside": 1.0,
        "known_outside": 1.0,
    }


def test_a_group_is_described_in_words(world: World) -> None:
    rows = {
        "a": [trait("orders_1y", 1.2, 8, 2), trait("spend", -0.6, 20, 60), trait("recency", 0.3, 90, 70)],
        "b": [trait("is_subscribed", -0.9, 0.1, 0.7, "true"), trait("city", 0.5, 0.8, 0.4, "Lyon")],
        "c": [trait("spend", 0.1, 20, 19)],
    }
    expected = {
        "fr": [
            ("Beaucoup de commandes, dépense en dessous", "beaucoup de commandes (8 contre 2), dépense en dessous"),
            ("Bien moins souvent « is_subscribed », plus souvent « Lyon » (ville)", "(10 % contre 70 %)"),
            ("Comme tout le monde", "Rien ne les distingue"),
        ],
        "en": [
            ("Many orders, spend below", "many orders (8 against 2), spend below (€20 against €60) and purchase"),
            ("Much less often “is_subscribed”, more often “Lyon” (city)", "(10% against 70%)"),
            ("Like everybody", "Nothing sets them"),
        ],
    }
    for language, told in expected.items():
        reading = Reading(world.published, Words(language, ZONE))  # type: ignore[arg-type]
        reading.__dict__["traits"] = rows
        for group, (name, part) in zip(rows, told, strict=True):
            found = portrait(reading, group)
            assert spaced(found.name.replace("\u202f", " ")) == name
            assert part in spaced(found.sentence.replace("\u202f", " "))
