"""How many records the live worker takes in a second, and how long a step takes, on a published run of many profiles.

python benchmarks/live.py [--profiles 100000] [--records 20000] [--batch 1000] [--json]

The log holds three records for each profile (an identification, a visit, a purchase), which a run publishes; then
`--records` more come, of known and new people, and the worker takes them in steps of `--batch`, a transaction each.
Printed are the seconds of the run, of the worker's start on it, of its start after it was stopped, of rolling everybody
over midnight, and records per second and milliseconds of steps. Times are of a clock: the machine should be quiet.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from facette.definitions.model import EmbeddedLog
from facette.definitions.project import load
from facette.run import run
from facette.sources.log import open_log
from facette.sources.record import Record, encode, instant_text
from facette.stream import Stream

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
CITIES = ("Nantes", "Lyon", "Lille", "Angers")

PROJECT = """
name: live
time_zone: Europe/Paris
identifiers: [{name: user}, {name: device}]
sources:
  - name: site
    kind: log
    people:
      only: {kind: identify}
      identifiers: {user: user_id, device: anonymous_id}
      known_at: received_at
      fields: {city: {column: traits.city}}
    events:
      - name: purchase
        only: {kind: track, event: purchase}
        identifiers: {user: user_id, device: anonymous_id}
        at: at
        known_at: received_at
        id: [message_id]
        fields: {amount: {column: properties.amount, type: number}}
      - name: visit
        only: {kind: page}
        identifiers: {user: user_id, device: anonymous_id}
        at: at
        known_at: received_at
        id: [message_id]
        fields: {page: {column: properties.page}}
segments:
"""


def segments() -> str:
    """Fifty rules: windows of many lengths, sums, sequences, traits."""
    rules = [f"DID purchase IN THE LAST {days} DAYS" for days in range(1, 16)]
    rules += [f"SUM(amount) OF purchase IN THE LAST 90 DAYS >= {euros}" for euros in range(10, 160, 10)]
    rules += [f"DID visit AT LEAST {n} TIMES AND DID NOT purchase" for n in range(1, 9)]
    rules += [f"city = {city} AND DID visit IN THE LAST {days} DAYS" for city in CITIES for days in (7, 30)]
    rules += ["DID visit THEN purchase WITHIN 2 DAYS", "DID visit THEN purchase WITHIN 7 DAYS"]
    rules += ["RECENCY OF visit < 3", "city IS UNKNOWN"]
    return "".join(f"  - {{name: s{n}, rule: {json.dumps(rule)}}}\n" for n, rule in enumerate(rules))


def record(rng: random.Random, kind: str, number: int, at: datetime) -> bytes:
    return encode(
        Record(
            message_id=f"{rng.getrandbits(64):x}",
            kind=kind,  # type: ignore[arg-type]
            event="purchase" if kind == "track" else None,
            at=instant_text(at),
            received_at=instant_text(at),
            user_id=f"u{number}" if kind != "page" else None,
            anonymous_id=f"d{number}" if kind != "track" else None,
            properties={"amount": rng.choice((5, 19.99, 60))} if kind == "track" else {"page": "/"},
            traits={"city": rng.choice(CITIES)} if kind == "identify" else {},
            protocol="segment",
            source="site",
        )
    )


class Silent:
    def start(self, stage: str, detail: str) -> None: ...

    def end(self, stage: str, detail: str, rows: int | None, seconds: float) -> None: ...


def measure(folder: Path, n_profiles: int, n_records: int, batch: int) -> dict[str, Any]:
    rng = random.Random(1)
    (folder / "facette.yml").write_text(PROJECT + segments(), encoding="utf-8")
    log = open_log(EmbeddedLog(), folder)
    past = [NOW - timedelta(seconds=rng.uniform(3_600, 60 * 86_400)) for _ in range(n_profiles)]
    for kind in ("identify", "page", "track"):
        log.append([record(rng, kind, number, at) for number, at in enumerate(past)])
    definitions, figures = load(folder), {"profiles": n_profiles}
    figures["run_s"] = _seconds(lambda: run(definitions, Silent(), as_of=NOW))
    people = [rng.randrange(int(n_profiles * 1.05)) for _ in range(n_records)]
    kinds = rng.choices(("page", "track", "identify"), (70, 25, 5), k=n_records)
    log.append([record(rng, kind, number, NOW) for kind, number in zip(kinds, people, strict=True)])
    log.close()
    began = time.perf_counter()
    with Stream(definitions, NOW) as stream:
        figures["start_s"] = time.perf_counter() - began
        stream.step(NOW, most=batch)
        taken = []
        while stream.waiting():
            taken.append(_seconds(lambda: stream.step(NOW, most=batch)))
    began = time.perf_counter()
    with Stream(definitions, NOW) as stream:
        figures["start_again_s"] = time.perf_counter() - began
        figures["midnight_s"] = _seconds(lambda: stream.step(NOW + timedelta(days=1)))
    taken.sort()
    return {
        **figures,
        "batch": batch,
        "steps": len(taken),
        "records_per_s": batch * len(taken) / sum(taken),
        "p50_ms": 1000 * statistics.median(taken),
        "p99_ms": 1000 * taken[min(len(taken) - 1, int(0.99 * len(taken)))],
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _seconds(call: Any) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--profiles", type=int, default=100_000)
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--batch", type=int, default=1_000)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), asked.profiles, asked.records, asked.batch)
    if asked.json:
        sys.stdout.write(json.dumps(figures, indent=2) + "\n")
        return
    for name, value in figures.items():
        sys.stdout.write(f"{name:<16}{value:>14,.1f}\n" if isinstance(value, float) else f"{name:<16}{value:>14,}\n")


if __name__ == "__main__":
    main()
