"""What the network sees of a slice: the slice between its neighbours."""

import numpy as np


def with_neighbours(hu: np.ndarray, slice_index: int, channels: int) -> np.ndarray:
    """A slice between its neighbours, (channels, y, x); beyond the ends of (z, y, x) the last slice is repeated."""
    reach = channels // 2
    indices = np.clip(np.arange(slice_index - reach, slice_index + reach + 1), 0, len(hu) - 1)
    return hu[indices]
