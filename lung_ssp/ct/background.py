"""Parts of low attenuation in a chest CT that are not lung: air around the body, the inside of the table, bowel gas."""

import cv2
import numpy as np
from scipy import ndimage

from lung_ssp.ct.lost_lungs import add_lost_lungs
from lung_ssp.ct.morphology import opening
from lung_ssp.ct.parts import BORDER_FACES, GAS_HU, Rectangle, find_parts
from lung_ssp.ct.volume import AIR_HU

BODY_GRID_MM = 3.0  # spacing at which the body is found
OPENING_MM = 8.0  # radius: the table's shell and clothing are thinner than its disk, the body is not
SMALLEST_PART = 0.1  # of the largest: the other lung, not a loop of bowel


def remove_background(
    low_attenuation: np.ndarray, hu: np.ndarray, spacing: tuple[float, float, float], body: Rectangle
) -> np.ndarray:
    """The parts of a mask of low attenuation that are lungs, with the airways joined to them.

    Parts are connected through the voxels' faces. What only touches the border of the field of view may be a lung that
    a narrow field cuts; what lies along the border, with more voxels than three faces of a cube of its size have, is
    background. So is pure gas, and what lies beside the body, as a table's core does. Of the rest, the largest and
    those of at least a tenth of its size are lungs. Where that leaves hardly any lung on one side of the chest, what
    else may be a lung by its place is taken (`add_lost_lungs`): a small one, emphysema, a pneumothorax.

    Args:
        low_attenuation: bool (z, y, x), at or below the threshold.
        hu: int16 (z, y, x).
        spacing: (z, y, x) mm.
        body: the rows and columns of the body (`body_box`).

    Returns:
        bool (z, y, x), empty where there is no lung.
    """
    outside = outside_field_of_view(hu)
    # of two masks, one > the other is what the first has and the second has not
    parts = find_parts(low_attenuation > outside, hu, _border(outside))
    lungs = np.zeros(low_attenuation.shape, bool)
    kept: list[int] = []
    for label in parts.within(body):
        if kept and parts.sizes[label] < SMALLEST_PART * parts.sizes[kept[0]]:
            break
        if parts.contact[label] > BORDER_FACES:
            continue
        part = parts.voxels(label)
        if parts.median_hu(label, part) > GAS_HU:
            lungs[parts.boxes[label]] |= part
            kept.append(label)
    add_lost_lungs(lungs, parts, kept, spacing, body)
    return lungs


def body_box(low_attenuation: np.ndarray, spacing: tuple[float, float, float]) -> Rectangle:
    """The rows and columns that the body spans: the largest part that is not of low attenuation, after an opening."""
    strides = [max(1, round(BODY_GRID_MM / step)) for step in spacing]
    solid = ~low_attenuation[:: strides[0], :: strides[1], :: strides[2]]
    labels, count = ndimage.label(opening(solid, round(OPENING_MM / (strides[1] * spacing[1]))))
    if count == 0:
        return slice(0, 0), slice(0, 0)
    _, rows, columns = ndimage.find_objects(labels)[np.bincount(labels.ravel())[1:].argmax()]
    return (
        slice(rows.start * strides[1], rows.stop * strides[1]),
        slice(columns.start * strides[2], columns.stop * strides[2]),
    )


def outside_field_of_view(hu: np.ndarray) -> np.ndarray:
    """The padding outside a circular field of view: exactly air, and joined to a corner of its slice."""
    planes = (hu == AIR_HU).astype(np.uint8)
    bottom, right = hu.shape[1] - 1, hu.shape[2] - 1
    for plane in planes:
        for corner in ((0, 0), (right, 0), (0, bottom), (right, bottom)):
            if plane[corner[::-1]] == 1:
                cv2.floodFill(plane, None, corner, 2)
    return planes == 2


def _border(outside: np.ndarray) -> np.ndarray:
    """The outermost pixels of each slice's field of view."""
    square = np.ones((3, 3), np.uint8)
    border = np.zeros_like(outside)
    for plane, rim in zip(outside, border, strict=True):
        np.greater(cv2.dilate(plane.view(np.uint8), square).view(bool), plane, out=rim)
    border[:, [0, -1], :] = True
    border[:, :, [0, -1]] = True
    return border
