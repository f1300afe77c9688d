"""What sets the members of a segment apart from everybody else, and how segments overlap.

Every trait is taken as a number, a level of a text or boolean trait as 0 or 1, so that all are compared on one scale:
Cohen's d (1988), the difference of the means in pooled standard deviations. All sums come from products of the
membership matrix with the trait matrix, a slice of profiles at a time.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from facette.definitions.language.tree import ValueType
from facette.models.matrix import to_matrix
from facette.validation.likeness import plainest
from facette.validation.masks import Ascending, aligned, segments_of

MOST_LEVELS = 50
MINIMUM_KNOWN = 30
"""Fewer known values than this on either side tell nothing of it: the usual rule of thumb for a mean."""
SLICE = 50_000  # profiles at a time, so that memory stays bounded
SAMPLE = 20_000  # profiles, at least where there are as many, by which traits are found alike

PORTRAITS = pa.schema(
    [
        ("segment", pa.string()),
        ("position", pa.int64()),
        ("feature", pa.string()),
        ("level", pa.string()),
        ("inside", pa.float64()),
        ("outside", pa.float64()),
        ("known_inside", pa.float64()),
        ("known_outside", pa.float64()),
        ("median_inside", pa.float64()),
        ("median_outside", pa.float64()),
        ("lift", pa.float64()),
        ("effect", pa.float64()),
    ]
)
OVERLAPS = pa.schema(
    [
        ("segment_a", pa.string()),
        ("segment_b", pa.string()),
        ("both", pa.int64()),
        ("jaccard", pa.float64()),
        ("share_of_a", pa.float64()),
    ]
)


def portraits(wide: pa.Table, features: pa.Table, types: Mapping[str, ValueType], *, top: int = 8) -> pa.Table:
    """The traits by which each segment differs most from all others.

    wide     : ``profile_id``, one boolean column per segment and one integer column per clustering (its clusters are
               then called ``clustering:1`` …)
    features : ``profile_id`` and the columns to look at; profiles in any order
    types    : column → type. Numbers, booleans, and texts with at most 50 levels are looked at, other columns are not.
    returns  : at most ``top`` rows per segment, most distinguishing first
        segment, position (1 …), feature
        level      of a text or boolean (``true``); null for a number
        inside, outside                 mean of a number; share of those with a known value who have the level, 0–1
        known_inside, known_outside     share of members, and of all others, whose value is known, 0–1
        median_inside, median_outside   of a number; null for a level
        lift       share inside / share outside; null for a number, or if nobody outside has the level
        effect     Cohen's d, without unit; positive if higher inside
    A trait that is known of fewer than 30 on either side is left out of that portrait. Of traits that are alike the
    first is looked at, in the order of ``types``: put what is made of another one after it.
    Segments that hold nobody, or everybody, have no rows.
    """
    features = aligned(features, wide)
    traits = _traits(features, types)
    groups = list(segments_of(wide))
    if not traits or not groups or not wide.num_rows:
        return PORTRAITS.empty_table()
    sample = slice(None, None, max(1, wide.num_rows // SAMPLE))
    traits = [traits[place] for place in plainest(np.column_stack([trait.numbers(sample) for trait in traits]))]
    masks = np.vstack([mask for _, mask in groups])
    moments = _moments(masks, traits)
    chosen = [_most_distinguishing(effects, top) for effects in moments.effect]
    medians = _medians(masks, traits, chosen)
    rows: list[dict[str, object]] = []
    for index, (name, _) in enumerate(groups):
        for position, place in enumerate(chosen[index], start=1):
            trait = traits[place]
            row = {"segment": name, "position": position, "feature": trait.feature, "level": trait.level}
            inside, outside = float(moments.inside[index, place]), float(moments.outside[index, place])
            row |= {"inside": inside, "outside": outside, "effect": float(moments.effect[index, place])}
            row |= {"known_inside": float(moments.known_inside[index, place])}
            row |= {"known_outside": float(moments.known_outside[index, place])}
            if trait.level is None:
                row["median_inside"], row["median_outside"] = medians[index, place]
            elif outside > 0:
                row |= {"lift": inside / outside}
            rows.append(row)
    return pa.Table.from_pylist(rows, schema=PORTRAITS)


def overlaps(wide: pa.Table) -> pa.Table:
    """How many members each ordered pair of different segments shares.

    returns : segment_a, segment_b, both, jaccard (both / either), share_of_a (both / members of a); the ratios are
              null where nobody is in either, or in a
    """
    groups = list(segments_of(wide))
    if not groups:
        return OVERLAPS.empty_table()
    masks = np.vstack([np.pad(mask, (0, -len(mask) % 64)) for _, mask in groups])
    words = np.packbits(masks, axis=1).view(np.uint64)  # a bit per profile
    shared = np.array([np.bitwise_count(mine & words).sum(axis=1, dtype=np.int64) for mine in words])
    rows: list[dict[str, object]] = []
    for a, (name_a, _) in enumerate(groups):
        for b, (name_b, _) in enumerate(groups):
            if a == b:
                continue
            both, either = shared[a, b], shared[a, a] + shared[b, b] - shared[a, b]
            rows.append(
                {
                    "segment_a": name_a,
                    "segment_b": name_b,
                    "both": int(both),
                    "jaccard": float(both / either) if either else None,
                    "share_of_a": float(both / shared[a, a]) if shared[a, a] else None,
                }
            )
    return pa.Table.from_pylist(rows, schema=OVERLAPS)


@dataclass(frozen=True)
class _Trait:
    """A column of the trait matrix: float64 with NaN for unknown, or (with a level) the codes of a text or boolean."""

    feature: str
    level: str | None
    values: np.ndarray
    code: int = 0

    def numbers(self, profiles: slice) -> np.ndarray:
        """Values of some profiles; for a level 1, 0, or NaN where unknown (code −1)."""
        part = self.values[profiles]
        return part if self.level is None else np.where(part < 0, np.nan, part == self.code)


@dataclass(frozen=True)
class _Moments:
    """Segments × traits: means and shares known inside and outside, and Cohen's d (NaN where it says nothing)."""

    inside: np.ndarray
    outside: np.ndarray
    known_inside: np.ndarray
    known_outside: np.ndarray
    effect: np.ndarray


def _traits(features: pa.Table, types: Mapping[str, ValueType]) -> list[_Trait]:
    traits: list[_Trait] = []
    for name, kind in types.items():
        match kind:
            case "number":
                traits.append(_Trait(name, None, to_matrix(features, [name])[:, 0]))
            case "boolean":
                codes = pc.fill_null(pc.cast(features[name], pa.int8()), -1).to_numpy()
                traits.append(_Trait(name, "true", codes, code=1))
            case "text":
                encoded = pc.dictionary_encode(features[name].cast(pa.string())).unify_dictionaries().combine_chunks()
                levels = encoded.dictionary.to_pylist()
                if len(levels) <= MOST_LEVELS:
                    codes = pc.fill_null(encoded.indices, -1).to_numpy()
                    traits.extend(_Trait(name, level, codes, code=code) for code, level in enumerate(levels))
    return traits


def _moments(masks: np.ndarray, traits: Sequence[_Trait]) -> _Moments:
    """Counts, sums and sums of squares, of members and of all, in one pass. Values are centred first, for precision."""
    shift = np.array([_middle(trait) for trait in traits])
    n_segments, n_profiles = masks.shape
    shape = (n_segments + 1, len(traits))  # the last row is everybody
    n, total, squares = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for start in range(0, n_profiles, SLICE):
        part = masks[:, start : start + SLICE]
        members = np.ones((n_segments + 1, part.shape[1]))
        members[:-1] = part
        values = np.column_stack([trait.numbers(slice(start, start + SLICE)) for trait in traits]) - shift
        known = ~np.isnan(values)
        values[~known] = 0
        n += members @ known.astype(float)
        total += members @ values
        squares += members @ (values * values)
    n_out, total_out, squares_out = n[-1] - n[:-1], total[-1] - total[:-1], squares[-1] - squares[:-1]
    noise = 1e-12 * squares[-1]  # less variation than this within both sides is rounding: there is no spread
    n, total, squares = n[:-1], total[:-1], squares[:-1]
    sizes = masks.sum(axis=1)[:, np.newaxis]
    is_known = (n >= MINIMUM_KNOWN) & (n_out >= MINIMUM_KNOWN)
    with np.errstate(divide="ignore", invalid="ignore"):
        inside, outside = total / n, total_out / n_out
        variation = squares - n * inside**2 + squares_out - n_out * outside**2
        pooled = np.sqrt(np.maximum(variation, 0) / (n + n_out - 2))
        effect = np.where(is_known & (variation > noise), (inside - outside) / pooled, np.nan)
        known_inside, known_outside = n / sizes, n_out / (n_profiles - sizes)
    return _Moments(inside + shift, outside + shift, known_inside, known_outside, effect)


def _most_distinguishing(effects: np.ndarray, top: int) -> list[int]:
    """The places of the traits with the largest effects, of either sign."""
    sizes = np.abs(np.nan_to_num(effects))
    return [int(place) for place in np.argsort(-sizes, kind="stable")[:top] if sizes[place] != 0]


def _medians(
    masks: np.ndarray, traits: Sequence[_Trait], chosen: Sequence[Sequence[int]]
) -> dict[tuple[int, int], tuple[float | None, float | None]]:
    """Segment and trait → medians inside and outside, of the numbers chosen. Sorting and picking let threads work."""

    def of(place: int) -> dict[tuple[int, int], tuple[float | None, float | None]]:
        ascending = Ascending(traits[place].values)
        segments = [index for index, places in enumerate(chosen) if place in places]
        return {(index, place): ascending.medians(masks[index]) for index in segments}

    numbers = sorted({place for places in chosen for place in places if traits[place].level is None})
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(pair for found in pool.map(of, numbers) for pair in found.items())


def _middle(trait: _Trait) -> float:
    if trait.level is not None or np.isnan(trait.values).all():
        return 0.0
    return float(np.nanmean(trait.values))
