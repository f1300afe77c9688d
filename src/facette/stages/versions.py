"""Versions of models: what is known of each fit, which one applies, and where the ledger keeps them.

A version stays for good, in the ledger: the data that it was fitted on may have been corrected or erased since, and the
libraries are not the same for ever, so it cannot be computed again. Which version applies is decided at the beginning
of the stage: the one that somebody chose (``facette models rollback``), else the newest, as long as it is young and its
definition the same.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import ibis.expr.types as ir
import pyarrow as pa

from facette.definitions.models import Model
from facette.definitions.project import Definitions
from facette.errors import ModelError
from facette.models.fitted import FittedModel
from facette.models.kinds import stored
from facette.stages.work import Work
from facette.warehouse.ledger import Ledger

MODELS = pa.schema(
    [
        ("name", pa.string()),
        ("kind", pa.string()),
        ("version", pa.int64()),
        ("fitted_at", pa.timestamp("us", "UTC")),
        ("fingerprint", pa.string()),
        ("run", pa.string()),
        ("data", pa.string()),
        ("rows", pa.int64()),
        ("seed", pa.int64()),
        ("code", pa.string()),
        ("reference", pa.string()),
        ("metrics", pa.string()),
        ("parameters", pa.string()),
    ]
)
LIBRARIES = (
    *("facette", "numpy", "scipy", "scikit-learn", "pyarrow", "duckdb", "ibis-framework"),
    *("lightgbm", "xgboost-cpu", "fast-hdbscan", "umap-learn"),
)
"""Whose versions are kept with a fit, where they are installed."""


def version_row(item: Model, fitted: FittedModel, number: int, reference: str, work: Work) -> dict[str, Any]:
    """A fit as a row of the table ``models``.

    number    : of the version
    reference : what the model looked at and said of the population, as JSON
    """
    metrics = fitted.metrics.model_dump()
    return {
        "name": item.name,
        "kind": item.kind,
        "version": number,
        "fitted_at": work.moment.as_of,
        "fingerprint": work.definitions.model_fingerprint(item.name),
        "run": work.draft.run,
        "data": fitted.fingerprint,
        "rows": metrics.get("fit_rows", metrics.get("rows")),
        "seed": fitted.seed,
        "code": json.dumps(_code()),
        "reference": reference,
        "metrics": fitted.metrics_json(),
        "parameters": fitted.parameters_json(),
    }


def stored_rows(work: Work) -> tuple[dict[str, dict[str, Any]], dict[str, int]]:
    """Model → the row that applies unless it is fitted anew, and model → the highest number that a version has.

    What was published before versions were kept is known by its table alone.
    """
    published = work.optional("models")
    before = {row["name"]: row for row in published.to_pyarrow().to_pylist()} if published is not None else {}
    highest = {name: row["version"] for name, row in before.items()}
    versions = work.ledger.versions()
    for row in versions:
        highest[row["name"]] = max(highest.get(row["name"], 0), row["version"])
    names = {item.name for item in work.project.models}
    maps = {(name, row["version"]): row for name, row in before.items() if row["kind"] == "map"}  # with their people
    for row in reversed(versions):  # the newest last
        name = row["name"]
        if name in names and row["fingerprint"] == work.definitions.model_fingerprint(name):
            before[name] = maps.get((name, row["version"])) or _as_stored(row)
    for name, number in work.draft.snapshot.chosen.items():
        (row,) = [row for row in versions if (row["name"], row["version"]) == (name, number)]
        before[name] = maps.get((name, number)) or _as_stored(row)
    return {name: row for name, row in before.items() if _is_readable(row, work)}, highest


def _as_stored(row: Mapping[str, Any]) -> dict[str, Any]:
    return {field: row.get(field) for field in MODELS.names}


def of_people_there(row: dict[str, Any], table: ir.Table) -> dict[str, Any]:
    """A stored model without what it keeps of people who are no longer among the profiles of a table."""
    fitted = stored(row)
    kept = fitted.people()
    if not kept:
        return row
    there = table.filter(table.profile_id.isin(kept)).select("profile_id").to_pyarrow()["profile_id"].to_pylist()
    return row if len(there) == len(kept) else {**row, "metrics": fitted.only_of({*there}).metrics_json()}


def _is_readable(row: Mapping[str, Any], work: Work) -> bool:
    """Whether this version of Facette can apply a stored model; if not, it is as if there were none."""
    try:
        stored(row)
    except ModelError as error:
        work.warnings.append(str(error))
        return False
    return True


def chosen_now(before: Mapping[str, Mapping[str, Any]], work: Work) -> set[str]:
    """The models whose row is the version that somebody chose; a choice ends where the definition has changed since."""
    chosen, standing = work.draft.snapshot.chosen, {}
    for name, number in chosen.items():
        if name in before and before[name]["fingerprint"] == work.definitions.model_fingerprint(name):
            standing[name] = number
            continue
        work.choices_ended.append(name)
        work.warnings.append(
            f"“{name}”: version {number} was chosen, but the definition has changed since it was fitted;"
            " the model is fitted anew, and the choice has ended."
        )
    work.draft.note(chosen=standing)
    return set(standing)


def chosen_versions(definitions: Definitions, ledger: Ledger) -> dict[str, int]:
    """Model → the version that somebody chose for it, and that is there."""
    names = {item.name for item in definitions.project.models}
    there = {(row["name"], row["version"]) for row in ledger.versions()}
    found = {name: choice["version"] for name, choice in ledger.choices().items() if name in names}
    return {name: number for name, number in found.items() if (name, number) in there}


def keep_versions(work: Work) -> None:
    """Record what this run fitted, and end the choices that no longer hold; before it is published.

    What is recorded stays for good, and therefore is of nobody: neither the ledger nor MLflow has anybody's id.
    """
    rows = work.optional("models")
    if rows is not None:
        found = rows.to_pyarrow().to_pylist()
        work.ledger.keep_versions([{**row, "metrics": stored(row).only_of(()).metrics_json()} for row in found])
    for name in work.choices_ended:
        work.ledger.choose(name, None)


def _code() -> dict[str, str]:
    """The versions of what models are fitted by."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
