"""Finding candidates in other processes: what travels is the run's folder, the network is loaded there once."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from lung_ssp.ct.nodules import Nodule
from lung_ssp.ct.volume import Volume
from lung_ssp.segmentation.trained import TrainedSegmenter, load_segmenter


@dataclass(frozen=True)
class RunFinder:
    """The candidates that the best network of a segmentation run finds."""

    run: Path

    def __call__(self, volume: Volume, lungs: np.ndarray) -> list[Nodule]:
        """The candidates of a scan, the most suspicious first; `lungs` is its mask, bool (z, y, x)."""
        return _loaded(self.run).find(volume, lungs)


@lru_cache(maxsize=1)
def _loaded(run: Path) -> TrainedSegmenter:
    return load_segmenter(run)
