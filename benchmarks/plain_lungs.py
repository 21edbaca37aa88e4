"""The lung mask by the recipes of lung_ssp/ct/parenchyma.py, in scikit-image and scipy alone."""

import itertools

import numpy as np
from scipy import ndimage

from lung_ssp.ct import airways, background, parts
from lung_ssp.ct.morphology import AROUND, LINES
from lung_ssp.ct.parenchyma import interpolation
from lung_ssp.ct.settings import ParenchymaSettings
from lung_ssp.ct.volume import AIR_HU, Volume, resample_axis

Spacing = tuple[float, float, float]


def plain_lungs(volume: Volume, settings: ParenchymaSettings) -> np.ndarray:
    """The lungs by the recipe of `segment_lungs`, step for step, without OpenCV and connected-components-3d.

    Of several functions of scikit-image and scipy that do the same, the fastest is taken: for erosion and closing
    scipy's, which took half the time of scikit-image's.

    Returns:
        bool (z, y, x).
    """
    from skimage.filters import threshold_otsu

    lowest, highest = (int(value) for value in settings.clip_hu)
    clipped = np.clip(volume.hu, lowest, highest)
    low_attenuation = clipped <= threshold_otsu(clipped)
    cleaned = plain_background(low_attenuation, volume.hu, volume.spacing)
    cleaned &= ~plain_trachea(volume.hu, cleaned, volume.spacing)
    if settings.recipe == "paper":
        mask = np.stack(
            [_closed(_eroded(plane, settings.erosion_radius), settings.closing_radius) for plane in cleaned]
        )
    else:
        mask = plain_bridges(cleaned, volume.spacing, settings)
    return plain_holes(mask, settings.largest_hole_cm2 * 100 / (volume.spacing[1] * volume.spacing[2]))


def plain_background(low_attenuation: np.ndarray, hu: np.ndarray, spacing: Spacing) -> np.ndarray:
    """What background.remove_background does where it finds both lungs."""
    from skimage.measure import label

    beyond = np.stack([_joined_to_corners(plane) for plane in hu == AIR_HU])
    border = np.stack([ndimage.binary_dilation(plane, np.ones((3, 3))) for plane in beyond]) & ~beyond
    border[:, [0, -1]] = border[:, :, [0, -1]] = True
    labels = label(low_attenuation & ~beyond, connectivity=1)
    sizes = np.bincount(labels.ravel())
    sizes[np.bincount(labels[border], minlength=len(sizes)) > parts.BORDER_FACES * sizes ** (2 / 3)] = 0
    sizes[0] = 0
    boxes = ndimage.find_objects(labels)
    body = plain_body(low_attenuation, spacing)
    lungs, largest = np.zeros(low_attenuation.shape, bool), 0
    for number in np.argsort(-sizes):
        if sizes[number] == 0 or sizes[number] < background.SMALLEST_PART * largest:
            break
        box = boxes[number - 1]
        part = labels[box] == number
        centre = [side.start + middle for side, middle in zip(box, ndimage.center_of_mass(part), strict=True)]
        inside = all(span.start <= middle < span.stop for span, middle in zip(body, centre[1:], strict=True))
        if inside and np.median(hu[box][part]) > parts.GAS_HU:
            largest = max(largest, sizes[number])
            lungs[box] |= part
    return lungs


def plain_body(low_attenuation: np.ndarray, spacing: Spacing) -> tuple[slice, slice]:
    """What background.body_box does."""
    from skimage.measure import label

    strides = [max(1, round(background.BODY_GRID_MM / step)) for step in spacing]
    solid = ~low_attenuation[:: strides[0], :: strides[1], :: strides[2]]
    radius = round(background.OPENING_MM / (strides[1] * spacing[1]))
    labels = label(np.stack([_dilated(_eroded(plane, radius), radius) for plane in solid]), connectivity=1)
    _, rows, columns = ndimage.find_objects(labels)[np.bincount(labels.ravel())[1:].argmax()]
    return (
        slice(rows.start * strides[1], rows.stop * strides[1]),
        slice(columns.start * strides[2], columns.stop * strides[2]),
    )


def plain_trachea(hu: np.ndarray, lungs: np.ndarray, spacing: Spacing) -> np.ndarray:
    """What airways.segment_airways does."""
    from skimage.measure import label

    airway = np.zeros(lungs.shape, bool)
    top = airways.beginning(lungs, spacing)
    if top is None:
        return airway
    index, airway[top[0]] = top
    limit_hu = (np.median(hu[index][airway[index]]) + np.median(hu[lungs])) / 2
    window, rim = airways.disk(airways.STEP_MM, spacing), airways.disk(airways.RIM_MM, spacing)
    for below in reversed(range(index)):
        mean = ndimage.uniform_filter(hu[below].astype(np.float32), 3, mode="mirror")
        near = ndimage.binary_dilation(airway[below + 1], window)
        labels = label(lungs[below] & (mean < limit_hu) & near, connectivity=1)
        touched = np.unique(labels[airway[below + 1]])
        part = np.isin(labels, touched[touched > 0])
        if not 0 < np.count_nonzero(part) * spacing[1] * spacing[2] <= airways.AREA_MM2[1]:
            break
        airway[below] = part
    if np.count_nonzero(airway.any(axis=(1, 2))) * spacing[0] < airways.MIN_LENGTH_MM:
        airway[:] = False
    return np.stack([ndimage.binary_dilation(plane, rim) if plane.any() else plane for plane in airway]) & lungs


def plain_bridges(cleaned: np.ndarray, spacing: Spacing, settings: ParenchymaSettings) -> np.ndarray:
    """What parenchyma.refine_lesion_preserving does before it fills holes.

    The interpolation is the package's own product of matrices: scipy's affine_transform takes longer, and rounds
    otherwise where the share is exactly a half.
    """
    strides = [max(1, round(settings.bridge_grid_mm / step)) for step in spacing]
    coarse = cleaned[:: strides[0], :: strides[1], :: strides[2]]
    grid = np.multiply(strides, spacing)
    between = np.logical_or.reduce(_met_both_ways(coarse, grid, LINES, settings.bridge_mm))
    depth = len(coarse)
    for pad, own in (((depth, 0), slice(depth, None)), ((0, depth), slice(depth))):  # as if either end went on
        continued = np.pad(coarse, (pad, (0, 0), (0, 0)), mode="edge")
        met = [along[own] for along in _met_both_ways(continued, grid, AROUND, settings.bridge_mm)]
        for one, other in itertools.combinations(range(len(met)), 2):
            if 3 <= other - one <= 5:
                between |= met[one] & met[other]
    share = ndimage.uniform_filter(between.astype(np.float32), 3)
    for axis, (size, samples, stride) in enumerate(zip(cleaned.shape, coarse.shape, strides, strict=True)):
        share = resample_axis(share, interpolation(size, samples, stride), axis)
    return cleaned | (share > 0.5)


def plain_holes(mask: np.ndarray, largest: float) -> np.ndarray:
    """What morphology.fill_holes does."""
    from skimage.morphology import remove_small_holes

    filled = [remove_small_holes(np.pad(plane, 1), max_size=int(largest), connectivity=1) for plane in mask]
    return np.stack(filled)[:, 1:-1, 1:-1]


def _met_both_ways(
    mask: np.ndarray, grid: np.ndarray, lines: list[tuple[int, int, int]], reach_mm: float
) -> list[np.ndarray]:
    """On each line, where the mask is met above and below."""
    met = []
    for line in lines:
        step = np.multiply(line, grid)
        steps = int(reach_mm * step[0] / (step @ step))
        met.append(_seen(mask, np.array(line), steps) & _seen(mask, -np.array(line), steps))
    return met


def _seen(mask: np.ndarray, direction: np.ndarray, steps: int) -> np.ndarray:
    """Where the mask lies 1 to `steps` voxels along the direction."""
    around = np.pad(mask, steps)
    seen = np.zeros_like(mask)
    for distance in range(1, steps + 1):
        first = steps + distance * direction
        seen |= around[tuple(slice(start, start + size) for start, size in zip(first, mask.shape, strict=True))]
    return seen


def _joined_to_corners(plane: np.ndarray) -> np.ndarray:
    from skimage.measure import label

    labels = label(plane, connectivity=1)
    corners = labels[[0, 0, -1, -1], [0, -1, 0, -1]]
    return np.isin(labels, corners[corners > 0])


def _eroded(plane: np.ndarray, radius: int) -> np.ndarray:
    from skimage.morphology import disk

    return ndimage.binary_erosion(plane, disk(radius), border_value=1)


def _dilated(plane: np.ndarray, radius: int) -> np.ndarray:
    from skimage.morphology import disk

    return ndimage.binary_dilation(plane, disk(radius))


def _closed(plane: np.ndarray, radius: int) -> np.ndarray:
    return _eroded(_dilated(plane, radius), radius)
