"""Scores, defaults and thresholds are those that the batch engine makes of the same values."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from facette.clock import Moment
from facette.definitions import model
from facette.definitions.language import check_value
from facette.definitions.language.vocabulary import Property, Vocabulary
from facette.features.table import FeaturePlan, feature_table
from facette.live.columnar.columns import Column, column_of
from facette.live.columnar.features import program_of
from tests.warehouses import Engine

NOW = Moment(datetime(2026, 3, 15, tzinfo=UTC))
NAMES = Vocabulary(columns={name: Property(name, "number") for name in ("spend", "n", "score")})
CUTS = {"quintile": (1.0, 5.0, 5.0, 20.0), "reversed": (1.0, 5.0), "usual": (7.5,)}
FEATURES: list[dict[str, Any]] = [
    {"name": "quintile", "quantiles": {"of": "spend", "groups": 5}},
    {"name": "reversed", "quantiles": {"of": "spend", "groups": 3, "reverse": True}},
    {"name": "uncut", "quantiles": {"of": "n", "groups": 4, "reverse": True}},
    {"name": "level", "cuts": {"of": "spend", "at": [0, 5, 12.5]}},
    {"name": "rank", "cuts": {"of": "n", "at": [2, 3], "reverse": True}, "default": 9},
    {"name": "ratio", "value": "spend / (n - 2)"},
    {"name": "filled", "value": "spend / n", "default": 0.5},
    {"name": "plain", "value": "n * 2 + 1"},
    {"name": "constant", "value": "2 - 5", "default": 1},
]


@pytest.mark.parametrize("kind", [pa.float64(), pa.int64()])
def test_every_kind_of_feature(kind: pa.DataType, duckdb: Engine) -> None:
    values = [None, -1, 0, 1, 2, 3, 5, 6, 12, 20, 21]
    table = pa.table(
        {
            "profile_id": pa.array(range(121), pa.int64()),
            "is_counted": [True] * 121,
            "spend": pa.array([value for value in values for _ in values], kind),
            "n": pa.array(values * 11, pa.int64()),
        }
    )
    thresholds = [model.Threshold(name=name, of="n") for name in ("usual", "unknown")]
    features = [model.Feature.model_validate(feature) for feature in FEATURES]
    checked = {feature.name: check_value(feature.value, NAMES).rule for feature in features if feature.value}
    plan = FeaturePlan({}, (*thresholds, *features), checked)  # type: ignore[arg-type]
    profiles = duckdb.con.create_table("profiles", table, temp=True, overwrite=True)
    expected = duckdb.con.to_pyarrow(feature_table(profiles, {}, plan, NOW, CUTS).order_by("profile_id"))
    rows = {name: column_of(table[name]) for name in ("spend", "n")}
    found = program_of(plan, {}, CUTS).run(rows, NOW)
    for item in (*thresholds, *features):
        assert listed(found[item.name], len(table)) == expected[item.name].to_pylist(), item.name


def listed(column: Column, n: int) -> list[Any]:
    values, known = (np.broadcast_to(part, n).tolist() for part in (column.values, column.is_known))
    return [value if is_known else None for value, is_known in zip(values, known, strict=True)]
