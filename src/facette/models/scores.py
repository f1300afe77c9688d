"""The probability that an event happens within a horizon: logistic regression, calibrated, judged on a later instant.

Time runs from left to right. Whatever overlaps the judged future is left out (purged), so that nothing of it leaks:

    fit ─── fit ─── calibrate ─── (purged: their windows end after the test instant) ─── test

Weights, intercept and calibration fold into one affine map of the prepared features, so scoring is one expression.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict

from facette.definitions import models as definitions
from facette.errors import ModelError
from facette.models.curves import CurveBin, Decile, calibration_bins, calibration_error, deciles
from facette.models.fitted import Fitted, fingerprint
from facette.models.matrix import Levels, in_order, levels_of, to_matrix
from facette.models.preparation import Preparation, affine, fit_preparation, training_matrix

if TYPE_CHECKING:
    import ibis.expr.types as ir

FEWEST_TO_FIT = 100  # of each outcome
FEWEST_TO_JUDGE = 30  # of each outcome, on the test instant and on one that calibrates
FOLDS = 5
STRENGTHS = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0)  # C, the inverse of the L2 penalty
STRENGTH_ROWS = 50_000  # rows on which C is chosen
WIDEST_LOGIT = 40.0  # beyond it the probability is 0 or 1 to 17 digits, and exp() stays within every engine's range


class Coefficient(BaseModel):
    """Change of the log-odds per standard deviation; of being unknown instead of known, where is_missing_flag."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    feature: str
    is_missing_flag: bool
    weight: float


class PropensityMetrics(BaseModel):
    """How good the published score is on the test instant, which nothing was learned from.

    n, positives, base_rate                   : profiles at the test instant, and those who did it
    roc_auc, average_precision                : how well the score ranks
    log_loss, brier, expected_calibration_error : how well it means what it says (0–1, lower is better)
    calibration : at most 10 bins of equal number;  deciles : highest scores first
    coefficients : largest first;  strength : the C chosen
    fit_at, calibrated_at, test_at, purged_at : instants (UTC);  calibrated_at is empty where calibrated_by is folds
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    n: int
    positives: int
    base_rate: float
    roc_auc: float
    average_precision: float
    log_loss: float
    brier: float
    expected_calibration_error: float
    calibration: tuple[CurveBin, ...]
    deciles: tuple[Decile, ...]
    coefficients: tuple[Coefficient, ...]
    strength: float
    fit_rows: int
    fit_positives: int
    calibrated_by: Literal["instant", "folds"]
    fit_at: tuple[datetime, ...]
    calibrated_at: tuple[datetime, ...]
    test_at: datetime
    purged_at: tuple[datetime, ...]


class FittedPropensity(Fitted):
    """A score that can be applied: 100 / (1 + exp(−(intercept + weights · prepared features)))."""

    weights: tuple[float, ...]
    intercept: float
    metrics: PropensityMetrics

    def output(self, features: ir.Table) -> ir.FloatingColumn:
        """See :func:`score`."""
        return score(self, features)


def fit_propensity(model: definitions.PropensityModel, training: pa.Table) -> FittedPropensity:
    """Learn who does it within the horizon, from past instants.

    training : one row per profile and past instant — ``instant`` (timestamp), the model's features as they were known
               then (number or boolean), ``target`` (boolean: did it within the horizon after), and ``profile_id`` if
               there is one, by which cross-validation keeps a profile's rows together
    Raises ModelError if the past is too short, or either outcome too rare to learn from or to judge by.
    """
    training = in_order(training, "instant", "profile_id")
    rows = _rows(model, training)
    split = _split(model, rows)
    learned = split.fit | split.calibrate if split.calibrated_by == "folds" else split.fit
    raw, target, people = rows.raw[learned], rows.target[learned], rows.people[learned]
    preparation = fit_preparation(raw, model, levels=rows.levels, target=target, flag_missing=True, seed=model.seed)
    prepared = training_matrix(preparation, model, raw, target, people, model.seed)

    strength = _best_strength(prepared, target, people, model.seed)
    weights, intercept = _fit_logistic(prepared, target, strength)
    if split.calibrated_by == "folds":
        logits, outcomes = _out_of_fold(prepared, target, people, strength, model.seed), target
    else:
        logits = preparation.transform(rows.raw[split.calibrate]) @ weights + intercept
        outcomes = rows.target[split.calibrate]
    slope, shift = platt(logits, outcomes)
    weights, intercept = weights * slope, intercept * slope + shift

    probability = _probability(preparation.transform(rows.raw[split.test]) @ weights + intercept)
    return FittedPropensity(
        name=model.name,
        fingerprint=fingerprint(model.features, rows.raw, rows.instants, rows.target),
        seed=model.seed,
        preparation=preparation,
        weights=tuple(weights.tolist()),
        intercept=float(intercept),
        metrics=PropensityMetrics(
            **_judge(probability, rows.target[split.test], model.seed),
            coefficients=_coefficients(preparation, weights),
            strength=strength,
            fit_rows=len(target),
            fit_positives=int(target.sum()),
            calibrated_by=split.calibrated_by,
            fit_at=_instants(rows.instants[learned]),
            calibrated_at=() if split.calibrated_by == "folds" else _instants(rows.instants[split.calibrate]),
            test_at=_instants(rows.instants[split.test])[0],
            purged_at=_instants(rows.instants[split.purged]),
        ),
    )


def score(fitted: FittedPropensity, features: ir.Table) -> ir.FloatingColumn:
    """The calibrated probability of each row as an expression, 0 to 100, not rounded (engines round differently)."""
    logit = affine(fitted.preparation.expressions(features), fitted.weights, fitted.intercept)
    return 100.0 / ((-logit.clip(-WIDEST_LOGIT, WIDEST_LOGIT)).exp() + 1.0)


def score_rows(fitted: FittedPropensity, features: pa.Table) -> np.ndarray:
    """The same as :func:`score`, of a table in memory: float64, one per row."""
    prepared = fitted.preparation.transform(fitted.preparation.matrix(features))
    return 100.0 * _probability(prepared @ np.array(fitted.weights) + fitted.intercept)


def platt(logits: np.ndarray, outcomes: np.ndarray) -> tuple[float, float]:
    """Slope and shift that make logits honest: P = 1 / (1 + exp(−(slope · logit + shift))).

    Platt (1999), "Probabilistic outputs for support vector machines", with his smoothed targets. The slope is not
    allowed below 0: a score that ranks the wrong way round becomes the base rate for everybody.
    """
    positives = int(outcomes.sum())
    negatives = len(outcomes) - positives
    high, low = (positives + 1) / (positives + 2), 1 / (negatives + 2)
    share = np.where(outcomes, high, low)  # each row counts as this share of a positive, the rest as a negative
    doubled = np.concatenate([logits, logits])[:, None]
    twice = np.repeat([True, False], len(logits))
    weights, shift = _fit_logistic(doubled, twice, np.inf, np.concatenate([share, 1 - share]))
    if weights[0] < 0:
        return 0.0, float(np.log(share.sum() / (1 - share).sum()))
    return float(weights[0]), shift


# ── the past, taken apart ───────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class _Rows:
    """The training table as arrays: rows × features, microseconds, outcomes, and a number per person."""

    raw: np.ndarray
    levels: Levels
    instants: np.ndarray
    target: np.ndarray
    people: np.ndarray


@dataclass(frozen=True)
class _Split:
    """One boolean per row and part."""

    fit: np.ndarray
    calibrate: np.ndarray
    test: np.ndarray
    purged: np.ndarray
    calibrated_by: Literal["instant", "folds"]


def _rows(model: definitions.PropensityModel, training: pa.Table) -> _Rows:
    for column in ("instant", "target"):
        if training[column].null_count:
            raise ModelError(f"“{model.name}” was given training rows without {column}.", remedy="Leave them out.")
    instants = pc.cast(pc.cast(training["instant"], pa.timestamp("us", "UTC")), pa.int64()).to_numpy()
    if "profile_id" in training.column_names:
        people = np.unique(training["profile_id"].to_numpy(), return_inverse=True)[1]
    else:
        people = np.arange(training.num_rows)
    target = pc.cast(training["target"], pa.bool_()).to_numpy().astype(bool)
    levels = levels_of(training, model.features)
    return _Rows(to_matrix(training, model.features, levels), levels, instants, target, people)


def _split(model: definitions.PropensityModel, rows: _Rows) -> _Split:
    """Newest instant: test. Windows that end after it: purged. Of the rest the newest calibrates if that leaves enough.

    Windows are whole local days, so the days between two instants are rounded: a change of clocks does not purge.
    """
    known = np.unique(rows.instants)
    if not len(known):
        raise ModelError(f"“{model.name}” has no past to learn from.", remedy="Load a longer history of events.")
    test = rows.instants == known[-1]
    days = np.rint((known[-1] - known) / 86_400e6)
    usable = known[days >= model.horizon_days]
    if not len(usable):
        raise ModelError(
            f"“{model.name}” has too short a past: no instant lies {model.horizon_days} days before the newest one.",
            remedy="Raise instants or step_days, lower horizon_days, or load a longer history.",
        )
    before = np.isin(rows.instants, usable)
    _need(model, rows.target[before], FEWEST_TO_FIT, "to learn from")
    _need(model, rows.target[test], FEWEST_TO_JUDGE, "to judge by, at the newest instant")
    newest = rows.instants == usable[-1]
    older = before & ~newest
    enough = _has(rows.target[older], FEWEST_TO_FIT) and _has(rows.target[newest], FEWEST_TO_JUDGE)
    return _Split(
        fit=older, calibrate=newest, test=test, purged=~before & ~test, calibrated_by="instant" if enough else "folds"
    )


def _has(target: np.ndarray, fewest: int) -> bool:
    return min(int(target.sum()), int((~target).sum())) >= fewest


def _need(model: definitions.PropensityModel, target: np.ndarray, fewest: int, what_for: str) -> None:
    if _has(target, fewest):
        return
    positives = int(target.sum())
    raise ModelError(
        f"“{model.name}” has {positives} rows that did {model.target} and {len(target) - positives} that did not "
        f"{what_for}; it takes {fewest} of each.",
        remedy="Lengthen horizon_days, loosen the condition on the event, raise instants, or wait for more events.",
    )


def _instants(microseconds: np.ndarray) -> tuple[datetime, ...]:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return tuple(epoch + timedelta(microseconds=int(value)) for value in np.unique(microseconds))


# ── fitting ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _fit_logistic(
    prepared: np.ndarray, target: np.ndarray, strength: float, sample_weight: np.ndarray | None = None
) -> tuple[np.ndarray, float]:
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415

    fit = LogisticRegression(C=strength, max_iter=1000, tol=1e-6).fit(prepared, target, sample_weight)
    return fit.coef_[0], float(fit.intercept_[0])


def _out_of_fold(
    prepared: np.ndarray, target: np.ndarray, people: np.ndarray, strength: float, seed: int
) -> np.ndarray:
    """The logit of each row from a model that has seen nothing of its person."""
    logits = np.empty(len(target))
    folds = _folds(target, people, seed)
    for fold in range(FOLDS):
        unseen = folds == fold
        weights, intercept = _fit_logistic(prepared[~unseen], target[~unseen], strength)
        logits[unseen] = prepared[unseen] @ weights + intercept
    return logits


def _folds(target: np.ndarray, people: np.ndarray, seed: int) -> np.ndarray:
    """A fold per row: people are dealt out in random order, first those who did it, so that every fold has some."""
    persons, person_of_row = np.unique(people, return_inverse=True)
    did = np.bincount(person_of_row, weights=target) > 0
    order = np.lexsort([np.random.default_rng(seed).random(len(persons)), ~did])
    fold_of_person = np.empty(len(persons), dtype=int)
    fold_of_person[order] = np.arange(len(persons)) % FOLDS
    return fold_of_person[person_of_row]


def _best_strength(prepared: np.ndarray, target: np.ndarray, people: np.ndarray, seed: int) -> float:
    """The C with the least log loss out of fold; of equals the smallest. On a sample where there are many rows."""
    rows = _sample_of_both(target, STRENGTH_ROWS, seed)
    prepared, target, people = prepared[rows], target[rows], people[rows]
    sign = np.where(target, 1.0, -1.0)
    losses = [
        float(np.logaddexp(0, -sign * _out_of_fold(prepared, target, people, strength, seed)).mean())
        for strength in STRENGTHS
    ]
    return STRENGTHS[int(np.argmin(losses))]


def _sample_of_both(target: np.ndarray, wanted: int, seed: int) -> np.ndarray:
    """Indices of at most ``wanted`` rows, ascending; a rare outcome is kept whole while it fits half of them."""
    if len(target) <= wanted:
        return np.arange(len(target))
    random = np.random.default_rng(seed)
    is_rare = target if target.mean() <= 0.5 else ~target
    rare, common = np.flatnonzero(is_rare), np.flatnonzero(~is_rare)
    rare = random.choice(rare, min(len(rare), wanted // 2), replace=False)
    common = random.choice(common, min(len(common), wanted - len(rare)), replace=False)
    return np.sort(np.concatenate([rare, common]))


def _probability(logits: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-np.clip(logits, -WIDEST_LOGIT, WIDEST_LOGIT)))


# ── judging ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _judge(probability: np.ndarray, target: np.ndarray, seed: int) -> dict[str, Any]:
    from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score  # noqa: PLC0415

    curve = calibration_bins(probability, target)
    return {
        "n": len(target),
        "positives": int(target.sum()),
        "base_rate": float(target.mean()),
        "roc_auc": float(roc_auc_score(target, probability)),
        "average_precision": float(average_precision_score(target, probability)),
        "log_loss": float(log_loss(target, probability)),
        "brier": float(brier_score_loss(target, probability)),
        "expected_calibration_error": calibration_error(curve),
        "calibration": curve,
        "deciles": deciles(probability, target, seed),
    }


def _coefficients(preparation: Preparation, weights: np.ndarray) -> tuple[Coefficient, ...]:
    """A flag's column is scaled as well; its weight is given per step from known to unknown."""
    items = [
        Coefficient(
            feature=column.feature,
            is_missing_flag=column.is_missing_flag,
            weight=float(weight / column.scale) if column.is_missing_flag else float(weight),
        )
        for column, weight in zip(preparation.columns, weights, strict=True)
    ]
    return tuple(sorted(items, key=lambda item: -abs(item.weight)))
