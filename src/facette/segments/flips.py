"""The smallest changes that would flip a rule for one profile: which columns, as few as can be, would have to take
which other values.

Exact, by a bounded search: a verdict that is not as wanted is so because of some conditions, one of which has to
change; each way to change it is tried, as deep as the least number of columns that could do. A column that stands in
several conditions takes one value for all of them. Columns are taken as they stand in the rule, each by itself,
whatever they are computed from.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from facette.definitions.language import tree
from facette.segments.regions import Region
from facette.segments.trees import Rules, column_of, inside

MOST_WAYS = 100
"""So many alternatives are looked for."""
MOST_STEPS = 5_000
"""Give up after so many steps; the answer then says that it may not be all."""


@dataclass(frozen=True)
class Change:
    """A column that takes another value.

    conditions : those whose verdicts change by it, with the verdict that each needs
    now        : the present value
    region     : the values that would do
    is_given   : a model says the value: no change by hand
    """

    column: tree.Column
    conditions: tuple[tuple[tree.Rule, bool], ...]
    now: Any
    region: Region
    is_given: bool = False


@dataclass(frozen=True)
class Flips:
    """The alternatives of the smallest size, each a set of changes that are made together.

    ways        : none if no change flips the rule, or none was found in time
    is_complete : these are all there are
    """

    ways: tuple[tuple[Change, ...], ...]
    is_complete: bool


def smallest_flips(
    rule: tree.Rule,
    rules: Rules,
    on: Mapping[str, Sequence[tree.Rule]],
    regions: Mapping[str, Sequence[Region]],
    given: frozenset[str] = frozenset(),
) -> Flips:
    """The smallest sets of changes after which the rule's verdict is the other one.

    rules   : the segments it may refer to; their conditions are changed like its own
    on      : column → the conditions on it, of the rule and of the segments that it refers to
    regions : column → its regions, that of the present value first
    given   : columns that nobody can change by hand; they are changed only where nothing else flips the rule
    """
    kept = {name: own[:1] if name in given else own for name, own in regions.items()}
    flips = _Search(rule, rules, on, kept, given).flips()
    if flips.ways or not given or not flips.is_complete:
        return flips
    return _Search(rule, rules, on, regions, given).flips()


@dataclass(frozen=True)
class _Node:
    """A node of the rule as a place in a list, after all those inside it.

    kind   : and | or | not | leaf
    groups : the places inside, those that share columns together
    """

    kind: str
    items: tuple[int, ...] = ()
    groups: tuple[tuple[int, ...], ...] = ()
    column: str = ""
    position: int = 0


Chosen = Mapping[str, int]
"""Column → which of its regions it takes; the others stay where they are."""


@dataclass
class _Search:
    rule: tree.Rule
    rules: Rules
    conditions: Mapping[str, Sequence[tree.Rule]]
    regions: Mapping[str, Sequence[Region]]
    given: frozenset[str]
    nodes: list[_Node] = field(default_factory=list)
    found: dict[frozenset[tuple[str, int]], None] = field(default_factory=dict)
    seen: set[frozenset[tuple[str, int]]] = field(default_factory=set)
    steps: int = 0

    def __post_init__(self) -> None:
        self._list_nodes()
        self.wanted = not self._truths({})[-1]

    def flips(self) -> Flips:
        least = self._least_changes(self._truths({}), {})[self.wanted][-1]
        size = int(least) if math.isfinite(least) else len(self.regions) + 1
        while size <= len(self.regions) and not self.found and not self._is_over():
            self.seen.clear()
            self._extend({}, size)
            size += 1
        ways = [self._way(dict(chosen)) for chosen in self._without_detours()]
        return Flips(
            tuple(sorted(ways, key=lambda way: sum(len(change.conditions) for change in way))), not self._is_over()
        )

    def _is_over(self) -> bool:
        return self.steps >= MOST_STEPS or len(self.found) >= MOST_WAYS

    def _extend(self, chosen: dict[str, int], size: int) -> None:
        """Find every way of ``size`` changes that has those chosen already."""
        key = frozenset(chosen.items())
        if key in self.seen or self._is_over():
            return
        self.seen.add(key)
        self.steps += 1
        truths = self._truths(chosen)
        if truths[-1] is self.wanted:
            self.found[key] = None
            return
        least = self._least_changes(truths, chosen)
        if len(chosen) + least[self.wanted][-1] > size:
            return
        for place in sorted(self._reasons(len(self.nodes) - 1, self.wanted, truths, least, {})):
            leaf = self.nodes[place]
            for index, _ in self._ways_to_turn(leaf, truths[place], chosen):
                self._extend({**chosen, leaf.column: index}, size)

    def _ways_to_turn(self, leaf: _Node, truth: bool, chosen: Chosen) -> Iterator[tuple[int, Region]]:
        if leaf.column not in chosen:
            for index, region in enumerate(self.regions[leaf.column]):
                if region.met[leaf.position] is not truth:
                    yield index, region

    # ── the rule under some choice ──

    def _truths(self, chosen: Chosen) -> list[bool]:
        """The verdict of every node."""
        found: list[bool] = []
        for node in self.nodes:
            match node.kind:
                case "leaf":
                    region = self.regions[node.column][chosen.get(node.column, 0)]
                    found.append(region.met[node.position])
                case "not":
                    found.append(not found[node.items[0]])
                case "and":
                    found.append(all(found[item] for item in node.items))
                case _:
                    found.append(any(found[item] for item in node.items))
        return found

    def _least_changes(self, truths: Sequence[bool], chosen: Chosen) -> dict[bool, list[float]]:
        """Verdict → for each node, a number of further changes below which it cannot be had.

        What shares no column adds up; of what does, one change may do for all.
        """
        least: dict[bool, list[float]] = {True: [], False: []}
        for place, node in enumerate(self.nodes):
            if node.kind == "leaf":
                turned = 1 if any(self._ways_to_turn(node, truths[place], chosen)) else math.inf
                least[truths[place]].append(0)
                least[not truths[place]].append(turned)
            elif node.kind == "not":
                for verdict in (True, False):
                    least[verdict].append(least[not verdict][node.items[0]])
            else:
                every = node.kind == "and"
                together = sum(max(least[every][item] for item in group) for group in node.groups)
                least[every].append(together)
                least[not every].append(min(least[not every][item] for item in node.items))
        return least

    def _reasons(
        self,
        place: int,
        verdict: bool,
        truths: Sequence[bool],
        least: Mapping[bool, Sequence[float]],
        known: dict[int, frozenset[int]],
    ) -> frozenset[int]:
        """Leaves of which one has to turn before a node, which has not the verdict, has it."""
        if place in known:
            return known[place]
        node = self.nodes[place]
        if node.kind == "leaf":
            found = frozenset({place})
        elif node.kind == "not":
            found = self._reasons(node.items[0], not verdict, truths, least, known)
        else:
            reachable = [item for item in node.items if truths[item] is not verdict and least[verdict][item] < math.inf]
            inner = [self._reasons(item, verdict, truths, least, known) for item in reachable]
            needs_all = (node.kind == "and") is verdict
            found = min(inner, key=len) if needs_all else frozenset().union(*inner)
        known[place] = found
        return found

    # ── what was found ──

    def _without_detours(self) -> list[frozenset[tuple[str, int]]]:
        """Without the ways that turn more conditions than another one with the same columns."""
        turned = {chosen: self._turned(dict(chosen)) for chosen in self.found}
        by_columns: dict[frozenset[str], list[frozenset[tuple[str, int]]]] = {}
        for chosen in self.found:
            by_columns.setdefault(frozenset(name for name, _ in chosen), []).append(chosen)
        return [
            chosen
            for group in by_columns.values()
            for chosen in group
            if not any(turned[other] < turned[chosen] for other in group)
        ]

    def _turned(self, chosen: Chosen) -> frozenset[tuple[str, int]]:
        return frozenset(
            (name, position)
            for name, index in chosen.items()
            for position, met in enumerate(self.regions[name][index].met)
            if met is not self.regions[name][0].met[position]
        )

    def _way(self, chosen: Chosen) -> tuple[Change, ...]:
        changes = []
        for name in self.conditions:
            if name not in chosen:
                continue
            now, then = self.regions[name][0], self.regions[name][chosen[name]]
            turned = [
                (condition, met)
                for condition, met, was in zip(self.conditions[name], then.met, now.met, strict=True)
                if met is not was
            ]
            column = column_of(turned[0][0])
            assert column is not None
            changes.append(Change(column, tuple(turned), now.value, then, name in self.given))
        return tuple(changes)

    # ── the rule as a list ──

    def _list_nodes(self) -> None:
        """Every node once, each after what is inside it; equal conditions are one, and so is a segment."""
        leaves = {
            condition: _Node("leaf", column=name, position=position)
            for name, group in self.conditions.items()
            for position, condition in enumerate(group)
        }
        places: dict[object, int] = {}
        columns: list[frozenset[str]] = []

        def place(node: tree.Rule) -> int:
            while isinstance(node, tree.InSegment):
                (node,) = inside(node, self.rules)
            items = inside(node, self.rules)
            key = id(node) if items else node
            if key not in places:
                inner = tuple(dict.fromkeys(place(item) for item in items))
                if items:
                    kind = "not" if isinstance(node, tree.Not) else "or" if isinstance(node, tree.Or) else "and"
                    self.nodes.append(_Node(kind, inner, _apart(inner, columns)))
                    columns.append(frozenset().union(*(columns[item] for item in inner)))
                else:
                    self.nodes.append(leaves[node])
                    columns.append(frozenset({leaves[node].column}))
                places[key] = len(self.nodes) - 1
            return places[key]

        place(self.rule)


def _apart(items: Sequence[int], columns: Sequence[frozenset[str]]) -> tuple[tuple[int, ...], ...]:
    """Places in groups, so that no column is in two groups."""
    groups: list[tuple[frozenset[str], tuple[int, ...]]] = []
    for item in items:
        joined: tuple[frozenset[str], tuple[int, ...]] = (columns[item], (item,))
        others = []
        for group in groups:
            if group[0] & joined[0]:
                joined = (group[0] | joined[0], (*group[1], *joined[1]))
            else:
                others.append(group)
        groups = [*others, joined]
    return tuple(group for _, group in groups)
