"""What would a value, a map or a composite say of people, had it been fitted to others? Refits on resamples.

People are drawn with replacement (Efron 1979) from a sample of at most :data:`MOST_ROWS`, and what fits to them say is
compared with what the fit to the sample itself says, so that what has changed since the model was published is no part
of it. The differences of a sample of m among n people count √(m / n) times (Bickel, Götze, van Zwet 1997), and are
added to what the published model says. Propensity models and clusterings keep refits of their own, from their fit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from facette.definitions.models import CompositeModel, MapModel, ValueModel
from facette.errors import ModelError
from facette.models.composite import FittedComposite, fit_composite
from facette.models.maps import ROWS, FittedMap, fit_map
from facette.models.value import FittedValue, refitted, values_of

RESAMPLES = 10
MOST_ROWS = 2_000
"""Profiles of a sample from which resamples are drawn."""
PARAMETERS = ("r", "alpha", "a", "b", "p", "q", "gamma")


def drawn_values(
    model: ValueModel,
    fitted: FittedValue,
    customers: pa.Table,
    asked: pa.Table,
    replicates: int,
    random: np.random.Generator,
) -> dict[str, np.ndarray] | None:
    """Each column of a value model as refits might say it: replicates × rows of ``asked``, NaN where unknown.

    customers : profile_id, and what :func:`facette.models.value.numbers` makes of everybody who ever bought
    asked     : the same numbers of those to ask, and of whoever never bought
    Parameters are moved as logarithms. None if more than half of the refits fail.
    """
    sample, share = _sample(customers, customers.num_rows, random)

    def parameters(rows: pa.Table) -> np.ndarray:
        return np.log([*refitted(model, rows, fitted.metrics).values()])

    moves = _moves(parameters, sample, share, random)
    if moves is None:
        return None
    said = []
    for move in moves:
        there = {name: getattr(fitted.metrics, name) * np.exp(by) for name, by in zip(PARAMETERS, move, strict=True)}
        there["q"] = max(there["q"], 1 + 1e-6)  # what lies beyond has no mean
        there["mean_purchase"] = there["p"] * there["gamma"] / (there["q"] - 1)
        moved = fitted.model_copy(update={"metrics": fitted.metrics.model_copy(update=there)})
        said.append(values_of(moved, asked))
    return {name: _in_turn([one[name] for one in said], replicates) for name in said[0]}


def drawn_distances(
    model: MapModel,
    fitted: FittedMap,
    everybody: pa.Table,
    asked: pa.Table,
    replicates: int,
    random: np.random.Generator,
) -> np.ndarray | None:
    """How far rows lie from the middle of a map, as refits might say it: replicates × rows of ``asked``.

    everybody, asked : profile_id, the map's features and the columns of its weights
    Distances are moved as logarithms. None if more than half of the refits fail.
    """
    sample, share = _sample(everybody, min(everybody.num_rows, ROWS), random)
    plain = model.model_copy(update={"methods": (), "sample": 1})

    def distances(rows: pa.Table) -> np.ndarray:
        return _log(fit_map(plain, rows).distances(asked))

    moves = _moves(distances, sample, share, random)
    if moves is None:
        return None
    return _in_turn([np.exp(_log(fitted.distances(asked)) + move) for move in moves], replicates)


def drawn_points(
    model: CompositeModel,
    fitted: FittedComposite,
    parts: np.ndarray,
    drawn: Mapping[str, np.ndarray],
    everybody: int,
    replicates: int,
    random: np.random.Generator,
) -> np.ndarray:
    """The points of a composite as they might be: replicates × profiles.

    parts : profiles of a sample × the model's parts, NaN for unknown
    drawn : part → replicates × profiles, where it may be otherwise
    everybody : how many profiles there are
    Two things move the points, and are added: parts that are otherwise, on scales that were fitted to them, and scales
    that are fitted to a resample.
    """
    names = [part.of for part in model.parts]
    share = np.sqrt(len(parts) / max(everybody, 1))
    published, still = fitted.points(parts), _points(model, parts, parts)
    found = np.empty((replicates, len(parts)))
    for replicate in range(replicates):
        there = np.column_stack(
            [drawn[name][replicate] if name in drawn else parts[:, place] for place, name in enumerate(names)]
        )
        picked = there[random.integers(0, len(there), len(there))]
        moved = _points(model, there, there)
        found[replicate] = published + (moved - still) + share * (_points(model, picked, there) - moved)
    return found


def _points(model: CompositeModel, population: np.ndarray, asked: np.ndarray) -> np.ndarray:
    names = [part.of for part in model.parts]
    table = pa.table({name: pa.array(population[:, place]) for place, name in enumerate(names)})
    return fit_composite(model, table).points(asked)


def _sample(table: pa.Table, everybody: int, random: np.random.Generator) -> tuple[pa.Table, float]:
    """Rows drawn by lot, and how many times differences among their resamples count."""
    if table.num_rows <= MOST_ROWS:
        return table, 1.0
    rows = np.sort(random.choice(table.num_rows, MOST_ROWS, replace=False))
    return table.take(pa.array(rows)), float(np.sqrt(MOST_ROWS / everybody))


def _moves(
    fit: Callable[[pa.Table], np.ndarray], sample: pa.Table, share: float, random: np.random.Generator
) -> list[np.ndarray] | None:
    """How far fits to resamples are from the fit to the sample; those that fail are left out, None if most do."""
    from threadpoolctl import threadpool_limits  # noqa: PLC0415

    moves = []
    with threadpool_limits(1):  # the matrices are small: several threads would wait for one another
        try:
            whole = fit(sample)
        except ModelError:
            return None
        for _ in range(RESAMPLES):
            try:
                again = fit(sample.take(pa.array(random.integers(0, sample.num_rows, sample.num_rows))))
            except ModelError:
                continue
            moves.append(share * (again - whole))
    return moves if 2 * len(moves) >= RESAMPLES else None


def _in_turn(refits: list[Any], replicates: int) -> np.ndarray:
    return np.array(refits)[np.arange(replicates) % len(refits)]


def _log(distances: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(distances, 1e-12))
