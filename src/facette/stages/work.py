"""What the stages of a run share: the definitions, the snapshot being made, and what this run has added to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq

from facette.clock import Moment
from facette.definitions import model
from facette.definitions.project import Definitions
from facette.features.partials import Aggregates, kinds_needed
from facette.features.past import Past
from facette.features.table import FeaturePlan, feature_plan, needed
from facette.profiles.clean import LookupTable
from facette.profiles.events import columns_elsewhere, remap
from facette.sources.landing import Landing
from facette.stages.landing import RAW
from facette.text.readers import TextReader
from facette.text.stored import stored_readers
from facette.validation.gate import Gate
from facette.warehouse.connect import read_parquet
from facette.warehouse.ledger import Ledger
from facette.warehouse.published import Draft, Snapshot, Store


@dataclass
class Work:
    """A run under way: what its stages share.

    draft    : the snapshot being made; starts as the published one
    previous : the published snapshot, None on the first run
    refit    : models that are to be fitted anew, however young they are
    fits     : model and fingerprint of its definition → its row and the warnings, of what this run has fitted already
    records_in : source → the records that this run cleaned
    events_in  : event → the events that this run cleaned, their person unknown yet
    arrived    : event → the same once their person is known
    merged   : old_id, new_id of profiles that this run joined
    redefined : segment → why it no longer means what it meant in the run before
    choices_ended : models of which a version had been chosen that no longer fits their definition
    warnings : what the user should know although the run goes on
    """

    definitions: Definitions
    store: Store
    ledger: Ledger
    con: ibis.BaseBackend
    draft: Draft
    previous: Snapshot | None
    moment: Moment
    refit: frozenset[str] = frozenset()
    fits: dict[tuple[str, str], tuple[dict[str, Any], list[str]]] = field(default_factory=dict)
    records_in: dict[str, ir.Table] = field(default_factory=dict)
    events_in: dict[str, ir.Table] = field(default_factory=dict)
    arrived: dict[str, ir.Table] = field(default_factory=dict)
    merged: ir.Table | None = None
    redefined: dict[str, str] = field(default_factory=dict)
    choices_ended: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    _columns: dict[str, list[tuple[str, pa.DataType]]] = field(default_factory=dict)

    @property
    def project(self) -> model.Project:
        return self.definitions.project

    @cached_property
    def plan_of_features(self) -> FeaturePlan:
        return feature_plan(self.definitions)

    def table(self, name: str) -> ir.Table:
        """A table as this run has it so far."""
        return self.store.table(self.con, self.draft.snapshot, name)

    def optional(self, name: str) -> ir.Table | None:
        return self.store.optional_table(self.con, self.draft.snapshot, name)

    def replace(self, name: str, table: ir.Table | pa.Table) -> int:
        return self.draft.replace(name, table)

    def landings(self, source: str) -> list[Landing]:
        """The current landings of a source, in the order in which they came."""
        return [Landing(**record) for record in self.ledger.landings(source)]

    def raw(self, landings: Sequence[Landing]) -> ir.Table:
        """The rows of some landings of a source as found; columns that only others of its landings have have type null.

        Landings whose columns have the same types keep them, whatever those of the others: see :meth:`columns_of`.
        """
        table = read_parquet(self.con, [self.raw_file(item) for item in landings])
        there = {name.casefold() for name in table.columns}
        every = {
            name.casefold(): name for item in self.landings(landings[0].source) for name, _ in self.columns_of(item)
        }
        return table.mutate(**{name: ibis.null() for folded, name in every.items() if folded not in there})

    def columns_of(self, landing: Landing) -> list[tuple[str, pa.DataType]]:
        """The columns of a landing in their order, with their types."""
        if landing.landing not in self._columns:
            schema = pq.read_schema(self.raw_file(landing))
            self._columns[landing.landing] = list(zip(schema.names, schema.types, strict=True))
        return self._columns[landing.landing]

    def raw_file(self, landing: Landing) -> Path:
        return self.store.folder / RAW / landing.landed_path

    def settings(self, rows: model.People | model.Events, key: str) -> dict[str, Any]:
        """What cleaning needs to know besides the rows: see :func:`facette.profiles.clean.clean_people`."""
        tables = {source.name: source.table for source in self.project.sources if source.table}
        return {
            "identifiers": self.project.identifiers,
            "lookups": {
                item.source: LookupTable(self.raw(self.landings(item.source)), tables[item.source].key)
                for item in rows.lookups
            },
            "zone": self.project.time_zone,
            "country": self.project.country,
            "fits": self.draft.snapshot.fits.get(key),
            "readers": {
                each.read: self.text_readers[each.read] for each in rows.fields.values() if each.read is not None
            },
            **(
                {"elsewhere": columns_elsewhere(rows.name, self.project.sources)}
                if isinstance(rows, model.Events)
                else {}
            ),
        }

    @cached_property
    def text_readers(self) -> dict[str, TextReader]:
        """How what texts say is found out, by name; once what has to be learned for it is in ``text_models``."""
        return stored_readers(self.definitions, self.optional("text_models"))

    def records(self) -> dict[str, ir.Table]:
        """The cleaned records of every source of people."""
        return {source.name: self.table(f"records_{source.name}") for source in self.project.sources if source.people}

    def events(self, event: str) -> ir.Table:
        """All events of a kind, under today's profile ids."""
        merged = self.optional("merged")
        table = self.table(f"events_{event}")
        return table if merged is None else remap(table, merged)

    def events_of(self, aggregates: Aggregates) -> dict[str, ir.Table]:
        """All events of the kinds that the sequences among the aggregates name."""
        return {event: self.events(event) for event in kinds_needed(aggregates)}

    def events_before(self, event: str) -> ir.Table:
        """The events that the published snapshot has, under today's profile ids."""
        assert self.previous is not None
        merged = self.optional("merged")
        table = self.store.table(self.con, self.previous, f"events_{event}")
        return table if merged is None else remap(table, merged)

    def changed(self) -> ir.Table:
        """profile_id of the profiles that this run joined, under their old and their new ids."""
        if self.merged is None:
            return ibis.memtable(pa.table({"profile_id": pa.array([], pa.int64())}))
        old, new = self.merged.select(profile_id="old_id"), self.merged.select(profile_id="new_id")
        return ibis.union(old, new, distinct=True)

    @property
    def past(self) -> Past:
        """Profiles and features of any moment, by what this run knows; once the people are unified."""
        return Past(self.project, self.records(), self.table("identities"), self.events)

    def profiles_at(self, moment: Moment) -> ir.Table:
        """Profiles with the traits that were known at a moment."""
        return self.past.profiles_at(moment)

    def features_at(self, moment: Moment, columns: tuple[str, ...]) -> ir.Table:
        """The feature table at a moment, from what was known then; only the columns asked for."""
        past = replace(self.past, keep=self.temporary)
        return past.rows_at(needed(self.plan_of_features, columns), moment)

    # ── the gate ────────────────────────────────────────────────────────────────────────────────────────────────────

    def is_approved(self, name: str, version: str) -> bool:
        """Whether somebody let this version of a model, or this definition of a segment, through the gate."""
        return self.ledger.is_approved(name, version)

    def hold(self, what: Literal["segment", "model"], name: str, judged: Gate, policy: str, version: str) -> None:
        """Note in the snapshot that a version of something is held back, and why; and tell whoever runs this."""
        held = {"what": what, "policy": policy, "version": version}
        reasons = {f"reason_{language}": reason for language, reason in judged.reason.items()}
        self.draft.note(held={**self.draft.snapshot.held, name: held | reasons})

    def let_go(self, what: Literal["segment", "model"]) -> None:
        """Forget what was held of segments, or of models: it is judged again."""
        held = {name: item for name, item in self.draft.snapshot.held.items() if item["what"] != what}
        self.draft.note(held=held)

    def temporary(self, table: ir.Table) -> ir.Table:
        """A table computed once, for this run alone."""
        return self.con.create_table(ibis.util.gen_name("temporary"), table, temp=True)
