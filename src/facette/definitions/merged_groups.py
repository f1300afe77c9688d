"""Groups that a rule names although they are part of others: whoever is in them has the other number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from facette.definitions.language.messages import Refused
from facette.definitions.language.tree import And, Column, Compare, Not, Number, OneOf, Or, Rule
from facette.definitions.models import ClustersModel, Model, merged_ends
from facette.errors import RuleError


def merged_groups(rule: Rule, text: str, models: Sequence[Model]) -> Iterator[RuleError]:
    """What to say of each group that a rule names and that is merged into another one.

    rule : checked;  text: as written
    """
    ends = {model.name: merged_ends(model.merge) for model in models if isinstance(model, ClustersModel)}
    for column, number in _named(rule):
        into = ends.get(column.name, {}).get(int(number.value)) if number.value == int(number.value) else None
        if into is not None:
            place = column.written if column.written is not None else column
            refused = Refused("merged_group", number.span, group=int(number.value), name=place, into=into)  # type: ignore[arg-type]
            yield refused.for_user(text)


def _named(rule: Rule) -> Iterator[tuple[Column, Number]]:
    match rule:
        case And(items=items) | Or(items=items):
            for item in items:
                yield from _named(item)
        case Not(item=item):
            yield from _named(item)
        case Compare(left=Column() as column, operator="=", right=Number() as number):
            yield column, number
        case OneOf(left=Column() as column, values=values):
            yield from ((column, value) for value in values if isinstance(value, Number))
