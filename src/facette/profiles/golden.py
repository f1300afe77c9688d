"""One row per person: of several values of a trait, the one that the project's rule of survivorship keeps.

Columns that exist only between the steps begin with an underscore, as no trait can.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import ibis
import ibis.expr.types as ir

from facette.clock import Moment
from facette.definitions import model
from facette.profiles.updates import UPDATE, competing, with_what_was_added
from facette.warehouse.compiler import instant


def golden_record(
    records: Mapping[str, ir.Table],
    identities: ir.Table,
    project: model.Project,
    moment: Moment,
    kinds: Sequence[model.Identifier],
) -> ir.Table:
    """The table ``profiles``.

    records    : source → its records (``record``, ``id_<kind>``, ``known_at``, traits); a trait that several sources
                 give has one type
    identities : ``kind``, ``value``, ``profile_id``, ``known_from``; only what was known is shown, and makes it count
    moment     : records with ``known_at`` after ``moment.known_at`` do not exist yet; null means always known (oldest)
    returns    : ``profile_id``, ``is_counted``, ``id_<kind>`` per kind, ``n_identifiers``, traits; one row per profile
                 of ``identities``, also when it has no record

    A record belongs to the profile of its most trusted identifier. Only known values compete:

    - ``recent``: the one of the most recent record; then of the source listed first; then the smallest
    - ``trusted``: the one of the source listed first; then of the most recent record; then the smallest
    - ``frequent``: the one that most records have; then as ``recent``

    What records with ``_update`` and ``_unset`` do to traits is said in ``profiles/updates.py``.

    ``id_<kind>`` is the profile's identifier on its most recent record that has one, else its smallest.
    """
    profiles = _identified(identities, project, kinds, moment)
    if not records:
        return profiles
    rows = _resolved_records(records, identities, project, moment, kinds)
    ids = [f"id_{kind.name}" for kind in kinds]
    survivors = _survivors(rows, project, ids)
    traits = [column for column in survivors.columns if column not in (*ids, "profile_id")]
    joined = profiles.join(survivors, profiles.profile_id == survivors.profile_id, how="left")
    return joined.select(
        profiles.profile_id,
        profiles.is_counted,
        **{column: ibis.coalesce(survivors[column], profiles[column]) for column in ids},
        n_identifiers=profiles.n_identifiers,
        **{trait: survivors[trait] for trait in traits},
    )


def profiles_at(
    records: Mapping[str, ir.Table], identities: ir.Table, project: model.Project, moment: Moment
) -> ir.Table:
    """The golden record as the table ``profiles`` has it: its identifiers are called by their kinds."""
    kinds = project.identifiers
    profiles = golden_record(records, identities, project, moment, kinds)
    return profiles.rename({kind.name: f"id_{kind.name}" for kind in kinds})


def _identified(
    identities: ir.Table, project: model.Project, kinds: Sequence[model.Identifier], moment: Moment
) -> ir.Table:
    """Every profile with its smallest identifier of each kind known at the moment, and whether it counted then."""
    is_known = identities.known_from.isnull() | (identities.known_from <= instant(moment.known_at))
    smallest = {
        f"id_{kind.name}": (is_known & (identities.kind == kind.name))
        .ifelse(identities.value, ibis.null("string"))
        .min()
        for kind in kinds
    }
    wanted = [identities.kind == kind for kind in project.population]
    counts = (ibis.or_(*wanted) & is_known if wanted else is_known).cast("int8").max() == 1
    n_known = is_known.cast("int64").sum()
    profiles = identities.group_by("profile_id").agg(**smallest, n_identifiers=n_known, is_counted=counts)
    return profiles.select("profile_id", *smallest, "n_identifiers", "is_counted")


def _resolved_records(
    records: Mapping[str, ir.Table],
    identities: ir.Table,
    project: model.Project,
    moment: Moment,
    kinds: Sequence[model.Identifier],
) -> ir.Table:
    """All known records: ``profile_id``, ``_source`` (its position), ``known_at``, own ``id_<kind>``, every trait.

    An identifier that belongs to another profile (its link was refused) is null.
    """
    ids = [f"id_{kind.name}" for kind in kinds]
    rank = {source.name: position for position, source in enumerate(project.sources)}
    ordered = sorted(records, key=rank.__getitem__)
    types = {
        column: kind
        for source in ordered
        for column, kind in records[source].schema().items()
        if column not in (*ids, "record", "known_at")
    }
    parts = []
    for source in ordered:
        table = records[source]
        present = set(table.columns)
        columns = {name: table[name] if name in present else ibis.null("string") for name in ids}
        columns |= {name: table[name] if name in present else ibis.null(kind) for name, kind in types.items()}
        known_at = table.known_at.cast("timestamp('UTC', 6)")
        parts.append(table.select(_source=ibis.literal(rank[source], "int16"), known_at=known_at, **columns))
    rows = ibis.union(*parts) if len(parts) > 1 else parts[0]
    rows = rows.filter(rows.known_at.isnull() | (rows.known_at <= ibis.literal(moment.known_at)))

    for name, kind in zip(ids, kinds, strict=True):
        if any(name in table.columns for table in records.values()):
            own = identities.filter(identities.kind == kind.name)
            own = own.select(_value="value", **{f"_of_{name}": "profile_id"})
            rows = rows.left_join(own, rows[name] == own["_value"]).drop("_value")
        else:
            rows = rows.mutate(**{f"_of_{name}": ibis.null("int64")})
    profile_id = ibis.coalesce(*(rows[f"_of_{name}"] for name in ids))
    return rows.select(
        "_source",
        "known_at",
        profile_id=profile_id,
        **{name: (rows[f"_of_{name}"] == profile_id).ifelse(rows[name], ibis.null("string")) for name in ids},
        **{name: rows[name] for name in types},
    ).filter(ibis._.profile_id.notnull())


def _survivors(rows: ir.Table, project: model.Project, ids: Sequence[str]) -> ir.Table:
    """Per profile the surviving value of each column.

    Values less frequent than the profile's most frequent one leave first, where that is the rule. Then of each column
    the values at the lowest rank stand, rank 0 being the profile's first record, and the smallest of them survives:
    records of one source and one instant have one rank.
    """
    columns = [name for name in rows.columns if name not in ("profile_id", "known_at") and not name.startswith("_")]
    is_changed = UPDATE in rows.columns
    if is_changed:
        rows = competing(rows, [column for column in columns if column not in ids])
    rule = {column: project.trait_survivorship.get(column, project.survivorship) for column in columns}
    rule |= dict.fromkeys(ids, "recent")
    frequent = [column for column in columns if rule[column] == "frequent"]
    rows = _only_most_frequent(rows, frequent) if frequent else rows

    newest = rows.known_at.desc(nulls_first=False)
    rows = rows.mutate(
        _recent=ibis.dense_rank().over(group_by="profile_id", order_by=[newest, rows["_source"]]),
        _trusted=ibis.dense_rank().over(group_by="profile_id", order_by=[rows["_source"], newest]),
    )
    rank = {column: "_trusted" if rule[column] == "trusted" else "_recent" for column in columns}
    known_rank = {column: rows[column].isnull().ifelse(ibis.null("int64"), rows[rank[column]]) for column in columns}
    first = {f"_first_{column}": known_rank[column].min().over(group_by="profile_id") for column in columns}
    rows = rows.mutate(**first)
    standing = {
        column: (rows[rank[column]] == rows[f"_first_{column}"]).ifelse(rows[column], ibis.null()) for column in columns
    }
    if is_changed:
        return with_what_was_added(rows, standing)
    return rows.group_by("profile_id").agg(**{column: value.min() for column, value in standing.items()})


def _only_most_frequent(rows: ir.Table, columns: Sequence[str]) -> ir.Table:
    """The rows, with null for values that are less frequent in their profile than another one."""
    counted = rows.mutate(
        **{f"_n_{column}": rows[column].count().over(group_by=["profile_id", column]) for column in columns}
    )
    most = {column: counted[f"_n_{column}"].max().over(group_by="profile_id") for column in columns}
    kept = {
        column: (counted[f"_n_{column}"] == most[column]).ifelse(counted[column], ibis.null()) for column in columns
    }
    return counted.mutate(**kept).select(rows.columns)
