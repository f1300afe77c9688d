"""Who is who: identifiers seen together belong to one profile, and a profile keeps its id for life.

Links. Two identifiers on one row are linked. Links are added from the most trusted on: in the order of their less
trusted kind, then of their more trusted kind, then of the instant at which they were first seen (unknown last), then of
the two values. A link that would give the joined profile more values of some kind than the kind's ``limit`` is refused;
all others join. The result depends on the set of rows alone, never on their order, and a refused link always lies
between two different profiles.

Ids. Every identifier remembers ``first_id``, the profile in which it was first seen. A profile takes the smallest id
among those its identifiers had (``profile_id`` or ``first_id``). Where a profile falls apart, its id goes to the part
that holds an identifier first seen in it, the one first in the order of kinds, then values; so undoing a merge gives
both profiles their old ids back. Profiles left without an id get new ones above all others, in the order in which they
were first seen (unknown last), then of their first identifier.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from facette.definitions import model
from facette.profiles import components

INSTANT = pa.timestamp("us", tz="UTC")
UNKNOWN_INSTANT = np.iinfo(np.int64).max  # sorts last
ALWAYS = np.iinfo(np.int64).min


@dataclass(frozen=True)
class Identities:
    """Who is who, and what became of the profiles that were known before.

    identities : kind, value, profile_id, first_id, known_from
                 one row per identifier; first_id is the profile it was first in; known_from null: always known
    links      : kind_a, value_a, kind_b, value_b, source, seen_at, is_refused, reason
                 one row per pair and source; a is the more trusted kind, seen_at the first time (null: unknown)
    merged     : old_id, new_id      previous profiles that are now wholly part of another one
    split      : profile_id          previous profiles whose identifiers are now in several profiles
    """

    identities: ir.Table
    links: ir.Table
    merged: ir.Table
    split: ir.Table


@dataclass(frozen=True)
class Resolved:
    """The same in memory."""

    identities: pa.Table
    links: pa.Table
    merged: pa.Table
    split: pa.Table


def observations(
    records: Mapping[str, ir.Table], cleaned: Mapping[str, ir.Table], kinds: Sequence[model.Identifier]
) -> ir.Table:
    """The distinct combinations of identifiers in all records and events, and when each was first seen.

    records : source → its records (``id_<kind>``, ``known_at``)
    cleaned : event → its cleaned events (``id_<kind>``, ``source``, ``known_at``)
    returns : ``id_<kind>`` text for every kind, ``source``, ``seen_at`` (null: a record that is always known); no row
              without any identifier
    """
    parts = [
        _combinations(table, table.known_at, ibis.literal(source), kinds) for source, table in sorted(records.items())
    ]
    parts += [_combinations(table, table.known_at, table.source, kinds) for _, table in sorted(cleaned.items())]
    if not parts:
        return ibis.memtable(observation_schema(kinds).empty_table())
    return ibis.union(*parts) if len(parts) > 1 else parts[0]


def resolve(
    observations: ir.Table,
    previous: ir.Table | None,
    kinds: Sequence[model.Identifier],
    *,
    links: ir.Table | None = None,
    highest: int = 0,
) -> Identities:
    """Join identifiers into profiles.

    observations : as :func:`observations` makes them; values uniform, blocked values null
    previous     : ``identities`` of the last call, None the first time
    links        : ``links`` of the last call. With it, ``observations`` need hold only what is new: the profiles that
                   they touch, directly or through refused links, are joined anew and all others stay as they are.
                   Without it, ``observations`` are everything; identifiers that no longer occur are forgotten.
    kinds        : most trusted first; must be those of the last call if ``links`` is given
    highest      : the highest profile id ever given; ids of profiles that are gone are not given again

    Both ways give the same profiles. Cost grows with the observations and the profiles they touch, besides one scan
    of ``previous`` and ``links``.
    """
    rows = observations.select(observation_schema(kinds).names).to_pyarrow()
    highest = highest if previous is None else max(highest, _highest_id(previous))
    kept_identities = kept_links = None
    if previous is not None and links is not None:
        touched = ibis.memtable(pa.table({"profile_id": touched_profiles(rows, previous, links, kinds)}))
        kept_identities = previous.anti_join(touched, "profile_id")
        previous = ibis.memtable(previous.semi_join(touched, "profile_id").to_pyarrow())
        on_touched = [links.kind_a == previous.kind, links.value_a == previous.value]
        kept_links = links.anti_join(previous, on_touched)
        stored = _as_observations(previous, links.semi_join(previous, on_touched), kinds)
        rows = pa.concat_tables([rows, stored.to_pyarrow().cast(rows.schema)])

    found = _resolved(rows, lambda nodes: _encode_past(previous, nodes), kinds, highest)
    identities, all_links = ibis.memtable(found.identities), ibis.memtable(found.links)
    if kept_identities is not None and kept_links is not None:
        identities = kept_identities.select(identities.columns).union(identities)
        all_links = kept_links.select(all_links.columns).union(all_links)
    return Identities(identities, all_links, ibis.memtable(found.merged), ibis.memtable(found.split))


def resolve_in_memory(
    observations: pa.Table, previous: pa.Table, kinds: Sequence[model.Identifier], *, highest: int = 0
) -> Resolved:
    """Join the identifiers of some profiles anew, as :func:`resolve` does.

    observations : schema :func:`observation_schema`; all of the profiles that are touched (:func:`touched_profiles`),
                   what was stored of them included: each identifier alone with its ``known_from``, and all links
    previous     : kind, value, profile_id, first_id of those profiles
    """
    return _resolved(observations, lambda nodes: _past_of(previous, nodes), kinds, highest)


def _resolved(
    rows: pa.Table, past_of: Callable[[pa.Table], _Past], kinds: Sequence[model.Identifier], highest: int
) -> Resolved:
    graph = _encode(rows, kinds)
    nodes = _nodes_table(graph, kinds)
    group, over = components.join(graph.kind, graph.a, graph.b, [kind.limit for kind in kinds])
    past = past_of(nodes)
    profile_id, first_id = _number(group, past, graph.seen, highest)
    merged, split = _moves(past.profile_id, profile_id[past.code])
    ids = {"profile_id": profile_id, "first_id": first_id, "known_from": _instants(graph.known)}
    identities = pa.table({"kind": nodes["kind"], "value": nodes["value"], **ids})
    return Resolved(identities, _links_table(graph, over, kinds), merged, split)


# ── what was observed ───────────────────────────────────────────────────────────────────────────────────────────────


def observation_schema(kinds: Sequence[model.Identifier]) -> pa.Schema:
    """``id_<kind>`` for every kind, ``source``, ``seen_at``."""
    columns = [(f"id_{kind.name}", pa.large_string()) for kind in kinds]
    return pa.schema([*columns, ("source", pa.large_string()), ("seen_at", INSTANT)])


def _combinations(
    table: ir.Table, seen_at: ir.TimestampValue, source: ir.StringValue, kinds: Sequence[model.Identifier]
) -> ir.Table:
    ids = {
        f"id_{kind.name}": table[f"id_{kind.name}"] if f"id_{kind.name}" in table.columns else ibis.null("string")
        for kind in kinds
    }
    rows = table.select(**ids, source=source, seen_at=seen_at.cast("timestamp('UTC', 6)"))
    rows = rows.filter(ibis.or_(*(rows[column].notnull() for column in ids)))
    first = ibis.ifelse(rows.seen_at.isnull().sum() == 0, rows.seen_at.min(), ibis.null("timestamp('UTC', 6)"))
    return rows.group_by([*ids, "source"]).agg(seen_at=first)


def _as_observations(identities: ir.Table, links: ir.Table, kinds: Sequence[model.Identifier]) -> ir.Table:
    """Stored identities and links in the shape in which they could have been observed."""
    nothing = ibis.null("string")
    alone = {f"id_{kind.name}": (identities.kind == kind.name).ifelse(identities.value, nothing) for kind in kinds}
    pairs = {
        f"id_{kind.name}": ibis.cases(
            (links.kind_a == kind.name, links.value_a), (links.kind_b == kind.name, links.value_b), else_=nothing
        )
        for kind in kinds
    }
    return identities.select(**alone, source=nothing, seen_at=identities.known_from.cast("timestamp('UTC', 6)")).union(
        links.select(**pairs, source=links.source, seen_at=links.seen_at.cast("timestamp('UTC', 6)"))
    )


def _highest_id(previous: ir.Table) -> int:
    highest = previous.agg(profile_id=previous.profile_id.max(), first_id=previous.first_id.max()).to_pyarrow()
    return max(highest["profile_id"][0].as_py() or 0, highest["first_id"][0].as_py() or 0)


def touched_profiles(
    observations: pa.Table, previous: ir.Table, links: ir.Table, kinds: Sequence[model.Identifier]
) -> np.ndarray:
    """Previous profiles that observations mention, and all that refused links connect with them.

    :func:`resolve` gives of them and of new ones what it would give with all, if it is given theirs alone.
    """
    mentioned = pa.concat_tables(
        pa.table({"kind": pa.repeat(kind.name, len(values)), "value": values})
        for kind in kinds
        for values in [pc.unique(observations[f"id_{kind.name}"]).drop_null()]
    )
    direct = previous.semi_join(ibis.memtable(mentioned), ["kind", "value"]).select("profile_id").distinct()
    refused = links.filter(links.is_refused).select("kind_a", "value_a", "kind_b", "value_b").distinct()
    a, b = previous.view(), previous.view()
    bridges = (
        refused.join(a, [refused.kind_a == a.kind, refused.value_a == a.value])
        .select("kind_b", "value_b", profile_a=a.profile_id)
        .join(b, [ibis._.kind_b == b.kind, ibis._.value_b == b.value])
        .select("profile_a", profile_b=b.profile_id)
        .to_pyarrow()
    )
    start = direct.to_pyarrow()["profile_id"].to_numpy()
    ids, code = np.unique(
        np.concatenate([start, bridges["profile_a"].to_numpy(), bridges["profile_b"].to_numpy()]), return_inverse=True
    )
    code_a, code_b = np.split(code[len(start) :], 2)
    group = components.grow(np.arange(len(ids)), code_a, code_b)
    return ids[np.isin(group, group[code[: len(start)]])]


def news(observations: ir.Table, previous: ir.Table, links: ir.Table, kinds: Sequence[model.Identifier]) -> ir.Table:
    """Of observations those that say anything new: an identifier, a link, or that one was seen earlier than known.

    :func:`resolve`, given ``previous`` and ``links``, makes of them what it would make of all.
    """
    table = observations
    for name in (kind.name for kind in kinds):
        own = previous.filter(previous.kind == name)
        known = own.select(**{f"_known_{name}": own.value, f"_since_{name}": own.known_from})
        table = table.left_join(known, table[f"id_{name}"] == known[f"_known_{name}"])
    pairs = list(combinations((kind.name for kind in kinds), 2))
    for a, b in pairs:
        own = links.filter(links.kind_a == a, links.kind_b == b)
        linked = own.select(_a=own.value_a, _b=own.value_b, _source=own.source, **{f"_since_{a}_{b}": own.seen_at})
        linked = linked.mutate(**{f"_linked_{a}_{b}": True})
        on_pair = [table[f"id_{a}"] == linked._a, table[f"id_{b}"] == linked._b, table.source == linked._source]
        table = table.left_join(linked, on_pair).drop("_a", "_b", "_source")

    def is_later(since: ir.TimestampValue) -> ir.BooleanValue:
        return (table.seen_at >= since).fill_null(False) | (table.seen_at.isnull() & since.isnull())

    says_nothing = [
        table[f"id_{name}"].isnull() | (table[f"_known_{name}"].notnull() & is_later(table[f"_since_{name}"]))
        for name in (kind.name for kind in kinds)
    ]
    says_nothing += [
        table[f"id_{a}"].isnull()
        | table[f"id_{b}"].isnull()
        | (table[f"_linked_{a}_{b}"].notnull() & is_later(table[f"_since_{a}_{b}"]))
        for a, b in pairs
    ]
    return table.filter(~ibis.and_(*says_nothing)).select(observations.columns)


# ── identifiers as integers ─────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class _Graph:
    """Identifiers coded 0 … n-1 in the order of kinds, then values, so that a smaller code comes first.

    values, kind, seen  : per code: its value, the position of its kind, when it was first seen (µs)
    known               : per code: since when it is known (µs)
    a, b                : per pair of linked identifiers: their codes, a < b; in the order in which they are added
    pair, source, stamp : per link: its pair, its source (position in ``sources``), when it was first seen (µs)
    """

    values: pa.Array
    kind: np.ndarray
    seen: np.ndarray
    known: np.ndarray
    a: np.ndarray
    b: np.ndarray
    pair: np.ndarray
    source: np.ndarray
    stamp: np.ndarray
    sources: pa.Array


@dataclass(frozen=True)
class _Past:
    """What was known before of the identifiers ``code``."""

    code: np.ndarray
    profile_id: np.ndarray
    first_id: np.ndarray


def _encode(rows: pa.Table, kinds: Sequence[model.Identifier]) -> _Graph:
    columns = [_rank(rows[f"id_{kind.name}"]) for kind in kinds]
    sizes = [len(values) for _, values in columns]
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    codes = [np.where(rank < 0, -1, rank + offset) for (rank, _), offset in zip(columns, offsets[:-1], strict=True)]
    sources_rank, sources = _rank(pc.fill_null(rows["source"], ""))
    stamp = pc.fill_null(rows["seen_at"].cast(INSTANT).cast(pa.int64()), UNKNOWN_INSTANT).to_numpy()

    seen, known = (np.full(offsets[-1], UNKNOWN_INSTANT) for _ in range(2))
    since = np.where(stamp == UNKNOWN_INSTANT, ALWAYS, stamp)
    for code in codes:
        np.minimum.at(seen, code[code >= 0], stamp[code >= 0])
        np.minimum.at(known, code[code >= 0], since[code >= 0])

    kind = np.repeat(np.arange(len(kinds)), sizes)
    links = [np.empty((4, 0), np.int64)]
    for position, right in enumerate(codes):
        for left in codes[:position]:
            both = np.flatnonzero((left >= 0) & (right >= 0))
            links.append(np.stack([left[both], right[both], sources_rank[both], stamp[both]]))
    a, b, pair, source, earliest = _distinct_links(np.concatenate(links, axis=1), kind)
    values = pa.concat_arrays([values for _, values in columns])
    return _Graph(values, kind, seen, known, a, b, pair, source, earliest, sources)


def _rank(column: pa.ChunkedArray) -> tuple[np.ndarray, pa.Array]:
    """The position of each text among the distinct ones in order (-1 for null), and those."""
    encoded = column.cast(pa.large_string()).combine_chunks().dictionary_encode()
    order = pc.sort_indices(encoded.dictionary).to_numpy()
    rank = np.empty(len(order) + 1, np.int64)
    rank[order] = np.arange(len(order))
    rank[-1] = -1
    return rank[pc.fill_null(encoded.indices, -1).to_numpy()], encoded.dictionary.take(order)


def _distinct_links(
    links: np.ndarray, kind: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Of links (a, b, source, stamp): the distinct pairs a, b in the order in which they are added, then the distinct
    links: position of the pair, source, earliest stamp.
    """
    a, b, source, stamp = links
    n = len(kind)
    pairs, pair = np.unique(a * n + b, return_inverse=True)
    a, b = pairs // max(n, 1), pairs % max(n, 1)
    first = np.full(len(pairs), UNKNOWN_INSTANT)
    np.minimum.at(first, pair, stamp)
    order = np.lexsort((pairs, first, kind[a], kind[b]))
    position = np.empty_like(order)
    position[order] = np.arange(len(order))

    n_sources = source.max(initial=0) + 1
    distinct, link = np.unique(position[pair] * n_sources + source, return_inverse=True)
    earliest = np.full(len(distinct), UNKNOWN_INSTANT)
    np.minimum.at(earliest, link, stamp)
    return a[order], b[order], distinct // n_sources, distinct % n_sources, earliest


def _instants(stamps: np.ndarray) -> pa.Array:
    return pa.array(stamps, pa.int64(), mask=stamps == ALWAYS).cast(INSTANT)


def _encode_past(previous: ir.Table | None, nodes: pa.Table) -> _Past:
    if previous is None:
        return _Past(*(np.empty(0, np.int64) for _ in range(3)))
    coded = nodes.append_column("code", pa.array(np.arange(len(nodes))))
    rows = previous.join(ibis.memtable(coded), ["kind", "value"]).select("code", "profile_id", "first_id").to_pyarrow()
    return _Past(*(rows[column].to_numpy() for column in rows.column_names))


def _past_of(previous: pa.Table, nodes: pa.Table) -> _Past:
    coded = {(kind, value): code for code, (kind, value) in enumerate(_pairs(nodes))}
    code = np.fromiter((coded[pair] for pair in _pairs(previous)), np.int64, len(previous))
    return _Past(code, previous["profile_id"].to_numpy(), previous["first_id"].to_numpy())


def _pairs(rows: pa.Table) -> Iterator[tuple[str, str]]:
    return zip(rows["kind"].to_pylist(), rows["value"].to_pylist(), strict=True)


# ── numbering ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _number(group: np.ndarray, past: _Past, seen: np.ndarray, highest: int) -> tuple[np.ndarray, np.ndarray]:
    """profile_id and first_id per identifier."""
    first_codes, profile = np.unique(group, return_inverse=True)
    assigned = _inherit(profile, past, len(first_codes), len(group))

    fresh = np.flatnonzero(assigned == 0)
    first_seen = np.full(len(first_codes), UNKNOWN_INSTANT)
    np.minimum.at(first_seen, profile, seen)
    in_order = fresh[np.lexsort((first_codes[fresh], first_seen[fresh]))]
    assigned[in_order] = highest + 1 + np.arange(len(fresh))

    profile_id = assigned[profile]
    first_id = profile_id.copy()
    own = profile_id[past.code]
    is_taken = np.isin(past.first_id, assigned) & (past.first_id != own)  # by another profile, after a split
    first_id[past.code] = np.where(is_taken, own, past.first_id)
    return profile_id, first_id


def _inherit(profile: np.ndarray, past: _Past, n_profiles: int, n: int) -> np.ndarray:
    """The previous id that each profile (0 … n_profiles-1) keeps, 0 for none."""
    holder = np.concatenate([profile[past.code]] * 2)
    claimed = np.concatenate([past.first_id, past.profile_id])
    rank = np.concatenate([past.code, np.where(past.first_id == past.profile_id, past.code, past.code + n)])
    order = np.lexsort((rank, claimed, holder))
    holder, claimed, rank = holder[order], claimed[order], rank[order]
    is_first = np.ones(len(order), bool)
    is_first[1:] = (holder[1:] != holder[:-1]) | (claimed[1:] != claimed[:-1])
    holder, claimed, rank = holder[is_first], claimed[is_first], rank[is_first]

    _, claim, n_claims = np.unique(claimed, return_inverse=True, return_counts=True)
    is_contested = np.zeros(n_profiles, bool)
    is_contested[holder[n_claims[claim] > 1]] = True

    assigned = np.zeros(n_profiles, np.int64)
    calm = np.flatnonzero(~is_contested[holder])[::-1]
    assigned[holder[calm]] = claimed[calm]  # the smallest claim of each is written last

    contested = np.flatnonzero(is_contested[holder])
    contested = contested[np.lexsort((rank[contested], claimed[contested]))]
    taken = set()
    for candidate, old_id in zip(holder[contested].tolist(), claimed[contested].tolist(), strict=True):
        if assigned[candidate] == 0 and old_id not in taken:
            assigned[candidate] = old_id
            taken.add(old_id)
    return assigned


def _moves(old: np.ndarray, new: np.ndarray) -> tuple[pa.Table, pa.Table]:
    """Previous profiles that are now wholly in another one, and those that are now in several."""
    base = new.max(initial=0) + 1
    pairs = np.unique(old * base + new)
    ids, start, n_new = np.unique(pairs // base, return_index=True, return_counts=True)
    target = pairs[start] % base
    is_merged = (n_new == 1) & (target != ids)
    return pa.table({"old_id": ids[is_merged], "new_id": target[is_merged]}), pa.table({"profile_id": ids[n_new > 1]})


# ── results as tables ───────────────────────────────────────────────────────────────────────────────────────────────


def _nodes_table(graph: _Graph, kinds: Sequence[model.Identifier]) -> pa.Table:
    names = pa.array([kind.name for kind in kinds], pa.string())
    return pa.table({"kind": names.take(pa.array(graph.kind)), "value": graph.values.cast(pa.string())})


def _links_table(graph: _Graph, over: np.ndarray, kinds: Sequence[model.Identifier]) -> pa.Table:
    names = pa.array([kind.name for kind in kinds], pa.string())
    reasons = pa.array([f"more than {kind.limit} {kind.name} in one profile" for kind in kinds], pa.string())
    a, b, exceeded = graph.a[graph.pair], graph.b[graph.pair], over[graph.pair]
    return pa.table(
        {
            "kind_a": names.take(pa.array(graph.kind[a])),
            "value_a": graph.values.take(pa.array(a)).cast(pa.string()),
            "kind_b": names.take(pa.array(graph.kind[b])),
            "value_b": graph.values.take(pa.array(b)).cast(pa.string()),
            "source": graph.sources.take(pa.array(graph.source)).cast(pa.string()),
            "seen_at": pa.array(graph.stamp, mask=graph.stamp == UNKNOWN_INSTANT).cast(INSTANT),
            "is_refused": exceeded >= 0,
            "reason": reasons.take(pa.array(exceeded, mask=exceeded < 0)),
        }
    )
