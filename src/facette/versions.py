"""Which versions of models there are, which one applies, and the decision that an earlier one is to apply again.

A decision is one row of the ledger: the next run applies it, all at once, with whatever else it publishes. It holds,
also against a refit for age, until it is released, until another version is chosen, or until the model's definition
changes; then the model is fitted anew, and the run says so.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from contextlib import closing
from typing import Any

from facette.clock import Moment
from facette.definitions.findings import suggestion
from facette.definitions.models import Model
from facette.definitions.project import Definitions
from facette.errors import NotFoundError, RunError
from facette.stages.tracking import figures
from facette.warehouse.ledger import Ledger
from facette.warehouse.published import Store

MAIN_FIGURES = {
    "clusters": ("clusters", "silhouette", "davies_bouldin"),
    "propensity": ("roc_auc", "average_precision", "brier", "expected_calibration_error"),
    "value": ("mean_purchase", "correlation", "purchase_bias", "value_bias"),
}
"""Kind → what is shown of a version first; of others the first four numbers of its metrics."""


def versions(definitions: Definitions) -> list[dict[str, Any]]:
    """Every model with its versions, newest first.

    applied   : the version in the published run, None before the first
    chosen    : the version that somebody chose, and when; None where the newest applies
    is_usable : whether a version was fitted by today's definition, so that it can be chosen
    """
    store = Store(definitions.folder)
    published = store.published()
    with closing(Ledger(store.folder)) as ledger:
        rows, choices = ledger.versions(), ledger.choices()
    applied = published.applied if published else {}
    return [
        {
            "model": item.name,
            "kind": item.kind,
            "applied": applied.get(item.name),
            "chosen": choices.get(item.name),
            "versions": [_told(row, definitions) for row in rows if row["name"] == item.name],
        }
        for item in definitions.project.models
    ]


def rollback(definitions: Definitions, name: str, to: int | None = None) -> dict[str, Any]:
    """Decide that an earlier version of a model applies from the next run on.

    to : the version; the last usable one before the one that applies now (or is chosen already) unless given
    Raises NotFoundError for a model or version that is not there, RunError for one that cannot be applied.
    """
    model = _model(definitions, name)
    (told,) = [item for item in versions(definitions) if item["model"] == name]
    there = {item["version"]: item for item in told["versions"]}
    now = told["chosen"]["version"] if told["chosen"] else told["applied"]
    if to is None:
        earlier = [number for number, item in there.items() if item["is_usable"] and number < (now or 0)]
        if not earlier:
            raise RunError(
                f"“{name}” has no earlier version that today's definition could apply.",
                remedy="`facette models` lists its versions; change the definition back to use one fitted by another.",
            )
        to = max(earlier)
    if to not in there:
        listed = ", ".join(map(str, sorted(there))) or "none"
        raise NotFoundError(f"“{name}” has no version {to}.", remedy=f"There are: {listed}.")
    if not there[to]["is_usable"]:
        raise RunError(
            f"Version {to} of “{name}” was fitted by another definition than today's.",
            remedy="Change the definition back first; `facette models` tells which versions are usable.",
        )
    _decide(definitions, name, to)
    return {"model": model.name, "version": to, "before": now, "applies": "with the next run: `facette run`"}


def must_refit(definitions: Definitions, names: Collection[str]) -> frozenset[str]:
    """The models that somebody asks to be fitted anew.

    Raises NotFoundError for a model that is not there, RunError for one of which an earlier version was chosen: that
    one would go on being applied.
    """
    for name in names:
        _model(definitions, name)
    with closing(Ledger(Store(definitions.folder).folder)) as ledger:
        choices = ledger.choices()
    for name in names:
        if name in choices:
            raise RunError(
                f"Version {choices[name]['version']} of “{name}” was chosen, and stays until it is released.",
                remedy=f"Release it first: `facette models release {name}`.",
            )
    return frozenset(names)


def release(definitions: Definitions, name: str) -> dict[str, Any]:
    """Let the newest version of a model apply again from the next run on, or a new one if it is due.

    Raises NotFoundError for a model that is not there, RunError if no version was chosen.
    """
    _model(definitions, name)
    (told,) = [item for item in versions(definitions) if item["model"] == name]
    if not told["chosen"]:
        raise RunError(f"No version of “{name}” was chosen.", remedy="The newest one applies already.")
    _decide(definitions, name, None)
    return {
        "model": name,
        "version": None,
        "before": told["chosen"]["version"],
        "applies": "with the next run: `facette run`",
    }


def _decide(definitions: Definitions, name: str, version: int | None) -> None:
    with closing(Ledger(Store(definitions.folder).folder)) as ledger:
        ledger.choose(name, version)


def _model(definitions: Definitions, name: str) -> Model:
    names = [item.name for item in definitions.project.models]
    if name not in names:
        raise NotFoundError(f"There is no model {name}.", remedy=suggestion(name, names))
    return definitions.model(name)


def _told(row: Mapping[str, Any], definitions: Definitions) -> dict[str, Any]:
    return {
        "version": row["version"],
        "fitted_at": Moment(row["fitted_at"], definitions.project.time_zone).local,
        "recorded_at": row["recorded_at"],
        "run": row.get("run"),
        "rows": row.get("rows"),
        "seed": row.get("seed"),
        "figures": main_figures(row),
        "is_usable": row["fingerprint"] == definitions.model_fingerprint(row["name"]),
        "definition": row["fingerprint"],
        "data": row.get("data"),
        "code": json.loads(row.get("code") or "{}"),
        "mlflow": row["tracked_as"],
    }


def main_figures(row: Mapping[str, Any]) -> dict[str, float]:
    """The metrics of a version that say most."""
    metrics = json.loads(row["metrics"])
    known = figures(metrics)
    known |= figures(metrics.get("holdout") or {})
    wanted = MAIN_FIGURES.get(row["kind"], tuple(known)[:4])
    return {name: known[name] for name in wanted if name in known}
