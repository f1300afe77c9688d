"""What is known of the worth of each segment besides its verdict, in one row: the table ``worth``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import pyarrow as pa

from facette.definitions.validation import Validation
from facette.validation.experiment import Readable
from facette.validation.merging import SAME_PEOPLE, Row, adds, ancestors, proposals
from facette.validation.stability import Stability, over_runs

Kind = Literal["fixed", "follows", "learned"]

SCHEMA = pa.schema(
    [
        ("segment", pa.string()),
        ("kind", pa.string()),
        ("follows", pa.list_(pa.string())),
        *((name, pa.float64()) for name in ("stability", "stability_low", "stability_high")),
        *((name, pa.float64()) for name in ("stayed", "stayed_low", "stayed_high")),
        ("stayed_runs", pa.int64()),
        ("adds", pa.string()),
        ("nearest", pa.string()),
        ("nearest_jaccard", pa.float64()),
        ("finding", pa.string()),
        ("experiment", pa.string()),
        ("experiment_why", pa.string()),
        ("needed", pa.int64()),
        ("per_day", pa.float64()),
        ("days", pa.int64()),
        ("merge_into", pa.string()),
        ("merge_why", pa.string()),
    ]
)


def worth(
    verdicts: pa.Table,
    effects: pa.Table,
    overlaps: pa.Table,
    validation: Validation,
    *,
    parents: Mapping[str, str | None],
    follows: Mapping[str, Sequence[str]],
    models: Sequence[str],
    stability: Mapping[str, Stability | None],
    sizes: Sequence[Row],
    experiments: Mapping[str, Readable],
) -> pa.Table:
    """One row per segment.

    follows     : segment → the scores, thresholds and models that its members depend on;  models: which are models
    stability   : segment → how it would fare among another sample of the population, where that was tried
    sizes       : the rows of ``sizes``, oldest first
    experiments : segment → whether the planned test could be read in it
    returns     :
        segment
        kind        fixed (its rule moves with nobody else), follows (scores or thresholds of the population), learned
                    (a model)
        follows     what it follows
        stability, _low, _high      mean index of Jaccard when cuts and scores are drawn again, and its middle 95 %; of
                    groups the mean, the least and the most of those that members are in; 1 if fixed; null where it was
                    not tried
        stayed, _low, _high, stayed_runs    the same from one run to the next: mean, least and most of so many; null
                    without two runs
        adds        of a child: adds (a difference among the members of its parent), repeats (none), unknown
        nearest, nearest_jaccard    the segment with which it shares most
        finding     same (nearly the same people as the nearest), within (all members are in the nearest, which is none
                    of its ancestors), else null
        experiment, experiment_why, needed, per_day, days   see :class:`facette.validation.experiment.Readable`
        merge_into, merge_why       see :mod:`facette.validation.merging`
    """
    judged = [row for row in verdicts.to_pylist() if row["kind"] == "segment"]
    compared, shared = effects.to_pylist(), overlaps.to_pylist()
    merges = proposals(judged, compared, shared, validation, parents)
    rows = []
    for verdict in judged:
        name = verdict["name"]
        followed = sorted(follows.get(name, ()))
        kind: Kind = "fixed" if not followed else "learned" if set(followed) & set(models) else "follows"
        found = stability.get(name) or (Stability(1.0, 1.0, 1.0, 0) if kind == "fixed" else None)
        row: dict[str, Any] = {"segment": name, "kind": kind, "follows": followed}
        row |= _interval("stability", found)
        past = over_runs([size for size in sizes if size["segment"] == name])
        row |= _interval("stayed", past) | {"stayed_runs": past.n if past else None}
        row |= {"adds": _adds(name, compared, validation, parents)} | _nearest(name, shared, parents)
        test = experiments.get(name)
        if test is not None:
            row |= {"experiment": test.state, "experiment_why": test.why or None, "needed": test.needed}
            row |= {"per_day": test.per_day, "days": test.days}
        merge = merges.get(name)
        row |= {"merge_into": merge.into, "merge_why": merge.why} if merge else {}
        rows.append(row)
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def _interval(name: str, found: Stability | None) -> dict[str, float | None]:
    values = (found.mean, found.low, found.high) if found else (None, None, None)
    return dict(zip((name, f"{name}_low", f"{name}_high"), values, strict=True))


def _adds(name: str, effects: Sequence[Row], validation: Validation, parents: Mapping[str, str | None]) -> str | None:
    if not parents.get(name):
        return None
    found = adds(name, effects, validation)
    return "unknown" if found is None else "adds" if found else "repeats"


def _nearest(name: str, overlaps: Sequence[Row], parents: Mapping[str, str | None]) -> dict[str, Any]:
    mine = [row for row in overlaps if row["segment_a"] == name and row["jaccard"] and ":" not in row["segment_b"]]
    if not mine:
        return {}
    nearest = max(mine, key=lambda row: row["jaccard"])
    finding = "same" if nearest["jaccard"] >= SAME_PEOPLE else None
    above = ancestors(name, parents)
    around = [row for row in mine if row["share_of_a"] == 1 and row["segment_b"] not in above]
    if finding is None and around:
        nearest, finding = max(around, key=lambda row: row["jaccard"]), "within"
    return {"nearest": nearest["segment_b"], "nearest_jaccard": nearest["jaccard"], "finding": finding}
