"""Drift: after models were applied, how far the population and the scores have moved since each was fitted."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import ibis.expr.types as ir
import numpy as np
import pyarrow as pa

from facette.clock import Moment
from facette.definitions.models import PropensityModel
from facette.models.curves import calibration_bins, calibration_error
from facette.models.drift import Reference, honesty, level_of, shares_of, stability
from facette.models.kinds import stored
from facette.models.scores import FittedPropensity
from facette.models.training import end_of, training_set
from facette.stages.work import Work

DRIFT = pa.schema(
    [
        ("run", pa.string()),
        ("as_of", pa.timestamp("us", "UTC")),
        ("model", pa.string()),
        ("version", pa.int64()),
        ("what", pa.string()),
        ("name", pa.string()),
        ("value", pa.float64()),
        ("level", pa.string()),
        ("at", pa.timestamp("us", "UTC")),
        ("n", pa.int64()),
        ("foretold", pa.float64()),
        ("observed", pa.float64()),
        ("promised", pa.float64()),
    ]
)
"""One row per model and column that it looks at (``what`` is input) or gives (output), with the stability index as
``value``; and per score (promise) with its calibration error of now, the mean it foretold, the share that did it at the
instant ``at``, and the error that it promised when it was fitted."""


def watch(models: Mapping[str, dict[str, Any]], row: ir.Table, work: Work) -> None:
    """Compare everybody with those that each model was fitted on → ``drift``; tell what has moved.

    models : the rows of the models that were applied
    row    : features and outputs of everybody
    """
    before = work.optional("drift")
    if before is not None and work.previous is not None and work.previous.moment.as_of > work.moment.as_of:
        work.replace("drift", before.filter(before.as_of <= work.moment.as_of))
        before = work.table("drift")
    found: list[dict[str, Any]] = []
    for name, fitted in models.items():
        mine = [*_population(fitted, row), *_promise(name, fitted, before, work)]
        found += [{**item, "model": name, "version": fitted["version"]} for item in mine]
        _tell(name, fitted, mine, work)
    rows = [{"run": work.draft.run, "as_of": work.moment.as_of, **item} for item in found]
    if rows:
        work.draft.append(work.con, "drift", pa.Table.from_pylist(rows, schema=DRIFT))


def _population(row: Mapping[str, Any], everybody: ir.Table) -> list[dict[str, Any]]:
    """The stability index of each column; nothing of a version that does not know its population."""
    if not row.get("reference"):
        return []
    known, fitted = Reference.model_validate_json(row["reference"]), stored(row)
    inputs = fitted.inputs(everybody)
    values = {("input", name): inputs[name] for name in known.inputs}
    values |= {("output", name): everybody[name] for name in known.outputs}
    bins = {("input", name): one for name, one in known.inputs.items()}
    bins |= {("output", name): one for name, one in known.outputs.items()}
    keys = {f"{what}_{name}": (what, name) for what, name in values}
    now = shares_of(
        {key: values[pair] for key, pair in keys.items()}, {key: bins[pair] for key, pair in keys.items()}, everybody
    )
    found, n = [], int(everybody.count().to_pyarrow().as_py())
    for key, (what, name) in keys.items():
        index = stability(bins[what, name].shares, now[key], known.rows, n)
        level = level_of(index, bins[what, name], known.rows, n)
        found.append({"what": what, "name": name, "value": index, "level": level, "n": n})
    return found


def _promise(name: str, row: Mapping[str, Any], before: ir.Table | None, work: Work) -> list[dict[str, Any]]:
    """How a score of the newest instant whose horizon is over came true; what is known of it already is repeated."""
    item, fitted = work.definitions.model(name), stored(row)
    if not (isinstance(item, PropensityModel) and isinstance(fitted, FittedPropensity)):
        return []
    at = end_of(work.moment.today - timedelta(days=item.horizon_days + 1), work.moment)
    if max(fitted.metrics.test_at) >= at.as_of:
        return []  # its own metrics tell
    if before is not None:
        same = (before.model == name, before.version == row["version"], before.what == "promise")
        known = before.filter(*same, before["at"] == at.as_of).limit(1).to_pyarrow().to_pylist()
        if known:
            return [{key: known[0][key] for key in DRIFT.names if key not in ("run", "as_of", "model", "version")}]
    return _kept_promise(item, fitted, at, work)


def _kept_promise(item: PropensityModel, fitted: FittedPropensity, at: Moment, work: Work) -> list[dict[str, Any]]:
    def row_at(moment: Moment) -> ir.Table:
        return work.features_at(moment, (*work.definitions.inputs[item.name], *item.weights))

    events = work.events(item.target)
    rows = training_set(item, work.definitions.targets[item.name], events, row_at, (at,), work.moment)
    table = rows.select("target", score=fitted.output(rows)).to_pyarrow()
    if not table.num_rows:
        return []
    did = table["target"].to_numpy(zero_copy_only=False).astype(bool)
    chance = table["score"].to_numpy() / 100
    level = honesty(float(chance.mean()), float((chance * (1 - chance)).mean()), float(did.mean()), len(did))
    return [
        {
            "what": "promise",
            "name": item.name,
            "value": calibration_error(calibration_bins(np.asarray(chance), did)),
            "level": level,
            "at": at.as_of,
            "n": len(did),
            "foretold": float(chance.mean()),
            "observed": float(did.mean()),
            "promised": fitted.metrics.expected_calibration_error,
        }
    ]


def _tell(name: str, row: Mapping[str, Any], found: list[dict[str, Any]], work: Work) -> None:
    """Warn of what has moved; what is only to be watched stands in the report."""
    since = f"since version {row['version']} was fitted ({_day(row['fitted_at'], work)})"
    remedy = f"`facette models refit {name}` fits it anew."
    moved = [item for item in found if item["level"] == "moved"]
    columns = [f"{item['name']} ({item['value']:.2f})" for item in moved if item["what"] != "promise"]
    if columns:
        work.warnings.append(f"“{name}”: the population has moved {since}: {', '.join(columns)}. {remedy}")
    for item in moved:
        if item["what"] == "promise":
            work.warnings.append(
                f"“{name}”: the score foretold {item['foretold']:.1%} on {_day(item['at'], work)}, and"
                f" {item['observed']:.1%} did it; it no longer means what it says. {remedy}"
            )


def _day(at: datetime, work: Work) -> str:
    return f"{Moment(at, work.moment.zone).local:%Y-%m-%d}"
