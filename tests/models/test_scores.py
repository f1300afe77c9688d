"""Propensity: as good as the planted truth allows, honest about its probabilities, blind to the future."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import ibis
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from tests.warehouses import Engine

from facette.clock import Moment
from facette.definitions.models import PropensityModel
from facette.errors import ModelError
from facette.models.curves import calibration_bins, calibration_error, deciles
from facette.models.scores import FittedPropensity, fit_propensity, platt, resampling, score, score_rows
from facette.models.scores.algorithms import ALGORITHMS
from facette.models.scores.algorithms.algorithm import Lesson
from facette.models.scores.algorithms.linear import fit as fit_linear
from facette.models.scores.calibration import calibrate, isotonic
from facette.models.scores.folds import out_of_fold
from facette.models.scores.resampling import Calibrating
from facette.models.training import past_moments

NEWEST = datetime(2026, 6, 1, tzinfo=UTC)
WEIGHTS = np.array([1.2, -0.8, 0.0])


def a_model(horizon: int = 30, **more: object) -> PropensityModel:
    more = {"resamples": 0} | more
    return PropensityModel(
        name="returns", kind="propensity", target="purchase", horizon_days=horizon, features=("a", "b", "c"), **more
    )


def history(
    seed: int, *, instants: int = 5, profiles: int = 2500, step: int = 30, intercept: float = -1.0
) -> tuple[pa.Table, np.ndarray]:
    """Rows whose outcome is drawn from a known logistic law, and the true probabilities."""
    random = np.random.default_rng(seed)
    rows = instants * profiles
    matrix = random.normal(size=(rows, 3))
    truth = 1 / (1 + np.exp(-(matrix @ WEIGHTS + intercept)))
    when = [NEWEST - timedelta(days=step * i) for i in range(instants) for _ in range(profiles)]
    table = pa.table(
        {
            "profile_id": np.tile(np.arange(profiles), instants),
            "instant": pa.array(when, pa.timestamp("us", "UTC")),
            "target": random.random(rows) < truth,
            "a": matrix[:, 0],
            "b": pa.array(matrix[:, 1], mask=random.random(rows) < 0.1),
            "c": matrix[:, 2],
        }
    )
    return table, truth


def with_column(table: pa.Table, name: str, values: object) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, pa.array(values))


def of_instant(table: pa.Table, days_back: int) -> np.ndarray:
    return np.array([value == NEWEST - timedelta(days=days_back) for value in table["instant"].to_pylist()])


@pytest.fixture(scope="module")
def planted() -> tuple[pa.Table, np.ndarray, FittedPropensity]:
    table, truth = history(1)
    return table, truth, fit_propensity(a_model(), table)


def test_as_good_as_the_truth_allows(planted: tuple[pa.Table, np.ndarray, FittedPropensity]) -> None:
    table, truth, fitted = planted
    newest = of_instant(table, 0)
    best = roc_auc_score(table["target"].to_numpy()[newest], truth[newest])
    assert fitted.metrics.roc_auc == pytest.approx(best, abs=0.03)
    assert fitted.metrics.expected_calibration_error < 0.05
    assert fitted.metrics.n == 2500
    assert fitted.metrics.base_rate == pytest.approx(fitted.metrics.positives / 2500)
    weights = {item.feature: item.weight for item in fitted.metrics.coefficients if not item.is_missing_flag}
    assert weights["a"] > 0.8 and weights["b"] < -0.5 and abs(weights["c"]) < 0.15
    assert [item.feature for item in fitted.metrics.coefficients if item.is_missing_flag] == ["b"]


def test_metrics_are_those_of_the_published_score(planted: tuple[pa.Table, np.ndarray, FittedPropensity]) -> None:
    table, _, fitted = planted
    newest = table.filter(pa.array(of_instant(table, 0)))
    probability, target = score_rows(fitted, newest) / 100, newest["target"].to_numpy()
    assert fitted.metrics.roc_auc == pytest.approx(roc_auc_score(target, probability))
    assert fitted.metrics.brier == pytest.approx(((probability - target) ** 2).mean())
    loss = -np.where(target, np.log(probability), np.log(1 - probability)).mean()
    assert fitted.metrics.log_loss == pytest.approx(loss)


def test_a_shuffled_target_cannot_be_predicted(planted: tuple[pa.Table, np.ndarray, FittedPropensity]) -> None:
    table = planted[0]
    shuffled = np.random.default_rng(0).permutation(table["target"].to_numpy())
    fitted = fit_propensity(a_model(), with_column(table, "target", shuffled))
    assert fitted.metrics.roc_auc == pytest.approx(0.5, abs=0.05)
    assert fitted.metrics.expected_calibration_error < 0.05


def test_expression_equals_scikit_learn_with_platt(planted: tuple[pa.Table, np.ndarray, FittedPropensity]) -> None:
    """Its own steps by hand on the fitted instants, in scikit-learn, give the same score to 1e-9."""
    table, _, fitted = planted
    fit_rows = of_instant(table, 60) | of_instant(table, 90) | of_instant(table, 120)
    calibrate = of_instant(table, 30)
    raw = np.column_stack([table[name].to_numpy() for name in ("a", "b", "c")])
    median = np.nanmedian(raw[fit_rows, 1])
    columns = np.column_stack([raw[:, 0], np.nan_to_num(raw[:, 1], nan=median), np.isnan(raw[:, 1]), raw[:, 2]])
    columns = (columns - columns[fit_rows].mean(axis=0)) / columns[fit_rows].std(axis=0)
    target = table["target"].to_numpy()
    order = np.lexsort([table["profile_id"].to_numpy(), table["instant"].cast(pa.int64()).to_numpy()])
    chosen = order[fit_rows[order]]
    peer = LogisticRegression(C=fitted.metrics.parameters["strength"], max_iter=1000, tol=1e-6).fit(
        columns[chosen], target[chosen]
    )
    logits = columns @ peer.coef_[0] + peer.intercept_[0]
    kept = order[calibrate[order]]
    found = platt(logits[kept], target[kept])
    expected = 100 / (1 + np.exp(-(found.slope * logits + found.shift)))

    connection = ibis.duckdb.connect()
    features = connection.create_table("features", table.append_column("row", pa.array(np.arange(table.num_rows))))
    answer = features.select("row", score=score(fitted, features)).order_by("row").to_pyarrow()["score"].to_numpy()
    np.testing.assert_allclose(answer, expected, atol=1e-9, rtol=0)
    np.testing.assert_allclose(score_rows(fitted, table), expected, atol=1e-9, rtol=0)


def test_the_two_texts_bring_the_model_back(planted: tuple[pa.Table, np.ndarray, FittedPropensity]) -> None:
    table, _, fitted = planted
    assert FittedPropensity.from_json(fitted.parameters_json(), fitted.metrics_json()) == fitted
    again = fit_propensity(a_model(), table.take(np.random.default_rng(1).permutation(table.num_rows)))
    assert again.parameters_json() == fitted.parameters_json() and untimed(again) == untimed(fitted)


def untimed(fitted: FittedPropensity) -> dict[str, object]:
    """The metrics without the seconds that the fit took."""
    metrics = fitted.metrics.model_dump()
    return metrics | {"compared": [row | {"seconds": 0.0} for row in metrics["compared"]]}


# ── time ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def days_back(instants: tuple[datetime, ...]) -> list[int]:
    return [(NEWEST - instant).days for instant in instants]


@pytest.mark.parametrize(
    ("horizon", "fit", "calibrate", "purged"),
    [
        (30, [120, 90, 60], [30], []),
        (45, [120, 90], [60], [30]),
        (90, [120], [90], [60, 30]),
        (120, [120], [], [90, 60, 30]),
    ],
)
def test_what_overlaps_the_test_is_purged(
    horizon: int, fit: list[int], calibrate: list[int], purged: list[int]
) -> None:
    metrics = fit_propensity(a_model(horizon), history(2, profiles=800)[0]).metrics
    assert metrics.test_at == (NEWEST,)
    assert days_back(metrics.fit_at) == fit
    assert days_back(metrics.calibrated_at) == calibrate
    assert days_back(metrics.purged_at) == purged
    assert metrics.calibrated_by == ("instant" if calibrate else "folds")


def test_neither_purged_nor_tested_rows_teach_anything() -> None:
    table, _ = history(3, profiles=800)
    late = of_instant(table, 0) | of_instant(table, 30)
    spoiled = with_column(table, "target", np.where(late, ~table["target"].to_numpy(), table["target"].to_numpy()))
    one, other = fit_propensity(a_model(45), table), fit_propensity(a_model(45), spoiled)
    assert (one.predictor, one.preparation) == (other.predictor, other.preparation)


def test_a_change_of_clocks_does_not_purge() -> None:
    table, _ = history(4, profiles=800)
    hour = 3_600_000_000
    microseconds = table["instant"].cast(pa.int64()).to_numpy() + np.where(of_instant(table, 0), 0, hour)
    table = with_column(table, "instant", pa.array(microseconds).cast(pa.timestamp("us", "UTC")))
    assert fit_propensity(a_model(30), table).metrics.purged_at == ()


def test_folds_calibrate_when_an_instant_is_not_enough() -> None:
    table, _ = history(5, profiles=800)
    metrics = fit_propensity(a_model(), rare(29, of_instant(table, 30), table)).metrics
    assert metrics.calibrated_by == "folds"
    assert days_back(metrics.fit_at) == [120, 90, 60, 30]
    assert metrics.expected_calibration_error < 0.15  # the instant with few positives pulls the base rate down


def test_without_people_the_rows_stand_alone() -> None:
    table = history(6, profiles=800)[0].drop_columns(["profile_id"])
    assert fit_propensity(a_model(), table).metrics.roc_auc > 0.7


# ── refusals ────────────────────────────────────────────────────────────────────────────────────────────────────────


def rare(positives: int, when: np.ndarray, table: pa.Table) -> pa.Table:
    """At most so many positives among the rows of these instants."""
    target = table["target"].to_numpy().copy()
    target[np.flatnonzero(when & target)[positives:]] = False
    return with_column(table, "target", target)


def test_too_few_to_learn_from_or_to_judge_by() -> None:
    table, _ = history(7, profiles=800)
    newest = of_instant(table, 0)
    with pytest.raises(ModelError, match=r"99 rows that did purchase.* to learn from; it takes 100"):
        fit_propensity(a_model(), rare(99, ~newest, table))
    with pytest.raises(ModelError, match=r"29 rows that did purchase.* to judge by"):
        fit_propensity(a_model(), rare(29, newest, table))
    fit_propensity(a_model(), rare(30, newest, table))
    everybody = with_column(table, "target", np.ones(table.num_rows, dtype=bool))
    with pytest.raises(ModelError, match="0 that did not to learn from"):
        fit_propensity(a_model(), everybody)


def test_too_short_a_past() -> None:
    table, _ = history(8, profiles=300)
    with pytest.raises(ModelError, match="too short a past: no instant lies 200 days before"):
        fit_propensity(a_model(200), table)
    with pytest.raises(ModelError, match="no past to learn from"):
        fit_propensity(a_model(), table.slice(0, 0))


@pytest.mark.parametrize(("days", "is_enough"), [(89, False), (90, True)])
def test_a_history_has_three_horizons(days: int, is_enough: bool) -> None:
    now = Moment(NEWEST, "UTC")
    model, first_day = a_model(30, step_days=5), now.today - timedelta(days=days)
    if is_enough:
        assert len(past_moments(model, now, first_day)) >= 3
        return
    with pytest.raises(ModelError, match=r"has 89 days of history since .* less than 3 horizons of 30 days") as caught:
        past_moments(model, now, first_day)
    assert "shorten horizon_days to 29" in caught.value.remedy


# ── calibration and curves ──────────────────────────────────────────────────────────────────────────────────────────


def test_platt_repairs_what_was_bent() -> None:
    random = np.random.default_rng(9)
    honest = random.normal(size=40_000) * 1.5 - 0.5
    outcomes = random.random(40_000) < 1 / (1 + np.exp(-honest))
    found = platt(honest * 3 + 1, outcomes)  # honest = (bent − 1) / 3
    assert (found.slope, found.shift) == pytest.approx((1 / 3, -1 / 3), abs=0.03)


def test_platt_stays_finite_and_never_turns_a_ranking_round() -> None:
    logits = np.linspace(-1, 1, 200)
    assert 0 < platt(logits, logits > 0).slope < 100
    turned = platt(logits, logits < 0)
    assert (turned.slope, turned.shift) == pytest.approx((0.0, 0.0))


def bent(seed: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits whose true probability jumps from 0.1 to 0.6, which no slope and shift can follow; and outcomes."""
    random = np.random.default_rng(seed)
    logits = random.normal(size=rows)
    return logits, random.random(rows) < np.where(logits > 0.3, 0.6, 0.1)


def test_isotonic_is_that_of_scikit_learn_and_never_sure() -> None:
    logits, outcomes = bent(1, 3000)
    found = isotonic(logits, outcomes)
    peer = IsotonicRegression(out_of_bounds="clip").fit(logits, outcomes)
    asked = np.linspace(-5, 5, 1001)
    told = found.probability(asked)
    np.testing.assert_allclose(told, peer.predict(asked), atol=0.0015)  # but for the smoothing
    assert (np.diff(told) >= 0).all() and told.min() > 0 and told.max() < 1
    alike = isotonic(np.zeros(10), np.arange(10) < 5)
    assert alike.probability(np.array([-3.0, 0.0, 3.0])) == pytest.approx([0.5] * 3)


def test_the_calibration_is_chosen_on_people_not_seen() -> None:
    logits, outcomes = bent(2, 6000)
    people = np.arange(6000)
    found, told = calibrate(None, logits, outcomes, people, 0)
    assert told.method == found.kind == "isotonic" and not told.is_declared
    assert told.log_loss_isotonic is not None and told.log_loss_platt is not None
    assert told.log_loss_isotonic < told.log_loss_platt
    random = np.random.default_rng(3)
    honest = random.random(6000) < 1 / (1 + np.exp(-logits))
    assert calibrate(None, logits, honest, people, 0)[1].method == "platt"  # what takes more numbers has to be worth it
    few, told = calibrate(None, logits[:900], outcomes[:900], people[:900], 0)
    assert few.kind == "platt" and told.log_loss_platt is None
    found, told = calibrate("isotonic", logits[:900], outcomes[:900], people[:900], 0)
    assert found.kind == told.method == "isotonic" and told.is_declared


def test_an_isotonic_score_is_data_and_the_same_everywhere() -> None:
    table, _ = history(6, profiles=800)
    fitted = fit_propensity(a_model(calibration="isotonic"), table)
    again = FittedPropensity.from_json(fitted.parameters_json(), fitted.metrics_json())
    assert again == fitted and again.calibration.kind == "isotonic" and fitted.metrics.calibrated.is_declared
    assert fitted.metrics.expected_calibration_error < 0.06
    features = ibis.duckdb.connect().create_table("features", table.append_column("row", pa.array(range(len(table)))))
    answer = features.select("row", score=score(again, features)).order_by("row").to_pyarrow()["score"].to_numpy()
    np.testing.assert_allclose(answer, score_rows(fitted, table), atol=1e-11, rtol=0)
    by_platt = score_rows(fit_propensity(a_model(calibration="platt"), table), table)
    order = np.argsort(by_platt)
    assert (np.diff(answer[order]) >= -1e-9).all()  # nobody passes anybody


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10_000), st.integers(20, 300), st.integers(0, 3))
def test_curves(seed: int, rows: int, digits: int) -> None:
    random = np.random.default_rng(seed)
    probability = random.random(rows).round(digits)
    target = random.random(rows) < probability
    target[0] = True
    bins = calibration_bins(probability, target)
    assert sum(item.n for item in bins) == rows
    assert sum(item.n * item.observed for item in bins) == pytest.approx(target.sum())
    assert sum(item.n * item.predicted for item in bins) == pytest.approx(probability.sum())
    assert 0 <= calibration_error(bins) <= 1
    parts = deciles(probability, target, seed)
    assert [part.decile for part in parts] == list(range(1, 11))
    assert sum(part.n for part in parts) == rows
    assert parts[-1].gain == pytest.approx(1)
    assert sum(part.lift * part.n for part in parts) == pytest.approx(rows)


def test_calibration_bins_equal_scikit_learn() -> None:
    random = np.random.default_rng(10)
    probability = random.random(1000)
    target = random.random(1000) < probability
    bins = calibration_bins(probability, target)
    observed, predicted = calibration_curve(target, probability, n_bins=10, strategy="quantile")
    assert [item.observed for item in bins] == pytest.approx(observed.tolist())
    assert [item.predicted for item in bins] == pytest.approx(predicted.tolist())


# ── elsewhere ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_postgres_scores_alike(postgres: Engine, planted: tuple[pa.Table, np.ndarray, FittedPropensity]) -> None:
    _, _, fitted = planted
    far = pa.table(
        {"row": range(4), "a": [0.5, 1e6, -1e6, None], "b": [None, 0.0, 0.0, 1.0], "c": [0.0, 0.0, 0.0, 1.0]}
    )
    features = postgres.con.create_table("features", far, overwrite=True)
    answer = features.select("row", score=score(fitted, features)).order_by("row").to_pyarrow()["score"].to_numpy()
    np.testing.assert_allclose(answer, score_rows(fitted, far), atol=1e-9, rtol=0)
    assert answer[1] == pytest.approx(100) and answer[2] == pytest.approx(0)


# ── stability ───────────────────────────────────────────────────────────────────────────────────────────────────────


def jaccard(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / (one | other).sum())


@pytest.mark.parametrize(("rows", "has_instant"), [(2500, False), (600, True)])
def test_scores_drawn_are_as_far_off_as_those_that_are_learned(
    rows: int, has_instant: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of those above a score the same share stays by drawn scores as scores learned from people have of the law."""
    monkeypatch.setattr(resampling, "MOST_ROWS", 2000)  # of 2,500: what they say is scaled
    parameters, asked = {"strength": 1.0}, np.random.default_rng(0).normal(size=(2000, 3))
    found: dict[str, list[float]] = {"real": [], "drawn": []}
    law = 1 / (1 + np.exp(1 - asked @ WEIGHTS)) >= 0.4
    for seed in range(12):
        random = np.random.default_rng(seed)
        matrix = random.normal(size=(2 * rows, 3))
        target = random.random(2 * rows) < 1 / (1 + np.exp(1 - matrix @ WEIGHTS))
        lesson = Lesson(matrix[:rows], target[:rows], np.arange(rows), seed)
        linear = fit_linear(lesson, parameters)
        calibrating = Calibrating(matrix[rows:], target[rows:]) if has_instant else None
        logits = linear.ready()(matrix[rows:]) if has_instant else out_of_fold(fit_linear, lesson, parameters)
        calibration = platt(logits, target[rows:] if has_instant else lesson.target)
        scores = 100 * calibration.probability(linear.ready()(asked))
        found["real"].append(jaccard(scores >= 40, law))
        if seed % 4 == 0:
            spread = resampling.spread(
                ALGORITHMS["logistic"],
                parameters,
                calibration,
                lesson,
                calibrating,
                asked=asked,
                published=scores / 100,
                resamples=8,
            )
            assert spread is not None and len(spread.shifts) == 8
            again = resampling.drawn_scores(spread, scores, 16, np.random.default_rng(0))
            found["drawn"] += [jaccard(scores >= 40, row >= 40) for row in again]
    assert np.mean(found["drawn"]) == pytest.approx(np.mean(found["real"]), abs=0.025)


def test_without_resamples_nothing_is_told(planted: tuple[pa.Table, np.ndarray, FittedPropensity]) -> None:
    assert planted[2].metrics.spread is None
