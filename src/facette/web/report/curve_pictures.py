"""Pictures of curves with their intervals; see :mod:`facette.web.report.pictures`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from facette.web.report.pictures import BLUE, GREY, HOVER, ORANGE, plain, titled

BAND = "rgba(0, 114, 178, 0.16)"


def choice(
    counts: Sequence[int], curves: Sequence[tuple[str, Sequence[float], Sequence[str]]], chosen: int, axis: str
) -> dict[str, Any]:
    """Two curves side by side over the numbers of groups tried; the chosen one is marked."""
    traces: list[dict[str, Any]] = []
    for side, (name, values, told) in enumerate(curves, start=1):
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": plain(name),
                "x": list(counts),
                "y": list(values),
                "customdata": [plain(text) for text in told],
                "hovertemplate": HOVER,
                "xaxis": f"x{side}",
                "yaxis": f"y{side}",
                "line": {"color": GREY, "width": 2},
                "marker": {
                    "color": [ORANGE if count == chosen else GREY for count in counts],
                    "size": [14 if count == chosen else 8 for count in counts],
                },
            }
        )
    across = {"tickvals": list(counts), "title": titled(axis)}
    layout: dict[str, Any] = {
        "xaxis": across | {"domain": [0, 0.4]},
        "xaxis2": across | {"domain": [0.6, 1], "anchor": "y2"},
        "yaxis": {"title": titled(curves[0][0])},
        "yaxis2": {"title": titled(curves[1][0]), "anchor": "x2", "rangemode": "tozero", "tickformat": ","},
        "showlegend": False,
    }
    narrow: dict[str, Any] = {
        "xaxis": {"tickvals": list(counts)},
        "xaxis2": across | {"anchor": "y2"},
        "yaxis": layout["yaxis"] | {"domain": [0.57, 1]},
        "yaxis2": layout["yaxis2"] | {"domain": [0, 0.43]},
    }
    return {"data": traces, "layout": layout, "narrow": narrow}


def against_diagonal(
    name: str,
    points: Sequence[tuple[float, float, str]],
    diagonal: str,
    axes: tuple[str, str],
    *,
    highest: float = 1.0,
    percent: Sequence[tuple[float, str]],
    band: tuple[str, Sequence[tuple[float, float, float]]] | None = None,
    level: float | None = None,
    has_markers: bool = True,
) -> dict[str, Any]:
    """A curve of shares beside the diagonal.

    points  : across, up (0–1), what to say of it
    highest : end of both axes
    percent : ticks of both axes, with their texts
    band    : what the shaded band around the curve is called; across, its lower and its upper end
    level   : height of a level line that stands instead of the diagonal
    """
    traces = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": plain(diagonal),
            "x": [0, highest],
            "y": [0, highest] if level is None else [level, level],
            "hoverinfo": "skip",
            "line": {"color": GREY, "dash": "dash", "width": 1.5},
        },
        *_band(band),
        {
            "type": "scatter",
            "mode": "lines+markers" if has_markers else "lines",
            "name": plain(name),
            "x": [x for x, _, _ in points],
            "y": [y for _, y, _ in points],
            "customdata": [plain(told) for _, _, told in points],
            "hovertemplate": HOVER,
            "cliponaxis": False,
            "line": {"color": BLUE, "width": 2.5},
            "marker": {"size": 8},
        },
    ]
    ticks = {
        "tickvals": [value for value, _ in percent],
        "ticktext": [text for _, text in percent],
        "range": [0, highest],
    }
    layout: dict[str, Any] = {
        "xaxis": ticks | {"title": titled(axes[0])},
        "yaxis": ticks | {"title": titled(axes[1])},
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
    }
    return {"data": traces, "layout": layout}


def _band(band: tuple[str, Sequence[tuple[float, float, float]]] | None) -> list[dict[str, Any]]:
    """A shaded area from the lower ends, forth, to the upper ends, back."""
    if band is None:
        return []
    name, ends = band
    return [
        {
            "type": "scatter",
            "mode": "lines",
            "name": plain(name),
            "x": [x for x, _, _ in ends] + [x for x, _, _ in reversed(ends)],
            "y": [round(low, 5) for _, low, _ in ends] + [round(high, 5) for _, _, high in reversed(ends)],
            "fill": "toself",
            "fillcolor": BAND,
            "hoverinfo": "skip",
            "line": {"width": 0},
        }
    ]
