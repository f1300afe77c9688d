"""Models: fit what is new or old enough, then cluster and score everybody."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

import ibis.expr.types as ir
import pyarrow as pa

from facette.clock import Moment
from facette.definitions.model import Validation
from facette.definitions.models import ClustersModel, CompositeModel, MapModel, Model, PropensityModel, ValueModel
from facette.definitions.preparing import Learning
from facette.errors import ModelError
from facette.models.clusters.fit import Kpi, fit_clusters
from facette.models.clusters.fitted import FittedClusters
from facette.models.clusters.matching import LARGE_SHIFT, match_numbers, with_shift
from facette.models.clusters.merge import absent, merged
from facette.models.composite import FittedComposite, fit_composite
from facette.models.drift import reference
from facette.models.fitted import FittedModel
from facette.models.kinds import stored, with_outputs
from facette.models.maps import FittedMap, fit_map
from facette.models.scores import FittedPropensity, fit_propensity
from facette.models.training import end_of, horizon_after, is_due, past_moments, training_set
from facette.models.value import MUCH, FittedValue, fit_value, numbers
from facette.plan import Step
from facette.segments.membership import wide_row
from facette.stages.drift import watch
from facette.stages.gaps import gaps
from facette.stages.versions import MODELS, chosen_now, of_people_there, stored_rows, version_row
from facette.stages.work import Work
from facette.validation.differences import effect_of_groups
from facette.validation.gate import gate, policy_of
from facette.warehouse.compiler import visible

FEW = 50_000
"""People of whom one thread learns as fast as several do, or nearly."""


def models(step: Step, work: Work) -> int:
    """Fit what is new or old enough → ``models``; apply them to everybody → ``scored``; has it moved? → ``drift``."""
    table = work.table("features")
    before, highest = stored_rows(work)
    waiting = {row["name"]: row for row in rows_of(work.optional("held"))}
    work.let_go("model")
    chosen = chosen_now(before, work)
    due = {item.name for item in work.definitions.models if item.name not in chosen and _is_due(item, before, work)}
    gaps([item for item in work.project.models if isinstance(item, Learning) and item.name in due], table, work)
    rows: dict[str, dict] = {}
    held: list[dict] = []
    for item in work.definitions.models:
        stale = item.name not in chosen and not _reads_as_now(before.get(item.name), rows)
        if item.name in due or stale:
            row, kept = _let_through(item, before.get(item.name), waiting, table, work, rows, highest)
            held += [kept] if kept else []
        else:
            row = of_people_there(before[item.name], table)
        if row is not None:
            rows[item.name] = row
        table = with_outputs(item, row, table)
    for name, found in (("models", [*rows.values()]), ("held", held)):
        work.replace(name, pa.Table.from_pylist(found, schema=MODELS))
    work.draft.note(applied={name: row["version"] for name, row in rows.items()})
    n = work.replace("scored", table.select("profile_id", *work.definitions.makers))
    watch(rows, wide_row(work.table("features"), work.table("scored")), work)
    return n


def _is_due(item: Model, before: Mapping[str, dict], work: Work) -> bool:
    """Whether a model is to be fitted: it is new, its definition changed, the stored one is old, or somebody asks."""
    row = before.get(item.name)
    if item.name in work.refit or row is None or row["fingerprint"] != work.definitions.model_fingerprint(item.name):
        return True
    return is_due(row["fitted_at"], item.refit_days, work.moment)


def rows_of(table: ir.Table | None) -> list[dict[str, Any]]:
    return table.to_pyarrow().to_pylist() if table is not None else []


def _let_through(
    item: Model,
    before: dict | None,
    waiting: Mapping[str, dict],
    table: ir.Table,
    work: Work,
    others: Mapping[str, dict],
    highest: dict[str, int],
) -> tuple[dict | None, dict | None]:
    """The model's row, and the one that the gate holds back.

    waiting : model → the row that a run before held back; it stays the candidate while it is young and its definition
              the same
    others, highest : as in :func:`_fitted`
    """
    if item.name in waiting:
        highest[item.name] = max(highest.get(item.name, 0), waiting[item.name]["version"])
    is_waiting = item.name in waiting and not _is_due(item, waiting, work)
    candidate = waiting[item.name] if is_waiting else _fitted(item, before, table, work, others, highest)
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


def _fitted(
    item: Model,
    before: dict | None,
    table: ir.Table,
    work: Work,
    others: Mapping[str, dict],
    highest: Mapping[str, int],
) -> dict | None:
    """The row of a new version, or the stored one if there can be none.

    others  : the rows of the models that it may read
    highest : model → the highest number that a version of it has
    What a run fitted before the gate sent it back to other rules is not fitted twice: the fingerprint tells all that it
    depends on.
    """
    key, told = (item.name, work.definitions.model_fingerprint(item.name)), len(work.warnings)
    if key in work.fits:
        row, warnings = work.fits[key]
        work.warnings += warnings
        return row
    try:
        with _threads(work.draft.snapshot.rows["features"]):
            fitted = FIT[item.kind](item, before, table, work)
    except ModelError as error:
        kept = "the previous version stays" if before else "the model gives no values"
        work.warnings.append(f"{error} ({kept})")
        return before
    if isinstance(fitted, FittedComposite):
        fitted = fitted.model_copy(update={"read": _versions_read(item, others, work)})
    known = reference(fitted.inputs(table), fitted.outputs(table), table, work.temporary)
    row = version_row(item, fitted, highest.get(item.name, 0) + 1, known.model_dump_json(), work)
    work.fits[key] = (row, work.warnings[told:])
    return row


def _threads(n_people: int) -> AbstractContextManager[Any]:
    """One thread to fit models of few people; as many as there are cores, for the time of the context, to others.

    Threads of OpenMP wait for one another without sleeping, after every small piece: where another process has the
    core, that takes many times as long as the work.
    """
    import sklearn.utils  # noqa: F401, PLC0415 - only libraries that are loaded can be told
    from threadpoolctl import threadpool_limits  # noqa: PLC0415

    return threadpool_limits(1 if n_people < FEW else None)


def _fit_clusters(item: ClustersModel, before: dict | None, table: ir.Table, work: Work) -> FittedClusters:
    previous = None
    if before and before["kind"] == "clusters":
        previous = FittedClusters.from_json(before["parameters"], before["metrics"])
    kpi = _kpi(work.project.validation, table)
    read = {
        *item.features,
        *item.weights,
        *(previous.preparation.features if previous else ()),
        *([kpi.name] if kpi else ()),
    }
    everybody = table.select("profile_id", *(name for name in table.columns if name in read)).to_pyarrow()
    fitted = fit_clusters(item, everybody, kpi)
    if previous is not None:
        fitted = match_numbers(previous, fitted, everybody)
    if gone := absent(item, fitted):
        work.warnings.append(
            f"“{item.name}” has no group {', '.join(map(str, gone))}; what `merge` says of it has no effect."
        )
    fitted = merged(item, fitted, everybody)
    if previous is None:
        return fitted
    if fitted.merge:
        fitted = with_shift(previous, fitted, everybody)
    shift = fitted.metrics.shift
    if shift is not None and shift.moved > LARGE_SHIFT:
        work.warnings.append(
            f"“{item.name}” was fitted again, and {shift.moved:.0%} of the profiles are in another group than by the "
            "previous fit (rules that name a group may mean other people; `facette report` shows who went where)"
        )
    return fitted


def _kpi(validation: Validation, table: ir.Table) -> Kpi | None:
    """The project's KPI, if it is a number that is known before the model is."""
    name = validation.kpi
    if name is None or name not in table.columns:
        return None
    kind = table[name].type()
    if not (kind.is_numeric() or kind.is_boolean()):
        return None
    return Kpi(name, lambda values, numbers: effect_of_groups(values, numbers, validation.test))


def _fit_score(item: PropensityModel, before: dict | None, table: ir.Table, work: Work) -> FittedPropensity:
    return fit_propensity(item, training_of(item, work), folder=work.store.folder)


def training_of(item: PropensityModel, work: Work) -> pa.Table:
    """What a score learns from, by what this run knows: see :func:`training_set`."""
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
        return work.features_at(moment, (*item.features, *item.weights))

    return training_set(item, where, target, row_at, moments, work.moment).to_pyarrow()


def _fit_map(item: MapModel, before: dict | None, table: ir.Table, work: Work) -> FittedMap:
    return fit_map(item, table.select("profile_id", *dict.fromkeys((*item.features, *item.weights))).to_pyarrow())


def _fit_value(item: ValueModel, before: dict | None, table: ir.Table, work: Work) -> FittedValue:
    columns = work.definitions.inputs[item.name]
    customers = table.select("profile_id", **numbers(table, columns))
    customers = customers.filter(customers.repeats.notnull())
    at = end_of(work.moment.today - timedelta(days=item.horizon_days + 1), work.moment)
    fitted = fit_value(item, columns, customers.to_pyarrow(), _past_customers(item, columns, at, work), at.as_of)
    correlation = fitted.metrics.correlation
    if correlation is not None and abs(correlation) > MUCH:
        work.warnings.append(
            f"“{item.name}”: how much customers pay depends on how often they buy (correlation {correlation:.2f}),"
            " which Gamma-Gamma takes not to be; the value of those who buy most often is estimated badly."
        )
    return fitted


def _past_customers(item: ValueModel, columns: Sequence[str], at: Moment, work: Work) -> pa.Table | str:
    """The customers of an instant whose horizon is over, with what they bought in it; or why there is none."""
    events = work.events(item.event)
    first_day = events.aggregate(day=events.day.min()).to_pyarrow().to_pylist()[0]["day"]
    if first_day is None or first_day > at.today:
        return f"the history has no {item.event} {item.horizon_days} days ago"
    where = work.definitions.aggregates[columns[0]].where
    row = work.features_at(at, tuple(columns))
    past = row.select("profile_id", **numbers(row, columns))
    came = horizon_after(events, where, item.amount, at, item.horizon_days, work.moment)
    came = came.rename(_profile="profile_id")
    joined = past.filter(past.repeats.notnull()).left_join(came, past.profile_id == came._profile)
    return joined.drop("_profile").to_pyarrow()


def _fit_composite(item: CompositeModel, before: dict | None, table: ir.Table, work: Work) -> FittedComposite:
    return fit_composite(item, table.select("profile_id", *work.definitions.inputs[item.name]).to_pyarrow())


def _versions_read(item: Model, others: Mapping[str, dict], work: Work) -> dict[str, int]:
    """The models that a model reads → the version of each."""
    makers = work.definitions.makers
    read = {makers[column].name for column in work.definitions.inputs[item.name] if column in makers}
    return {name: others[name]["version"] for name in sorted(read) if name in others}


def _reads_as_now(row: Mapping[str, Any] | None, others: Mapping[str, dict]) -> bool:
    """Whether a stored model was fitted on the versions of other models that are applied now."""
    fitted = stored(row) if row is not None else None
    read = fitted.read if isinstance(fitted, FittedComposite) else {}
    return all(name in others and others[name]["version"] == version for name, version in read.items())


FIT: dict[str, Callable[[Any, dict | None, ir.Table, Work], FittedModel]] = {
    "clusters": _fit_clusters,
    "propensity": _fit_score,
    "map": _fit_map,
    "value": _fit_value,
    "composite": _fit_composite,
}
"""Kind → fits a model anew: its definition, its stored row if there is one, the features of everybody, the run."""
