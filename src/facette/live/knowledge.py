"""What is known of people and events: the published snapshot, and what came after it.

The snapshot stays in its files; what came after it, who is who and who is linked with whom is in memory. Everything is
made by the functions of a run: cleaning, identities, the golden record.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.compute as pc

from facette.clock import Moment
from facette.definitions import model
from facette.definitions.project import Definitions
from facette.live.remembering import remember
from facette.profiles.clean import clean_events, clean_people
from facette.profiles.events import remap, resolve_events
from facette.profiles.golden import profiles_at
from facette.profiles.identity import observations, resolve, touched_profiles
from facette.profiles.values import only
from facette.stages.work import Work
from facette.warehouse.compiler import instant
from facette.warehouse.connect import connect
from facette.warehouse.ledger import Ledger
from facette.warehouse.published import Draft, Snapshot, Store

PROVISIONAL = 2_000_000_000
"""Profiles that no run has seen have ids from here on; the next run gives them others, as if they were merged."""

Due = tuple[datetime, int]
"""When something about a profile begins to count, and the profile."""


@dataclass(frozen=True)
class Arrived:
    """What some raw rows brought.

    events     : kind → cleaned events, with their identifiers
    records    : source → cleaned records of people
    identities : those of every profile concerned, as they are now; links likewise
    touched    : the profiles concerned, those that are gone included
    merged     : profile → what it became part of
    split      : profiles that fell apart
    due        : what of it begins to count later
    owners     : profile_id, event_id of the events
    """

    events: Mapping[str, pa.Table] = field(default_factory=dict)
    records: Mapping[str, pa.Table] = field(default_factory=dict)
    identities: pa.Table | None = None
    links: pa.Table | None = None
    touched: frozenset[int] = frozenset()
    merged: Mapping[int, int] = field(default_factory=dict)
    split: frozenset[int] = frozenset()
    due: tuple[Due, ...] = ()
    owners: pa.Table | None = None


class Knowledge:
    """A snapshot and what came after it."""

    def __init__(
        self, definitions: Definitions, store: Store, snapshot: Snapshot, *, highest: int = PROVISIONAL
    ) -> None:
        self.definitions, self.store, self.snapshot = definitions, store, snapshot
        self.project = definitions.project
        self.kinds = self.project.identifiers
        self.con = remember(connect(definitions.folder))
        self.highest = max(highest, PROVISIONAL)
        self.merged: dict[int, int] = {}
        self._base: dict[str, ir.Table] = {}
        self._live: set[str] = set()
        self._kept: list[str] = []
        self._tables: dict[str, ir.Table] = {}
        ledger = Ledger(store.folder)
        try:
            work = Work(definitions, store, ledger, self.con, Draft(store, snapshot), snapshot, snapshot.moment)
            self._settings = {
                key: work.settings(reader, key)
                for source in self.log_sources
                for key, reader in [
                    (source.name, source.people),
                    *((f"{source.name}.{e.name}", e) for e in source.events),
                ]
                if reader is not None
            }
        finally:
            ledger.close()
        for name in ("identities", "links"):
            self.con.create_table(name, self._published(name))
        if self._is_published("merged"):
            table = self._published("merged").to_pyarrow()
            self._follow(dict(zip(table["old_id"].to_pylist(), table["new_id"].to_pylist(), strict=True)))

    @property
    def log_sources(self) -> list[model.LogSource]:
        return [source for source in self.project.sources if isinstance(source, model.LogSource)]

    def close(self) -> None:
        self.con.disconnect()

    # ── what comes in ───────────────────────────────────────────────────────────────────────────────────────────────

    def absorb(self, raw: Mapping[str, pa.Table], now: datetime) -> Arrived:
        """Clean raw rows, find out whose they are, and know them from now on. Rows known already bring nothing.

        raw : source → rows as found
        now : what begins to count after it is told as due
        """
        events: dict[str, pa.Table] = {}
        records: dict[str, pa.Table] = {}
        for source in self.log_sources:
            if source.name in raw:
                table = self.con.create_table("raw_now", raw[source.name], overwrite=True)
                self._clean(source, table, events, records)
        if not events and not records:
            return Arrived()
        found = self._resolve(events, records)
        assert found.identities is not None
        if found.split:
            self._assign_anew()
        identities = ibis.memtable(found.identities)
        owned = {kind: self._owned(ibis.memtable(table), identities).to_pyarrow() for kind, table in events.items()}
        for kind, table in owned.items():
            self._append(f"events_{kind}", table)
        for name, table in records.items():
            self._append(f"records_{name}", table)
        due = self._due(
            [ibis.memtable(table) for table in owned.values()],
            [ibis.memtable(table) for table in records.values()],
            identities,
            now,
        )
        owners = [table.select(["profile_id", "event_id"]) for table in owned.values()]
        told = pa.concat_tables(owners) if owners else None
        return replace(found, events=events, records=records, due=due, owners=told)

    def restore(
        self,
        events: Mapping[str, pa.Table],
        records: Mapping[str, pa.Table],
        identities: pa.Table,
        links: pa.Table,
        merged: Mapping[int, int],
    ) -> None:
        """Know again what was absorbed before: all cleaned rows, and identities, links and merges as they were then."""
        self._replace("identities", identities)
        self._replace("links", links)
        self._count(identities)
        self.merged = dict(merged)
        now = self._table("identities")
        for kind, table in events.items():
            self._append(f"events_{kind}", self._owned(ibis.memtable(table), now).to_pyarrow())
        for name, table in records.items():
            self._append(f"records_{name}", table)

    def _clean(
        self, source: model.LogSource, raw: ir.Table, events: dict[str, pa.Table], records: dict[str, pa.Table]
    ) -> None:
        """Rows that are new and good, by what they are."""
        order = raw.select("_landing").distinct().to_pyarrow()["_landing"].to_pylist()
        if source.people and self._is_any(raw, source, source.people.only):
            existing = _union(self._parts(f"records_{source.name}"))
            cleaned = clean_people(
                raw,
                source.name,
                source.people,
                existing=existing,
                order=order,
                **self._settings[source.name],
            )
            table = cleaned.rows.to_pyarrow()
            cleaned.drop()
            if len(table):
                records[source.name] = table
        for item in source.events:
            if not self._is_any(raw, source, item.only):
                continue
            seen = [table.select("event_id") for table in self._parts(f"events_{item.name}")]
            settings = self._settings[f"{source.name}.{item.name}"]
            made = clean_events(raw, source.name, item, existing=_union(seen), order=order, **settings)
            table = made.rows.to_pyarrow()
            made.drop()
            if len(table):
                events[item.name] = table

    @staticmethod
    def _is_any(raw: ir.Table, source: model.LogSource, wanted: Mapping[str, str]) -> bool:
        return not wanted or bool(only(raw, source.name, wanted).count().to_pyarrow().as_py())

    # ── who is who ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _resolve(self, events: Mapping[str, pa.Table], records: Mapping[str, pa.Table]) -> Arrived:
        seen = observations(
            {name: ibis.memtable(table) for name, table in records.items()},
            {kind: ibis.memtable(table) for kind, table in events.items()},
            self.kinds,
        ).to_pyarrow()
        identities, links = self._table("identities"), self._table("links")
        before = touched_profiles(seen, identities, links, self.kinds)
        touched = ibis.memtable(pa.table({"profile_id": before}))
        own = identities.semi_join(touched, "profile_id").to_pyarrow()
        mine = ibis.memtable(own)
        own_links = links.semi_join(mine, [links.kind_a == mine.kind, links.value_a == mine.value]).to_pyarrow()
        found = resolve(ibis.memtable(seen), mine, self.kinds, links=ibis.memtable(own_links), highest=self.highest)
        now = found.identities.to_pyarrow().cast(own.schema)
        now_links = found.links.to_pyarrow().cast(own_links.schema)
        merged = found.merged.to_pyarrow()
        gone = dict(zip(merged["old_id"].to_pylist(), merged["new_id"].to_pylist(), strict=True))
        split = frozenset(found.split.to_pyarrow()["profile_id"].to_pylist())
        self._replace("identities", now)
        self._replace("links", now_links)
        self._count(now)
        after = frozenset(now["profile_id"].to_pylist())
        self._follow(gone, back=after)
        if gone:
            self._move(gone)
        return Arrived({}, {}, now, now_links, after | frozenset(before.tolist()), gone, split)

    def _replace(self, name: str, rows: pa.Table) -> None:
        """Rows of identities or links in place of those with their key."""
        self.con.con.register("rows_now", rows)
        self.con.raw_sql(REPLACED[name])
        self.con.raw_sql(ADDED[name])
        self.con.con.unregister("rows_now")

    def _count(self, identities: pa.Table) -> None:
        self.highest = max(self.highest, pc.max(identities["profile_id"]).as_py() or 0)

    def _follow(self, merged: Mapping[int, int], back: Collection[int] = ()) -> None:
        """Add merges, also to what was merged into what is merged now; profiles that are ``back`` no longer are."""
        self.merged = {old: merged.get(new, new) for old, new in self.merged.items()} | dict(merged)
        self.merged = {old: new for old, new in self.merged.items() if old not in back}

    def _move(self, merged: Mapping[int, int]) -> None:
        """Give the events that came live to the profiles that theirs became part of."""
        for name in self._live_events():
            self.con.create_table(name, remap(self._table(name), _pairs(merged)), overwrite=True)

    def _assign_anew(self) -> None:
        """Whose the events are that came live, by the identities as they are now."""
        identities = self._table("identities")
        for name in self._live_events():
            owned = self._owned(self._table(name).drop("profile_id"), identities)
            self.con.create_table(name, owned.to_pyarrow(), overwrite=True)

    def _live_events(self) -> list[str]:
        return [name for name in self._live if name.startswith("live_events_")]

    def _owned(self, cleaned: ir.Table, identities: ir.Table) -> ir.Table:
        """Cleaned events with ``profile_id``; they keep their identifiers."""
        ids = [name for name in cleaned.columns if name.startswith("id_")]
        owners = resolve_events(cleaned.select("event_id", *ids), identities, self.kinds)
        return owners.inner_join(cleaned, "event_id")

    # ── what there is ───────────────────────────────────────────────────────────────────────────────────────────────

    def events(self, kind: str, whose: ir.Table | None) -> ir.Table:
        """The events of a kind under today's profile ids, also those that do not count yet.

        whose : profile_id of the profiles whose events are asked for; None for all
        """
        parts = []
        if self._is_published(f"events_{kind}"):
            base = self._published(f"events_{kind}")
            merged = _pairs(self.merged)
            if whose is not None:
                parts_of = merged.semi_join(whose, merged.new_id == whose.profile_id)
                base = base.semi_join(whose.union(parts_of.select(profile_id="old_id")), "profile_id")
            parts.append(remap(base, merged) if self.merged else base)
        if f"live_events_{kind}" in self._live:
            live = self._table(f"live_events_{kind}")
            live = live if whose is None else live.semi_join(whose, "profile_id")
            parts.append(live)
        columns = [name for name in parts[0].columns if not name.startswith("id_")]
        schema = parts[0].select(columns).schema()
        events = _union([part.select(columns).cast(schema) for part in parts])
        assert events is not None
        return events if whose is None else self.keep(events)

    def profiles(self, moment: Moment, whose: ir.Table | None) -> ir.Table:
        """Profiles with the traits that were known at a moment; all, or those asked for."""
        identities = self._table("identities")
        records = self._records()
        if whose is None:
            return self.keep(profiles_at(records, identities, self.project, moment))
        own = self.keep(identities.semi_join(whose, "profile_id"))
        records = {name: self.keep(self._mentioning(table, own)) for name, table in records.items()}
        mentioned = [own.select("kind", "value"), *(self._mentioned(table) for table in records.values())]
        every = ibis.union(*mentioned) if len(mentioned) > 1 else mentioned[0]
        concerned = self.keep(identities.semi_join(every, ["kind", "value"]))
        profiles = profiles_at(records, concerned, self.project, moment)
        return self.keep(profiles.semi_join(whose, "profile_id"))

    def _records(self) -> dict[str, ir.Table]:
        """All records of people, by source."""
        found = {
            source.name: _union(self._parts(f"records_{source.name}"))
            for source in self.project.sources
            if source.people
        }
        return {name: table for name, table in found.items() if table is not None}

    def _mentioning(self, records: ir.Table, identities: ir.Table) -> ir.Table:
        """The records that have one of the identifiers."""
        has = [
            records[f"id_{kind.name}"].isin(identities.filter(identities.kind == kind.name).value).fill_null(False)
            for kind in self.kinds
            if f"id_{kind.name}" in records.columns
        ]
        return records.filter(ibis.or_(*has))

    def _mentioned(self, records: ir.Table) -> ir.Table:
        """kind, value of the identifiers on records."""
        parts = [
            records.select(kind=ibis.literal(kind.name), value=records[f"id_{kind.name}"])
            for kind in self.kinds
            if f"id_{kind.name}" in records.columns
        ]
        found = _union(parts)
        assert found is not None
        return found.filter(found.value.notnull())

    def whose(self, ids: Iterable[int]) -> ir.Table:
        """Profiles to ask about."""
        return self.con.create_table(
            "whose", pa.table({"profile_id": pa.array(sorted(ids), pa.int64())}), overwrite=True
        )

    def fitted(self) -> dict[str, dict[str, object]]:
        """Model → its row of the table ``models``."""
        if not self._is_published("models"):
            return {}
        return {row["name"]: row for row in self._published("models").to_pyarrow().to_pylist()}

    def called_now(self) -> dict[int, int]:
        """Profiles that once were, in whatever run → what they became part of."""
        ids = self._table("identities")
        there = ids.select("profile_id").distinct()
        gone = ids.anti_join(there, ids.first_id == there.profile_id)
        rows = gone.group_by(old_id=gone.first_id).agg(new_id=gone.profile_id.min()).to_pyarrow().to_pylist()
        return {row["old_id"]: row["new_id"] for row in rows}

    def owner(self, identifiers: Iterable[tuple[str, str]]) -> int | None:
        """The profile of the first of some identifiers that there is."""
        for kind, value in identifiers:
            row = self.con.con.execute(OWNER, [kind, value]).fetchone()
            if row is not None:
                return int(row[0])
        return None

    def schema(self, name: str) -> pa.Schema:
        """Of identities or links."""
        return self._table(name).schema().to_pyarrow()

    def member_since(self) -> pa.Table:
        """The published memberships: profile_id, one instant per segment."""
        return self._published("member_since").to_pyarrow()

    def due(self, after: datetime) -> list[Due]:
        """What is known already and begins to count after an instant."""
        if self.snapshot.pending_from:
            kinds = [kind for kind in self.definitions.vocabulary.events if self._parts(f"events_{kind}")]
            events, records = [self.events(kind, None) for kind in kinds], list(self._records().values())
        else:  # nothing published is to come: only what came live may be
            events = [self._table(name) for name in self._live_events()]
            records = [self._table(name) for name in self._live if name.startswith("live_records_")]
        return list(self._due(events, records, self._table("identities"), after))

    def _due(
        self, events: Iterable[ir.Table], records: Iterable[ir.Table], identities: ir.Table, after: datetime
    ) -> tuple[Due, ...]:
        """When events, records and identifiers begin to count, and whose they are."""
        found = [
            identities.select("profile_id", due=identities.known_from.cast("timestamp('UTC', 6)")),
            *(
                table.select("profile_id", due=ibis.greatest(table["at"], table.known_at).cast("timestamp('UTC', 6)"))
                for table in events
            ),
        ]
        for table in records:
            for kind in self.kinds:
                if f"id_{kind.name}" in table.columns:
                    own = identities.filter(identities.kind == kind.name)
                    joined = table.inner_join(own, table[f"id_{kind.name}"] == own.value)
                    found.append(joined.select("profile_id", due=joined.known_at.cast("timestamp('UTC', 6)")))
        dues = ibis.union(*found) if len(found) > 1 else found[0]
        rows = dues.filter(dues.due > instant(after)).distinct().to_pyarrow().to_pylist()
        return tuple(sorted((row["due"], row["profile_id"]) for row in rows))

    # ── tables ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def keep(self, table: ir.Table) -> ir.Table:
        """A table computed once; :meth:`let_go` forgets it."""
        name = f"kept_{len(self._kept)}"
        self._kept.append(name)
        return self.con.create_table(name, table, overwrite=True)

    def let_go(self) -> None:
        """Forget what was kept."""
        for name in self._kept:
            self.con.drop_table(name)
        self._kept.clear()

    def _table(self, name: str) -> ir.Table:
        """What is in memory under a name; its columns stay as they are."""
        if name not in self._tables:
            self._tables[name] = self.con.table(name)
        return self._tables[name]

    def _is_published(self, name: str) -> bool:
        return bool(self.snapshot.tables.get(name))

    def _published(self, name: str) -> ir.Table:
        if name not in self._base:
            self._base[name] = self.store.table(self.con, self.snapshot, name)
        return self._base[name]

    def _parts(self, name: str) -> list[ir.Table]:
        """What there is of a table of the snapshot: published, and live."""
        parts = [self._published(name)] if self._is_published(name) else []
        return parts + ([self._table(f"live_{name}")] if f"live_{name}" in self._live else [])

    def _append(self, name: str, rows: pa.Table) -> None:
        if f"live_{name}" not in self._live:
            self.con.create_table(f"live_{name}", rows)
            self._live.add(f"live_{name}")
        elif len(rows):
            self.con.insert(f"live_{name}", rows)


def _readers(source: model.LogSource) -> Iterator[tuple[str, model.People | model.Events]]:
    """What a source gives, by the names that bounds of outliers have."""
    if source.people:
        yield source.name, source.people
    for item in source.events:
        yield f"{source.name}.{item.name}", item


REPLACED = {
    "identities": "delete from identities using rows_now as new "
    "where identities.kind = new.kind and identities.value = new.value",
    "links": "delete from links using rows_now as new where links.kind_a = new.kind_a and links.value_a = new.value_a "
    "and links.kind_b = new.kind_b and links.value_b = new.value_b and links.source = new.source",
}
OWNER = "select profile_id from identities where kind = ? and value = ?"
ADDED = {
    "identities": "insert into identities by name select * from rows_now",
    "links": "insert into links by name select * from rows_now",
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
