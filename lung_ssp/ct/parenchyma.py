"""The lungs of a scan (paper section 2, Fig. 1)."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from scipy import ndimage

from lung_ssp.ct.airways import segment_airways
from lung_ssp.ct.background import body_box, remove_background
from lung_ssp.ct.lung_remarks import SideOfLungs, lung_remarks, measure_sides
from lung_ssp.ct.morphology import between, closing, erosion, fill_holes
from lung_ssp.ct.settings import ParenchymaSettings
from lung_ssp.ct.sides import are_unequal, both_sides, middle_column
from lung_ssp.ct.volume import Volume, mean_weights, resample_axis
from lung_ssp.errors import SeriesError

NEARLY_HALF = 0.49  # interpolated between shares below it, no share exceeds a half, however it is rounded


@dataclass(frozen=True, eq=False)
class LungMask:
    """The lungs of a scan, and the steps that led to them.

    binary: bool (z, y, x), at or below Otsu's threshold.
    cleaned: bool (z, y, x), the same without background.
    mask: bool (z, y, x), the lungs.
    threshold_hu: Otsu's threshold.
    volume_ml: volume of the mask.
    right, left: the lung of either side.
    middle_column: the first column of the array that belongs to its second side.
    first_is_right: whether the columns before it are the patient's right.
    """

    binary: np.ndarray
    cleaned: np.ndarray
    mask: np.ndarray
    threshold_hu: float
    volume_ml: float
    right: SideOfLungs
    left: SideOfLungs
    middle_column: int
    first_is_right: bool

    def side_of(self, column: float) -> SideOfLungs:
        """The side on which a column of the array lies, as an index into the scan's x axis."""
        return self.right if (column < self.middle_column) == self.first_is_right else self.left

    @property
    def remarks(self) -> tuple[str, ...]:
        """What is unusual about the lungs, in sentences without a full stop."""
        return lung_remarks(self.right, self.left)


def segment_lungs(volume: Volume, settings: ParenchymaSettings | None = None) -> LungMask:
    """Find the lungs.

    HU are clipped (padding and metal would shift Otsu's threshold), split in two classes by Otsu's threshold over
    the whole volume, and cleared of the background. Then the recipe:

    - `paper`: erosion by a disk of radius 2, closing by a disk of radius 5, holes filled, slice by slice (section 2).
    - `lesion_preserving`: what has lung above and below it is added, then holes are filled.

    The trachea and the main bronchi are left out, as far as the lungs do not surround them.

    Args:
        settings: recipe and its parameters; None for the defaults.

    Raises:
        SeriesError: no lungs, or of an impossible volume.
    """
    settings = settings or ParenchymaSettings()
    threshold, binary = otsu(volume.hu, settings.clip_hu)
    body = body_box(binary, volume.spacing)
    cleaned = remove_background(binary, volume.hu, volume.spacing, body)
    if not cleaned.any():
        raise SeriesError(
            f"{_name(volume)} shows no lungs (nothing inside the body at or below {threshold:.0f} HU has a "
            "lung's size, place and HU): check that it is a chest CT in Hounsfield units.",
            reason="no lungs",
        )
    middle = middle_column(cleaned, body[1])
    one_sided = are_unequal(*both_sides(cleaned, middle))
    airways = segment_airways(volume.hu, cleaned, volume.spacing, middle if one_sided else None)
    np.greater(cleaned, airways, out=cleaned)
    refine = refine_as_in_paper if settings.recipe == "paper" else refine_lesion_preserving
    largest_hole = settings.largest_hole_cm2 * 100 / (volume.spacing[1] * volume.spacing[2])  # in pixels
    mask = fill_holes(refine(cleaned, volume.spacing, settings), largest_hole)
    volume_ml = float(np.count_nonzero(mask)) * volume.voxel_mm3 / 1000
    lowest, highest = settings.volume_ml
    if not lowest <= volume_ml <= highest:
        raise SeriesError(
            f"{_name(volume)} has lungs of {volume_ml:.0f} ml, expected are {lowest:g} to {highest:g}: check that both "
            "lungs are in it, or set parenchyma.volume_ml for a partial scan.",
            reason="no lungs",
        )
    first_is_right = volume.direction[0] > 0
    right, left = measure_sides(mask, volume.hu, middle, volume.voxel_mm3, first_is_right)
    return LungMask(binary, cleaned, mask, threshold, volume_ml, right, left, middle, first_is_right)


def otsu(hu: np.ndarray, clip_hu: list[float]) -> tuple[float, np.ndarray]:
    """Otsu's threshold in HU over the whole clipped volume, and the bool (z, y, x) mask of what is not above it."""
    lowest, highest = clip_hu
    first = math.ceil(lowest)
    last = first + math.floor(highest - lowest)
    clipped = np.clip(hu, max(first, np.iinfo(np.int16).min), min(last, np.iinfo(np.int16).max))
    levels = clipped.view(np.uint16)
    levels -= np.uint16(first % 2**16)  # 16 bits are enough for the difference, whatever the sign
    threshold, _ = cv2.threshold(levels.reshape(len(hu), -1), 0, 1, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    return threshold + first, levels <= np.uint16(threshold)


def refine_as_in_paper(
    cleaned: np.ndarray, spacing: tuple[float, float, float], settings: ParenchymaSettings
) -> np.ndarray:
    """The paper's recipe: erosion, then closing. It loses lesions at the wall."""
    return closing(erosion(cleaned, settings.erosion_radius), settings.closing_radius)


def refine_lesion_preserving(
    cleaned: np.ndarray, spacing: tuple[float, float, float], settings: ParenchymaSettings
) -> np.ndarray:
    """Add to the lungs what interrupts them between above and below.

    The lungs are long: what lies beside them in a slice, heart or chest wall, does so in the slices above and below as
    well, whereas a lesion at the wall or the mediastinum, or a vessel, has lung above and below it. Where that is so is
    computed on a coarser grid and smoothed.
    """
    strides = [max(1, round(settings.bridge_grid_mm / step)) for step in spacing]
    coarse = cleaned[:: strides[0], :: strides[1], :: strides[2]]
    bridge = between(coarse, tuple(np.multiply(strides, spacing)), settings.bridge_mm)
    share = ndimage.uniform_filter(bridge.astype(np.float32), 3)
    along_z, along_y, along_x = (
        interpolation(size, coarsely, stride)
        for size, coarsely, stride in zip(cleaned.shape, coarse.shape, strides, strict=True)
    )
    joined = cleaned.copy()
    # slice by slice: as a whole the share would be a volume of floats
    for plane, coarsely in zip(joined, resample_axis(share, along_z, axis=0), strict=True):
        if coarsely.max() > NEARLY_HALF:
            plane |= along_y @ coarsely @ along_x.T > 0.5
    return joined


def interpolation(size: int, samples: int, stride: int) -> np.ndarray:
    """The weights (size, samples) of samples at every `stride`-th voxel; beyond the last one, it goes on."""
    weights = mean_weights(samples, np.arange(size) / stride, width=0)
    return weights / weights.sum(axis=1, keepdims=True)


def _name(volume: Volume) -> str:
    return f"Series {volume.series_uid}" if volume.series_uid else "The scan"
