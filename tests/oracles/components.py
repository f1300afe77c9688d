"""Who is who, by networkx and one link at a time: the plain twin of ``profiles/identity.py``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import combinations

import networkx as nx

Row = Mapping[str, object]
"""Kind → value (None where absent), and ``seen_at`` (None: unknown)."""
Node = tuple[str, str]


def people(rows: Iterable[Row], limits: Mapping[str, int | None]) -> tuple[set[frozenset[Node]], set[frozenset[Node]]]:
    """The profiles (as sets of identifiers) and the refused links; ``limits`` by kind, most trusted first."""
    kinds = list(limits)
    graph = nx.Graph()
    first_seen: dict[tuple[Node, Node], float] = {}
    for row in rows:
        nodes = [(kind, str(row[kind])) for kind in kinds if row.get(kind) is not None]
        graph.add_nodes_from(nodes)
        seen = float("inf") if row.get("seen_at") is None else row["seen_at"].timestamp()  # type: ignore[attr-defined]
        for pair in combinations(nodes, 2):
            first_seen[pair] = min(seen, first_seen.get(pair, float("inf")))

    def turn(pair: tuple[Node, Node]) -> tuple[int, int, float, str, str]:
        (kind_a, value_a), (kind_b, value_b) = pair
        return kinds.index(kind_b), kinds.index(kind_a), first_seen[pair], value_a, value_b

    refused = set()
    for a, b in sorted(first_seen, key=turn):
        joined = nx.node_connected_component(graph, a) | nx.node_connected_component(graph, b)
        count = Counter(kind for kind, _ in joined)
        if any(limit is not None and count[kind] > limit for kind, limit in limits.items()):
            refused.add(frozenset({a, b}))
        else:
            graph.add_edge(a, b)
    return {frozenset(profile) for profile in nx.connected_components(graph)}, refused


def components(rows: Iterable[Row], kinds: Iterable[str]) -> set[frozenset[Node]]:
    """The same without limits, as plain connected components."""
    graph = nx.Graph()
    for row in rows:
        nodes = [(kind, str(row[kind])) for kind in kinds if row.get(kind) is not None]
        graph.add_nodes_from(nodes)
        graph.add_edges_from(combinations(nodes, 2))
    return {frozenset(profile) for profile in nx.connected_components(graph)}
