"""The sections of one split as a data set: arrays in memory, batches by index.

With two inputs a section goes with a patch of its patient's pathology slide. The slide is of the patient's cancer, so a
section whose pathology is normal, a harmless finding beside it, goes without, as do those of patients without a slide.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lung_ssp.classification.settings import NumClasses, SectionDatasetSettings
from lung_ssp.cohort.classes import MISSING, NORMAL
from lung_ssp.cohort.slides.store import Patches, read_patches
from lung_ssp.cohort.store import Sections, read_sections
from lung_ssp.errors import CohortError

ORIENTATIONS = 8  # of a square: four turns, each also mirrored


@dataclass(frozen=True)
class SectionBatch:
    """Some sections with their labels.

    images: float32 (n, 1, height, width), 0..1.
    labels: by task name, int64 (n,); -1 where nobody gave one. With two inputs the pathology is -1 where there is no
        slide as well: the pathology branch has nothing to learn from.
    slides: float32 (n, 3, height, width), 0..1, a patch of each section's slide, zeros where has_slide, bool (n,), says
        that there is none; None with one input.
    """

    images: np.ndarray
    labels: dict[str, np.ndarray]
    slides: np.ndarray | None = None
    has_slide: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.images)


class SectionDataset:
    """One split of a prepared cohort.

    Args:
        two_inputs: give each section a patch of its patient's slide.

    Raises:
        CohortError: the sections are missing, empty, of another size, or carry labels beyond the classes; or the
            patches are missing, of another size, or, to learn from, none.
    """

    def __init__(
        self, settings: SectionDatasetSettings, image_size: int, classes: NumClasses, two_inputs: bool = False
    ) -> None:
        root = Path(settings.dataset_root)
        self.sections = read_sections(root, settings.mode)
        self.augment, self.hide_slides = settings.augment, settings.hide_slides
        check_sections(self.sections, f"{root} ({settings.mode})", image_size, classes)
        self.patches: Patches | None = None
        if two_inputs:
            self.patches = read_patches(root, settings.mode)
            check_patches(self.patches, f"{root} ({settings.mode})", image_size, needed=settings.mode == "train")
            self.patches_of = patches_by_patient(self.patches)
            self.has_slide = sections_with_slide(self.sections, self.patches)

    def __len__(self) -> int:
        return len(self.sections)

    def batch(self, indices: np.ndarray, rng: np.random.Generator | None = None) -> SectionBatch:
        """The sections `indices`, each flipped and turned at random if the data set augments and `rng` is given.

        With two inputs, `rng` also draws which of the patient's patches goes with each section, and whose are hidden;
        without it, it is the patient's middle patch in their stored order, and none is hidden.
        """
        images, labels = self.sections.images[indices], self.labels(indices)
        if self.augment and rng is not None:
            images = flipped_and_turned(images, rng)
        if self.patches is None:
            return SectionBatch(images[:, None], labels)
        has_slide = self.has_slide[indices]
        if rng is not None and self.hide_slides > 0:
            has_slide = has_slide & (rng.random(len(has_slide)) >= self.hide_slides)
        labels["pathology"] = np.where(has_slide, labels["pathology"], MISSING)
        slides = self._slides(self.patches, indices, has_slide, rng)
        return SectionBatch(images[:, None], labels, slides, has_slide)

    def _slides(
        self, patches: Patches, indices: np.ndarray, has_slide: np.ndarray, rng: np.random.Generator | None
    ) -> np.ndarray:
        """A patch for each of the sections `indices` that has a slide, float32 (n, 3, size, size)."""
        chosen = np.zeros((len(indices), *patches.images.shape[1:]), np.uint8)
        for row in np.flatnonzero(has_slide):
            own = self.patches_of[str(self.sections.patients[indices[row]])]
            chosen[row] = patches.images[own[len(own) // 2 if rng is None else rng.integers(len(own))]]
        if self.augment and rng is not None:
            chosen = flipped_and_turned(chosen, rng)
        return chosen.transpose(0, 3, 1, 2).astype(np.float32) / 255

    def labels(self, indices: np.ndarray) -> dict[str, np.ndarray]:
        """Both labels of the sections `indices`, by task name."""
        return {task: labels[indices] for task, labels in self.sections.labels.items()}

    def whole(self) -> SectionBatch:
        """All sections in their stored order."""
        return self.batch(np.arange(len(self)))


def flipped_and_turned(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Each of (n, size, size) or (n, size, size, 3) images in one of its eight orientations, at random."""
    changed = images.copy()
    orientations = draw_orientations(len(images), rng)
    for orientation in range(1, ORIENTATIONS):
        chosen = orientations == orientation
        changed[chosen] = turned(images[chosen], orientation)
    return changed


def draw_orientations(count: int, rng: np.random.Generator) -> np.ndarray:
    """At random, one of the eight orientations for each of `count` images, int64 (count,)."""
    return rng.integers(ORIENTATIONS, size=count)


def turned(images: np.ndarray, orientation: int) -> np.ndarray:
    """Images (n, size, size, ...) in one orientation: turned by 0, 90, 180 or 270 degrees, from 4 on mirrored too."""
    some = np.rot90(images, orientation % 4, axes=(1, 2))
    return some[:, :, ::-1] if orientation >= 4 else some


def patches_by_patient(patches: Patches) -> dict[str, np.ndarray]:
    """The indices of each patient's patches, rising."""
    order = np.argsort(patches.patients, kind="stable")
    names, starts = np.unique(patches.patients[order], return_index=True)
    return dict(zip(map(str, names), np.split(order, starts[1:]), strict=True)) if len(names) else {}


def sections_with_slide(sections: Sections, patches: Patches) -> np.ndarray:
    """Which sections go with a slide, bool (n,): those of its patient, but for harmless findings."""
    return np.isin(sections.patients, patches.patients) & (sections.labels["pathology"] != NORMAL)


def check_patches(patches: Patches, where: str, image_size: int, needed: bool) -> None:
    """Refuse patches that the network cannot take, with one sentence that says why."""
    if needed and len(patches) == 0:
        raise CohortError(
            f"{where} holds no patches of slides: prepare a cohort with slides, or set model.two_inputs to false."
        )
    if patches.images.shape[1:3] != (image_size, image_size):
        size = "x".join(map(str, patches.images.shape[1:3]))
        raise CohortError(
            f"{where} holds patches of {size} pixels, but model.image_size is {image_size}: prepare the cohort with "
            f"patches.size {image_size}."
        )


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
