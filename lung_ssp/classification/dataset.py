"""The sections of one split as a data set, in memory or on a GPU, so that a step sends it indices instead of images."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import paddle

from lung_ssp.classification.orientations import ORIENTATIONS, in_orientation
from lung_ssp.classification.settings import NumClasses, SectionSplitSettings
from lung_ssp.cohort.classes import MISSING
from lung_ssp.cohort.description import read_cohort
from lung_ssp.cohort.store import Sections, read_sections
from lung_ssp.errors import CohortError
from lung_ssp.training.distributed import shard

SHARE_OF_MEMORY = 0.25  # of the device, which the network and its activations need as well


@dataclass(frozen=True)
class SectionBatch:
    """Some sections with their labels.

    images: float32 (n, 1, height, width), 0..1.
    labels: by task name, int64 (n,); -1 where there is none.
    """

    images: np.ndarray
    labels: dict[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.images)

    def arrays(self) -> list[np.ndarray]:
        """The network's inputs."""
        return [self.images]

    def inputs(self) -> list[paddle.Tensor]:
        """The network's inputs on Paddle's device."""
        return [paddle.to_tensor(array) for array in self.arrays()]

    def shard(self) -> "SectionBatch":
        """This process's shard of the batch."""
        return SectionBatch(shard(self.images), shard_labels(self.labels))

    def picture(self, index: int) -> np.ndarray:
        """One sample to look at, float32 (height, width, 3), 0..1."""
        return np.repeat(self.images[index, 0, :, :, None], 3, axis=2)


class SectionDataset:
    """One split of a prepared cohort; it is empty only where it is the test split of a cohort that has none.

    Raises:
        CohortError: the sections are missing, empty, of another size, or carry labels beyond the classes.
    """

    def __init__(self, settings: SectionSplitSettings, image_size: int, classes: NumClasses) -> None:
        root = Path(settings.dataset_root)
        self.sections = read_sections(root, settings.mode)
        self.augment = settings.augment
        if settings.mode == "test" and len(self) == 0 and not read_cohort(root).has_test_split:
            return
        check_sections(self.sections, f"{root} ({settings.mode})", image_size, classes)

    def __len__(self) -> int:
        return len(self.sections)

    def batch(self, indices: np.ndarray, rng: np.random.Generator | None = None) -> SectionBatch:
        """The sections `indices`, each flipped and turned at random if the data set augments and `rng` is given."""
        images = self.sections.images[indices]
        if self.augment and rng is not None:
            images = random_orientations(images, rng)
        return SectionBatch(images[:, None], self.labels(indices))

    def labels(self, indices: np.ndarray) -> dict[str, np.ndarray]:
        """Both labels of the sections `indices`, by task name."""
        return {task: labels[indices] for task, labels in self.sections.labels.items()}

    def whole(self) -> SectionBatch:
        """All sections in their stored order."""
        return self.batch(np.arange(len(self)))


@dataclass(frozen=True)
class CachedBatch:
    """Some sections of a cache, with their labels.

    stored: float32 (m, 1, size, size), all images of the cache, on the device.
    rows: int64 (n,), which of them.
    labels: by task name, int64 (n,); -1 where there is none.
    """

    stored: paddle.Tensor
    rows: np.ndarray
    labels: dict[str, np.ndarray]

    def inputs(self) -> list[paddle.Tensor]:
        """The network's input on the device: the sections, float32 (n, 1, size, size), 0..1."""
        return [paddle.gather(self.stored, paddle.to_tensor(self.rows))]

    def shard(self) -> "CachedBatch":
        """This process's shard of the batch."""
        return CachedBatch(self.stored, shard(self.rows), shard_labels(self.labels))


class DeviceCache:
    """The sections of a data set on Paddle's device, in all eight orientations if it augments.

    Gives the same batches as the data set itself.
    """

    def __init__(self, dataset: SectionDataset) -> None:
        self._dataset = dataset
        images = dataset.sections.images
        stored = [in_orientation(images, k) for k in range(ORIENTATIONS)] if dataset.augment else [images]
        self._images = paddle.to_tensor(np.concatenate(stored)[:, None])

    def batch(self, indices: np.ndarray, rng: np.random.Generator | None = None) -> CachedBatch:
        """The same sections as `SectionDataset.batch` gives, with the same random numbers drawn from `rng`."""
        rows = indices
        if self._dataset.augment and rng is not None:
            rows = rng.integers(ORIENTATIONS, size=len(indices)) * len(self._dataset) + indices
        return CachedBatch(self._images, rows, self._dataset.labels(indices))


def fits_on_device(dataset: SectionDataset) -> bool:
    """Whether Paddle computes on a GPU whose memory takes the data set."""
    if not paddle.device.get_device().startswith("gpu"):
        return False
    needed = dataset.sections.images.nbytes * (ORIENTATIONS if dataset.augment else 1)
    return needed <= SHARE_OF_MEMORY * paddle.device.cuda.get_device_properties().total_memory


def shard_labels(labels: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """This process's shard of a batch's labels, by task name."""
    return {task: shard(values) for task, values in labels.items()}


def random_orientations(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Each of (n, size, size) or (n, size, size, 3) images in one of its eight orientations, at random."""
    changed = images.copy()
    orientations = rng.integers(ORIENTATIONS, size=len(images))
    for orientation in range(1, ORIENTATIONS):
        chosen = orientations == orientation
        changed[chosen] = in_orientation(images[chosen], orientation)
    return changed


def check_sections(sections: Sections, where: str, image_size: int, classes: NumClasses) -> None:
    """Refuse sections that the network cannot take, with one sentence that says why."""
    if len(sections) == 0:
        raise CohortError(f"{where} holds no sections: prepare a cohort with labelled lesions.")
    if sections.images.shape[1:] != (image_size, image_size):
        size = "x".join(map(str, sections.images.shape[1:]))
        raise CohortError(
            f"{where} holds sections of {size} pixels, but model.image_size is {image_size}: "
            "set it to the size the cohort was prepared with."
        )
    if not np.isfinite(sections.images).all():
        raise CohortError(f"{where} holds sections with values that are not finite: prepare the cohort again.")
    if all((labels == MISSING).all() for labels in sections.labels.values()):
        raise CohortError(f"{where} holds no label of either task: label some of its sections.")
    for name, labels in sections.labels.items():
        allowed = getattr(classes, name)
        wrong = labels[(labels < MISSING) | (labels >= allowed)]
        if len(wrong):
            raise CohortError(
                f"{where} holds the {name} label {wrong[0]}, but model.num_classes.{name} is {allowed} "
                f"(labels 0 to {allowed - 1}, {MISSING} for missing)."
            )
