"""Last bits changed at random, as another processor's libraries may have them: of what the generator computes.

Sums, products, quotients and square roots are rounded alike on every processor and stay as they are. A function of C
that returns float32 is changed before its result is rounded to float32.
"""

import math
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from scipy import ndimage, special, stats

import lung_ssp.ct.volume
from lung_ssp.cohort.phantom import exact

FUNCTIONS = {
    np: ["exp", "log", "sin", "cos", "tan", "arctan2", "arctan", "arccos", "arcsin", "hypot", "power", "log1p", "tanh"],
    math: ["exp", "log", "sin", "cos", "tan", "atan2", "acos", "hypot", "pow"],
    special: ["ndtr", "ndtri", "logsumexp"],
    stats.norm: ["logpdf"],
    stats.beta: ["logpdf"],
    cv2: ["resize", "GaussianBlur"],
}
OF_IMAGES = ["correlate1d", "map_coordinates"]


class Nudges:
    """Changes results by up to one unit of the last place of float64, times `size`; counts them by function."""

    def __init__(self, seed: int, size: float) -> None:
        self._rng = np.random.default_rng(seed)
        self._size = size
        self.counts: Counter[str] = Counter()

    def install(self) -> None:
        """Replace the functions, where this package or SciPy calls them."""
        for module, names in FUNCTIONS.items():
            for name in names:
                setattr(module, name, self._nudged(getattr(module, name), name))
        for name in OF_IMAGES:
            setattr(ndimage, name, self._nudged_image(getattr(ndimage, name), name))
        settle, settled = exact.settle, exact.settled
        exact.settle = lambda values: settle(self.nudge(values, "settle"))
        exact.settled = lambda value: settled(self.nudge(value, "settled"))
        lung_ssp.ct.volume.resample_axis = self._nudged(lung_ssp.ct.volume.resample_axis, "resample_axis")

    def nudge(self, values: Any, name: str) -> Any:
        """The float64 `values`, changed; others as they are."""
        if np.asarray(values).dtype != np.float64:
            return values
        self.counts[name] += np.size(values)
        steps = self._rng.integers(-1, 2, np.shape(values))
        changed = values * (1 + steps * (self._size * np.finfo(float).eps))
        return changed if isinstance(values, np.ndarray) else float(changed)

    def _nudged(self, function: Callable[..., Any], name: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            result = function(*args, **kwargs)
            caller = sys._getframe(1).f_globals.get("__name__", "")
            return self.nudge(result, name) if caller.startswith(("lung_ssp", "scipy")) else result

        return call

    def _nudged_image(self, function: Callable[..., Any], name: str) -> Callable[..., Any]:
        def call(image: np.ndarray, *args: Any, **kwargs: Any) -> np.ndarray:
            return self.nudge(function(image, *args, output=np.float64, **kwargs), name).astype(image.dtype)

        return call
