"""Small published snapshots, made through the store from tables that tests know by heart."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from facette.definitions.model import Project
from facette.definitions.project import Definitions, define
from facette.models.clusters.fit import fit_clusters
from facette.models.clusters.fitted import FittedClusters
from facette.models.maps import fit_map
from facette.models.scores import fit_propensity
from facette.plan import fingerprints
from facette.queries import Published
from facette.stages.models import MODELS
from facette.validation.effects import effects
from facette.validation.experiment import Readable
from facette.validation.portraits import overlaps, portraits
from facette.validation.stability import Stability
from facette.validation.verdicts import segment_verdicts
from facette.validation.worth import worth
from facette.warehouse.connect import connect
from facette.warehouse.ledger import Ledger
from facette.warehouse.published import Draft, Snapshot, Store

ZONE = "Europe/Paris"
AS_OF = datetime(2026, 9, 30, 21, 59, 59, 999999, tzinfo=UTC)  # a local day's last microsecond
PEOPLE = 300
NASTY = "<script>alert('moi')</script> & <b>amis</b>"
PROFILES = np.arange(1, PEOPLE + 1)

SOURCES = [
    {
        "name": "orders",
        "kind": "file",
        "path": "orders.csv",
        "label": {"fr": "commandes", "en": "orders"},
        "people": {
            "identifiers": {"customer": "customer"},
            "known_at": "seen",
            "fields": {"city": {"label": {"fr": "ville", "en": "city"}}, "is_subscribed": {"type": "boolean"}},
        },
        "events": [
            {
                "name": "purchase",
                "label": {"fr": "achat", "en": "purchase"},
                "identifiers": {"customer": "customer"},
                "at": "at",
                "fields": {"amount": {"type": "number"}},
            }
        ],
    }
]
FEATURES = [
    {"name": "recency", "label": {"fr": "récence", "en": "recency"}, "unit": "days", "value": "RECENCY OF purchase"},
    {"name": "orders_1y", "label": {"fr": "commandes", "en": "orders"}, "value": "COUNT OF purchase"},
    {
        "name": "spend",
        "label": {"fr": "dépense", "en": "spend"},
        "unit": "EUR",
        "value": "SUM(amount) OF purchase",
    },
    {
        "name": "r_score",
        "label": {"fr": "note de récence", "en": "recency score"},
        "quantiles": {"of": "recency", "groups": 3, "reverse": True},
    },
    {
        "name": "f_score",
        "label": {"fr": "note de fréquence", "en": "frequency score"},
        "quantiles": {"of": "orders_1y", "groups": 3},
    },
]
SEGMENTS = [
    {"name": "active", "label": {"fr": "Actifs", "en": "Active"}, "rule": "recency < 60"},
    {
        "name": "loyal",
        "label": {"fr": "Fidèles", "en": "Loyal"},
        "description": {"fr": "Ils reviennent.", "en": "They come back."},
        "parent": "active",
        "rule": "orders_1y >= 6",
    },
    {"name": "nasty", "label": {"fr": NASTY, "en": NASTY}, "rule": "spend > 300", "description": NASTY},
    {"name": "nobody", "label": {"fr": "Personne", "en": "Nobody"}, "rule": "spend > 100000"},
]
MODELS_OF_ALL_KINDS = [
    {
        "name": "styles",
        "kind": "clusters",
        "label": {"fr": "styles", "en": "styles"},
        "features": ["recency", "spend"],
        "maximum_clusters": 4,
        "search": {"resamples": 2},
    },
    {
        "name": "chance",
        "kind": "propensity",
        "label": {"fr": "appétence", "en": "propensity"},
        "target": "purchase",
        "horizon_days": 30,
        "features": ["recency", "orders_1y"],
        "bands": [{"name": "low", "label": {"fr": "faible"}, "below": 40}, {"name": "high", "label": {"fr": "élevé"}}],
    },
    {
        "name": "chart",
        "kind": "map",
        "label": {"fr": "carte", "en": "chart"},
        "features": ["recency", "orders_1y", "spend"],
        "variance": 1,
        "methods": ["pca"],
        "sample": 100,
    },
]


def definitions(folder: Path, **changes: Any) -> Definitions:
    """A project with everything that the report speaks of, and any key of it changed."""
    data: dict[str, Any] = {
        "name": "shop",
        "label": {"fr": "Ma boutique", "en": "My shop"},
        "language": "fr",
        "time_zone": ZONE,
        "identifiers": [{"name": "customer", "label": {"fr": "numéro de client", "en": "customer number"}}],
        "sources": SOURCES,
        "features": FEATURES,
        "models": MODELS_OF_ALL_KINDS,
        "segments": SEGMENTS,
        "validation": {"kpi": "spend", "minimum_size": 10},
    }
    return define(Project.model_validate(data | changes), folder)


@dataclass
class World:
    """A published project, and the tables that were published."""

    published: Published
    features: pa.Table
    wide: pa.Table
    tables: dict[str, pa.Table] = field(default_factory=dict)


def publish(folder: Path, *, runs: int = 2, instead: dict[str, pa.Table] | None = None, **changes: Any) -> World:
    """Publish a snapshot of 300 people after so many runs, some tables replaced by others."""
    project = definitions(folder, **changes)
    features, wide = _features(), _wide(project)
    tables = {
        "profiles": pa.table({"profile_id": PROFILES, "is_counted": np.ones(PEOPLE, bool)}),
        "features": features,
        "wide": wide,
        "scored": pa.table({"profile_id": PROFILES}),
        "sizes": _sizes(wide, runs),
        "identities": pa.table(
            {"kind": ["customer"] * PEOPLE, "value": [str(n) for n in PROFILES], "profile_id": PROFILES}
        ),
        "quality": _quality(),
        "refused": _refused(),
    }
    _models(project, features, tables)
    _validate(project, wide, features, tables)
    tables |= instead or {}
    store = Store(folder)
    con = connect(folder)
    draft = Draft(store, Snapshot(run=f"run{runs}", as_of=AS_OF.isoformat(), zone=ZONE))
    for name, table in tables.items():
        draft.replace(name, con.create_table(f"made_{name}", table, temp=True))
    store.publish(replace(draft.snapshot, fingerprints=fingerprints(project), published_at=AS_OF.isoformat()))
    ledger = Ledger(store.folder)
    ledger.start(draft.run, AS_OF)
    ledger.end(
        draft.run,
        "published",
        [
            {"stage": "clean", "detail": "rebuild: first run", "rows": 900, "seconds": 1.25},
            {"stage": "events", "detail": "add: new from orders (2)", "rows": 900, "seconds": 0.5},
            {"stage": "people", "detail": "rebuild: after clean", "rows": 300, "seconds": 0.5},
        ],
    )
    ledger.close()
    return World(Published(project), features, wide, tables)


def publish_little(folder: Path, **changes: Any) -> World:
    """Publish no more than the sizes of segments that nobody is in, of a project without people."""
    project = definitions(folder, models=[], validation={}, **changes)
    wide = _wide(project).slice(0, 0)
    con, store = connect(folder), Store(folder)
    draft = Draft(store, Snapshot(run="run1", as_of=AS_OF.isoformat(), zone=ZONE))
    draft.replace("sizes", con.create_table("made_sizes", _sizes(wide, 1), temp=True))
    store.publish(draft.snapshot)
    return World(Published(project), _features().slice(0, 0), wide)


def _features() -> pa.Table:
    random = np.random.default_rng(4)
    orders = random.poisson(4, PEOPLE)
    recency = np.where(orders > 0, random.integers(0, 200, PEOPLE), 0)
    spend = orders * random.uniform(20, 90, PEOPLE)
    city = np.where(random.random(PEOPLE) < 0.3, "Lyon", "Besançon")
    return pa.table(
        {
            "profile_id": PROFILES,
            "city": city,
            "is_subscribed": pa.array(random.random(PEOPLE) < 0.6, mask=random.random(PEOPLE) < 0.2),
            "recency": pa.array(recency, pa.int64(), mask=orders == 0),
            "orders_1y": orders,
            "spend": spend,
            "r_score": pa.array(3 - recency // 70, pa.int64(), mask=orders == 0),
            "f_score": np.clip(orders // 3 + 1, 1, 3),
        }
    )


def _wide(project: Definitions) -> pa.Table:
    """Memberships by hand: what the rules of SEGMENTS say."""
    rows = _features().to_pylist()
    is_active = [row["recency"] is not None and row["recency"] < 60 for row in rows]
    members = {
        "active": is_active,
        "loyal": [active and row["orders_1y"] >= 6 for active, row in zip(is_active, rows, strict=True)],
        "nasty": [row["spend"] > 300 for row in rows],
        "nobody": [False] * PEOPLE,
    }
    return pa.table({"profile_id": PROFILES, **{name: members[name] for name in project.rules}})


def _sizes(wide: pa.Table, runs: int) -> pa.Table:
    rows = [
        {
            "run": f"run{run}",
            "as_of": AS_OF - timedelta(days=runs - run),
            "segment": name,
            "members": max(0, sum(wide[name].to_pylist()) - (runs - run)),
            "population": wide.num_rows,
            "entered": 1,
            "left": 0,
        }
        for run in range(1, runs + 1)
        for name in wide.column_names[1:]
    ]
    return pa.Table.from_pylist(rows) if rows else _no_sizes()


def _no_sizes() -> pa.Table:
    kinds = {"run": pa.string(), "as_of": pa.timestamp("us", "UTC"), "segment": pa.string()}
    counts = dict.fromkeys(("members", "population", "entered", "left"), pa.int64())
    return pa.schema(kinds | counts).empty_table()


def _quality() -> pa.Table:
    steps = [("text", 900, 900, 12, 0), ("outlier amount", 900, 900, 0, 0), ("refused", 900, 897, 0, 3)]
    names = ("step", "rows_in", "rows_out", "changed", "refused")
    rows = [dict(zip(names, step, strict=True)) | {"source": "orders", "landing": "a"} for step in steps]
    return pa.Table.from_pylist(rows)


def _refused() -> pa.Table:
    reason = "row refused: not an instant"
    rows = [("orders", "a", n, "at", f"<i>bad {n}</i>", reason, "{}") for n in (7, 8, 9, 12)]
    names = ("source", "landing", "row", "column", "value", "reason", "raw")
    return pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows])


def _models(project: Definitions, features: pa.Table, tables: dict[str, pa.Table]) -> None:
    """Fit the project's models, and cluster and score everybody at random."""
    rows, random = [], np.random.default_rng(5)
    for model in project.project.models:
        if model.kind == "clusters":
            fitted: Any = fit_clusters(model, features)
            output = pa.array(random.integers(1, fitted.metrics.clusters + 1, PEOPLE))
        elif model.kind == "map":
            fitted = fit_map(model, features)
            output = pa.array(fitted.distances(features))
        else:
            fitted = fit_propensity(model, _training(features))
            output = pa.array(random.uniform(0, 100, PEOPLE))
        tables["scored"] = tables["scored"].append_column(model.name, output)
        rows.append(
            {
                "name": model.name,
                "kind": model.kind,
                "version": 2,
                "fitted_at": AS_OF - timedelta(days=3),
                "fingerprint": "f",
                "metrics": fitted.metrics_json(),
                "parameters": fitted.parameters_json(),
            }
        )
    tables["models"] = pa.Table.from_pylist(rows, schema=MODELS)


def _training(features: pa.Table) -> pa.Table:
    """Three past instants at which those who order much are likelier to buy again."""
    random, parts = np.random.default_rng(6), []
    for days in (90, 60, 30):
        target = random.random(PEOPLE) < np.clip(features["orders_1y"].to_numpy() / 8, 0.1, 0.9)
        instant = pa.array([AS_OF - timedelta(days=days)] * PEOPLE, pa.timestamp("us", "UTC"))
        columns = features.select(["profile_id", "recency", "orders_1y"])
        parts.append(columns.append_column("instant", instant).append_column("target", pa.array(target)))
    return pa.concat_tables(parts)


def _validate(project: Definitions, wide: pa.Table, features: pa.Table, tables: dict[str, pa.Table]) -> None:
    clusterings = [
        FittedClusters.from_json(row["parameters"], row["metrics"])
        for row in tables["models"].to_pylist()
        if row["kind"] == "clusters"
    ]
    row = features
    for name in tables["scored"].column_names[1:]:
        row = row.append_column(name, tables["scored"][name])
    labels = {item.name: item.label for item in project.project.features}
    validation = project.project.validation
    parents = {item.name: item.parent for item in project.project.segments}
    found = effects(wide, row, validation, parents=parents, clusterings=[item.name for item in clusterings])
    tables["verdicts"] = segment_verdicts(wide, row, validation, found=found, clusterings=clusterings, labels=labels)
    tables["effects"] = found
    types = {name: project.vocabulary.columns[name].type for name in (*project.traits, *project.features)}
    for item in clusterings:
        wide = wide.append_column(item.name, tables["scored"][item.name])
    tables["portraits"] = portraits(wide, row, types)
    tables["overlaps"] = overlaps(wide)
    sizes = tables["sizes"].to_pylist()
    for size in sizes:
        size["stayed"] = size["members"] - size["entered"]
    tables["worth"] = worth(
        tables["verdicts"],
        found,
        tables["overlaps"],
        validation,
        parents=parents,
        follows={"active": ["r_score"], "loyal": ["styles"]},
        models=["styles"],
        stability={"active": Stability(0.87, 0.8, 0.94, 40)},
        sizes=sizes,
        experiments={"active": Readable("days", "", 800, 2.5, 44), "loyal": Readable("never", "nobody", 900, 0)},
    )
