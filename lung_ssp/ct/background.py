"""Parts of low attenuation in a chest CT that are not lung: air around the body, the inside of the table, bowel gas."""

import cv2
import numpy as np
from cc3d import connected_components, statistics
from scipy import ndimage

from lung_ssp.ct.morphology import opening
from lung_ssp.ct.volume import AIR_HU

GAS_HU = -950  # lung holds blood and tissue: its median is -706 to -883 HU, that of bowel gas near -1000
BORDER_FACES = 3
BODY_GRID_MM = 3.0  # spacing at which the body is found
OPENING_MM = 8.0  # radius: the table's shell and clothing are thinner than its disk, the body is not
SMALLEST_PART = 0.1  # of the largest: the other lung, not a loop of bowel


def remove_background(low_attenuation: np.ndarray, hu: np.ndarray, spacing: tuple[float, float, float]) -> np.ndarray:
    """The parts of a mask of low attenuation that are lungs, with the airways joined to them.

    Parts are connected through the voxels' faces. What only touches the border of the field of view may be a lung that
    a narrow field cuts; what lies along the border, with more voxels than three faces of a cube of its size have, is
    background. So is pure gas, and what lies beside the body, as a table's core does. Of the rest, the largest and
    those of at least a tenth of its size are lungs.

    Args:
        low_attenuation: bool (z, y, x), at or below the threshold.
        hu: int16 (z, y, x).
        spacing: (z, y, x) mm.

    Returns:
        bool (z, y, x), empty where there is no lung.
    """
    outside = outside_field_of_view(hu)
    labels = connected_components(low_attenuation & ~outside, connectivity=6, binary_image=True)
    parts = statistics(labels)  # by box: a scan without lungs may have thousands of small parts
    sizes = parts["voxel_counts"].astype(np.int64)
    contact = np.bincount(labels[_border(outside)], minlength=len(sizes))
    sizes[contact > BORDER_FACES * sizes ** (2 / 3)] = 0
    sizes[0] = 0
    body = body_box(low_attenuation, spacing)
    lungs = np.zeros(low_attenuation.shape, bool)
    largest = 0
    for label in np.argsort(-sizes):
        if sizes[label] == 0 or sizes[label] < SMALLEST_PART * largest:
            break
        box, centroid = parts["bounding_boxes"][label], parts["centroids"][label]
        part = labels[box] == label
        in_body = all(span.start <= middle < span.stop for span, middle in zip(body, centroid[1:], strict=True))
        if np.median(hu[box][part]) > GAS_HU and in_body:
            largest = max(largest, sizes[label])
            lungs[box] |= part
    return lungs


def body_box(low_attenuation: np.ndarray, spacing: tuple[float, float, float]) -> tuple[slice, slice]:
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
    border = np.stack([cv2.dilate(plane, square) for plane in outside.astype(np.uint8)]).astype(bool) & ~outside
    border[:, [0, -1], :] = True
    border[:, :, [0, -1]] = True
    return border
