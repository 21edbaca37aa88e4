"""What the benchmarks (lung_ssp/benchmark) need from the segmentation network."""

import itertools
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import paddle

from lung_ssp.cohort.slices import slices_path, write_slices
from lung_ssp.ct.volume import Volume
from lung_ssp.ct.working_grid import LungSlices
from lung_ssp.files import write_text
from lung_ssp.segmentation.predict import probability_by_onnx, probability_of_images
from lung_ssp.segmentation.settings import SMALLEST_SIZE, SegmentationSettings
from lung_ssp.segmentation.task import SegmentationTask
from lung_ssp.training.onnx import ExportedNetwork

LUNGS_MM = (270.0, 360.0)  # a large pair of lungs in the plane, back to front and side to side
HU = (-1000, 400)


@dataclass(frozen=True)
class SegmentationBenchmark:
    """The segmentation network of a configuration as a benchmark sees it (training/task.py)."""

    settings: SegmentationSettings
    sharing = ""
    two_inputs = False
    sizes_vary = True

    @property
    def inference_batch_size(self) -> int:
        return self.settings.prediction.batch_size

    @property
    def input_shape(self) -> tuple[int, int, int, int]:
        """The patches of a training step, (n, channels, size, size)."""
        size = self.settings.train_dataset.patch_size
        return self.settings.batch_size, self.settings.model.in_channels, size, size

    def write_noise(self, root: Path, rng: np.random.Generator) -> None:
        """One training and one validation scan: lung and lesions all over, in the size of a chest.

        Height and width are such that the network need not pad them.
        """
        spacing = self.settings.slices.spacing_mm
        sides = (side / step / SMALLEST_SIZE for side, step in zip(LUNGS_MM, spacing[1:], strict=True))
        height, width = (math.ceil(side) * SMALLEST_SIZE for side in sides)
        shape = (max(self.settings.batch_size, self.settings.val_dataset.slices_per_scan), height, width)
        made_with = json.dumps({"slices": self.settings.slices.model_dump()})
        rows = ["patient,split,series,masks"]
        for split in ("train", "validation"):
            rows.append(f"{split},{split},scans/{split},scans/{split}.npz")
            hu = rng.integers(*HU, size=shape).astype(np.int16)
            lesions = (rng.random(shape) < 0.01).astype(np.uint8)
            volume = Volume(hu, (spacing[0], spacing[1], spacing[2]))
            write_slices(slices_path(root, split), LungSlices(volume, np.ones(shape, bool), lesions), made_with)
        write_text(root / "scans.csv", "\n".join(rows) + "\n")

    def inference_inputs(self, task: SegmentationTask, count: int) -> Iterator[list[np.ndarray]]:
        """`count` slices at a time of the first validation scan, round and round: other scans are of other sizes."""
        indices = itertools.cycle(task.val_dataset.indices_by_scan()[0])
        while True:
            yield [np.stack([task.val_dataset[index]["img"] for index in itertools.islice(indices, count)])]

    def predict(self, network: paddle.nn.Layer, inputs: list[np.ndarray]) -> np.ndarray:
        """The probability of a nodule, float32 (n, y, x)."""
        (images,) = inputs
        return probability_of_images(network, images)

    def predict_exported(self, network: ExportedNetwork, images: np.ndarray) -> np.ndarray:
        """The same in ONNX Runtime."""
        return probability_by_onnx(network, images)
