"""Learn the probability that an event happens within a horizon: fit, compare, calibrate, and judge out of time."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from facette.definitions import models as definitions
from facette.models.fitted import fingerprint
from facette.models.imputation import FROM_OTHERS
from facette.models.matrix import in_order
from facette.models.preparation import Preparation, fit_preparation, training_matrix
from facette.models.representation import rake
from facette.models.scores.algorithms import ALGORITHMS
from facette.models.scores.algorithms.algorithm import Algorithm, Lesson, Predictor
from facette.models.scores.algorithms.linear import Linear
from facette.models.scores.calibration import Isotonic, Platt, calibrate, calibrated_loss
from facette.models.scores.contributions import gains, influences
from facette.models.scores.fitted import FittedPropensity
from facette.models.scores.folds import out_of_fold, sample_of_both
from facette.models.scores.judging import figures, judge
from facette.models.scores.leaks import refuse_leaks
from facette.models.scores.metrics import Calibrated, Coefficient, Compared, PropensityMetrics, Selection, Spread, Tuned
from facette.models.scores.resampling import Calibrating, spread
from facette.models.scores.selection import select
from facette.models.scores.split import Rows, Split, instants_of, reweighted, rows_of, split
from facette.models.scores.tuning import tune


def fit_propensity(
    model: definitions.PropensityModel, training: pa.Table, *, folder: Path | None = None
) -> FittedPropensity:
    """Learn who does it within the horizon, from past instants.

    training : one row per profile and past instant — ``instant`` (timestamp), the model's features as they were known
               then (number or boolean), ``target`` (boolean: did it within the horizon after), and ``profile_id`` if
               there is one, by which cross-validation keeps a profile's rows together
    folder   : where a search for parameters is kept, so that it can go on; None: in memory
    Of several algorithms the one with the least log loss out of fold is published: the test instants choose nothing,
    so that what is said of them stays true. Raises ModelError if the past is too short, either outcome too rare to
    learn from or to judge by, or if a feature gives the target away.
    """
    training = in_order(training, "instant", "profile_id")
    rows = rows_of(model, training)
    parts = split(model, rows)
    refuse_leaks(model, rows, parts)
    if model.weights:
        rows, parts = reweighted(rows, parts, rake(training, model), model.seed)
    task = _Task.of(model, rows, parts, folder)
    candidates = [_candidate(task, name) for name in model.algorithms]
    best = min(candidates, key=lambda item: item.loss if item.loss is not None else 0.0)
    probability = task.probability(best)
    lesson = task.lesson
    return FittedPropensity(
        name=model.name,
        fingerprint=fingerprint(model.features, rows.raw, rows.instants, rows.target),
        seed=model.seed,
        preparation=task.preparation,
        predictor=best.predictor,  # type: ignore[arg-type]
        calibration=best.calibration,
        metrics=PropensityMetrics(
            **judge(probability, rows.target[parts.test], rows.people[parts.test], model.seed),
            algorithm=best.name,
            parameters=best.parameters,
            calibrated=best.calibrated,
            compared=tuple(_compared(task, item, is_published=item is best) for item in candidates),
            selection=task.selection,
            tuned=tuple(item.tuned for item in candidates if item.tuned),
            coefficients=_coefficients(task.preparation, best),
            influences=influences(best.predictor, task.preparation, task.test, model.seed),
            gains=gains(best.predictor, task.preparation),
            spread=_spread(task, best, probability),
            fit_rows=len(lesson.target),
            fit_positives=int(lesson.target.sum()),
            calibrated_by=parts.calibrated_by,
            fit_at=instants_of(rows.instants[parts.learned]),
            calibrated_at=() if parts.calibrated_by == "folds" else instants_of(rows.instants[parts.calibrate]),
            test_at=instants_of(rows.instants[parts.test]),
            purged_at=instants_of(rows.instants[parts.purged]),
        ),
    )


@dataclass(frozen=True)
class _Task:
    """What all algorithms of a model have in common: features chosen and prepared, and the parts of the past.

    key : text that is the same for the same model and training data
    """

    model: definitions.PropensityModel
    rows: Rows
    parts: Split
    folder: Path | None
    preparation: Preparation
    lesson: Lesson
    selection: Selection | None
    key: str

    @classmethod
    def of(cls, model: definitions.PropensityModel, rows: Rows, parts: Split, folder: Path | None) -> _Task:
        learned = parts.learned
        selection = None
        preparation, lesson = _prepared(model, rows, learned)
        if model.select is not None:
            usable = definitions.TREES if model.select == "gain" else model.algorithms
            algorithm = next(name for name in model.algorithms if name in usable)
            selection = select(model.select, algorithm, preparation, lesson)
            model, rows = _reduced(model, rows, {item.feature for item in selection.choices if item.is_kept})
            preparation, lesson = _prepared(model, rows, learned)
        key = fingerprint(model.features, lesson.prepared, lesson.target, lesson.people) + str(model.seed)
        return cls(model, rows, parts, folder, preparation, lesson, selection, key)

    @property
    def test(self) -> np.ndarray:
        return self.preparation.transform(self.rows.raw[self.parts.test])

    def probability(self, item: _Candidate) -> np.ndarray:
        """Of the test rows."""
        return item.calibration.probability(item.predictor.ready()(self.test))


def _prepared(model: definitions.PropensityModel, rows: Rows, learned: np.ndarray) -> tuple[Preparation, Lesson]:
    raw, target, people = rows.raw[learned], rows.target[learned], rows.people[learned]
    preparation = fit_preparation(raw, model, levels=rows.levels, target=target, flag_missing=True, seed=model.seed)
    prepared = training_matrix(preparation, model, raw, target, people, model.seed)
    return preparation, Lesson(prepared, target, people, model.seed)


def _reduced(
    model: definitions.PropensityModel, rows: Rows, kept: set[str]
) -> tuple[definitions.PropensityModel, Rows]:
    """The model of the features kept, and of those by which their unknown values are imputed; its columns.

    What was to be imputed from other numbers is so by its median where none of these was kept.
    """
    kept = kept | {item.by for feature, item in model.impute.items() if feature in kept and item.by}
    names = tuple(name for name in model.features if name in kept)
    changes: dict[str, Any] = {"features": names}
    for key in ("log", "yeo_johnson", "trusted"):
        changes[key] = tuple(name for name in getattr(model, key) if name in kept)
    for key in ("outliers", "impute", "categories"):
        changes[key] = {name: item for name, item in getattr(model, key).items() if name in kept}
    if sum(name not in rows.levels for name in names) < 2:
        changes["impute"] = {name: item for name, item in changes["impute"].items() if item.method not in FROM_OTHERS}
    levels = {name: values for name, values in rows.levels.items() if name in kept}
    raw = rows.raw[:, [name in kept for name in model.features]]
    return model.model_copy(update=changes), replace(rows, raw=raw, levels=levels)


@dataclass(frozen=True)
class _Candidate:
    """One algorithm, fitted and calibrated; ``loss`` is out of fold, None where there is nothing to compare with."""

    name: str
    parameters: dict[str, float]
    predictor: Predictor
    calibration: Platt | Isotonic
    calibrated: Calibrated
    calibrating: Calibrating | None
    loss: float | None
    tuned: Tuned | None
    seconds: float


def _candidate(task: _Task, name: str) -> _Candidate:
    began = time.perf_counter()
    algorithm, lesson = ALGORITHMS[name], task.lesson
    parameters, tuned = _parameters(task, name, algorithm)
    predictor = algorithm.fit(lesson, parameters)
    loss: float | None = None
    calibrating: Calibrating | None
    if task.parts.calibrated_by == "folds":
        logits = out_of_fold(algorithm.fit, lesson, parameters)
        outcomes, people, calibrating = lesson.target, lesson.people, None
        loss = calibrated_loss(logits, lesson.target)
    else:
        rows, which = task.rows, task.parts.calibrate
        prepared, people = task.preparation.transform(rows.raw[which]), rows.people[which]
        logits, outcomes = predictor.ready()(prepared), rows.target[which]
        calibrating = Calibrating(prepared, outcomes)
        if len(task.model.algorithms) > 1:
            some = lesson.rows(sample_of_both(lesson.target, lesson.seed))
            loss = calibrated_loss(out_of_fold(algorithm.fit, some, parameters), some.target)
    calibration, calibrated = calibrate(task.model.calibration, logits, outcomes, people, lesson.seed)
    seconds = time.perf_counter() - began
    return _Candidate(name, parameters, predictor, calibration, calibrated, calibrating, loss, tuned, seconds)


def _parameters(task: _Task, name: str, algorithm: Algorithm) -> tuple[dict[str, float], Tuned | None]:
    """Searched for, where that is declared; else the algorithm's own choice, or its defaults."""
    if task.model.tune is not None:
        tuned = tune(
            task.model.tune,
            name,
            algorithm,
            task.lesson,
            key=task.key,
            model=task.model.name,
            folder=task.folder,
        )
        return tuned.parameters, tuned
    return algorithm.choose(task.lesson) if algorithm.choose else dict(algorithm.defaults), None


def _compared(task: _Task, item: _Candidate, *, is_published: bool) -> Compared:
    return Compared(
        algorithm=item.name,
        is_published=is_published,
        out_of_fold_log_loss=item.loss,
        seconds=item.seconds,
        **figures(task.probability(item), task.rows.target[task.parts.test]),
    )


def _spread(task: _Task, best: _Candidate, probability: np.ndarray) -> Spread | None:
    return spread(
        ALGORITHMS[best.name],
        best.parameters,
        best.calibration,
        task.lesson,
        best.calibrating,
        asked=task.test,
        published=probability,
        resamples=task.model.resamples,
    )


def _coefficients(preparation: Preparation, item: _Candidate) -> tuple[Coefficient, ...]:
    """Times the slope of Platt's calibration, if it is that. Columns of 0 and 1 are scaled as well; their weights are
    given per step from 0 to 1."""
    if not isinstance(item.predictor, Linear):
        return ()
    slope = item.calibration.slope if isinstance(item.calibration, Platt) else 1.0
    items = [
        Coefficient(
            feature=column.feature,
            is_missing_flag=column.is_missing_flag,
            level=preparation.label(column).partition(" = ")[2] if column.level is not None else None,
            weight=slope * (weight if column.part in ("value", "code") else weight / column.scale),
        )
        for column, weight in zip(preparation.columns, item.predictor.weights, strict=True)
    ]
    return tuple(sorted(items, key=lambda each: -abs(each.weight)))
