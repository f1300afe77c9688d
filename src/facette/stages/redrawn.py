"""What the worth of segments asks of other samples of the population: cuts drawn again, and what models would say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import ibis.expr.types as ir
import numpy as np
import pyarrow as pa

from facette.definitions.models import CompositeModel, MapModel, Model, ValueModel, outputs
from facette.features.thresholds import is_fitted
from facette.models.composite import FittedComposite
from facette.models.fitted import FittedModel
from facette.models.maps import FittedMap
from facette.models.matrix import to_matrix
from facette.models.resampling import drawn_distances, drawn_points, drawn_values
from facette.models.scores import FittedPropensity
from facette.models.scores.resampling import drawn_scores
from facette.models.value import FittedValue, numbers
from facette.stages.work import Work
from facette.validation.stability import REPLICATES, drawn_cuts, drawn_rows


@dataclass
class Redrawn:
    """Some profiles as other samples of the population would have them.

    table    : features and what models say, of everybody
    row      : the same in memory, one row per profile;  places: the rows of those to look at
    cuts     : score or threshold → replicates × cuts
    columns  : what models say: column → replicates × profiles
    failed   : models of which it cannot be told
    """

    work: Work
    table: ir.Table
    row: pa.Table
    places: np.ndarray
    cuts: dict[str, np.ndarray]
    columns: dict[str, np.ndarray] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)

    @property
    def profiles(self) -> np.ndarray:
        return self.row["profile_id"].to_numpy()[self.places]

    def add(self, item: Model, fitted: FittedModel, random: np.random.Generator) -> None:
        """What a model would say, after those that it reads."""
        if isinstance(fitted, FittedPropensity) and fitted.metrics.spread is not None:
            scores = to_matrix(self.row, [item.name])[self.places, 0]
            self.columns[item.name] = drawn_scores(fitted.metrics.spread, scores, REPLICATES, random)
        elif isinstance(item, ValueModel) and isinstance(fitted, FittedValue):
            self._add_all(item, self._values(item, fitted, random))
        elif isinstance(item, MapModel) and isinstance(fitted, FittedMap):
            distances = self._distances(item, fitted, random)
            self._add_all(item, None if distances is None else {item.name: distances})
        elif isinstance(item, CompositeModel) and isinstance(fitted, FittedComposite):
            self.columns[item.name] = self._points(item, fitted, random)

    def _add_all(self, item: Model, found: Mapping[str, np.ndarray] | None) -> None:
        if found is None:
            self.failed.add(item.name)
        else:
            self.columns |= {name: found[name] for name in outputs(item)}

    def _values(
        self, item: ValueModel, fitted: FittedValue, random: np.random.Generator
    ) -> dict[str, np.ndarray] | None:
        table = self.table.select("profile_id", **numbers(self.table, fitted.columns))
        everybody = table.to_pyarrow().sort_by("profile_id")
        customers = everybody.filter(everybody["repeats"].is_valid())
        return drawn_values(item, fitted, customers, everybody.take(pa.array(self.places)), REPLICATES, random)

    def _distances(self, item: MapModel, fitted: FittedMap, random: np.random.Generator) -> np.ndarray | None:
        everybody = self.row.select(["profile_id", *dict.fromkeys((*item.features, *item.weights))])
        return drawn_distances(item, fitted, everybody, everybody.take(pa.array(self.places)), REPLICATES, random)

    def _points(self, item: CompositeModel, fitted: FittedComposite, random: np.random.Generator) -> np.ndarray:
        names = [part.of for part in item.parts]
        here = self.table.select("profile_id", *names).to_pyarrow().sort_by("profile_id")
        parts = to_matrix(here.take(pa.array(self.places)), names)
        drawn = {name: self.columns[name] for name in names if name in self.columns}
        others = [name for name in names if name in self.work.definitions.features]
        if self.cuts and others:
            rows = drawn_rows(self.table, self.work.plan_of_features, self.cuts, self.profiles, {})
            found = to_matrix(rows.select("profile_id", *others).to_pyarrow().sort_by("profile_id"), others)
            drawn |= {name: found[:, place].reshape(REPLICATES, -1) for place, name in enumerate(others)}
        return drawn_points(item, fitted, parts, drawn, self.row.num_rows, REPLICATES, random)


def redrawn_cuts(work: Work, wide: pa.Table, row: pa.Table, names: frozenset[str]) -> dict[str, np.ndarray]:
    """Score or threshold → its cuts as they might have been: replicates × cuts. Those without any are left out.

    wide, row : see :func:`facette.stages.worth.worth_of_segments`
    """
    random, cuts = np.random.default_rng(0), work.draft.snapshot.cuts
    drawn = {}
    for feature in work.plan_of_features.features:
        if feature.name not in names or not is_fitted(feature) or not cuts.get(feature.name):
            continue
        quantile = getattr(feature, "quantile", None)
        of = feature.quantiles.of if getattr(feature, "quantiles", None) else feature.of  # type: ignore[union-attr]
        values = to_matrix(row, [of])[:, 0]
        if quantile and quantile.segment:
            values = values[wide[quantile.segment].to_numpy()]
        values = values[~np.isnan(values)]
        if len(values):
            drawn[feature.name] = drawn_cuts(feature, values, cuts[feature.name], random)
    return drawn
