"""What is kept of how a score was learned and how good it is."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from facette.models.curves import CurveBin, Decile


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Interval(_Kept):
    """A 95 % interval."""

    low: float
    high: float


class Point(_Kept):
    """A point of a curve, with the 95 % interval of its height."""

    x: float
    y: float
    low: float
    high: float


class Coefficient(_Kept):
    """Change of the log-odds (before calibration, where it is isotonic) per standard deviation; of being unknown
    instead of known, where is_missing_flag; of having a value instead of another one, where level is not None (a text;
    “…” is any value that is not told apart)."""

    feature: str
    is_missing_flag: bool
    level: str | None = None
    weight: float


class Influence(_Kept):
    """How far a feature moves the logit, up or down: the mean of |SHAP| over a sample of the test rows."""

    feature: str
    mean: float


class Gain(_Kept):
    """The share (0–1) of all that the splits of the trees gained which is due to a feature."""

    feature: str
    share: float


class Calibrated(_Kept):
    """How logits became probabilities, and whether the definition says so.

    log_loss_platt, log_loss_isotonic : of people that the calibration has not seen; None where there were too few rows
                                        to compare
    """

    method: Literal["platt", "isotonic"]
    is_declared: bool
    log_loss_platt: float | None = None
    log_loss_isotonic: float | None = None


class Spread(_Kept):
    """How far refits on resamples of the people are from the score, in logits of the calibrated probability.

    edges      : between the bins of the score's own logit, k − 1
    shifts     : refits × k, the mean difference in each bin;  deviations : k, of single rows beyond that
    """

    edges: tuple[float, ...]
    shifts: tuple[tuple[float, ...], ...]
    deviations: tuple[float, ...]


class Compared(_Kept):
    """One algorithm out of time; of several, the one with the least ``out_of_fold_log_loss`` is published.

    out_of_fold_log_loss : after calibration, over the rows learned from; None where there was nothing to choose
    seconds              : that its choice of parameters, its fit and its calibration took
    """

    algorithm: str
    is_published: bool
    out_of_fold_log_loss: float | None
    roc_auc: float
    average_precision: float
    log_loss: float
    brier: float
    expected_calibration_error: float
    seconds: float


class FeatureChoice(_Kept):
    """Whether a feature stayed, and the number that decided.

    rfe        : the log loss out of fold once it had been left out (of the last ones that stay: None)
    lasso      : the largest weight of its columns, per standard deviation
    importance : by how much the log loss out of fold rises when the feature is shuffled
    gain       : the share (0–1) of what the splits of the trees gained that is due to it
    low        : the lower end of that rise's one-sided 95 % interval (importance only)
    """

    feature: str
    is_kept: bool
    value: float | None = None
    low: float | None = None


class Selection(_Kept):
    """Which features were left out, and why. ``log_loss`` is that out of fold, of all features and of those kept."""

    method: Literal["rfe", "lasso", "importance", "gain"]
    choices: tuple[FeatureChoice, ...]
    log_loss_of_all: float
    log_loss_of_kept: float


class Tuned(_Kept):
    """A search for an algorithm's parameters by the log loss out of fold."""

    algorithm: str
    library: Literal["optuna", "hyperopt"]
    trials: int
    log_loss: float
    log_loss_of_defaults: float
    parameters: dict[str, float]


class PropensityMetrics(_Kept):
    """How good the published score is on the test instants, which nothing was learned from.

    algorithm, parameters                     : what was published
    n, positives, base_rate                   : profiles at the test instants, and those who did it
    roc_auc, average_precision                : how well the score ranks, with 95 % intervals
    log_loss, brier, expected_calibration_error : how well it means what it says (0–1, lower is better)
    calibration : at most 10 bins of equal number;  deciles : highest scores first
    roc, precision_recall, gain, lift : curves with 95 % intervals
    compared    : every algorithm;  selection, tuned : what was searched, if anything
    calibrated  : how logits became probabilities
    coefficients : largest first, of logistic regression only;  influences : largest first;  gains: of trees only
    spread      : how far refits on resamples are from it, where that was asked for
    fit_at, calibrated_at, test_at, purged_at : instants (UTC);  calibrated_at is empty where calibrated_by is folds
    """

    algorithm: str
    parameters: dict[str, float]
    calibrated: Calibrated
    n: int
    positives: int
    base_rate: float
    roc_auc: float
    roc_auc_interval: Interval
    average_precision: float
    average_precision_interval: Interval
    log_loss: float
    brier: float
    expected_calibration_error: float
    calibration: tuple[CurveBin, ...]
    deciles: tuple[Decile, ...]
    roc: tuple[Point, ...]
    precision_recall: tuple[Point, ...]
    gain: tuple[Point, ...]
    lift: tuple[Point, ...]
    compared: tuple[Compared, ...]
    selection: Selection | None = None
    tuned: tuple[Tuned, ...] = ()
    coefficients: tuple[Coefficient, ...]
    influences: tuple[Influence, ...]
    gains: tuple[Gain, ...] = ()
    spread: Spread | None = None
    fit_rows: int
    fit_positives: int
    calibrated_by: Literal["instant", "folds"]
    fit_at: tuple[datetime, ...]
    calibrated_at: tuple[datetime, ...]
    test_at: tuple[datetime, ...]
    purged_at: tuple[datetime, ...]
