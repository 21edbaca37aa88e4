"""The one place where Hounsfield units are clipped to a window and become numbers between 0 and 1."""

from collections.abc import Sequence

import numpy as np


def window(hu: np.ndarray, window_hu: Sequence[float]) -> np.ndarray:
    """Scale HU so that the window (low, high) becomes 0..1, and clip beyond it; float32, any shape."""
    low, high = window_hu
    return np.clip((hu - low) / (high - low), 0, 1).astype(np.float32)
