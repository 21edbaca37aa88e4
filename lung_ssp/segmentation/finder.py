"""Finding candidates in other processes: what travels is the run's folder, the network is loaded there once."""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from lung_ssp.config import load_config
from lung_ssp.ct.lesion import Candidate
from lung_ssp.ct.volume import Volume
from lung_ssp.errors import CheckpointError
from lung_ssp.segmentation.settings import SegmentationSettings
from lung_ssp.segmentation.trained import TrainedSegmenter, load_segmenter
from lung_ssp.training.run import best_fingerprint, run_config


@dataclass(frozen=True)
class RunFinder:
    """The candidates that the best network of a segmentation run finds.

    fingerprint: of the weights and the configuration, so that a run that is trained anew is another one.
    """

    run: Path
    fingerprint: str

    def __call__(self, volume: Volume, lungs: np.ndarray) -> list[Candidate]:
        """The candidates of a scan, the most suspicious first; `lungs` is its mask, bool (z, y, x).

        Raises:
            CheckpointError: the run has changed since.
        """
        return _loaded(self).segment(volume, lungs).candidates


def finder_of(run: Path) -> RunFinder:
    """The finder of a run as it is now.

    Raises:
        ConfigError, CheckpointError: the folder holds no trained segmentation run.
    """
    load_config(run_config(run), SegmentationSettings)
    return RunFinder(run, _fingerprint(run))


@lru_cache(maxsize=1)
def _loaded(finder: RunFinder) -> TrainedSegmenter:
    segmenter = load_segmenter(finder.run)
    if _fingerprint(finder.run) != finder.fingerprint:
        raise CheckpointError("The segmentation run that finds candidates has changed: start the preparation again.")
    return segmenter


def _fingerprint(run: Path) -> str:
    digest = hashlib.sha256(best_fingerprint(run).encode())
    digest.update(run_config(run).read_bytes())
    return digest.hexdigest()[:16]
