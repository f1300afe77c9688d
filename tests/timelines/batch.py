"""The batch engine: real runs of a project in a folder, or the functions that a run calls, on tables in memory.

A run reads and writes files and judges what it made, which takes a second; the functions alone take a fraction of it.
They roll partials from one look to the next as runs do. Stories about what only a run does go through runs: people who
turn out to be one, definitions that change, rows that are delivered twice or corrected, clocks that are ahead.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq

from facette.clock import Moment
from facette.definitions.language.vocabulary import BUILT_IN_PROPERTIES, Property
from facette.definitions.project import Definitions
from facette.features.partials import by_event, kinds_needed, prepare
from facette.features.rolling import Grown, roll
from facette.features.table import FeaturePlan, feature_plan, feature_table
from facette.features.thresholds import cuts_at
from facette.profiles.formats import tidy
from facette.profiles.golden import golden_record
from facette.run import run
from facette.segments.membership import wide_memberships
from facette.warehouse.connect import connect, local_day, local_hour, local_weekday
from tests.run.projects import Silent, rows
from tests.timelines.engine import Change, Engine, Found
from tests.timelines.story import Happening, Record, Row, Story

INSTANT = pa.timestamp("us", "UTC")
ARROW = {"number": pa.float64(), "text": pa.string(), "boolean": pa.bool_(), "date": pa.date32(), "instant": INSTANT}


def batch(story: Story, folder: Path, *, is_real: bool = False) -> Engine:
    """The batch engine for a story; through real runs if the story needs them, or if asked to."""
    return Runs(folder) if is_real or _needs_runs(story) else Functions()


def _needs_runs(story: Story) -> bool:
    happenings = [each for moment in story.moments for each in moment.happenings]
    ids = [(each.event, each.id) for each in happenings if each.id is not None]
    return (
        len(story.identifiers) > 1
        or any(step.redefine or step.correct for step in story.steps)
        or len(ids) > len(set(ids))
        or any(happenings.count(each) > 1 for each in happenings)
        or any(each.known_at < each.at for each in happenings)
    )


# ── rows as tables ──────────────────────────────────────────────────────────────────────────────────────────────────


def _columns(properties: Sequence[Property]) -> dict[str, pa.DataType]:
    return {each.name: ARROW[each.type] for each in properties}


def _own(definitions: Definitions, event: str) -> list[Property]:
    properties = definitions.vocabulary.events[event].properties
    return [each for name, each in properties.items() if name not in BUILT_IN_PROPERTIES]


def _kinds(definitions: Definitions) -> list[str]:
    return [kind.name for kind in definitions.project.identifiers]


def _sources(definitions: Definitions) -> list[str]:
    return [source.name for source in definitions.project.sources if source.people]


def _table(columns: dict[str, pa.DataType], rows: Sequence[Row]) -> pa.Table:
    """Rows with these columns; numbers that are all whole are whole."""
    table = pa.Table.from_pylist([{name: row.get(name) for name in columns} for row in rows], pa.schema(columns))
    for place, (name, kind) in enumerate(columns.items()):
        known = [row[name] for row in rows if row.get(name) is not None]
        if kind == ARROW["number"] and known and all(isinstance(value, int) for value in known):
            table = table.set_column(place, name, table[name].cast(pa.int64()))
    return table


# ── functions alone ─────────────────────────────────────────────────────────────────────────────────────────────────


class Functions:
    """What a run calls between reading and publishing, for people with one kind of identifier."""

    def __init__(self) -> None:
        self.con = connect()
        self.records: list[Record] = []
        self.happenings: list[Happening] = []
        self.ids: dict[str, int] = {}
        self.tables: dict[str, ir.Table] = {}
        self.n_seen = 0
        self.before: Moment | None = None
        self.n_known = -1
        self.partials: dict[str, ir.Table] = {}
        self.members: dict[str, frozenset[str]] = {}

    def define(self, definitions: Definitions) -> None:
        self.definitions = definitions
        self.plan = feature_plan(definitions)
        self.aggregates = by_event(self.plan.aggregates)
        (self.kind,) = _kinds(definitions)

    def arrive(self, records: Sequence[Record], happenings: Sequence[Happening]) -> None:
        self.records += records
        self.happenings += happenings
        for row in (*records, *happenings):
            self.ids.setdefault(row.identifiers[self.kind], len(self.ids) + 1)
        self.tables = {}
        self.n_known = -1

    def correct(self, happening: Happening) -> None:
        raise NotImplementedError("events are corrected in files, which takes a run")

    def look(self, at: datetime) -> Found:
        moment = Moment(at, self.definitions.project.time_zone)
        self._resolve(moment)
        self._roll(moment)
        cuts = cuts_at(self.profiles, self.partials, self.plan, moment, _no_past)
        features = feature_table(self.profiles, self.partials, self.plan, moment, cuts)
        if self.definitions.features:
            features = self._kept("features", features)
        wide = self.con.to_pyarrow(wide_memberships(features, self.definitions.rules, moment)).to_pylist()
        names = {number: who for who, number in self.ids.items()}
        people = {row["profile_id"]: names[row["profile_id"]] for row in wide}
        members = {
            segment: frozenset(people[row["profile_id"]] for row in wide if row[segment])
            for segment in self.definitions.rules
        }
        changes = self._changes(members)
        self.members, self.before, self.n_seen = members, moment, len(self.happenings)
        return Found(frozenset(people.values()), members, self._values(features, people), changes)

    def _kept(self, name: str, table: ir.Table) -> ir.Table:
        return self.con.create_table(ibis.util.gen_name(name), table, temp=True)

    def _changes(self, members: dict[str, frozenset[str]]) -> frozenset[Change]:
        found: set[Change] = set()
        for segment, now in members.items():
            was = self.members.get(segment, frozenset())
            found |= {(who, segment, "entered") for who in now - was} | {(who, segment, "left") for who in was - now}
        return frozenset(found)

    def _values(self, features: ir.Table, people: dict[int, str]) -> dict[str, dict[str, Any]]:
        names = self.definitions.features
        found = self.con.to_pyarrow(features.select("profile_id", *names)).to_pylist() if names else []
        return {name: {people[row["profile_id"]]: row[name] for row in found} for name in names}

    # ── profiles ──

    def _resolve(self, moment: Moment) -> None:
        """Profiles at this moment; those of the last look are the same unless more is known."""
        n_known = sum(row.known_at <= moment.as_of for row in (*self.records, *self.happenings))
        if n_known != self.n_known:
            project = self.definitions.project
            profiles = golden_record(self._record_tables(), self._identities(), project, moment, project.identifiers)
            self.profiles = self._kept("profiles", profiles.rename({self.kind: f"id_{self.kind}"}))
            self.n_known = n_known

    def _record_tables(self) -> dict[str, ir.Table]:
        traits = list(self.definitions.traits.values())
        columns = {"record": pa.string(), f"id_{self.kind}": pa.string(), "known_at": INSTANT, **_columns(traits)}
        tables = {}
        for source in _sources(self.definitions):
            rows = [
                {"record": f"{number}", f"id_{self.kind}": each.identifiers[self.kind], "known_at": each.known_at}
                | each.traits
                for number, each in enumerate(self.records)
                if each.source == source
            ]
            tables[source] = _tidy(_table(columns, rows), traits)
        return tables

    def _identities(self) -> ir.Table:
        first: dict[str, datetime] = {}
        for row in (*self.records, *self.happenings):
            who = row.identifiers[self.kind]
            first[who] = min(first.get(who, row.known_at), row.known_at)
        columns = {"kind": pa.string(), "value": pa.string(), "profile_id": pa.int64(), "known_from": INSTANT}
        rows = [
            {"kind": self.kind, "value": who, "profile_id": number, "known_from": first[who]}
            for who, number in self.ids.items()
        ]
        return ibis.memtable(_table(columns, rows))

    # ── events ──

    def _roll(self, moment: Moment) -> None:
        """Partials at this moment, from those of the last look if there was one."""
        tables = {kind: self._events(kind) for kind in {*self.aggregates, *kinds_needed(self.plan.aggregates)}}
        nobody = ibis.memtable(pa.table({"profile_id": pa.array([], pa.int64())}))
        for event, aggregates in self.aggregates.items():
            if self.before is None:
                table = prepare(tables[event].drop("number"), aggregates, moment, tables)
            else:
                grown = {kind: self._grown(tables[kind]) for kind in {event, *kinds_needed(aggregates)}}
                table = roll(self.partials[event], grown, nobody, aggregates, self.before, moment)
            self.partials[event] = self._kept("partials", table)

    def _grown(self, events: ir.Table) -> Grown:
        old, arrived = events.filter(events.number < self.n_seen), events.filter(events.number >= self.n_seen)
        return Grown(old.drop("number"), arrived.drop("number"))

    def _events(self, event: str) -> ir.Table:
        """The events of a kind as cleaning and the stage of events make them, with their place in the story."""
        if event not in self.tables:
            zone, properties = self.definitions.project.time_zone, _own(self.definitions, event)
            columns = {"profile_id": pa.int64(), "event_id": pa.string(), "number": pa.int64()}
            columns |= {"at": INSTANT, "known_at": INSTANT, **_columns(properties)}
            rows = [
                {"profile_id": self.ids[each.identifiers[self.kind]], "event_id": each.id or f"{number}"}
                | {"number": number, "at": each.at, "known_at": each.known_at, **each.properties}
                for number, each in enumerate(self.happenings)
                if each.event == event
            ]
            table = _tidy(_table(columns, rows), properties)
            at = table["at"]
            table = table.mutate(day=local_day(at, zone), hour=local_hour(at, zone), weekday=local_weekday(at, zone))
            self.tables[event] = self._kept("events", table)
        return self.tables[event]


def _tidy(rows: pa.Table, properties: Sequence[Property]) -> ir.Table:
    """Rows with their texts as cleaning leaves them."""
    table = ibis.memtable(rows)
    texts = {each.name: tidy(table[each.name]) for each in properties if each.type == "text"}
    return table.mutate(**texts) if texts else table


# ── real runs ───────────────────────────────────────────────────────────────────────────────────────────────────────


class Runs:
    """A project in a folder; every delivery is a file for each source, and every look a run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: dict[Path, list[Any]] = {}

    def define(self, definitions: Definitions) -> None:
        self.definitions = definitions
        if not self.files:  # a source without any file cannot be read
            for source in definitions.project.sources:
                self._write(self.folder / f"{source.name}-0.parquet", source.name, [])

    def arrive(self, records: Sequence[Record], happenings: Sequence[Happening]) -> None:
        number = len(self.files)
        for source in _sources(self.definitions):
            if told := [each for each in records if each.source == source]:
                self._write(self.folder / f"{source}-{number}.parquet", source, told)
        for event in self.definitions.vocabulary.events:
            if told := [each for each in happenings if each.event == event]:
                self._write(self.folder / f"from_{event}-{number}.parquet", f"from_{event}", told)

    def correct(self, happening: Happening) -> None:
        source = f"from_{happening.event}"
        files = {path: told for path, told in self.files.items() if path.name.startswith(f"{source}-")}
        for path, told in files.items():
            if any(each.id == happening.id for each in told):
                self._write(path, source, [happening if each.id == happening.id else each for each in told])

    def _write(self, path: Path, source: str, told: Sequence[Any]) -> None:
        self.files[path] = list(told)
        columns = {kind: pa.string() for kind in _kinds(self.definitions)} | {"known_at": INSTANT}
        if source in _sources(self.definitions):
            columns |= _columns(list(self.definitions.traits.values()))
            written = [{**each.identifiers, "known_at": each.known_at, **each.traits} for each in told]
        else:
            columns |= {"id": pa.string(), "at": INSTANT}
            columns |= _columns(_own(self.definitions, source.removeprefix("from_")))
            written = [
                {**each.identifiers, "known_at": each.known_at, "id": each.id, "at": each.at, **each.properties}
                for each in told
            ]
        pq.write_table(_table(columns, written), path)

    def look(self, at: datetime) -> Found:
        outcome = run(self.definitions, Silent(), as_of=at)
        order = _kinds(self.definitions)
        owned: dict[int, list[tuple[int, str]]] = {}
        for row in rows(self.folder, "identities"):
            owned.setdefault(row["profile_id"], []).append((order.index(row["kind"]), row["value"]))
        names = {profile: " + ".join(value for _, value in sorted(values)) for profile, values in owned.items()}
        wide, features = rows(self.folder, "wide"), rows(self.folder, "features")
        changes = [row for row in rows(self.folder, "changes") if outcome.is_published and row["run"] == outcome.run]
        return Found(
            frozenset(names[row["profile_id"]] for row in wide),
            {
                segment: frozenset(names[row["profile_id"]] for row in wide if row[segment])
                for segment in self.definitions.rules
            },
            {
                feature: {names[row["profile_id"]]: row[feature] for row in features}
                for feature in self.definitions.features
            },
            frozenset((names[row["profile_id"]], row["segment"], row["change"]) for row in changes),
        )


def _no_past(plan: FeaturePlan, moment: Moment) -> ir.Table:
    raise AssertionError("timelines have no moving averages")
