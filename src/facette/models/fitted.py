"""What every fitted model is: data. No pickle; the parameters and the metrics are each one JSON text."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from typing import TYPE_CHECKING, Self

import numpy as np
from pydantic import BaseModel, ConfigDict

from facette.models.preparation import Preparation

if TYPE_CHECKING:
    import ibis.expr.types as ir


class Fitted(BaseModel):
    """A fitted model. Subclasses add what they learned, and a field ``metrics`` about how well.

    fingerprint : of the rows it was fitted on; the same data gives the same text
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    fingerprint: str
    seed: int
    preparation: Preparation
    metrics: BaseModel

    @abstractmethod
    def output(self, features: ir.Table) -> ir.Value:
        """What the model says of each row of a table that has its features, as an expression."""

    def parameters_json(self) -> str:
        """Everything but the metrics: what it takes to apply the model."""
        return self.model_dump_json(exclude={"metrics"})

    def metrics_json(self) -> str:
        return self.metrics.model_dump_json()

    @classmethod
    def from_json(cls, parameters: str, metrics: str) -> Self:
        """The model whose two texts these are; floats come back bit for bit."""
        return cls.model_validate_json(f'{parameters.rstrip().removesuffix("}")},"metrics":{metrics}}}')


def fingerprint(features: tuple[str, ...], *arrays: np.ndarray) -> str:
    """SHA-256 of the names and of the arrays' values (float64, rows in the order given)."""
    digest = hashlib.sha256("\n".join(features).encode())
    for array in arrays:
        digest.update(np.ascontiguousarray(array, dtype=float).data)
    return digest.hexdigest()
