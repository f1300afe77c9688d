"""Rules as the report prints them: with the names of bands, which checking has turned into numbers."""

from __future__ import annotations

from collections.abc import Mapping

from facette.definitions.language.tree import And, Column, Compare, Not, Number, Or, Rule, Text

Ends = tuple[float | None, float | None]
"""From the first number on, up to the second; None is open."""


def with_bands(rule: Rule, bands: Mapping[str, Mapping[Ends, str]]) -> Rule:
    """The rule with ``score = high`` for ``score >= 75``, where that is what the bands of the score say.

    bands : column → ends of a band → what people call it
    """
    match rule:
        case And(
            items=(
                Compare(left=Column(name=name) as column, operator=">=", right=Number(value=low)),
                Compare(left=Column(name=other), operator="<", right=Number(value=high)),
            )
        ) if name == other and (low, high) in bands.get(name, {}):
            return Compare(column, "=", Text(bands[name][low, high]))
        case And(items=items):
            return And(tuple(with_bands(item, bands) for item in items))
        case Or(items=items):
            return Or(tuple(with_bands(item, bands) for item in items))
        case Not(item=item):
            return Not(with_bands(item, bands))
        case Compare(left=Column(name=name) as column, operator=">=" | "<" as operator, right=Number(value=end)):
            band = bands.get(name, {}).get((end, None) if operator == ">=" else (None, end))
            return Compare(column, "=", Text(band)) if band else rule
    return rule
