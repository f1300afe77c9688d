"""Has what a model looks at, or what it says, moved since it was fitted? And does a score still keep its promise?

Both compare with the fit: the population's distribution by the population stability index (Siddiqi 2006, Credit Risk
Scorecards), and a score's mean with how many did it at the newest instant whose horizon is over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import log, sqrt
from typing import Literal

import ibis
import ibis.expr.types as ir
import numpy as np
from pydantic import BaseModel, ConfigDict

from facette.models.matrix import is_usable, number_of

WATCH, MOVED = 0.1, 0.25
"""Below the first a population is stable, from the second on it is another one (Siddiqi 2006)."""
LEAST_SHARE = 1e-4
"""An empty bin counts as so much at least, for the index has no value of it."""
BINS = 10
FEW_VALUES = 10
"""A number with no more different values than this has a bin for each."""
NEAR = 1e-9
"""By this share of itself a number is below another one."""
SHOWN_TEXTS = 20
CONFIDENCE = 0.95
OFF_BY, FAR_OFF_BY = 0.1, 0.25
"""From these shares on, of what was foretold, a score is off; and only where chance alone would not do it."""
SURE = 2.0
"""Standard errors that chance alone seldom exceeds."""

Level = Literal["stable", "watch", "moved"]


class Bins(BaseModel):
    """The parts of a column's range, and the share of the population in each when the model was fitted.

    edges  : of a number: upper ends, included, of all bins but the last
    texts  : of a text: a bin each, and one for all others
    shares : of the bins in order, and last of what is unknown
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    edges: tuple[float, ...] = ()
    texts: tuple[str, ...] = ()
    is_text: bool = False
    shares: tuple[float, ...] = ()

    def places(self, value: ir.Value) -> ir.IntegerValue:
        """The bin of each value, from 0."""
        unknown, last = len(self.shares) - 1, len(self.shares) - 2
        if self.is_text:
            known = [(value == text, place) for place, text in enumerate(self.texts)]
            return ibis.cases((value.isnull(), unknown), *known, else_=last)
        number = number_of(value)
        is_known = is_usable(number).fill_null(False)
        return ibis.cases((~is_known, unknown), *((number <= edge, n) for n, edge in enumerate(self.edges)), else_=last)


class Reference(BaseModel):
    """What a model looked at and said when it was fitted, by column, of so many profiles."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: int

    inputs: dict[str, Bins]
    outputs: dict[str, Bins]


def reference(
    inputs: Mapping[str, ir.Value],
    outputs: Mapping[str, ir.Value],
    table: ir.Table,
    keep: Callable[[ir.Table], ir.Table] = lambda table: table,
) -> Reference:
    """The distributions of a population, as deciles.

    inputs, outputs : expressions over ``table``
    keep            : computes a table once, which is read several times for each column
    """
    columns = {**{f"i_{name}": value for name, value in inputs.items()}}
    columns |= {f"o_{name}": value for name, value in outputs.items()}
    rows = keep(table.select(**columns))
    empty = {name: _bins_of_texts(rows[name]) for name in columns if rows[name].type().is_string()}
    empty |= _bins_of_numbers(rows.drop(*empty))
    counted = shares_of({name: rows[name] for name in columns}, empty, rows)
    found = {name: bins.model_copy(update={"shares": counted[name]}) for name, bins in empty.items()}
    return Reference(
        rows=int(rows.count().to_pyarrow().as_py()),
        inputs={name: found[f"i_{name}"] for name in inputs},
        outputs={name: found[f"o_{name}"] for name in outputs},
    )


def shares_of(values: Mapping[str, ir.Value], bins: Mapping[str, Bins], rows: ir.Table) -> dict[str, tuple[float, ...]]:
    """Column → the share of the rows in each of its bins, and last of those unknown; in one scan. All 0 of no row."""
    placed = rows.select(**{name: bins[name].places(value).cast("int8") for name, value in values.items()}).to_pyarrow()
    found = {}
    for name in values:
        counts = np.bincount(placed[name].to_numpy(), minlength=len(bins[name].shares))
        found[name] = tuple((counts / max(placed.num_rows, 1)).tolist())
    return found


def stability(then: tuple[float, ...], now: tuple[float, ...], n_then: int, n_now: int) -> float:
    """Population stability index: Σ (now − then) · ln(now / then) over the bins of two populations of so many.

    An empty bin counts as half a profile, and as :data:`LEAST_SHARE` at least.
    """
    least, least_now = (max(LEAST_SHARE, 0.5 / n) if n else 1.0 for n in (n_then, n_now))
    pairs = [(max(one, least), max(other, least_now)) for one, other in zip(then, now, strict=True)]
    return sum((after - before) * log(after / before) for before, after in pairs)


def level_of(index: float, bins: Bins, then: int, now: int) -> Level:
    """What an index says of populations of so many; of small ones chance alone makes it large.

    If nothing has moved, the index over 1 / then + 1 / now follows a χ² distribution with a degree of freedom less than
    there are bins (Yurdakul 2018, Statistical Properties of Population Stability Index).
    """
    from scipy.stats import chi2  # noqa: PLC0415

    if not then or not now:
        return "stable"
    chance = float(chi2.ppf(CONFIDENCE, len(bins.shares) - 1)) * (1 / then + 1 / now)
    if index < WATCH or index <= chance:
        return "stable"
    return "watch" if index < MOVED else "moved"


def honesty(foretold: float, variance: float, observed: float, n: int) -> Level:
    """Whether a score's mean is what came, beyond chance.

    foretold, observed : mean probability and share that did it, 0–1
    variance           : mean of p · (1 − p)
    """
    off = abs(observed - foretold)
    error = sqrt(variance / n) if n else 0.0
    if not n or off <= SURE * error or off <= OFF_BY * foretold:
        return "stable"
    return "moved" if off > FAR_OFF_BY * foretold else "watch"


def _bins_of_texts(column: ir.StringColumn) -> Bins:
    """The bins of texts, their shares not known yet."""
    texts = column.as_table().rename(text=column.get_name()).drop_null()
    counted = texts.group_by("text").aggregate(n=texts.count())
    most = counted.order_by(ibis.desc("n"), "text").limit(SHOWN_TEXTS).to_pyarrow()["text"].to_pylist()
    return Bins(texts=tuple(most), is_text=True, shares=(0.0,) * (len(most) + 2))


def _bins_of_numbers(rows: ir.Table) -> dict[str, Bins]:
    """The bins of all columns, which are numbers, their shares not known yet."""
    numbers = {name: number_of(rows[name]) for name in rows.columns}
    if not numbers:
        return {}
    known = rows.select(**{name: is_usable(number).ifelse(number, None) for name, number in numbers.items()})
    n_values = known.aggregate(**{name: known[name].nunique() for name in numbers}).to_pyarrow().to_pylist()[0]
    deciles = [n / BINS for n in range(1, BINS)]
    edges = known.aggregate(
        **{
            name: known[name].quantile(deciles) if n > FEW_VALUES else known[name].collect(distinct=True)
            for name, n in n_values.items()
        }
    )
    found = {}
    for name, values in edges.to_pyarrow().to_pylist()[0].items():
        different = sorted(set(values or ()))
        if n_values[name] == 1:  # what was the same of everybody has three bins: below it, itself, above it
            (same,) = different
            different = [same - NEAR * max(abs(same), 1.0), same]
        elif n_values[name] <= FEW_VALUES:
            different = different[:-1]
        found[name] = Bins(edges=tuple(different), shares=(0.0,) * (len(different) + 2))
    return found
