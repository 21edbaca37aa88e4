"""Marks that belong together."""

from lung_ssp.cohort.annotations.groups import connected_groups


def test_chains_are_one_group_and_groups_keep_the_order_of_their_first_members():
    pairs = {(1, 3), (3, 4), (0, 5)}
    assert connected_groups(6, lambda one, two: (one, two) in pairs) == [[0, 5], [1, 3, 4], [2]]
    assert connected_groups(0, lambda one, two: True) == []
    assert connected_groups(1, lambda one, two: True) == [[0]]
