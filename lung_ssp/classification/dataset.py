"""The sections of one split as a data set: arrays in memory, batches by index."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lung_ssp.classification.settings import NumClasses, SectionDatasetSettings
from lung_ssp.cohort.classes import MISSING, TASK_NAMES
from lung_ssp.cohort.store import Sections, read_sections
from lung_ssp.errors import CohortError


@dataclass(frozen=True)
class SectionBatch:
    """Some sections with their labels.

    images: float32 (n, 1, height, width), 0..1.
    labels: by task name, int64 (n,); -1 where nobody gave one.
    """

    images: np.ndarray
    labels: dict[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.images)


class SectionDataset:
    """One split of a prepared cohort.

    Raises:
        CohortError: the sections are missing, empty, of another size, or carry labels beyond the classes.
    """

    def __init__(self, settings: SectionDatasetSettings, image_size: int, classes: NumClasses) -> None:
        root = Path(settings.dataset_root)
        self.sections = read_sections(root, settings.mode)
        self.augment = settings.augment
        check_sections(self.sections, f"{root} ({settings.mode})", image_size, classes)

    def __len__(self) -> int:
        return len(self.sections)

    def batch(self, indices: np.ndarray, rng: np.random.Generator | None = None) -> SectionBatch:
        """The sections `indices`, each flipped and turned at random if the data set augments and `rng` is given."""
        images = self.sections.images[indices]
        if self.augment and rng is not None:
            images = flipped_and_turned(images, rng)
        return SectionBatch(
            images=images[:, None],
            labels={
                "image": self.sections.image_labels[indices],
                "pathology": self.sections.pathology_labels[indices],
            },
        )

    def whole(self) -> SectionBatch:
        """All sections in their stored order."""
        return self.batch(np.arange(len(self)))


def flipped_and_turned(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Each of (n, size, size) images in one of its eight orientations, at random."""
    turned = images.copy()
    orientations = rng.integers(8, size=len(images))
    for orientation in range(1, 8):
        chosen = orientations == orientation
        some = np.rot90(images[chosen], orientation % 4, axes=(1, 2))
        turned[chosen] = some[:, :, ::-1] if orientation >= 4 else some
    return turned


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
    if (sections.image_labels == MISSING).all() and (sections.pathology_labels == MISSING).all():
        raise CohortError(f"{where} holds no label of either task: label some of its sections.")
    for name, labels in zip(TASK_NAMES, (sections.image_labels, sections.pathology_labels), strict=True):
        allowed = getattr(classes, name)
        wrong = labels[(labels < MISSING) | (labels >= allowed)]
        if len(wrong):
            raise CohortError(
                f"{where} holds the {name} label {wrong[0]}, but model.num_classes.{name} is {allowed} "
                f"(labels 0 to {allowed - 1}, {MISSING} for missing)."
            )
