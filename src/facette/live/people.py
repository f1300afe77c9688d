"""Who is who, in memory: identifiers, their profiles and their links, kept as :func:`identity.resolve` has them.

Of most records nothing is new: their identifiers are of one profile, and were linked before. Those need a look only.
All others are joined anew with the profiles that they touch, by the functions of a run.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from facette.definitions import model
from facette.live.columnar.index import extended
from facette.live.linked import Groups, Links, micros
from facette.live.seen import Seen, Texts, first_rows
from facette.profiles import components
from facette.profiles.identity import ALWAYS, INSTANT, UNKNOWN_INSTANT, observation_schema, resolve_in_memory

Array = np.ndarray[Any, Any]

NONE, UNKNOWN = -1, -2
"""In place of the code of an identifier: there is none; it was never seen."""


@dataclass
class Rows:
    """Rows that have identifiers.

    codes  : per kind, the code of each row's identifier, NONE or UNKNOWN
    values : per kind, the identifiers; None for kinds that these rows cannot have
    source : the name of their source
    seen   : when each combination of identifiers was first seen in them (µs), UNKNOWN_INSTANT where it is always known
    """

    codes: list[Array]
    values: list[pa.Array | None]
    source: str
    seen: Array

    def __len__(self) -> int:
        return len(self.seen)


@dataclass(frozen=True)
class Found:
    """What some rows showed.

    identities, links : those that are new or other than they were
    touched           : the profiles concerned, those that are gone included
    changed           : of these the ones whose identifiers are new or other than they were
    merged            : profile → what it became part of
    split             : profiles that fell apart
    there             : of the profiles joined anew those that there are
    """

    identities: pa.Table
    links: pa.Table
    touched: Array
    changed: Array
    merged: dict[int, int] = field(default_factory=dict)
    split: frozenset[int] = frozenset()
    there: frozenset[int] = frozenset()


class People:
    """The identifiers of all profiles; each has a code, in the order in which they came.

    profile, first, known : of each code its profile_id, its first_id, since when it is known (µs, ALWAYS)
    highest               : the highest profile id given
    """

    STORED = ("_codes", "_values", "_kind", "profile", "first", "known", "_links")

    def __init__(self, kinds: Sequence[model.Identifier], highest: int) -> None:
        self.kinds, self.highest = tuple(kinds), highest
        self._position = {kind.name: position for position, kind in enumerate(kinds)}
        self._codes, self._values = Seen(), Texts()
        self._kind = np.zeros(2, np.int8)
        self.profile, self.first, self.known = (np.zeros(2, np.int64) for _ in range(3))  # room for NONE and UNKNOWN
        self._links = Links()
        self._members = Groups()
        self._links_of = Groups()

    def put(self, identities: pa.Table, links: pa.Table) -> None:
        """Know these, in place of those with their keys."""
        codes = self._coded(identities, "kind", "value")
        self._set(codes, identities["profile_id"].to_numpy(), identities["first_id"].to_numpy(), _since(identities))
        a, b = self._coded(links, "kind_a", "value_a"), self._coded(links, "kind_b", "value_b")
        self._links.put(a, b, links)
        self.group()

    def group(self) -> None:
        """Know who belongs together, after identifiers and links were put."""
        self.highest = max(self.highest, int(self.profile[: len(self)].max(initial=0)))
        self._members = Groups(self.profile[: len(self)])
        self._links_of = Groups(self._links.a[: len(self._links)])

    def __len__(self) -> int:
        return len(self._codes)

    # ── what there is ───────────────────────────────────────────────────────────────────────────────────────────────

    def rows(self, table: pa.Table, source: str) -> Rows:
        """Cleaned records or events of one source, by their identifiers."""
        names = [f"id_{kind.name}" for kind in self.kinds]
        values = [table[name].combine_chunks() if name in table.column_names else None for name in names]
        codes = [self._look_up(position, each, len(table)) for position, each in enumerate(values)]
        return Rows(codes, values, source, _first_seen(table, values))

    def owners(self, rows: Rows) -> Array:
        """The profile of each row: that of its most trusted identifier."""
        for position, values in enumerate(rows.values):
            new = np.flatnonzero(rows.codes[position] == UNKNOWN)
            if values is not None and len(new):
                rows.codes[position][new] = self._look_up(position, values.take(pa.array(new)), len(new))
        return self.profile[_first_of(rows.codes)]

    def mentioned(self, rows: Rows) -> Array:
        """The profiles of all identifiers of rows."""
        codes = np.concatenate(rows.codes)
        return np.unique(self.profile[codes[codes >= 0]])

    def owner(self, kind: str, value: str) -> int | None:
        """The profile of an identifier, None if it was never seen."""
        (code,) = self._look_up(self._position[kind], pa.array([value], pa.string()), 1)
        return None if code < 0 else int(self.profile[code])

    def owners_of(self, identities: pa.Table) -> Array:
        """The profiles of those rows of the table ``identities`` that there are."""
        found = [
            self._look_up(position, own["value"].combine_chunks(), len(own))
            for position, kind in enumerate(self.kinds)
            for own in [identities.filter(pc.equal(identities["kind"], kind.name))]
        ]
        codes = np.concatenate(found)
        return self.profile[codes[codes >= 0]]

    def identities(self, codes: Array) -> pa.Table:
        """Their rows of the table ``identities``."""
        return pa.table(
            {
                "kind": self._kind_names(codes),
                "value": self._values.take(codes).cast(pa.string()),
                "profile_id": self.profile[codes],
                "first_id": self.first[codes],
                "known_from": _instants(self.known[codes], ALWAYS),
            }
        )

    def codes_of(self, profiles: Array) -> Array:
        """The codes of all identifiers of some profiles."""
        return self._members.of(profiles)

    def codes_in(self, table: pa.Table) -> Array:
        """The codes of all identifiers in cleaned rows."""
        codes = np.concatenate(self.rows(table, "").codes)
        return codes[codes >= 0]

    def renamed(self) -> dict[int, int]:
        """Profiles that once were, in whatever run → what they became part of."""
        profile, first = self.profile[: len(self)], self.first[: len(self)]
        gone = np.flatnonzero(~np.isin(first, profile))
        order = gone[np.lexsort((profile[gone], first[gone]))][::-1]  # of several the smallest comes last
        return dict(zip(first[order].tolist(), profile[order].tolist(), strict=True))

    def links(self, places: Array) -> pa.Table:
        """Their rows of the table ``links``."""
        links = self._links
        a, b, over = links.a[places], links.b[places], links.over[places]
        return pa.table(
            {
                "kind_a": self._kind_names(a),
                "value_a": self._values.take(a).cast(pa.string()),
                "kind_b": self._kind_names(b),
                "value_b": self._values.take(b).cast(pa.string()),
                "source": pa.array([links.sources[source] for source in links.source[places].tolist()], pa.string()),
                "seen_at": _instants(links.seen[places], UNKNOWN_INSTANT),
                "is_refused": pa.array(over >= 0),
                "reason": pa.array([links.reasons[each] if each >= 0 else None for each in over.tolist()], pa.string()),
            }
        )

    # ── what comes in ───────────────────────────────────────────────────────────────────────────────────────────────

    def take(self, parts: Sequence[Rows]) -> Found:
        """Join what rows join."""
        bridges = self._bridges()
        simple = [self._simple(part, bridges) for part in parts]
        touched = self._touched(parts, simple, bridges)
        if len(touched):
            simple = [
                is_simple & ~np.isin(self.profile[_first_of(part.codes)], touched)
                for part, is_simple in zip(parts, simple, strict=True)
            ]
        codes, places, concerned = self._note(parts, simple)
        hard = [(part, np.flatnonzero(~is_simple)) for part, is_simple in zip(parts, simple, strict=True)]
        if not any(len(rows) for _, rows in hard):
            changed = np.unique(self.profile[codes])
            return Found(self.identities(codes), self.links(places), np.unique(concerned), changed)
        return self._join(hard, touched, codes, places, concerned)

    def _simple(self, part: Rows, bridges: tuple[Array, Array]) -> Array:
        """The rows that show nothing new but perhaps an earlier instant: of one profile, none of whose links is
        refused, and with links that there are. Links are then added in another order at most, and as all of them
        together stay within the limits, in any order each does.
        """
        codes = np.stack(part.codes)
        is_simple = ~(codes == UNKNOWN).any(axis=0)
        owner = self.profile[_first_of(part.codes)]
        for each in part.codes:
            is_simple &= (each < 0) | (self.profile[each] == owner)
        if len(bridges[0]):
            is_simple &= ~np.isin(owner, np.concatenate(bridges))
        for a, b in self._pairs(part):
            rows = np.flatnonzero(is_simple & (a >= 0) & (b >= 0))
            is_simple[rows] = self._links.find(a[rows], b[rows], part.source) >= 0
        return is_simple

    def _pairs(self, part: Rows) -> Iterable[tuple[Array, Array]]:
        there = [codes for codes, values in zip(part.codes, part.values, strict=True) if values is not None]
        return ((a, b) for position, b in enumerate(there) for a in there[:position])

    def _note(self, parts: Sequence[Rows], simple: Sequence[Array]) -> tuple[Array, Array, Array]:
        """Earlier instants of simple rows; returns the codes and links that have others now, and all profiles."""
        codes, places, concerned = [], [], []
        for part, is_simple in zip(parts, simple, strict=True):
            rows = np.flatnonzero(is_simple)
            seen = part.seen[rows]
            since = np.where(seen == UNKNOWN_INSTANT, ALWAYS, seen)
            for each in part.codes:
                there = each[rows] >= 0
                codes.append(_lower(self.known, each[rows][there], since[there]))
            for a, b in self._pairs(part):
                both = (a[rows] >= 0) & (b[rows] >= 0)
                found = self._links.find(a[rows][both], b[rows][both], part.source)
                places.append(_lower(self._links.seen, found, seen[both]))
            concerned.append(self.profile[_first_of(part.codes)[rows]])
        return tuple(  # type: ignore[return-value]
            np.unique(np.concatenate(each)) if each else np.empty(0, np.int64) for each in (codes, places, concerned)
        )

    def _bridges(self) -> tuple[Array, Array]:
        """The profiles at both ends of the refused links."""
        refused = self._links.refused
        return self.profile[self._links.a[refused]], self.profile[self._links.b[refused]]

    def _touched(self, parts: Sequence[Rows], simple: Sequence[Array], bridges: tuple[Array, Array]) -> Array:
        """The profiles that all other rows mention, and all that refused links connect with them."""
        mentioned = [
            each[~is_simple & (each >= 0)] for part, is_simple in zip(parts, simple, strict=True) for each in part.codes
        ]
        start = np.unique(self.profile[np.concatenate(mentioned)]) if mentioned else np.empty(0, np.int64)
        if not len(bridges[0]) or not len(start):
            return start
        ids, code = np.unique(np.concatenate([start, *bridges]), return_inverse=True)
        code_a, code_b = np.split(code[len(start) :], 2)
        group = components.grow(np.arange(len(ids)), code_a, code_b)
        return ids[np.isin(group, group[code[: len(start)]])]

    def _join(
        self, hard: Sequence[tuple[Rows, Array]], touched: Array, codes: Array, places: Array, concerned: Array
    ) -> Found:
        """Join some profiles anew with what rows show besides."""
        own = self._members.of(touched)
        observed = pa.concat_tables([self._stored(own, self._links_of.of(own)), *(self._shown(*each) for each in hard)])
        found = resolve_in_memory(observed, self.identities(own), self.kinds, highest=self.highest)

        now = self._coded(found.identities, "kind", "value")
        values = *(found.identities[name].to_numpy() for name in ("profile_id", "first_id")), _since(found.identities)
        is_new = np.isin(now, own, invert=True)
        before = self.profile[now].copy()
        differs = is_new | (before != values[0]) | (self.first[now] != values[1]) | (self.known[now] != values[2])
        self._set(now, *values)
        there = self._members.replace(touched, now, values[0])
        self.highest = max(self.highest, int(values[0].max(initial=0)))
        a, b = self._coded(found.links, "kind_a", "value_a"), self._coded(found.links, "kind_b", "value_b")
        first, other = self._links.put(a, b, found.links)
        self._links_of.add(self._links.a[first : len(self._links)], first)

        merged = dict(zip(*(found.merged[name].to_pylist() for name in ("old_id", "new_id")), strict=True))
        changed = [self.profile[codes], values[0][differs], before[differs & ~is_new]]
        return Found(
            self.identities(np.union1d(codes, now[differs])),
            self.links(np.union1d(places, other)),
            np.unique(np.concatenate([concerned, touched, values[0]])),
            np.unique(np.concatenate(changed)),
            merged,
            frozenset(found.split["profile_id"].to_pylist()),
            there,
        )

    def _stored(self, codes: Array, places: Array) -> pa.Table:
        """Identifiers and links in the shape in which they could have been observed."""
        a, b = self._links.a[places], self._links.b[places]
        kind, kind_a, kind_b = self._kind[codes], self._kind[a], self._kind[b]
        columns = {}
        for position, each in enumerate(self.kinds):
            column = np.concatenate(
                [
                    np.where(kind == position, codes, NONE),
                    np.where(kind_a == position, a, np.where(kind_b == position, b, NONE)),
                ]
            )
            columns[f"id_{each.name}"] = self._values.take(column)
        sources = [None] * len(codes) + [self._links.sources[each] for each in self._links.source[places].tolist()]
        columns["source"] = pa.array(sources, pa.large_string())
        seen = np.concatenate([self.known[codes], self._links.seen[places]])
        columns["seen_at"] = pa.array(seen, mask=(seen == ALWAYS) | (seen == UNKNOWN_INSTANT)).cast(INSTANT)
        return pa.table(columns, schema=observation_schema(self.kinds))

    def _shown(self, part: Rows, rows: Array) -> pa.Table:
        """Rows as observations."""
        columns: dict[str, pa.Array] = {}
        for kind, values in zip(self.kinds, part.values, strict=True):
            own = pa.nulls(len(rows)) if values is None else values.take(pa.array(rows))
            columns[f"id_{kind.name}"] = own.cast(pa.large_string())
        columns["source"] = pa.repeat(pa.scalar(part.source, pa.large_string()), len(rows))
        columns["seen_at"] = _instants(part.seen[rows], UNKNOWN_INSTANT)
        return pa.table(columns, schema=observation_schema(self.kinds))

    # ── identifiers as codes ────────────────────────────────────────────────────────────────────────────────────────

    def _look_up(self, position: int, values: pa.Array | None, n: int) -> Array:
        if values is None:
            return np.full(n, NONE)
        found = self._codes.find(values, position)
        found[found < 0] = UNKNOWN
        if values.null_count:
            found[values.is_null().to_numpy(zero_copy_only=False)] = NONE
        return found

    def _coded(self, table: pa.Table, kind: str, value: str) -> Array:
        """The code of each identifier of a table; of those that were never seen a new one."""
        codes = np.empty(len(table), np.int64)
        positions = pc.index_in(table[kind], pa.array(self._position)).to_numpy()
        for position in range(len(self.kinds)):
            rows, before = np.flatnonzero(positions == position), len(self)
            own = table[value].take(rows).combine_chunks()
            codes[rows] = self._codes.add(own, position)
            if len(self) > before:
                self._values.append(own.take(pa.array(first_rows(codes[rows], before, len(self)))))
                self._make_room(position, len(self) - before)
        return codes

    def _make_room(self, position: int, n: int) -> None:
        self._kind = extended(self._kind, len(self))
        self._kind[len(self) - n : len(self)] = position
        self.profile, self.first, self.known = (
            extended(each, len(self), 0) for each in (self.profile, self.first, self.known)
        )

    def _set(self, codes: Array, profile: Array, first: Array, known: Array) -> None:
        self.profile[codes], self.first[codes], self.known[codes] = profile, first, known

    def _kind_names(self, codes: Array) -> pa.Array:
        return pa.array([kind.name for kind in self.kinds], pa.string()).take(pa.array(self._kind[codes]))


def _first_of(codes: Sequence[Array]) -> Array:
    """Of each row the code of its most trusted identifier that is known."""
    found = codes[-1]
    for each in reversed(codes[:-1]):
        found = np.where(each >= 0, each, found)
    return found


def _first_seen(table: pa.Table, values: Sequence[pa.Array | None]) -> Array:
    """When each row's combination of identifiers was first seen in a table (µs); unknown if of any of its rows."""
    known_at = table["known_at"]
    seen = np.where(known_at.is_null(), UNKNOWN_INSTANT, micros(known_at))
    if 0 < known_at.null_count < len(table):
        combinations = list(zip(*(each.to_pylist() for each in values if each is not None), strict=True))
        unknown = {combinations[row] for row in np.flatnonzero(seen == UNKNOWN_INSTANT).tolist()}
        seen[[combination in unknown for combination in combinations]] = UNKNOWN_INSTANT
    return seen


def _lower(values: Array, places: Array, to: Array) -> Array:
    """Lower values where ``to`` is lower; the places of those that were."""
    before = values[places]
    np.minimum.at(values, places, to)
    return places[values[places] != before]


def _since(identities: pa.Table) -> Array:
    return np.where(identities["known_from"].is_null(), ALWAYS, micros(identities["known_from"]))


def _instants(stamps: Array, null: int) -> pa.Array:
    return pa.array(stamps, mask=stamps == null).cast(INSTANT)
