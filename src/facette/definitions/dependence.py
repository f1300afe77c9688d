"""What needs what: above a segment, below a name, and the order in which everything comes after what it needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from facette.definitions.model import Segment


def in_order(needs: Mapping[str, Sequence[str]]) -> tuple[list[str], list[list[str]]]:
    """Sort so that everything comes after what it needs; what is needed but not a key is left aside.

    returns : the order, and the circles found (``[a, b, a]``: a needs b needs a), whose members the order leaves out
    """
    remaining = dict(needs)
    circles: list[list[str]] = []
    while True:
        graph = {name: [need for need in wanted if need in remaining] for name, wanted in remaining.items()}
        try:
            return list(TopologicalSorter(graph).static_order()), circles
        except CycleError as error:
            circle = error.args[1][-2::-1]  # graphlib lists it from the needed to the needing, its first member twice
            start = min(range(len(circle)), key=lambda i: list(needs).index(circle[i]))
            circle = circle[start:] + circle[:start]
            circles.append([*circle, circle[0]])
            for name in circle:
                del remaining[name]


def above(name: str, segments: Mapping[str, Segment]) -> set[str]:
    """The parent of a segment, its parent, and so on."""
    found: set[str] = set()
    parent = segments[name].parent
    while parent is not None and parent in segments and parent not in found:
        found.add(parent)
        parent = segments[parent].parent
    return found


def below(name: str, needs: Mapping[str, Sequence[str]]) -> set[str]:
    """All that something needs, at whatever depth."""
    found: set[str] = set()
    waiting = list(needs.get(name, ()))
    while waiting:
        need = waiting.pop()
        if need not in found:
            found.add(need)
            waiting += needs.get(need, ())
    return found
