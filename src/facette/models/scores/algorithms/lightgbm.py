"""Boosted trees by LightGBM (Ke and others 2017), kept as its own text."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from facette.models.scores.algorithms.algorithm import (
    Algorithm,
    Lesson,
    Logits,
    Parameters,
    Predictor,
    Range,
    by_group,
    library,
    threads,
)


class LightGBM(Predictor):
    """``text`` is what ``Booster.model_to_string`` wrote."""

    kind: Literal["lightgbm"] = "lightgbm"
    text: str

    def booster(self) -> Any:
        return library("lightgbm").Booster(model_str=self.text)

    def ready(self) -> Logits:
        booster = self.booster()
        return lambda prepared: (
            booster.predict(prepared, raw_score=True, num_threads=1) if len(prepared) else np.empty(0)
        )

    def contributions(self, prepared: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, float]:
        """TreeSHAP (Lundberg and others 2020), by the booster itself; its last column is the base."""
        found = self.booster().predict(prepared, pred_contrib=True, num_threads=1)
        return by_group(found[:, :-1], groups), float(found[0, -1])

    def gains(self, columns: int) -> np.ndarray:
        """The decrease of the loss, summed over the splits, by the booster itself."""
        return np.asarray(self.booster().feature_importance("gain"), dtype=float)


def fit(lesson: Lesson, parameters: Parameters) -> LightGBM:
    lightgbm = library("lightgbm")
    settings = {
        "objective": "binary",
        "learning_rate": parameters["learning_rate"],
        "num_leaves": int(parameters["leaves"]),
        "min_data_in_leaf": int(parameters["leaf_rows"]),
        "lambda_l2": parameters["l2"],
        "feature_fraction": parameters["column_share"],
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "seed": lesson.seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": threads(lesson),
        "verbosity": -1,
    }
    data = lightgbm.Dataset(lesson.prepared, lesson.target.astype(float))
    return LightGBM(text=lightgbm.train(settings, data, int(parameters["trees"])).model_to_string())


ALGORITHM = Algorithm(
    fit=fit,
    defaults={"trees": 150, "learning_rate": 0.05, "leaves": 15, "leaf_rows": 40, "l2": 1.0, "column_share": 0.8},
    space={
        "trees": Range(30, 500, is_log=True, is_whole=True),
        "learning_rate": Range(0.01, 0.3, is_log=True),
        "leaves": Range(4, 64, is_log=True, is_whole=True),
        "leaf_rows": Range(10, 200, is_log=True, is_whole=True),
        "l2": Range(1e-3, 100.0, is_log=True),
        "column_share": Range(0.3, 1.0),
    },
)
