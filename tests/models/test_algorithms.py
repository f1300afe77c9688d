"""Each algorithm: what is kept of it says the same as its library, its contributions add up, and signal is told."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import permutations
from math import factorial

import ibis
import lightgbm
import numpy as np
import pyarrow as pa
import pytest
import shap
import xgboost
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score
from sklearn.neural_network import MLPClassifier
from tests.models.test_scores import a_model, history, of_instant, untimed, with_column

from facette.definitions.model import Validation
from facette.errors import ModelError
from facette.models.scores import FittedPropensity, fit_propensity, score, score_rows
from facette.models.scores.algorithms import ALGORITHMS
from facette.models.scores.algorithms.algorithm import Lesson, logit
from facette.models.scores.algorithms.forest import Forest, from_scikit_learn
from facette.models.scores.algorithms.lightgbm import LightGBM
from facette.models.scores.algorithms.neural import Neural
from facette.models.scores.algorithms.xgboost import XGBoost
from facette.models.scores.contributions import contributions
from facette.validation.gate import gate

NAMES = tuple(ALGORITHMS)
SMALL = {"trees": 25}


def a_lesson(seed: int = 0, rows: int = 1500, columns: int = 4) -> Lesson:
    """Outcomes by a law with a curve and an interaction, over prepared columns."""
    random = np.random.default_rng(seed)
    matrix = random.normal(size=(rows, columns))
    law = matrix[:, 0] - 0.5 * matrix[:, 1] ** 2 + matrix[:, 0] * matrix[:, 2]
    return Lesson(matrix, random.random(rows) < 1 / (1 + np.exp(-law)), np.arange(rows), seed)


LESSON = a_lesson()


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return history(1, profiles=600)[0]


@pytest.fixture(scope="module", params=NAMES)
def fitted(request: pytest.FixtureRequest, table: pa.Table) -> FittedPropensity:
    return fit_propensity(a_model(algorithms=(request.param,)), table)


# ── what is kept ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_planted_signal_is_found(fitted: FittedPropensity) -> None:
    assert fitted.metrics.roc_auc > 0.75
    assert fitted.metrics.expected_calibration_error < 0.08
    assert [item.feature for item in fitted.metrics.influences] == ["a", "b", "c"]
    assert fitted.metrics.algorithm == fitted.predictor.kind
    assert gate(fitted, Validation()).is_open


def test_two_texts_bring_it_back_with_identical_predictions(fitted: FittedPropensity, table: pa.Table) -> None:
    again = FittedPropensity.from_json(fitted.parameters_json(), fitted.metrics_json())
    assert again == fitted
    assert again.parameters_json() == fitted.parameters_json()
    assert (score_rows(again, table) == score_rows(fitted, table)).all()


def test_fitting_again_gives_the_same(fitted: FittedPropensity, table: pa.Table) -> None:
    order = np.random.default_rng(1).permutation(table.num_rows)
    again = fit_propensity(a_model(algorithms=(fitted.metrics.algorithm,)), table.take(order))
    assert again.parameters_json() == fitted.parameters_json() and untimed(again) == untimed(fitted)


def test_everybody_in_batch_is_everybody_one_by_one(fitted: FittedPropensity, table: pa.Table) -> None:
    connection = ibis.duckdb.connect()
    odd = pa.table(
        {"a": [1e300, float("inf"), float("nan"), None], "b": [None, 0.0, 0.5, 1.0], "c": [0.0, 1.0, -1e9, None]}
    )
    rows = pa.concat_tables([table.select(["a", "b", "c"]), odd])
    features = connection.create_table("features", rows.append_column("row", pa.array(np.arange(rows.num_rows))))
    answer = features.select("row", score=score(fitted, features)).order_by("row").to_pyarrow()["score"].to_numpy()
    some = [*range(0, rows.num_rows, 97), *range(rows.num_rows - 4, rows.num_rows)]
    alone = [score_rows(fitted, rows.slice(place, 1))[0] for place in some]
    np.testing.assert_allclose(answer, score_rows(fitted, rows), atol=1e-11, rtol=0)
    np.testing.assert_allclose(answer[some], alone, atol=1e-11, rtol=0)
    assert ((answer >= 0) & (answer <= 100)).all()


def test_a_forest_says_what_scikit_learn_says() -> None:
    peer = RandomForestClassifier(40, min_samples_leaf=3, random_state=0).fit(LESSON.prepared, LESSON.target)
    ours = from_scikit_learn(peer)
    new = a_lesson(1, rows=5000).prepared
    inner = np.flatnonzero(ours.columns >= 0)[:2000]  # a hair beyond a threshold, which float32 does not see
    new[np.arange(len(inner)), ours.columns[inner]] = ours.thresholds[inner] + 1e-12
    expected = logit(peer.predict_proba(new)[:, 1])
    np.testing.assert_allclose(ours.ready()(new), expected, atol=1e-12, rtol=1e-12)
    again = Forest.model_validate_json(ours.model_dump_json())
    assert again == ours and (again.ready()(new) == ours.ready()(new)).all()


def test_boosted_trees_say_what_their_libraries_say() -> None:
    new = a_lesson(1, rows=3000).prepared
    light = ALGORITHMS["lightgbm"].fit(LESSON, {**ALGORITHMS["lightgbm"].defaults, **SMALL})
    assert isinstance(light, LightGBM)
    expected = lightgbm.Booster(model_str=light.text).predict(new, raw_score=True)
    np.testing.assert_allclose(light.ready()(new), expected, atol=1e-12, rtol=0)
    other = ALGORITHMS["xgboost"].fit(LESSON, {**ALGORITHMS["xgboost"].defaults, **SMALL})
    assert isinstance(other, XGBoost)
    booster = xgboost.Booster()
    booster.load_model(bytearray(other.text, "utf-8"))
    np.testing.assert_allclose(
        other.ready()(new), booster.predict(xgboost.DMatrix(new), output_margin=True), atol=1e-12, rtol=0
    )


def test_a_net_says_what_scikit_learn_says() -> None:
    peer = MLPClassifier((7, 5), max_iter=300, tol=1e-2, random_state=0).fit(LESSON.prepared, LESSON.target)
    ours = Neural(
        weights=[layer.tolist() for layer in peer.coefs_],
        biases=[layer.tolist() for layer in peer.intercepts_],
        background=LESSON.prepared[:4].tolist(),
        seed=0,
    )
    new = a_lesson(1, rows=500).prepared
    expected = peer.predict_proba(new)[:, 1]
    np.testing.assert_allclose(1 / (1 + np.exp(-ours.ready()(new))), expected, atol=1e-12, rtol=0)


def test_nothing_is_pickled(fitted: FittedPropensity) -> None:
    text = fitted.parameters_json()
    assert text.isascii() and "pickle" not in text and "sklearn" not in text


# ── contributions ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_contributions_add_up_to_the_logit(fitted: FittedPropensity, table: pa.Table) -> None:
    some = table.slice(0, 50)
    found = contributions(fitted, some)
    assert found.features == ("a", "b", "c")
    np.testing.assert_allclose(found.base + found.values.sum(axis=1), found.logits, atol=1e-9, rtol=0)
    np.testing.assert_allclose(
        100 * fitted.calibration.probability(found.logits), score_rows(fitted, some), atol=1e-9, rtol=0
    )
    alone = contributions(fitted, some.slice(7, 1))
    assert alone.base == pytest.approx(found.base)
    np.testing.assert_allclose(alone.values[0], found.values[7], atol=1e-6, rtol=0)


def test_what_raises_the_logit_pushes_up(fitted: FittedPropensity) -> None:
    rows = pa.table({"a": [1.5, -1.5], "b": [0.0, 0.0], "c": [0.0, 0.0]})
    found = contributions(fitted, rows)
    assert found.values[0, 0] > 0.3 and found.values[1, 0] < -0.3


@pytest.mark.filterwarnings("ignore:LightGBM binary classifier with TreeExplainer")  # what it was long ago
def test_contributions_are_those_of_shap() -> None:
    rows, groups = a_lesson(2, rows=40).prepared, np.arange(4)
    for name in ("lightgbm", "xgboost"):
        fitted = ALGORITHMS[name].fit(LESSON, {**ALGORITHMS[name].defaults, **SMALL})
        assert isinstance(fitted, LightGBM | XGBoost)
        values, base = fitted.contributions(rows, groups)
        explainer = shap.TreeExplainer(fitted.booster())
        expected = np.asarray(explainer.shap_values(rows))
        np.testing.assert_allclose(values, expected, atol=1e-4)
        assert base == pytest.approx(float(np.ravel(explainer.expected_value)[0]), abs=1e-4)
    peer = RandomForestClassifier(20, max_leaf_nodes=16, random_state=0).fit(LESSON.prepared, LESSON.target)
    forest = from_scikit_learn(peer)
    explainer = shap.TreeExplainer(peer)
    of_share = explainer.shap_values(rows)[:, :, 1]
    values, base = forest.contributions(rows, groups)
    assert base == pytest.approx(float(logit(np.array(explainer.expected_value[1]))))
    np.testing.assert_allclose(
        values / values.sum(axis=1)[:, None], of_share / of_share.sum(axis=1)[:, None], rtol=1e-6
    )


def test_contributions_of_a_net_are_shapley_values() -> None:
    """Of three groups, against the definition over all orders; two columns of one group move together."""
    net = ALGORITHMS["neural"].fit(LESSON, {**ALGORITHMS["neural"].defaults, "passes": 10})
    assert isinstance(net, Neural)
    groups, rows, logits = np.array([0, 1, 2, 2]), LESSON.prepared[:5], net.ready()
    background = np.array(net.background)

    def worth(row: np.ndarray, told: tuple[int, ...]) -> float:
        mixed = background.copy()
        mixed[:, np.isin(groups, told)] = row[np.isin(groups, told)]
        return float(logits(mixed).mean())

    values, base = net.contributions(rows, groups)
    for row, found in zip(rows, values, strict=True):
        expected = np.zeros(3)
        for order in permutations(range(3)):
            for place, group in enumerate(order):
                expected[group] += worth(row, order[: place + 1]) - worth(row, order[:place])
        np.testing.assert_allclose(found, expected / factorial(3), atol=1e-9)
        assert base == pytest.approx(worth(row, ()))


def test_gains_of_trees_are_those_of_their_libraries(fitted: FittedPropensity) -> None:
    if fitted.predictor.kind in ("logistic", "neural"):
        assert fitted.metrics.gains == ()
        return
    assert sum(item.share for item in fitted.metrics.gains) == pytest.approx(1)
    assert [item.feature for item in fitted.metrics.gains][:2] == ["a", "b"]


def test_the_gain_of_a_forest_is_the_impurity_of_scikit_learn() -> None:
    peer = RandomForestClassifier(1, bootstrap=False, min_samples_leaf=5, random_state=0)
    peer.fit(LESSON.prepared, LESSON.target)
    found = from_scikit_learn(peer).gains(4)
    np.testing.assert_allclose(found / found.sum(), peer.feature_importances_, atol=1e-12)


# ── several, and none ───────────────────────────────────────────────────────────────────────────────────────────────


def test_of_several_the_best_out_of_fold_is_published() -> None:
    """A curve that a line cannot follow: trees win, and are compared on the same people at the same instant."""
    table, _ = history(3, profiles=600)
    a = table["a"].to_numpy()
    random = np.random.default_rng(0)
    bent = with_column(table, "target", random.random(len(a)) < np.where(np.abs(a) > 0.8, 0.7, 0.1))
    metrics = fit_propensity(a_model(algorithms=("logistic", "lightgbm", "random_forest")), bent).metrics
    losses = {item.algorithm: item.out_of_fold_log_loss for item in metrics.compared}
    published = [item for item in metrics.compared if item.is_published]
    assert [item.algorithm for item in published] == [metrics.algorithm] == [min(losses, key=lambda name: losses[name])]
    assert metrics.algorithm != "logistic" and metrics.coefficients == ()
    assert published[0].roc_auc == metrics.roc_auc and published[0].log_loss == metrics.log_loss
    line = next(item for item in metrics.compared if item.algorithm == "logistic")
    assert line.roc_auc < published[0].roc_auc - 0.1 and line.log_loss > published[0].log_loss
    assert all(item.seconds > 0 for item in metrics.compared)


@pytest.mark.parametrize("name", NAMES)
def test_a_shuffled_target_teaches_nothing(name: str) -> None:
    table, _ = history(4, profiles=500)
    shuffled = np.random.default_rng(0).permutation(table["target"].to_numpy())
    fitted = fit_propensity(a_model(algorithms=(name,)), with_column(table, "target", shuffled))
    interval = fitted.metrics.roc_auc_interval
    assert interval.low <= 0.5 <= interval.high
    assert not gate(fitted, Validation()).is_open
    assert fitted.metrics.expected_calibration_error < 0.08


def test_a_fifth_of_the_instants_judges() -> None:
    table, _ = history(5, instants=10, profiles=200, step=10)
    metrics = fit_propensity(a_model(), table).metrics
    newest = table["instant"].to_pylist()
    assert metrics.test_at == tuple(sorted(set(newest)))[-2:]
    assert metrics.n == 400
    assert all((metrics.test_at[0] - instant).days >= 30 for instant in (*metrics.fit_at, *metrics.calibrated_at))
    assert all(0 < (metrics.test_at[0] - instant).days < 30 for instant in metrics.purged_at)
    assert metrics.roc_auc == pytest.approx(
        roc_auc_score(
            np.concatenate([table["target"].to_numpy()[of_instant(table, days)] for days in (0, 10)]),
            np.concatenate(
                [
                    score_rows(fit_propensity(a_model(), table), table.filter(pa.array(of_instant(table, days))))
                    for days in (0, 10)
                ]
            ),
        )
    )


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("lightgbm", "xgboost"):
        monkeypatch.setitem(sys.modules, name, None)
    yield


@pytest.mark.usefixtures("without")
@pytest.mark.parametrize("name", ["lightgbm", "xgboost"])
def test_a_library_that_is_missing_is_named_with_the_remedy(name: str, table: pa.Table) -> None:
    with pytest.raises(ModelError, match=rf'{name} is not installed.\n.*pip install "facette\[models\]"'):
        fit_propensity(a_model(algorithms=(name,)), table)


@pytest.mark.parametrize("name", ["random_forest", "xgboost"])
def test_a_number_too_large_for_float32_is_only_large(name: str) -> None:
    table = history(1, profiles=200)[0]
    values = table["c"].to_numpy().copy()
    values[7] = 1e60
    table = with_column(table, "c", values)
    fitted = fit_propensity(a_model(algorithms=(name,), scale="robust"), table)
    assert np.isfinite(score_rows(fitted, table)).all()
    assert np.isfinite(contributions(fitted, table.slice(0, 10)).values).all()
