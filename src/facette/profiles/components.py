"""Connected components that respect limits: which identifiers become one profile, in integers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def join(kind: np.ndarray, a: np.ndarray, b: np.ndarray, limits: Sequence[int | None]) -> tuple[np.ndarray, np.ndarray]:
    """Add links one after the other, refusing those that would give a group too many nodes of some kind.

    kind    : per node its kind (0 … k-1)
    a, b    : per link its two nodes, in the order in which links are added: by the kind of ``b``, which is the higher
    limits  : per kind the most nodes of it that a group may have, None for any number
    returns : per node its group (its smallest node), and per link the kind whose limit refuses it, -1 if it stands

    All links to a kind are added at once. Only in groups that then exceed a limit are they really added one by one,
    which gives the same: links can only add to a group, so where all of them fit, each of them does.
    """
    group = np.arange(len(kind))
    over = np.full(len(a), -1)
    limited = [position for position, limit in enumerate(limits) if limit is not None]
    bounds = np.array([limits[position] for position in limited], dtype=np.int64)
    counts = np.stack([kind == position for position in limited], axis=1).astype(np.int64) if limited else None
    for start, end in pairwise(np.searchsorted(kind[b], np.arange(len(limits) + 1))):
        left, right = group[a[start:end]], b[start:end]
        joined = grow(group, left, right)
        if counts is not None:
            is_over = np.any(_sum_by(joined, counts) > bounds, axis=1)
            doubtful = np.flatnonzero(is_over[joined[right]])
            refused = _add_one_by_one(left[doubtful], right[doubtful], _sum_by(group, counts), bounds)
            over[start + doubtful] = np.append(limited, -1)[refused]
            stands = over[start:end] < 0
            joined = grow(group, left[stands], right[stands])
        group = joined
    return group, over


def grow(group: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The group of each node (its smallest member) once the nodes a[i] and b[i] are joined besides."""
    n = len(group)
    ends = np.concatenate([group, a]), np.concatenate([np.arange(n), b])
    matrix = coo_array((np.ones(len(ends[0])), ends), shape=(n, n))
    n_groups, label = connected_components(matrix, directed=False)
    smallest = np.empty(n_groups, np.int64)
    smallest[label[::-1]] = np.arange(n)[::-1]
    return smallest[label]


def _sum_by(group: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Per group the sums of its members' counts (rows that are no group stay 0)."""
    return np.stack([np.bincount(group, column, len(group)) for column in counts.T], axis=1).astype(np.int64)


def _add_one_by_one(a: np.ndarray, b: np.ndarray, members: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """Per pair of groups, in order, the limit (position) that joining them would exceed, -1 if they are joined."""
    parent: dict[int, int] = {}
    nodes = np.unique(np.concatenate([a, b]))
    count = dict(zip(nodes.tolist(), members[nodes].tolist(), strict=True))
    bounds = limits.tolist()
    refused = np.full(len(a), -1)

    def root(node: int) -> int:
        path = []
        while node in parent:
            path.append(node)
            node = parent[node]
        parent.update(dict.fromkeys(path, node))
        return node

    for position, (left, right) in enumerate(zip(a.tolist(), b.tolist(), strict=True)):
        left_root, right_root = root(left), root(right)
        if left_root == right_root:
            continue
        total = [x + y for x, y in zip(count[left_root], count[right_root], strict=True)]
        exceeded = [limit for limit, bound in enumerate(bounds) if total[limit] > bound]
        if exceeded:
            refused[position] = exceeded[0]
        else:
            parent[right_root] = left_root
            count[left_root] = total
    return refused
