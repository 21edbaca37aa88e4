"""Marks that belong together."""

from lung_ssp.cohort.annotations.groups import joined


def test_chains_are_one_group_and_groups_keep_the_order_of_their_first_members():
    pairs = {(1, 3), (3, 4), (0, 5)}
    assert joined(6, lambda one, two: (one, two) in pairs) == [[0, 5], [1, 3, 4], [2]]
    assert joined(0, lambda one, two: True) == []
    assert joined(1, lambda one, two: True) == [[0]]
