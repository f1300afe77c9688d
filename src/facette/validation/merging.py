"""Which segments had better be one, and which clusters: proposals along the hierarchy, for people to apply."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from facette.definitions.validation import Validation
from facette.validation.verdicts import is_difference

SAME_PEOPLE = 0.9
"""Index of Jaccard from which two segments are nearly the same people."""
NEAR = 0.5
"""The same, from which a segment without a parent may go into another one: half of all in either are in both."""

Why = Literal["same", "small", "weak", "repeats", "alike"]
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Merge:
    """That a segment, or a cluster (``clustering:number``), become part of another.

    why : same (nearly the same people), small (below minimum_size), weak (no effect worth having), repeats (no effect
          beside the rest of its parent), alike (no difference from a sibling, or from another cluster)
    """

    name: str
    into: str
    why: Why


def proposals(
    verdicts: Iterable[Row],
    effects: Sequence[Row],
    overlaps: Iterable[Row],
    validation: Validation,
    parents: Mapping[str, str | None],
) -> dict[str, Merge]:
    """Segment → what is proposed; the first of these that holds.

    1. It holds nearly the same people as another one: the child goes into the parent, else the smaller into the larger.
    2. It is too small, or makes no difference: into its parent; without one, into a segment that is near.
    3. It makes no difference among the members of its parent: into the parent.
    4. It makes none beside a sibling (both have a parent): the smaller into the larger.
    What would go into a segment that itself goes into another goes there at once; of those that would go into each
    other the largest stays.
    """
    rows = {row["name"]: row for row in verdicts if row["kind"] == "segment"}
    shared = [row for row in overlaps if row["segment_a"] in rows and row["segment_b"] in rows]
    found: dict[str, Merge] = {}
    for name, row in rows.items():
        proposed = (
            _same(row, rows, shared, parents)
            or _without_effect(row, shared, parents)
            or _repeats(name, effects, validation, parents)
            or _alike(row, rows, effects, validation, parents)
        )
        if proposed:
            found[name] = proposed
    found = _without_circles(found, rows)
    return {name: replace(item, into=_end(item, found)) for name, item in found.items()}


def _without_circles(found: Mapping[str, Merge], rows: Mapping[str, Row]) -> dict[str, Merge]:
    """Of segments that would go into each other the largest stays."""
    left = dict(found)
    for name in sorted(found, key=lambda name: _rank(rows[name]), reverse=True):
        into, seen = name, set[str]()
        while into in left and into not in seen:
            seen.add(into)
            into = left[into].into
        if into == name:
            del left[name]
    return left


def _end(merge: Merge, found: Mapping[str, Merge]) -> str:
    into = merge.into
    while into in found:
        into = found[into].into
    return into


def _same(
    row: Row, rows: Mapping[str, Row], overlaps: Iterable[Row], parents: Mapping[str, str | None]
) -> Merge | None:
    name = row["name"]
    twins = [item for item in overlaps if item["segment_a"] == name and (item["jaccard"] or 0) >= SAME_PEOPLE]
    for item in sorted(twins, key=lambda item: -item["jaccard"]):
        other = item["segment_b"]
        if other in ancestors(name, parents) or (
            name not in ancestors(other, parents) and _rank(row) < _rank(rows[other])
        ):
            return Merge(name, other, "same")
    return None


def _without_effect(row: Row, overlaps: Iterable[Row], parents: Mapping[str, str | None]) -> Merge | None:
    why: dict[str, Why] = {"empty": "small", "small": "small", "weak": "weak"}
    if row["verdict"] not in why:
        return None
    name = row["name"]
    into = parents.get(name)
    if into is None:
        near = [item for item in overlaps if item["segment_a"] == name and (item["jaccard"] or 0) >= NEAR]
        near = [item for item in near if name not in ancestors(item["segment_b"], parents)]
        into = max(near, key=lambda item: item["jaccard"])["segment_b"] if near else None
    return Merge(name, into, why[row["verdict"]]) if into else None


def _repeats(
    name: str, effects: Sequence[Row], validation: Validation, parents: Mapping[str, str | None]
) -> Merge | None:
    into = parents.get(name)
    return Merge(name, into, "repeats") if into and adds(name, effects, validation) is False else None


def adds(name: str, effects: Sequence[Row], validation: Validation) -> bool | None:
    """Whether a child makes a difference among the members of its parent; None where that was not compared."""
    rows = [row for row in effects if row["segment"] == name and row["relation"] == "parent"]
    rows = [row for row in rows if row["p_adjusted"] is not None]
    return any(is_difference(row, validation) for row in rows) if rows else None


def _alike(
    row: Row,
    rows: Mapping[str, Row],
    effects: Sequence[Row],
    validation: Validation,
    parents: Mapping[str, str | None],
) -> Merge | None:
    name = row["name"]
    if row["verdict"] != "worth" or not parents.get(name):
        return None
    for other in _indistinct(name, "sibling", effects, validation):
        if rows[other]["verdict"] == "worth" and _rank(row) < _rank(rows[other]):
            return Merge(name, other, "alike")
    return None


def cluster_proposals(
    clustering: str, sizes: Mapping[int, int], effects: Sequence[Row], validation: Validation
) -> list[Merge]:
    """Which clusters of a clustering had better be one with the cluster nearest to them in the KPIs.

    sizes : number → members
    A cluster that is too small, or that differs in no KPI from another one, goes into it; the smaller into the larger.
    """
    found = []
    for number, size in sorted(sizes.items(), key=lambda item: item[1]):
        name = f"{clustering}:{number}"
        larger = {f"{clustering}:{other}" for other, n in sizes.items() if (n, -other) > (size, -number)}
        alike = [other for other in _indistinct(name, "cluster", effects, validation) if other in larger]
        near = [other for other in _nearest(name, "cluster", effects) if other in larger]
        if size < validation.minimum_size and near:
            found.append(Merge(name, near[0], "small"))
        elif alike:
            found.append(Merge(name, alike[0], "alike"))
    return found


def _indistinct(name: str, relation: str, effects: Sequence[Row], validation: Validation) -> list[str]:
    """The others from which a group differs in no KPI, the nearest first."""
    different = {
        other
        for other, rows in _pairs(name, relation, effects).items()
        if any(is_difference(row, validation) for row in rows)
    }
    return [other for other in _nearest(name, relation, effects) if other not in different]


def _nearest(name: str, relation: str, effects: Sequence[Row]) -> list[str]:
    """The others with which a group was compared, by the largest of its effects in any KPI."""
    pairs = _pairs(name, relation, effects)
    return sorted(pairs, key=lambda other: (max(abs(row["effect"] or 0) for row in pairs[other]), other))


def _pairs(name: str, relation: str, effects: Sequence[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in effects:
        if row["relation"] == relation and name in (row["segment"], row["against"]) and row["p_adjusted"] is not None:
            found.setdefault(row["against"] if row["segment"] == name else row["segment"], []).append(row)
    return found


def ancestors(name: str, parents: Mapping[str, str | None]) -> list[str]:
    """The parent, its parent, and so on."""
    found: list[str] = []
    above = parents.get(name)
    while above and above not in found:
        found.append(above)
        above = parents.get(above)
    return found


def _rank(row: Row) -> tuple[int, str]:
    return row["members"], row["name"]
