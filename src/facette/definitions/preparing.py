"""What a user writes about how features are prepared before a model learns from them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from facette.definitions.base import DefinedName, Definition, Named, Outliers


class Imputation(Definition):
    """What stands for a value that is unknown."""

    method: Literal["median", "constant", "interpolation", "neighbours", "regression"] = Field(
        description="Of everybody; `value`; on the line between the medians of those with a like value of `by`; the "
        "mean of the `neighbours` most alike in the model's other numbers; or a linear regression on these."
    )
    value: float | None = Field(default=None, description="For `constant`.")
    by: DefinedName | None = Field(default=None, description="For `interpolation`: a number among the features.")
    neighbours: int = Field(default=5, ge=1, le=100)


Share = Annotated[float, Field(gt=0, le=1)]
CategoryCoding = Literal["one_hot", "target", "embedding"]


class Learning(Named):
    """What models that learn from features have in common: the features, and how they are prepared.

    In this order: what is an outlier becomes unknown, or its bound; what is unknown is imputed; skew is taken out; and
    the result is scaled.
    """

    features: tuple[DefinedName, ...] = Field(
        min_length=1, description="Numbers, booleans and texts; of a text the 20 most frequent values are told apart."
    )
    outliers: dict[DefinedName, Outliers] = Field(
        default_factory=dict,
        description="Feature → what to do with a number far from the others; `flag` adds a column.",
    )
    impute: dict[DefinedName, Imputation] = Field(
        default_factory=dict, description="Feature → what stands for an unknown number; the median unless given."
    )
    log: tuple[DefinedName, ...] = Field(default=(), description="Features taken as log(1 + x), for long tails.")
    yeo_johnson: tuple[DefinedName, ...] = Field(
        default=(), description="Features brought nearest to a normal distribution by the transform of Yeo and Johnson."
    )
    scale: Literal["zscore", "robust", "minmax"] = "zscore"
    categories: dict[DefinedName, CategoryCoding] = Field(
        default_factory=dict,
        description="Text → a column for each value (`one_hot`, unless given), the mean of what is to be predicted "
        "(`target`), or a few numbers by which values are alike whose people are (`embedding`).",
    )
    weights: dict[DefinedName, dict[str, Share]] = Field(
        default_factory=dict,
        description="Text or boolean → share of each value in the population that the model is to stand for; profiles "
        "count more or less, so that the shares are these.",
    )
    groups: tuple[DefinedName, ...] = Field(
        default=(),
        description="Texts or booleans by which gaps in the features are reported, besides those of weights.",
    )

    @property
    def group_columns(self) -> tuple[str, ...]:
        """The columns of weights and groups, each once."""
        return tuple(dict.fromkeys((*self.weights, *self.groups)))
