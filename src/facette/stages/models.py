"""Models: fit what is new or old enough, then cluster and score everybody."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ibis.expr.types as ir
import pyarrow as pa

from facette.clock import Moment
from facette.definitions.models import KMeansModel, Model, PropensityModel
from facette.errors import ModelError
from facette.models.clusters import FittedKMeans, fit_kmeans, match_labels
from facette.models.fitted import Fitted
from facette.models.kinds import model_output, stored
from facette.models.scores import FittedPropensity, fit_propensity
from facette.models.training import is_due, past_moments, training_set
from facette.plan import Step
from facette.stages.gaps import gaps
from facette.stages.work import Work
from facette.validation.gate import gate, policy_of
from facette.warehouse.compiler import visible


def models(step: Step, work: Work) -> int:
    """Fit what is new or old enough → ``models``; cluster and score everybody → ``scored``."""
    table = work.table("features")
    before = {row["name"]: row for row in rows_of(work.optional("models"))}
    waiting = {row["name"]: row for row in rows_of(work.optional("held"))}
    work.let_go("model")
    rows, held, columns = [], [], {}
    gaps([item for item in work.project.models if _is_due(item, before.get(item.name), work)], table, work)
    for item in work.project.models:
        row, kept = _let_through(item, before.get(item.name), waiting.get(item.name), table, work)
        held += [kept] if kept else []
        if row is not None:
            rows.append(row)
        columns[item.name] = model_output(item, row, table)
    for name, found in (("models", rows), ("held", held)):
        work.replace(name, work.con.create_table(f"{name}_now", pa.Table.from_pylist(found, schema=MODELS), temp=True))
    return work.replace("scored", table.select("profile_id", **columns))


MODELS = pa.schema(
    [
        ("name", pa.string()),
        ("kind", pa.string()),
        ("version", pa.int64()),
        ("fitted_at", pa.timestamp("us", "UTC")),
        ("fingerprint", pa.string()),
        ("metrics", pa.string()),
        ("parameters", pa.string()),
    ]
)


def _is_due(item: Model, before: dict | None, work: Work) -> bool:
    """Whether a model is to be fitted: it is new, its definition changed, or the stored one is old."""
    if before is None or before["fingerprint"] != work.definitions.model_fingerprint(item.name):
        return True
    return is_due(before["fitted_at"], item.refit_days, work.moment)


def rows_of(table: ir.Table | None) -> list[dict[str, Any]]:
    return table.to_pyarrow().to_pylist() if table is not None else []


def _let_through(
    item: Model, before: dict | None, waiting: dict | None, table: ir.Table, work: Work
) -> tuple[dict | None, dict | None]:
    """The model's row, and the one that the gate holds back.

    waiting : the one that a run before held back; it stays the candidate while it is young and its definition the same
    """
    is_waiting = waiting is not None and not _is_due(item, waiting, work)
    candidate = waiting if is_waiting else _fitted(item, before, table, work)
    if candidate is None or candidate is before:
        return before, None
    fitted, validation = stored(candidate), work.project.validation
    judged, policy = gate(fitted, validation), policy_of(fitted, validation)
    version = f"{candidate['fingerprint']}-{candidate['version']}-{candidate['fitted_at'].isoformat()}"
    if judged.is_open or policy == "publish" or (policy == "ask" and work.is_approved(item.name, version)):
        return candidate, None
    work.hold("model", item.name, judged, policy, version)
    kept = "the previous version stays" if before else "the model gives no values"
    asked = f"; `facette approve {item.name}` lets it through" if policy == "ask" else ""
    work.warnings.append(f"“{item.name}” is held back ({kept}{asked}). {judged.reason['en']}")
    return before, candidate


def _fitted(item: Model, before: dict | None, table: ir.Table, work: Work) -> dict | None:
    """The model's row: the stored one while it is young and its definition the same, else one fitted now."""
    fingerprint = work.definitions.model_fingerprint(item.name)
    if before and not _is_due(item, before, work):
        return before
    try:
        fitted = FIT[item.kind](item, before, table, work)
    except ModelError as error:
        kept = "the previous version stays" if before else "the model gives no values"
        work.warnings.append(f"{error} ({kept})")
        return before
    return {
        "name": item.name,
        "kind": item.kind,
        "version": before["version"] + 1 if before else 1,
        "fitted_at": work.moment.as_of,
        "fingerprint": fingerprint,
        "metrics": fitted.metrics_json(),
        "parameters": fitted.parameters_json(),
    }


def _fit_clusters(item: KMeansModel, before: dict | None, table: ir.Table, work: Work) -> FittedKMeans:
    fitted = fit_kmeans(item, table.select("profile_id", *item.features).to_pyarrow())
    if before and before["kind"] == "kmeans":
        fitted = match_labels(FittedKMeans.from_json(before["parameters"], before["metrics"]), fitted)
    return fitted


def _fit_score(item: PropensityModel, before: dict | None, table: ir.Table, work: Work) -> FittedPropensity:
    target = work.events(item.target)
    target = target.filter(visible(target, work.moment))
    first_day = target.aggregate(day=target.day.min()).to_pyarrow().to_pylist()[0]["day"]
    if first_day is None:
        raise ModelError(
            f"“{item.name}” has nothing to learn from: there is no {item.target} event.",
            remedy="Check that its source has rows.",
        )
    moments = past_moments(item, work.moment, first_day)
    where = work.definitions.targets[item.name]

    def row_at(moment: Moment) -> ir.Table:
        return work.features_at(moment, item.features)

    return fit_propensity(item, training_set(item, where, target, row_at, moments, work.moment).to_pyarrow())


FIT: dict[str, Callable[[Any, dict | None, ir.Table, Work], Fitted]] = {
    "kmeans": _fit_clusters,
    "propensity": _fit_score,
}
"""Kind → fits a model anew: its definition, its stored row if there is one, the features of everybody, the run."""
