"""Published profiles that fell apart: whose their published events are is said by the identifiers that placed them.

A published event stands under the id that its profile had when a run placed it, and follows that id where profiles
become part of others. Of a profile that is several now that is no answer: its events follow their identifiers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa

from facette.definitions import model
from facette.live.columnar.states import different
from facette.live.linked import Array
from facette.live.ordered import Ordered, with_profiles
from facette.live.people import People
from facette.profiles.events import PLACED_BY, placed_by


class Parted:
    """The published profiles whose events do not all follow their ids. It is empty where nobody fell apart."""

    def __init__(self, people: People, merged: Mapping[int, int], con: ibis.BaseBackend) -> None:
        """
        people : knows what is published, and nothing else yet
        merged : old profile → new one, of the published run
        """
        self._people, self._con = people, con
        n = len(people) if model.can_fall_apart(people.kinds) else 0
        self._then = people.profile[:n].copy()
        self._joined: dict[int, list[int]] = {}
        for old, new in merged.items():
            self._joined.setdefault(new, []).append(old)
        self._profiles: set[int] = set()
        self._ids = np.empty(0, np.int64)  # under which their events stand
        self._codes = np.empty(0, np.int64)  # of their identifiers, in the order of what these are known by in events
        self._digests = np.empty(0, np.uint64)

    def __len__(self) -> int:
        return len(self._profiles)

    def look(self, profiles: Array, merged: Mapping[int, int]) -> None:
        """Look whether what is published of some profiles still is in one piece.

        profiles : those joined anew, as they were and as they are
        merged   : profile → what it is part of now
        """
        codes = self._published(self._people.codes_of(different(profiles)))
        then = self._then[codes]
        owners: dict[int, set[int]] = {}
        for one, owner in zip(then.tolist(), self._people.profile[codes].tolist(), strict=True):
            owners.setdefault(one, set()).add(owner)
        found = [
            one
            for one, now in owners.items()
            if one not in self._profiles and len(now | {merged.get(each, each) for each in self._under(one)}) > 1
        ]
        if not found:
            return
        self._profiles.update(found)
        own = codes[np.isin(then, found)]
        self._ids = np.union1d(self._ids, np.array([each for one in found for each in self._under(one)], np.int64))
        identities = ibis.memtable(self._people.identities(own).append_column("code", pa.array(own)))
        rows = self._con.to_pyarrow(identities.select("code", digest=placed_by(identities)))
        digests = np.concatenate([self._digests, rows["digest"].to_numpy()])
        order = np.argsort(digests)
        self._digests = digests[order]
        self._codes = np.concatenate([self._codes, rows["code"].to_numpy()])[order]

    def events_of(self, events: Ordered, then: Array, now: Array, names: Sequence[str]) -> pa.Table:
        """Some columns of the published events of some profiles, under today's profile ids.

        events    : of a kind, under the ids of then
        then, now : the ids that the profiles had, in order, and what each of those is called today
        """
        asked = different(now)
        rows = (
            events.of(np.union1d(then, self._ids_with(asked)), [*names, PLACED_BY]) if self else events.of(then, names)
        )
        ids = rows["profile_id"].to_numpy()
        owners = now[np.searchsorted(then, ids).clip(max=len(then) - 1)]
        if len(self):
            by_identifier = np.flatnonzero(np.isin(ids, self._ids))
            digests = rows[PLACED_BY].to_numpy()[by_identifier]
            owners[by_identifier] = self._people.profile[self._codes[np.searchsorted(self._digests, digests)]]
            own = np.isin(owners, asked)
            rows, owners = rows.filter(pa.array(own)), owners[own]
        return with_profiles(rows.select(names), owners)

    def reassigned(self, events: ir.Table) -> ir.Table:
        """Published events, those of these profiles under today's profile ids, without ``_placed_by``."""
        if PLACED_BY not in events.columns:
            return events
        if not len(self):
            return events.drop(PLACED_BY)
        now = ibis.memtable(pa.table({"_digest": self._digests, "_now": self._people.profile[self._codes]}))
        joined = events.left_join(now, events[PLACED_BY] == now["_digest"])
        owner = ibis.coalesce(joined["_now"], joined.profile_id)
        return joined.mutate(profile_id=owner).drop(PLACED_BY, "_digest", "_now")

    def concerned(self, merged: Mapping[int, int]) -> set[int]:
        """The profiles that have events of these by today's identifiers, or would have by their ids."""
        ids = {*self._ids.tolist(), *self._people.profile[self._codes].tolist()}
        return {merged.get(one, one) for one in ids}

    def _ids_with(self, profiles: Array) -> Array:
        """The ids under which events of some profiles may stand, that are theirs by their identifiers."""
        then = self._then[self._published(self._people.codes_of(profiles))]
        found = self._profiles.intersection(then.tolist())
        return np.array([each for one in found for each in self._under(one)], np.int64)

    def _under(self, profile: int) -> list[int]:
        """The ids under which the events of a published profile stand."""
        return [profile, *self._joined.get(profile, ())]

    def _published(self, codes: Array) -> Array:
        return codes[codes < len(self._then)]
