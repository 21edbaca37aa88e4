"""Slices of the cohort's scans as PaddleSeg's data sets `NoduleSlices` and `SingleNoduleSlices`."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from paddleseg.cvlibs import manager

from lung_ssp.cohort.slices import read_slices
from lung_ssp.ct.volume import window
from lung_ssp.ct.working_grid import LungSlices, with_neighbours
from lung_ssp.errors import CohortError
from lung_ssp.segmentation.augmentation import random_intensities, random_patch
from lung_ssp.segmentation.settings import CHANNELS, IGNORED, TrainDatasetSettings, ValidationDatasetSettings

SPLIT_OF_MODE = {"train": "train", "val": "validation"}


class SliceDataset(paddle.io.Dataset):
    """Patches of the training scans (mode "train") or whole slices of the validation scans (mode "val").

    A sample is {"img": float32 (channels, y, x), 0..1; "label": int64; "trans_info": []}, the label (y, x) in training
    and (1, y, x) in validation, as PaddleSeg has it: 0 background, 1 nodule.

    An epoch of training shows each slice with lung in it once, around a random place in the lungs, and beside them, as
    often as `lesion_share` asks, patches on lesions; each lesion gets as many of them, be it large or small. In
    validation what lies outside the lung mask is labelled IGNORE_INDEX, for nodules are sought inside it.

    Args:
        dataset_root: folder of the prepared cohort.
        mode: "train" or "val".
        options: the other keys of TrainDatasetSettings or ValidationDatasetSettings, whose defaults hold here as well.

    Raises:
        CohortError: the cohort holds no such slices, or no lesion in them.
        ValidationError: an option is unknown or invalid.
    """

    NUM_CLASSES = 2
    IMG_CHANNELS = 3
    IGNORE_INDEX = IGNORED

    def __init__(self, dataset_root: str, mode: str, **options: Any) -> None:
        super().__init__()
        self.mode = mode
        self.num_classes = self.NUM_CLASSES  # PaddleSeg's evaluation reads both from the instance
        self.ignore_index = self.IGNORE_INDEX
        tree = {"type": type(self).__name__, "dataset_root": dataset_root, "mode": mode, **options}
        self.slice_settings, self.scans = read_slices(Path(dataset_root), SPLIT_OF_MODE[mode])
        self.lesions = [
            (scan, label) for scan, slices in enumerate(self.scans) for label in np.unique(slices.lesions) if label
        ]
        if not self.lesions:
            raise CohortError(f"{dataset_root} has no lesion in its {SPLIT_OF_MODE[mode]} scans: nothing to learn.")
        chosen: list[Iterable[int]]
        if mode == "train":
            settings = TrainDatasetSettings.model_validate(tree)
            self.patch_size, self.augmentation, self.seed = settings.patch_size, settings.augmentation, settings.seed
            chosen = [_slices_with(slices.lungs) for slices in self.scans]
            lesion_share = settings.lesion_share
        else:
            count = ValidationDatasetSettings.model_validate(tree).slices_per_scan
            chosen = [_chosen_slices(slices, count) for slices in self.scans]
            self.seed, lesion_share = 0, 0.0  # a whole slice draws nothing
        self.slices = [(scan, index) for scan, indices in enumerate(chosen) for index in indices]
        self._lesion_patches = round(len(self.slices) * lesion_share / (1 - lesion_share))

    def __len__(self) -> int:
        return len(self.slices) + self._lesion_patches

    def __getitem__(self, index: int) -> dict[str, Any]:
        """The same sample each time: its randomness comes from the seed and the index."""
        return self.sample(index, np.random.default_rng([self.seed, index]))

    def sample(self, index: int, rng: np.random.Generator) -> dict[str, Any]:
        """Sample `index`; in training its place and its changes are drawn from `rng`."""
        if self.mode == "val":
            return self._whole_slice(*self.slices[index])
        if index < len(self.slices):
            scan, slice_index = self.slices[index]
            return self._patch(scan, slice_index, self.scans[scan].lungs[slice_index], rng)
        scan, label = self.lesions[(index - len(self.slices)) % len(self.lesions)]
        lesion = self.scans[scan].lesions == label
        slice_index = int(rng.choice(_slices_with(lesion)))
        return self._patch(scan, slice_index, lesion[slice_index], rng)

    def indices_by_scan(self) -> list[list[int]]:
        """The samples that are slices of the first scan, of the second, and so on."""
        return [
            [index for index, (owner, _) in enumerate(self.slices) if owner == scan] for scan in range(len(self.scans))
        ]

    def _patch(self, scan: int, slice_index: int, target: np.ndarray, rng: np.random.Generator) -> dict[str, Any]:
        """A patch around a random pixel near `target` (y, x), off its centre by up to a quarter of the patch."""
        slices = self.scans[scan]
        pixels = np.argwhere(target)
        jitter = rng.uniform(-self.patch_size / 4, self.patch_size / 4, size=2)
        y, x = pixels[rng.integers(len(pixels))] + jitter
        image, label = random_patch(
            with_neighbours(slices.scan.hu, slice_index, self.IMG_CHANNELS),
            (slices.lesions[slice_index] > 0).astype(np.uint8),
            (y, x),
            self.patch_size,
            self.augmentation,
            rng,
        )
        return self._as_sample(random_intensities(image, self.augmentation, rng), label.astype(np.int64))

    def _whole_slice(self, scan: int, slice_index: int) -> dict[str, Any]:
        slices = self.scans[scan]
        lesions = slices.lesions[slice_index] > 0
        label = np.where(slices.lungs[slice_index] | lesions, lesions, self.IGNORE_INDEX)
        image = with_neighbours(slices.scan.hu, slice_index, self.IMG_CHANNELS)
        return self._as_sample(image, label.astype(np.int64)[np.newaxis])

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


def _slices_with(mask: np.ndarray) -> np.ndarray:
    """The indices of the slices of (z, y, x) that the mask touches."""
    return np.flatnonzero(mask.any(axis=(1, 2)))


def _chosen_slices(slices: LungSlices, count: int) -> list[int]:
    """`count` slices of a scan, half of them with a lesion (as far as there are), evenly spaced, in rising order."""
    with_lesion = _slices_with(slices.lesions > 0)
    without = np.setdiff1d(_slices_with(slices.lungs), with_lesion)
    return sorted([*_evenly(with_lesion, count // 2), *_evenly(without, count - count // 2)])


def _evenly(indices: np.ndarray, count: int) -> list[int]:
    """At most `count` of the indices, evenly spaced."""
    if len(indices) > count:
        indices = indices[np.rint(np.linspace(0, len(indices) - 1, count)).astype(int)]
    return [int(index) for index in indices]
