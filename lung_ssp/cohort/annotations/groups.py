"""Marks that belong together."""

from collections.abc import Callable

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components


def joined(count: int, belong: Callable[[int, int], bool]) -> list[list[int]]:
    """Groups of 0..count-1 in which each belongs to another, in the order of their first members.

    Args:
        belong: whether two of them belong together.
    """
    pairs = np.array([(one, two) for two in range(count) for one in range(two) if belong(one, two)], int).reshape(-1, 2)
    edges = csr_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    group_of = connected_components(edges, directed=False)[1] if count else np.empty(0, int)
    groups: dict[int, list[int]] = {}
    for index, group in enumerate(group_of.tolist()):
        groups.setdefault(group, []).append(index)
    return list(groups.values())
