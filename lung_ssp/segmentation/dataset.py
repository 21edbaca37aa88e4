"""Slices of scans and nodules as PaddleSeg's data sets `NoduleSlices` and `SingleNoduleSlices`."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import paddle
from paddleseg.cvlibs import manager

from lung_ssp.ct.settings import WorkingGridSettings
from lung_ssp.ct.volume import window
from lung_ssp.ct.working_grid import NOT_COUNTED, neighbour_indices
from lung_ssp.errors import CohortError
from lung_ssp.segmentation.augmentation import cut, random_neighbours
from lung_ssp.segmentation.set_in import cut_nodule
from lung_ssp.segmentation.settings import (
    CHANNELS,
    IGNORED,
    FurtherCohortSettings,
    TrainDatasetSettings,
    ValidationDatasetSettings,
)
from lung_ssp.segmentation.sources import (
    NoduleSource,
    Place,
    ScanSource,
    SetInSource,
    Source,
    Stack,
    open_source,
    slices_with,
)
from lung_ssp.training.augmentation import random_intensities, random_matrix

SPLIT_OF_MODE = {"train": "train", "val": "validation"}


class SliceDataset(paddle.io.Dataset):
    """Patches of the training scans (mode "train") or whole slices of the validation scans (mode "val").

    A sample is {"img": float32 (channels, y, x), 0..1; "label": int64; "trans_info": []}, the label (y, x) in training
    and (1, y, x) in validation, as PaddleSeg has it: 0 background, 1 nodule.

    An epoch of training shows each slice with lung in it once, around a random place in the lungs, and beside them, as
    often as `lesion_share` asks, patches on lesions; each lesion gets as many of them, be it large or small. Of a
    cohort of single nodules it shows each nodule once. Further cohorts (`also`) add patches, at random out of their
    own, until they have their shares. In validation what lies outside the lung mask is labelled IGNORE_INDEX, for
    nodules are sought inside it; so is, at all times, where it is not known what is there.

    Args:
        dataset_root: folder of the prepared cohort, of scans or of single nodules.
        mode: "train" or "val".
        slices: the keys of WorkingGridSettings, of the working grid that is asked for; None: that of the scans.
        options: the other keys of TrainDatasetSettings or ValidationDatasetSettings, whose defaults hold here as well.

    Raises:
        CohortError: a cohort holds no such slices, or others than those asked for; or the first has no lesion.
        ValidationError: an option is unknown or invalid.
    """

    NUM_CLASSES = 2
    IMG_CHANNELS = 3
    IGNORE_INDEX = IGNORED

    def __init__(self, dataset_root: str, mode: str, slices: dict[str, Any] | None = None, **options: Any) -> None:
        super().__init__()
        self.mode = mode
        self.num_classes = self.NUM_CLASSES  # PaddleSeg's evaluation reads both from the instance
        self.ignore_index = self.IGNORE_INDEX
        tree = {"type": type(self).__name__, "dataset_root": dataset_root, "mode": mode, **options}
        grid = None if slices is None else WorkingGridSettings.model_validate(slices)
        self.seed = 0  # a whole slice draws nothing
        if mode == "train":
            settings = TrainDatasetSettings.model_validate(tree)
            self.patch_size, self.augmentation, self.seed = settings.patch_size, settings.augmentation, settings.seed
            shown = settings.lesion_share, settings.faint_times
            first = self._open_first(settings.dataset_root, grid, *shown)
            others = [self._open_further(cohort, first, *shown) for cohort in settings.also]
            self._sources: list[Source] = [first, *others]
            more = [round(len(first) * cohort.share / settings.share) for cohort in settings.also]
            self._ends = np.cumsum([len(first), *more])
        else:
            count = ValidationDatasetSettings.model_validate(tree).slices_per_scan
            first = self._open_first(dataset_root, grid, 0.0)
            self._stacks = first.stacks
            chosen = [
                _chosen_slices(stack, count) if isinstance(first, ScanSource) else range(len(stack.hu))
                for stack in self._stacks
            ]
            self.slices = [(stack, index) for stack, indices in enumerate(chosen) for index in indices]
            self._ends = np.array([len(self.slices)])
        self.lesions = first.lesions

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, index: int) -> dict[str, Any]:
        """The same sample each time: its randomness comes from the seed and the index."""
        return self.sample(index, np.random.default_rng([self.seed, index]))

    def sample(self, index: int, rng: np.random.Generator) -> dict[str, Any]:
        """Sample `index`; in training its place and its changes are drawn from `rng`."""
        if self.mode == "val":
            stack, slice_index = self.slices[index]
            return self._whole_slice(self._stacks[stack], slice_index)
        number = int(np.searchsorted(self._ends, index, side="right"))
        source = self._sources[number]
        own = index if number == 0 else int(rng.integers(len(source)))
        return self._patch(source.place(own, rng), rng)

    @property
    def ends_of_cohorts(self) -> list[int]:
        """Behind the last sample of the first cohort, of the second, and so on."""
        return [int(end) for end in self._ends]

    def indices_by_scan(self) -> list[list[int]]:
        """The samples that are slices of the first scan or nodule, of the second, and so on; in validation."""
        groups: list[list[int]] = [[] for _ in self._stacks]
        for index, (owner, _) in enumerate(self.slices):
            groups[owner].append(index)
        return groups

    def _open_first(
        self, root: str, grid: WorkingGridSettings | None, lesion_share: float, faint_times: int = 1
    ) -> Source:
        """The cohort that sets the working grid, if none is asked for, and has lesions."""
        split = SPLIT_OF_MODE[self.mode]
        source, self.slice_settings = open_source(Path(root), split, grid, lesion_share, faint_times)
        if not source.lesions:
            raise CohortError(f"{root} has no lesion in its {split} scans: nothing to learn.")
        return source

    def _open_further(
        self, cohort: FurtherCohortSettings, first: Source, lesion_share: float, faint_times: int
    ) -> Source:
        source, _ = open_source(Path(cohort.dataset_root), "train", self.slice_settings, lesion_share, faint_times)
        if not cohort.set_in:
            return source
        if not (isinstance(first, NoduleSource) and isinstance(source, ScanSource)):
            raise CohortError(
                f"set_in of {cohort.dataset_root} sets single nodules of the first cohort (train_dataset.dataset_root) "
                "into scans: name such cohorts, or leave it out."
            )
        return SetInSource(source, first, cohort.set_in, cohort.least_opacity)

    def _patch(self, place: Place, rng: np.random.Generator) -> dict[str, Any]:
        """A patch around a random pixel near the place's target, off its centre by up to a quarter of the patch."""
        stack = place.stack
        pixels = np.argwhere(place.target)
        jitter = rng.uniform(-self.patch_size / 4, self.patch_size / 4, size=2) * stack.pixel
        pixel = pixels[rng.integers(len(pixels))]
        y, x = pixel + jitter
        neighbours = random_neighbours(
            stack.z_mm, place.index, self.IMG_CHANNELS, self.slice_settings.spacing_mm[0], self.augmentation, rng
        )
        matrix = random_matrix((y, x), self.patch_size, self.augmentation, rng, stack.pixel)
        image, label = cut(stack.hu[neighbours], self._classes(stack.lesions[place.index]), matrix, self.patch_size)
        if place.set_in is not None:
            away_mm = stack.z_mm[neighbours] - stack.z_mm[place.index]
            centre = cv2.transform(np.array([[pixel[::-1]]], float), cv2.invertAffineTransform(matrix))[0, 0, ::-1]
            nodule = cut_nodule(place.set_in, away_mm, centre, self.patch_size, self.augmentation, rng)
            image, label = nodule.set_into(image, label)
        return self._as_sample(random_intensities(image, self.augmentation, rng), label.astype(np.int64))

    def _classes(self, lesions: np.ndarray) -> np.ndarray:
        """Lesions (y, x) to nodule or not, bool as they are."""
        if lesions.dtype == bool:
            return lesions
        classes = (lesions > 0).astype(np.uint8)
        classes[lesions == NOT_COUNTED] = self.IGNORE_INDEX
        return classes

    def _whole_slice(self, stack: Stack, index: int) -> dict[str, Any]:
        lesions = stack.lesions[index]
        label = np.where(stack.searched[index] | (lesions > 0), lesions > 0, self.IGNORE_INDEX)
        label[lesions == NOT_COUNTED] = self.IGNORE_INDEX
        neighbours = neighbour_indices(stack.z_mm, index, self.IMG_CHANNELS, self.slice_settings.spacing_mm[0])
        return self._as_sample(stack.hu[neighbours], label.astype(np.int64)[np.newaxis])

    def _as_sample(self, image: np.ndarray, label: np.ndarray) -> dict[str, Any]:
        return {"img": window(image, self.slice_settings.window_hu), "label": label, "trans_info": []}


@manager.DATASETS.add_component
class NoduleSlices(SliceDataset):
    """Three channels: a slice between its two neighbours."""

    IMG_CHANNELS = CHANNELS["NoduleSlices"]


@manager.DATASETS.add_component
class SingleNoduleSlices(SliceDataset):
    """One channel: a slice alone, the paper's literal reading."""

    IMG_CHANNELS = CHANNELS["SingleNoduleSlices"]


def _chosen_slices(scan: Stack, count: int) -> list[int]:
    """`count` slices of a scan, half of them with a lesion (as far as there are), evenly spaced, in rising order."""
    with_lesion = slices_with((scan.lesions > 0) & (scan.lesions != NOT_COUNTED))
    without = np.setdiff1d(slices_with(scan.searched), with_lesion)
    return sorted([*_evenly(with_lesion, count // 2), *_evenly(without, count - count // 2)])


def _evenly(indices: np.ndarray, count: int) -> list[int]:
    """At most `count` of the indices, evenly spaced."""
    if len(indices) > count:
        indices = indices[np.rint(np.linspace(0, len(indices) - 1, count)).astype(int)]
    return [int(index) for index in indices]
