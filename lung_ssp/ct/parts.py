"""The connected parts of a mask, with what tells lung from background."""

from dataclasses import dataclass

import numpy as np
from cc3d import connected_components, statistics

from lung_ssp.ct.volume import Box

Rectangle = tuple[slice, slice]  # of pixels, along (y, x)
GAS_HU = -950  # lung holds blood and tissue: its median is -706 to -883 HU, that of bowel gas near -1000
BORDER_FACES = 3.0  # more of them are background, fewer a lung that a narrow field cuts


@dataclass(frozen=True, eq=False)
class Parts:
    """The parts of a mask that are connected through the voxels' faces; number 0 is what lies outside the mask.

    labels: (z, y, x), the number of each voxel's part.
    hu: int16 (z, y, x).
    sizes: int64 (parts,), in voxels; 0 for what lies outside the mask.
    contact: (parts,), how many voxels lie at the border of the field of view, in faces of a cube of the part's size.
    boxes: around each part.
    centroids: (parts, 3), in voxels, (z, y, x).
    """

    labels: np.ndarray
    hu: np.ndarray
    sizes: np.ndarray
    contact: np.ndarray
    boxes: list[Box]
    centroids: np.ndarray

    def voxels(self, label: int) -> np.ndarray:
        """The part within its box, bool."""
        return self.labels[self.boxes[label]] == label

    def median_hu(self, label: int, voxels: np.ndarray) -> float:
        """The median of the HU of a part, whose `voxels` within its box are given."""
        return float(np.median(self.hu[self.boxes[label]][voxels]))

    def within(self, body: Rectangle) -> np.ndarray:
        """The numbers of the parts whose centroid lies in these rows and columns, the largest part first."""
        _, y, x = self.centroids.T
        rows, columns = body
        inside = (rows.start <= y) & (y < rows.stop) & (columns.start <= x) & (x < columns.stop) & (self.sizes > 0)
        order = np.argsort(-self.sizes)
        return order[inside[order]]


def find_parts(mask: np.ndarray, hu: np.ndarray, border: np.ndarray) -> Parts:
    """The parts of a bool (z, y, x) mask; `border`, bool (z, y, x), is that of the field of view."""
    labels = connected_components(mask, connectivity=6, binary_image=True)
    found = statistics(labels)  # by box: a scan without lungs may have thousands of small parts
    sizes = found["voxel_counts"].astype(np.int64)
    touching = np.bincount(labels[border], minlength=len(sizes))
    contact = touching / np.maximum(sizes, 1) ** (2 / 3)
    sizes[0] = 0
    return Parts(labels, hu, sizes, contact, found["bounding_boxes"], found["centroids"])
