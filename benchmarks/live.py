"""How many records the live worker takes in a second, and how long a step takes, on a published run of many profiles.

python benchmarks/live.py [--profiles 100000] [--records 100000] [--batch 2000] [--rules 50] [--json]

The log holds three records for each profile (an identification, a visit, a purchase), which a run publishes; then
`--records` more come, and the worker takes them in steps of `--batch`, a transaction each. They are visits of ten
records within a minute (pages, now and then a purchase, at times an identification), many visits at the same time; one
in twenty is of somebody new. Of the rules ten are about windows of days and two are sequences, whatever their number.

Printed are the seconds of the run, of the worker's start on it, of its start after it was stopped, of rolling
everybody over midnight, records per second, milliseconds of steps, and changes told per record. The first tenth of the
steps is not counted. Times are of a clock: the machine should be quiet.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
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
from facette.stream import Stream, settled

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
LENGTH = 10
"""Records of a visit."""
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


def segments(n: int) -> str:
    """Rules: ten of windows, two sequences, then sums, counts and traits."""
    windows = [f"DID visit IN THE LAST {days} DAYS" for days in (1, 7, 14, 30)]
    windows += [f"SUM(amount) OF purchase IN THE LAST {days} DAYS >= 50" for days in (7, 30, 90)]
    windows += [f"DID visit AT LEAST {times} TIMES IN THE LAST 7 DAYS" for times in (5, 20)]
    windows += ["NOT (DID purchase IN THE LAST 14 DAYS)"]
    sequences = ["DID visit THEN purchase WITHIN 2 DAYS", "DID visit THEN NOT purchase WITHIN 1 DAY"]
    others = [
        f"SUM(amount) OF purchase >= {euros} AND city = {city}" for euros in range(20, 500, 10) for city in CITIES
    ]
    others += [f"DID visit AT LEAST {times} TIMES AND DID NOT purchase" for times in range(2, 200)]
    rules = [*windows, *sequences, *others][:n]
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


def visits(rng: random.Random, n_profiles: int, n_records: int) -> list[bytes]:
    """Records of visits of about a minute each, in the order of their instants."""
    told = []
    for number in range(-(-n_records // LENGTH)):
        who = rng.randrange(int(n_profiles * 1.05))
        began = number / 20_000 * LENGTH + rng.random()
        for place in range(LENGTH):
            kind = "identify" if place == 0 and rng.random() < 0.1 else "track" if rng.random() < 0.05 else "page"
            told.append((began + place * 6 * rng.random(), kind, who))
    told.sort()
    return [record(rng, kind, who, NOW + timedelta(seconds=after - 120)) for after, kind, who in told[:n_records]]


def measure(folder: Path, n_profiles: int, n_records: int, batch: int, rules: int) -> dict[str, Any]:
    rng = random.Random(1)
    (folder / "facette.yml").write_text(PROJECT + segments(rules), encoding="utf-8")
    log = open_log(EmbeddedLog(), folder)
    past = [NOW - timedelta(seconds=rng.uniform(3_600, 60 * 86_400)) for _ in range(n_profiles)]
    for kind in ("identify", "page", "track"):
        for start in range(0, n_profiles, 100_000):
            some = enumerate(past[start : start + 100_000], start=start)
            log.append([record(rng, kind, number, at) for number, at in some])
    definitions, figures = load(folder), {"profiles": n_profiles, "rules": rules}
    figures["run_s"] = _seconds(lambda: run(definitions, Silent(), as_of=NOW))
    log.append(visits(rng, n_profiles, n_records))
    log.close()
    began = time.perf_counter()
    with Stream(definitions, NOW) as stream, settled():
        figures["start_s"] = time.perf_counter() - began
        taken = []
        while stream.waiting():
            if len(taken) == n_records // batch // 10:
                n_before = stream.figures.changes
            taken.append(_seconds(lambda: stream.step(NOW, most=batch)))
        taken = taken[n_records // batch // 10 :]
        n_changes = stream.figures.changes - n_before
    began = time.perf_counter()
    with Stream(definitions, NOW) as stream:
        figures["start_again_s"] = time.perf_counter() - began
        figures["midnight_s"] = _seconds(lambda: stream.step(NOW + timedelta(days=1)))
        figures["midnight_changes"] = stream.figures.changes
    taken.sort()

    def percentile(share: float) -> float:
        return 1000 * taken[min(len(taken) - 1, int(share * len(taken)))]

    return {
        **figures,
        "batch": batch,
        "steps": len(taken),
        "records_per_s": batch * len(taken) / sum(taken),
        "changes_per_record": n_changes / (batch * len(taken)),
        "p50_ms": percentile(0.5),
        "p95_ms": percentile(0.95),
        "p99_ms": percentile(0.99),
        "max_ms": 1000 * taken[-1],
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _seconds(call: Any) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--profiles", type=int, default=100_000)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--batch", type=int, default=2_000)
    parser.add_argument("--rules", type=int, default=50)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), asked.profiles, asked.records, asked.batch, asked.rules)
    if asked.json:
        sys.stdout.write(json.dumps(figures, indent=2) + "\n")
        return
    for name, value in figures.items():
        sys.stdout.write(f"{name:<16}{value:>14,.1f}\n" if isinstance(value, float) else f"{name:<16}{value:>14,}\n")


if __name__ == "__main__":
    main()
