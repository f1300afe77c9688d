"""What plotly.js is told to draw."""

from __future__ import annotations

from facette.web.report.pictures import BLUE, Bar, Cells, Picture, Scale, bars, columns, heat_map, sparkline

BARS = [Bar("Clients de la station-service", 12, "12 (40 %)", "Utile", BLUE), Bar("Autres", 3, "3", "Utile", BLUE)]
CELLS = Cells(shades=[[0.2, None]], texts=[["20", ""]], told=[["20 %", ""]])


def heights(values: list[float]) -> list[float]:
    return [float(point.split(",")[1]) for point in sparkline(values).split()]


def test_sparklines_climb_as_their_values_do() -> None:
    assert abs(heights([3223, 3224])[0] - heights([3223, 3224])[1]) <= 0.1
    low, high = heights([100, 200])
    assert low - high == 10  # half of the height
    assert heights([0, 0]) == [23, 23]


def test_on_a_narrow_screen_names_stand_above_their_bars() -> None:
    figure = bars(BARS, "Profils")
    assert figure["layout"]["yaxis"]["ticktext"][0] == BARS[0].name
    assert not figure["narrow"]["yaxis"]["visible"]
    assert [(item["y"], item["text"]) for item in figure["narrow"]["annotations"]] == [
        (place, item.name) for place, item in enumerate(BARS)
    ]
    assert figure["narrow"]["margin"]["l"] < 20


def test_the_line_of_all_does_not_strike_through_the_labels() -> None:
    figure = columns([0.5, 0.1], ["a", "b"], ["50 %", "10 %"], 0.12, "Dixième")
    labels = figure["layout"]["annotations"]
    assert [(label["x"], label["y"], label["text"]) for label in labels] == [(1, 0.5, "50 %"), (2, 0.1, "10 %")]
    assert all(label["bgcolor"] == "#fff" for label in labels)
    assert "text" not in figure["data"][0]


def test_shades_have_a_legend_where_they_have_a_scale() -> None:
    figure = heat_map(CELLS, ["1", "2"], ["1"], scale=Scale("Dépense", [(0.2, "20 €"), (0.4, "40 €")]))
    for layout in (figure["layout"], figure["narrow"]):
        colours = layout["coloraxis"]
        assert (colours["cmin"], colours["cmax"], colours["showscale"]) == (0.2, 0.4, True)
        assert colours["colorbar"]["title"]["text"] == "Dépense"
        assert colours["colorbar"]["ticktext"] == ["20 €", "40 €"]
    without = heat_map(CELLS, ["1", "2"], ["1"])["layout"]["coloraxis"]
    assert (without["cmin"], without["cmax"], without["showscale"]) == (0, 1, False)


def test_names_below_are_turned_only_where_they_have_no_room() -> None:
    for across, wide in ((["axe 1 (27 %)", "axe 2 (25 %)"], 0), (["clients très fidèles"] * 9, -40)):
        figure = heat_map(CELLS, across, ["1"])
        angles = [layout["xaxis"]["tickangle"] for layout in (figure["layout"], figure["narrow"])]
        assert angles == [wide, -40]


def test_a_picture_has_a_height_for_each_kind_of_screen() -> None:
    picture = Picture("", "", "", 300, {}, width=420, narrow_height=500)
    assert picture.style == "--height:300px;--narrow:500px;min-width:420px"
    assert Picture("", "", "", 300, {}).style == "--height:300px;--narrow:300px;min-width:0px"
