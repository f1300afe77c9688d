"""Pictures of how groups were found: methods beside each other, and a hierarchy of groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from facette.web.report.pictures import BLUE, GREY, HOVER, ORANGE, PALETTE, SYMBOLS, plain


def measures(
    methods: Sequence[str], curves: Sequence[tuple[str, Sequence[float | None], Sequence[str]]], published: int
) -> dict[str, Any]:
    """A row per method, the first on top, with a mark per measure between −1 and 1.

    curves    : measure, its value per method (None: not measured), and what to say of each
    published : place of the method that is; its name is in bold
    """
    traces = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": plain(name),
            "x": list(values),
            "y": list(range(len(methods))),
            "customdata": [plain(text) for text in told],
            "hovertemplate": HOVER,
            "cliponaxis": False,
            "marker": {"color": PALETTE[place], "symbol": SYMBOLS[place], "size": 11, "opacity": 0.85},
        }
        for place, (name, values, told) in enumerate(curves)
    ]
    known = [value for _, values, _ in curves for value in values if value is not None]
    names = [f"<b>{plain(name)}</b>" if place == published else plain(name) for place, name in enumerate(methods)]
    layout: dict[str, Any] = {
        "xaxis": {"range": [min(0.0, *known) - 0.02, 1.02], "zeroline": True},
        "yaxis": {
            "tickvals": list(range(len(methods))),
            "ticktext": names,
            "range": [len(methods) - 0.5, -0.5],
            "zeroline": False,
        },
        "margin": {"l": 150},
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
    }
    return {"data": traces, "layout": layout, "narrow": {"margin": {"l": 120}}}


def hierarchy(leaves: Sequence[str], merges: Sequence[tuple[int, int, float]], cut: float, axis: str) -> dict[str, Any]:
    """A dendrogram: leaves at the bottom, a bracket per merge at its height, a dashed line where it is cut.

    merges : two groups and a height; leaves are 0 … n − 1, merges n, n + 1, …
    """
    n = len(leaves)
    order: list[int] = []
    waiting = [n + len(merges) - 1]
    while waiting:
        group = waiting.pop()
        if group < n:
            order.append(group)
        else:
            waiting += [merges[group - n][1], merges[group - n][0]]
    across = {leaf: float(place) for place, leaf in enumerate(order)}
    height = dict.fromkeys(range(n), 0.0)
    xs: list[float | None] = []
    ys: list[float | None] = []
    for place, (left, right, level) in enumerate(merges):
        xs += [across[left], across[left], across[right], across[right], None]
        ys += [height[left], level, level, height[right], None]
        across[n + place], height[n + place] = (across[left] + across[right]) / 2, level
    lines = {"type": "scatter", "mode": "lines", "hoverinfo": "skip", "showlegend": False}
    traces = [
        lines | {"x": xs, "y": ys, "line": {"color": BLUE, "width": 1.5}},
        lines | {"x": [-0.5, n - 0.5], "y": [cut, cut], "line": {"color": ORANGE, "width": 1.5, "dash": "dash"}},
    ]
    layout: dict[str, Any] = {
        "xaxis": {
            "tickvals": list(range(n)),
            "ticktext": [plain(leaves[leaf]) for leaf in order],
            "tickangle": -90,
            "tickfont": {"color": GREY, "size": 10},
            "showgrid": False,
            "zeroline": False,
        },
        "yaxis": {"title": {"text": plain(axis), "font": {"size": 13}}, "rangemode": "tozero"},
        "showlegend": False,
    }
    return {"data": traces, "layout": layout}
