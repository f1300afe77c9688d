"""Features and segments as one program over the columns of the wide row: the twin of ``features/table.py``."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from facette.definitions import model
from facette.definitions.language import tree
from facette.features.table import FeaturePlan
from facette.live.columnar.columns import Column
from facette.live.columnar.printer import Program

Make = Callable[[Column], Column]


def program_of(plan: FeaturePlan, rules: Mapping[str, tree.Checked], cuts: Mapping[str, tuple[float, ...]]) -> Program:
    """All features, thresholds and segments, defined under their names; it reads traits and aggregates.

    rules : segment → checked rule, a segment after those it refers to
    cuts  : the cuts of each quantile score, ascending, and the value of each threshold if it is known
    """
    program = Program()
    for feature in plan.features:
        _define(feature, program, plan, cuts)
    for name, checked in rules.items():
        program.define_rule(name, checked.rule)  # type: ignore[arg-type]
    return program


def _define(
    feature: model.Feature | model.Threshold,
    program: Program,
    plan: FeaturePlan,
    cuts: Mapping[str, tuple[float, ...]],
) -> None:
    name = feature.name
    if isinstance(feature, model.Threshold):
        (value,) = cuts.get(name) or (None,)
        program.define_constant(name, value)
        return
    if feature.quantiles:
        by = feature.quantiles
        program.define(name, _score(cuts.get(name, ()), by.groups if by.reverse else None), by.of)
    elif feature.cuts:
        at = feature.cuts.at
        program.define(name, _score(at, len(at) + 1 if feature.cuts.reverse else None), feature.cuts.of)
    else:
        program.define_value(name, plan.values[name])
    if feature.default is not None:
        program.define(name, functools.partial(_filled, feature.default), name)


def _score(cuts: Sequence[float], reversed_from: int | None) -> Make:
    """1 and one more for each cut below the value, or that from ``reversed_from`` down; unknown if the value is."""

    def score(of: Column) -> Column:
        above = np.zeros(np.shape(of.values), np.int64)
        for cut in cuts:
            above += of.values > cut
        return Column(1 + above if reversed_from is None else reversed_from - above, of.known)

    return score


def _filled(default: float, column: Column) -> Column:
    if column.known is None:
        return column
    return Column(np.where(column.known, column.values, default))
