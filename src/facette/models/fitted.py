"""What every fitted model is: data. No pickle; the parameters and the metrics are each one JSON text."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Collection
from typing import TYPE_CHECKING, Self

import numpy as np
from pydantic import BaseModel, ConfigDict

from facette.models.preparation import Preparation

if TYPE_CHECKING:
    import ibis.expr.types as ir


class FittedModel(BaseModel):
    """A fitted model. Subclasses add what they learned, and a field ``metrics`` about how well.

    fingerprint : of the rows it was fitted on; the same data gives the same text
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    fingerprint: str
    seed: int
    metrics: BaseModel

    @abstractmethod
    def output(self, features: ir.Table) -> ir.Value:
        """What the model says of each row of a table that has its features, as an expression."""

    @abstractmethod
    def inputs(self, features: ir.Table) -> dict[str, ir.Value]:
        """The numbers, booleans and texts that the model looks at, by what they are called; null where unknown."""

    def outputs(self, features: ir.Table) -> dict[str, ir.Value]:
        """Every column that the model gives."""
        return {self.name: self.output(features)}

    def people(self) -> tuple[int, ...]:
        """The profile ids that are kept with the model; most models keep none."""
        return ()

    def only_of(self, profiles: Collection[int]) -> Self:
        """The same model, without what it keeps of people other than these."""
        return self

    def parameters_json(self) -> str:
        """Everything but the metrics: what it takes to apply the model."""
        return self.model_dump_json(exclude={"metrics"})

    def metrics_json(self) -> str:
        return self.metrics.model_dump_json()

    @classmethod
    def from_json(cls, parameters: str, metrics: str) -> Self:
        """The model whose two texts these are; floats come back bit for bit."""
        return cls.model_validate_json(f'{parameters.rstrip().removesuffix("}")},"metrics":{metrics}}}')


class Fitted(FittedModel):
    """A fitted model that looks at prepared features."""

    preparation: Preparation

    def inputs(self, features: ir.Table) -> dict[str, ir.Value]:
        return {name: features[name] for name in self.preparation.features}


def fingerprint(features: tuple[str, ...], *arrays: np.ndarray) -> str:
    """SHA-256 of the names and of the arrays' values (float64, rows in the order given)."""
    digest = hashlib.sha256("\n".join(features).encode())
    for array in arrays:
        digest.update(np.ascontiguousarray(array, dtype=float).data)
    return digest.hexdigest()
