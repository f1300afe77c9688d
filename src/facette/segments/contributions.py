"""What a score of one profile is made of: the features that push it up and down."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from facette.definitions.language.vocabulary import Vocabulary
from facette.definitions.model import Language
from facette.models.kinds import stored
from facette.models.scores import FittedPropensity
from facette.models.scores.contributions import contributions


def pushes(
    model: Mapping[str, Any], row: Mapping[str, Any], vocabulary: Vocabulary, language: Language
) -> dict[str, Any] | None:
    """What moves the logit of a profile's score, the largest first. None if the model is no score, or
    learned from features that there are no more.

    model   : the row of the table ``models``
    row     : the profile's features and traits, and the model's output if it is known
    returns : model, label, value (0 to 100); logit (before calibration), base (the logit of a profile of which nothing
              is known), contributions: feature, label, value, contribution. base + all contributions = logit.
    """
    fitted = stored(model)
    if not isinstance(fitted, FittedPropensity) or not row.keys() >= set(fitted.preparation.features):
        return None
    inputs = fitted.preparation.features
    found = contributions(fitted, pa.table({name: [row[name]] for name in inputs}))
    parts = [
        {
            "feature": name,
            "label": _label(vocabulary, name, language),
            "value": row[name],
            "contribution": float(value),
        }
        for name, value in zip(found.features, found.values[0], strict=True)
    ]
    return {
        "model": fitted.name,
        "label": _label(vocabulary, fitted.name, language),
        "value": row.get(fitted.name),
        "logit": float(found.logits[0]),
        "base": found.base,
        "contributions": sorted(parts, key=lambda part: -abs(part["contribution"])),
    }


def _label(vocabulary: Vocabulary, name: str, language: Language) -> str:
    column = vocabulary.columns.get(name)
    return (column.labels.get(language) or next(iter(column.labels.values()), name)) if column else name
