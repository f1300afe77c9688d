"""The algorithms that can learn a score, by the name that definitions give them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from facette.models.scores.algorithms import forest, lightgbm, linear, neural, xgboost
from facette.models.scores.algorithms.algorithm import Algorithm

ALGORITHMS: dict[str, Algorithm] = {
    "logistic": linear.ALGORITHM,
    "random_forest": forest.ALGORITHM,
    "lightgbm": lightgbm.ALGORITHM,
    "xgboost": xgboost.ALGORITHM,
    "neural": neural.ALGORITHM,
}

AnyPredictor = Annotated[
    linear.Linear | forest.Forest | lightgbm.LightGBM | xgboost.XGBoost | neural.Neural, Field(discriminator="kind")
]
