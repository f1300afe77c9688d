"""What the report says of how groups were found: methods side by side, the hierarchy, and what became of whom."""

from __future__ import annotations

from facette.models.clusters.fitted import NOBODY, ClustersMetrics, Compared, Shift
from facette.validation.verdicts import MEASURES
from facette.web.report.group_pictures import hierarchy, measures
from facette.web.report.pictures import Picture
from facette.web.report.reading import Reading, Row

TOLD_SHARES = 0.005
"""A smaller share of a group's members is not told apart."""


def comparison(reading: Reading, metrics: ClustersMetrics) -> Row | None:
    """A table and a picture of every method; None if there is only one."""
    if len(metrics.comparison) < 2:
        return None
    words, effect = reading.words, reading.words.say("method_effect", measure=_effect(reading))
    heads = ["method", "number_of_groups", "silhouette", "davies_bouldin", "calinski_harabasz", "validity"]
    heads += ["stability", "rand", "smallest_group", "in_no_group"]
    return {
        "intro": words.say(
            "comparison_intro",
            method=method_name(reading, metrics.method),
            objective=words.say(f"objective_{metrics.objective}"),
        ),
        "heads": [*(words.say(head) for head in heads), effect, words.say("seconds")],
        "rows": [_row(reading, row) for row in metrics.comparison],
        "picture": _picture(reading, metrics),
    }


def _effect(reading: Reading) -> str:
    return MEASURES[reading.definitions.project.validation.test]


def method_name(reading: Reading, method: str) -> str:
    return reading.words.say(f"method_{method}")


def _row(reading: Reading, row: Compared) -> Row:
    words = reading.words
    cells = [
        words.number(row.clusters) if row.clusters else "–",
        *(_fixed(reading, value) for value in (row.silhouette, row.davies_bouldin)),
        words.number(None if row.calinski_harabasz is None else round(row.calinski_harabasz)),
        *(_fixed(reading, value) for value in (row.validity, row.stability, row.rand)),
        *(words.percent(share) for share in (row.smallest, row.noise)),
        _fixed(reading, row.effect),
        words.seconds(row.seconds),
    ]
    parameters = [
        words.labelled(words.say(f"parameter_{name}"), _value(reading, value))
        for name, value in row.parameters.items()
        if words.has(f"parameter_{name}")
    ]
    return {
        "method": method_name(reading, row.method),
        "parameters": words.say("nothing_found") if row.remark else ", ".join(parameters),
        "cells": cells,
        "is_published": row.is_published,
    }


def _fixed(reading: Reading, value: float | None) -> str:
    return "–" if value is None else reading.words.fixed(value, 2)


def _value(reading: Reading, value: float | str) -> str:
    return reading.words.say(f"linkage_{value}") if isinstance(value, str) else reading.words.number(value)


def _picture(reading: Reading, metrics: ClustersMetrics) -> Picture:
    words, rows = reading.words, metrics.comparison
    names = [method_name(reading, row.method) for row in rows]
    curves = []
    for key in ("silhouette", "stability", "rand", "effect"):
        values = [getattr(row, key) for row in rows]
        if any(value is not None for value in values):
            name = words.say("method_effect", measure=_effect(reading)) if key == "effect" else words.say(key)
            told = [
                f"{method}\n{words.labelled(name, _fixed(reading, value))}"
                for method, value in zip(names, values, strict=True)
            ]
            curves.append((name, values, told))
    published = next(place for place, row in enumerate(rows) if row.is_published)
    return Picture(
        title="",
        caption=words.say("comparison_caption"),
        alt=words.say("comparison_alt", methods=words.listed(names)),
        height=110 + 44 * len(rows),
        figure=measures(names, curves, published),
    )


def dendrogram(reading: Reading, metrics: ClustersMetrics) -> Picture | None:
    """The upper merges, if the groups come from a hierarchy."""
    shown, words = metrics.dendrogram, reading.words
    if shown is None:
        return None
    return Picture(
        title=words.say("hierarchy"),
        caption=words.say("hierarchy_caption", leaves=words.number(len(shown.leaves))),
        alt=words.say("hierarchy_alt", leaves=words.number(len(shown.leaves)), groups=words.number(metrics.clusters)),
        height=360,
        figure=hierarchy(
            [words.number(size) for size in shown.leaves],
            [(merge.left, merge.right, merge.height) for merge in shown.merges],
            shown.cut,
            words.say("hierarchy_height"),
        ),
    )


def shift(reading: Reading, moved: Shift | None) -> Row | None:
    """Who changed group since the previous fit, and what became of each group; None if there was none."""
    if moved is None:
        return None
    words = reading.words
    fates = []
    for fate in moved.fates:
        parts = [
            words.say(
                "fate_stayed" if number == fate.number else "fate_none" if number == NOBODY else "fate_moved",
                share=words.percent(share),
                group=words.say("group", number=number).lower(),
            )
            for number, share in fate.into.items()
            if share >= TOLD_SHARES
        ]
        name = words.say("group", number=fate.number)
        told = words.listed(parts) if parts else words.say("fate_empty")
        fates.append(words.labelled(f"{name} ({words.count(fate.size, 'profile')})", told))
    return {"told": words.say("shift", share=words.percent(moved.moved)), "fates": fates}
