"""How many records the live worker takes in a second, and how long a step takes, on a published run of many profiles.

python benchmarks/live.py [--profiles 100000] [--records 100000] [--batch 2000] [--rules 50] [--peers] [--json]

The log holds three records for each profile (an identification, a visit, a purchase), which a run publishes; then
`--records` more come, and the worker takes them in steps of `--batch`, a transaction each. They are visits of ten
records within a minute (pages, now and then a purchase, at times an identification), many visits at the same time; one
in twenty is of somebody new. Of the rules ten are about windows of days and two are sequences, whatever their number.

Printed are the seconds of the run, of the worker's start on it, of its start after it was stopped, of rolling
everybody over midnight, records per second, milliseconds of steps, and changes told per record. The first tenth of the
steps is not counted. With `--peers` also, on the same: how long it takes to evaluate everybody by the functions of a
run (for who would do that every few seconds), and how many records a second a program takes that treats each by itself
and has its state in Redis; of all published people it must come to the same members, or the benchmark fails. Times are
of a clock: the machine should be quiet.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from redis_peer import Evaluator, Rule, server

from facette.clock import Moment
from facette.definitions.model import EmbeddedLog
from facette.definitions.project import load
from facette.run import run
from facette.sources.log import open_log
from facette.sources.record import Record, decode, encode, instant_text
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


def rules(n: int) -> list[tuple[str, Rule]]:
    """Rules, and the same as functions of a person: ten of windows, two sequences, then sums, counts and traits."""
    found: list[tuple[str, Rule]] = []
    for days in (1, 7, 14, 30):
        text = f"DID visit IN THE LAST {days} DAYS"
        found.append((text, lambda one, today, d=days: any(age <= d for age in one.days_since(today))))
    for days in (7, 30, 90):
        text = f"SUM(amount) OF purchase IN THE LAST {days} DAYS >= 50"
        found.append((text, lambda one, today, d=days: one.spent(today, d) >= 50))
    for times in (5, 20):
        text = f"DID visit AT LEAST {times} TIMES IN THE LAST 7 DAYS"
        found.append((text, lambda one, today, n=times: sum(age <= 7 for age in one.days_since(today)) >= n))
    text = "NOT (DID purchase IN THE LAST 14 DAYS)"
    found.append((text, lambda one, today: all(today - day > 14 for _, day, _ in one.purchases)))
    text = "DID visit THEN purchase WITHIN 2 DAYS"
    found.append((text, lambda one, today: any(one.is_followed(visit, 2) for visit in one.visits)))
    text = "DID visit THEN NOT purchase WITHIN 1 DAY"
    missed = lambda one, today: any(today - v[1] > 1 and not one.is_followed(v, 1) for v in one.visits)  # noqa: E731
    found.append((text, missed))
    for euros in range(20, 500, 10):
        for city in CITIES:
            text = f"SUM(amount) OF purchase >= {euros} AND city = {city}"
            found.append((text, lambda one, today, e=euros, c=city: one.total >= e and one.city == c))
    for times in range(2, 200):
        text = f"DID visit AT LEAST {times} TIMES AND DID NOT purchase"
        found.append((text, lambda one, today, n=times: one.n_visits >= n and not one.n_purchases))
    return found[:n]


def segments(n: int) -> str:
    return "".join(f"  - {{name: s{n}, rule: {json.dumps(rule)}}}\n" for n, (rule, _) in enumerate(rules(n)))


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


def past(rng: random.Random, n_profiles: int) -> Iterator[list[bytes]]:
    """Three records of everybody, some at a time."""
    instants = [NOW - timedelta(seconds=rng.uniform(3_600, 60 * 86_400)) for _ in range(n_profiles)]
    for kind in ("identify", "page", "track"):
        for start in range(0, n_profiles, 100_000):
            some = enumerate(instants[start : start + 100_000], start=start)
            yield [record(rng, kind, number, at) for number, at in some]


def measure(folder: Path, n_profiles: int, n_records: int, batch: int, n_rules: int, has_peers: bool) -> dict[str, Any]:
    (folder / "facette.yml").write_text(PROJECT + segments(n_rules), encoding="utf-8")
    log = open_log(EmbeddedLog(), folder)
    for lines in past(random.Random(1), n_profiles):
        log.append(lines)
    definitions, figures = load(folder), {"profiles": n_profiles, "rules": n_rules}
    figures["run_s"] = _seconds(lambda: run(definitions, Silent(), as_of=NOW))
    log.append(visits(random.Random(2), n_profiles, n_records))
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
        peers = beside(stream, n_profiles, n_records, n_rules) if has_peers else {}
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
        **peers,
    }


def beside(stream: Stream, n_profiles: int, n_records: int, n_rules: int) -> dict[str, float]:
    """All rules for everybody at once by the functions of a run; and record by record in Python, with Redis."""
    from facette.live.recomputing import Recomputing

    everybody = Recomputing(stream.definitions, stream.worker.knowledge)
    again = _seconds(lambda: everybody.memberships(Moment(NOW, "Europe/Paris"), None))
    with server() as client:
        evaluator = Evaluator(client, {f"s{n}": rule for n, (_, rule) in enumerate(rules(n_rules))}, NOW)
        evaluator.fill([decode(line) for lines in past(random.Random(1), n_profiles) for line in lines])
        lines = visits(random.Random(2), n_profiles, n_records)
        began = time.perf_counter()
        for line in lines:
            evaluator.take(decode(line))
        seconds = time.perf_counter() - began
        found = evaluator.members()
    people = stream.worker.knowledge.people
    number_of = {people.owner("user", f"u{number}"): number for number in range(n_profiles)}
    for segment, members in stream.worker.memberships.members().items():
        ours = {number_of[one] for one in members if one in number_of}
        if ours != {number for number in found[segment] if number < n_profiles}:
            raise SystemExit(f"{segment} has other members than record by record.")
    return {"everybody_again_s": again, "redis_records_per_s": n_records / seconds}


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
    parser.add_argument("--peers", action="store_true", help="also do what one would do instead")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), asked.profiles, asked.records, asked.batch, asked.rules, asked.peers)
    if asked.json:
        sys.stdout.write(json.dumps(figures, indent=2) + "\n")
        return
    for name, value in figures.items():
        sys.stdout.write(f"{name:<16}{value:>14,.1f}\n" if isinstance(value, float) else f"{name:<16}{value:>14,}\n")


if __name__ == "__main__":
    main()
