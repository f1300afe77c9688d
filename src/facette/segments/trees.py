"""What a checked rule is made of, with the segments that it refers to opened."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from facette.definitions.language import tree

Rules = Mapping[str, tree.Checked]
"""Segment → its checked rule."""


def inside(node: tree.Rule, rules: Rules) -> tuple[tree.Rule, ...]:
    """The rules right inside a node; inside a reference the segment's own."""
    match node:
        case tree.And(items) | tree.Or(items):
            return items
        case tree.Not(item):
            return (item,)
        case tree.InSegment(segment):
            return (rules[segment].rule,)  # type: ignore[return-value]
    return ()


def new_inside(node: tree.Rule, rules: Rules, seen: set[str]) -> tuple[tree.Rule, ...]:
    """What is inside a node; of a segment only the first time, so that the work does not grow with every reference."""
    if isinstance(node, tree.InSegment):
        if node.segment in seen:
            return ()
        seen.add(node.segment)
    return inside(node, rules)


def nodes(node: tree.Rule, rules: Rules, seen: set[str]) -> Iterator[tree.Rule]:
    """A rule and all that is in it, each segment once."""
    yield node
    for item in new_inside(node, rules, seen):
        yield from nodes(item, rules, seen)


def conditions(rule: tree.Rule, rules: Rules) -> list[tree.Rule]:
    """The different conditions of a rule and of the segments that it refers to, in the order in which they stand."""
    return list(dict.fromkeys(node for node in nodes(rule, rules, set()) if not inside(node, rules)))


def by_column(found: Iterable[tree.Rule], roots: Mapping[str, str]) -> dict[str, list[tree.Rule]]:
    """Column → the conditions on it, in their order.

    roots : column → the column that it is another name of
    """
    on: dict[str, list[tree.Rule]] = {}
    for condition in found:
        column = column_of(condition)
        if column is None:
            raise TypeError(f"not a checked condition: {condition!r}")
        on.setdefault(roots.get(column.name, column.name), []).append(condition)
    return on


def leaves(node: tree.Rule | None) -> Iterator[tree.Rule]:
    """The conditions of one rule, with the references to segments as they are."""
    match node:
        case None:
            return
        case tree.And(items) | tree.Or(items):
            for item in items:
                yield from leaves(item)
        case tree.Not(item):
            yield from leaves(item)
        case _:
            yield node


def column_of(node: tree.Rule) -> tree.Column | None:
    """The column that a condition looks at."""
    left = getattr(node, "left", None)
    return left if isinstance(left, tree.Column) else None


def literals_of(leaf: tree.Rule) -> tuple[tree.Literal_, ...]:
    """The values that a condition compares with."""
    match leaf:
        case tree.Compare(_, _, right):
            return (right,)
        case tree.OneOf(_, values):
            return values
        case tree.Between(_, low, high):
            return (low, high)
    return ()


def numbers_in(leaf: tree.Rule) -> Iterator[float]:
    for literal in literals_of(leaf):
        if isinstance(literal, tree.Number):
            yield literal.value
        elif isinstance(literal, tree.Threshold):
            yield from literal.value or ()


def compared(leaf: tree.Rule) -> Iterator[tree.Literal_ | tree.InTheLast]:
    """What a condition compares with; of the window of a first time its length, or the days where it ends."""
    yield from literals_of(leaf)
    match leaf:
        case tree.FirstIn(_, tree.InTheLast() as window):
            yield window
        case tree.FirstIn(_, tree.Earlier(amount, after, unit)):
            yield tree.InTheLast(after, unit)
            yield tree.InTheLast(amount + after, unit)
        case tree.FirstIn(_, tree.Since(day) | tree.Before(day)):
            yield day
        case tree.FirstIn(_, tree.BetweenDays(first, last)):
            yield first
            yield last
