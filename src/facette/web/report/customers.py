"""The report's sections about customer value and composites: what they say of everybody, and how far that holds."""

from __future__ import annotations

from collections.abc import Sequence

import ibis

from facette.definitions.base import BandDefinition
from facette.definitions.models import CompositeModel, Part, ValueModel
from facette.models.composite import FittedComposite, FittedPart
from facette.models.kinds import stored
from facette.models.value import MUCH, FittedValue, FrequencyClass, ValueMetrics
from facette.segments.membership import wide_row
from facette.web.report.reading import Reading, Row


def values(reading: Reading) -> list[Row]:
    """Per value model: what is expected of everybody, how the past was foretold, and the bands."""
    models = [item for item in reading.definitions.project.models if isinstance(item, ValueModel)]
    return [_value(reading, item) for item in models]


def composites(reading: Reading) -> list[Row]:
    """Per composite: its parts with what each adds on average, and the bands."""
    models = [item for item in reading.definitions.project.models if isinstance(item, CompositeModel)]
    return [_composite(reading, item) for item in models]


# ── value ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _value(reading: Reading, model: ValueModel) -> Row:
    words, row = reading.words, reading.models.get(model.name)
    horizon = words.count(model.horizon_days, "day")
    fitted = stored(row) if row else None
    section: Row = {
        "label": reading.column(model.name),
        "description": reading.description(model),
        "facts": words.say("value_facts", horizon=horizon),
        "is_fitted": isinstance(fitted, FittedValue),
    }
    if not isinstance(fitted, FittedValue):
        return section
    metrics, holdout = fitted.metrics, fitted.metrics.holdout
    return section | {
        "promises": [_total(reading, model), _test(reading, model, metrics), *_assumption(reading, metrics)],
        "classes": [_class(reading, model, item) for item in holdout.classes] if holdout else [],
        "bands": bands(reading, model.name, model.bands),
    }


def _total(reading: Reading, model: ValueModel) -> str:
    words, table = reading.words, reading.published.table("scored")
    figures = table.aggregate(
        customers=table[model.name].count(),
        total=table[model.name].sum(),
        alive=table[f"{model.name}_alive"].mean(),
    )
    found = figures.to_pyarrow().to_pylist()[0]
    customers, total = found["customers"], found["total"] or 0.0
    return words.say(
        "value_total",
        customers=words.number(customers),
        total=reading.quantity(model.name, total),
        mean=reading.quantity(model.name, total / customers if customers else None),
        alive=words.percent(found["alive"]),
    )


def _test(reading: Reading, model: ValueModel, metrics: ValueMetrics) -> str:
    words, holdout = reading.words, metrics.holdout
    if holdout is None:
        return words.say("value_no_holdout")
    bias = holdout.value_bias
    return words.say(
        "value_holdout",
        day=words.day(words.local_day(holdout.at)),
        foretold=reading.quantity(model.name, holdout.predicted_value),
        horizon=words.count(model.horizon_days, "day"),
        came=reading.quantity(model.name, holdout.value),
        bias="–" if bias is None else f"{'+' if bias > 0 else ''}{words.percent(bias)}",
    )


def _assumption(reading: Reading, metrics: ValueMetrics) -> list[str]:
    words, value = reading.words, metrics.correlation
    if value is None:
        return []
    told = words.say("value_correlation", value=words.fixed(value, 2))
    return [f"{told} {words.say('value_correlated')}" if abs(value) > MUCH else told]


def _class(reading: Reading, model: ValueModel, item: FrequencyClass) -> Row:
    words = reading.words
    return {
        "repeats": words.say("or_more", n=item.repeats) if item.is_open else words.number(item.repeats),
        "n": words.number(item.n),
        "purchases_foretold": words.fixed(item.predicted_purchases, 2),
        "purchases": words.fixed(item.purchases, 2),
        "foretold": reading.quantity(model.name, item.predicted_value),
        "came": reading.quantity(model.name, item.value),
    }


def bands(reading: Reading, column: str, definitions: Sequence[BandDefinition]) -> list[Row]:
    """How many profiles have a value in each named band now; whose value is unknown is in none."""
    if not definitions:
        return []
    words, table = reading.words, reading.published.table("scored")
    value, measures = table[column], {}
    low: float | None = None
    ends: list[tuple[float | None, float | None]] = []
    for place, band in enumerate(definitions):
        is_in = value.notnull() if low is None else value >= low
        is_in = is_in if band.below is None else is_in & (value < band.below)
        measures[f"band_{place}"] = ibis.coalesce(is_in.cast("int64").sum(), 0)
        ends.append((low, band.below))
        low = band.below
    counted = table.aggregate(**measures).to_pyarrow().to_pylist()[0]
    everybody = sum(counted.values())
    return [
        {
            "label": reading.label(band.label, band.name),
            "range": _range(reading, column, *ends[place]),
            "members": words.number(counted[f"band_{place}"]),
            "share": words.percent(counted[f"band_{place}"] / everybody if everybody else None),
        }
        for place, band in enumerate(definitions)
    ]


def _range(reading: Reading, column: str, low: float | None, high: float | None) -> str:
    words, told = reading.words, {"low": reading.quantity(column, low), "high": reading.quantity(column, high)}
    if low is None:
        return words.say("range_all") if high is None else words.say("range_below", **told)
    return words.say("range_from" if high is None else "range_between", **told)


# ── composites ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _composite(reading: Reading, model: CompositeModel) -> Row:
    words, row = reading.words, reading.models.get(model.name)
    fitted = stored(row) if row else None
    section: Row = {
        "label": reading.column(model.name),
        "description": reading.description(model),
        "is_fitted": isinstance(fitted, FittedComposite),
    }
    if not isinstance(fitted, FittedComposite):
        return section
    added = _added(reading, fitted)
    parts = zip(model.parts, fitted.parts, strict=True)
    return section | {
        "facts": words.say(
            "composite_facts", parts=words.number(len(fitted.parts)), mean=words.number(sum(added.values()))
        ),
        "parts": [_part(reading, part, one, added[part.of]) for part, one in parts],
        "bands": bands(reading, model.name, model.bands),
    }


def _added(reading: Reading, fitted: FittedComposite) -> dict[str, float]:
    """What each part adds to everybody's points on average."""
    rows = wide_row(reading.published.table("features"), reading.published.table("scored"))
    means = {f"part_{n}": value.mean() for n, value in enumerate(fitted.contributions(rows).values())}
    found = rows.aggregate(**means).to_pyarrow().to_pylist()[0]
    return {part.of: found[f"part_{n}"] or 0.0 for n, part in enumerate(fitted.parts)}


def _part(reading: Reading, part: Part, fitted: FittedPart, added: float) -> Row:
    words = reading.words
    match part.scale:
        case "percentile":
            scale = words.say("scale_percentile")
        case "minmax":
            ends = [reading.quantity(part.of, knot.value) for knot in fitted.knots]
            scale = words.say("scale_minmax", low=ends[0], high=ends[-1])
        case "cuts":
            cuts = ", ".join(reading.quantity(part.of, cut) for cut in part.at)
            scale = words.say("scale_cuts", cuts=cuts)
    return {
        "label": reading.column(part.of),
        "weight": words.percent(fitted.share),
        "scale": words.say("scale_reversed", scale=scale) if part.reverse else scale,
        "adds": words.number(added),
    }
