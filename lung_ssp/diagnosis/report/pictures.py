"""The pictures of a finding in the report: voxels as they are, the border of the lesion as lines over them."""

from dataclasses import dataclass

import cv2
import numpy as np

from lung_ssp.ct.lesion import Lesion
from lung_ssp.ct.volume import Volume
from lung_ssp.diagnosis.figures import DETAIL_MM, LUNG_WINDOW, PLANES, in_plane, lesion_outline
from lung_ssp.diagnosis.finding import Finding
from lung_ssp.diagnosis.report.images import base64_of, jpeg, scaled

WINDOWS_HU = {"lung": LUNG_WINDOW, "mediastinal": (-160, 240)}  # from black to white
QUALITY = 85  # of JPEG
WHOLE_SLICE_PIXELS = 256  # at most, of the longer side of a whole slice


@dataclass(frozen=True)
class Picture:
    """A picture with lines, to be drawn as SVG; lengths in mm from its upper left corner.

    caption, description: what stands below it; what it shows, in a sentence.
    jpeg: in base64.
    left, top, width, height: where the voxels lie; what of `side` they leave is empty.
    side: of the picture, which is a square.
    border: the lesion's border, a path of SVG.
    cross: of the lesion's centre (x, y), where only that is marked.
    smooth: whether pixels may be interpolated.
    """

    caption: str
    description: str
    jpeg: str
    left: float
    top: float
    width: float
    height: float
    side: float
    border: str = ""
    cross: tuple[float, float] | None = None
    smooth: bool = True


def pictures_of(finding: Finding, scan: Volume) -> list[Picture]:
    """The whole slice, three planes in the lung window, one in the mediastinal one, and the classifier's section."""
    lesion = finding.candidate.lesion
    _, y, x = (round(float(value)) for value in scan.to_index(np.array(lesion.centre_mm)))
    centre = lesion.slice_index, y, x
    return [
        whole_slice(finding, scan, centre),
        *(close_up(finding, scan, centre, axis, "lung") for axis in range(3)),
        close_up(finding, scan, centre, 0, "mediastinal"),
        section(finding),
    ]


def whole_slice(finding: Finding, scan: Volume, centre: tuple[int, int, int]) -> Picture:
    """The slice of the lesion's largest area, made smaller, with a cross at its centre."""
    z, y, x = centre
    rows, columns = scan.shape[1:]
    _, y_mm, x_mm = scan.spacing
    width, height = columns * x_mm, rows * y_mm
    factor = min(1.0, WHOLE_SLICE_PIXELS / max(rows, columns))
    size = max(1, round(columns * factor)), max(1, round(rows * factor))
    grey = cv2.resize(scaled(scan.hu[z], LUNG_WINDOW), size, interpolation=cv2.INTER_AREA)
    side = max(width, height)
    left, top = (side - width) / 2, (side - height) / 2
    return Picture(
        f"slice {z + 1}",
        f"The whole axial slice {z + 1} in the lung window, a cross at the centre of finding {finding.number}.",
        base64_of(jpeg(grey, QUALITY)),
        *(left, top, width, height, side),
        cross=(left + (x + 0.5) * x_mm, top + (y + 0.5) * y_mm),
    )


def close_up(finding: Finding, scan: Volume, centre: tuple[int, int, int], axis: int, window: str) -> Picture:
    """The surroundings of a lesion's centre (z, y, x) in one plane; head above in the coronal and the sagittal one.

    Args:
        axis: which the plane is perpendicular to: 0 axial, 1 coronal, 2 sagittal.
        window: one of WINDOWS_HU.
    """
    shown = [slice(index, index + 1) for index in centre]
    for other in in_plane(axis):
        half = DETAIL_MM / 2 / scan.spacing[other]
        low, high = round(centre[other] - half), round(centre[other] + half) + 1
        shown[other] = slice(max(0, low), min(scan.shape[other], high))
    grey = scaled(scan.hu[tuple(shown)].squeeze(axis), WINDOWS_HU[window])
    upwards = axis != 0  # z runs upwards, the rows of a picture downwards
    frame = _Frame.of(scan, centre, axis, shown, upwards)
    return Picture(
        f"{PLANES[axis]}, {window}",
        f"Finding {finding.number} in the {PLANES[axis]} plane, {window} window, {DETAIL_MM:.0f} mm wide, its border "
        "outlined.",
        base64_of(jpeg(grey[::-1] if upwards else grey, QUALITY)),
        *(frame.left, frame.top, frame.width, frame.height, DETAIL_MM),
        border=frame.path(finding.candidate.lesion, axis, centre[axis]),
    )


@dataclass(frozen=True)
class _Frame:
    """Where the voxels of a plane lie in a picture, in mm.

    row, column: the first of them. steps: (rows, columns), mm. upwards: whether the first row is the lowest.
    """

    left: float
    top: float
    width: float
    height: float
    row: int
    column: int
    steps: tuple[float, float]
    upwards: bool

    @classmethod
    def of(cls, scan: Volume, centre: tuple[int, int, int], axis: int, shown: list[slice], upwards: bool) -> "_Frame":
        """The frame of what is `shown` around a centre, which lies in the middle."""
        rows, columns = in_plane(axis)
        steps = scan.spacing[rows], scan.spacing[columns]
        height, width = ((shown[other].stop - shown[other].start) * scan.spacing[other] for other in (rows, columns))
        before = [(centre[other] + 0.5 - shown[other].start) * scan.spacing[other] for other in (rows, columns)]
        above = height - before[0] if upwards else before[0]
        middle = DETAIL_MM / 2
        return cls(
            middle - before[1], middle - above, width, height, shown[rows].start, shown[columns].start, steps, upwards
        )

    def path(self, lesion: Lesion, axis: int, index: int) -> str:
        """The border of a lesion in a plane of the scan as a path of SVG."""
        parts = []
        for line in lesion_outline(lesion, axis, index):
            x = self.left + (line[:, 0] + 0.5 - self.column) * self.steps[1]
            down = (line[:, 1] + 0.5 - self.row) * self.steps[0]
            y = self.top + (self.height - down if self.upwards else down)
            parts.append("M" + "L".join(f"{a:.2f} {b:.2f}" for a, b in zip(x[:-1], y[:-1], strict=True)) + "Z")
        return "".join(parts)


def section(finding: Finding) -> Picture:
    """What the classifier saw; a unit is one of its pixels."""
    rows, columns = finding.section.shape
    return Picture(
        "seen by the classifier",
        f"The section of finding {finding.number} that the classifier saw, {rows} x {columns} pixels.",
        base64_of(jpeg(np.rint(finding.section * 255).astype(np.uint8), 95)),
        *(0, 0, columns, rows, max(rows, columns)),
        smooth=False,
    )
