"""What the report says of maps, and of whom models know too little."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from facette.models.representation import MISSINGNESS, REPRESENTATION
from facette.web.report import render
from facette.web.report.gaps import gaps
from facette.web.report.maps import maps
from facette.web.report.reading import Reading
from facette.web.report.words import Words
from tests.web.pages import Page, spaced
from tests.web.snapshots import MODELS_OF_ALL_KINDS, ZONE, World, publish

ABOUT = {"model": "styles", "feature": "spend"}
GAPS = [
    ABOUT | {"profiles": 300, "unknown_share": 0.2},
    ABOUT | {"group": "city", "level": "Nantes", "profiles": 200, "unknown_share": 0.1, "cramers_v": 0.35},
    ABOUT | {"group": "city", "profiles": 100, "unknown_share": 0.4, "cramers_v": 0.35},
]
SHARES = [
    {"model": "styles", "group": "city", "level": "Nantes", "profiles": 200, "share": 0.75, "reference": 0.5}
    | {"weighted_share": 0.5},
    {"model": "styles", "group": "city", "profiles": 100, "share": 0.25, "weighted_share": 0.5},
]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    instead = {
        "missingness": pa.Table.from_pylist(GAPS, schema=MISSINGNESS),
        "representation": pa.Table.from_pylist(SHARES, schema=REPRESENTATION),
    }
    coloured = [item | {"colour": "active"} if item["kind"] == "map" else item for item in MODELS_OF_ALL_KINDS]
    return publish(tmp_path_factory.mktemp("shop"), instead=instead, models=coloured)


@pytest.fixture(scope="module")
def reading(world: World) -> Reading:
    return Reading(world.published, Words("fr", ZONE))


def test_axes_are_named_by_what_they_are_made_of(reading: Reading) -> None:
    section = maps(reading)[0]
    fitted = reading.map("chart")
    assert fitted is not None
    strongest = [axis.loadings[0].feature for axis in fitted.metrics.axes]
    named = {"recency": "Récence", "orders_1y": "Commandes", "spend": "Dépense"}
    for number, (name, feature) in enumerate(zip(section["names"], strongest, strict=True), start=1):
        assert spaced(name).startswith(f"Axe {number} : {named[feature]}")
    shades = section["axes"].figure["data"][0]["z"]
    assert len(shades) == 3
    assert all(0 <= shade <= 1 for row in shades for shade in row)


def test_pictures_are_coloured_and_the_far_are_ringed(reading: Reading, world: World) -> None:
    flat, deep = maps(reading)[0]["pictures"]
    fitted = reading.map("chart")
    assert fitted is not None
    members = dict(zip(world.wide["profile_id"].to_pylist(), world.wide["active"].to_pylist(), strict=True))
    inside = sum(members[profile] for profile in fitted.metrics.profiles)
    far = sum(distance > 1 for distance in fitted.metrics.distances)
    for picture, kind in ((flat, "scatter"), (deep, "scatter3d")):
        points = {trace["name"]: len(trace["x"]) for trace in picture.figure["data"]}
        assert points == {"membres": inside, "les autres": 100 - inside} | ({"éloignés de tous": far} if far else {})
        assert {trace["type"] for trace in picture.figure["data"]} == {kind}
    assert "Couleurs : Actifs" in spaced(flat.caption)


def test_a_map_by_a_segment_that_is_held_back_shows_everybody(world: World, tmp_path: Path) -> None:
    coloured = [item | {"colour": "active"} if item["kind"] == "map" else item for item in MODELS_OF_ALL_KINDS]
    without = publish(tmp_path, instead={"wide": world.wide.drop_columns(["active"])}, models=coloured)
    for picture in maps(Reading(without.published, Words("fr", ZONE)))[0]["pictures"]:
        assert picture.figure["data"][0]["name"] == "profils"
        assert "Couleurs" not in picture.caption


def test_gaps_are_told_by_group(reading: Reading) -> None:
    (styles,) = gaps(reading)
    told = [(row["feature"], row["who"], spaced(row["unknown"]), row["cramers_v"]) for row in styles["features"]]
    assert told == [
        ("Dépense", "tout le monde", "20 %", ""),
        ("", "Ville = Nantes", "10 %", "0,35"),
        ("", "Ville\u00a0: valeur inconnue", "40 %", ""),
    ]
    assert [(row["who"], spaced(row["reference"])) for row in styles["groups"]] == [("Ville = Nantes", "50 %")]


@pytest.mark.parametrize("language", ["fr", "en"])
def test_both_sections_are_on_the_page(world: World, language: str) -> None:
    page = Page(render(world.published, language))  # type: ignore[arg-type]
    assert len(page.pictures["maps"]) == 3
    assert "Nantes" in page.texts["gaps"]
    told = {"fr": "chaque profil compte une fois", "en": "each profile counts once"}
    assert told[language] in page.texts["gaps"]
