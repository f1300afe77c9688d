"""Models made of events and of other models: what they read, and whether it is there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

from facette.definitions.findings import Findings, KeyPath
from facette.definitions.language import aggregate_name, check_where
from facette.definitions.language.tree import Aggregate, And, Column, IsKnown, Measure, Rule, ValueType
from facette.definitions.language.vocabulary import Event, Vocabulary
from facette.definitions.models import CompositeModel, ValueModel
from facette.errors import RuleError

PURCHASES: tuple[tuple[Measure, str | None], ...] = (
    ("distinct", "day"),
    ("min", "day"),
    ("max", "day"),
    ("recency", None),
    ("sum", "amount"),
    ("opening", "amount"),
)
"""What a value model reads of the purchases, in this order: days with one, the first, the last, how long ago the last
is, the amounts, and those of the first day. None of them moves by time alone but how long ago the last is."""


def purchases(
    model: ValueModel, events: Mapping[str, Event], path: KeyPath, findings: Findings
) -> dict[str, Aggregate]:
    """Column → aggregate, in the order of :data:`PURCHASES`; empty if the model does not hold together."""
    if model.event not in events:
        findings.unknown((*path, "event"), "event", model.event, events)
        return {}
    properties = events[model.event].properties
    if model.amount not in properties:
        findings.unknown((*path, "amount"), f"property of {model.event}", model.amount, properties)
        return {}
    if properties[model.amount].type != "number":
        message = f"`{model.amount}` is {properties[model.amount].type}, and must be number here"
        findings.error((*path, "amount"), message, "name the property with the amount paid")
        return {}
    where: Rule = IsKnown(Column(model.amount, "number"))
    if model.where is not None:
        try:
            where = And((where, cast(Rule, check_where(model.where, model.event, Vocabulary({}, events)).rule)))
        except RuleError as error:
            findings.rule_error((*path, "where"), f"model `{model.name}`", error)
            return {}
    aggregates = (
        Aggregate(function, model.event, model.amount if of == "amount" else of, where) for function, of in PURCHASES
    )
    return {aggregate_name(aggregate): aggregate for aggregate in aggregates}


def check_parts(
    model: CompositeModel,
    path: KeyPath,
    findings: Findings,
    check_column: Callable[[str, KeyPath, tuple[ValueType, ...]], bool],
) -> None:
    """Every part names a number or a boolean, each once, and has what its scale takes and nothing else."""
    takes = {"minmax": ("low", "high"), "cuts": ("at",), "percentile": ()}
    for i, part in enumerate(model.parts):
        here = (*path, "parts", i)
        if part.of in [other.of for other in model.parts[:i]]:
            findings.error((*here, "of"), f"`{part.of}` is a part twice", "add up the weights")
        check_column(part.of, (*here, "of"), ("number", "boolean"))
        for key in ("low", "high", "at"):
            if getattr(part, key) not in (None, ()) and key not in takes[part.scale]:
                message = f"`{key}` has no meaning for the scale {part.scale}"
                findings.error((*here, key), message, "leave it out, or choose another scale")
        if part.scale == "cuts" and (not part.at or list(part.at) != sorted(set(part.at))):
            findings.error((*here, "at"), "the scale cuts takes cuts that ascend", "order them, each once")
        if part.low is not None and part.high is not None and part.low >= part.high:
            message = "low is not below high"
            findings.error((*here, "low"), message, "exchange the two; `reverse` gives most points for the lowest")
