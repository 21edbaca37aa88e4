"""The picture of training patches: its slices and the outline."""

import numpy as np

from lung_ssp.segmentation.figures import TRUTH
from lung_ssp.segmentation.settings import IGNORED
from patches import drawn


def test_slices_stand_side_by_side_and_the_outline_behind_them() -> None:
    slices = np.stack([np.full((16, 16), grey, np.float32) for grey in (0.2, 0.4, 0.6)])
    label = np.zeros((16, 16), np.int64)
    label[4:9, 4:9] = 1
    label[12:] = IGNORED
    picture = drawn({"img": slices, "label": label})
    assert picture.shape == (32, 4 * 32, 3)
    assert [int(picture[0, 32 * n, 0]) for n in range(4)] == [51, 102, 153, 102]  # the middle slice again
    outline = (picture[:, 96:] == TRUTH).all(axis=2)
    assert outline[8, 8:18].all() and outline[17, 8:18].all() and not outline[12, 12]
    assert picture[30, 100, 0] == 51  # half as bright where it does not count
