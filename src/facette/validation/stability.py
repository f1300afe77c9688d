"""How stable a segment is: under another sample of the same population, and from one run to the next.

Both are told by the index of Jaccard (1901): of all who are in at least one of two memberships, the share that is in
both; its mean over resamples is how Hennig (2007) tells the stability of a cluster, who calls it doubtful below 0.6,
a pattern from there on, and stable from 0.75, highly so from 0.85.

A segment may follow the population: its rule reads quantile scores or thresholds, whose cuts are computed anew from
everybody. Its cuts are drawn again as if the population had been drawn again (the bootstrap of Efron 1979), and the
rules are evaluated with them on a sample of the profiles. The i-th of n values, drawn again, is the value at a share U
of the order, where U is the i-th of n uniform numbers (David, Nagaraja 2003, chapter 2): so no resample of n values is
ever made. Means are drawn with their standard error. Natural breaks are found among a few resampled values, and their
distance from the mean of all draws is scaled to the size of the population (Bickel, Götze, van Zwet 1997).

It may also follow models. A propensity model keeps how far refits on resamples are from it, and its scores are drawn by
that; values, maps and composites are refitted on resamples (``models/resampling.py``); all of them are drawn together
with the cuts. A clustering keeps the index of each of its groups over resamples; a segment has the mean of those that
its members are in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa

from facette.clock import Moment
from facette.definitions import model
from facette.definitions.language.tree import Checked
from facette.definitions.models import outputs
from facette.definitions.project import Definitions
from facette.features.table import FeaturePlan, recomputed
from facette.features.thresholds import natural_breaks
from facette.segments.membership import wide_memberships

REPLICATES = 40
BREAKS_SAMPLE = 500
"""Values among which natural breaks are searched again; the search takes the square of their number."""
LEAST_MEMBERS = 20
"""With fewer members in the sample an index says nothing."""


@dataclass(frozen=True)
class Stability:
    """Mean of the index of Jaccard over draws or runs, and the middle 95 % of draws, or the least and the most of runs.

    n : how many draws, or pairs of runs
    """

    mean: float
    low: float
    high: float
    n: int


def followed(definitions: Definitions) -> dict[str, frozenset[str]]:
    """Segment → the quantile scores, thresholds and models on which its members depend, however indirectly.

    Those of fixed rules are empty: another population would not move anybody.
    """
    scores = {item.name for item in definitions.project.features if item.quantiles}
    roots = {*scores, *definitions.vocabulary.thresholds, *(item.name for item in definitions.project.models)}
    below: dict[str, frozenset[str]] = {}
    for name in definitions.order:
        below[name] = _below(_reads(definitions, name), below) | ({name} & roots)
    for item in definitions.models:
        below |= dict.fromkeys(outputs(item), _below(definitions.inputs[item.name], below) | {item.name})
    found: dict[str, frozenset[str]] = {}
    for name, checked in definitions.rules.items():
        found[name] = frozenset().union(
            _below(checked.columns, below), *(found.get(other, frozenset()) for other in checked.segments)
        )
    return found


def _reads(definitions: Definitions, name: str) -> Sequence[str]:
    if name in definitions.vocabulary.thresholds:
        return [definitions.threshold(name).of]
    feature = definitions.feature(name)
    score = feature.quantiles or feature.cuts
    checked = definitions.values.get(name)
    return [score.of] if score else sorted(checked.columns) if checked else []


def _below(columns: Sequence[str] | frozenset[str], below: Mapping[str, frozenset[str]]) -> frozenset[str]:
    return frozenset().union(*(below.get(column, frozenset()) for column in columns))


# ── cuts, drawn again ───────────────────────────────────────────────────────────────────────────────────────────────


def drawn_cuts(
    feature: model.Feature | model.Threshold, values: np.ndarray, cuts: Sequence[float], random: np.random.Generator
) -> np.ndarray:
    """The cuts of a score, or the value of a threshold, as they might have been: replicates × cuts.

    values : the known values that they were computed from, in any order
    cuts   : as they are
    """
    if isinstance(feature, model.Feature):
        assert feature.quantiles is not None
        groups = feature.quantiles.groups
        return _quantiles(values, [Fraction(i, groups) for i in range(1, groups)], random)
    if feature.quantile:
        return _quantiles(values, [Fraction(str(feature.quantile.q))], random)
    if feature.moving_average:
        error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else 0.0
        return np.array(cuts) + error * random.standard_normal((REPLICATES, 1))
    assert feature.cluster is not None
    return _breaks(feature.cluster, values, cuts, random)


def _quantiles(values: np.ndarray, shares: Sequence[Fraction], random: np.random.Generator) -> np.ndarray:
    n, order = len(values), np.sort(values)
    places = [float(share) * (n - 1) + 1 for share in shares]  # of n, from 1
    gaps = np.diff([0, *places, n + 1])
    uniform = np.cumsum(random.standard_gamma(gaps, (REPLICATES, len(gaps))), axis=1)
    uniform = uniform[:, :-1] / uniform[:, -1:]
    return order[np.minimum((uniform * n).astype(int), n - 1)]


def _breaks(
    cluster: model.NaturalBreak, values: np.ndarray, cuts: Sequence[float], random: np.random.Generator
) -> np.ndarray:
    size = min(len(values), BREAKS_SAMPLE)
    found = []
    for _ in range(REPLICATES):
        breaks = natural_breaks(random.choice(values, size), cluster.groups)
        found.append(breaks[cluster.cut - 1] if breaks else np.nan)
    drawn = np.array(found)
    if np.isnan(drawn).all():
        return np.tile(np.array(cuts), (REPLICATES, 1))
    middle = np.nanmean(drawn)
    distance = np.nan_to_num(drawn - middle) * np.sqrt(size / len(values))
    return np.array(cuts) + distance[:, np.newaxis]


# ── memberships beside each other ───────────────────────────────────────────────────────────────────────────────────


def over_draws(now: np.ndarray, drawn: np.ndarray) -> Stability | None:
    """now : profiles; drawn : replicates × profiles (both boolean). None with too few members to say."""
    if now.sum() < LEAST_MEMBERS:
        return None
    both, either = (drawn & now).sum(axis=1), (drawn | now).sum(axis=1)
    indices = both / either
    low, high = np.quantile(indices, [0.025, 0.975])
    return Stability(float(indices.mean()), float(low), float(high), len(indices))


def over_groups(now: np.ndarray, numbers: np.ndarray, stabilities: Mapping[int, float | None]) -> Stability | None:
    """How stable the groups are that a segment's members are in: the mean over its members, the least and the most.

    now : profiles, boolean;  numbers: the group of each;  stabilities: group → its mean index over resamples
    Exact for a segment that is one group; what members of one selected group lose to another one does not count there.
    None with too few members, or if a group was not resampled.
    """
    if now.sum() < LEAST_MEMBERS:
        return None
    groups, counts = np.unique(numbers[now], return_counts=True)
    found = [stabilities.get(int(group)) for group in groups]
    known = [value for value in found if value is not None]
    if len(known) < len(found):
        return None
    return Stability(float(np.average(known, weights=counts)), min(known), max(known), len(known))


def together(parts: Sequence[Stability | None]) -> Stability | None:
    """Of a segment that follows several things which move by themselves: the product; None if any is not known."""
    known = [part for part in parts if part is not None]
    if not known or len(known) < len(parts):
        return None
    mean, low, high = (float(np.prod([getattr(part, end) for part in known])) for end in ("mean", "low", "high"))
    return Stability(mean, low, high, min(part.n for part in known))


def over_runs(history: Sequence[Mapping[str, int | None]], most: int = 10) -> Stability | None:
    """history : the rows of one segment in ``sizes``, oldest first.

    From each run to the next, ``stayed`` of all who were in before or are in after; the first run has none before, and
    what a new definition moved does not count. None without a pair of runs, or if nobody ever was in.
    """
    indices = []
    for row in history[1:][-most:]:
        either = (row["stayed"] or 0) + (row["entered"] or 0) + (row["left"] or 0)
        if either and row.get("entered_by_definition") is None:
            indices.append((row["stayed"] or 0) / either)
    if not indices:
        return None
    return Stability(float(np.mean(indices)), min(indices), max(indices), len(indices))


def drawn_memberships(
    row: ir.Table,
    plan: FeaturePlan,
    rules: Mapping[str, Checked],
    drawn: Mapping[str, np.ndarray],
    profiles: np.ndarray,
    moment: Moment,
    said: Mapping[str, np.ndarray] | None = None,
) -> dict[str, np.ndarray]:
    """Who would be in each segment by other cuts and models: replicates × profiles, boolean.

    rules    : those asked for, each after those it refers to
    moment   : now
    The others are as in :func:`drawn_rows`.
    """
    table = drawn_rows(row, plan, drawn, profiles, said or {})
    wide = wide_memberships(table, rules, moment).to_pyarrow().sort_by("profile_id")
    shape = (REPLICATES, len(profiles))
    return {name: wide[name].to_numpy(zero_copy_only=False).astype(bool).reshape(shape) for name in rules}


def drawn_rows(
    row: ir.Table,
    plan: FeaturePlan,
    drawn: Mapping[str, np.ndarray],
    profiles: np.ndarray,
    said: Mapping[str, np.ndarray],
) -> ir.Table:
    """The rows of some profiles by other cuts and models, once per replicate, one replicate after the other.

    row      : what the rules are evaluated on: features and what models say, of everybody
    drawn    : score or threshold → replicates × cuts
    profiles : the ids of those to look at
    said     : column of a model → replicates × profiles, NaN where unknown
    returns  : the columns of ``row``; profile_id is the row's place, from 0
    """
    n = len(profiles)
    columns: dict[str, np.ndarray | pa.Array] = {"profile_id": np.tile(profiles, REPLICATES)}
    columns["_key"] = np.arange(REPLICATES * n)
    names: dict[str, list[str]] = {}
    for name, cuts in drawn.items():
        names[name] = [f"_{place}_{name}" for place in range(cuts.shape[1])]
        columns |= {column: np.repeat(cuts[:, place], n) for place, column in enumerate(names[name])}
    columns |= {f"_said_{name}": pa.array(values.ravel(), from_pandas=True) for name, values in said.items()}
    table = row.inner_join(ibis.memtable(pa.table(columns)), "profile_id")
    table = table.drop("profile_id").rename(profile_id="_key")
    table = recomputed(table, plan, {name: [table[column] for column in cuts] for name, cuts in names.items()})
    return table.mutate(**{name: table[f"_said_{name}"] for name in said}).select(row.columns)
