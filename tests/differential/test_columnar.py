"""The live engine answers like the plain evaluator: random rules × people × cuttings × orders of arrival × instants."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, fields, is_dataclass, replace
from datetime import timedelta
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facette.clock import Moment
from facette.definitions.language.tree import Aggregate, Did, durations
from facette.features.partials import by_event, prepare
from facette.features.table import FeaturePlan
from facette.live.columnar.engine import Engine as Live
from facette.live.columnar.kinds import unkept
from facette.warehouse.compiler import visible
from tests.cases import COMPARED, random_cases
from tests.differential.engine import features
from tests.differential.test_printer import kind_of, values_of
from tests.differential.test_rules import NAMES, Written, compare_each, plan_of, written
from tests.differential.worlds import Row, World, random_world, vocabulary
from tests.warehouses import Engine

KEEP_TYPE = ("min", "max", "first", "last", "mode")
N_PEOPLE = 15
JUMPS = (
    *(timedelta(0), timedelta(microseconds=1), timedelta(minutes=3), timedelta(minutes=5), timedelta(hours=1)),
    *(timedelta(hours=9), timedelta(days=1), timedelta(days=1), timedelta(days=2), timedelta(days=31)),
    timedelta(days=70),
)


@dataclass
class Told:
    """One live engine, and beside it all that it was told, for the plain evaluator.

    people  : as rows of the world, today's
    arrived : the events that it was given, of today's profiles
    """

    made: Written
    live: Live
    people: list[Row]
    arrived: list[Row]
    batch: Engine
    schemas: dict[str, pa.Schema]
    schema: pa.Schema
    profiles: pa.Table
    members: set[tuple[int, str]] = field(default_factory=set)
    into: dict[int, int] = field(default_factory=dict)

    def new(self) -> Live:
        """An engine of the same definitions that knows nothing yet."""
        plan, rules, cuts = plan_of(self.made)
        return Live(plan, rules, cuts, events=self.schemas, profiles=self.schema, moment=self.live.moment)

    def world(self) -> World:
        return World(self.live.moment, self.people, self.arrived)

    def check(self, rows: Any) -> None:
        """Everybody's features and segments, and that changes lead from the memberships before to those of now."""
        world = self.world()
        if self.live.unkept:
            rows = np.union1d(rows, self.live.put(self.unkept(world)))
        answers = self.answers()
        compare_each(self.made, world, answers)
        for change in self.live.changes(rows).to_pylist():
            one = (change["profile_id"], change["segment"])
            assert (change["change"] == "left") is (one in self.members), change
            assert change["at"] == world.moment.as_of
            self.members ^= {one}
        now = {(number, name) for number, found in answers.items() for name in self.made.rules if found[name]}
        assert self.members == now
        COMPARED["answers of rules by the live engine"] += len(answers) * len(self.made.rules)
        COMPARED["values of features by the live engine"] += len(answers) * len(self.made.features)

    def unkept(self, world: World) -> pa.Table:
        """What the engine does not keep, by the batch engine."""
        plan, _, _ = plan_of(self.made)
        wanted = FeaturePlan({name: plan.aggregates[name] for name in self.live.unkept}, (), {})
        table = self.batch.con.to_pyarrow(features(world, NAMES, wanted, self.batch))
        return table.append_column("is_counted", pa.array([True] * len(table)))

    def answers(self) -> dict[int, Row]:
        counted = [person["profile_id"] for person in self.people if person["is_counted"]]
        rows = self.live.people.rows(np.array(counted, np.int64))
        found = self.live.evaluate(rows)
        answers: dict[int, Row] = {number: {} for number in counted}
        for name in (*self.made.features, *self.made.rules):
            values = values_of(found[name], len(rows), kind_of(name, self.made))
            for answer, value in zip(answers.values(), values, strict=True):
                answer[name] = value
        return answers


def restarted(rng: random.Random, one: Told) -> None:
    """Now and then, another engine in place of this one, from partials and a few events."""
    if rng.random() < 0.75:
        return
    one.live = one.new()
    one.live.put(one.profiles)
    one.live.load(*published(one, one.arrived))
    if rng.random() < 0.5:
        one.live.remember({name: np.array([who for who, of in one.members if of == name]) for name in one.made.rules})
    else:
        one.members = set()
    COMPARED["engines loaded"] += 1


def published(one: Told, events: list[Row]) -> tuple[dict[str, pa.Table], dict[str, pa.Table]]:
    """Partials of events by the batch engine, and of the events those that the engine says it needs."""
    moment, con = one.live.moment, one.batch.con
    tables = {name: one.batch.put(name, table) for name, table in World(moment, [], events).tables(NAMES).items()}
    plan, _, _ = plan_of(one.made)
    wanted = {name: plan.aggregates[name] for state in one.live.states.values() for name in state.loaded}
    partials = {
        event: con.to_pyarrow(prepare(tables[event], group, moment)) for event, group in by_event(wanted).items()
    }
    needed = {}
    for event, table in tables.items():
        day, at = one.live.needs(event)
        conditions = [~visible(table, moment)]
        conditions += [] if day is None else [table.day >= day]
        conditions += [] if at is None else [table["at"] >= at]
        needed[event] = con.to_pyarrow(table.filter(ibis.or_(*conditions)))
    return partials, needed


def kept(node: Any) -> Any:
    """A rule or a value with something else in place of what the engine does not keep, so that it has more to do."""
    if isinstance(node, tuple):
        return tuple(map(kept, node))
    if not is_dataclass(node) or isinstance(node, type):
        return node
    if isinstance(node, Did | Aggregate) and durations(node.where):
        node = replace(node, where=None)
    if isinstance(node, Did):
        node = replace(node, then=None)
    if isinstance(node, Aggregate) and node.function == "mode":
        node = replace(node, function="last")
    return replace(node, **{f.name: kept(getattr(node, f.name)) for f in fields(node) if f.init})


def all_kept(made: Written) -> Written:
    return replace(
        made,
        features={name: kept(value) for name, value in made.features.items()},
        rules={name: kept(rule) for name, rule in made.rules.items()},
    )


def told(made: Written, world: World, moment: Moment, batch: Engine) -> Told:
    """An engine that knows everybody's traits and no event."""
    plan, rules, cuts = plan_of(made)
    schemas = {event: table.schema().to_pyarrow() for event, table in world.tables(NAMES).items()}
    profiles = batch.con.to_pyarrow(batch.put("profiles", world.profiles(NAMES)))
    schema = profiles.schema
    for name in unkept(plan.aggregates):
        of = plan.aggregates[name]
        kind = schemas[of.event].field(of.of).type if of.function in KEEP_TYPE and of.of else None
        number = pa.float64() if of.function in ("sum", "avg") else pa.int64()
        schema = schema.append(pa.field(name, kind or number))
    live = Live(plan, rules, cuts, events=schemas, profiles=schema, moment=moment)
    one = Told(made, live, world.people, [], batch, schemas, schema, profiles)
    one.check(live.put(profiles))
    return one


def moments(rng: random.Random, last: Moment, n: int) -> list[Moment]:
    """Moments that lead to the last one, near and far; what was known lags or leads by the same at each."""
    assert last.known_at is not None
    lag, found = last.known_at - last.as_of, [last.as_of]
    while len(found) < n:
        found.append(found[-1] - rng.choice(JUMPS))
    return [Moment(as_of, last.zone, as_of + lag) for as_of in reversed(found)]


def tables_of(events: list[Row], moment: Moment, batch: Engine) -> dict[str, pa.Table]:
    world = World(moment, [], events)
    return {name: batch.con.to_pyarrow(batch.put(name, table)) for name, table in world.tables(NAMES).items()}


@pytest.mark.parametrize("every", [False, True], ids=["what it keeps", "also what it does not"])
def test_every_rule_for_everybody_after_every_batch(every: bool, duckdb: Engine) -> None:
    @random_cases(1 if every else 6)
    @given(made=written(), seed=st.integers(0, 2**32))
    def whoever(made: Written, seed: int) -> None:
        rng = random.Random(seed)
        world = random_world(rng, vocabulary(), n_people=N_PEOPLE)
        steps = moments(rng, world.moment, rng.randint(1, 4))
        one = told(made if every else all_kept(made), world, steps[0], duckdb)
        assert every or not one.live.unkept
        waiting = arranged(rng, world.events)
        for place, moment in enumerate(steps):
            n = len(waiting) if place == len(steps) - 1 else rng.randint(0, len(waiting))
            batch, waiting = waiting[:n], waiting[n:]
            rows = [one.live.roll(moment), *([np.arange(len(one.live.people))] if not one.members else [])]
            for part in cut(rng, batch):
                rows.append(one.live.apply(tables_of(part, moment, duckdb)))
            one.arrived += batch
            one.check(np.unique(np.concatenate(rows)))
            restarted(rng, one)

    whoever()


def arranged(rng: random.Random, events: list[Row]) -> list[Row]:
    """The events in the order in which they arrive: as they became known, or in any order at all."""
    if rng.random() < 0.5:
        return sorted(events, key=lambda event: event["known_at"])
    return rng.sample(events, len(events))


def cut(rng: random.Random, events: list[Row]) -> list[list[Row]]:
    """Events in a few batches, some of which may be empty."""
    edges = sorted(rng.randint(0, len(events)) for _ in range(rng.choice((0, 1, 3))))
    return [events[start:end] for start, end in zip([0, *edges], [*edges, len(events)], strict=True)]


def test_people_who_turn_out_to_be_one(duckdb: Engine) -> None:
    @random_cases(3)
    @given(made=written(), seed=st.integers(0, 2**32))
    def whoever(made: Written, seed: int) -> None:
        rng = random.Random(seed)
        world = random_world(rng, vocabulary(), n_people=N_PEOPLE)
        steps = moments(rng, world.moment, 3)
        one = told(all_kept(made), world, steps[0], duckdb)
        waiting = arranged(rng, world.events)
        for moment in steps:
            n = rng.randint(0, len(waiting))
            batch, waiting = waiting[:n], waiting[n:]
            rows = [one.live.apply(tables_of(batch, moment, duckdb), moment)]
            one.arrived += batch
            rows.append(merge(rng, one))
            waiting = [follow(event, one) for event in waiting]
            one.check(np.unique(np.concatenate(rows)))

    whoever()


def merge(rng: random.Random, one: Told) -> Any:
    """A few people become part of a few others, whom they follow with their events and memberships."""
    numbers = sorted(person["profile_id"] for person in one.people)
    gone = rng.sample(numbers[3:], 3)
    into = {number: rng.choice([other for other in numbers if other not in gone]) for number in gone}
    rows = one.live.merge(pa.table({"old_id": [*into], "new_id": [*into.values()]}))
    one.people = [person for person in one.people if person["profile_id"] not in into]
    one.arrived = [event | {"profile_id": into.get(event["profile_id"], event["profile_id"])} for event in one.arrived]
    one.members = {(into.get(number, number), name) for number, name in one.members}
    one.into |= into
    return rows


def follow(event: Row, one: Told) -> Row:
    number = event["profile_id"]
    while number in one.into:
        number = one.into[number]
    return event | {"profile_id": number}


def test_people_who_turn_out_to_be_several(duckdb: Engine) -> None:
    @random_cases(3)
    @given(made=written(), seed=st.integers(0, 2**32))
    def whoever(made: Written, seed: int) -> None:
        rng = random.Random(seed)
        world = random_world(rng, vocabulary(), n_people=N_PEOPLE)
        steps = moments(rng, world.moment, 3)
        one = told(all_kept(made), world, steps[0], duckdb)
        before, events = one.people, arranged(rng, world.events)
        half = rng.randint(0, len(events))
        one.live.apply(tables_of(events[:half], steps[0], duckdb), steps[0])
        one.arrived = events[:half]
        merge(rng, one)
        one.check(None)
        several = {*one.into, *one.into.values()}
        one.live.roll(steps[1])
        one.live.apply(tables_of([follow(event, one) for event in events[half:]], steps[1], duckdb))
        one.people, one.arrived, one.into = before, events, {}
        numbers = pa.array(sorted(several), pa.int64())
        mine = [event for event in events if event["profile_id"] in several]
        one.live.replace(numbers.to_numpy(), *published(one, mine))
        one.live.put(one.profiles.filter(pa.compute.is_in(one.profiles["profile_id"], numbers)))
        one.check(None)
        one.live.roll(steps[2])
        one.check(None)

    whoever()
