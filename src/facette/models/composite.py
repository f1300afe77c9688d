"""Points from 0 to 100 made of several numbers: each becomes points by a scale, and the points are averaged by weight.

A scale is a line through knots, or steps; so the composite is one expression, and what each part contributed is too.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import ibis
import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from facette.definitions import models as definitions
from facette.errors import ModelError
from facette.models.fitted import FittedModel, fingerprint
from facette.models.matrix import as_double, in_order, is_usable, number_of, to_matrix

if TYPE_CHECKING:
    import ibis.expr.types as ir

SHARES = (0.0, 0.01, 0.02, *(n / 20 for n in range(1, 20)), 0.98, 0.99, 1.0)
"""The percentile scale is exact at these quantiles, and a straight line between two of them; of a few different values
it is exact at all."""


class Knot(BaseModel):
    """A value and its points."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: float
    points: float


class FittedPart(BaseModel):
    """One part: its share of the whole (all add up to 1), and how its value becomes points.

    knots    : ascending; a line through them, level before the first and after the last
    is_steps : the points of a knot hold for the values above it, up to the next; ``lowest`` up to the first
    unknown  : points of an unknown value
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    of: str
    share: float
    knots: tuple[Knot, ...]
    is_steps: bool = False
    lowest: float = 0.0
    unknown: float = 0.0

    def points(self, features: ir.Table) -> ir.FloatingValue:
        """The points of each row, 0 to 100."""
        value = number_of(features[self.of])
        scaled = self._steps(value) if self.is_steps else self._line(value)
        return as_double(ibis.ifelse(is_usable(value).fill_null(False), scaled, self.unknown))

    def points_of(self, values: np.ndarray) -> np.ndarray:
        """The same, of values in memory; NaN for unknown."""
        at, points = (np.array([getattr(knot, what) for knot in self.knots]) for what in ("value", "points"))
        if self.is_steps:
            scaled = np.concatenate([[self.lowest], points])[np.searchsorted(at, np.nan_to_num(values), "left")]
        else:
            scaled = np.interp(values, at, points)
        return np.where(np.isnan(values), self.unknown, scaled)

    def _steps(self, value: ir.FloatingValue) -> ir.FloatingValue:
        above = [(value > knot.value, knot.points) for knot in reversed(self.knots)]
        return ibis.cases(*above, else_=self.lowest)

    def _line(self, value: ir.FloatingValue) -> ir.FloatingValue:
        first, last = self.knots[0], self.knots[-1]
        pieces: list[tuple[ir.BooleanValue, float | ir.FloatingValue]] = [(value <= first.value, first.points)]
        for low, high in zip(self.knots, self.knots[1:], strict=False):
            slope = (high.points - low.points) / (high.value - low.value)
            pieces.append((value <= high.value, (value - low.value) * slope + low.points))
        return ibis.cases(*pieces, else_=last.points)


class CompositeMetrics(BaseModel):
    """The population it was fitted on: how many, how often each part was unknown, and the mean of the points."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: int
    unknown_shares: dict[str, float]


class FittedComposite(FittedModel):
    """A composite that can be applied.

    read : other models that it reads → the version whose output its scales were fitted on
    """

    parts: tuple[FittedPart, ...]
    read: dict[str, int]
    metrics: CompositeMetrics

    def inputs(self, features: ir.Table) -> dict[str, ir.Value]:
        return {part.of: number_of(features[part.of]) for part in self.parts}

    def output(self, features: ir.Table) -> ir.FloatingValue:
        """Σ share · points, from 0 to 100."""
        return functools.reduce(operator.add, self.contributions(features).values())

    def points(self, parts: np.ndarray) -> np.ndarray:
        """The same, of profiles × parts in memory; NaN for unknown."""
        return np.sum([part.points_of(parts[:, i]) * part.share for i, part in enumerate(self.parts)], axis=0)

    def contributions(self, features: ir.Table) -> dict[str, ir.FloatingValue]:
        """What each part adds to the whole."""
        return {part.of: part.points(features) * part.share for part in self.parts}


def explained(fitted: FittedComposite, person: ir.Table) -> list[dict[str, Any]]:
    """What each part adds for one person, most first: of, value, points, share, contribution (points · share).

    person : one row, with the parts
    """
    columns = {f"value_{n}": person[part.of] for n, part in enumerate(fitted.parts)}
    columns |= {f"points_{n}": part.points(person) for n, part in enumerate(fitted.parts)}
    row = person.select(**columns).to_pyarrow().to_pylist()[0]
    found = [
        {
            "of": part.of,
            "value": row[f"value_{n}"],
            "points": row[f"points_{n}"],
            "share": part.share,
            "contribution": row[f"points_{n}"] * part.share,
        }
        for n, part in enumerate(fitted.parts)
    ]
    return sorted(found, key=lambda part: -part["contribution"])


def fit_composite(
    model: definitions.CompositeModel, population: pa.Table, read: Mapping[str, int] | None = None
) -> FittedComposite:
    """Fit the scales that are relative to the population.

    population : one row per profile with the parts (number or boolean), and profile_id if there is one
    read       : the versions of the models among the parts
    Raises ModelError if nobody has a value on which a scale depends.
    """
    names = tuple(part.of for part in model.parts)
    matrix = to_matrix(in_order(population, "profile_id"), names)
    whole = sum(part.weight for part in model.parts)
    return FittedComposite(
        name=model.name,
        fingerprint=fingerprint(names, matrix),
        seed=0,
        parts=tuple(
            _fit_part(model.name, part, matrix[:, index], part.weight / whole) for index, part in enumerate(model.parts)
        ),
        read=dict(read or {}),
        metrics=CompositeMetrics(
            rows=len(matrix),
            unknown_shares={
                name: float(np.isnan(matrix[:, index]).mean()) if len(matrix) else 0.0
                for index, name in enumerate(names)
            },
        ),
    )


def _fit_part(model: str, part: definitions.Part, values: np.ndarray, share: float) -> FittedPart:
    if part.scale == "cuts":
        each = 100 / len(part.at)
        knots = tuple(Knot(value=cut, points=each * (place + 1)) for place, cut in enumerate(part.at))
        return _turned(FittedPart(of=part.of, share=share, knots=knots, is_steps=True, unknown=part.unknown), part)
    known = np.sort(values[~np.isnan(values)])
    if not len(known) and (part.scale == "percentile" or None in (part.low, part.high)):
        raise ModelError(
            f"“{model}” cannot scale `{part.of}`: nobody has a value.",
            remedy="Wait for data, take the part out, or give the scale: minmax with low and high, or cuts.",
        )
    knots = _percentiles(known) if part.scale == "percentile" else _between(model, part, known)
    return _turned(FittedPart(of=part.of, share=share, knots=knots, unknown=part.unknown), part)


def _percentiles(known: np.ndarray) -> tuple[Knot, ...]:
    """At each of the quantiles the share of the population below, half of those with the same value included."""
    values = np.unique(known)
    if len(values) > len(SHARES):
        values = np.unique(known[np.round(np.array(SHARES) * (len(known) - 1)).astype(int)])
    below, upto = np.searchsorted(known, values, "left"), np.searchsorted(known, values, "right")
    points = 100 * (below + upto) / 2 / len(known)
    return tuple(Knot(value=float(value), points=float(point)) for value, point in zip(values, points, strict=True))


def _between(model: str, part: definitions.Part, known: np.ndarray) -> tuple[Knot, ...]:
    low = part.low if part.low is not None else float(known[0])
    high = part.high if part.high is not None else float(known[-1])
    if low >= high:
        raise ModelError(
            f"“{model}” cannot scale `{part.of}`: its values lie from {low:g} to {high:g}.",
            remedy="Give low and high, or take the part out.",
        )
    return Knot(value=low, points=0.0), Knot(value=high, points=100.0)


def _turned(fitted: FittedPart, part: definitions.Part) -> FittedPart:
    """With most points for the lowest values, where that is asked for."""
    if not part.reverse:
        return fitted
    knots = tuple(Knot(value=knot.value, points=100 - knot.points) for knot in fitted.knots)
    return fitted.model_copy(update={"knots": knots, "lowest": 100 - fitted.lowest})
