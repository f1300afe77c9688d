"""The report against the tables it was made from, counted again by hand."""

from __future__ import annotations

import re
from pathlib import Path
from statistics import median

import pytest

from facette.errors import FacetteError, NotFoundError
from facette.queries import Published
from facette.web.report import people, render, report_path, write_report
from facette.web.report.reading import Reading
from tests.web.pages import Page, spaced
from tests.web.snapshots import NASTY, SEGMENTS, World, definitions, publish, publish_little


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return publish(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="module")
def html(world: World) -> dict[str, str]:
    return {language: render(world.published, language) for language in ("fr", "en")}


@pytest.fixture(scope="module")
def pages(html: dict[str, str]) -> dict[str, Page]:
    return {language: Page(text) for language, text in html.items()}


def members(world: World, segment: str) -> set[int]:
    return {row["profile_id"] for row in world.wide.to_pylist() if row[segment]}


# ── what it says ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_header_says_of_whom_and_when(pages: dict[str, Page]) -> None:
    assert "Ma boutique" in pages["fr"].texts["header"]
    assert "Situation du 30\u00a0septembre\u00a02026 au soir" in pages["fr"].texts["header"]
    assert "As of the end of 30\u00a0September\u00a02026" in pages["en"].texts["header"]
    assert "300" in pages["fr"].texts["header"]


def test_every_segment_is_listed_with_its_size_its_rule_and_its_verdict(world: World, pages: dict[str, Page]) -> None:
    text = pages["en"].texts["glance"]
    for item in SEGMENTS:
        assert item["label"]["en"] in text
        assert f" {len(members(world, item['name']))} " in text
    assert "Recency < 60" in text or "recency < 60" in text
    verdicts = {row["name"]: row for row in world.tables["verdicts"].to_pylist()}
    words = {"worth": "Worth having", "weak": "Weak", "small": "Too small", "empty": "Empty", "unknown": "Not judged"}
    for item in SEGMENTS:
        assert words[verdicts[item["name"]]["verdict"]] in text


def test_a_verdict_tells_the_median_of_the_kpi_with_its_unit(world: World, pages: dict[str, Page]) -> None:
    """The test is Kruskal's, which compares ranks."""
    row = next(row for row in world.tables["verdicts"].to_pylist() if row["name"] == "loyal")
    spend = {item["profile_id"]: item["spend"] for item in world.features.to_pylist()}
    middle = median(value for person, value in spend.items() if person in members(world, "loyal"))
    assert row["kpi_median_in"] == pytest.approx(middle)
    glance = spaced(pages["fr"].texts["glance"])
    assert f"« dépense » vaut {middle:.0f} € en médiane" in glance
    assert " Dépense, en médiane Verdict " in glance
    assert f"Dépense, en médiane {median(spend.values()):.0f} €" in spaced(pages["fr"].texts["header"])


def test_bars_are_as_long_as_segments_are_large(world: World, pages: dict[str, Page]) -> None:
    sizes = pages["fr"].pictures["glance"][0]
    names = sizes["layout"]["yaxis"]["ticktext"]
    drawn = {names[y]: x for trace in sizes["data"] for y, x in zip(trace["y"], trace["x"], strict=True)}
    assert drawn["Actifs"] == len(members(world, "active"))
    assert drawn["Personne"] == 0
    assert len(drawn) == len(SEGMENTS)


def test_the_history_has_a_point_per_run(world: World, pages: dict[str, Page]) -> None:
    lines = {trace["name"]: trace["y"] for trace in pages["fr"].pictures["glance"][1]["data"]}
    now = len(members(world, "loyal"))
    assert lines["Fidèles"] == [now - 1, now]


def test_cards_say_what_sets_members_apart(world: World, pages: dict[str, Page]) -> None:
    spend = {row["profile_id"]: row["spend"] for row in world.features.to_pylist()}
    inside = [spend[person] for person in members(world, "nasty")]
    outside = [value for person, value in spend.items() if person not in members(world, "nasty")]
    averages = [sum(values) / len(values) for values in (inside, outside)]
    told = "{:.0f}\u00a0€ contre {:.0f}\u00a0€".format(*averages)
    assert told in pages["fr"].texts["cards"]
    assert "fait partie de Actifs" in pages["fr"].texts["cards"]


def test_descriptions_are_told_in_the_language_of_the_report(pages: dict[str, Page]) -> None:
    assert "Ils reviennent." in pages["fr"].texts["cards"] and "They come" not in pages["fr"].texts["cards"]
    assert "They come back." in pages["en"].texts["cards"]


def test_a_card_says_of_how_many_a_value_is_known(world: World, pages: dict[str, Page]) -> None:
    rows, inside = world.features.to_pylist(), members(world, "active")
    told = []
    for side in (True, False):
        values = [row["is_subscribed"] for row in rows if (row["profile_id"] in inside) == side]
        known = [value for value in values if value is not None]
        told.append((f"{100 * sum(known) / len(known):.0f}", f"{100 * len(known) / len(values):.0f}"))
    (inside_share, inside_known), (outside_share, outside_known) = told
    assert (
        f"oui {inside_share} % contre {outside_share} % (connu pour {inside_known} %, ailleurs pour {outside_known} %)"
    ) in spaced(pages["fr"].texts["cards"])


def test_recency_and_frequency_are_crossed(world: World, pages: dict[str, Page]) -> None:
    trace = pages["fr"].pictures["rfm"][0]["data"][0]
    rows = world.features.to_pylist()
    for f in (1, 2, 3):
        for r in (1, 2, 3):
            here = [row["spend"] for row in rows if (row["r_score"], row["f_score"]) == (r, f)]
            shade, text = trace["z"][f - 1][r - 1], spaced(trace["text"][f - 1][r - 1])
            assert shade == (pytest.approx(sum(here) / len(here)) if here else None)
            assert text == (f"{len(here)}<br>{sum(here) / len(here):.0f} €" if here else "")
    scale = pages["fr"].pictures["rfm"][0]["layout"]["coloraxis"]
    shown = [shade for row in trace["z"] for shade in row if shade is not None]
    assert (scale["cmin"], scale["cmax"]) == (min(shown), max(shown))
    assert scale["colorbar"]["title"]["text"] == "Dépense"
    assert spaced(scale["colorbar"]["ticktext"][-1]) == f"{max(shown):.0f} €"


def test_overlaps_are_shares_of_the_row(world: World, pages: dict[str, Page]) -> None:
    figure = pages["en"].pictures["overlaps"][0]
    labels = {item["label"]["en"]: item["name"] for item in SEGMENTS[:2]}
    across, up = figure["layout"]["xaxis"]["ticktext"], figure["layout"]["yaxis"]["ticktext"]
    for a, of in labels.items():
        for b, also in labels.items():
            drawn = figure["data"][0]["z"][up.index(a)][across.index(b)]
            both = members(world, of) & members(world, also)
            assert drawn == (None if a == b else pytest.approx(len(both) / len(members(world, of))))
    assert "Nobody" not in up
    assert "Not on the map: 1 segment that nobody is in." in spaced(pages["en"].texts["overlaps"])


def test_segments_left_out_of_the_overlaps_are_counted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(people, "SHOWN_OVERLAPS", 2)
    text = spaced(Page(render(world.published, "fr")).texts["overlaps"])
    smallest, empty = "1 segment parmi les plus petits (elle en montre 2 au plus)", "1 segment où il n'y a personne"
    assert f"Pas sur la carte : {smallest} et {empty}." in text


def test_clusterings_and_scores_are_drawn_and_told(pages: dict[str, Page]) -> None:
    groups, scores = pages["fr"].pictures["clusterings"], pages["fr"].pictures["scores"]
    assert sum(len(trace["x"]) for trace in groups[0]["data"]) == 300
    assert groups[1]["data"][0]["x"] == [2, 3, 4]
    lift, influences, gain, calibration, roc, precision = scores
    assert len(lift["data"][0]["y"]) == 10
    assert len(influences["data"][0]["x"]) == 2
    assert gain["data"][2]["y"][-1] == roc["data"][2]["y"][-1] == 1
    assert all(0 <= share <= 1 for share in calibration["data"][2]["y"])
    assert len(set(precision["data"][0]["y"])) == 1  # chance is level
    for curve in (gain, calibration, roc, precision):
        _, band, line = curve["data"]
        n = len(line["y"])
        for low, height, high in zip(band["y"][:n], line["y"], band["y"][n:][::-1], strict=True):
            assert low - 1e-4 <= height <= high + 1e-4
    first = lift["data"][0]["customdata"][0]
    assert re.fullmatch(r"Dixième 1\u00a0: \d+\u202f% \(× \d,\d\)", first)
    told = pages["fr"].texts["scores"]
    assert re.search(r"Parmi les 10\u202f% de profils les mieux notés se trouvent \d+\u202f% ", told)
    assert "faible" in pages["fr"].texts["scores"]


def test_what_was_put_aside_is_told_with_samples(pages: dict[str, Page]) -> None:
    text = pages["fr"].texts["quality"]
    assert "ligne refusée\u00a0: pas un instant" in text
    assert "<i>bad 7</i>" in text
    assert "bad 12" not in text  # three samples are enough
    assert "Textes mis au propre" in text
    assert "Valeurs extrêmes" not in text  # a step that did nothing
    assert "row refused: not an instant" in pages["en"].texts["quality"]


def test_a_report_of_one_snapshot_is_always_the_same(world: World, html: dict[str, str]) -> None:
    """In whatever order the rows of its tables come."""
    in_order = Reading.rows
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Reading, "rows", lambda reading, table: in_order(reading, table)[::-1])
        assert render(world.published, "fr") == html["fr"]


def test_the_run_is_told(world: World, pages: dict[str, Page]) -> None:
    text = pages["fr"].texts["facts"]
    for told in ("run2", "Europe/Paris", "Nettoyage", "refait\u00a0: premier calcul", "1,2\u00a0s", "3\u00a0jours"):
        assert told in text
    assert "nouveautés : commandes (2)" in spaced(text)
    assert "refait : après l'étape « Nettoyage »" in spaced(text)
    assert "add: new from orders (2)" in pages["en"].texts["facts"]
    assert "ont changé depuis" not in text


def test_definitions_changed_since_the_run_are_told(world: World) -> None:
    changed = definitions(world.published.definitions.folder, segments=SEGMENTS[:1])
    assert "have changed since this run" in Page(render(Published(changed), "en")).texts["facts"]


# ── what is missing ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_single_run_has_no_moves_and_no_history(tmp_path: Path) -> None:
    page = Page(render(publish(tmp_path, runs=1).published, "fr"))
    assert len(page.pictures["glance"]) == 1
    assert "L'historique commence avec ce calcul" in page.texts["glance"]
    assert "Entrés" not in page.texts["glance"]


def test_without_models_kpi_and_scores_their_sections_are_left_out(tmp_path: Path) -> None:
    world = publish(tmp_path, models=[], validation={"minimum_size": 10})
    page = Page(render(world.published, "en"))
    assert not {"clusterings", "scores"} & set(page.texts)
    assert "Not judged" in page.texts["glance"]
    assert page.pictures["rfm"][0]["data"][0]["z"]  # coloured by the number of profiles


def test_without_quantile_scores_there_is_no_heat_map_of_them(tmp_path: Path) -> None:
    features = [item for item in definitions(tmp_path).project.features if item.quantiles is None]
    world = publish(tmp_path, features=[item.model_dump() for item in features])
    assert "rfm" not in Page(render(world.published, "en")).texts


def test_a_model_that_was_never_fitted_is_told(tmp_path: Path) -> None:
    world = publish(tmp_path, models=[])
    page = Page(render(Published(definitions(tmp_path)), "en"))
    assert world.published.snapshot.run == "run2"
    assert "could not be fitted yet" in page.texts["scores"]
    assert "could not be fitted yet" in page.texts["clusterings"]


@pytest.mark.parametrize("segments", [SEGMENTS, []])
def test_a_project_of_nobody_has_a_report(tmp_path: Path, segments: list[dict[str, object]]) -> None:
    page = Page(render(publish_little(tmp_path, segments=segments).published, "fr"))
    assert ("ne définit aucun segment" in page.texts["glance"]) == (not segments)
    assert "Rien n'a été écarté ni rendu inconnu" in page.texts["quality"]


# ── how it is written ───────────────────────────────────────────────────────────────────────────────────────────────


def test_texts_of_users_are_never_markup(html: dict[str, str], pages: dict[str, Page]) -> None:
    for language, page in pages.items():
        assert NASTY in page.texts["glance"]
        assert NASTY in page.texts["cards"]
        assert len(page.scripts) == 2  # plotly.js and the report's own
        assert not any(tag in ("b", "i") and not attributes for tag, attributes in page.tags)
        assert "<script>alert" not in html[language]
        for figure in (figure for figures in page.pictures.values() for figure in figures):
            assert "<script" not in str(figure)


def test_nothing_comes_from_outside(html: dict[str, str], pages: dict[str, Page]) -> None:
    for page in pages.values():
        for _, attributes in page.tags:
            for name in ("src", "href", "action", "data"):
                assert (attributes.get(name) or "#").startswith(("#", "data:,"))
        policy = next(item["content"] for tag, item in page.tags if item.get("http-equiv") == "Content-Security-Policy")
        assert policy is not None and policy.startswith("default-src 'none'") and "http" not in policy
    assert all(len(text.encode()) < 8e6 for text in html.values())


def test_links_lead_somewhere(pages: dict[str, Page]) -> None:
    for page in pages.values():
        ids = {attributes.get("id") for _, attributes in page.tags}
        links = [attributes.get("href") or "" for tag, attributes in page.tags if tag == "a"]
        assert links
        assert {link.removeprefix("#") for link in links} <= ids


def test_pictures_have_words(pages: dict[str, Page]) -> None:
    for page in pages.values():
        pictures = [attributes for _, attributes in page.tags if attributes.get("class") == "picture"]
        assert len(pictures) == sum(map(len, page.pictures.values()))
        assert all(attributes["role"] == "img" and attributes["aria-label"] for attributes in pictures)


def test_wide_tables_scroll_by_themselves(pages: dict[str, Page]) -> None:
    for page in pages.values():
        around, columns = "", 0
        widest: dict[str, int] = {}
        for tag, attributes in page.tags:
            if tag == "div":
                around = attributes.get("class") or ""
            elif tag == "table":
                columns = 0
            elif tag == "th" and attributes.get("scope") == "col":
                columns += 1
                widest[around] = max(widest.get(around, 0), columns)
        assert {around for around, columns in widest.items() if columns > 5 and "scroll" not in around} == set()


def test_it_is_written_where_asked_and_in_the_projects_language(world: World, tmp_path: Path) -> None:
    folder = world.published.definitions.folder
    assert write_report(world.published) == report_path(world.published) == folder / ".facette" / "report.html"
    elsewhere = write_report(world.published, language="en", path=tmp_path / "deep" / "report.html")
    assert '<html lang="fr">' in report_path(world.published).read_text(encoding="utf-8")
    assert '<html lang="en">' in elsewhere.read_text(encoding="utf-8")
    assert [path.name for path in elsewhere.parent.iterdir()] == ["report.html"]


def test_an_unknown_language_is_refused(world: World) -> None:
    with pytest.raises(FacetteError, match="does not speak"):
        write_report(world.published, language="de")


def test_before_the_first_run_there_is_nothing_to_report(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        write_report(Published(definitions(tmp_path)))
