"""Pictures of profiles as points, flat or in three dimensions; see :mod:`facette.web.report.pictures`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from facette.web.report.pictures import ORANGE, PALETTE, SYMBOLS, plain, titled


def cloud(
    groups: Sequence[tuple[str, Sequence[float], Sequence[float]]],
    *,
    marked: tuple[str, Sequence[float], Sequence[float]] | None = None,
    axes: tuple[str, str] = ("", ""),
) -> dict[str, Any]:
    """Points of several groups on a plane whose axes have no unit; around those that are marked there is a ring."""
    traces = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": plain(name),
            "x": [round(value, 3) for value in xs],
            "y": [round(value, 3) for value in ys],
            "hoverinfo": "name",
            "marker": {
                "color": PALETTE[place % len(PALETTE)],
                "symbol": SYMBOLS[place % len(SYMBOLS)],
                "size": 6,
                "opacity": 0.6,
            },
        }
        for place, (name, xs, ys) in enumerate(groups)
    ]
    if marked is not None and marked[1]:
        ring = {"color": "rgba(0,0,0,0)", "size": 12, "line": {"color": ORANGE, "width": 2}}
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": plain(marked[0]),
                "x": list(marked[1]),
                "y": list(marked[2]),
                "hoverinfo": "name",
                "marker": ring,
            }
        )
    bare = {"showticklabels": False, "showgrid": False, "zeroline": False}
    layout: dict[str, Any] = {
        "xaxis": bare | {"title": titled(axes[0])},
        "yaxis": bare | {"title": titled(axes[1])},
        "legend": {"orientation": "h", "y": -0.22 if axes[0] else -0.05, "itemsizing": "constant"},
    }
    return {"data": traces, "layout": layout}


def space(
    groups: Sequence[tuple[str, Sequence[Sequence[float]]]],
    *,
    marked: tuple[str, Sequence[Sequence[float]]],
    axes: tuple[str, str, str] = ("", "", ""),
) -> dict[str, Any]:
    """Points of several groups in three dimensions, which the reader turns; those that are marked are open diamonds."""
    traces: list[dict[str, Any]] = []
    for place, (name, points) in enumerate([*groups, marked] if marked[1] else groups):
        is_marked = place == len(groups)
        traces.append(
            {
                "type": "scatter3d",
                "mode": "markers",
                "name": plain(name),
                **{axis: [point[i] for point in points] for i, axis in enumerate("xyz")},
                "hoverinfo": "name",
                "marker": {
                    "color": ORANGE if is_marked else PALETTE[place % len(PALETTE)],
                    "symbol": "diamond-open" if is_marked else "circle",
                    "size": 6 if is_marked else 3,
                    "opacity": 0.75,
                },
            }
        )
    bare = {"showticklabels": False, "showspikes": False, "gridcolor": "#e6eaf0", "zeroline": False}
    scene = {f"{axis}axis": bare | {"title": titled(title)} for axis, title in zip("xyz", axes, strict=True)}
    layout: dict[str, Any] = {
        "scene": scene | {"camera": {"eye": {"x": 1.5, "y": 1.5, "z": 0.9}}},
        "dragmode": "orbit",
        "margin": {"l": 0, "r": 0, "t": 0, "b": 0},
        "legend": {"orientation": "h", "y": -0.02, "itemsizing": "constant"},
    }
    return {"data": traces, "layout": layout}
