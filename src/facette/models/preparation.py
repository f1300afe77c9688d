"""How features become the numbers that a model learns from, in NumPy and as Ibis expressions alike.

    value ─► outlier → unknown or its bound ─► unknown → imputed ─► skew taken out ─► (value − centre) / scale

The logarithm is sign(x) · ln(1 + |x|), which is ln(1 + x) for the amounts and counts it is meant for and stays defined,
and in order, below 0. The other transform is that of Yeo, Johnson (2000, eq. 2.1), its λ the most likely one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import ibis
import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from facette.definitions.base import Outliers
from facette.definitions.preparing import Learning
from facette.errors import ModelError
from facette.models.categories import embedding, out_of_fold_codes, target_codes
from facette.models.imputation import Fill, fit_fill
from facette.models.matrix import Levels, as_double, is_usable, number_of, to_matrix

if TYPE_CHECKING:
    import ibis.expr.types as ir

Scale = Literal["zscore", "robust", "minmax"]
Part = Literal["value", "missing", "outlier", "level", "code"]


class Bounds(BaseModel):
    """Beyond them a number is an outlier; what is done with it is the declared action."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    low: float
    high: float
    action: Literal["flag", "clip", "drop"]


class PreparedColumn(BaseModel):
    """One column of the prepared matrix, made of one feature.

    part  : its value; 1 where it is unknown (missing), or an outlier; of a text 1 where it has the value ``level`` (the
            place among those told apart; their number stands for any other), or the number that ``codes`` has for it
    codes : of each value told apart, of any other, and of unknown
    power : λ of Yeo and Johnson, where their transform is applied
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    feature: str
    part: Part = "value"
    fill: Fill | None = None
    bounds: Bounds | None = None
    level: int | None = None
    codes: tuple[float, ...] | None = None
    is_logged: bool = False
    power: float | None = None
    centre: float = 0.0
    scale: float = 1.0
    unknown_share: float = 0.0

    @property
    def is_missing_flag(self) -> bool:
        return self.part == "missing"

    @property
    def meaning(self) -> tuple[Any, ...]:
        """What the column is before scaling; two fits whose columns mean the same can be compared."""
        return (self.feature, self.part, self.level, self.is_logged, self.power is not None)


class Preparation(BaseModel):
    """How features become the prepared matrix.

    features : every feature of the model, in order; the columns of the matrices handed in
    levels   : text → its values that are told apart
    columns  : the columns of the prepared matrix
    remarks  : feature → what was special about it, for instance that it is ignored, and why
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    features: tuple[str, ...]
    levels: dict[str, tuple[str, ...]]
    columns: tuple[PreparedColumn, ...]
    remarks: dict[str, str]

    def matrix(self, table: pa.Table) -> np.ndarray:
        """The features of a table as float64, rows × ``features``, NaN where unknown."""
        return to_matrix(table, self.features, self.levels)

    def transform(self, matrix: np.ndarray) -> np.ndarray:
        """The prepared matrix (rows × ``columns``) of a matrix (rows × ``features``)."""
        place = {feature: index for index, feature in enumerate(self.features)}
        prepared = np.empty((len(matrix), len(self.columns)))
        for index, column in enumerate(self.columns):
            prepared[:, index] = (_values(column, matrix, place) - column.centre) / column.scale
        return prepared

    def numbers(self, table: ir.Table) -> ir.Table:
        """The table with every feature as float64, texts as the places of their values."""
        return table.mutate(**{name: number_of(table[name], self.levels.get(name, ())) for name in self.features})

    def expressions(self, table: ir.Table) -> list[ir.FloatingValue]:
        """The prepared matrix's columns as expressions over a table that has the features."""
        numbers = {name: number_of(table[name], self.levels.get(name, ())) for name in self.features}
        return [(_expression(numbers, column) - column.centre) / column.scale for column in self.columns]

    def label(self, column: PreparedColumn) -> str:
        """A column's name for people who know the features' names: ``city = Lyon``, ``age?``."""
        if column.level is None:
            return f"{column.feature}?" if column.is_missing_flag else column.feature
        levels = self.levels[column.feature]
        return f"{column.feature} = {levels[column.level] if column.level < len(levels) else '…'}"


def fit_preparation(
    matrix: np.ndarray,
    model: Learning,
    *,
    levels: Levels | None = None,
    target: np.ndarray | None = None,
    flag_missing: bool = False,
    seed: int = 0,
) -> Preparation:
    """Learn bounds, imputation, transforms and scales from a matrix (rows × features) with NaN for unknown.

    zscore is mean and standard deviation, robust is median and interquartile range, minmax is minimum and range. A
    feature without any known value, or with one and the same value everywhere, is ignored; ``remarks`` says so.
    ``flag_missing`` adds a column per feature that is sometimes unknown. Raises ModelError if no column is left.
    """
    levels = dict(levels or {})
    fitting = _Fitting(matrix, model, levels, target, seed)
    columns = [column for index in range(len(model.features)) for column in fitting.columns_of(index, flag_missing)]
    columns = fitting.embedded(columns)
    if not columns:
        raise ModelError(
            "None of the model's features tells profiles apart: each is always unknown or always the same.",
            remedy="Choose features that vary; `facette report` shows how each is distributed.",
        )
    return Preparation(features=model.features, levels=levels, columns=tuple(columns), remarks=fitting.remarks)


def training_matrix(
    preparation: Preparation, model: Learning, matrix: np.ndarray, target: np.ndarray, people: np.ndarray, seed: int
) -> np.ndarray:
    """The prepared matrix of the rows that a preparation was learned from: texts coded by the target are so by other
    people's rows alone (five folds), so that a model does not take what a code remembers for what it foretells."""
    prepared = preparation.transform(matrix)
    for index, column in enumerate(preparation.columns):
        if column.part == "code" and model.categories.get(column.feature) == "target":
            codes, levels = (
                matrix[:, preparation.features.index(column.feature)],
                len(preparation.levels[column.feature]),
            )
            found = out_of_fold_codes(codes, target.astype(float), people, levels, seed)
            prepared[:, index] = (found - column.centre) / column.scale
    return prepared


def affine(columns: Sequence[ir.FloatingValue], weights: Sequence[float], intercept: float) -> ir.FloatingValue:
    """intercept + Σ weight · column, as an expression."""
    total: ir.FloatingValue = ibis.literal(intercept, "float64")
    for column, weight in zip(columns, weights, strict=True):
        if weight:
            total = total + column * weight
    return total


def signed_log(values: np.ndarray) -> np.ndarray:
    return np.sign(values) * np.log1p(np.abs(values))


def yeo_johnson(values: np.ndarray, power: float) -> np.ndarray:
    """Yeo, Johnson (2000, eq. 2.1) with λ = ``power``."""
    up, down = np.maximum(values, 0.0), np.maximum(-values, 0.0)
    above = np.log1p(up) if power == 0 else ((up + 1) ** power - 1) / power
    below = np.log1p(down) if power == 2 else ((down + 1) ** (2 - power) - 1) / (2 - power)
    return above - below


# ── applying ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _values(column: PreparedColumn, matrix: np.ndarray, place: Mapping[str, int]) -> np.ndarray:
    """A column before scaling."""
    raw = matrix[:, place[column.feature]]
    unknown = np.isnan(raw)
    match column.part:
        case "missing":
            return unknown.astype(float)
        case "level":
            return (raw == column.level).astype(float)
        case "code":
            assert column.codes is not None
            return np.array(column.codes)[np.where(unknown, len(column.codes) - 1, raw).astype(int)]
    bounds = column.bounds
    if column.part == "outlier":
        assert bounds is not None
        return ((raw < bounds.low) | (raw > bounds.high)).astype(float)
    if bounds is not None and bounds.action == "drop":
        unknown = unknown | (raw < bounds.low) | (raw > bounds.high)
    if unknown.any():
        assert column.fill is not None
        raw = raw.copy()
        raw[unknown] = column.fill.values(matrix[unknown], place)
    if bounds is not None and bounds.action == "clip":
        raw = np.clip(raw, bounds.low, bounds.high)
    if column.is_logged:
        return signed_log(raw)
    return raw if column.power is None else yeo_johnson(raw, column.power)


def _expression(numbers: Mapping[str, ir.FloatingValue], column: PreparedColumn) -> ir.FloatingValue:
    """A column before scaling, as an expression."""
    number = numbers[column.feature]
    is_known = is_usable(number)
    match column.part:
        case "missing":
            return is_known.fill_null(False).ifelse(0.0, 1.0)
        case "level":
            return (number == float(column.level or 0)).fill_null(False).ifelse(1.0, 0.0)
        case "code":
            assert column.codes is not None
            pairs = [(number == float(place), code) for place, code in enumerate(column.codes[:-1])]
            return as_double(ibis.cases(*pairs, else_=column.codes[-1]))
    bounds = column.bounds
    if bounds is not None:
        is_far = (number < bounds.low) | (number > bounds.high)
        if column.part == "outlier":
            return (is_known & is_far).fill_null(False).ifelse(1.0, 0.0)
        if bounds.action == "drop":
            is_known = is_known & ~is_far
    assert column.fill is not None
    filled = is_known.ifelse(number, column.fill.expression(numbers))
    if bounds is not None and bounds.action == "clip":
        filled = ibis.least(ibis.greatest(filled, bounds.low), bounds.high)
    if column.is_logged:
        return filled.sign() * (filled.abs() + 1.0).ln()
    return filled if column.power is None else _yeo_johnson_of(filled, column.power)


def _yeo_johnson_of(value: ir.FloatingValue, power: float) -> ir.FloatingValue:
    up, down = ibis.greatest(value, 0.0) + 1.0, ibis.greatest(-value, 0.0) + 1.0
    above = up.ln() if power == 0 else (up**power - 1.0) / power
    below = down.ln() if power == 2 else (down ** (2 - power) - 1.0) / (2 - power)
    return above - below


# ── fitting ─────────────────────────────────────────────────────────────────────────────────────────────────────────


class _Fitting:
    """What the columns of one preparation are learned from."""

    def __init__(
        self,
        matrix: np.ndarray,
        model: Learning,
        levels: dict[str, tuple[str, ...]],
        target: np.ndarray | None,
        seed: int,
    ) -> None:
        self.matrix, self.model, self.levels, self.seed = matrix, model, levels, seed
        self.target = None if target is None else target.astype(float)
        self.place = {feature: index for index, feature in enumerate(model.features)}
        self.numeric = [index for feature, index in self.place.items() if feature not in levels]
        self.remarks: dict[str, str] = {}

    def columns_of(self, index: int, flag_missing: bool) -> Iterator[PreparedColumn]:
        """The columns made of one feature but for those of an embedding, which needs the others first."""
        feature, values = self.model.features[index], self.matrix[:, index]
        unknown = np.isnan(values)
        if unknown.all():
            self.remarks[feature] = "ignored: it has no known value"
            return
        made = list(self._text(feature, values) if feature in self.levels else self._number(feature, index))
        if not made and self.model.categories.get(feature) != "embedding":
            self.remarks[feature] = "ignored: it has the same value everywhere"
        yield from made
        if flag_missing and unknown.any():
            yield self._scaled(PreparedColumn(feature=feature, part="missing"), unknown.astype(float), "zscore")

    def _number(self, feature: str, index: int) -> Iterator[PreparedColumn]:
        values = self.matrix[:, index]
        bounds = _bounds(values, self.model.outliers.get(feature))
        learned = self.matrix
        if bounds is not None and bounds.action == "drop":
            learned = self.matrix.copy()
            learned[(values < bounds.low) | (values > bounds.high), index] = np.nan
        wanted = self.model.impute.get(feature)
        fill = fit_fill(wanted, index, learned, self.model.features, self.numeric, self.seed)
        column = PreparedColumn(feature=feature, fill=fill, bounds=bounds, is_logged=feature in self.model.log)
        if feature in self.model.yeo_johnson:
            column = column.model_copy(update={"power": _likeliest_power(_values(column, self.matrix, self.place))})
        prepared = _values(column, self.matrix, self.place)
        if not _is_constant(prepared):
            yield self._scaled(column, prepared, self.model.scale)
        if bounds is not None and bounds.action == "flag":
            flag = PreparedColumn(feature=feature, part="outlier", bounds=bounds)
            is_outlier = _values(flag, self.matrix, self.place)
            if not _is_constant(is_outlier):
                yield self._scaled(flag, is_outlier, "zscore")

    def _text(self, feature: str, codes: np.ndarray) -> Iterator[PreparedColumn]:
        levels = len(self.levels[feature])
        match self.model.categories.get(feature, "one_hot"):
            case "one_hot":
                for level in range(levels + 1):
                    column = PreparedColumn(feature=feature, part="level", level=level)
                    is_level = (codes == level).astype(float)
                    if not _is_constant(is_level):
                        yield self._scaled(column, is_level, "zscore")
            case "target":
                if self.target is None:
                    raise ModelError(
                        f"“{feature}” cannot be coded by a target: the model has none.",
                        remedy="Use categories: one_hot or embedding for it.",
                    )
                found = target_codes(codes, self.target, levels)
                column = PreparedColumn(feature=feature, part="code", codes=tuple(found.tolist()))
                prepared = _values(column, self.matrix, self.place)
                if not _is_constant(prepared):
                    yield self._scaled(column, prepared, self.model.scale)

    def embedded(self, columns: list[PreparedColumn]) -> list[PreparedColumn]:
        """The columns, and those of the texts that are embedded, which is learned from the columns there are."""
        found = list(columns)
        others = [column for column in columns if column.part in ("value", "level")]
        for feature in (name for name in self.levels if self.model.categories.get(name) == "embedding"):
            codes = self.matrix[:, self.place[feature]]
            if feature in self.remarks:
                continue
            prepared = Preparation(features=self.model.features, levels=self.levels, columns=tuple(others), remarks={})
            points = embedding(codes, prepared.transform(self.matrix), len(self.levels[feature]), self.seed, feature)
            for axis in points.T:
                column = PreparedColumn(feature=feature, part="code", codes=tuple(axis.tolist()))
                values = _values(column, self.matrix, self.place)
                if not _is_constant(values):
                    found.append(self._scaled(column, values, self.model.scale))
        return found

    def _scaled(self, column: PreparedColumn, values: np.ndarray, scale: Scale) -> PreparedColumn:
        centre, width = _centre_and_scale(values, scale)
        if width == 0:
            centre, width = _centre_and_scale(values, "zscore")
            self.remarks[column.feature] = "scaled by its standard deviation: its interquartile range is 0"
        unknown = float(np.isnan(self.matrix[:, self.place[column.feature]]).mean())
        return column.model_copy(update={"centre": centre, "scale": width, "unknown_share": unknown})


def _bounds(values: np.ndarray, outliers: Outliers | None) -> Bounds | None:
    """Tukey's fences, or so many standard deviations from the mean; None where all values are the same by them."""
    known = values[~np.isnan(values)]
    if outliers is None or not len(known):
        return None
    if outliers.method == "iqr":
        low, high = np.percentile(known, [25, 75])
        reach = outliers.factor * (high - low)
    else:
        low = high = known.mean()
        reach = outliers.factor * (known.std(ddof=1) if len(known) > 1 else 0.0)
    return Bounds(low=float(low - reach), high=float(high + reach), action=outliers.action) if reach > 0 else None


def _likeliest_power(values: np.ndarray) -> float:
    """λ by maximum likelihood; 1, which changes nothing, where all values are the same."""
    if _is_constant(values):
        return 1.0
    from scipy.stats import yeojohnson_normmax  # noqa: PLC0415

    return float(yeojohnson_normmax(values))


def _is_constant(values: np.ndarray) -> bool:
    low, high = values.min(), values.max()
    return bool(high - low <= 1e-12 * max(abs(low), abs(high)))


def _centre_and_scale(values: np.ndarray, scale: Scale) -> tuple[float, float]:
    match scale:
        case "zscore":
            return float(values.mean()), float(values.std())
        case "robust":
            low, middle, high = np.percentile(values, [25, 50, 75])
            return float(middle), float(high - low)
        case "minmax":
            return float(values.min()), float(values.max() - values.min())
