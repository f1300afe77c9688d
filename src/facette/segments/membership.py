"""Memberships: who is in which segment, since when, and what changed from one run to the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir

from facette.clock import Moment
from facette.definitions.language import tree
from facette.warehouse.compiler import compile_rule, instant


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
    for group in _levels(rules):
        table = table.mutate(**{name: compile_rule(rules[name].rule, table, moment) for name in group})  # type: ignore[arg-type]
    return table.select("profile_id", *rules)


def members(wide: ir.Table, segments: tuple[str, ...]) -> ir.Table:
    """The wide table as one row per member: profile_id, segment."""
    if not segments:
        return wide.select("profile_id", segment=ibis.literal("")).limit(0)
    rows = wide.pivot_longer([*segments], names_to="segment", values_to="is_member")
    return rows.filter(rows.is_member).select("profile_id", "segment")


def compared(now: ir.Table, before: ir.Table) -> ir.Table:
    """Everybody who is or was in a segment.

    now     : profile_id, segment
    before  : profile_id, segment, entered_at
    returns : profile_id, segment, is_member, was_member, entered_at (null for whoever was not)
    """
    then = before.select(_profile="profile_id", _segment="segment", entered_at="entered_at")
    joined = now.outer_join(then, (now.profile_id == then._profile) & (now.segment == then._segment))
    return joined.select(
        profile_id=ibis.coalesce(joined.profile_id, joined._profile),
        segment=ibis.coalesce(joined.segment, joined._segment),
        is_member=joined.profile_id.notnull(),
        was_member=joined._profile.notnull(),
        entered_at=joined.entered_at,
    )


def memberships(both: ir.Table, moment: Moment) -> ir.Table:
    """Who is a member, and since when.

    both    : as ``compared`` makes it
    returns : profile_id, segment, entered_at (kept for whoever stayed)
    """
    now = both.filter(both.is_member)
    return now.select("profile_id", "segment", entered_at=now.entered_at.fill_null(instant(moment.as_of)))


def changes(both: ir.Table, *, run: str, moment: Moment) -> ir.Table:
    """Who entered and who left each segment.

    both    : as ``compared`` makes it
    returns : profile_id, segment, change ("entered" | "left"), at, run
    """
    moved = both.filter(both.is_member != both.was_member)
    return moved.select(
        "profile_id",
        "segment",
        change=ibis.ifelse(moved.is_member, "entered", "left"),
        at=instant(moment.as_of),
        run=ibis.literal(run),
    )


def replayed(history: ir.Table) -> ir.Table:
    """The memberships that a history of changes leads to.

    history : profile_id, segment, change, at, run (of two runs at one instant the later one counts)
    returns : profile_id, segment, entered_at
    """
    order = ibis.struct({"at": history["at"], "run": history.run})
    latest = history.group_by("profile_id", "segment").agg(
        change=history.change.argmax(order), entered_at=history["at"].max()
    )
    return latest.filter(latest.change == "entered").drop("change")


def remapped(before: ir.Table, merged: ir.Table) -> ir.Table:
    """Earlier memberships under today's profile ids: those of a profile that was merged follow it.

    before  : profile_id, segment, entered_at
    merged  : old_id, new_id
    returns : profile_id, segment, entered_at (the earliest, where both were members)
    """
    joined = before.left_join(merged, before.profile_id == merged.old_id)
    renamed = joined.select("segment", "entered_at", profile_id=ibis.coalesce(joined.new_id, joined.profile_id))
    return renamed.group_by("profile_id", "segment").agg(entered_at=renamed.entered_at.min())


def sizes(
    now: ir.Table,
    changed: ir.Table,
    *,
    segments: tuple[str, ...],
    population: int,
    run: str,
    moment: Moment,
    causes: Causes | None = None,
) -> ir.Table:
    """How many members each segment has, and how many came, stayed and went in this run.

    now     : profile_id, segment
    changed : profile_id, segment, change
    causes  : why those of segments that were redefined came and went
    returns : run, as_of, segment, members, population, entered, stayed, left, and of redefined segments (null of
              others) entered_by_definition, left_by_definition, entered_by_events, left_by_events
    """
    names = ibis.memtable({"name": list(segments)}, schema={"name": "string"})
    counted = now.group_by("segment").agg(members=now.count())
    joined = names.left_join(counted, names.name == counted.segment).drop("segment")
    joined = _moved(joined, changed, "")
    n_members, entered = joined.members.fill_null(0), joined.entered.fill_null(0)
    why = dict.fromkeys(CAUSES, ibis.null("int64"))
    if causes is not None:
        joined = _moved(_moved(joined, causes.definition, "_by_definition"), causes.events, "_by_events")
        is_redefined = joined.name.isin([*causes.segments])
        why = {name: ibis.ifelse(is_redefined, joined[name].fill_null(0), ibis.null("int64")) for name in CAUSES}
    return joined.select(
        run=ibis.literal(run),
        as_of=instant(moment.as_of),
        segment=joined.name,
        members=n_members,
        population=ibis.literal(population, "int64"),
        entered=entered,
        stayed=n_members - entered,
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
