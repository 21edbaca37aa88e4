"""What the benchmarks (lung_ssp/benchmark) need from the false-positive reduction."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import paddle

from lung_ssp.candidates.prediction import BATCH, probability_by_onnx, probability_of_patches
from lung_ssp.candidates.settings import FalsePositiveSettings
from lung_ssp.candidates.task import FalsePositiveTask
from lung_ssp.cohort.candidates.store import write_candidates
from lung_ssp.training.onnx import ExportedNetwork

HU = (-1000, 400)


@dataclass(frozen=True)
class FalsePositiveBenchmark:
    """The network of a configuration as a benchmark sees it (training/task.py)."""

    settings: FalsePositiveSettings
    sharing = ""
    two_inputs = False
    sizes_vary = False
    inference_batch_size = BATCH

    @property
    def input_shape(self) -> tuple[int, int, int, int]:
        """The patches of a training step, (n, slices, size, size)."""
        patch = self.settings.patch
        return self.settings.batch_size, patch.slices, patch.size, patch.size

    def write_noise(self, root: Path, rng: np.random.Generator) -> None:
        """Candidates of noise, half of them nodules."""
        patch, rows, patches = self.settings.patch, [], []
        sources = list(self.settings.train_dataset.shares or {"noise": 1.0})
        for split, count in (("train", self.settings.batch_size), ("validation", BATCH)):
            for index in range(max(count, 2 * len(sources))):
                kind = ("nodule", "random")[index // len(sources) % 2]
                about = {"patient": split, "split": split, "source": sources[index % len(sources)], "scan": split}
                rows.append({**about, "kind": kind, "z": 0, "y": 0, "x": 0, "diameter_mm": None, "score": None})
                patches.append(rng.integers(*HU, size=(patch.slices, patch.size, patch.size)).astype(np.int16))
        write_candidates(root, rows, patches, patch)

    def inference_inputs(self, task: FalsePositiveTask, count: int) -> Iterator[list[np.ndarray]]:
        """`count` validation candidates at a time, round and round."""
        patches = task.validation.whole()
        start = 0
        while True:
            yield [patches[(start + np.arange(count)) % len(patches)]]
            start += count

    def predict(self, network: paddle.nn.Layer, inputs: list[np.ndarray]) -> np.ndarray:
        """The probability of a nodule, float64 (n,)."""
        return probability_of_patches(network, *inputs)

    def predict_exported(self, network: ExportedNetwork, images: np.ndarray) -> np.ndarray:
        """The same in ONNX Runtime."""
        return probability_by_onnx(network, images)
