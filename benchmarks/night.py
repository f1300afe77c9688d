"""What one more night costs: `facette run` of 1 % new events after a run of the others, beside a first run of all.

    python benchmarks/night.py [--scale 0.1] [--json]

Scale 1 is 1,000,000 profiles and 50,000,000 events of two years with the features and 50 rules of benchmarks/batch.py,
from Parquet files to published memberships. The night has the events of the last 1 % of the time, and every window
moves by as much. Both ways must publish the same members, or the benchmark fails. Each run is a process of its own;
imports are left out of its seconds.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
from batch import AS_OF, EVENTS, FEATURES, PROFILES, make_events, rules

EVENING = AS_OF - timedelta(days=7.3)  # 99 % of two years
RAW = 'profile_id::VARCHAR AS customer, event_id AS id, "at", category, amount'


def make_project(folder: Path) -> None:
    """A project over ``events/``, in JSON, which is YAML."""
    fields = {"category": {}, "amount": {"type": "number"}}
    events = {"name": "purchase", "id": ["id"], "at": "at", "identifiers": {"customer": "customer"}, "fields": fields}
    project = {
        "name": "night",
        "identifiers": [{"name": "customer"}],
        "sources": [{"name": "shop", "kind": "file", "path": "events/*.parquet", "events": [events]}],
        "features": [{"name": name, "value": value} for name, value in FEATURES],
        "segments": [{"name": name, "rule": rule} for name, rule, _ in rules(50)],
    }
    (folder / "events").mkdir(parents=True)
    (folder / "facette.yml").write_text(json.dumps(project), encoding="utf-8")


def run(folder: Path, as_of: datetime) -> dict[str, float]:
    """One run in a new process: seconds, peak GB, and the seconds of its stages."""
    command = [sys.executable, __file__, "--run", str(folder), "--as-of", as_of.isoformat()]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def run_here(folder: Path, as_of: datetime) -> None:
    from facette.console import RunDisplay
    from facette.definitions.project import load
    from facette.run import run as run_project

    began = time.perf_counter()
    with RunDisplay(is_quiet=True) as display:
        outcome = run_project(load(folder), display, as_of=as_of)
    seconds = time.perf_counter() - began
    stages = {stage.stage: stage.seconds for stage in outcome.stages}
    print(
        json.dumps({"seconds": seconds, "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, **stages})
    )


def compare(profiles: int, n_events: int) -> dict[str, dict[str, float]]:
    """Seconds of a first run of the first 99 %, of the night, and of a first run of everything."""
    with tempfile.TemporaryDirectory() as name:
        made, nightly, anew = Path(name) / "made", Path(name) / "nightly", Path(name) / "anew"
        made.mkdir()
        make_events(made, profiles, n_events)
        make_project(nightly)
        make_project(anew)
        parts = {"before": f"\"at\" <= TIMESTAMPTZ '{EVENING}'", "night": f"\"at\" > TIMESTAMPTZ '{EVENING}'"}
        for part, condition in parts.items():
            rows = f"SELECT {RAW} FROM '{made}/*.parquet' WHERE {condition}"
            duckdb.sql(f"COPY ({rows}) TO '{anew}/events/{part}.parquet' (COMPRESSION zstd)")
        first, late = anew / "events" / "before.parquet", anew / "events" / "night.parquet"
        (nightly / "events" / first.name).hardlink_to(first)
        figures = {"first run of 99 %": run(nightly, EVENING)}
        (nightly / "events" / late.name).hardlink_to(late)
        figures["night of 1 %"] = run(nightly, AS_OF)
        figures["first run of 100 %"] = run(anew, AS_OF)
        if members(nightly) != members(anew):
            raise SystemExit("The night does not publish the members that a first run of everything does.")
    return figures


def members(folder: Path) -> object:
    """Of every segment: the number of members, and the sum of their own identifiers."""
    from facette.warehouse.connect import connect
    from facette.warehouse.published import Store

    store = Store(folder)
    snapshot = store.published()
    assert snapshot is not None
    con = connect()
    wide, people = (store.table(con, snapshot, name) for name in ("wide", "profiles"))
    both = wide.join(people.select("profile_id", "customer"), "profile_id")
    who = both.customer.cast("int64")
    names = [name for name, _, _ in rules(50)]
    counted = {f"n_{name}": both[name].sum() for name in names}
    return (
        both.aggregate(**counted, **{name: both[name].ifelse(who, 0).sum() for name in names}).to_pyarrow().to_pylist()
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=0.1)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--run", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--as-of", type=datetime.fromisoformat, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.run:
        run_here(args.run, args.as_of)
        return
    profiles, n_events = int(PROFILES * args.scale), int(EVENTS * args.scale)
    figures = compare(profiles, n_events)
    ratio = figures["night of 1 %"]["seconds"] / figures["first run of 100 %"]["seconds"]
    if args.json:
        print(json.dumps({"profiles": profiles, "events": n_events, "runs": figures, "ratio_to_full": ratio}, indent=1))
        return
    columns = list(figures["night of 1 %"])
    print(f"{profiles:,} profiles, {n_events:,} events; seconds, and of each stage")
    print(f"{'run':<20}" + "".join(f"{column:>11}" for column in columns))
    for run_, row in figures.items():
        print(f"{run_:<20}" + "".join(f"{row.get(column, 0.0):>11.2f}" for column in columns))
    print(f"the night is {ratio:.3f} of a first run of everything")


if __name__ == "__main__":
    main()
