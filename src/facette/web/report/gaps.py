"""The report's section about whom models learn from: what is unknown of whom, and groups beside a reference."""

from __future__ import annotations

from itertools import groupby

from facette.web.report.reading import Reading, Row

MOST_LEVELS = 12
"""Levels of a group that are shown of each feature, at most: those of most profiles."""


def gaps(reading: Reading) -> list[Row]:
    """Per model with something to tell: unknown shares by feature and group, and shares beside the reference."""
    missing = {name: list(rows) for name, rows in groupby(reading.rows("missingness"), key=lambda row: row["model"])}
    shares = {name: list(rows) for name, rows in groupby(reading.rows("representation"), key=lambda row: row["model"])}
    return [
        {
            "label": reading.column(item.name),
            "features": _features(reading, missing.get(item.name, [])),
            "groups": [_level(reading, row) for row in shares.get(item.name, []) if row["reference"] is not None],
        }
        for item in reading.definitions.project.models
        if missing.get(item.name) or shares.get(item.name)
    ]


def _features(reading: Reading, rows: list[Row]) -> list[Row]:
    """One row per feature and level; of a feature the whole comes first."""
    words, found = reading.words, []
    for (feature, group), of_group in groupby(rows, key=lambda row: (row["feature"], row["group"])):
        largest = sorted(of_group, key=lambda row: -row["profiles"])[:MOST_LEVELS]
        for place, row in enumerate(largest):
            association = row["cramers_v"] if place == 0 else None
            found.append(
                {
                    "feature": reading.column(feature) if group is None else "",
                    "who": words.say("gaps_everybody") if group is None else _who(reading, group, row["level"]),
                    "unknown": words.percent(row["unknown_share"]),
                    "width": round(100 * row["unknown_share"], 1),
                    "cramers_v": "" if association is None else words.fixed(association, 2),
                }
            )
    return found


def _level(reading: Reading, row: Row) -> Row:
    words = reading.words
    return {
        "who": _who(reading, row["group"], row["level"]),
        "share": words.percent(row["share"]),
        "reference": words.percent(row["reference"]),
        "weighted": words.percent(row["weighted_share"]),
    }


def _who(reading: Reading, group: str, level: str | None) -> str:
    words, name = reading.words, reading.column(group)
    if level is None:
        return words.say("gaps_unknown_group", group=name)
    return words.say("gaps_level", group=name, level=level)
