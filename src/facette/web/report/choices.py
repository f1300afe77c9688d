"""What the report says of how a score was chosen: algorithms compared, parameters searched, features kept."""

from __future__ import annotations

from collections.abc import Sequence

from facette.models.scores.metrics import FeatureChoice, PropensityMetrics, Selection
from facette.web.report.pictures import BLUE, Bar, Picture, bars
from facette.web.report.reading import Reading, Row

SHOWN_INFLUENCES = 12
LIBRARIES = {"optuna": "Optuna", "hyperopt": "Hyperopt"}


def compared(reading: Reading, metrics: PropensityMetrics) -> list[Row]:
    """A row per algorithm, the published one first; none if there was only one."""
    words = reading.words
    if len(metrics.compared) < 2:
        return []
    return [
        {
            "name": words.say("is_published", algorithm=name) if item.is_published else name,
            "is_published": item.is_published,
            "figures": [
                "–" if item.out_of_fold_log_loss is None else words.fixed(item.out_of_fold_log_loss, 4),
                words.fixed(item.roc_auc, 3),
                words.fixed(item.average_precision, 3),
                words.fixed(item.log_loss, 4),
                words.fixed(item.brier, 4),
                words.fixed(item.expected_calibration_error, 3),
                words.seconds(item.seconds),
            ],
        }
        for item in sorted(metrics.compared, key=lambda item: not item.is_published)
        for name in [_capital(words.say(f"algorithm_{item.algorithm}"))]
    ]


def searched(reading: Reading, metrics: PropensityMetrics) -> list[str]:
    """A sentence per algorithm whose parameters were searched."""
    words = reading.words
    return [
        words.say(
            "searched",
            algorithm=_capital(words.say(f"algorithm_{item.algorithm}")),
            trials=words.number(item.trials),
            library=LIBRARIES[item.library],
            defaults=words.fixed(item.log_loss_of_defaults, 4),
            best=words.fixed(item.log_loss, 4),
            parameters=", ".join(f"{name} {words.number(value)}" for name, value in sorted(item.parameters.items())),
        )
        for item in metrics.tuned
    ]


def selection(reading: Reading, metrics: PropensityMetrics) -> Row | None:
    """Which features stayed, and why; None if none was declared."""
    words, found = reading.words, metrics.selection
    if found is None:
        return None
    ordered = sorted(found.choices, key=lambda item: (not item.is_kept, -(item.value or 0)))
    return {
        "text": words.say(
            f"selection_{found.method}",
            kept=words.number(sum(item.is_kept for item in found.choices)),
            all=words.number(len(found.choices)),
            before=words.fixed(found.log_loss_of_all, 4),
            after=words.fixed(found.log_loss_of_kept, 4),
        ),
        "rows": [
            {
                "feature": reading.column(item.feature),
                "choice": words.say("kept_feature" if item.is_kept else "left_out_feature"),
                "why": _why(reading, found, item),
            }
            for item in ordered
        ],
    }


def _why(reading: Reading, found: Selection, item: FeatureChoice) -> str:
    words = reading.words
    if item.value is None:
        return words.say("why_rfe_last" if item.is_kept else "why_ignored")
    low = None if item.low is None else words.fixed(item.low, 4)
    return words.say(f"why_{found.method}", value=words.fixed(item.value, 4), low=low)


def influences(reading: Reading, metrics: PropensityMetrics) -> Picture:
    """Mean |SHAP| of the features that weigh most."""
    words = reading.words
    shown = metrics.influences[:SHOWN_INFLUENCES]
    told = [words.fixed(item.mean, 2) for item in shown]
    return _bars(reading, "influence", [(item.feature, item.mean) for item in shown], told)


def splits(reading: Reading, metrics: PropensityMetrics) -> Picture | None:
    """Shares of the gain of the trees' splits; None of what is no tree."""
    words = reading.words
    shown = metrics.gains[:SHOWN_INFLUENCES]
    told = [words.percent(item.share) for item in shown]
    return _bars(reading, "split", [(item.feature, item.share) for item in shown], told) if shown else None


def _bars(reading: Reading, what: str, lengths: Sequence[tuple[str, float]], told: Sequence[str]) -> Picture:
    words = reading.words
    names = [reading.column(feature) for feature, _ in lengths]
    kind = words.say(f"{what}_kind")
    items = [
        Bar(name=name, length=length, told=text, kind=kind, colour=BLUE)
        for name, (_, length), text in zip(names, lengths, told, strict=True)
    ]
    listed = ", ".join(f"{name} {text}" for name, text in zip(names, told, strict=True))
    return Picture(
        title=words.say(f"{what}s"),
        caption=words.say(f"{what}s_caption"),
        alt=words.say("influences_alt", listed=listed),
        height=120 + 30 * len(items),
        narrow_height=120 + 48 * len(items),
        figure=bars(items, words.say(f"{what}_axis")),
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
