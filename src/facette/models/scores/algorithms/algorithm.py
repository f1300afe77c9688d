"""What every algorithm is: how it is fitted, what its parameters are, and what a fitted one can do."""

from __future__ import annotations

import importlib
from abc import abstractmethod
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer

from facette.errors import ModelError

Parameters = Mapping[str, float]
Logits = Callable[[np.ndarray], np.ndarray]


class Predictor(BaseModel):
    """A fitted algorithm as data: from prepared columns to the logit of the probability, before calibration."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str

    @abstractmethod
    def ready(self) -> Logits:
        """The function from a prepared matrix (rows × columns) to a logit per row; loads what it takes to, once."""

    @abstractmethod
    def contributions(self, prepared: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, float]:
        """Shapley values of the logit (Shapley 1953; Lundberg, Lee 2017): rows × groups, and the base.

        groups : the group 0 … g − 1 of each prepared column; a feature's value and its being unknown are one
        The base is the logit of a row of which nothing is known; base + the sum over the groups is the row's logit.
        """

    def gains(self, columns: int) -> np.ndarray | None:
        """What the splits at each of so many prepared columns gained in the fit, 0 or more; None of what has no splits.

        Unlike contributions it is of the rows learned from, and favours columns with many different values.
        """
        return None


@dataclass(frozen=True)
class Range:
    """The values of a parameter among which to search, both ends included."""

    low: float
    high: float
    is_log: bool = False
    is_whole: bool = False


@dataclass(frozen=True)
class Lesson:
    """What an algorithm learns from: prepared rows × columns, outcomes, and a number per person."""

    prepared: np.ndarray
    target: np.ndarray
    people: np.ndarray
    seed: int

    def rows(self, chosen: np.ndarray) -> Lesson:
        return Lesson(self.prepared[chosen], self.target[chosen], self.people[chosen], self.seed)


@dataclass(frozen=True)
class Algorithm:
    """A way to learn a score.

    fit      : from a lesson and parameters to what was learned
    defaults : the parameters where nobody searches
    space    : where to search for them
    choose   : a cheap choice of parameters of its own, where nobody searches; else the defaults
    """

    fit: Callable[[Lesson, Parameters], Predictor]
    defaults: Parameters
    space: Mapping[str, Range] = field(default_factory=dict)
    choose: Callable[[Lesson], dict[str, float]] | None = None


FEW_ROWS = 50_000


def threads(lesson: Lesson) -> int:
    """How many threads to fit with: few rows are done sooner by one than several can agree; 0 stands for all."""
    return 1 if len(lesson.target) < FEW_ROWS else 0


def library(name: str) -> Any:
    """A library of the extra ``models``; ModelError if it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ModelError(
            f"{name.partition('.')[0]} is not installed.", remedy='Install it: pip install "facette[models]"'
        ) from error


def logit(probability: np.ndarray) -> np.ndarray:
    """ln(p / (1 − p)), of probabilities kept a millionth away from 0 and 1."""
    kept = np.clip(probability, 1e-6, 1 - 1e-6)
    return np.log(kept / (1 - kept))


LARGEST_SINGLE = 1e37


def single(prepared: np.ndarray) -> np.ndarray:
    """Prepared rows as float32, in which trees compare; what is too large for it as the largest that is not."""
    return np.clip(prepared, -LARGEST_SINGLE, LARGEST_SINGLE).astype(np.float32)


def by_group(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Rows × columns added up to rows × groups."""
    totals = np.zeros((len(values), int(groups.max()) + 1))
    np.add.at(totals.T, groups, values.T)
    return totals


def _array(dtype: str) -> Any:
    """A NumPy array that JSON holds as the base64 of its little-endian bytes."""

    def read(value: Any) -> Any:
        return np.frombuffer(b64decode(value), dtype) if isinstance(value, str) else np.asarray(value, dtype)

    return Annotated[
        Any,
        BeforeValidator(read),
        PlainSerializer(lambda value: b64encode(value.tobytes()).decode("ascii"), return_type=str),
    ]


Floats = _array("<f8")
Integers = _array("<i4")
