"""What the worth of segments takes besides memberships: cuts drawn again, the history, the measure of an experiment."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from math import inf
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from facette.definitions.validation import Experiment
from facette.models.clusters.fitted import NOBODY, FittedClusters
from facette.models.fitted import FittedModel
from facette.models.kinds import stored
from facette.models.matrix import to_matrix
from facette.models.scores import FittedPropensity
from facette.segments.membership import wide_row
from facette.stages.redrawn import Redrawn, redrawn_cuts
from facette.stages.work import Work
from facette.validation.experiment import Readable, is_too_large, needed_for_means, needed_for_shares, readable
from facette.validation.masks import segments_of
from facette.validation.stability import (
    Stability,
    drawn_memberships,
    followed,
    over_draws,
    over_groups,
    together,
)
from facette.validation.worth import worth
from facette.warehouse.compiler import visible

SAMPLE = 3_000
"""Profiles among whom the rules are evaluated with cuts drawn again."""


def worth_of_segments(work: Work, wide: pa.Table, row: pa.Table, found: Mapping[str, pa.Table]) -> pa.Table:
    """The table ``worth``.

    wide  : profile_id, one boolean per segment;  row: the same profiles with their features and what models say
    found : ``verdicts``, ``effects`` and ``overlaps`` of this run
    """
    definitions, validation = work.definitions, work.project.validation
    follows = followed(definitions)
    models = [item.name for item in work.project.models]
    sizes = sorted(work.table("sizes").to_pyarrow().to_pylist(), key=lambda size: (size["as_of"], size["run"]))
    asked = validation.experiment
    return worth(
        found["verdicts"],
        found["effects"],
        found["overlaps"],
        validation,
        parents={item.name: item.parent for item in work.project.segments},
        follows={name: sorted(names) for name, names in follows.items()},
        models=models,
        stability=_stability(work, wide, row, follows),
        sizes=sizes,
        experiments=_experiments(work, wide, row, sizes, asked) if asked else {},
    )


# ── stability ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _stability(
    work: Work, wide: pa.Table, row: pa.Table, follows: Mapping[str, frozenset[str]]
) -> dict[str, Stability | None]:
    """Segment → how it fares when what it follows is drawn again: cuts and what models say together, and groups.

    Segments that follow nothing are not looked at, nor those that follow a model which is not fitted or has no refits.
    """
    fitted = {item["name"]: stored(item) for item in work.table("models").to_pyarrow().to_pylist()}
    clusterings = {name: item for name, item in fitted.items() if isinstance(item, FittedClusters)}
    models = {item.name for item in work.project.models}
    told = {name for name, item in fitted.items() if not isinstance(item, FittedPropensity) or item.metrics.spread}
    wanted = {name: names for name, names in follows.items() if names & models <= told and names}
    if not wanted or not wide.num_rows:
        return {}
    members = dict(segments_of(wide.select(["profile_id", *wanted])))
    parts: dict[str, list[Stability | None]] = {name: [] for name in wanted}
    for name, names in wanted.items():
        for clustering in sorted(names & clusterings.keys()):
            known = {item.number: item.stability for item in clusterings[clustering].metrics.profile}
            numbers = row[clustering].fill_null(NOBODY).to_numpy()
            parts[name].append(over_groups(members[name], numbers, known))
    redrawn = {name: names - clusterings.keys() for name, names in wanted.items() if names - clusterings.keys()}
    for name, found in _over_draws(work, wide, row, redrawn, members, fitted).items():
        parts[name].append(found)
    return {name: together(found) for name, found in parts.items()}


def _over_draws(
    work: Work,
    wide: pa.Table,
    row: pa.Table,
    wanted: Mapping[str, frozenset[str]],
    members: Mapping[str, np.ndarray],
    fitted: Mapping[str, FittedModel],
) -> dict[str, Stability | None]:
    """The segments wanted, with the cuts that they follow drawn again and the models refitted, among some profiles."""
    if not wanted:
        return {}
    names = frozenset().union(*wanted.values())
    places = np.arange(min(SAMPLE, wide.num_rows)) * wide.num_rows // min(SAMPLE, wide.num_rows)
    table = wide_row(work.table("features"), work.table("scored"))
    drawn = Redrawn(work, table, row, places, redrawn_cuts(work, wide, row, names))
    random = np.random.default_rng(0)
    for item in work.definitions.models:
        if item.name in names:
            drawn.add(item, fitted[item.name], random)
    looked_at = [name for name, follows in wanted.items() if not follows & drawn.failed]
    memberships = drawn_memberships(
        table,
        work.plan_of_features,
        work.definitions.rules_below(looked_at),
        drawn.cuts,
        drawn.profiles,
        work.moment,
        drawn.columns,
    )
    found = {name: over_draws(members[name][places], memberships[name]) for name in looked_at}
    return {name: found.get(name) for name in wanted}


# ── experiments ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _experiments(
    work: Work, wide: pa.Table, row: pa.Table, sizes: list[dict[str, Any]], asked: Experiment
) -> dict[str, Readable]:
    per_day = entries_per_day(work.optional("changes"), sizes, work.moment.as_of)
    measure = _measure(work, row, asked)
    found = {}
    for name, mask in segments_of(wide):
        needed, why_never = _needed(measure[mask], asked)
        found[name] = readable(needed, int(mask.sum()), per_day.get(name), asked, why_never=why_never)
    return found


def _measure(work: Work, row: pa.Table, asked: Experiment) -> np.ndarray:
    """What the test is about, of everybody: the KPI, or 1 for whoever did the event in the last ``days``, and 0.

    The window is that of a rule, ``DID event IN THE LAST n DAYS``.
    """
    if asked.kpi is not None:
        return to_matrix(row, [asked.kpi])[:, 0]
    if asked.event is None:
        return np.full(row.num_rows, asked.rate)
    events = work.events(asked.event)
    since = work.moment.day_ago(asked.days, "day")
    did = events.filter(visible(events, work.moment) & (events.day >= since)).select("profile_id").distinct()
    is_in = pc.is_in(row["profile_id"], value_set=did.to_pyarrow()["profile_id"].combine_chunks())
    return is_in.to_numpy(zero_copy_only=False).astype(float)


def _needed(values: np.ndarray, asked: Experiment) -> tuple[float, str]:
    """How many people it takes, and why it is so if infinitely many."""
    known = values[~np.isnan(values)]
    if len(known) < 2 and asked.rate is None:
        return inf, "constant"
    if asked.kpi is not None:
        return needed_for_means(float(known.mean()), float(known.var(ddof=1)), asked), "constant"
    share = asked.rate if asked.rate is not None else float(known.mean())
    return needed_for_shares(share, asked), "large" if is_too_large(share, asked) else "constant"


def entries_per_day(changes: ir.Table | None, sizes: list[dict[str, Any]], now: datetime) -> dict[str, float]:
    """Segment → how many people entered it a day who had not entered before within its history.

    changes : profile_id, segment, change, at, run;  sizes: the rows of ``sizes``, oldest first
    The history of a segment begins with its first run, or with the last one that redefined it, and what that run
    brought does not count. Without a day of history a segment is left out.
    """
    began: dict[str, datetime] = {}
    for size in sizes:
        if size["segment"] not in began or size.get("entered_by_definition") is not None:
            began[size["segment"]] = size["as_of"]
    days = {name: (now - at).total_seconds() / 86_400 for name, at in began.items()}
    if changes is None or not any(span >= 1 for span in days.values()):
        return {}
    start = ibis.memtable(
        {"name": [*began], "began": [*began.values()]}, schema={"name": "string", "began": "timestamp('UTC', 6)"}
    )
    since = changes.filter(changes.change == "entered").join(start, changes.segment == start.name)
    counted = since.filter(since["at"] > since.began).group_by("segment").agg(n=since.profile_id.nunique())
    counts = {row["segment"]: row["n"] for row in counted.to_pyarrow().to_pylist()}
    return {name: counts.get(name, 0) / span for name, span in days.items() if span >= 1}
