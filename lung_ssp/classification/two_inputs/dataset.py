"""Sections with tiles of pathology slides as a data set.

A slide shows the patient's cancer. So a section of a benign finding, whose pathology is normal, has no slide, and
neither have the sections of patients without slides.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lung_ssp.classification.dataset import SectionBatch, SectionDataset, random_orientations, shard_labels
from lung_ssp.classification.settings import ClassificationSettings, NumClasses, SectionAndSlideDatasetSettings
from lung_ssp.cohort.classes import MISSING, NORMAL
from lung_ssp.cohort.slides.store import Tiles, read_tiles
from lung_ssp.errors import CohortError
from lung_ssp.training.distributed import shard


@dataclass(frozen=True)
class SectionAndSlideBatch(SectionBatch):
    """Some sections with their labels and tiles.

    labels: the pathology is also -1 where there is no slide: the pathology branch has nothing to learn from.
    slides: float32 (n, 3, height, width), 0..1, a tile of each section's slide; zeros where there is none.
    has_slide: bool (n,).
    """

    slides: np.ndarray
    has_slide: np.ndarray

    def arrays(self) -> list[np.ndarray]:
        """The network's inputs."""
        return [self.images, self.slides, self.has_slide]

    def shard(self) -> "SectionAndSlideBatch":
        """This process's shard of the batch."""
        images, slides, has_slide = (shard(array) for array in self.arrays())
        return SectionAndSlideBatch(images, shard_labels(self.labels), slides, has_slide)

    def without_slides(self) -> "SectionAndSlideBatch":
        """The same sections as if nobody had a slide."""
        labels = {**self.labels, "pathology": np.full(len(self), MISSING)}
        return replace(self, labels=labels, has_slide=np.zeros(len(self), bool))

    def picture(self, index: int) -> np.ndarray:
        """One section to look at, its tile beside it, float32 (height, width or twice the width, 3), 0..1."""
        section = super().picture(index)
        if not self.has_slide[index]:
            return section
        return np.concatenate([section, self.slides[index].transpose(1, 2, 0)], axis=1)


class SectionAndSlideDataset(SectionDataset):
    """One split of a prepared cohort with pathology slides.

    Raises:
        CohortError: the sections are refused by SectionDataset; or the tiles are missing, of another size, or, in the
            training set, none.
    """

    def __init__(self, settings: SectionAndSlideDatasetSettings, image_size: int, classes: NumClasses) -> None:
        super().__init__(settings, image_size, classes)
        self.slide_dropout = settings.slide_dropout
        root = Path(settings.dataset_root)
        self.tiles = read_tiles(root, settings.mode)
        check_tiles(self.tiles, f"{root} ({settings.mode})", image_size, needed=settings.mode == "train")
        self.tiles_of = tiles_by_patient(self.tiles)
        of_patients = np.isin(self.sections.patients, self.tiles.patients)
        self.has_slide = of_patients & (self.sections.labels["pathology"] != NORMAL)

    def batch(self, indices: np.ndarray, rng: np.random.Generator | None = None) -> SectionAndSlideBatch:
        """The sections `indices` with their tiles, both flipped and turned at random as in SectionDataset.

        `rng` also draws which of the patient's tiles goes with each section, and which slides are dropped. Without it,
        it is the middle one of the patient's tiles in their stored order, and no slide is dropped.
        """
        sections = super().batch(indices, rng)
        has_slide = self.has_slide[indices]
        if rng is not None and self.slide_dropout > 0:
            has_slide = has_slide & (rng.random(len(has_slide)) >= self.slide_dropout)
        labels = {**sections.labels, "pathology": np.where(has_slide, sections.labels["pathology"], MISSING)}
        return SectionAndSlideBatch(sections.images, labels, self._slides(indices, has_slide, rng), has_slide)

    def _slides(self, indices: np.ndarray, has_slide: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        """A tile for each of the sections `indices` that has a slide, float32 (n, 3, size, size)."""
        chosen = np.zeros((len(indices), *self.tiles.images.shape[1:]), np.uint8)
        for row in np.flatnonzero(has_slide):
            own = self.tiles_of[str(self.sections.patients[indices[row]])]
            chosen[row] = self.tiles.images[own[len(own) // 2 if rng is None else rng.integers(len(own))]]
        if self.augment and rng is not None:
            chosen = random_orientations(chosen, rng)
        return chosen.transpose(0, 3, 1, 2).astype(np.float32) / 255


def slide_splits(settings: ClassificationSettings) -> list[SectionAndSlideDatasetSettings]:
    """The data sets of training, validation and test; of a network with two inputs all three are of this type."""
    return [split for split in settings.splits() if isinstance(split, SectionAndSlideDatasetSettings)]


def tiles_by_patient(tiles: Tiles) -> dict[str, np.ndarray]:
    """The indices of each patient's tiles, rising."""
    order = np.argsort(tiles.patients, kind="stable")
    names, starts = np.unique(tiles.patients[order], return_index=True)
    return dict(zip(map(str, names), np.split(order, starts[1:]), strict=True)) if len(names) else {}


def check_tiles(tiles: Tiles, where: str, image_size: int, needed: bool) -> None:
    """Refuse tiles that the network cannot take, with one sentence that says why."""
    if needed and len(tiles) == 0:
        raise CohortError(
            f"{where} holds no tiles of slides: prepare a cohort with slides, or train a TwoTaskClassifier."
        )
    if tiles.images.shape[1:3] != (image_size, image_size):
        size = "x".join(map(str, tiles.images.shape[1:3]))
        raise CohortError(
            f"{where} holds tiles of {size} pixels, but model.image_size is {image_size}: prepare the cohort with "
            f"tiles.size {image_size}."
        )
