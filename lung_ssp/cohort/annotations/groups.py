"""Groups of marks that belong together, directly or through others."""

from collections.abc import Callable


def connected_groups(count: int, belong: Callable[[int, int], bool]) -> list[list[int]]:
    """Groups of 0..count-1 in which each belongs to another (the lower first), in the order of their first members."""
    groups: list[list[int]] = []
    for new in range(count):
        near = [group for group in groups if any(belong(one, new) for one in group)]
        merged = sorted([new, *(one for group in near for one in group)])
        groups = sorted([merged, *(group for group in groups if group not in near)])
    return groups
