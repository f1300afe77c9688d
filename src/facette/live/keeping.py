"""Who is in which segment, kept up to date in memory: a columnar engine that starts from the published snapshot.

Partials and the events that time may still move are those of the snapshot; what came after it is taken in as it comes.
What the columns do not keep is computed by the functions of a run, for the profiles concerned.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Collection, Mapping, Sequence
from datetime import date

import ibis.expr.types as ir
import numpy as np
import pyarrow as pa

from facette.clock import CLOCK_UNITS, Moment
from facette.definitions.language import tree
from facette.definitions.project import Definitions
from facette.features.aggregates import algebra
from facette.features.partials import prepare
from facette.features.table import FeaturePlan, feature_plan, needed
from facette.live.columnar.columns import Array
from facette.live.columnar.engine import Engine
from facette.live.columnar.features import program_of
from facette.live.columnar.kinds import unkept
from facette.live.columnar.printer import Program
from facette.live.columnar.states import different
from facette.live.deciding import Deciding
from facette.live.knowledge import Arrived, Knowledge
from facette.live.memberships import Memberships, Moves
from facette.live.outputs import Outputs
from facette.live.recomputing import Recomputing
from facette.live.values import rows_of
from facette.segments.evaluation import columns_of, events_scanned
from facette.warehouse.compiler import instant, visible

PORTION = 1 << 16
"""Profiles that models are asked about at once."""


class Keeping:
    """Evaluates all rules for those to whom something happened.

    It holds what follows from the knowledge at a moment, and the memberships that it is given at the start; both change
    by what it is told only.
    """

    def __init__(
        self, definitions: Definitions, knowledge: Knowledge, memberships: Memberships, moment: Moment
    ) -> None:
        self.knowledge, cuts = knowledge, knowledge.snapshot.cuts
        self._exact = Recomputing(definitions, knowledge)
        columns = columns_of(definitions.rules.values())
        self._outputs = Outputs(definitions, columns, self._exact.fitted)
        self.plan = needed(feature_plan(definitions), {*columns, *self._outputs.reads}, is_fitted=True)
        self._program = program_of(self.plan, definitions.rules, cuts)
        self._given = Given(self.plan, self._program, self._outputs)
        self._touched: list[Array] = []
        everybody = self._exact.columns(self._given.names, moment, None)
        schema = everybody.schema
        if self._outputs.names:
            nobody = self._exact.columns(self._outputs.reads, moment, ())
            self._kinds = {name: nobody.schema.field(name).type for name in self._outputs.reads}
            self._asked = program_of(needed(self.plan, self._kinds, is_fitted=True), {}, cuts)
            said = self._outputs.of(nobody, knowledge.con).schema
            schema = pa.schema([*schema, *(said.field(name) for name in self._outputs.names)])
        self.engine = self._engine(definitions, schema, moment)
        self._deciding = (
            Deciding(self.plan, definitions.rules, cuts, self.engine, self._schemas)
            if definitions.project.live.deciding_events
            else None
        )
        for kind in self._deciding.reads if self._deciding else ():
            knowledge.ordered(kind)  # now, and not when somebody waits for a change
        self._load()
        self._follow(self._merged_since())
        came = ((kind, knowledge.live_events(kind)) for kind in self.engine.reads)
        self.engine.apply(self._as_published({kind: table for kind, table in came if table is not None}), moment)
        self._make_anew(knowledge.parted.concerned(knowledge.merged))
        self.engine.put(everybody)
        self._say(np.arange(len(self.engine.people)))
        self.engine.remember({segment: memberships.ids(segment) for segment in self.engine.segments})

    # ── what comes in, what comes out ───────────────────────────────────────────────────────────────────────────────

    def take_in(self, arrived: Arrived, ripe: Collection[int], moment: Moment) -> None:
        """Let time pass until a moment, and take in what came, which the knowledge has already.

        ripe : profiles of which something begins to count
        """
        before = self.engine.moment
        self._follow(arrived.merged)
        self._touched.append(self.engine.roll(moment))
        profiles = arrived.changed.union(ripe)
        if arrived.split:
            again = arrived.touched - arrived.merged.keys()
            profiles |= again
            self._make_anew(again)
        else:
            self._touched.append(self.engine.apply(self._as_published(arrived.owned)))
        profiles |= self._given.concerned(arrived.owned)
        self._put(profiles - arrived.merged.keys(), moment, is_everybody=self._given.is_aging(before, moment))
        self._say(different(np.concatenate(self._touched)))

    def moves(self, *, is_everybody: bool = False) -> pa.Table:
        """Who entered and who left which segment since this was last asked: schema CHANGES of the columnar engine.

        is_everybody : evaluate everybody, not only those to whom something happened
        """
        rows = None if is_everybody else different(np.concatenate([*self._touched, np.empty(0, np.intp)]))
        self._touched.clear()
        return self.engine.changes(rows)

    def decided(self, moves: Moves) -> pa.ListArray | None:
        """Of each move the ids of the events that decided it; None if that is not asked for."""
        return self._deciding.decided(moves, self.knowledge.events_of) if self._deciding else None

    def traits(self, names: Sequence[str], profiles: Collection[int]) -> list[tuple[int, str]]:
        """What sinks keep of some profiles, by the functions of a run: see :func:`facette.live.values.rows_of`."""
        if not names or not profiles:
            return []
        return rows_of(self._exact.columns(names, self.engine.moment, profiles), names, sorted(profiles))

    def wide(self) -> pa.Table:
        """profile_id, one boolean per segment, of everybody who counts, evaluated now."""
        return self.engine.wide()

    # ── inside ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _engine(self, definitions: Definitions, profiles: pa.Schema, moment: Moment) -> Engine:
        """Empty, at the moment of the snapshot, or at this one if that lies ahead."""
        snapshot = self.knowledge.snapshot
        kinds = events_scanned(self.plan)
        self._schemas = {kind: self.knowledge.published_events(kind).schema().to_pyarrow() for kind in kinds}
        return Engine(
            self.plan,
            definitions.rules,
            snapshot.cuts,
            events=self._schemas,
            profiles=profiles,
            moment=snapshot.moment if snapshot.moment.as_of <= moment.as_of else moment,
            others=self._outputs.reads,
            program=self._program,
        )

    def _load(self) -> None:
        """What the snapshot has: partials, under their ids of then, and events."""
        snapshot = self.knowledge.snapshot
        for kind, state in self.engine.states.items():
            table = self.knowledge.published(f"partials_{kind}")
            there: list[str] = []
            if table is not None and self.engine.moment == snapshot.moment:
                there = [name for name in state.loaded if {*_states(self.plan, name)} <= {*table.columns}]
                parts = [column for name in there for column in _states(self.plan, name)]
                self.engine.load({kind: table.select("profile_id", *parts).to_pyarrow()}, {})
            lacking = {name: self.plan.aggregates[name] for name in state.loaded if name not in there}
            if lacking:
                events = self.knowledge.published_events(kind)
                self.engine.load({kind: prepare(events, lacking, self.engine.moment).to_pyarrow()}, {})
        for kind in self.engine.reads:
            if snapshot.pending_from or self.engine.needs(kind) != (None, None):  # else all are visible, none is needed
                self.engine.load({}, {kind: self._needed(kind, self.knowledge.published_events(kind))})

    def _needed(self, kind: str, events: ir.Table) -> pa.Table:
        """Those of some events that time may still move, or that are not visible yet; the columns that are read."""
        day, at = self.engine.needs(kind)
        conditions = [~visible(events, self.engine.moment)]
        conditions += [] if day is None else [events.day >= day]
        conditions += [] if at is None else [events["at"] >= instant(at)]
        found = events if day == date.min else events.filter(functools.reduce(operator.or_, conditions))
        return found.select("profile_id", *sorted(self.engine.reads[kind])).to_pyarrow()

    def _as_published(self, events: Mapping[str, pa.Table]) -> dict[str, pa.Table]:
        """Events that came live, of kinds that are kept; the columns that are read, of the types of published ones."""
        found = {}
        for kind, reads in self.engine.reads.items():
            if kind in events:
                names = ["profile_id", *sorted(reads)]
                schema = pa.schema([self._schemas[kind].field(name) for name in names])
                found[kind] = events[kind].select(names).cast(schema)
        return found

    def _follow(self, merged: Mapping[int, int]) -> None:
        if merged:
            pairs = {"old_id": pa.array(merged.keys(), pa.int64()), "new_id": pa.array(merged.values(), pa.int64())}
            self._touched.append(self.engine.merge(pa.table(pairs)))

    def _merged_since(self) -> dict[int, int]:
        """The merges since the snapshot."""
        then = self.knowledge.merged_then()
        return {old: new for old, new in self.knowledge.merged.items() if old not in then}

    def _make_anew(self, profiles: Collection[int]) -> None:
        """Make the state of some profiles from all their events."""
        if not profiles:
            return
        partials, events = {}, {}
        try:
            for kind in self.engine.reads:
                own = self.knowledge.events(kind, profiles)
                names = self.engine.states[kind].loaded if kind in self.engine.states else []
                if names:
                    loaded = {name: self.plan.aggregates[name] for name in names}
                    partials[kind] = prepare(own, loaded, self.engine.moment).to_pyarrow()
                events[kind] = self._needed(kind, own)
        finally:
            self.knowledge.let_go()
        ids = np.array(sorted(profiles), np.int64)
        self._touched.append(self.engine.replace(ids, partials, events))

    def _put(self, profiles: Collection[int], moment: Moment, *, is_everybody: bool = False) -> None:
        """Give the engine what it does not find out itself of some profiles, or of everybody.

        Whoever of the profiles is no longer does not count.
        """
        if not profiles and not is_everybody:
            return
        found = self._exact.columns(self._given.names, moment, None if is_everybody else profiles)
        self._touched.append(self.engine.put(found))
        gone = sorted({*profiles}.difference(found["profile_id"].to_pylist()))
        if gone:
            told = {"profile_id": pa.array(gone, pa.int64()), "is_counted": pa.repeat(pa.scalar(False), len(gone))}
            self._touched.append(self.engine.put(pa.table(told)))

    def _say(self, rows: Array) -> None:
        """Give the engine what the models say of some rows now."""
        if not self._outputs.names:
            return
        rows = rows[self.engine.people.canonical(rows) == rows]  # what became part of another is no longer asked about
        for start in range(0, len(rows), PORTION):
            inputs = self.engine.columns(self._asked, self._kinds, rows[start : start + PORTION])
            self.engine.put(self._outputs.of(inputs, self.knowledge.con))


class Given:
    """What the columnar engine does not find out itself, but is given: traits, and what is not kept.

    names : the columns
    """

    def __init__(self, plan: FeaturePlan, program: Program, outputs: Outputs) -> None:
        away = {name: plan.aggregates[name] for name in unkept(plan.aggregates)}
        made = {*outputs.names, *(feature.name for feature in plan.features)}
        read = {*program.reads, *outputs.reads} - made
        self.names = tuple(sorted(read - (plan.aggregates.keys() - away.keys())))
        self._kinds = events_scanned(FeaturePlan(away, (), {}))
        self._units = {unit for _, unit in tree.durations([*away.values()])}
        self._is_daily = bool(self._units) or any(item.function == "recency" for item in away.values())

    def concerned(self, events: Mapping[str, pa.Table]) -> set[int]:
        """The profiles for which some events may change what is given."""
        return {one for kind in self._kinds & events.keys() for one in events[kind]["profile_id"].to_pylist()}

    def is_aging(self, before: Moment, now: Moment) -> bool:
        """Whether time alone may have changed what is given."""
        is_stepwise = bool(self._units & {*CLOCK_UNITS})
        return (self._is_daily and before.today != now.today) or (is_stepwise and before.step != now.step)


def _states(plan: FeaturePlan, name: str) -> list[str]:
    """The columns of an aggregate's partials."""
    return [f"{name}__{suffix}" for suffix in algebra(plan.aggregates[name]).prepare]
