"""What the report says of the worth of segments, against the tables it was made from."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from facette.web.report import render
from tests.web.pages import Page
from tests.web.snapshots import World, publish

VALIDATION = {
    "kpi": "spend",
    "kpis": ["orders_1y"],
    "minimum_size": 10,
    "experiment": {"kpi": "spend", "minimum_effect": 0.1},
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return publish(tmp_path_factory.mktemp("worth"), validation=VALIDATION)


@pytest.fixture(scope="module")
def texts(world: World) -> dict[str, str]:
    return {language: Page(render(world.published, language)).texts["worth"] for language in ("fr", "en")}  # type: ignore[arg-type]


def test_each_segment_has_its_line(world: World, texts: dict[str, str]) -> None:
    effects = {row["segment"]: row for row in world.tables["effects"].to_pylist() if row["relation"] == "others"}
    assert effects["nasty"]["kpi"] == "orders_1y"  # the last of its two
    assert "Effect on “Spend”" in texts["en"] and "Effet sur «\u00a0Dépense\u00a0»" in texts["fr"]
    assert "87%" in texts["en"] and "87\u202f%" in texts["fr"]
    assert "fixed rule" in texts["en"] and "as the model is" in texts["en"]
    assert "44\u00a0days" in texts["en"] and "44\u00a0jours" in texts["fr"]
    assert "never" in texts["en"] and "jamais" in texts["fr"]
    merges = [row for row in world.tables["worth"].to_pylist() if row["merge_into"]]
    assert len(merges) == texts["en"].count("To be merged into") == texts["fr"].count("À fondre dans")


def test_marks_stand_where_the_effects_are(world: World) -> None:
    html = render(world.published, "en")
    rows = [
        row for row in world.tables["effects"].to_pylist() if row["relation"] == "others" and row["effect"] is not None
    ]
    main = [row for row in rows if row["kpi"] == "spend"]
    assert html.count('<svg class="effect"') == len(main) > 1
    for row in main:
        assert f"δ = {row['effect']:.2f}".replace("-", "−") in html
    figures = [json.loads(part.split("</script>")[0]) for part in html.split('<script type="application/json">')[1:]]
    forest = next(figure for figure in figures if "error_x" in figure["data"][0])
    assert [trace["name"] for trace in forest["data"]] == ["Spend", "Orders"]
    assert sum(len(trace["x"]) for trace in forest["data"]) == len(rows)
    ends = {round(row["effect_high"] - row["effect"], 9) for row in rows}
    assert {round(end, 9) for trace in forest["data"] for end in trace["error_x"]["array"]} == ends


def test_what_is_held_back_is_said(world: World) -> None:
    held = {"what": "model", "policy": "ask", "version": "v", "reason_fr": "Groupes flous.", "reason_en": "Blurred."}
    snapshot = replace(world.published.snapshot, held={"styles": held})
    text = Page(render(replace(world.published, given=snapshot), "en")).texts["worth"]
    assert "Held back: Styles." in text and "Blurred." in text and "facette approve styles" in text


def test_a_run_that_did_not_look_at_it_says_nothing(tmp_path: Path, world: World) -> None:
    nothing = world.tables["worth"].slice(0, 0)
    page = Page(render(publish(tmp_path, instead={"worth": nothing}).published, "en"))
    assert "worth" not in page.texts
