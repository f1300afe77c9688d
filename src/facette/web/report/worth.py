"""The report's section about the worth of segments: effects with their intervals, stability, A/B tests, merges."""

from __future__ import annotations

from dataclasses import dataclass

from facette.validation.remarks import of_experiment, of_merge, of_place, of_stability
from facette.web.report.people import COLOURS
from facette.web.report.pictures import GREY, Estimate, Picture, forest
from facette.web.report.reading import Reading, Row

WIDTH, HEIGHT, MARGIN = 160, 22, 6
"""Of an effect's small picture, in pixels."""
LEAST_WIDEST = 0.3
"""The scale of effects reaches at least so far from 0, so that slight ones look slight."""


@dataclass(frozen=True)
class Mark:
    """An effect's small picture: where its point and the ends of its interval are, in pixels, and what it says."""

    point: float
    low: float
    high: float
    colour: str
    told: str

    @property
    def zero(self) -> float:
        return WIDTH / 2


def worth(reading: Reading) -> Row | None:
    """Every segment in a row, and the picture of all effects; None if the run did not look at it."""
    rows = {row["segment"]: row for row in reading.rows("worth")}
    if not rows:
        return None
    effects = {
        (row["segment"], row["kpi"]): row
        for row in reading.rows("effects")
        if row["relation"] == "others" and row["effect"] is not None
    }
    names = [size["segment"] for size in reading.sizes if size["segment"] in rows]
    reach = max([abs(row[end]) for row in effects.values() for end in ("effect_low", "effect_high")] + [LEAST_WIDEST])
    asked = reading.definitions.project.validation.experiment
    return {
        "rows": [_line(reading, name, rows[name], effects.get((name, reading.kpi or "")), reach) for name in names],
        "has_test": asked is not None,
        "has_past": any(row["stayed"] is not None for row in rows.values()),
        "kpi": reading.column(reading.kpi) if reading.kpi else "",
        "forest": _forest(reading, names, effects),
        "held": _held(reading),
        "width": WIDTH,
        "height": HEIGHT,
    }


def _line(reading: Reading, name: str, row: Row, effect: Row | None, reach: float) -> Row:
    words, project = reading.words, reading.definitions.project
    parents = {item.name: item.parent for item in project.segments}
    stable, *over_time = of_stability(row, reading.language, reading.called)
    remarks = of_place(row, reading.language, reading.called, parents.get(name))
    merges = of_merge(row, reading.language, reading.called)
    test = of_experiment(row, reading.language, project.validation.experiment)
    return {
        "name": name,
        "label": reading.segment(name),
        "mark": _mark(reading, name, effect, reach) if effect else None,
        "stability": _stability(reading, row),
        "stable": words.typeset(stable),
        "stayed": words.percent(row["stayed"]) if row["stayed"] is not None else None,
        "over_time": words.typeset(" ".join(over_time)),
        "days": _days(reading, row),
        "test": words.typeset(" ".join(test)),
        "remarks": [words.typeset(remark) for remark in remarks],
        "merges": [words.typeset(remark) for remark in merges],
    }


def _stability(reading: Reading, row: Row) -> Row:
    """A bar of 0–100 % and what to write beside it."""
    if row["kind"] == "fixed":
        return {"width": 100.0, "text": reading.words.say("stability_fixed"), "is_fixed": True}
    if row["stability"] is None:
        return {"width": 0.0, "text": reading.words.say(f"stability_{row['kind']}"), "is_fixed": True}
    return {"width": 100 * row["stability"], "text": reading.words.percent(row["stability"]), "is_fixed": False}


def _days(reading: Reading, row: Row) -> str:
    if row["experiment"] == "days":
        return reading.words.count(row["days"], "day")
    return reading.words.say(f"test_{row['experiment']}") if row["experiment"] else ""


def _mark(reading: Reading, name: str, effect: Row, reach: float) -> Mark:
    def place(value: float) -> float:
        return WIDTH / 2 + value / reach * (WIDTH / 2 - MARGIN)

    verdict = reading.verdicts.get(("segment", name), {}).get("verdict", "unknown")
    ends = (place(effect["effect_low"]), place(effect["effect_high"]))
    return Mark(place(effect["effect"]), *ends, COLOURS.get(verdict, GREY), _told(reading, effect))


def _told(reading: Reading, effect: Row) -> str:
    """The effect in words: its measure with the interval, and the share of the variation."""
    words = reading.words
    return words.say(
        f"effect_told_{reading.centre}",
        effect=words.fixed(effect["effect"], 2),
        low=words.fixed(effect["effect_low"], 2),
        high=words.fixed(effect["effect_high"], 2),
        share=words.percent(effect["effect_size"]),
    )


def _forest(reading: Reading, names: list[str], effects: dict[tuple[str, str], Row]) -> Picture | None:
    """All effects with their intervals, a symbol for each KPI; None without a KPI."""
    words, kpis = reading.words, reading.definitions.project.validation.every_kpi
    shown = [name for name in names if any((name, kpi) in effects for kpi in kpis)]
    if not shown:
        return None
    estimates = [
        Estimate(
            place,
            reading.column(kpi),
            effect["effect"],
            effect["effect_low"],
            effect["effect_high"],
            f"{words.labelled(reading.segment(name), reading.column(kpi))}\n{_told(reading, effect)}",
        )
        for kpi in kpis
        for place, name in enumerate(shown)
        if (effect := effects.get((name, kpi)))
    ]
    return Picture(
        title=words.say("forest"),
        caption=words.say("forest_caption", measure=words.say(f"forest_{reading.centre}")),
        alt=words.say("forest_alt", segments=words.count(len(shown), "segment")),
        height=120 + (16 + 10 * len(kpis)) * len(shown),
        figure=forest(estimates, [reading.segment(name) for name in shown], words.say(f"forest_{reading.centre}_axis")),
    )


def _held(reading: Reading) -> list[Row]:
    """What the gate holds back, and why."""
    words, found = reading.words, []
    for name, item in reading.published.snapshot.held.items():
        label = reading.segment(name) if item["what"] == "segment" else reading.column(name)
        told = words.say(f"held_{item['policy']}", name=name)
        found.append(
            {
                "title": words.labelled(words.say("held"), label),
                "reason": words.typeset(item[f"reason_{reading.language}"]),
                "told": told,
            }
        )
    return found
