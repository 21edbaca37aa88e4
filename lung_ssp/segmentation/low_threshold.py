"""Candidates of a trained segmentation network at a low threshold: what a second stage learns from."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lung_ssp.cohort.nodules.store import StoredNodule
from lung_ssp.ct.lesion import Candidate, find_candidates
from lung_ssp.ct.settings import NoduleSettings
from lung_ssp.ct.volume import Volume
from lung_ssp.ct.working_grid import in_plane, inference_grid
from lung_ssp.segmentation.predict import probability_of_slices
from lung_ssp.segmentation.sources import volume_of
from lung_ssp.segmentation.trained import TrainedSegmenter, load_segmenter
from lung_ssp.training.onnx import engine_for


@dataclass(frozen=True)
class NoduleFinder:
    """Finds candidates in scans and in the slices of archived nodules (cohort/candidates/places.py's protocol)."""

    segmenter: TrainedSegmenter

    def in_scan(self, volume: Volume, lungs: np.ndarray) -> list[Candidate]:
        """The candidates of a scan, the most suspicious first; `lungs` is its mask, bool (z, y, x), not empty."""
        return self.segmenter.segment(volume, lungs).candidates

    def in_nodule(self, nodule: StoredNodule) -> tuple[Volume, list[Candidate]]:
        """The slices of an archived nodule, and the candidates in all of them: they come without a lung mask."""
        settings, volume = self.segmenter.settings, volume_of(nodule)
        everywhere = np.ones(volume.shape, bool)
        grid = inference_grid(volume, everywhere, in_plane(settings.slices, volume.spacing))
        probability = grid.to_part(probability_of_slices(self.segmenter.predict, grid.slices, settings, nodule.z_mm))
        return volume, find_candidates(probability, volume, everywhere, settings.nodules)


def nodule_finder(run: Path, settings: NoduleSettings) -> NoduleFinder:
    """The best network of a segmentation run, which takes candidates out of its probability by these settings.

    Raises:
        ConfigError, CheckpointError: the folder holds no such run, or it or its export is damaged.
    """
    segmenter = load_segmenter(run, engine_for(run, None, "cpu"))
    return NoduleFinder(replace(segmenter, settings=segmenter.settings.model_copy(update={"nodules": settings})))
