"""However the events are cut, and however they come in over time, the values are those of all events at once.

Random aggregates over random histories: parts merged, runs rolled one after the other, and the plain evaluator.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from facette.clock import Moment
from facette.definitions.language import check_rule, check_value, parse_value, print_rule, print_value, tree
from facette.features.partials import by_event, finalize, merge, prepare, texts_in
from facette.features.rolling import Grown, roll
from facette.warehouse.connect import connect, read_parquet
from tests.cases import COMPARED, random_cases
from tests.differential.engine import asked_of
from tests.differential.worlds import TICK, Row, event_table, random_world, vocabulary
from tests.language.strategies import aggregates, dids
from tests.oracles.rules import aggregate_value, did, same
from tests.warehouses import Engine

NAMES = vocabulary()
N_AGGREGATES = 24
ALWAYS = [
    parse_value(f"{what} OF purchase {window}")
    for what in ("DISTINCT(day)", "RECENCY", "COUNT", "SUM(amount)", "AVG(quantity)", "MAX(amount)")
    for window in ("IN THE LAST 1 DAYS", "IN THE LAST 9 DAYS", "IN THE LAST 2 MONTHS", "IN THE LAST 30 HOURS")
]
"""What time does to a state, by each way there is, which random windows seldom show."""
Written = dict[str, tree.Aggregate | tree.Did]
"""Column → aggregate or sequence as parsed."""
Checked = dict[str, tree.Aggregate]
"""Column → aggregate as checked, of one kind of event."""


def several() -> st.SearchStrategy[list[tree.Aggregate | tree.Did]]:
    sequences = dids(NAMES).filter(lambda clause: clause.then is not None)
    one = st.one_of(*[aggregates(NAMES).map(lambda pair: pair[0])] * 3, sequences)
    return st.lists(one, min_size=N_AGGREGATES, max_size=N_AGGREGATES)


def test_parts_merge_into_the_whole(engine: Engine) -> None:
    @random_cases(engine.cases(3))
    @given(asked=several(), seed=st.integers(0, 2**32))
    def however_they_are_cut(asked: list[tree.Aggregate | tree.Did], seed: int) -> None:
        _merged(asked, random.Random(seed), engine)

    however_they_are_cut()


def _merged(asked: list[tree.Aggregate | tree.Did], rng: random.Random, engine: Engine) -> None:
    world = random_world(rng, NAMES)
    written, checked = _columns([asked_of(engine, clause) for clause in asked])
    with _store() if engine.name == "DuckDB" else nullcontext(_Tables(engine)) as store:
        for event, group in checked.items():
            tables = [[row for row in world.events if row["name"] == event and rng.random() < 0.9]]
            tables += [[] for _ in range(rng.randint(1, 4))]
            for row in list(tables[0]):
                if rng.random() < 0.7:
                    tables[0].remove(row)
                    rng.choice(tables).append(row)
            everything = [row for table in tables for row in table]
            others = {name: store.put(_events(name, world.events, world.moment)) for name in checked if name != event}
            others[event] = store.put(_events(event, everything, world.moment))
            arrived = [store.put(_events(event, part, world.moment)) for part in tables]
            parts = tuple(
                store.keep(prepare(part, group, world.moment, others, texts_in(part, group))) for part in arrived
            )
            merged = store.keep(merge(parts, group))
            whole = store.keep(prepare(others[event], group, world.moment, others))
            known = everything + [row for row in world.events if row["name"] != event]
            _compare(merged, whole, known, written, group, world.moment, None if engine.name == "DuckDB" else engine)


@random_cases(2)  # the first that Hypothesis draws is nearly empty
@given(asked=several(), seed=st.integers(0, 2**32))
def test_runs_one_after_the_other_give_what_one_run_gives(asked: list[tree.Aggregate | tree.Did], seed: int) -> None:
    rng = random.Random(seed)
    world = random_world(rng, NAMES)
    written, checked = _columns([*asked, *ALWAYS])
    moments = _moments(rng, Moment(world.moment.as_of, world.moment.zone))
    landed_in = {row["event_id"]: rng.randrange(len(moments)) for row in world.events}
    owner = {row["profile_id"]: row["profile_id"] for row in world.events}
    with _store() as store:
        previous: dict[str, ir.Table] = {}
        for n, moment in enumerate(moments):
            joined = _join_some(rng, owner) if n else {}
            changed = ibis.memtable(pa.table({"profile_id": pa.array([*joined, *joined.values()], pa.int64())}))
            rows = [row | {"profile_id": owner[row["profile_id"]]} for row in world.events]
            rows = [row for row in rows if landed_in[row["event_id"]] <= n]
            old = [row for row in rows if landed_in[row["event_id"]] < n]
            new = [row for row in rows if landed_in[row["event_id"]] == n]
            everything = {event: _events(event, rows, moment) for event in NAMES.events}
            grown = {event: Grown(_events(event, old, moment), _events(event, new, moment)) for event in NAMES.events}
            for event, group in checked.items():
                whole = store.keep(prepare(everything[event], group, moment, everything))
                rolled = whole
                if n:
                    rolled = roll(previous[event], grown, changed, group, moments[n - 1], moment)
                previous[event] = store.keep(rolled)
                _compare(previous[event], whole, rows, written, group, moment)


def _moments(rng: random.Random, start: Moment) -> list[Moment]:
    """From one run to the next: at once, in a tick, by steps of 5 minutes, over midnights, over month ends."""
    steps = (timedelta(0), TICK, timedelta(minutes=5), timedelta(hours=1), timedelta(days=1), timedelta(days=31))
    moments = [start]
    while len(moments) < 4:
        last = moments[-1]
        midnight = last.end_of(last.today) - last.as_of
        step = rng.choice((*steps, midnight, midnight - TICK, timedelta(seconds=rng.uniform(0, 3 * 86_400))))
        moments.append(Moment(last.as_of + step, last.zone))
    return moments


def _join_some(rng: random.Random, owner: dict[int, int]) -> dict[int, int]:
    """Old id → new id of profiles that turn out to be one; ``owner`` follows."""
    alive = sorted(set(owner.values()))
    if len(alive) < 4 or rng.random() < 0.5:
        return {}
    first, second, third, fourth = rng.sample(alive, 4)
    joined = {first: second} if rng.random() < 0.5 else {first: second, third: second, fourth: second}
    for before, profile_id in owner.items():
        owner[before] = joined.get(profile_id, profile_id)
    return joined


def _compare(
    found: ir.Table,
    whole: ir.Table,
    rows: list[Row],
    written: Written,
    group: Checked,
    moment: Moment,
    engine: Engine | None = None,
) -> None:
    """Equal to the last bit whichever way they were made, and what the plain evaluator says."""
    different = {n: (t, whole.schema()[n]) for n, t in found.schema().items() if t != whole.schema()[n]}
    assert not different, different
    rows_of = engine.rows if engine else _rows
    values, expected = (_values(table, group, moment, rows_of) for table in (found, whole))
    assert values == expected
    for profile_id, row in values.items():
        mine = [event for event in rows if event["profile_id"] == profile_id]
        for column in group:
            asked = written[column]
            if isinstance(asked, tree.Did):
                plain, seen, text = did(asked, mine, moment, NAMES), row[column] >= 1, print_rule(asked, "en")
            else:
                plain, seen, text = aggregate_value(asked, mine, moment, NAMES), row[column], print_value(asked, "en")
            assert _agree(plain, seen), (text, plain, seen, moment, mine)
    COMPARED[f"values of aggregates merged or rolled{f' on {engine.name}' if engine else ''}"] += len(values) * len(
        group
    )


def _agree(plain: Any, found: Any) -> bool:
    return (plain is None) == (found is None) and same(plain) == same(found)


def _rows(table: ir.Table) -> list[Row]:
    found: list[Row] = table.to_pyarrow().to_pylist()
    return found


def _values(
    table: ir.Table, group: Checked, moment: Moment, rows_of: Callable[[ir.Table], list[Row]]
) -> dict[int, Row]:
    rows = rows_of(table.select("profile_id", **finalize(table, group, moment)))
    assert len({row["profile_id"] for row in rows}) == len(rows)
    return {row["profile_id"]: row for row in rows}


def _columns(asked: list[tree.Aggregate | tree.Did]) -> tuple[Written, dict[str, Checked]]:
    """The column of each aggregate, and the checked ones by event."""
    written: Written = {}
    checked: Checked = {}
    for aggregate in asked:
        check = check_rule if isinstance(aggregate, tree.Did) else check_value
        of = check(aggregate, NAMES).aggregates
        written |= dict.fromkeys(of, aggregate)
        checked |= of
    return written, by_event(checked)


def _events(event: str, rows: list[Row], moment: Moment) -> ir.Table:
    return event_table(NAMES.events[event], rows, moment.zone)


class _Store:
    """Tables written and read back, as a run does."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.con, self.n = folder, connect(), 0

    def put(self, table: ir.Table) -> ir.Table:
        return table

    def keep(self, table: ir.Table) -> ir.Table:
        self.n += 1
        path = self.folder / f"{self.n}.parquet"
        self.con.to_parquet(table, path)
        return read_parquet(self.con, [path])


@dataclass
class _Tables:
    """Tables kept on an engine."""

    engine: Engine
    n: int = 0

    def put(self, table: ir.Table) -> ir.Table:
        self.n += 1
        return self.engine.put(f"put_{self.n}", table)

    def keep(self, table: ir.Table) -> ir.Table:
        self.n += 1
        return self.engine.keep(f"kept_{self.n}", table)


@contextmanager
def _store() -> Iterator[_Store]:
    with TemporaryDirectory() as folder:
        store = _Store(Path(folder))
        yield store
        store.con.disconnect()
