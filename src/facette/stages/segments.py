"""Segments and validation: every rule for everybody, what changed, and whether the groups are worth having."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from facette.definitions.model import Label
from facette.definitions.project import Definitions
from facette.definitions.redefined import redefined, rule_version, same_features
from facette.errors import FacetteError
from facette.models.clusters.fitted import FittedClusters
from facette.plan import Step, as_published
from facette.segments import membership
from facette.segments.evaluation import Known, evaluated
from facette.segments.membership import wide_row
from facette.stages.work import Work
from facette.stages.worth import worth_of_segments
from facette.validation.effects import effects
from facette.validation.gate import Gate, segment_gate
from facette.validation.portraits import overlaps, portraits
from facette.validation.verdicts import segment_verdicts


def segments(step: Step, work: Work) -> int:
    """Every rule → ``wide``, ``member_since``, ``changes`` and ``sizes``."""
    rules = work.definitions.rules
    names = tuple(rules)
    row = wide_row(work.table("features"), work.table("scored"))
    work.replace("wide", membership.wide_memberships(row, rules, work.moment))
    _stop_at_the_gate(work)
    wide, before = work.table("wide"), _members_before(work)
    causes = _causes(work, wide, before)
    work.replace("member_since", membership.member_since(wide, before, names, work.moment))
    changed = membership.changes(wide, before, names, run=work.draft.run, moment=work.moment)
    sizes = membership.sizes(
        wide,
        work.draft.append(work.con, "changes", changed),
        segments=names,
        run=work.draft.run,
        moment=work.moment,
        causes=causes,
    )
    sizes = work.draft.append(work.con, "sizes", sizes)
    return sizes.members.sum().to_pyarrow().as_py() or 0


def _members_before(work: Work) -> ir.Table:
    """The memberships to compare with: profile_id, one instant per segment."""
    before = work.optional("member_since")
    if work.previous is not None and work.previous.moment.as_of > work.moment.as_of:
        when = f"{work.moment.local:%Y-%m-%d %H:%M}"
        work.warnings.append(f"This run lies before the published one: the history after {when} is forgotten.")
        for name, instant in (("changes", "at"), ("sizes", "as_of")):  # time goes back: what came later is forgotten
            table = work.optional(name)
            if table is not None:
                work.replace(name, table.filter(table[instant] <= work.moment.as_of))
        before = None
    if before is None and work.optional("changes") is not None:
        before = work.temporary(membership.replayed(work.table("changes"), tuple(work.definitions.rules)))
    if before is None:
        return work.con.create_table("no_members", schema=ibis.schema({"profile_id": "int64"}), temp=True)
    merged = work.temporary(_merged_ever(work.table("identities")))
    if not merged.count().to_pyarrow().as_py():
        return before
    return work.temporary(membership.remapped(before, merged))


def _causes(work: Work, wide: ir.Table, before: ir.Table) -> membership.Causes | None:
    """Why memberships of redefined segments changed; None if none was redefined, or if that cannot be known.

    wide   : profile_id, one boolean per segment
    before : profile_id, one instant per segment
    """
    then = as_published(work.definitions, work.previous) if work.previous else None
    if then is None or work.previous is None:
        return None
    work.redefined = redefined(work.definitions, then)
    if not work.redefined:
        return None
    names = tuple(work.redefined)
    known = Known(
        work.moment, _unchanged(work, then), work.events, _models_of(then, work), work.temporary, work.past.rows_at
    )
    old = [name for name in names if name in then.rules]
    none = {name: ibis.literal(False) for name in names if name not in old}
    meanwhile = work.temporary(evaluated(known, then, old).mutate(**none))
    since = membership.member_since(meanwhile, before, names, work.moment)
    events = membership.changes(meanwhile, before, names, run=work.draft.run, moment=work.moment)
    definition = membership.changes(wide, since, names, run=work.draft.run, moment=work.moment)
    return membership.Causes(names, events, definition)


def _unchanged(work: Work, then: Definitions) -> ir.Table:
    """Counted profiles with the features that are what they were by other definitions, and every aggregate."""
    changed = set(work.definitions.features) - same_features(work.definitions, then)
    return work.table("features").drop(*changed).mutate(is_counted=True)


def _models_of(then: Definitions, work: Work) -> dict[str, dict[str, Any]]:
    """Model → its row of ``models``: as it was fitted for the definitions of the run before, where it was changed."""
    assert work.previous is not None
    before = work.store.optional_table(work.con, work.previous, "models")
    fitted = {row["name"]: row for row in before.to_pyarrow().to_pylist()} if before is not None else {}
    for row in work.table("models").to_pyarrow().to_pylist():
        is_there = any(item.name == row["name"] for item in then.project.models)
        if is_there and row["fingerprint"] == then.model_fingerprint(row["name"]):
            fitted[row["name"]] = row
    return fitted


def _merged_ever(identities: ir.Table) -> ir.Table:
    """old_id, new_id of the profiles that have become part of another one, in whatever run."""
    profiles = identities.select("profile_id").distinct()
    moved = identities.filter(identities.first_id != identities.profile_id)
    gone = moved.anti_join(profiles, moved.first_id == profiles.profile_id)
    return gone.group_by(old_id=gone.first_id).agg(new_id=gone.profile_id.min())


# ── validation and the gate ─────────────────────────────────────────────────────────────────────────────────────────


class SegmentsHeldError(FacetteError):
    """Definitions of segments are held back: what is to be computed are those before.

    judged : segment → why, and the version that is held
    """

    def __init__(self, judged: Mapping[str, tuple[Gate, str]]) -> None:
        super().__init__(f"Segments are held back: {', '.join(judged)}.")
        self.judged = judged


def _stop_at_the_gate(work: Work) -> None:
    """Raise SegmentsHeldError if new or changed definitions fail the checks, and the project asks to hold such.

    A segment whose own definition is as before is never held: its members follow its rule, whatever its verdict.
    """
    policy = work.project.validation.gate.segments
    if policy == "publish":
        return
    then = as_published(work.definitions, work.previous) if work.previous else None
    old = then.rules if then else {}
    versions = {
        name: rule_version(name, work.definitions)
        for name, checked in work.definitions.rules.items()
        if name not in old or repr(old[name].rule) != repr(checked.rule)
    }
    if not versions:
        return
    wide, row = _everybody(work)
    verdicts = segment_verdicts(
        wide, row, work.project.validation, found=_effects(work, wide, row), labels=_labels(work)
    )
    judged = {item["name"]: segment_gate(item) for item in verdicts.to_pylist()}
    held = {
        name: (judged[name], version)
        for name, version in versions.items()
        if not judged[name].is_open and not (policy == "ask" and work.is_approved(name, version))
    }
    if held:
        raise SegmentsHeldError(held)


def validation(step: Step, work: Work) -> int:
    """Are the segments worth having, what are they like, who is in two → ``verdicts``, ``effects``, ``portraits``,
    ``overlaps``, ``worth``."""
    definitions = work.definitions
    known = definitions.vocabulary.columns
    types = {name: known[name].type for name in (*definitions.traits, *definitions.features)}
    wide, row = _everybody(work)
    clusterings = _clusterings(work)
    grouped = wide
    for item in clusterings:
        grouped = grouped.append_column(item.name, row[item.name])
    found = _effects(work, wide, row)
    tables = {
        "verdicts": segment_verdicts(
            wide, row, work.project.validation, found=found, clusterings=clusterings, labels=_labels(work)
        ),
        "effects": found,
        "portraits": portraits(grouped, row, types),
        "overlaps": overlaps(grouped),
    }
    tables["worth"] = worth_of_segments(work, wide, row, tables)
    return sum(work.replace(name, table) for name, table in tables.items())


def _everybody(work: Work) -> tuple[pa.Table, pa.Table]:
    """Memberships, and what is known of everybody: traits, features, KPIs and what models say; in one order."""
    read = {*work.definitions.traits, *work.definitions.features, *work.project.validation.every_kpi}
    read |= {item.name for item in work.project.models}
    row = wide_row(work.table("features"), work.table("scored"))
    row = row.select("profile_id", *(name for name in row.columns if name in read)).to_pyarrow().sort_by("profile_id")
    return work.table("wide").to_pyarrow().sort_by("profile_id"), row


def _clusterings(work: Work) -> list[FittedClusters]:
    return [
        FittedClusters.from_json(fitted["parameters"], fitted["metrics"])
        for fitted in work.table("models").to_pyarrow().to_pylist()
        if fitted["kind"] == "clusters"
    ]


def _effects(work: Work, wide: pa.Table, row: pa.Table) -> pa.Table:
    parents = {item.name: item.parent for item in work.project.segments}
    clusterings = [item.name for item in _clusterings(work)]
    return effects(wide, row, work.project.validation, parents=parents, clusterings=clusterings)


def _labels(work: Work) -> dict[str, Label]:
    return {item.name: item.label for item in (*work.project.features, *work.project.models)}
