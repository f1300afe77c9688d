"""How long a preview of a rule takes on a published snapshot, beside the hand-written DuckDB query on its features.

    python benchmarks/preview.py [--scale 1.0] [--repeat 5] [--json]

Scale 1 is 1,000,000 profiles and 10,000,000 events. The snapshot is built with the functions that `facette run` calls,
once, and is not timed. Then for each rule, best of some turns, and both must count the same members:

- call    : `Published.preview` in a process that is running, beside the query on a new connection
- command : `facette preview` as a process of its own, beside a Python process that imports duckdb and runs the query
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from batch import AS_OF, FEATURES, make_events, rules

PROFILES, EVENTS = 1_000_000, 10_000_000

# rule, the same condition as SQL over the snapshot's features (f) and memberships (w)
RULES = (
    ("spend_90d > 100 AND recency < 30", "f.spend_90d > 100 AND f.recency < 30"),
    (
        "n_orders >= 12 OR (average_365d < 40 AND NOT n_categories > 4) OR largest IS UNKNOWN",
        "f.n_orders >= 12 OR (f.average_365d < 40 AND NOT f.n_categories > 4) OR f.largest IS NULL",
    ),
    ("IN SEGMENT s0_0 AND NOT IN SEGMENT s3_3", "w.s0_0 AND NOT w.s3_3"),
    ("DID purchase AT LEAST 3 TIMES IN THE LAST 90 DAYS AND spend > 200", "f.n_orders_90d >= 3 AND f.spend > 200"),
)


def definitions() -> dict[str, object]:
    events = {
        "name": "purchase",
        "at": "at",
        "identifiers": {"customer": "customer"},
        "fields": {"category": {}, "amount": {"type": "number"}},
    }
    return {
        "name": "benchmark",
        "identifiers": [{"name": "customer"}],
        "sources": [{"name": "shop", "kind": "file", "path": "events", "events": [events]}],
        "features": [{"name": name, "value": value} for name, value in FEATURES],
        "segments": [{"name": name, "label": {"en": name}, "rule": rule} for name, rule, _ in rules(50)],
    }


def publish(folder: Path, profiles: int, events: int) -> None:
    """A project whose snapshot has the tables that previews read."""
    import ibis

    from facette.definitions.project import load
    from facette.definitions.redefined import written
    from facette.features.partials import prepare
    from facette.features.table import feature_plan, feature_table
    from facette.plan import fingerprints
    from facette.segments.membership import wide_memberships
    from facette.warehouse.connect import connect, read_parquet
    from facette.warehouse.published import Draft, Snapshot, Store

    (folder / "facette.yml").write_text(json.dumps(definitions()), encoding="utf-8")
    made = folder / "made"
    made.mkdir()
    make_events(made, profiles, events)
    project, store, con = load(folder), Store(folder), connect(folder)
    made_by = {"fingerprints": fingerprints(project), "definitions": written(project)}
    snapshot = Snapshot("benchmark", AS_OF.isoformat(), "UTC", **made_by)  # type: ignore[arg-type]
    moment, plan = snapshot.moment, feature_plan(project)
    draft = Draft(store, snapshot)
    everybody = ibis.range(1, profiles + 1).unnest().name("profile_id").as_table()
    everybody = everybody.mutate(is_counted=True, customer=ibis.literal("c") + everybody.profile_id.cast("string"))
    everybody = draft.append(con, "profiles", everybody)
    purchases = draft.append(con, "events_purchase", read_parquet(con, sorted(made.glob("*.parquet"))))
    partials = draft.append(con, "partials_purchase", prepare(purchases, plan.aggregates, moment))
    features = draft.append(con, "features", feature_table(everybody, {"purchase": partials}, plan, moment, {}))
    draft.replace("wide", wide_memberships(features, project.rules, moment))
    store.publish(draft.snapshot)


def query(folder: Path, condition: str) -> str:
    """What an analyst would write on the snapshot's tables."""
    tables = folder / ".facette" / "tables"
    memberships = f" JOIN '{tables}/wide/*.parquet' w USING (profile_id)" if "w." in condition else ""
    return f"SELECT count_if({condition}), count(*) FROM '{tables}/features/*.parquet' f{memberships}"


def best(turn: Callable[[], int], repeat: int) -> tuple[float, int]:
    """The shortest of some turns in seconds, and what they counted."""
    taken, found = [], set()
    for _ in range(repeat):
        began = time.perf_counter()
        found.add(turn())
        taken.append(time.perf_counter() - began)
    (counted,) = found
    return min(taken), counted


def output(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ}).stdout


def measure(folder: Path, rule: str, condition: str, repeat: int) -> dict[str, object]:
    import duckdb

    from facette.definitions.project import load
    from facette.queries import Published

    project = load(folder)
    sql = query(folder, condition)
    facette = "import sys; sys.argv[0] = 'facette'; from facette.cli import main; main()"
    command = [sys.executable, "-c", facette, "preview", rule, "--project", str(folder), "--json"]
    plain = [sys.executable, "-c", "import duckdb, sys; print(duckdb.sql(sys.argv[1]).fetchone()[0])", sql]
    turns: dict[str, Callable[[], int]] = {
        "call": lambda: Published(project).preview(rule)["members"],
        "call_sql": lambda: duckdb.connect().sql(sql).fetchone()[0],  # type: ignore[index]
        "command": lambda: json.loads(output(command))["members"],
        "command_sql": lambda: int(output(plain)),
    }
    figures: dict[str, object] = {"rule": rule}
    counts, seconds = set(), {}
    for name, turn in turns.items():
        seconds[name], counted = best(turn, repeat)
        counts.add(counted)
    if len(counts) != 1:
        raise SystemExit(f"{rule}: the counts differ: {counts}")
    figures |= {"members": counts.pop(), **seconds}
    figures["call_difference"] = seconds["call"] - seconds["call_sql"]
    figures["command_difference"] = seconds["command"] - seconds["command_sql"]
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=0.1)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    profiles, events = max(1, int(PROFILES * args.scale)), max(1, int(EVENTS * args.scale))
    with tempfile.TemporaryDirectory() as name:
        publish(Path(name), profiles, events)
        rows = [measure(Path(name), rule, condition, args.repeat) for rule, condition in RULES]
    if args.json:
        print(json.dumps({"profiles": profiles, "events": events, "rules": rows}, indent=1))
        return
    print(f"{profiles:,} profiles, {events:,} events; seconds, best of {args.repeat}")
    print(f"{'call':>8}{'SQL':>8}{'more':>8}{'command':>10}{'SQL':>8}{'more':>8}{'members':>11}  rule")
    for row in rows:
        print(
            f"{row['call']:>8.2f}{row['call_sql']:>8.2f}{row['call_difference']:>8.2f}{row['command']:>10.2f}"
            f"{row['command_sql']:>8.2f}{row['command_difference']:>8.2f}{row['members']:>11,}  {row['rule']}"
        )


if __name__ == "__main__":
    main()
