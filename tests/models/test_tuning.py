"""The search for parameters: never worse than the defaults, within its budget, and going on where it was."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from tests.models.test_scores import a_model, history
from tests.warehouses import Engine

from facette.definitions.models import Tuning
from facette.errors import ModelError, SourceError
from facette.models.scores import fit_propensity
from facette.models.scores.algorithms import linear
from facette.models.scores.algorithms.algorithm import Algorithm, Lesson, Parameters, Predictor, Range
from facette.models.scores.metrics import Tuned
from facette.models.scores.tuning import FILE, storage_url, tune

LIBRARIES = ("optuna", "hyperopt")


class KilledError(Exception):
    """Stands for whatever ends a run."""


class Counting:
    """Logistic regression that counts its fits, and is killed before a given one."""

    def __init__(self, kill_at: int | None = None) -> None:
        self.fits, self.kill_at = 0, kill_at

    def fit(self, lesson: Lesson, parameters: Parameters) -> Predictor:
        if self.fits == self.kill_at:
            raise KilledError
        self.fits += 1
        return linear.fit(lesson, {"strength": parameters["strength"] * parameters["share"]})

    @property
    def algorithm(self) -> Algorithm:
        space = {"strength": Range(1e-5, 100.0, is_log=True), "share": Range(0.1, 1.0)}
        return Algorithm(fit=self.fit, defaults={"strength": 100.0, "share": 1.0}, space=space)


def a_lesson() -> Lesson:
    """So much noise that a light penalty is a bad one."""
    random = np.random.default_rng(0)
    matrix = random.normal(size=(400, 40))
    return Lesson(matrix, random.random(400) < 1 / (1 + np.exp(-matrix[:, 0])), np.arange(400), 1)


LESSON = a_lesson()


def search(library: str, counting: Counting, folder: Path | None, trials: int = 6, **more: object) -> Tuned:
    tuning = Tuning.model_validate({"with": library, "trials": trials, **more})
    return tune(tuning, "logistic", counting.algorithm, LESSON, key="k", model="returns", folder=folder)


@pytest.mark.parametrize("library", LIBRARIES)
def test_it_finds_better_than_the_defaults_within_its_budget(library: str) -> None:
    counting = Counting()
    found = search(library, counting, None, trials=8)
    assert found.trials == 8 and counting.fits == 8 * 5
    assert found.log_loss < found.log_loss_of_defaults
    assert 1e-5 <= found.parameters["strength"] <= 100 and 0.1 <= found.parameters["share"] <= 1


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_killed_search_goes_on_where_it_was(library: str, tmp_path: Path) -> None:
    whole = search(library, Counting(), tmp_path / "whole")
    with pytest.raises(KilledError):
        search(library, Counting(kill_at=3 * 5 + 2), tmp_path / "pieces")
    rest = Counting()
    found = search(library, rest, tmp_path / "pieces")
    assert rest.fits == 3 * 5  # three of six were done
    assert found == whole
    again = Counting()
    assert search(library, again, tmp_path / "pieces") == whole and again.fits == 0
    more = Counting()
    assert search(library, more, tmp_path / "pieces", trials=8).trials == 8 and more.fits == 2 * 5


def test_a_search_of_other_data_starts_anew_and_the_old_one_goes(tmp_path: Path) -> None:
    search("optuna", Counting(), tmp_path)
    other = Counting()
    tuning = Tuning(trials=2)
    tune(tuning, "logistic", other.algorithm, LESSON, key="other", model="returns", folder=tmp_path)
    tune(tuning, "logistic", Counting().algorithm, LESSON, key="k", model="churns", folder=tmp_path)
    assert other.fits == 2 * 5
    with sqlite3.connect(tmp_path / FILE) as connection:
        names = [name for (name,) in connection.execute("SELECT study_name FROM studies ORDER BY study_name")]
    connection.close()
    assert [name.rpartition("/")[0] for name in names] == ["churns/logistic", "returns/logistic"]


@pytest.mark.parametrize("library", LIBRARIES)
def test_workers_share_a_search_in_postgres(library: str, postgres: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    with postgres.con.con.cursor() as cursor:
        cursor.execute("SELECT current_setting('unix_socket_directories'), current_user, current_database()")
        socket, user, database = cursor.fetchone()
    monkeypatch.setenv("SCORES_SOCKET", socket)
    url = f"postgresql://{user}@/{database}?host=${{SCORES_SOCKET}}"
    first, second = Counting(), Counting()
    search(library, first, None, trials=3, storage=url)
    found = search(library, second, None, trials=5, storage=url)
    assert (first.fits, second.fits, found.trials) == (3 * 5, 2 * 5, 5)


def test_where_a_search_is_kept(tmp_path: Path) -> None:
    def url(storage: str | None, folder: Path | None, environment: Mapping[str, str]) -> str | None:
        return storage_url(Tuning(storage=storage), folder, environment)

    assert url(None, None, {}) is None
    assert url(None, tmp_path, {}) == f"sqlite:///{tmp_path / FILE}"
    written = "postgresql://me:${SECRET}@host/db"
    found = sa.make_url(url(written, tmp_path, {"SECRET": "p@ss/word"}) or "")
    assert (found.drivername, found.password) == ("postgresql+psycopg", "p@ss/word")
    with pytest.raises(SourceError, match="needs the environment variable SECRET"):
        url(written, None, {})
    with pytest.raises(ModelError, match="not a database URL"):
        url("not a url", None, {})


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_database_that_is_not_there_is_told_without_its_password(library: str) -> None:
    with pytest.raises(ModelError, match="cannot keep its search") as caught:
        search(library, Counting(), None, storage="postgresql://me:hidden@127.0.0.1:1/none")
    assert "hidden" not in str(caught.value)


def test_what_was_found_is_published(tmp_path: Path) -> None:
    table, _ = history(2, profiles=400)
    model = a_model(tune={"trials": 3}, algorithms=("logistic", "xgboost"))
    metrics = fit_propensity(model, table, folder=tmp_path).metrics
    assert [item.algorithm for item in metrics.tuned] == ["logistic", "xgboost"]
    assert metrics.parameters == next(item for item in metrics.tuned if item.algorithm == metrics.algorithm).parameters
    assert all(item.trials == 3 and item.log_loss <= item.log_loss_of_defaults for item in metrics.tuned)
    assert (tmp_path / FILE).is_file()
