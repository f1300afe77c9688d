"""What is known of people and events: the published snapshot, and what came after it.

The snapshot stays in its files; what came after it, who is who and who is linked with whom is in memory. Everything is
made by the functions of a run: cleaning, identities, the golden record.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from facette.clock import Moment
from facette.definitions import model
from facette.definitions.project import Definitions
from facette.live import mapped
from facette.live.cleaning import Cleaner, cleaners
from facette.live.columnar.states import different
from facette.live.golden import Golden
from facette.live.linked import micros
from facette.live.ordered import Ordered, ordered, with_profiles
from facette.live.parted import Parted
from facette.live.people import People, Rows
from facette.live.remembering import remember
from facette.live.tables import LiveTables, Records
from facette.profiles.events import PLACED_BY, remap
from facette.profiles.golden import profiles_at
from facette.profiles.updates import without_idle
from facette.stages.work import Work
from facette.warehouse.compiler import instant
from facette.warehouse.connect import connect
from facette.warehouse.ledger import Ledger
from facette.warehouse.published import Draft, Snapshot, Store

EPOCH = datetime.fromtimestamp(0, UTC)
PROVISIONAL = 2_000_000_000
"""Profiles that no run has seen have ids from here on; the next run gives them others, as if they were merged."""

EVENTS, RECORDS = "events_", "records_"
"""How the tables of events and of records are called, before what they are of."""

Array = np.ndarray[Any, Any]

Part = tuple[str, int]
"""The table that rows go to, and the place of their reader: several may read events of one kind."""

Due = tuple[datetime, int]
"""When something about a profile begins to count, and the profile."""


@dataclass(frozen=True)
class Arrived:
    """What some raw rows brought.

    events     : kind → cleaned events, with their identifiers
    owned      : kind → the same, after their profile_id
    records    : source → cleaned records of people
    identities : those that are new or other than they were; links likewise
    touched    : the profiles concerned, those that are gone included
    changed    : of these the ones whose records or identities are others than before, not only their events
    merged     : profile → what it became part of
    split      : profiles that fell apart; whose the events that came live are was found out anew
    followed   : what became of :attr:`Knowledge.merged`: profile → what it is part of now, None if it is one again
    due        : what of it begins to count later
    """

    events: Mapping[str, pa.Table] = field(default_factory=dict)
    records: Mapping[str, pa.Table] = field(default_factory=dict)
    identities: pa.Table | None = None
    links: pa.Table | None = None
    touched: frozenset[int] = frozenset()
    changed: frozenset[int] = frozenset()
    merged: Mapping[int, int] = field(default_factory=dict)
    split: frozenset[int] = frozenset()
    followed: Mapping[int, int | None] = field(default_factory=dict)
    due: tuple[Due, ...] = ()
    owned: Mapping[str, pa.Table] = field(default_factory=dict)


class Knowledge:
    """A snapshot and what came after it."""

    def __init__(
        self, definitions: Definitions, store: Store, snapshot: Snapshot, *, highest: int = PROVISIONAL
    ) -> None:
        self.definitions, self.store, self.snapshot = definitions, store, snapshot
        self.project = definitions.project
        self.kinds = self.project.identifiers
        self.con = remember(connect(definitions.folder))
        self.merged: dict[int, int] = {}
        self._parts_of: dict[int, set[int]] = {}
        self._base: dict[str, ir.Table] = {}
        self._kept: list[str] = []
        self._live = LiveTables(self.con)
        self._golden: Golden | None = None
        self._ordered: dict[str, Ordered] = {}
        self._renewed: set[int] = set()
        self.people = People(self.kinds, max(highest, PROVISIONAL))
        self._described: dict[str, Records] = {}
        self._cleaners = self._made_cleaners()
        self._know_published()
        self._follow(self.merged_then())
        self.parted = Parted(self.people, self.merged, self.con)

    def _made_cleaners(self) -> list[Cleaner]:
        ledger = Ledger(self.store.folder)
        draft = Draft(self.store, self.snapshot)
        try:
            work = Work(self.definitions, self.store, ledger, self.con, draft, self.snapshot, self.snapshot.moment)
            settings = {
                key: work.settings(reader, key) for source in self.log_sources for key, reader in source.readers()
            }
            return cleaners(self.con, self.log_sources, settings)
        finally:
            ledger.close()

    def _know_published(self) -> None:
        """Who is who, and what came before, as published: found out once for a run, and kept in files."""
        names = [f"{RECORDS}{source.name}" for source in self.project.sources if source.people]
        records = {name: self._in_order(name) for name in names if self._is_published(name)}
        by_table = {cleaner.name: cleaner for cleaner in self._cleaners}  # those of one table know the same
        marks = {name: cleaner.marked_by for name, cleaner in by_table.items()}
        tables = ["identities", "links", *records, *by_table]
        files = {name: self.snapshot.tables.get(name, ()) for name in tables}
        told = json.dumps([FORM, self.snapshot.run, [kind.name for kind in self.kinds], marks, files])
        path = self.store.folder / "live" / f"known-{blake2b(told.encode(), digest_size=8).hexdigest()}"
        arrays = mapped.read(path)
        if arrays is None:
            self.people.put(*(self._published(name).to_pyarrow() for name in ("identities", "links")))
            for cleaner in by_table.values():
                self._know_rows(cleaner)
            coded = {name: np.stack(self.people.rows(table, "").codes) for name, table in records.items()}
            known = {"people": self.people, **{f"seen_{name}": each.seen for name, each in by_table.items()}, **coded}
            arrays = dict(pair for each in known.items() for pair in mapped.arrays_of(*each))
            mapped.write(path, arrays)
        else:
            mapped.restored("people", self.people, arrays)
            self.people.group()
            for name, cleaner in by_table.items():
                mapped.restored(f"seen_{name}", cleaner.seen, arrays)
        for name, table in records.items():
            self._described[name.removeprefix(RECORDS)] = Records(table, [*arrays[name]])

    def _know_rows(self, cleaner: Cleaner) -> None:
        """Its published rows, some at a time."""
        if self._is_published(cleaner.name):
            rows = self._published(cleaner.name).select(cleaner.marked_by)
            for portion in self.con.con.execute(self.con.compile(rows)).to_arrow_reader(PORTION):
                cleaner.know(pa.Table.from_batches([portion]))

    @property
    def log_sources(self) -> list[model.LogSource]:
        return [source for source in self.project.sources if isinstance(source, model.LogSource)]

    @property
    def highest(self) -> int:
        """The highest profile id given."""
        return self.people.highest

    def close(self) -> None:
        self.con.disconnect()

    # ── what comes in ───────────────────────────────────────────────────────────────────────────────────────────────

    def absorb(self, raw: Mapping[str, pa.Table], now: datetime) -> Arrived:
        """Clean raw rows, find out whose they are, and know them from now on. Rows known already bring nothing.

        raw : source → rows as found
        now : what begins to count after it is told as due
        """
        tables: dict[Part, pa.Table] = {}
        rows: dict[Part, Rows] = {}
        for n, cleaner in enumerate(self._cleaners):
            table = cleaner.new(raw[cleaner.source.name]) if cleaner.source.name in raw else ()
            if len(table):
                tables[cleaner.name, n] = table
                rows[cleaner.name, n] = self.people.rows(table, cleaner.source.name)
        if not rows:
            return Arrived()
        found = self.people.take(list(rows.values()))
        followed = self._follow(found.merged, back=found.there)
        self._renewed.update(found.touched.tolist())
        if found.split:
            self._assign_anew()
            self.parted.look(found.touched, self.merged)
        owners = {part: self.people.owners(each) for part, each in rows.items()}
        events = {part: table for part, table in tables.items() if part[0].startswith(EVENTS)}
        owned = _by_kind({part: _with_owners(table, owners[part]) for part, table in events.items()})
        for kind, table in owned.items():
            self._live.append(f"{EVENTS}{kind}", table)
        records = {part: table for part, table in tables.items() if part not in events}
        described = [self._describe(part[0], table, rows[part]) for part, table in records.items()]
        return Arrived(
            _by_kind(events),
            {name.removeprefix(RECORDS): table for (name, _), table in records.items()},
            found.identities,
            found.links,
            frozenset(found.touched.tolist()),
            frozenset(np.concatenate([found.changed, *described]).tolist()),
            found.merged,
            found.split,
            followed,
            self._due_of(found.identities, tables, rows, owners, now),
            owned,
        )

    def restore(
        self,
        events: Mapping[str, pa.Table],
        records: Mapping[str, pa.Table],
        identities: pa.Table,
        links: pa.Table,
        merged: Mapping[int, int],
    ) -> None:
        """Know again what was absorbed before: all cleaned rows, and identities, links and merges as they were then."""
        self._renewed.update(self.people.owners_of(identities).tolist())
        self.people.put(identities, links)
        self._renewed.update(identities["profile_id"].to_pylist())
        self.merged, self._parts_of = {}, {}
        self._follow(merged)
        self.parted.look(np.fromiter(self._renewed, np.int64), self.merged)
        tables = {f"{EVENTS}{kind}": table for kind, table in events.items()}
        tables |= {f"{RECORDS}{source}": table for source, table in records.items()}
        made_by = {cleaner.name: cleaner for cleaner in self._cleaners}
        for name, table in tables.items():
            if name not in made_by:
                continue
            made_by[name].know(table)
            rows = self.people.rows(table, made_by[name].source.name)
            if name.startswith(EVENTS):
                self._live.append(name, _with_owners(table, self.people.owners(rows)))
            else:
                self._describe(name, table, rows)

    def _describe(self, name: str, table: pa.Table, rows: Rows) -> Array:
        """Know records of people; the profiles that they are about."""
        self._live.append(name, table)
        source = name.removeprefix(RECORDS)
        if source in self._described:
            self._described[source].append(table, rows.codes)
        else:
            self._described[source] = self._records_of(table)
            self._golden = None
        mentioned = self.people.mentioned(rows)
        self._renewed.update(mentioned.tolist())
        return mentioned

    def _records_of(self, table: pa.Table) -> Records:
        rows = self.people.rows(table, "")
        return Records(table, rows.codes)

    # ── who is who ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _follow(self, merged: Mapping[int, int], back: Collection[int] = ()) -> dict[int, int | None]:
        """Add merges, also to what was merged into what is merged now; profiles that are ``back`` no longer are.

        returns : what became of :attr:`merged`
        """
        followed: dict[int, int | None] = {}
        for old, new in merged.items():
            parts = self._parts_of.pop(old, set()) | {old}
            self._parts_of.setdefault(new, set()).update(parts)
            followed |= dict.fromkeys(parts, new)
        self.merged |= {old: new for old, new in followed.items() if new is not None}
        for old in self.merged.keys() & back:
            self._parts_of[self.merged.pop(old)].discard(old)
            followed[old] = None
        return followed

    def _assign_anew(self) -> None:
        """Whose the events are that came live, by the identities as they are now."""
        for cleaner in self._cleaners:
            if cleaner.is_of_events and cleaner.name in self._live:
                table = self._live.table(cleaner.name).drop("profile_id").to_pyarrow()
                owners = self.people.owners(self.people.rows(table, cleaner.source.name))
                self._live.replace(cleaner.name, _with_owners(table, owners))

    # ── what there is ───────────────────────────────────────────────────────────────────────────────────────────────

    def events(self, kind: str, whose: Collection[int] | None) -> ir.Table:
        """The events of a kind under today's profile ids, also those that do not count yet.

        whose : the profiles whose events are asked for; None for all
        """
        if whose is not None:
            return self.keep(self.events_of(kind, whose))
        name = f"events_{kind}"
        parts = [self.published_events(kind)] if self._is_published(name) else []
        if name in self._live:
            parts.append(self._today(self._live.table(name)))
        columns = [name for name in parts[0].columns if not name.startswith("id_")]
        schema = parts[0].select(columns).schema()
        events = _union([part.select(columns).cast(schema) for part in parts])
        assert events is not None
        return events

    def concerned(self) -> set[int]:
        """The profiles of which something came after the snapshot."""
        found: set[int] = set()
        for name in self._live.names("events_"):
            found.update(self._live.table(name).select("profile_id").distinct().to_pyarrow()["profile_id"].to_pylist())
        for name in self._live.names("records_"):
            found.update(self.people.mentioned(self.people.rows(self._live.table(name).to_pyarrow(), "")).tolist())
        return {self.merged.get(one, one) for one in found}

    def events_of(self, kind: str, ids: Collection[int], columns: Collection[str] = ()) -> pa.Table:
        """The events of some profiles, as :meth:`events` has them, however many there are of others.

        Who is part of somebody else by now has none.

        columns : those that are asked for; all where none is named
        """
        parts_of = {one: (one, *self._parts_of.get(one, ())) for one in ids if one not in self.merged}
        then = np.array([part for merged in parts_of.values() for part in merged], np.int64)
        now = np.array([one for one, merged in parts_of.items() for _ in merged], np.int64)
        order = np.argsort(then)
        then, now = then[order], now[order]
        name, found = f"events_{kind}", []
        if self._is_published(name):
            every = self.ordered(kind)
            found.append(self.parted.events_of(every, then, now, [*(columns or _own_columns(every.schema))]))
        if name in self._live:
            later = self._live[name]
            rows = later.of(then, found[0].schema.names if found else [*(columns or _own_columns(later.schema))])
            owners = now[np.searchsorted(then, rows["profile_id"].to_numpy())]
            found.append(with_profiles(rows, owners))
        return pa.concat_tables([each.cast(found[0].schema) for each in found])

    def ordered(self, kind: str) -> Ordered:
        """The published events of a kind, in the order of their profiles."""
        if kind not in self._ordered:
            name = f"events_{kind}"
            files, folder = self.snapshot.tables[name], self.store.folder / "live"
            self._ordered[kind] = ordered(self.con.con, self._published(name), files, folder)
        return self._ordered[kind]

    def profiles(self, moment: Moment) -> ir.Table:
        """All profiles with the traits that were known at a moment."""
        return self.keep(profiles_at(without_idle(self._records()), self.identities(), self.project, moment))

    def everybody(self, names: Sequence[str], moment: Moment) -> pa.Table:
        """profile_id, is_counted and some traits and identifiers of all profiles, as :meth:`profiles` has them.

        Where nothing published was still to come, they are as published of all whom nothing concerns that came since.
        """
        columns = ["profile_id", "is_counted", *names]
        if self.snapshot.pending_from or moment.as_of < self.snapshot.moment.as_of:
            try:
                return self.profiles(moment).select(columns).to_pyarrow()
            finally:
                self.let_go()
        published = self._published("profiles").select(columns).to_pyarrow()
        is_renewed = _are_among(published["profile_id"].to_numpy(), np.fromiter(self._renewed, np.int64))  # or is gone
        stays = published.filter(pa.array(~is_renewed))
        return pa.concat_tables([stays, self.profiles_of(self._renewed, moment).select(columns).cast(stays.schema)])

    def profiles_of(self, ids: Collection[int], moment: Moment) -> pa.Table:
        """The same of some profiles, fast where they are few."""
        if self._golden is None:
            schemas = {name: each.schema for name, each in self._described.items()}
            self._golden = Golden(self.con, self.project, schemas, self.schema("identities"))
        wanted = pa.array(ids, pa.int64())
        codes = self.people.codes_of(wanted.to_numpy())
        records = {name: each.of(codes) for name, each in self._described.items()}
        mentioned = [codes, *(self.people.codes_in(table) for table in records.values())]
        concerned = self.people.identities(np.unique(np.concatenate(mentioned)))
        found = self._golden.of(records, concerned, moment)
        return found.filter(pc.is_in(found["profile_id"], wanted))

    def _records(self) -> dict[str, ir.Table]:
        """All records of people, by source."""
        found = {
            source.name: _union(self._parts(f"records_{source.name}"))
            for source in self.project.sources
            if source.people
        }
        return {name: table for name, table in found.items() if table is not None}

    def fitted(self) -> dict[str, dict[str, object]]:
        """Model → its row of the table ``models``."""
        if not self._is_published("models"):
            return {}
        return {row["name"]: row for row in self._published("models").to_pyarrow().to_pylist()}

    def called_now(self) -> dict[int, int]:
        """Profiles that once were, in whatever run → what they became part of."""
        return self.people.renamed()

    def owner(self, identifiers: Iterable[tuple[str, str]]) -> int | None:
        """The profile of the first of some identifiers that there is."""
        owners = (self.people.owner(kind, value) for kind, value in identifiers)
        return next((owner for owner in owners if owner is not None), None)

    def published(self, name: str) -> ir.Table | None:
        """A table of the snapshot; of the profiles that were merged since, under their ids of then."""
        return self._published(name) if self._is_published(name) else None

    def published_events(self, kind: str) -> ir.Table:
        """The published events of a kind under today's profile ids."""
        return self._today(self.parted.reassigned(self._published(f"events_{kind}")))

    def live_events(self, kind: str) -> pa.Table | None:
        """The events of a kind that came after the snapshot, under today's profile ids; None if there are none."""
        name = f"events_{kind}"
        return self._today(self._live.table(name)).to_pyarrow() if name in self._live else None

    def merged_then(self) -> dict[int, int]:
        """Every merge that holds in the snapshot."""
        if not self._is_published("merged"):
            return {}
        table = self._published("merged").to_pyarrow()
        return dict(zip(table["old_id"].to_pylist(), table["new_id"].to_pylist(), strict=True))

    def _today(self, events: ir.Table) -> ir.Table:
        """Events under the ids that profiles have once all merges are followed."""
        return remap(events, _pairs(self.merged)) if self.merged else events

    def schema(self, name: str) -> pa.Schema:
        """Of identities or links."""
        return self._published(name).schema().to_pyarrow()

    def member_since(self) -> pa.Table:
        """The published memberships: profile_id, one instant per segment."""
        return self._published("member_since").to_pyarrow()

    def due(self, after: datetime) -> list[Due]:
        """What is known already and begins to count after an instant."""
        if self.snapshot.pending_from or after < self.snapshot.moment.as_of:  # or the clock is behind the run
            kinds = [kind for kind in self.definitions.vocabulary.events if self._parts(f"events_{kind}")]
            events, records = [self.events(kind, None) for kind in kinds], list(self._records().values())
        else:  # nothing published is to come: only what came live may be
            events = [self._live.table(name) for name in self._live.names("events_")]
            records = [self._live.table(name) for name in self._live.names("records_")]
        n, limit = len(self.people), instant(after)
        found = [(self.people.known[:n], self.people.profile[:n])]
        for table in events:
            own = table.select("profile_id", due=ibis.greatest(table["at"], table.known_at))
            rows = own.filter(own.due > limit).distinct().to_pyarrow()
            found.append((micros(rows["due"]), rows["profile_id"].to_numpy()))
        for table in records:
            rows = table.filter(table.known_at > limit).to_pyarrow()
            found += self._due_of_records(rows, self.people.rows(rows, ""))
        return list(_later(found, after))

    def _due_of(
        self,
        identities: pa.Table,
        tables: Mapping[Part, pa.Table],
        rows: Mapping[Part, Rows],
        owners: Mapping[Part, Array],
        after: datetime,
    ) -> tuple[Due, ...]:
        """The same of what arrived."""
        found = [(micros(identities["known_from"]), identities["profile_id"].to_numpy())]
        for part, table in tables.items():
            if part[0].startswith(EVENTS):
                found.append((np.maximum(micros(table["known_at"]), micros(table["at"])), owners[part]))
            else:
                found += self._due_of_records(table, rows[part])
        return _later(found, after)

    def _due_of_records(self, table: pa.Table, rows: Rows) -> Iterator[tuple[Array, Array]]:
        known_at = micros(table["known_at"])
        for codes in rows.codes:
            yield known_at[codes >= 0], self.people.profile[codes[codes >= 0]]

    # ── tables ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def keep(self, table: ir.Table | pa.Table) -> ir.Table:
        """A table computed once; :meth:`let_go` forgets it."""
        name = f"kept_{len(self._kept)}"
        self._kept.append(name)
        return self.con.create_table(name, table, overwrite=True)

    def let_go(self) -> None:
        """Forget what was kept."""
        for name in self._kept:
            self.con.drop_table(name)
        self._kept.clear()

    def identities(self) -> ir.Table:
        """The table ``identities`` as it is now."""
        return ibis.memtable(self.people.identities(np.arange(len(self.people))))

    def _is_published(self, name: str) -> bool:
        return bool(self.snapshot.tables.get(name))

    def _published(self, name: str) -> ir.Table:
        if name not in self._base:
            self._base[name] = self.store.table(self.con, self.snapshot, name)
        return self._base[name]

    def _in_order(self, name: str) -> pa.Table:
        """A published table with its rows as they stand in its files, of which a query keeps no order."""
        schema = self._published(name).schema().to_pyarrow()
        parts = [pq.ParquetFile(self.store.folder / file).read() for file in self.snapshot.tables[name]]
        return pa.concat_tables(parts, promote_options="default").select(schema.names).cast(schema)

    def _parts(self, name: str) -> list[ir.Table]:
        """What there is of a table of the snapshot: published, and live."""
        parts = [self._published(name)] if self._is_published(name) else []
        return parts + ([self._live.table(name)] if name in self._live else [])


PORTION = 1_000_000
FORM = 1
"""Of what is kept of a published run; it changes with how that is found out, or kept."""


def _own_columns(schema: pa.Schema) -> list[str]:
    """The columns of events that do not say how it is known whose they are."""
    return [name for name in schema.names if not name.startswith(("id_", PLACED_BY))]


def _with_owners(events: pa.Table, owners: Array) -> pa.Table:
    return events.add_column(0, "profile_id", pa.array(owners, pa.int64()))


def _later(found: Iterable[tuple[Array, Array]], after: datetime) -> tuple[Due, ...]:
    """Of instants (µs) and profiles those after an instant, soonest first."""
    limit = (after - EPOCH) // timedelta(microseconds=1)
    dues = {
        pair
        for due, profiles in found
        for is_later in [due > limit]
        for pair in zip(due[is_later].tolist(), profiles[is_later].tolist(), strict=True)
    }
    return tuple(sorted((EPOCH + timedelta(microseconds=due), profile_id) for due, profile_id in dues))


def _are_among(values: Array, others: Array) -> Array:
    """Where a number is one of others; ten times as fast as ``np.isin``, which hashes them first."""
    found = different(others)
    if not len(found):
        return np.zeros(len(values), np.bool_)
    return np.asarray(found[np.searchsorted(found, values).clip(max=len(found) - 1)] == values)


def _by_kind(parts: Mapping[Part, pa.Table]) -> dict[str, pa.Table]:
    """Kind of events → those of all its readers."""
    tables: dict[str, list[pa.Table]] = {}
    for (name, _), table in parts.items():
        tables.setdefault(name.removeprefix(EVENTS), []).append(table)
    return {
        kind: pa.concat_tables([each.select(several[0].column_names) for each in several])
        for kind, several in tables.items()
    }


def _union(tables: list[ir.Table]) -> ir.Table | None:
    """Tables in one, with the columns of the first and their types; None if there is none."""
    if not tables:
        return None
    first = tables[0]
    return (
        ibis.union(first, *(other.select(first.columns).cast(first.schema()) for other in tables[1:]))
        if len(tables) > 1
        else first
    )


def _pairs(merged: Mapping[int, int]) -> ir.Table:
    return ibis.memtable(
        pa.table({"old_id": pa.array(merged.keys(), pa.int64()), "new_id": pa.array(merged.values(), pa.int64())})
    )
