"""Records that change traits instead of giving them: ``set_once``, ``add`` and ``unset``.

What comes of them depends on what was known when, and not on the order in which it arrives; so a run and the live
engine, which both ask of all records of a person, say the same. Of each trait, in the order of ``known_at`` (what is
always known is the oldest):

- ``unset`` takes back what its own source said of the trait before;
- values that are set compete, as the project's rule of survivorship says;
- where there is none, the earliest ``set_once`` stands, unless something was added before it;
- what was added since the value that stands (at its instant too) is added to it, or to 0.

These are Mixpanel's ``$set``, ``$set_once``, ``$add`` and ``$unset``, when updates are taken in the order of receipt:
https://developer.mixpanel.com/reference/profile-set-property-once
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

import ibis
import ibis.expr.types as ir

UPDATE, UNSET = "_update", "_unset"
"""Columns of records: what a record does to traits, and which traits it takes back (``|city|age|``)."""

CHANGES = (UPDATE, UNSET)

UPDATES = ("set", "set_once", "add", "unset")

OLDEST = datetime(1, 1, 1, tzinfo=UTC)
"""In place of the instant of what is always known."""

DIGITS = 9
"""Sums are rounded to so many digits, so that the order of what is summed is not seen in the last ones."""


def without_idle(records: Mapping[str, ir.Table]) -> dict[str, ir.Table]:
    """The records without the columns about changes, where no record of a source changes anything.

    It looks at the records, so that what few need costs nobody else.
    """
    return {
        name: table.drop(*CHANGES) if UPDATE in table.columns and not _is_changed(table) else table
        for name, table in records.items()
    }


def _is_changed(records: ir.Table) -> bool:
    found: int = records.filter(records[UPDATE].notnull()).limit(1).count().to_pyarrow().as_py()
    return found > 0


def competing(rows: ir.Table, traits: Iterable[str]) -> ir.Table:
    """Rows whose traits are the values that compete.

    rows    : ``profile_id``, ``_source``, ``known_at``, ``_update``, ``_unset``, the traits
    returns : likewise, with ``_at`` and, of each trait that is a number, ``_added_<trait>``
    """
    traits = list(traits)
    numbers = [trait for trait in traits if rows[trait].type().is_numeric()]
    rows = rows.mutate(_at=ibis.coalesce(rows.known_at, ibis.literal(OLDEST)))
    taken_back = {trait: rows[UNSET].contains(f"|{trait}|").fill_null(False) for trait in traits}
    rows = rows.mutate(
        **{
            f"_since_{trait}": is_so.ifelse(rows["_at"], None).max().over(group_by=["profile_id", "_source"])
            for trait, is_so in taken_back.items()
        }
    )
    update = rows[UPDATE].fill_null("set")
    changes: dict[str, ir.Value] = {}
    for trait in traits:
        stands = (rows["_at"] >= rows[f"_since_{trait}"]).fill_null(True)
        changes[trait] = (stands & (update == "set")).ifelse(rows[trait], None)
        changes[f"_once_{trait}"] = (stands & (update == "set_once")).ifelse(rows[trait], None)
        if trait in numbers:
            changes[f"_added_{trait}"] = (stands & (update == "add")).ifelse(rows[trait], None)
    rows = rows.mutate(**changes)
    firsts: dict[str, ir.Value] = {}
    for trait in traits:
        firsts[f"_n_{trait}"] = rows[trait].count().over(group_by="profile_id")
        for what in ("once", "added") if trait in numbers else ("once",):
            instant = rows[f"_{what}_{trait}"].notnull().ifelse(rows["_at"], None)
            firsts[f"_first_{what}_{trait}"] = instant.min().over(group_by="profile_id")
    rows = rows.mutate(**firsts)
    values = {}
    for trait in traits:
        first = rows[f"_first_once_{trait}"]
        counts = (rows[f"_n_{trait}"] == 0) & (rows["_at"] == first)
        if trait in numbers:
            counts &= (first <= rows[f"_first_added_{trait}"]).fill_null(True)
        values[trait] = counts.fill_null(False).ifelse(rows[f"_once_{trait}"], rows[trait])
    kept = [name for name in rows.columns if not name.startswith(("_since_", "_once_", "_n_", "_first_", *CHANGES))]
    return rows.mutate(**values).select(kept)


def with_what_was_added(rows: ir.Table, standing: Mapping[str, ir.Value]) -> ir.Table:
    """Per profile the surviving value of each column, with what was added to it since.

    rows     : as :func:`competing` gives them
    standing : column → its value in the rows in which one of them survives, the smallest
    """
    added = [name for name in standing if f"_added_{name}" in rows.columns]
    since = {
        f"_base_{name}": standing[name].notnull().ifelse(rows["_at"], None).max().over(group_by="profile_id")
        for name in added
    }
    rows = rows.mutate(**{f"_stands_{name}": value for name, value in standing.items()}, **since)
    values: dict[str, ir.Value] = {name: rows[f"_stands_{name}"].min() for name in standing}
    for name in added:
        is_later = (rows["_at"] >= rows[f"_base_{name}"]).fill_null(True)
        total = is_later.ifelse(rows[f"_added_{name}"], None).sum()
        sum_ = (values[name].fill_null(0) + total).round(DIGITS).cast(rows[name].type())
        values[name] = total.isnull().ifelse(values[name], sum_)
    return rows.group_by("profile_id").agg(**values)
