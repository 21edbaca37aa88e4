"""The trachea and the main bronchi: of low attenuation and inside the body, but not lung."""

import cv2
import numpy as np
from scipy import ndimage

AREA_MM2 = (50.0, 600.0)  # a trachea of 8 to 27 mm
MIDLINE_SHARE = 0.15  # how far from the middle it may begin, in widths of both lungs
MIN_FILLING = 0.5  # of its box: round, not a crescent of lung
MIN_LENGTH_MM = 20.0
STEP_MM = 3.0  # how far it moves sideways or widens from one slice to the next
RIM_MM = 2.5  # of partial volume, which belongs to it as well


def segment_airways(
    hu: np.ndarray, lungs: np.ndarray, spacing: tuple[float, float, float], middle: float | None = None
) -> np.ndarray:
    """Follow the trachea from the head downwards, and the main bronchi until they run into the lungs.

    It begins as a round part near the midline of the highest slice that shows one. From slice to slice it is what lies
    at most 3 mm beside the part above and is nearer to its HU than to the lungs'; it ends where that is larger than any
    trachea, or nothing.

    Args:
        hu: int16 (z, y, x), z towards the head.
        lungs: bool (z, y, x), lungs with airways, not empty.
        spacing: (z, y, x) mm.
        middle: the column between both sides of the chest, where one lung is missing; None: the middle of the lungs.

    Returns:
        bool (z, y, x), a part of `lungs`; empty where nothing can be followed for 20 mm.
    """
    airway = np.zeros(lungs.shape, np.uint8)
    top = beginning(lungs, spacing, middle)
    if top is None:
        return airway.astype(bool)
    index, seed = top
    airway[index] = seed
    limit_hu = (np.median(hu[index][seed]) + np.median(hu[lungs])) / 2
    window, rim = disk(STEP_MM, spacing), disk(RIM_MM, spacing)
    margin = max(window.shape) // 2 + 1  # one more for the mean
    for below in reversed(range(index)):
        above = airway[below + 1]
        x, y, width, height = cv2.boundingRect(above)
        box = slice(max(0, y - margin), y + height + margin), slice(max(0, x - margin), x + width + margin)
        low_attenuation = lungs[below][box] & (cv2.blur(hu[below][box].astype(np.float32), (3, 3)) < limit_hu)
        labels, _ = ndimage.label(low_attenuation & (cv2.dilate(above[box], window) > 0))
        touched = np.unique(labels[above[box] > 0])
        part = np.isin(labels, touched[touched > 0])
        if not 0 < np.count_nonzero(part) * spacing[1] * spacing[2] <= AREA_MM2[1]:
            break
        airway[below][box] = part
    if np.count_nonzero(airway.any(axis=(1, 2))) * spacing[0] < MIN_LENGTH_MM:
        airway[:] = 0
    for plane in airway:
        if plane.any():
            plane[:] = cv2.dilate(plane, rim)
    return airway.view(bool) & lungs


def beginning(
    lungs: np.ndarray, spacing: tuple[float, float, float], middle: float | None = None
) -> tuple[int, np.ndarray] | None:
    """The highest slice with a part that looks like a trachea, and that part, bool (y, x)."""
    columns = np.flatnonzero(lungs.any(axis=(0, 1)))
    if middle is None:
        middle, width = (columns[0] + columns[-1]) / 2, columns[-1] - columns[0] + 1
    else:
        width = 2 * max(middle - columns[0], columns[-1] - middle)  # as if the other lung were its mirror image
    for index in reversed(range(len(lungs))):
        labels, _ = ndimage.label(lungs[index])
        for label, box in enumerate(ndimage.find_objects(labels), start=1):
            part = labels[box] == label
            area = np.count_nonzero(part) * spacing[1] * spacing[2]
            aside = abs((box[1].start + box[1].stop - 1) / 2 - middle)
            if AREA_MM2[0] <= area <= AREA_MM2[1] and part.mean() >= MIN_FILLING and aside <= MIDLINE_SHARE * width:
                return index, labels == label
    return None


def disk(radius_mm: float, spacing: tuple[float, float, float]) -> np.ndarray:
    """An ellipse in pixels that is a disk in millimetres, at least one pixel in radius."""
    height, width = (2 * max(1, round(radius_mm / step)) + 1 for step in spacing[1:])
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, height))
