"""The two sides of the chest: where the one ends, and how much lung each holds.

Sides are those of the array: the first columns are the patient's right where x runs to the patient's left.
"""

import numpy as np

UNEQUAL = 0.5  # a side with less than half of the other's lung: the left lung has about 45 % of the volume, not 33
ASIDE = 0.1  # in widths of the body: how far off its middle the lungs may meet
COARSE = 4  # every fourth row will do to tell the sides apart


def middle_column(lungs: np.ndarray, body: slice) -> int:
    """The first column of the second side: near the middle of the body, where least lung lies.

    A field of view need not have the patient in its middle, and a large lung reaches beyond it where the other one is
    small or missing.

    Args:
        lungs: bool (z, y, x).
        body: the columns that the body spans.
    """
    middle, width = (body.start + body.stop) / 2, body.stop - body.start
    first, last = round(middle - ASIDE * width), round(middle + ASIDE * width) + 1
    columns = np.arange(max(0, first), min(lungs.shape[2], last))
    if columns.size == 0:
        return lungs.shape[2] // 2
    lung = lungs[:, ::COARSE, columns[0] : columns[-1] + 1].sum(axis=(0, 1))
    least = columns[lung == lung.min()]
    return int(least[np.abs(least - middle).argmin()])


def both_sides(mask: np.ndarray, middle: int) -> tuple[int, int]:
    """How many voxels of a bool (z, y, x) mask lie on each side of a column."""
    return np.count_nonzero(mask[:, :, :middle]), np.count_nonzero(mask[:, :, middle:])


def are_unequal(one: float, other: float) -> bool:
    """Whether one side holds so much less than the other that lung may be missing."""
    return min(one, other) < UNEQUAL * max(one, other)
