"""The report's pictures, as the plain data that plotly.js draws. Nothing here knows where the numbers come from.

Every text is already in the reader's language. Categories stand at whole numbers with their names as tick texts, so
that two names that look alike never become one, and names are escaped: plotly.js reads some HTML in texts.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Any

from markupsafe import Markup

BLUE, ORANGE, GREEN, GREY = "#0072b2", "#d55e00", "#009e73", "#8a94a3"
PALETTE = (BLUE, "#e69f00", GREEN, "#cc79a7", "#56b4e9", ORANGE, "#7a6a00", "#5b3a8e", "#8a94a3", "#333b47")
"""Okabe and Ito (2008), which colour-blind readers can tell apart, then four more."""
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x", "star", "triangle-down", "pentagon", "hexagon")
SHADES = ((0, "#f3f7fb"), (0.25, "#c7dcee"), (0.5, "#86b6da"), (0.75, "#3e86bd"), (1, "#08467e"))
LONGEST_NAME, NARROW_NAME = 34, 16
FLAT_NAMES = 70
"""So many letters in all stand beside each other below a picture without being turned."""
HOVER = "%{customdata}<extra></extra>"


@dataclass(frozen=True)
class Picture:
    """A figure of plotly.js with its title, how to read it, what it shows in words, and its size in pixels.

    figure : data, layout, and what of the layout is otherwise on a narrow screen (``narrow``)
    width  : on a screen that has less, the picture keeps it and scrolls
    narrow_height : on a narrow screen; the same as elsewhere unless given
    """

    title: str
    caption: str
    alt: str
    height: int
    figure: dict[str, Any]
    width: int = 0
    narrow_height: int = 0

    @property
    def style(self) -> str:
        return f"--height:{self.height}px;--narrow:{self.narrow_height or self.height}px;min-width:{self.width}px"

    @property
    def json(self) -> Markup:
        """The figure as JSON that may stand inside a ``<script>``."""
        text = json.dumps(self.figure, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))


@dataclass(frozen=True)
class Bar:
    """A named length, with what to say of it, and the colour and name of its kind."""

    name: str
    length: float
    told: str
    kind: str
    colour: str


@dataclass(frozen=True)
class Line:
    """A named curve over instants, with what to say of each point."""

    name: str
    at: Sequence[datetime]
    values: Sequence[float]
    told: Sequence[str]
    is_shown: bool


@dataclass(frozen=True)
class Cells:
    """Rows of a heat map, from the bottom up: the shade of each cell (None: blank), its text, and what to say of it."""

    shades: Sequence[Sequence[float | None]]
    texts: Sequence[Sequence[str]]
    told: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Estimate:
    """An estimate with its interval, in the row of that place, of one of several kinds; and what to say of it."""

    place: int
    kind: str
    value: float
    low: float
    high: float
    told: str


@dataclass(frozen=True)
class Scale:
    """What the shades of a heat map stand for: a name, and some values from the lightest to the darkest in words."""

    name: str
    values: Sequence[tuple[float, str]]

    def colours(self, bar: dict[str, Any]) -> dict[str, Any]:
        return {"cmin": self.values[0][0], "cmax": self.values[-1][0], "showscale": True, "colorbar": bar}

    def bar(self, title: dict[str, Any], **place: Any) -> dict[str, Any]:
        return {
            "title": titled(self.name) | title,
            "tickvals": [value for value, _ in self.values],
            "ticktext": [plain(text) for _, text in self.values],
            "thickness": 12,
            "outlinewidth": 0,
            **place,
        }


def bars(items: Sequence[Bar], axis: str) -> dict[str, Any]:
    """Horizontal bars, the first on top; one legend entry per kind."""
    traces: list[dict[str, Any]] = []
    for kind in dict.fromkeys(item.kind for item in items):
        places = [place for place, item in enumerate(items) if item.kind == kind]
        traces.append(
            {
                "type": "bar",
                "orientation": "h",
                "name": plain(kind),
                "y": places,
                "x": [items[place].length for place in places],
                "customdata": [plain(f"{items[place].name}\n{items[place].told}") for place in places],
                "text": [plain(items[place].told) for place in places],
                "textposition": "outside",
                "cliponaxis": False,
                "hovertemplate": HOVER,
                "marker": {"color": items[places[0]].colour},
            }
        )
    layout: dict[str, Any] = {
        "xaxis": {"title": titled(axis), "rangemode": "tozero", "tickformat": ","},
        "yaxis": _named([item.name for item in items], autorange="reversed"),
        "margin": {"l": _room([item.name for item in items]), "r": 110},
        "bargap": 0.35,
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
    }
    above = {"x": 0, "xanchor": "left", "yanchor": "bottom", "yshift": 7, "showarrow": False}
    narrow: dict[str, Any] = {
        "yaxis": {"visible": False, "autorange": "reversed"},
        "xaxis": layout["xaxis"] | {"nticks": 4},
        "annotations": [above | {"y": place, "text": plain(item.name)} for place, item in enumerate(items)],
        "margin": {"l": 8, "r": 96},
        "bargap": 0.66,
    }
    return {"data": traces, "layout": layout, "narrow": narrow}


@dataclass(frozen=True)
class Part:
    """One kind's part of each of several bars: its lengths from the first bar on, and what to say of them."""

    kind: str
    colour: str
    lengths: Sequence[float]
    told: Sequence[str]


def parts(names: Sequence[str], items: Sequence[Part], axis: str) -> dict[str, Any]:
    """Horizontal bars made of parts, the first bar on top; one legend entry per kind."""
    whole = [Bar(name, 0, "", "", "") for name in names]
    figure = bars(whole, axis)
    figure["data"] = [
        {
            "type": "bar",
            "orientation": "h",
            "name": plain(item.kind),
            "y": list(range(len(names))),
            "x": list(item.lengths),
            "customdata": [plain(text) for text in item.told],
            "text": [plain(f"{length:.0f}") if length else "" for length in item.lengths],
            "textposition": "inside",
            "insidetextanchor": "middle",
            "hovertemplate": HOVER,
            "marker": {"color": item.colour},
        }
        for item in items
    ]
    figure["layout"] |= {"barmode": "stack", "legend": figure["layout"]["legend"] | {"traceorder": "normal"}}
    return figure


def lines(items: Sequence[Line], ticks: Sequence[tuple[datetime, str]], axis: str) -> dict[str, Any]:
    """Curves over time, with a legend that shows and hides them."""
    traces = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": plain(short(item.name)),
            "x": [_axis_instant(instant) for instant in item.at],
            "y": list(item.values),
            "customdata": [plain(f"{item.name}\n{text}") for text in item.told],
            "hovertemplate": HOVER,
            "visible": True if item.is_shown else "legendonly",
            "line": {"color": PALETTE[place % len(PALETTE)], "width": 2},
            "marker": {"symbol": SYMBOLS[place % len(SYMBOLS)], "size": 7},
        }
        for place, item in enumerate(items)
    ]
    layout: dict[str, Any] = {
        "xaxis": {
            "type": "date",
            "tickvals": [_axis_instant(instant) for instant, _ in ticks],
            "ticktext": [plain(text) for _, text in ticks],
        },
        "yaxis": {"title": titled(axis), "rangemode": "tozero", "tickformat": ","},
    }
    narrow: dict[str, Any] = {
        "yaxis": {"rangemode": "tozero", "tickformat": ","},
        "legend": {"orientation": "h", "y": -0.12, "yanchor": "top", "x": 0},
        "margin": {"l": 44, "r": 40},
    }
    return {"data": traces, "layout": layout, "narrow": narrow}


def heat_map(
    cells: Cells,
    across: Sequence[str],
    up: Sequence[str],
    *,
    x_title: str = "",
    y_title: str = "",
    scale: Scale | None = None,
) -> dict[str, Any]:
    """Shaded cells; the first row is at the bottom. Without a scale, shades go from 0 to 1 and have no legend."""
    trace = {
        "type": "heatmap",
        "z": [list(row) for row in cells.shades],
        "text": [[plain(text) for text in row] for row in cells.texts],
        "customdata": [[plain(text) for text in row] for row in cells.told],
        "texttemplate": "%{text}",
        "hovertemplate": HOVER,
        "hoverongaps": False,
        "coloraxis": "coloraxis",
        "xgap": 2,
        "ygap": 2,
    }
    colours: dict[str, Any] = {
        "colorscale": [list(shade) for shade in SHADES],
        "cmin": 0,
        "cmax": 1,
        "showscale": False,
    }
    longest = max(map(len, across))
    is_long, is_wide = longest > 4, longest > 4 and longest * len(across) > FLAT_NAMES
    left = _room(up) + (52 if y_title else 0)
    slanted = _room(across) * 0.7
    layout: dict[str, Any] = {
        "xaxis": _named(across, title=titled(x_title), tickangle=-40 if is_wide else 0),
        "yaxis": _named(up, title=titled(y_title) | {"standoff": 12}),
        "coloraxis": colours | (scale.colours(scale.bar({"side": "right"})) if scale else {}),
        "margin": {"l": left, "b": slanted if is_wide else 72},
    }
    cut = [short(name, NARROW_NAME) for name in up]
    below = scale.bar({"side": "bottom"}, orientation="h", y=-0.3, yanchor="top") if scale else {}
    narrow: dict[str, Any] = {
        "xaxis": _named(across, title=titled(x_title), tickangle=-40 if is_long else 0),
        "yaxis": _named(cut, title=titled(y_title) | {"standoff": 12}),
        "coloraxis": colours | (scale.colours(below) if scale else {}),
        "margin": {"l": left + _room(cut) - _room(up), "b": slanted if is_long else 72},
    }
    return {"data": [trace], "layout": layout, "narrow": narrow}


def columns(
    values: Sequence[float], told: Sequence[str], texts: Sequence[str], level: float, axis: str
) -> dict[str, Any]:
    """Upright bars 1 … n, with a horizontal line at a level."""
    places = list(range(1, len(values) + 1))
    trace = {
        "type": "bar",
        "x": places,
        "y": list(values),
        "customdata": [plain(text) for text in told],
        "hovertemplate": HOVER,
        "marker": {"color": [BLUE if value > level else "#9dc3de" for value in values]},
    }
    line = {
        "type": "line",
        "layer": "below",
        "xref": "paper",
        "x0": 0,
        "x1": 1,
        "y0": level,
        "y1": level,
        "line": {"color": ORANGE, "width": 2, "dash": "dot"},
    }
    layout: dict[str, Any] = {
        "xaxis": {"tickvals": places, "showgrid": False, "title": titled(axis)},
        "yaxis": {"showticklabels": False, "showgrid": False, "rangemode": "tozero"},
        "shapes": [line],
        "annotations": [  # on the line, and not struck through by it
            {
                "x": place,
                "y": value,
                "yanchor": "bottom",
                "text": plain(text),
                "showarrow": False,
                "bgcolor": "#fff",
                "borderpad": 1,
            }
            for place, value, text in zip(places, values, texts, strict=True)
        ],
        "bargap": 0.2,
    }
    return {"data": [trace], "layout": layout}


def forest(items: Sequence[Estimate], rows: Sequence[str], axis: str) -> dict[str, Any]:
    """Points with their intervals beside 0, the first row on top; the kinds of a row below each other."""
    kinds = list(dict.fromkeys(item.kind for item in items))
    step = 0.62 / len(kinds)
    traces = []
    for place, kind in enumerate(kinds):
        mine = [item for item in items if item.kind == kind]
        shift = (place - (len(kinds) - 1) / 2) * step
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": plain(kind),
                "x": [item.value for item in mine],
                "y": [item.place + shift for item in mine],
                "error_x": {
                    "type": "data",
                    "symmetric": False,
                    "array": [item.high - item.value for item in mine],
                    "arrayminus": [item.value - item.low for item in mine],
                    "thickness": 2,
                    "width": 0,
                },
                "customdata": [plain(item.told) for item in mine],
                "hovertemplate": HOVER,
                "marker": {"color": PALETTE[place % len(PALETTE)], "symbol": SYMBOLS[place % len(SYMBOLS)], "size": 8},
            }
        )
    zero = {"zeroline": True, "zerolinewidth": 2, "zerolinecolor": GREY}
    stripes = [
        {
            "type": "rect",
            "layer": "below",
            "xref": "paper",
            "x0": 0,
            "x1": 1,
            "y0": place - 0.5,
            "y1": place + 0.5,
            "fillcolor": "#f5f7fa",
            "line": {"width": 0},
        }
        for place in range(0, len(rows), 2)
    ]
    across = {"range": [len(rows) - 0.5, -0.5], "showgrid": False, "zeroline": False}
    layout: dict[str, Any] = {
        "xaxis": {"title": titled(axis), **zero},
        "yaxis": _named(rows, **across),
        "shapes": stripes,
        "margin": {"l": _room(rows), "r": 24},
        "legend": {"orientation": "h", "x": 0, "y": 1.01, "yanchor": "bottom"},
        "showlegend": True,
    }
    cut = [short(name, NARROW_NAME) for name in rows]
    narrow: dict[str, Any] = {"yaxis": _named(cut, **across), "margin": {"l": _room(cut), "r": 8}}
    return {"data": traces, "layout": layout, "narrow": narrow}


def sparkline(values: Sequence[float], *, width: int = 84, height: int = 24) -> str:
    """The points of an SVG polyline through the values, from the left to the right edge, over a base at 0."""
    step, highest = (width - 4) / max(1, len(values) - 1), max(*values, 1)
    return " ".join(
        f"{2 + place * step:.1f},{height - 1 - value / highest * (height - 4):.1f}"
        for place, value in enumerate(values)
    )


def plain(text: str) -> str:
    """A text that plotly.js shows as it is; lines break where it has line ends."""
    return escape(text, quote=False).replace("\n", "<br>")


def short(name: str, longest: int = LONGEST_NAME) -> str:
    """A name cut to what fits beside an axis."""
    return name if len(name) <= longest else f"{name[: longest - 1].rstrip()}…"


def titled(text: str) -> dict[str, Any]:
    """What an axis or a scale is called."""
    return {"text": plain(text), "font": {"size": 13}}


def _named(names: Sequence[str], **rest: Any) -> dict[str, Any]:
    """An axis whose places 0 … n − 1 have names."""
    return {
        "tickvals": list(range(len(names))),
        "ticktext": [plain(short(name)) for name in names],
        "showgrid": False,
        "zeroline": False,
        **rest,
    }


def _room(names: Sequence[str]) -> int:
    """Pixels that the longest name takes beside an axis."""
    return 24 + round(6.8 * max((len(short(name)) for name in names), default=0))


def _axis_instant(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%d %H:%M:%S")
