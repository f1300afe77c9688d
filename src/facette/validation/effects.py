"""How far segments are from others in every KPI: from everybody, from the rest of their parent, from each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
import pyarrow as pa

from facette.definitions.validation import Validation
from facette.models.matrix import to_matrix
from facette.validation.differences import Comparison, adjust, among_groups
from facette.validation.masks import aligned, segments_of
from facette.validation.pairs import Between, Dominance, Moments, Welch, dominance, welch

Relation = Literal["others", "parent", "sibling", "clusters", "cluster"]

SAMPLE = 1_000
"""Members of each side by which the width of an interval is found, and by which two segments are compared."""
PARENT_SAMPLE = 20_000
"""Those by which a child is compared with the rest of its parent, which decides what the child adds."""
MINIMUM_KNOWN = 30
"""Two segments that differ by fewer profiles than this are not compared: there is nobody to compare."""
SLICE = 50_000  # profiles at a time, so that memory stays bounded

SCHEMA = pa.schema(
    [
        ("segment", pa.string()),
        ("relation", pa.string()),
        ("against", pa.string()),
        ("kpi", pa.string()),
        *((name, pa.int64()) for name in ("n_in", "n_out")),
        *((name, pa.float64()) for name in ("mean_in", "mean_out", "median_in", "median_out")),
        *((name, pa.float64()) for name in ("statistic", "p_value", "p_adjusted")),
        *((name, pa.float64()) for name in ("effect_size", "effect_size_low", "effect_size_high")),
        *((name, pa.float64()) for name in ("effect", "effect_low", "effect_high")),
        *((name, pa.float64()) for name in ("difference", "difference_low", "difference_high")),
    ]
)


@dataclass
class Effect:
    """A row of the effects; what is not known is None."""

    segment: str
    relation: Relation
    against: str | None
    kpi: str
    n_in: int
    n_out: int
    mean_in: float | None = None
    mean_out: float | None = None
    median_in: float | None = None
    median_out: float | None = None
    statistic: float | None = None
    p_value: float | None = None
    p_adjusted: float | None = None
    effect_size: float | None = None
    effect_size_low: float | None = None
    effect_size_high: float | None = None
    effect: float | None = None
    effect_low: float | None = None
    effect_high: float | None = None
    difference: float | None = None
    difference_low: float | None = None
    difference_high: float | None = None

    def note(self, name: str, found: Between) -> None:
        """An estimate with its interval, under a name."""
        for key, value in ((name, found.value), (f"{name}_low", found.low), (f"{name}_high", found.high)):
            setattr(self, key, float(value))


def effects(
    wide: pa.Table,
    features: pa.Table,
    validation: Validation,
    *,
    parents: Mapping[str, str | None] | None = None,
    clusterings: Sequence[str] = (),
) -> pa.Table:
    """One row per comparison and KPI.

    wide        : ``profile_id`` and one boolean column per segment
    features    : ``profile_id``, every KPI, and per clustering a column with the clusters' numbers; in any order
    parents     : segment → its parent, if it has one
    clusterings : names of those columns
    returns     :
        segment     the segment; the clustering, or ``clustering:number``
        relation    others (everybody else), parent (the rest of its parent), sibling (another segment of the same
                    parent, or of none), clusters (all of a clustering at once), cluster (another one of it)
        against     the parent, the sibling or the other cluster
        kpi
        n_in, n_out known values on both sides
        mean_in, mean_out, median_in, median_out
        statistic, p_value      others and clusters: H or F; the rest: U of Mann and Whitney, or t of Welch
        p_adjusted  by Benjamini–Hochberg (1995) over all rows: of all differences that are called one below a
                    significance, at most that share is expected to be chance
        effect_size, _low, _high    ε² or η², 0–1, with its interval of 95 %
        effect, _low, _high         Cliff's δ (ranks, −1 to 1) or Cohen's d (means), positive if higher inside
        difference, _low, _high     of the means, in the KPI's unit (Welch)
    Two siblings that share members are compared without these. Others are compared with on everybody; intervals of
    ranks, and pairs, on at most 1,000 profiles of each side, spread evenly over the profile ids; a child with the rest
    of its parent on at most 20,000. Segments below ``minimum_size`` are compared with all others only.
    """
    features = aligned(features, wide)
    groups = list(segments_of(wide))
    numbers = {name: features[name].fill_null(0).to_numpy() for name in clusterings}
    found: list[Effect] = []
    for kpi in validation.every_kpi:
        values = to_matrix(features, [kpi])[:, 0]
        if len(values):
            side = _Side(kpi, values, validation)
            found += side.of_segments(groups, dict(parents or {}))
            for name, of in numbers.items():
                found += side.of_clusters(name, of)
    for row, p in zip(found, adjust([row.p_value for row in found]), strict=True):
        row.p_adjusted = p
    return pa.Table.from_pylist([vars(row) for row in found], schema=SCHEMA)


@dataclass(frozen=True)
class _Group:
    """A segment or cluster: its members, those of them that a comparison may look at, and their moments.

    deviation : sum of what the ranks (or values) of its members are above the mean of all
    """

    name: str
    is_member: np.ndarray
    known: np.ndarray
    moments: Moments
    deviation: float


class _Side:
    """One KPI over all profiles."""

    def __init__(self, kpi: str, values: np.ndarray, validation: Validation) -> None:
        self.kpi, self.values, self.validation = kpi, values, validation
        self.comparison = Comparison(values, validation.test)
        self.total = Moments.of(values[self.comparison.is_known])

    # ── segments ────────────────────────────────────────────────────────────────────────────────────────────────────

    def of_segments(
        self, segments: Sequence[tuple[str, np.ndarray]], parents: Mapping[str, str | None]
    ) -> Iterator[Effect]:
        groups = self._groups(segments)
        by_name = {group.name: group for group in groups}
        yield from map(self._against_others, groups)
        large = [group for group in groups if group.is_member.sum() >= self.validation.minimum_size]
        for group in large:
            above = parents.get(group.name)
            if above in by_name:
                yield self._against_parent(group, by_name[above])
        yield from self._pairs(large, "sibling", lambda a, b: parents.get(a) == parents.get(b))

    def _against_others(self, group: _Group) -> Effect:
        mask, rest = group.is_member, group.moments.beside(self.total)
        row = Effect(group.name, "others", None, self.kpi, group.moments.n, rest.n)
        row.mean_in, row.mean_out = _known(group.moments), _known(rest)
        row.median_in, row.median_out = self.comparison.medians(mask)
        difference = self.comparison.of_members(mask)
        if difference is None:
            return row
        row.statistic, row.p_value = difference.statistic, difference.p_value
        row.effect_size = difference.effect_size
        self._note_means(row, welch(group.moments, rest))
        if self.validation.test == "kruskal":
            others = np.flatnonzero(~mask & self.comparison.is_known)
            placed = dominance(self.values[group.known], self._sorted(others, SAMPLE))
            self._note_ranks(row, placed, 2 * group.deviation / (row.n_in * row.n_out))
        row.effect_size = difference.effect_size  # of everybody, where the interval is of some
        return row

    def _against_parent(self, group: _Group, parent: _Group) -> Effect:
        is_rest = parent.is_member & ~group.is_member & self.comparison.is_known
        rest = np.flatnonzero(is_rest)
        moments = group.moments.beside(parent.moments)
        row = Effect(group.name, "parent", parent.name, self.kpi, group.moments.n, moments.n)
        row.mean_in, row.mean_out = _known(group.moments), _known(moments)
        members = np.flatnonzero(group.is_member & self.comparison.is_known)
        sides = self._sorted(members, PARENT_SAMPLE), self._sorted(rest, PARENT_SAMPLE)
        self._compare(row, *sides, group.moments, moments)
        return row

    # ── pairs ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def of_clusters(self, clustering: str, numbers: np.ndarray) -> Iterator[Effect]:
        names = [int(number) for number in np.unique(numbers) if number]
        groups = self._groups([(f"{clustering}:{number}", numbers == number) for number in names])
        whole = Effect(clustering, "clusters", None, self.kpi, sum(group.moments.n for group in groups), 0)
        comparison = self.comparison
        if not numbers.all():  # who is in no group has no part in how groups differ
            comparison = Comparison(among_groups(self.values, numbers), comparison.test)
        difference = comparison.of_groups(numbers)
        if difference is not None:
            whole.statistic, whole.p_value = difference.statistic, difference.p_value
            whole.effect_size = difference.effect_size
        yield whole
        yield from self._pairs(groups, "cluster", lambda a, b: True)

    def _pairs(
        self, groups: Sequence[_Group], relation: Relation, is_pair: Callable[[str, str], bool]
    ) -> Iterator[Effect]:
        for a, b in combinations(groups, 2):
            if not is_pair(a.name, b.name):
                continue
            of_a, of_b = a.known[~b.is_member[a.known]], b.known[~a.is_member[b.known]]
            if min(len(of_a), len(of_b)) < MINIMUM_KNOWN:
                continue
            sides = self.values[of_a], self.values[of_b]
            moments = Moments.of(sides[0]), Moments.of(sides[1])
            row = Effect(a.name, relation, b.name, self.kpi, len(of_a), len(of_b))
            row.mean_in, row.mean_out = moments[0].mean, moments[1].mean
            self._compare(row, *sides, *moments)
            yield row

    def _compare(self, row: Effect, a: np.ndarray, b: np.ndarray, of_a: Moments, of_b: Moments) -> None:
        """By ranks of some values, ascending, or by the means of all."""
        row.median_in, row.median_out = _median(a), _median(b)
        means = welch(of_a, of_b)
        self._note_means(row, means)
        if self.validation.test == "anova":
            row.statistic, row.p_value = (means.statistic, means.p_value) if means else (None, None)
            return
        placed = dominance(a, b)
        if placed is not None:
            row.statistic, row.p_value = placed.test(len(a), len(b))
            self._note_ranks(row, placed)

    # ── what the rows share ─────────────────────────────────────────────────────────────────────────────────────────

    def _groups(self, segments: Sequence[tuple[str, np.ndarray]]) -> list[_Group]:
        """The segments with their moments, and some of their members with known values, ascending by these."""
        found = []
        sums = self._sums([mask for _, mask in segments])
        for (name, mask), (n, total, squares, deviation) in zip(segments, sums, strict=True):
            some = _spread(np.flatnonzero(mask & self.comparison.is_known), SAMPLE)
            moments = _moments(int(n), total, squares, self.total.mean)
            found.append(_Group(name, mask, some[np.argsort(self.values[some])], moments, float(deviation)))
        return found

    def _sums(self, masks: Sequence[np.ndarray]) -> np.ndarray:
        """How many values of each group are known, their sum and that of their squares, and of what is ranked.

        A slice of profiles at a time; values are centred first, for precision.
        """
        sums = np.zeros((len(masks), 4))
        centred = np.where(self.comparison.is_known, self.values - self.total.mean, 0.0)
        for start in range(0, len(centred) if masks else 0, SLICE):
            part = slice(start, start + SLICE)
            members = np.array([mask[part] for mask in masks], dtype=float)
            columns = [self.comparison.is_known[part].astype(float), centred[part], centred[part] ** 2]
            sums += members @ np.column_stack([*columns, self.comparison.deviations[part]])
        return sums

    def _sorted(self, places: np.ndarray, most: int) -> np.ndarray:
        return np.sort(self.values[_spread(places, most)])

    def _note_means(self, row: Effect, means: Welch | None) -> None:
        if means is None:
            return
        row.note("difference", means.difference)
        if self.validation.test == "anova":
            row.note("effect_size", means.share)
            row.note("effect", means.d)

    @staticmethod
    def _note_ranks(row: Effect, placed: Dominance | None, delta: float | None = None) -> None:
        if placed is not None:
            found = placed.between(row.n_in, row.n_out, delta)
            row.note("effect", found)
            row.note("effect_size", placed.share(found, row.n_in, row.n_out))


def _moments(n: int, total: float, squares: float, shift: float) -> Moments:
    mean = total / n if n else np.nan
    variance = max(squares - n * mean**2, 0.0) / (n - 1) if n > 1 else np.nan
    return Moments(n, mean + shift, variance)


def _spread(places: np.ndarray, most: int) -> np.ndarray:
    """So many of the places, at even steps."""
    return places if len(places) <= most else places[np.arange(most) * len(places) // most]


def _median(ascending: np.ndarray) -> float | None:
    n = len(ascending)
    return float(ascending[[(n - 1) // 2, n // 2]].mean()) if n else None


def _known(moments: Moments) -> float | None:
    return moments.mean if moments.n and not np.isnan(moments.mean) else None
