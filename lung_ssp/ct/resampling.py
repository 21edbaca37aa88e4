"""Means of a linearly interpolated signal over intervals: resampling that interpolates and never aliases."""

import numpy as np


def mean_weights(samples: int, centres: np.ndarray, width: float) -> np.ndarray:
    """How much each sample counts in the mean over each interval of the signal interpolated linearly between them.

    Sample i lies at coordinate i and stands for the hat function that is 1 there and 0 from its neighbours on; its
    weight is the mean of that hat over the interval. Inside the signal the weights of an interval sum to 1; what is
    missing from 1 lies beyond the ends.

    Args:
        samples: number of samples of the signal.
        centres: (n,) centres of the intervals, in sample coordinates.
        width: their common width, in samples; 0 means interpolation at the centres.

    Returns:
        float32 (n, samples).
    """
    distance = np.asarray(centres, dtype=float)[:, None] - np.arange(samples)
    if width == 0:
        return np.clip(1 - np.abs(distance), 0, None).astype(np.float32)
    weights = (_hat_integral(distance + width / 2) - _hat_integral(distance - width / 2)) / width
    return weights.astype(np.float32)


def resample_axis(volume: np.ndarray, weights: np.ndarray, axis: int) -> np.ndarray:
    """Replace one axis of a (z, y, x) array by the weighted sums of its samples; `weights` is (new, old)."""
    if axis == 0:
        return (weights @ volume.reshape(len(volume), -1)).reshape(-1, *volume.shape[1:])
    return weights @ volume if axis == 1 else volume @ weights.T


def _hat_integral(position: np.ndarray) -> np.ndarray:
    """The integral, from minus infinity to `position`, of the hat function of height 1 and base [-1, 1]."""
    position = np.clip(position, -1, 1)
    return 0.5 + position - position * np.abs(position) / 2
