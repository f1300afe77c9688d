"""The search for an algorithm's parameters, by the least log loss out of fold after calibration.

Optuna's studies are rows of a database, and the search goes on where a stopped run left it. Hyperopt keeps nothing
itself: the losses found are kept in a table of the same database, and a run that is started again repeats the search,
which the seed decides, without fitting what was fitted before.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa

from facette.definitions.models import Tuning
from facette.errors import ModelError
from facette.models.scores.algorithms.algorithm import Algorithm, Lesson, Range, library
from facette.models.scores.calibration import calibrated_loss
from facette.models.scores.folds import out_of_fold, sample_of_both
from facette.models.scores.metrics import Tuned
from facette.sources.environment import from_environment

FILE = "tuning.db"
Loss = Callable[[Mapping[str, float]], float]


def tune(
    tuning: Tuning, name: str, algorithm: Algorithm, lesson: Lesson, *, key: str, model: str, folder: Path | None
) -> Tuned:
    """The best parameters of as many as ``tuning.trials`` allows, the defaults being among them.

    name, algorithm : whose parameters
    key, model      : text that is the same for the same model and training data, and what the model is called
    folder          : of the file that keeps the search, where no storage is declared; None: memory
    """
    some = lesson.rows(sample_of_both(lesson.target, lesson.seed))

    def loss(parameters: Mapping[str, float]) -> float:
        return calibrated_loss(out_of_fold(algorithm.fit, some, parameters), some.target)

    study = f"{model}/{name}/{_digest(key, repr(sorted(algorithm.space.items())))}"
    search = _optuna if tuning.library == "optuna" else _hyperopt
    url = storage_url(tuning, folder)
    try:
        found = search(tuning, algorithm, loss, study=study, url=url, seed=lesson.seed)
    except sa.exc.SQLAlchemyError as error:
        raise ModelError(
            f"“{model}” cannot keep its search for parameters in {url and sa.make_url(url).render_as_string()}: "
            f"{type(error).__name__}.",
            remedy="Check `storage` under `tune`: that the server runs, and that its user may create tables.",
        ) from None
    trials, best, best_loss, default_loss = found
    return Tuned(
        algorithm=name,
        library=tuning.library,
        trials=trials,
        log_loss=best_loss,
        log_loss_of_defaults=default_loss,
        parameters=best,
    )


def storage_url(tuning: Tuning, folder: Path | None, environment: Mapping[str, str] = os.environ) -> str | None:
    """Where a search is kept; None: in memory. SourceError if a variable is not set, ModelError if it is no URL."""
    if tuning.storage is None:
        if folder is None:
            return None
        folder.mkdir(parents=True, exist_ok=True)
        return f"sqlite:///{folder / FILE}"
    written = from_environment(tuning.storage, "`storage` under `tune`", in_url=True, environment=environment)
    try:
        url = sa.make_url(written)
    except (sa.exc.ArgumentError, ValueError):
        raise ModelError(
            "`storage` under `tune` is not a database URL.",
            remedy="Write it as postgresql://user:${PASSWORD}@host/database.",
        ) from None
    if url.drivername in ("postgresql", "postgres"):
        url = url.set(drivername="postgresql+psycopg")
    return url.render_as_string(hide_password=False)


def _digest(*texts: str) -> str:
    return sha256("\n".join(texts).encode()).hexdigest()[:16]


# ── Optuna ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _optuna(
    tuning: Tuning, algorithm: Algorithm, loss: Loss, *, study: str, url: str | None, seed: int
) -> tuple[int, dict[str, float], float, float]:
    """Tree-structured Parzen estimators (Bergstra and others 2011). The sampler is seeded anew for each trial by how
    many are done, so that a search in several pieces finds what one in one piece does; workers that share a storage
    each draw their own numbers."""
    optuna = library("optuna")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = optuna.storages.RDBStorage(url) if url else None
    try:
        if url and tuning.storage is None:
            _forget_others(optuna, storage, study)
        kept = optuna.create_study(study_name=study, storage=storage, load_if_exists=True)
        own = int(np.random.default_rng().integers(2**31)) if tuning.storage else seed
        while True:
            done = kept.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
            defaults = [trial.value for trial in done if trial.user_attrs.get("is_default")]
            if len(done) >= tuning.trials and defaults:
                return len(done), dict(kept.best_params), float(kept.best_value), float(defaults[0])
            if not defaults:
                kept.enqueue_trial(dict(algorithm.defaults), user_attrs={"is_default": True})
            kept.sampler = optuna.samplers.TPESampler(
                seed=int(np.random.SeedSequence([own, len(done)]).generate_state(1)[0]),
                constant_liar=tuning.storage is not None,
            )
            trial = kept.ask()
            kept.tell(trial, loss({name: _suggested(trial, name, item) for name, item in algorithm.space.items()}))
    finally:
        if storage is not None:
            storage.remove_session()
            storage.engine.dispose()


def _suggested(trial: Any, name: str, item: Range) -> float:
    if item.is_whole:
        return trial.suggest_int(name, int(item.low), int(item.high), log=item.is_log)
    return trial.suggest_float(name, item.low, item.high, log=item.is_log)


def _forget_others(optuna: Any, storage: Any, study: str) -> None:
    """The project's own file keeps one study per model and algorithm: those of older data are of no use."""
    prefix = study.rpartition("/")[0] + "/"
    for name in optuna.get_all_study_names(storage):
        if name.startswith(prefix) and name != study:
            optuna.delete_study(study_name=name, storage=storage)


# ── Hyperopt ────────────────────────────────────────────────────────────────────────────────────────────────────────

TRIALS = sa.Table(
    "hyperopt_trials",
    sa.MetaData(),
    sa.Column("study", sa.String(200), primary_key=True),
    sa.Column("parameters", sa.String(1000), primary_key=True),
    sa.Column("loss", sa.Double, nullable=False),
)


def _hyperopt(
    tuning: Tuning, algorithm: Algorithm, loss: Loss, *, study: str, url: str | None, seed: int
) -> tuple[int, dict[str, float], float, float]:
    """Tree-structured Parzen estimators (Bergstra and others 2011). The defaults are the first trial."""
    hyperopt = library("hyperopt")
    engine = sa.create_engine(url or "sqlite://")
    TRIALS.metadata.create_all(engine)

    def known(parameters: Mapping[str, float]) -> float:
        text = json.dumps(dict(sorted(parameters.items())))
        mine = (TRIALS.c.study == study) & (TRIALS.c.parameters == text)
        with engine.begin() as connection:
            found = connection.execute(sa.select(TRIALS.c.loss).where(mine)).scalar()
        if found is None:
            found = loss(parameters)
            try:
                with engine.begin() as connection:
                    connection.execute(TRIALS.insert().values(study=study, parameters=text, loss=found))
            except sa.exc.IntegrityError:
                pass  # another worker had it first, and its loss is the same
        tried.append((found, dict(parameters)))
        return float(found)

    tried: list[tuple[float, dict[str, float]]] = []
    try:
        default_loss = known({name: algorithm.defaults[name] for name in algorithm.space})
        if tuning.trials > 1:
            hyperopt.fmin(
                lambda point: known(
                    {name: _kept_inside(value, algorithm.space[name]) for name, value in point.items()}
                ),
                {name: _prior(hyperopt.hp, name, item) for name, item in algorithm.space.items()},
                algo=hyperopt.tpe.suggest,
                max_evals=tuning.trials - 1,
                rstate=np.random.default_rng(seed),
                show_progressbar=False,
                verbose=False,
            )
    finally:
        engine.dispose()
    best_loss, best = min(tried, key=lambda pair: pair[0])
    return len(tried), best, float(best_loss), default_loss


def _prior(hp: Any, name: str, item: Range) -> Any:
    if item.is_log:
        return hp.loguniform(name, np.log(item.low), np.log(item.high))
    return hp.uniform(name, item.low, item.high)


def _kept_inside(value: float, item: Range) -> float:
    inside = min(max(float(value), item.low), item.high)
    return round(inside) if item.is_whole else inside
