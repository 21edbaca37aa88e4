"""What the benchmarks (lung_ssp/benchmark) need from the classifier."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lung_ssp.classification.monitoring import MonitoredTask
from lung_ssp.classification.networks import TwoBranchNetwork
from lung_ssp.classification.prediction import predict_logits
from lung_ssp.classification.settings import ClassificationSettings
from lung_ssp.cohort.slides.store import Tiles, write_tiles
from lung_ssp.cohort.store import SPLITS, Sections, write_sections
from lung_ssp.training.onnx import ExportedNetwork


@dataclass(frozen=True)
class ClassificationBenchmark:
    """The classifier of a configuration as a benchmark sees it (training/task.py)."""

    settings: ClassificationSettings
    sizes_vary = False

    @property
    def sharing(self) -> str:
        return self.settings.model.sharing

    @property
    def two_inputs(self) -> bool:
        return self.settings.model.takes_slides

    @property
    def inference_batch_size(self) -> int:
        return self.settings.batch_size

    @property
    def input_shape(self) -> tuple[int, int, int, int]:
        """The sections of a training step, (n, 1, size, size)."""
        size = self.settings.model.image_size
        return self.settings.batch_size, 1, size, size

    def write_noise(self, root: Path, rng: np.random.Generator) -> None:
        """A batch of sections in each split; with two inputs, a tile for each."""
        for split in SPLITS:
            sections = self._noise_sections(split, rng)
            write_sections(root, split, sections)
            if self.two_inputs:
                shape = (len(sections), *sections.images.shape[1:], 3)
                images = rng.integers(256, size=shape).astype(np.uint8)
                write_tiles(root, split, Tiles(images, sections.patients, sections.patients))

    def _noise_sections(self, split: str, rng: np.random.Generator) -> Sections:
        """Sections of one split, each of another patient, with both labels, none of them normal."""
        count, _, size, _ = self.input_shape
        classes = self.settings.model.num_classes
        return Sections(
            images=rng.random((count, size, size), dtype=np.float32),
            labels={
                "image": rng.integers(1, classes.image, size=count),
                "pathology": rng.integers(1, classes.pathology, size=count),
            },
            patients=np.array([f"{split}-{number}" for number in range(count)]),
        )

    def inference_inputs(self, task: MonitoredTask, count: int) -> Iterator[list[np.ndarray]]:
        """`count` training sections at a time, from the first to the last and round again."""
        for start in itertools.count(step=count):
            yield task.training.batch(np.arange(start, start + count) % task.size).arrays()

    def predict(self, network: TwoBranchNetwork, inputs: list[np.ndarray]) -> np.ndarray:
        """The logits of both tasks, float32 (n, classes of both)."""
        return np.concatenate(list(predict_logits(network, *inputs).values()), axis=1)

    def predict_exported(self, network: ExportedNetwork, images: np.ndarray) -> np.ndarray:
        """The same in ONNX Runtime."""
        return np.concatenate(network(images), axis=1)
