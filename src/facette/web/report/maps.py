"""The report's section about maps: the axes along which profiles differ, and pictures on which like ones lie close."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from facette.definitions.models import MapModel
from facette.models.maps import Axis, FittedMap, MapMetrics
from facette.models.maps import Picture as Drawn
from facette.web.report.pictures import Cells, Picture, heat_map
from facette.web.report.point_pictures import cloud, space
from facette.web.report.reading import Reading, Row

SHOWN_COLUMNS = 25
"""Columns in the table of axes, at most: those that have most to do with some axis."""


def maps(reading: Reading) -> list[Row]:
    """Per map: what it sums up, its axes with their names, and its pictures."""
    return [_map(reading, item) for item in reading.definitions.project.models if isinstance(item, MapModel)]


def _map(reading: Reading, model: MapModel) -> Row:
    words, fitted = reading.words, reading.map(model.name)
    section: Row = {
        "label": reading.column(model.name),
        "description": reading.description(model),
        "is_fitted": fitted is not None,
    }
    if fitted is None:
        return section
    metrics = fitted.metrics
    names = [_name(reading, axis) for axis in metrics.axes]
    colours, of_colour = _colours(reading, model, metrics.profiles)
    return section | {
        "facts": words.say(
            "maps_facts",
            axes=words.count(len(metrics.axes), "axis"),
            share=words.percent(sum(metrics.explained_variance[: metrics.components])),
            rows=words.count(metrics.rows, "profile"),
        ),
        "outliers": words.say("maps_outliers", outliers=words.count(metrics.outliers, "profile")),
        "names": [words.say("axis", number=i, name=name) for i, name in enumerate(names, start=1)],
        "axes": _axes(reading, fitted, names),
        "pictures": [
            _picture(reading, metrics, drawn, colours, of_colour) for drawn in metrics.pictures if drawn.places
        ],
    }


def _name(reading: Reading, axis: Axis) -> str:
    """What an axis is about: the columns that have most to do with it, those that go down with it after a minus."""
    said = [
        reading.words.say(
            "axis_up" if item.loading > 0 else "axis_down", name=_column(reading, item.column, item.feature)
        )
        for item in axis.loadings[: axis.n_named]
    ]
    return " ".join(said).removeprefix("+ ")


def _column(reading: Reading, column: str, feature: str) -> str:
    return column.replace(feature, reading.column(feature), 1)


def _axes(reading: Reading, fitted: FittedMap, names: Sequence[str]) -> Picture:
    words, axes = reading.words, fitted.metrics.axes
    loadings = [{item.column: item.loading for item in axis.loadings} for axis in axes]
    features = {item.column: item.feature for item in axes[0].loadings}
    strongest = sorted(features, key=lambda column: -max(abs(of[column]) for of in loadings))[:SHOWN_COLUMNS]
    shown = sorted(strongest, key=lambda column: _rank([abs(of[column]) for of in loadings]), reverse=True)
    labels = [_column(reading, column, features[column]) for column in shown]
    across = _shares(reading, fitted.metrics)
    cells = Cells(
        shades=[[abs(of[column]) for of in loadings] for column in shown],
        texts=[[words.fixed(round(of[column], 2) + 0.0, 2) for of in loadings] for column in shown],  # no −0.00
        told=[
            [f"{label}\n{name}\n{words.fixed(of[column], 2)}" for of, name in zip(loadings, names, strict=True)]
            for column, label in zip(shown, labels, strict=True)
        ],
    )
    return Picture(
        title=words.say("axes_title"),
        caption=words.say("axes_caption"),
        alt=words.say("axes_alt", axes=words.count(len(axes), "axis")),
        height=150 + 27 * len(shown),
        width=260 + 70 * len(axes),
        figure=heat_map(cells, across, labels),
    )


def _shares(reading: Reading, metrics: MapMetrics) -> list[str]:
    """What the axes are called where there is little room."""
    words = reading.words
    return [
        words.say("axis_share", number=i, share=words.percent(axis.share))
        for i, axis in enumerate(metrics.axes, start=1)
    ]


def _rank(loadings: Sequence[float]) -> tuple[int, float]:
    """Columns stand by the axis that they have most to do with, and there by how much."""
    strongest = max(range(len(loadings)), key=lambda place: loadings[place])
    return strongest, -loadings[strongest]


def _picture(
    reading: Reading,
    metrics: MapMetrics,
    drawn: Drawn,
    colours: Mapping[str, Sequence[int]],
    of_colour: str,
) -> Picture:
    """colours : group → the places, among the profiles drawn, of its members."""
    words = reading.words
    far = [place for place, distance in enumerate(metrics.distances) if distance > 1]
    faith = words.say("map_faith", points=words.number(len(drawn.places)), trust=words.fixed(drawn.trustworthiness, 2))
    caption = faith + (words.say("map_coloured", colour=of_colour) if of_colour else "")
    titles = _shares(reading, metrics)[: drawn.dimensions] if drawn.method == "pca" else [""] * drawn.dimensions
    marked = words.say("map_outlier")
    if drawn.dimensions == 2:
        across, up = zip(*drawn.places, strict=True)
        groups = [(name, [across[i] for i in whose], [up[i] for i in whose]) for name, whose in colours.items()]
        ringed = (marked, [across[i] for i in far], [up[i] for i in far])
        figure = cloud(groups, marked=ringed, axes=(titles[0], titles[1]))
    else:
        caption += words.say("map_turn")
        points = [(name, [drawn.places[i] for i in whose]) for name, whose in colours.items()]
        figure = space(points, marked=(marked, [drawn.places[i] for i in far]), axes=(titles[0], titles[1], titles[2]))
    method = words.say(f"map_{drawn.method}")
    return Picture(
        title=words.say("map_in", method=method, dimensions=drawn.dimensions),
        caption=caption,
        alt=words.say("map_alt", points=words.number(len(drawn.places)), groups=words.count(len(colours), "group")),
        height=440,
        figure=figure,
    )


def _colours(reading: Reading, model: MapModel, profiles: Sequence[int]) -> tuple[dict[str, list[int]], str]:
    """Group → places of its members among the profiles drawn; and what the colours are. Who is gone has none."""
    words = reading.words
    clusterings = [item.name for item in reading.definitions.project.models if item.kind == "clusters"]
    chosen = model.colour or (clusterings[0] if clusterings else None)
    table = reading.published.table("scored" if chosen in clusterings else "wide")
    if chosen is None or chosen not in table.columns:  # a segment may be held back
        return {words.say("map_everybody"): [*range(len(profiles))]}, ""
    rows = table.filter(table.profile_id.isin([*profiles])).select("profile_id", value=table[chosen]).to_pyarrow()
    value_of = dict(zip(rows["profile_id"].to_pylist(), rows["value"].to_pylist(), strict=True))
    found: dict[str, list[int]] = {}
    for value in sorted({value for value in value_of.values() if value is not None}, reverse=chosen not in clusterings):
        if chosen in clusterings:
            name = words.say("group", number=value) if value else words.say("no_group")
        else:
            name = words.say("map_member" if value else "map_other")
        found[name] = [place for place, profile in enumerate(profiles) if value_of.get(profile) == value]
    label = reading.column(chosen) if chosen in clusterings else reading.segment(chosen)
    return found, label
