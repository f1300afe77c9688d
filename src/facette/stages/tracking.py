"""New versions told to MLflow, where a project names a tracking server; a server that fails is told, and nothing else.

Only what MLflow is made for: parameters, metrics, the model as a JSON artefact. Facette never reads it back.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from facette.definitions.model import Tracking
from facette.errors import FacetteError
from facette.sources.environment import from_environment
from facette.stages.work import Work

PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
"""How long a server that does not answer may hold up a run, unless the environment says otherwise."""
LONGEST_VALUE = 500


def track(work: Work) -> None:
    """Log every version of the published models that is not logged yet."""
    tracking = work.project.mlflow
    if tracking is None:
        return
    waiting = [row for row in work.ledger.versions() if row["tracked_as"] is None]
    if not waiting:
        return
    try:
        with _impatient():
            for row in reversed(waiting):
                run = _logged(row, tracking, work.project.name)
                work.ledger.track(row["name"], row["version"], run)
    except ModuleNotFoundError as error:
        work.warnings.append(
            f"MLflow was not told of new versions: {error}. Install it: pip install 'facette[models]'."
        )
    except FacetteError as error:
        work.warnings.append(f"MLflow was not told of new versions: {error}")
    except Exception as error:
        told = str(error).splitlines()[0] if str(error) else type(error).__name__
        work.warnings.append(f"MLflow was not told of new versions, which the next run tries again: {told}")


def _logged(row: Mapping[str, Any], tracking: Tracking, project: str) -> str:
    """Log one version; the id of its run. What a server that failed has of it already is gone on with."""
    from mlflow.tracking import MlflowClient  # noqa: PLC0415

    client = MlflowClient(tracking_uri=from_environment(tracking.tracking_uri, "mlflow", in_url=True))
    name = tracking.experiment or project
    experiment = client.get_experiment_by_name(name)
    where = experiment.experiment_id if experiment else client.create_experiment(name)
    begun = client.search_runs(
        [where], _which(row), max_results=1
    )  # by a run of Facette's that did not come to its end
    if begun and begun[0].info.status == "FINISHED":
        return str(begun[0].info.run_id)
    run = (
        begun[0] if begun else client.create_run(where, run_name=f"{row['name']} {row['version']}", tags=_tags(row))
    ).info.run_id
    for key, value in _flat(json.loads(row["parameters"])).items():
        client.log_param(run, key, str(value)[:LONGEST_VALUE])
    for key, value in figures(json.loads(row["metrics"])).items():
        client.log_metric(run, key, value)
    model = {**row, "recorded_at": str(row["recorded_at"]), "fitted_at": row["fitted_at"].isoformat()}
    texts = ("metrics", "parameters", "code", "reference")
    client.log_dict(run, model | {key: json.loads(model[key]) for key in texts if model.get(key)}, "model.json")
    client.set_terminated(run)
    return str(run)


def figures(metrics: Mapping[str, Any]) -> dict[str, float]:
    """The metrics that are numbers."""
    return {
        key: float(value)
        for key, value in metrics.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def _tags(row: Mapping[str, Any]) -> dict[str, str]:
    kept = ("name", "version", "kind", "run", "fingerprint", "data", "rows", "seed", "code")
    return {f"facette.{key}": str(row[key]) for key in kept if row.get(key) is not None}


def _which(row: Mapping[str, Any]) -> str:
    """A filter that finds the run of this very version: of the same name and number another project may have one."""
    known = {key: value for key, value in _tags(row).items() if key != "facette.code"}
    return " and ".join(f"tags.`{key}` = '{value}'" for key, value in known.items())


def _flat(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that are one value; what is a list or a table stands in the artefact."""
    return {key: value for key, value in parameters.items() if isinstance(value, str | int | float)}


@contextmanager
def _impatient() -> Iterator[None]:
    """MLflow's client waits for minutes unless its environment says otherwise."""
    added = {name: value for name, value in PATIENCE.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]
