"""A trained false-positive reduction, read back to judge candidates; Paddle is loaded only where it runs it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from lung_ssp.candidates.prediction import probability_by_onnx, probability_of_patches
from lung_ssp.candidates.settings import FalsePositiveSettings
from lung_ssp.config import load_config
from lung_ssp.ct.lesion import Candidate
from lung_ssp.ct.patch import Spot, Stack, cut_patch
from lung_ssp.ct.volume import Volume, window
from lung_ssp.training.onnx import Engine, load_exported
from lung_ssp.training.run import BestCheckpoint, read_best, run_config

# Patches, float32 (n, slices, size, size), 0..1, to the probability of a nodule, float64 (n,).
PatchPredictor = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class CandidateJudge:
    """A trained network, and where it comes from.

    predict: the network, run by the engine that was asked for.
    """

    settings: FalsePositiveSettings
    checkpoint: BestCheckpoint
    predict: PatchPredictor

    def rank(self, candidates: Sequence[Candidate], volume: Volume) -> list[Candidate]:
        """All candidates of a scan with their probability of a nodule, the most probable first.

        Among equals the one that the segmentation network scores higher comes first.
        """
        if not candidates:
            return []
        stack, patch = Stack.of(volume), self.settings.patch
        hu = np.stack([cut_patch(stack, Spot.of(candidate.lesion, volume), patch) for candidate in candidates])
        probabilities = self.predict(window(hu, self.settings.window_hu)).tolist()
        judged = [replace(one, nodule_probability=p) for one, p in zip(candidates, probabilities, strict=True)]
        return sorted(judged, key=lambda one: (one.nodule_probability or 0.0, one.score), reverse=True)

    def keep(self, candidates: Sequence[Candidate], volume: Volume) -> list[Candidate]:
        """Those of `rank` whose probability reaches the threshold of the settings."""
        return self.kept(self.rank(candidates, volume))

    def kept(self, ranked: Sequence[Candidate]) -> list[Candidate]:
        """Those of candidates with a probability that reach the threshold of the settings."""
        threshold = self.settings.candidates.threshold
        return [one for one in ranked if (one.nodule_probability or 0.0) >= threshold]


def load_candidate_judge(run: Path, engine: Engine = "paddle") -> CandidateJudge:
    """The best checkpoint of a run of the false-positive reduction.

    Raises:
        ConfigError, CheckpointError: the folder holds no such run, or it or its export is damaged.
        EnvironmentProblem: the engine is missing.
    """
    config = load_config(run_config(run), FalsePositiveSettings)
    if engine == "onnx":
        checkpoint, _ = read_best(run)
        return CandidateJudge(config.settings, checkpoint, partial(probability_by_onnx, load_exported(run)))
    from lung_ssp.candidates.build import restored_network

    network, checkpoint = restored_network(run, config)
    return CandidateJudge(config.settings, checkpoint, partial(probability_of_patches, network))
