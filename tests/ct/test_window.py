"""The window that turns Hounsfield units into numbers between 0 and 1."""

import numpy as np

from lung_ssp.ct.window import window


def test_the_window_becomes_0_to_1_and_the_rest_is_clipped() -> None:
    values = window(np.array([-3024, -1000, -300, 400, 1500], np.int16), [-1000, 400])
    assert values.dtype == np.float32
    assert values.tolist() == [0, 0, 0.5, 1, 1]
