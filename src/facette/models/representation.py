"""Whom a model learns from: gaps in the features by group, and how the groups stand beside a reference population."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from facette.definitions.preparing import Learning
from facette.errors import ModelError

ROUNDS = 100
CLOSE = 1e-9
FARTHEST_WEIGHT = 20.0
"""A profile counts at most this many times as much as the mean profile: weights beyond it rest on too few people."""

MISSINGNESS = pa.schema(
    [
        ("model", pa.string()),
        ("feature", pa.string()),
        ("group", pa.string()),
        ("level", pa.string()),
        ("profiles", pa.int64()),
        ("unknown_share", pa.float64()),
        ("cramers_v", pa.float64()),
    ]
)
REPRESENTATION = pa.schema(
    [
        ("model", pa.string()),
        ("group", pa.string()),
        ("level", pa.string()),
        ("profiles", pa.int64()),
        ("share", pa.float64()),
        ("reference", pa.float64()),
        ("weighted_share", pa.float64()),
    ]
)


def missingness(model: Learning, table: pa.Table) -> pa.Table:
    """How often each feature is unknown: of everybody, and by the groups that the model names.

    table   : the model's features and groups, one row per profile
    returns : model, feature, group and level (null: everybody; a level that is null: of whom the group is unknown),
              profiles, unknown_share (0–1), cramers_v (of being unknown × the group, 0–1: Cramér 1946, eq. 21.9.5)
    Only features that somebody lacks have rows.
    """
    rows: list[dict[str, Any]] = []
    for feature in model.features:
        unknown = _is_unknown(table[feature])
        if not unknown.any():
            continue
        about = {"model": model.name, "feature": feature}
        rows.append(about | {"profiles": len(unknown), "unknown_share": float(unknown.mean())})
        for group in model.group_columns:
            levels, places = _levels(table[group])
            counts = np.bincount(places, minlength=len(levels))
            lacking = np.bincount(places, weights=unknown, minlength=len(levels))
            association = cramers_v(np.column_stack([lacking, counts - lacking]))
            rows += [
                about
                | {
                    "group": group,
                    "level": level,
                    "profiles": int(count),
                    "unknown_share": float(lack / count),
                    "cramers_v": association,
                }
                for level, count, lack in zip(levels, counts, lacking, strict=True)
            ]
    return pa.Table.from_pylist(rows, schema=MISSINGNESS)


def representation(model: Learning, table: pa.Table) -> tuple[pa.Table, np.ndarray | None]:
    """How the groups stand beside the reference population, and the weights that correct it.

    table   : the columns that ``model.weights`` and ``model.groups`` name, one row per profile
    returns : model, group, level, profiles, share, reference (null where none is declared), weighted_share (0–1); and a
              weight per row with mean 1, None where the model declares no reference
    Weights are raked (Deming, Stephan 1940): each group's shares in turn, until all are as declared. Whose group is
    unknown, or has another value, keeps weight 1. Raises ModelError if a level that the reference has is nobody's.
    """
    weights = rake(table, model) if model.weights else None
    rows = []
    for group in model.group_columns:
        levels, places = _levels(table[group])
        counts = np.bincount(places, minlength=len(levels))
        weighed = np.bincount(places, weights=weights, minlength=len(levels))
        reference = model.weights.get(group, {})
        rows += [
            {
                "model": model.name,
                "group": group,
                "level": level,
                "profiles": int(count),
                "share": float(count / len(places)),
                "reference": reference.get(level) if level is not None else None,
                "weighted_share": float(weight / weighed.sum()),
            }
            for level, count, weight in zip(levels, counts, weighed, strict=True)
        ]
    return pa.Table.from_pylist(rows, schema=REPRESENTATION), weights


def rake(table: pa.Table, model: Learning) -> np.ndarray:
    """One weight per row, mean 1, at most 20, with which every group has the shares of the reference population."""
    weights = np.ones(table.num_rows)
    parts = []
    for group, reference in model.weights.items():
        levels, places = _levels(table[group])
        if absent := [level for level in reference if level not in levels]:
            raise ModelError(
                f"“{model.name}” is to stand for people with {group} {', '.join(absent)}, and there is none.",
                remedy="Take it off the weights and share the rest anew, or wait until there are such profiles.",
            )
        wanted = np.array([reference.get(level, np.nan) if level is not None else np.nan for level in levels])
        parts.append((places, wanted / np.nansum(wanted)))
    for _ in range(ROUNDS):
        farthest = 0.0
        for places, wanted in parts:
            sums = np.bincount(places, weights=weights, minlength=len(wanted))
            is_known = ~np.isnan(wanted)
            factor = np.ones(len(wanted))
            factor[is_known] = wanted[is_known] * sums[is_known].sum() / sums[is_known]
            farthest = max(farthest, float(np.abs(factor - 1).max()))
            weights *= factor[places]
        if farthest < CLOSE:
            break
    weights = np.minimum(weights / weights.mean(), FARTHEST_WEIGHT)
    return weights / weights.mean()


def drawn(rows: np.ndarray, weights: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """As many of the rows, drawn with replacement by their weights, ascending: what every method can learn from, also
    one that knows no weights.

    rows, weights : indices, and a weight for each of them
    """
    return np.sort(random.choice(rows, len(rows), p=weights / weights.sum()))


def cramers_v(counts: np.ndarray) -> float | None:
    """Association of rows and columns of a table of counts, 0–1; None if a side has only one value."""
    counts = counts[counts.sum(axis=1) > 0][:, counts.sum(axis=0) > 0]
    if min(counts.shape) < 2:
        return None
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / counts.sum()
    statistic = ((counts - expected) ** 2 / expected).sum()
    return float(np.sqrt(statistic / (counts.sum() * (min(counts.shape) - 1))))


def _levels(column: pa.ChunkedArray) -> tuple[list[str | None], np.ndarray]:
    """The values of a text or boolean that are there, the unknown one last, and the place of each row's."""
    texts = pc.cast(column, pa.string()).combine_chunks()
    known = sorted(value for value in pc.unique(texts).to_pylist() if value is not None)
    places = pc.fill_null(pc.index_in(texts, value_set=pa.array(known, pa.string())), len(known)).to_numpy()
    levels: list[str | None] = [*known, None] if texts.null_count else [*known]
    return levels, places


def _is_unknown(column: pa.ChunkedArray) -> np.ndarray:
    if pa.types.is_floating(column.type):
        return ~pc.fill_null(pc.is_finite(column), False).to_numpy()
    return pc.is_null(column).to_numpy().astype(bool)
