"""One person as a worker's state has it: what is published of them, and what came after it.

Only files are read, so the worker goes on meanwhile. What is read is of this person, but for what came since the
published run, which is looked through.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.compute as pc

from facette.clock import Moment
from facette.definitions import model
from facette.live.reading import Reading
from facette.profiles.events import PLACED_BY, placed_by, resolve_events
from facette.profiles.golden import profiles_at

Identifier = tuple[str, str]
"""Kind and value."""


@dataclass(frozen=True)
class LivePerson:
    """What a worker knows of one person.

    profile    : the row of its profile; none if there is no such profile
    identities : its identifiers, as the table ``identities`` has them
    events     : kind → its events, also those that do not count yet
    """

    profile: pa.Table
    identities: pa.Table
    events: Mapping[str, pa.Table]


class Together:
    """The published tables and the state's, for questions about single people.

    published : name → a table of the run that the state builds on; None if it has none
    """

    def __init__(
        self,
        con: ibis.BaseBackend,
        published: Callable[[str], ir.Table | None],
        reading: Reading,
        project: model.Project,
    ) -> None:
        self.con, self.published, self.reading, self.project = con, published, reading, project

    def person(self, profile_id: int, kinds: Iterable[str], moment: Moment) -> LivePerson:
        """A person with the events of some kinds, and the traits that are known at a moment."""
        identities = self._identities(profile_id)
        mine = set(zip(identities["kind"].to_pylist(), identities["value"].to_pylist(), strict=True))
        events = {kind: self._events(kind, profile_id, identities, mine) for kind in kinds}
        return LivePerson(self._profile(profile_id, identities, mine, moment), identities, events)

    # ── who is who ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _identities(self, profile_id: int) -> pa.Table:
        published = self._all("identities")
        before = published.filter(published.profile_id == profile_id).to_pyarrow()
        pairs = zip(before["kind"].to_pylist(), before["value"].to_pylist(), strict=True)
        stays = [self.reading.owner(kind, value) is None for kind, value in pairs]
        came = self.reading.identities_of(profile_id, before.schema)
        return pa.concat_tables([before.filter(pa.array(stays, pa.bool_())), came])

    def _identities_called(self, pairs: Collection[Identifier]) -> pa.Table:
        """The identities of some identifiers, whosever they are."""
        published = self._all("identities")
        values = published.filter(published.value.isin(sorted({value for _, value in pairs}))).to_pyarrow()
        called = list(zip(values["kind"].to_pylist(), values["value"].to_pylist(), strict=True))
        stays = [pair in pairs and self.reading.owner(*pair) is None for pair in called]
        came = [self.reading.identity(kind, value, values.schema) for kind, value in sorted(pairs)]
        return pa.concat_tables([values.filter(pa.array(stays, pa.bool_())), *came])

    # ── what they are ───────────────────────────────────────────────────────────────────────────────────────────────

    def _profile(self, profile_id: int, identities: pa.Table, mine: set[Identifier], moment: Moment) -> pa.Table:
        sources = [source.name for source in self.project.sources if source.people]
        found = {name: self._records(f"records_{name}", mine) for name in sources}
        records = {name: rows for name, rows in found.items() if rows is not None}
        others = {pair for rows in records.values() for pair in self._pairs(rows)} - mine
        if others:
            identities = pa.concat_tables([identities, self._identities_called(others)])
        tables = {name: self._kept(f"records_{name}", rows) for name, rows in records.items()}
        profiles = profiles_at(tables, self._kept("identities", identities), self.project, moment)
        return profiles.filter(profiles.profile_id == profile_id).to_pyarrow()

    def _records(self, name: str, mine: set[Identifier]) -> pa.Table | None:
        """The records that have one of these identifiers."""
        published, parts = self.published(name), []
        if published is not None:
            named = [published[column].isin(values) for column, values in self._values(published.columns, mine)]
            parts.append(published.filter(ibis.or_(*named)).to_pyarrow())
        parts += [part.filter(self._has(part, mine)) for part in self.reading.parts(name)]
        return _together(parts)

    def _events(self, kind: str, profile_id: int, identities: pa.Table, mine: set[Identifier]) -> pa.Table:
        published = self._all(f"events_{kind}")
        if PLACED_BY in published.columns:
            before = published.semi_join(self._placing(mine), PLACED_BY)
        else:
            before = published.filter(published.profile_id.isin([profile_id, *self.reading.parts_of(profile_id)]))
        came = _together([part.filter(self._has(part, mine)) for part in self.reading.parts(f"events_{kind}")])
        parts = [before.mutate(profile_id=ibis.literal(profile_id, "int64")).select(published.columns).to_pyarrow()]
        if came is not None and len(came):
            owners = self._kept("identities", identities)
            resolved = resolve_events(self._kept(f"came_{kind}", came), owners, self.project.identifiers)
            parts.append(resolved.to_pyarrow())
        found = _together(parts)
        assert found is not None
        return found

    # ── tables ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _values(self, columns: Sequence[str], pairs: Iterable[Identifier]) -> list[tuple[str, list[str]]]:
        """Of the columns with identifiers, those among some identifiers that they may hold."""
        kinds = [kind.name for kind in self.project.identifiers if f"id_{kind.name}" in columns]
        return [(f"id_{kind}", sorted(value for each, value in pairs if each == kind)) for kind in kinds]

    def _placing(self, mine: Iterable[Identifier]) -> ir.Table:
        """By what some identifiers are known in events."""
        kinds, values = ([pair[place] for pair in mine] for place in (0, 1))
        rows = pa.table({"kind": pa.array(kinds, pa.string()), "value": pa.array(values, pa.string())})
        identifiers = self._kept("placing", rows)
        return identifiers.select(**{PLACED_BY: placed_by(identifiers)})

    def _has(self, rows: pa.Table, mine: set[Identifier]) -> pa.Array:
        """Which rows have one of these identifiers."""
        named = [
            pc.is_in(rows[column], pa.array(values, pa.string()))
            for column, values in self._values(rows.column_names, mine)
        ]
        return reduce(pc.or_, named)

    def _pairs(self, rows: pa.Table) -> set[Identifier]:
        kinds = [kind.name for kind in self.project.identifiers if f"id_{kind.name}" in rows.column_names]
        return {(kind, value) for kind in kinds for value in pc.unique(rows[f"id_{kind}"]).to_pylist() if value}

    def _all(self, name: str) -> ir.Table:
        table = self.published(name)
        assert table is not None, name
        return table

    def _kept(self, name: str, rows: pa.Table) -> ir.Table:
        return self.con.create_table(f"person_{name}", rows, temp=True, overwrite=True)


def _together(parts: Sequence[pa.Table]) -> pa.Table | None:
    """Tables in one, with the columns of the first and their types."""
    if not parts:
        return None
    first = parts[0]
    return pa.concat_tables([first, *(other.select(first.column_names).cast(first.schema) for other in parts[1:])])
