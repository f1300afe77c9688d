"""Boosted trees by XGBoost (Chen, Guestrin 2016), kept as its own JSON."""

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
    single,
    threads,
)


class XGBoost(Predictor):
    """``text`` is the JSON that ``Booster.save_raw`` wrote."""

    kind: Literal["xgboost"] = "xgboost"
    text: str

    def booster(self) -> Any:
        booster = library("xgboost").Booster({"nthread": 1})
        booster.load_model(bytearray(self.text, "utf-8"))
        return booster

    def ready(self) -> Logits:
        booster, matrix = self.booster(), library("xgboost").DMatrix

        def logits(prepared: np.ndarray) -> np.ndarray:
            if not len(prepared):
                return np.empty(0)
            return booster.predict(matrix(single(prepared)), output_margin=True).astype(float)

        return logits

    def contributions(self, prepared: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, float]:
        """TreeSHAP (Lundberg and others 2020), by the booster itself in float32; its last column is the base.

        What rounding leaves between the sum and the logit, some millionths, is shared out among the columns.
        """
        found = self.booster().predict(library("xgboost").DMatrix(single(prepared)), pred_contribs=True).astype(float)
        base = float(found[0, -1])
        rest = self.ready()(prepared) - base - found[:, :-1].sum(axis=1)
        return by_group(found[:, :-1] + rest[:, None] / prepared.shape[1], groups), base

    def gains(self, columns: int) -> np.ndarray:
        """The decrease of the loss, summed over the splits, by the booster itself; it names columns f0, f1, …"""
        found = self.booster().get_score(importance_type="total_gain")
        return np.array([float(found.get(f"f{column}", 0.0)) for column in range(columns)])


def fit(lesson: Lesson, parameters: Parameters) -> XGBoost:
    xgboost = library("xgboost")
    settings = {
        "objective": "binary:logistic",
        "tree_method": "hist",
        "eta": parameters["learning_rate"],
        "max_depth": int(parameters["depth"]),
        "min_child_weight": parameters["leaf_weight"],
        "lambda": parameters["l2"],
        "colsample_bytree": parameters["column_share"],
        "subsample": 0.8,
        "seed": lesson.seed,
        "nthread": threads(lesson),
        "verbosity": 0,
    }
    data = xgboost.DMatrix(single(lesson.prepared), lesson.target.astype(float))
    fitted = xgboost.train(settings, data, num_boost_round=int(parameters["trees"]))
    return XGBoost(text=fitted.save_raw(raw_format="json").decode("utf-8"))


ALGORITHM = Algorithm(
    fit=fit,
    defaults={"trees": 150, "learning_rate": 0.05, "depth": 4, "leaf_weight": 5.0, "l2": 1.0, "column_share": 0.8},
    space={
        "trees": Range(30, 500, is_log=True, is_whole=True),
        "learning_rate": Range(0.01, 0.3, is_log=True),
        "depth": Range(2, 8, is_whole=True),
        "leaf_weight": Range(0.5, 50.0, is_log=True),
        "l2": Range(1e-3, 100.0, is_log=True),
        "column_share": Range(0.3, 1.0),
    },
)
