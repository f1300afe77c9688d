"""Whose event it is: identifiers on events become profile ids. And which columns the events of a kind have."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir

from facette.definitions import model

TYPES = {"text": "string", "number": "float64", "boolean": "boolean", "date": "date", "instant": "timestamp('UTC')"}
"""Type of a property → its Ibis type."""

PLACED_BY = "_placed_by"
"""Column of events: which identifier says whose they are. It is there where limits may make people fall apart."""


@ibis.udf.scalar.builtin(name="md5_number_lower", signature=((dt.string,), dt.uint64))
def _digest(text):  # type: ignore[no-untyped-def]
    """The lower half of the MD5 of a text."""


def columns_elsewhere(name: str, sources: Iterable[model.Source]) -> dict[str, str]:
    """The columns that cleaned events of a kind have in some source, because it gives them, with their Ibis types.

    So the events of a kind have the same columns whichever source they come from.
    """
    columns: dict[str, str] = {}
    for events in (each for source in sources for each in source.events if each.name == name):
        columns |= {f"id_{kind}": "string" for kind in events.identifiers}
        for key, field in events.fields.items():
            columns[key] = TYPES[field.type]
            if field.outliers and field.outliers.action == "flag":
                columns[f"{key}_is_outlier"] = "boolean"
    return columns


def resolve_events(cleaned: ir.Table, identities: ir.Table, kinds: Sequence[model.Identifier]) -> ir.Table:
    """The table ``events_<event>``: the profile of each event, in place of its identifiers.

    cleaned    : ``id_<kind>`` for some of the kinds, and any other columns
    identities : ``kind``, ``value``, ``profile_id``
    kinds      : most trusted first; the first identifier that an event has decides
    returns    : ``profile_id``, then the other columns of ``cleaned``, and where a kind has a limit ``_placed_by``
                 (see :func:`placed_by`); events without an identifier are nobody's and are left out
    """
    placing = {PLACED_BY: placed_by(identities)} if model.can_fall_apart(kinds) else {}
    identities = identities.select("kind", "value", "profile_id", **placing)
    present = [kind for kind in kinds if f"id_{kind.name}" in cleaned.columns]
    ids = [f"id_{kind.name}" for kind in present]
    others = [column for column in cleaned.columns if column not in ids]
    if len(present) == 1:
        known = identities.filter(identities.kind == present[0].name)
        decisive = [cleaned[ids[0]] == known.value]
    else:
        known = identities
        kind = ibis.cases(*((cleaned[f"id_{kind.name}"].notnull(), kind.name) for kind in present))
        decisive = [ibis.coalesce(*(cleaned[column] for column in ids)) == known.value, kind == known.kind]
    joined = cleaned.join(known, decisive)
    return joined.select(known.profile_id, *(cleaned[column] for column in others), *(known[name] for name in placing))


def placed_by(identities: ir.Table) -> ir.Value:
    """By what an identifier is known in ``_placed_by``: 64 bits of the MD5 (R. Rivest, RFC 1321, 1992) of both.

    Two identifiers of one project have the same number once in 10^19 pairs. It does not change with what else is known,
    so a run that adds events gives what one that makes all anew gives.

    identities : ``kind``, ``value``
    """
    return _digest(identities.kind + "\x1f" + identities.value)


def remap(events: ir.Table, merged: ir.Table) -> ir.Table:
    """The events, with those of merged profiles now of the profile that they became part of.

    events : ``profile_id`` and any other columns
    merged : ``old_id``, ``new_id``
    """
    moved = merged.select(_old="old_id", _new="new_id")
    joined = events.left_join(moved, events.profile_id == moved["_old"])
    # Ibis takes what `select` gives for a join still going on, and refuses to join it with anything made from it.
    return joined.mutate(profile_id=ibis.coalesce(joined["_new"], joined.profile_id)).drop("_old", "_new")
