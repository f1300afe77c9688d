"""Memberships: who is in which segment, since when, and what changed from one run to the next."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ibis
import ibis.expr.operations as ops
import ibis.expr.types as ir
import pyarrow as pa

from facette.clock import Moment
from facette.definitions.language import tree
from facette.warehouse.compiler import balanced, compile_rule, instant


def wide_row(features: ir.Table, scored: ir.Table) -> ir.Table:
    """The row that rules are evaluated on: features and what the models made of them."""
    right = scored.rename(_scored="profile_id")
    return features.join(right, features.profile_id == right._scored).drop("_scored")


def wide_memberships(row: ir.Table, rules: Mapping[str, tree.Checked], moment: Moment) -> ir.Table:
    """Every segment of every profile, as one wide boolean table.

    row     : profile_id and every column that the rules name
    rules   : segment → checked rule, a segment after those it refers to
    returns : profile_id, one boolean per segment
    cost    : one scan, whatever the number of rules
    """
    table = row
    *below, last = _levels(rules) or [[]]
    for group in below:
        table = table.mutate(**_compiled(group, rules, table, moment))
    columns = {name: table[name] for group in below for name in group} | _compiled(last, rules, table, moment)
    # `select` looks for windows in each column, one by one, which is half of the work; a rule has none
    return ops.Project(table, {"profile_id": table.profile_id, **{name: columns[name] for name in rules}}).to_expr()


def _compiled(
    names: Sequence[str], rules: Mapping[str, tree.Checked], row: ir.Table, moment: Moment
) -> dict[str, ir.BooleanValue]:
    return {name: compile_rule(rules[name].rule, row, moment) for name in names}  # type: ignore[arg-type]


def member_since(wide: ir.Table, before: ir.Table, segments: Sequence[str], moment: Moment) -> ir.Table:
    """Since when everybody is a member of every segment.

    wide    : profile_id, one boolean per segment
    before  : profile_id, one instant per segment, as this function made it at the run before; segments may be missing
    returns : profile_id, one instant per segment: kept for whoever stayed, now for whoever entered, null for others
    """
    then = _then(before, segments)
    joined = wide.left_join(then, wide.profile_id == then._profile_id)
    now = instant(moment.as_of)
    return joined.select(
        "profile_id",
        **{
            name: ibis.ifelse(joined[name], joined[f"_then_{name}"].fill_null(now), ibis.null(now.type()))
            for name in segments
        },
    )


def changes(wide: ir.Table, before: ir.Table, segments: Sequence[str], *, run: str, moment: Moment) -> ir.Table:
    """Who entered and who left each segment.

    wide, before : as in :func:`member_since`; whoever is in one of them only is in no segment of the other
    returns      : profile_id, segment, change ("entered" | "left"), at, run
    """
    are = _packed(wide, [wide[name] for name in segments], "is")
    were = _packed(before, [_was_member(before, name) for name in segments], "was")
    joined = are.outer_join(were, are.is_id == were.was_id)
    parts = []
    for number, names in enumerate(_numbers(segments)):
        is_in, was_in = joined[f"is_{number}"].fill_null(0), joined[f"was_{number}"].fill_null(0)
        profile_id = ibis.coalesce(joined.is_id, joined.was_id)
        movers = joined.select(profile_id=profile_id, is_in=is_in, moved=is_in ^ was_in).filter(ibis._.moved != 0)
        bits = {"segment": pa.array(names, pa.string()), "bit": pa.array(BITS[: len(names)], pa.int64())}
        each = movers.cross_join(ibis.memtable(pa.table(bits)))
        parts.append(each.filter(each.moved & each.bit != 0))
    rows = ibis.union(*parts) if len(parts) > 1 else parts[0]
    return rows.select(
        "profile_id",
        "segment",
        change=ibis.ifelse(rows.is_in & rows.bit != 0, "entered", "left"),
        at=instant(moment.as_of),
        run=ibis.literal(run),
    )


BITS = [1 << place for place in range(63)]
"""The bits of a number of 64 but for its sign: memberships as bits join at a fraction of the cost of columns."""


def _numbers(items: Sequence[Any]) -> list[Sequence[Any]]:
    """The items that share a number; at least one number, if of none."""
    return [items[start : start + len(BITS)] for start in range(0, max(len(items), 1), len(BITS))]


def _packed(table: ir.Table, members: Sequence[ir.BooleanValue], name: str) -> ir.Table:
    """``<name>_id``, the profile, and ``<name>_0`` …: the numbers whose bits say what it is a member of."""
    columns: dict[str, ir.Value] = {f"{name}_id": table.profile_id}
    for number, flags in enumerate(_numbers(members)):
        bits = [ibis.ifelse(flag, ibis.literal(bit, "int64"), 0) for flag, bit in zip(flags, BITS, strict=False)]
        columns[f"{name}_{number}"] = balanced(operator.add, [ibis.literal(0, "int64"), *bits])
    return table.select(**columns)


def _was_member(before: ir.Table, segment: str) -> ir.BooleanValue:
    return before[segment].notnull() if segment in before.columns else ibis.literal(False)


def _then(before: ir.Table, segments: Sequence[str]) -> ir.Table:
    """``before`` under names that do not clash with those of now, with a column for every segment."""
    never = ibis.null("timestamp('UTC', 6)")
    columns = {f"_then_{name}": before[name] if name in before.columns else never for name in segments}
    return before.select(_profile_id="profile_id", **columns)


def replayed(history: ir.Table, segments: Sequence[str]) -> ir.Table:
    """Since when everybody is a member, by a history of changes.

    history : profile_id, segment, change, at, run (of two runs at one instant the later one counts)
    returns : profile_id, one instant per segment
    """
    order = ibis.struct({"at": history["at"], "run": history.run})
    latest = history.group_by("profile_id", "segment").agg(
        change=history.change.argmax(order), entered_at=history["at"].max()
    )
    entered = latest.filter(latest.change == "entered")
    return entered.group_by("profile_id").agg(
        **{name: entered.entered_at.max(where=entered.segment == name) for name in segments}
    )


def remapped(before: ir.Table, merged: ir.Table) -> ir.Table:
    """Earlier memberships under today's profile ids: those of a profile that was merged follow it.

    before  : profile_id, one instant per segment
    merged  : old_id, new_id
    returns : the same columns (the earliest instant, where both were members)
    """
    joined = before.left_join(merged, before.profile_id == merged.old_id)
    segments = [name for name in before.columns if name != "profile_id"]
    renamed = joined.select(*segments, profile_id=ibis.coalesce(joined.new_id, joined.profile_id))
    return renamed.group_by("profile_id").agg(**{name: renamed[name].min() for name in segments})


def sizes(
    wide: ir.Table,
    changed: ir.Table,
    *,
    segments: Sequence[str],
    run: str,
    moment: Moment,
    causes: Causes | None = None,
) -> ir.Table:
    """How many members each segment has, and how many came, stayed and went in this run.

    wide    : profile_id, one boolean per segment; a row for everybody
    changed : profile_id, segment, change
    causes  : why those of segments that were redefined came and went
    returns : run, as_of, segment, members, population, entered, stayed, left, and of redefined segments (null of
              others) entered_by_definition, left_by_definition, entered_by_events, left_by_events
    """
    counts = wide.aggregate([wide.count().name("_all"), *(wide[name].sum().name(name) for name in segments)])
    counted = counts.to_pyarrow().to_pylist()[0]
    members = pa.array([counted[name] or 0 for name in segments], pa.int64())
    joined = _moved(ibis.memtable(pa.table({"name": pa.array(segments, pa.string()), "members": members})), changed, "")
    entered = joined.entered.fill_null(0)
    why = dict.fromkeys(CAUSES, ibis.null("int64"))
    if causes is not None:
        joined = _moved(_moved(joined, causes.definition, "_by_definition"), causes.events, "_by_events")
        is_redefined = joined.name.isin([*causes.segments])
        why = {name: ibis.ifelse(is_redefined, joined[name].fill_null(0), ibis.null("int64")) for name in CAUSES}
    return joined.select(
        run=ibis.literal(run),
        as_of=instant(moment.as_of),
        segment=joined.name,
        members=joined.members,
        population=ibis.literal(counted["_all"], "int64"),
        entered=entered,
        stayed=joined.members - entered,
        left=joined.left.fill_null(0),
        **why,
    )


CAUSES = ("entered_by_definition", "left_by_definition", "entered_by_events", "left_by_events")


@dataclass(frozen=True)
class Causes:
    """Why memberships of redefined segments changed: first by events and time, then by definition.

    segments   : those that were redefined
    events     : from the members before to those that the definitions before would have now; as ``changes``
    definition : from those to the members now; as ``changes``
    """

    segments: tuple[str, ...]
    events: ir.Table
    definition: ir.Table


def _moved(sizes: ir.Table, changed: ir.Table, suffix: str) -> ir.Table:
    """``sizes`` (with ``name``) and how many entered and left each segment, null where nobody did."""
    moved = changed.group_by("segment").agg(
        **{
            f"entered{suffix}": changed.change.nullif("left").count(),
            f"left{suffix}": changed.change.nullif("entered").count(),
        }
    )
    return sizes.left_join(moved, sizes.name == moved.segment).drop("segment")


def _levels(rules: Mapping[str, tree.Checked]) -> list[list[str]]:
    """Segments grouped so that each group refers only to earlier ones."""
    depth: dict[str, int] = {}
    groups: dict[int, list[str]] = {}
    for name, checked in rules.items():
        depth[name] = 1 + max((depth[other] for other in checked.segments), default=0)
        groups.setdefault(depth[name], []).append(name)
    return [groups[level] for level in sorted(groups)]
