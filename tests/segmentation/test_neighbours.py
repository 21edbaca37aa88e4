"""A slice between its neighbours."""

import numpy as np

from lung_ssp.segmentation.neighbours import with_neighbours


def test_neighbours_are_repeated_at_the_ends():
    volume = np.arange(4)[:, np.newaxis, np.newaxis] * np.ones((1, 2, 2))
    assert with_neighbours(volume, 0, 3)[:, 0, 0].tolist() == [0, 0, 1]
    assert with_neighbours(volume, 2, 3)[:, 0, 0].tolist() == [1, 2, 3]
    assert with_neighbours(volume, 3, 3)[:, 0, 0].tolist() == [2, 3, 3]
    assert with_neighbours(volume, 3, 1)[:, 0, 0].tolist() == [3]
