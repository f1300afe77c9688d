"""Segments and validation: every rule for everybody, what changed, and whether the groups are worth having."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from facette.plan import Step
from facette.segments import membership
from facette.segments.clusters import FittedKMeans
from facette.segments.membership import wide_row
from facette.stages.work import Work
from facette.validation.portraits import overlaps, portraits
from facette.validation.verdicts import segment_verdicts


def segments(step: Step, work: Work) -> int:
    """Every rule → ``wide``, ``memberships``, ``changes`` and ``sizes``."""
    rules = work.definitions.rules
    names = tuple(rules)
    row = wide_row(work.table("features"), work.table("scored"))
    work.replace("wide", membership.wide_memberships(row, rules, work.moment))
    wide = work.table("wide")
    members = membership.members(wide, names)
    before = _memberships_before(work)
    changed = membership.changes(members, before, run=work.draft.run, moment=work.moment)
    work.replace("memberships", membership.memberships(members, before, work.moment))
    changed = work.draft.append(work.con, "changes", changed)
    population = wide.count().to_pyarrow().as_py()
    now = work.table("memberships")
    sizes = membership.sizes(
        now, changed, segments=names, population=population, run=work.draft.run, moment=work.moment
    )
    work.draft.append(work.con, "sizes", sizes)
    return work.draft.snapshot.rows["memberships"]


def _memberships_before(work: Work) -> ir.Table:
    """The memberships to compare with: profile_id, segment, entered_at, of segments that still exist."""
    if work.previous is not None and work.previous.moment.as_of > work.moment.as_of:
        when = f"{work.moment.local:%Y-%m-%d %H:%M}"
        work.warnings.append(f"This run lies before the published one: the history after {when} is forgotten.")
        for name, instant in (("changes", "at"), ("sizes", "as_of")):  # time goes back: what came later is forgotten
            table = work.optional(name)
            if table is not None:
                work.replace(name, table.filter(table[instant] <= work.moment.as_of))
        before = membership.replayed(work.table("changes"))
    else:
        before = work.optional("memberships")
    if before is None:
        schema = {"profile_id": "int64", "segment": "string", "entered_at": "timestamp('UTC', 6)"}
        return work.con.create_table("no_memberships", schema=ibis.schema(schema), temp=True)
    before = before.filter(before.segment.isin([*work.definitions.rules, ""]))
    return membership.remapped(before, _merged_ever(work.table("identities")))


def _merged_ever(identities: ir.Table) -> ir.Table:
    """old_id, new_id of the profiles that have become part of another one, in whatever run."""
    profiles = identities.select("profile_id").distinct()
    gone = identities.anti_join(profiles, identities.first_id == profiles.profile_id)
    return gone.group_by(old_id=gone.first_id).agg(new_id=gone.profile_id.min())


def validation(step: Step, work: Work) -> int:
    """Are the segments worth having, what are they like, who is in two → ``verdicts``, ``portraits``, ``overlaps``."""
    definitions = work.definitions
    wide = work.table("wide").to_pyarrow().sort_by("profile_id")
    row = wide_row(work.table("features"), work.table("scored")).to_pyarrow().sort_by("profile_id")
    clusterings = [
        FittedKMeans.from_json(fitted["parameters"], fitted["metrics"])
        for fitted in work.table("models").to_pyarrow().to_pylist()
        if fitted["kind"] == "kmeans"
    ]
    labels = {item.name: item.label for item in (*work.project.features, *work.project.models)}
    judged = segment_verdicts(wide, row, work.project.validation, clusterings=clusterings, labels=labels)
    for item in clusterings:
        wide = wide.append_column(item.name, row[item.name])
    known = definitions.vocabulary.columns
    types = {name: known[name].type for name in (*definitions.traits, *definitions.features)}
    tables = {"verdicts": judged, "portraits": portraits(wide, row, types), "overlaps": overlaps(wide)}
    return sum(
        work.replace(name, work.con.create_table(f"{name}_now", table, temp=True)) for name, table in tables.items()
    )
