"""The live engine alone, Arrow batches in and changes out, beside an evaluator that treats one event at a time.

    python benchmarks/columnar.py [--scale 1.0] [--batches 200] [--json]

Scale 1 is 1,000,000 profiles with 20 events each in 90 days, all of which are kept in memory; then batches of 10,000
events of two kinds come, 2 % of them up to five days late, to 50 segments of three to six conditions, 10 of which look
at moving windows. Each side has a process and one thread of its own. The evaluator in plain Python keeps a dictionary
for each profile; it is given as many events as it can take in about a minute, and both must come to the same members of
every segment on these, or the benchmark fails. Speeds are told by the clock, and by the time of the processor, which a
busy machine changes less.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import resource
import subprocess
import sys
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

    from facette.live.columnar.engine import Engine

PROFILES, PER_PROFILE, DAYS, BATCH = 1_000_000, 20, 90, 10_000
MIDNIGHT = datetime(2026, 11, 1, tzinfo=UTC)
NOW = MIDNIGHT - timedelta(hours=3)
CATEGORIES = ("bio", "vin", "fromage", "pain", "fruits", "poisson", "viande", "epicerie")
CITIES = ("Nantes", "Angers", "Rennes", "Paris", "Lyon", "Lille")
PLAIN_PROFILES, PLAIN_EVENTS = 20_000, 200_000

# condition in the rule language, and the same in Python on the dictionary `p` of a profile
WINDOWED = (
    ("DID purchase AT LEAST {a} TIMES IN THE LAST 30 DAYS", "p.n('purchase', 30) >= {a}"),
    ("SUM(amount) OF purchase IN THE LAST 90 DAYS > {b}", "p.total(90) > {b}"),
    ("DISTINCT(day) OF view IN THE LAST 30 DAYS >= {a}", "p.days(30) >= {a}"),
    ("DID view WHERE category = 'bio' IN THE LAST 14 DAYS", "p.n_bio(14) >= 1"),
    ("MAX(amount) OF purchase IN THE LAST 60 DAYS > {c}", "p.largest(60) > {c}"),
)
OTHERS = (
    ("DID purchase AT LEAST {a} TIMES", "p.n_purchases >= {a}"),
    ("SUM(amount) OF purchase > {b}", "p.spend > {b}"),
    ("AVG(amount) OF purchase < {c}", "p.n_purchases > 0 and p.spend / p.n_purchases < {c}"),
    ("RECENCY OF purchase < {d}", "p.last_purchase is not None and (p.today - p.last_purchase).days < {d}"),
    ("NOT RECENCY OF view > {d}", "not (p.last_view is not None and (p.today - p.last_view).days > {d})"),
    ("MAX(amount) OF purchase > {c}", "p.most > {c}"),
    ("DID view WHERE category = 'vin' AT LEAST {a} TIMES", "p.n_wine >= {a}"),
    ("city IN (Nantes, Angers)", "p.city in ('nantes', 'angers')"),
    ("NOT city = Paris", "not p.city == 'paris'"),
    ("age BETWEEN {d} AND 60", "{d} <= p.age <= 60"),
    ("score > {c}", "p.score > {c}"),
    ("optin", "p.optin"),
)
LAST = ("LAST(category) OF view IN (bio, pain)", "p.last_category in ('bio', 'pain')")


def segments() -> list[tuple[str, str, str]]:
    """Name, rule, and the same in Python: 40 without windows, and 10 with one or two."""
    found = []
    for i in range(50):
        numbers = {"a": 1 + i % 4, "b": 50 + 20 * i, "c": 20 + i, "d": 5 + i % 30}
        parts = [OTHERS[(i * 5 + 3 * j) % len(OTHERS)] for j in range(3 + i % 3)]
        parts[1:1] = [LAST] if i % 20 == 7 else []
        if i % 5 == 0:
            parts[:1] = [WINDOWED[i // 5 % 5], WINDOWED[(i // 5 + 2) % 5]] if i % 2 else [WINDOWED[i // 5 % 5]]
        texts, plain = ([part[side].format(**numbers) for part in parts] for side in (0, 1))
        rule = f"({texts[0]} OR {texts[1]}) AND " + " AND ".join(texts[2:])
        found.append(
            (f"s{i}", rule, f"(({plain[0]}) or ({plain[1]})) and " + " and ".join(f"({x})" for x in plain[2:]))
        )
    return found


# ── data ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def people(n: int) -> pa.Table:
    import numpy as np
    import pyarrow as pa

    rng = np.random.default_rng(1)
    return pa.table(
        {
            "profile_id": np.arange(1, n + 1),
            "is_counted": np.ones(n, np.bool_),
            "city": pa.DictionaryArray.from_arrays(rng.integers(0, len(CITIES), n, np.int32), list(CITIES)).cast(
                pa.string()
            ),
            "age": rng.integers(18, 90, n),
            "score": np.round(rng.uniform(0, 100, n), 1),
            "optin": rng.random(n) < 0.6,
        }
    )


def events(seed: int, n: int, n_people: int, start: datetime, end: datetime, late: float = 0.0) -> dict[str, pa.Table]:
    """Purchases (one in six) and views in the order in which they are received, ``late`` of them days after."""
    import numpy as np
    import pyarrow as pa

    rng = np.random.default_rng(seed)
    first, last = (int(at.timestamp() * 1e6) for at in (start, end))
    known_at = np.sort(rng.integers(first, last, n))
    at = known_at - (rng.random(n) < late) * rng.integers(0, 5 * 86_400_000_000, n)
    day = (at // 86_400_000_000).astype(np.int32)
    instant = pa.timestamp("us", "UTC")
    category = pa.DictionaryArray.from_arrays(rng.integers(0, len(CATEGORIES), n, np.int32), list(CATEGORIES))
    columns = {
        "profile_id": pa.array(rng.integers(1, n_people + 1, n)),
        "event_id": pa.array([f"{seed:06d}-{i:09d}" for i in range(n)]),
        "at": pa.array(at).cast(instant),
        "known_at": pa.array(known_at).cast(instant),
        "day": pa.array(day).cast(pa.date32()),
        "hour": pa.array((at // 3_600_000_000 % 24).astype(np.int8)),
        "weekday": pa.array(((day + 3) % 7 + 1).astype(np.int8)),
        "source": pa.array(["shop"] * n),
        "category": category.cast(pa.string()),
        "amount": pa.array(np.round(1 + 99 * rng.random(n) ** 2, 2)),
    }
    table, is_purchase = pa.table(columns), pa.array(rng.random(n) < 1 / 6)
    views = table.filter(pa.compute.invert(is_purchase)).drop_columns(["amount"])
    return {"purchase": table.filter(is_purchase), "view": views}


def engine(n_people: int, moment: datetime) -> Engine:
    from facette.clock import Moment
    from facette.definitions.language import check_rule
    from facette.definitions.language.vocabulary import Event, Property, Vocabulary
    from facette.features.table import FeaturePlan
    from facette.live.columnar.engine import Engine

    types = {"city": "text", "age": "number", "score": "number", "optin": "boolean"}
    category, amount = Property("category", "text"), Property("amount", "number")
    vocabulary = Vocabulary(
        columns={name: Property(name, kind) for name, kind in types.items()},  # type: ignore[arg-type]
        events={
            "purchase": Event("purchase", {}, {"category": category, "amount": amount}),
            "view": Event("view", {}, {"category": category}),
        },
    )
    rules = {name: check_rule(rule, vocabulary) for name, rule, _ in segments()}
    aggregates = {name: item for checked in rules.values() for name, item in checked.aggregates.items()}
    some = events(0, 1, 1, NOW, MIDNIGHT)
    schemas = {name: table.schema for name, table in some.items()}
    plan = FeaturePlan(aggregates, (), {})
    live = Engine(plan, rules, {}, events=schemas, profiles=people(1).schema, moment=Moment(moment))
    live.put(people(n_people))
    return live


# ── the engine ──────────────────────────────────────────────────────────────────────────────────────────────────────


def facette_side(scale: float, n_batches: int) -> dict[str, Any]:
    """Figures of the engine."""
    from facette.clock import Moment

    n = int(PROFILES * scale)
    empty = memory()
    live = engine(n, MIDNIGHT - timedelta(days=DAYS))
    n_aggregates = sum(len(state.states) for state in live.states.values())
    began = time.perf_counter()
    for back in range(DAYS, 0, -1):
        start = MIDNIGHT - timedelta(days=back)
        end = min(start + timedelta(days=1), NOW)
        history = events(back, n * PER_PROFILE // DAYS, n, start, end)
        live.apply(history, Moment(end))
    loaded = time.perf_counter() - began
    live.changes()
    del history
    gc.collect()
    settled = memory()
    batches = [events(1000 + i, BATCH, n, NOW, NOW + timedelta(seconds=60), 0.02) for i in range(n_batches)]
    now, taken, n_changes = Moment(NOW + timedelta(seconds=60)), [], 0
    live.changes(live.roll(now))
    used = time.process_time()
    for batch in batches:
        began = time.perf_counter()
        n_changes += len(live.changes(live.apply(batch, now)))
        taken.append(time.perf_counter() - began)
    used = time.process_time() - used
    step = timed(lambda: live.changes(live.roll(Moment(NOW + timedelta(minutes=6)))))
    roll = timed(lambda: live.changes(live.roll(Moment(MIDNIGHT))))
    taken.sort()
    return {
        "profiles": n,
        "aggregates": n_aggregates,
        "kept_events": sum(len(state) for state in live.states.values()),
        "history_events_per_s": round(n * PER_PROFILE / loaded),
        "events_per_s": round(n_batches * BATCH / sum(taken)),
        "events_per_processor_s": round(n_batches * BATCH / used),
        "p50_ms": round(1000 * taken[len(taken) // 2], 2),
        "p99_ms": round(1000 * taken[len(taken) * 99 // 100], 2),
        "changes_per_batch": n_changes / n_batches,
        "step_s": round(step, 3),
        "midnight_s": round(roll, 3),
        "gb": round((settled - empty) / 1e9, 3),
        "gb_per_million": round((settled - empty) / 1e9 / scale, 3),
        "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 3),
    }


def memory() -> int:
    """Bytes that the process has in memory now."""
    with open("/proc/self/statm") as file:  # noqa: PTH123
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def timed(call: Callable[[], Any]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


# ── one event at a time ─────────────────────────────────────────────────────────────────────────────────────────────


class Person:
    """What a careful programmer keeps of a profile: running totals, and the events of 90 days."""

    def __init__(self, city: str, age: int, score: float, optin: bool) -> None:
        self.city, self.age, self.score, self.optin = city.lower(), age, score, optin
        self.today = NOW.date()
        self.n_purchases, self.spend, self.most, self.n_wine = 0, 0.0, 0.0, 0
        self.last_purchase: date | None = None
        self.last_view: date | None = None
        self.last_category, self.last_at = "", (datetime.min.replace(tzinfo=UTC), "")
        self.purchases: deque[tuple[date, float]] = deque()
        self.views: deque[tuple[date, bool]] = deque()
        self.segments: set[str] = set()

    def take(self, kind: str, event: dict[str, Any]) -> None:
        day = event["day"]
        if kind == "purchase":
            self.n_purchases += 1
            self.spend += event["amount"]
            self.most = max(self.most, event["amount"])
            self.last_purchase = max(day, self.last_purchase or day)
            self.purchases.append((day, event["amount"]))
            return
        self.n_wine += event["category"] == "vin"
        self.last_view = max(day, self.last_view or day)
        if (event["at"], event["event_id"]) > self.last_at:
            self.last_at, self.last_category = (event["at"], event["event_id"]), event["category"]
        self.views.append((day, event["category"] == "bio"))

    def n(self, kind: str, days: int) -> int:
        start = self.today - timedelta(days=days)
        return sum(day >= start for day, _ in self.purchases)

    def total(self, days: int) -> float:
        start = self.today - timedelta(days=days)
        return sum(amount for day, amount in self.purchases if day >= start)

    def largest(self, days: int) -> float:
        start = self.today - timedelta(days=days)
        return max((amount for day, amount in self.purchases if day >= start), default=0.0)

    def days(self, days: int) -> int:
        start = self.today - timedelta(days=days)
        return len({day for day, _ in self.views if day >= start})

    def n_bio(self, days: int) -> int:
        start = self.today - timedelta(days=days)
        return sum(day >= start and is_bio for day, is_bio in self.views)


def plain_side() -> dict[str, Any]:
    """Figures of the evaluator in plain Python, and the engine's members on the same events beside its own."""
    from facette.clock import Moment

    columns = people(PLAIN_PROFILES).drop_columns(["is_counted"]).to_pylist()
    persons = {row.pop("profile_id"): Person(**row) for row in columns}
    rules = {name: eval(f"lambda p: {text}") for name, _, text in segments()}
    for person in persons.values():
        person.segments = {name for name, rule in rules.items() if rule(person)}
    batches = list(plain_batches())
    rows = [(kind, table.to_pylist()) for batch in batches for kind, table in batch.items()]
    changes: dict[str, int] = defaultdict(int)
    began, used = time.perf_counter(), time.process_time()
    for kind, some in rows:
        for event in some:
            person = persons[event["profile_id"]]
            person.take(kind, event)
            now = {name for name, rule in rules.items() if rule(person)}
            for name in now ^ person.segments:
                changes[name] += 1
            person.segments = now
    taken, used = time.perf_counter() - began, time.process_time() - used
    live = engine(PLAIN_PROFILES, MIDNIGHT - timedelta(days=DAYS))
    for batch in batches:
        live.apply(batch, Moment(NOW))
    live.changes()
    for name in rules:
        mine = {number for number, person in persons.items() if name in person.segments}
        if mine != {*live.members(name).tolist()}:
            raise SystemExit(f"{name}: the members differ")
    n_events = sum(len(some) for _, some in rows)
    speeds = {"events_per_s": round(n_events / taken), "events_per_processor_s": round(n_events / used)}
    return {"profiles": PLAIN_PROFILES, "events": n_events, **speeds}


def plain_batches() -> Iterator[dict[str, pa.Table]]:
    for i in range(PLAIN_EVENTS // BATCH):
        yield events(2000 + i, BATCH, PLAIN_PROFILES, NOW - timedelta(days=80), NOW, 0.02)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--batches", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--side", choices=("facette", "plain"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.side:
        figures = facette_side(given.scale, given.batches) if given.side == "facette" else plain_side()
        print(json.dumps(figures))
        return
    found = {side: in_process(side, given.scale, given.batches) for side in ("facette", "plain")}
    if given.json:
        print(json.dumps(found))
        return
    for side, figures in found.items():
        print(side)
        for name, figure in figures.items():
            print(f"  {name:24} {figure:>14,}")
    ratio = found["facette"]["events_per_processor_s"] / found["plain"]["events_per_processor_s"]
    print(f"facette takes {ratio:.0f} times as many events per second of processor")


def in_process(side: str, scale: float, batches: int) -> dict[str, Any]:
    """One side in a process with one thread."""
    command = [sys.executable, __file__, "--side", side, "--scale", str(scale), "--batches", str(batches)]
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ARROW_IO_THREADS"), "1")
    done = subprocess.run(command, env={**os.environ, **one}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


if __name__ == "__main__":
    main()
