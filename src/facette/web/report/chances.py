"""The report's section about scores: what a propensity model promises, and how well it keeps the promise."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from math import exp, isclose

import ibis

from facette.definitions.models import PropensityModel
from facette.models.scores import Coefficient, FittedPropensity, PropensityMetrics
from facette.models.scores.metrics import Point
from facette.validation.gate import gate
from facette.web.report.choices import compared, influences, searched, selection, splits
from facette.web.report.curve_pictures import against_diagonal
from facette.web.report.people import Trait, diverging
from facette.web.report.pictures import Picture, columns
from facette.web.report.reading import Reading, Row

SHOWN_WEIGHTS = 8
WIDEST_WEIGHT = 1.5
"""A change of the log-odds that fills half of a weight's bar: the odds times 4.5."""
SAME_WEIGHT = 1e-6
"""Relative distance within which the ridge has shared one weight between columns that are the same."""
STEPS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
QUARTERS = (0.0, 0.25, 0.5, 0.75, 1.0)


def scores(reading: Reading) -> list[Row]:
    """Per propensity model: what it says in words, its curves, its main coefficients, and when it was learned."""
    models = [item for item in reading.definitions.project.models if item.kind == "propensity"]
    return [_score(reading, model) for model in models]


def _score(reading: Reading, model: PropensityModel) -> Row:
    words, fitted = reading.words, reading.propensity(model.name)
    section: Row = {
        "label": reading.column(model.name),
        "description": reading.description(model),
        "facts": words.say(
            "score_facts", event=reading.event(model.target), horizon=words.count(model.horizon_days, "day")
        ),
        "is_fitted": fitted is not None,
    }
    if fitted is None:
        return section
    metrics = fitted.metrics
    return section | {
        "verdict": _verdict(reading, fitted),
        "promises": _promises(reading, metrics),
        "bands": _bands(reading, model),
        "compared": compared(reading, metrics),
        "searched": searched(reading, metrics),
        "selection": selection(reading, metrics),
        "influences": influences(reading, metrics),
        "splits": splits(reading, metrics),
        "roc": _roc(reading, metrics),
        "precision_recall": _precision_recall(reading, metrics),
        "lift": _lift(reading, metrics),
        "gain": _gain(reading, metrics),
        "calibration": _calibration(reading, metrics),
        "deciles": _deciles(reading, metrics),
        "weights": _weights(reading, metrics.coefficients),
        "learned": _learned(reading, metrics),
    }


def _verdict(reading: Reading, fitted: FittedPropensity) -> Row:
    judged = gate(fitted, reading.definitions.project.validation)
    key = "worth" if judged.is_open else "weak"
    return {
        "key": key,
        "text": reading.words.say(f"verdict_{key}"),
        "reason": reading.words.typeset(judged.reason[reading.language]),
    }


def _promises(reading: Reading, metrics: PropensityMetrics) -> list[str]:
    """The figures that matter, as sentences."""
    words, first, third = reading.words, metrics.deciles[0], metrics.deciles[2]
    return [
        words.say("score_top", gain=words.percent(first.gain), lift=words.fixed(first.lift, 1)),
        words.say("score_half", gain=words.percent(third.gain)),
        words.say(
            "score_rank",
            auc=words.fixed(100 * metrics.roc_auc, 0),
            value=words.fixed(metrics.roc_auc, 2),
            low=words.fixed(metrics.roc_auc_interval.low, 2),
            high=words.fixed(metrics.roc_auc_interval.high, 2),
        ),
        _honesty(reading, metrics),
    ]


def _honesty(reading: Reading, metrics: PropensityMetrics) -> str:
    """How far the score is off, on average and at worst."""
    words = reading.words
    worst = max(metrics.calibration, key=lambda item: abs(item.observed - item.predicted))
    return words.say(
        "score_honest",
        error=words.fixed(100 * metrics.expected_calibration_error, 1),
        profiles=words.count(worst.n, "profile"),
        announced=words.percent(worst.predicted),
        observed=words.percent(worst.observed),
    )


def _bands(reading: Reading, model: PropensityModel) -> list[Row]:
    """How many profiles have a score in each named band now."""
    if not model.bands:
        return []
    words, table = reading.words, reading.published.table("scored")
    value, low, found = table[model.name], 0.0, []
    measures = {}
    for place, band in enumerate(model.bands):
        high = band.below if band.below is not None else 100.0
        is_in = (value >= low) if band.below is None else (value >= low) & (value < high)
        measures[f"band_{place}"] = ibis.coalesce(is_in.cast("int64").sum(), 0)
        found.append((band, low, high))
        low = high
    counted = table.aggregate(**measures).to_pyarrow().to_pylist()[0]
    everybody = sum(counted.values())
    return [
        {
            "label": reading.label(band.label, band.name),
            "range": words.say("band_from", low=words.number(low), high=words.number(high)),
            "members": words.number(counted[f"band_{place}"]),
            "share": words.percent(counted[f"band_{place}"] / everybody if everybody else None),
        }
        for place, (band, low, high) in enumerate(found)
    ]


# ── curves ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _lift(reading: Reading, metrics: PropensityMetrics) -> Picture:
    words = reading.words
    rates = [words.percent(item.rate) for item in metrics.deciles]
    told = [
        words.labelled(f"{words.say('tenth')} {item.decile}", f"{rate} (× {words.fixed(item.lift, 1)})")
        for item, rate in zip(metrics.deciles, rates, strict=True)
    ]
    return Picture(
        title=words.say("lift"),
        caption=words.say("lift_caption", base=words.percent(metrics.base_rate)),
        alt=words.say("lift_alt", listed=", ".join(rates)),
        height=320,
        width=460,
        figure=columns([item.rate for item in metrics.deciles], told, rates, metrics.base_rate, words.say("tenth")),
    )


def _gain(reading: Reading, metrics: PropensityMetrics) -> Picture:
    words = reading.words
    points = _points(reading, metrics.gain)
    return Picture(
        title=words.say("gain"),
        caption=words.say("gain_caption"),
        alt=words.say("gain_alt", listed=", ".join(told for _, _, told in points[1:])),
        height=340,
        figure=against_diagonal(
            words.say("with_score"),
            points,
            words.say("at_random"),
            (words.say("addressed"), words.say("gain")),
            percent=[(share, words.percent(share)) for share in QUARTERS],
            band=_band(reading, metrics.gain),
        ),
    )


def _roc(reading: Reading, metrics: PropensityMetrics) -> Picture:
    words = reading.words
    points = _points(reading, metrics.roc)
    return Picture(
        title=words.say("roc"),
        caption=words.say("roc_caption"),
        alt=words.say("roc_alt", listed=", ".join(told for _, _, told in points[4:-1:8])),
        height=340,
        figure=against_diagonal(
            words.say("with_score"),
            points,
            words.say("at_random"),
            (words.say("false_alarms"), words.say("found")),
            percent=[(share, words.percent(share)) for share in QUARTERS],
            band=_band(reading, metrics.roc),
            has_markers=False,
        ),
    )


def _precision_recall(reading: Reading, metrics: PropensityMetrics) -> Picture:
    words, interval = reading.words, metrics.average_precision_interval
    points = _points(reading, metrics.precision_recall)
    return Picture(
        title=words.say("precision_recall"),
        caption=words.say(
            "precision_recall_caption",
            average=words.percent(metrics.average_precision),
            low=words.percent(interval.low),
            high=words.percent(interval.high),
            base=words.percent(metrics.base_rate),
        ),
        alt=words.say("precision_recall_alt", listed=", ".join(told for _, _, told in points[3::8])),
        height=340,
        figure=against_diagonal(
            words.say("with_score"),
            points,
            words.say("at_random"),
            (words.say("found"), words.say("hits")),
            percent=[(share, words.percent(share)) for share in QUARTERS],
            band=_band(reading, metrics.precision_recall),
            level=metrics.base_rate,
            has_markers=False,
        ),
    )


def _points(reading: Reading, curve: Sequence[Point]) -> list[tuple[float, float, str]]:
    words = reading.words
    return [
        (round(item.x, 5), round(item.y, 5), f"{words.percent(item.x)} → {words.percent(item.y)}") for item in curve
    ]


def _band(reading: Reading, curve: Sequence[Point]) -> tuple[str, list[tuple[float, float, float]]]:
    return reading.words.say("interval"), [(round(item.x, 5), item.low, item.high) for item in curve]


def _calibration(reading: Reading, metrics: PropensityMetrics) -> Picture:
    words = reading.words
    points = []
    for item in metrics.calibration:
        told = f"{words.percent(item.predicted)} → {words.percent(item.observed)} ({words.count(item.n, 'profile')})"
        points.append((item.predicted, item.observed, told))
    ticks = _ticks(max(max(x, y) for x, y, _ in points))
    return Picture(
        title=words.say("calibration"),
        caption=words.say("calibration_caption"),
        alt=words.say("calibration_alt", listed=", ".join(told for _, _, told in points)),
        height=340,
        figure=against_diagonal(
            words.say("observed"),
            points,
            words.say("perfect"),
            (words.say("announced"), words.say("observed")),
            highest=ticks[-1],
            band=(words.say("interval"), [(item.predicted, item.low, item.high) for item in metrics.calibration]),
            percent=[(share, words.percent(share)) for share in ticks],
        ),
    )


def _ticks(largest: float) -> list[float]:
    """Shares from 0 to the largest or just beyond, at the smallest handy distance of which five are enough."""
    step = next(step for step in STEPS if 5 * step >= min(largest, 1.0))
    return [place * step for place in range(6) if (place - 1) * step < largest]


def _deciles(reading: Reading, metrics: PropensityMetrics) -> list[Row]:
    words = reading.words
    return [
        {
            "decile": item.decile,
            "n": words.number(item.n),
            "positives": words.number(item.positives),
            "rate": words.percent(item.rate),
            "lift": words.fixed(item.lift, 1),
            "gain": words.percent(item.gain),
        }
        for item in metrics.deciles
    ]


# ── how it was learned ──────────────────────────────────────────────────────────────────────────────────────────────


def _weights(reading: Reading, coefficients: Sequence[Coefficient]) -> list[Trait]:
    """The largest weights; features that are unknown together share theirs, which says little of each alone."""
    joined: list[list[Coefficient]] = []
    for item in coefficients:
        last = joined[-1] if joined else []
        is_same = bool(last) and item.is_missing_flag and last[0].is_missing_flag
        if is_same and isclose(item.weight, last[0].weight, rel_tol=SAME_WEIGHT):
            last.append(item)
        else:
            joined.append([item])
    joined.sort(key=lambda items: -abs(sum(item.weight for item in items)))
    return [_weight(reading, items) for items in joined[:SHOWN_WEIGHTS]]


def _weight(reading: Reading, items: Sequence[Coefficient]) -> Trait:
    words, weight = reading.words, sum(item.weight for item in items)
    name = words.listed([reading.column(item.feature) for item in items])
    if items[0].level is not None:
        name = f"{name} = {items[0].level}"
    if items[0].is_missing_flag:
        name = words.say("unknown_together" if len(items) > 1 else "unknown_feature", feature=name)
    start, width = diverging(weight, WIDEST_WEIGHT)
    times = words.say("chance_times", times=words.number(exp(weight)))
    return Trait(name=name, versus=times, title=times, start=start, width=width, is_higher=weight > 0)


def _learned(reading: Reading, metrics: PropensityMetrics) -> str:
    words = reading.words
    way = words.say(f"calibrated_{metrics.calibrated.method}")
    calibrated = (
        words.say("calibrated_instant", days=_days(reading, metrics.calibrated_at), way=way)
        if metrics.calibrated_by == "instant"
        else words.say("calibrated_folds", way=way)
    )
    return words.say(
        "learned",
        algorithm=words.say(f"algorithm_{metrics.algorithm}"),
        rows=words.count(metrics.fit_rows, "observation"),
        positives=words.number(metrics.fit_positives),
        fit=_days(reading, metrics.fit_at),
        calibrated=calibrated,
        test_rows=words.count(metrics.n, "profile"),
        test=_days(reading, metrics.test_at),
        purged=words.say("purged", days=_days(reading, metrics.purged_at)) if metrics.purged_at else "",
    )


def _days(reading: Reading, instants: Sequence[datetime]) -> str:
    words = reading.words
    return words.listed([words.short_day(words.local_day(instant)) for instant in instants])
