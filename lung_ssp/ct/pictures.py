"""CT images of a series that are no slices of it, though nothing marks them: screen shots, and scouts."""

import math

import numpy as np

from lung_ssp.ct.dicom_file import DicomFile
from lung_ssp.ct.elements import Elements
from lung_ssp.errors import SeriesError

FEWEST_OF_PLANE = 0.9  # of the images of a series, for those in other planes to be its scouts
ANOTHER_PLANE = math.cos(math.radians(30))  # of the normals; a gantry is tilted by less


def without_pictures(
    files: list[DicomFile], has_slices_elsewhere: bool
) -> tuple[list[DicomFile], list[DicomFile], list[DicomFile]]:
    """Divide the files of a series into slices, scouts and screen shots.

    A screen shot has neither a place nor a direction. Scouts are the few images in quite another plane; a scanner may
    store one within the series without marking it as a localizer. Where all images lack their place, they are slices
    whose geometry is missing, which is an error elsewhere.

    Args:
        has_slices_elsewhere: whether the series has slices beside these files.
    """
    shots = [file for file in files if not _has_place(file.elements)]
    if len(shots) == len(files) and not has_slices_elsewhere:
        return files, [], []
    placed = [file for file in files if _has_place(file.elements)]
    in_plane = _in_usual_plane([_normal(file.elements) for file in placed])
    slices = [file for file, inside in zip(placed, in_plane, strict=True) if inside]
    return slices, [file for file, inside in zip(placed, in_plane, strict=True) if not inside], shots


def _has_place(elements: Elements) -> bool:
    return any(tag in elements for tag in ("ImagePositionPatient", "ImageOrientationPatient"))


def _normal(elements: Elements) -> np.ndarray | None:
    """The normal of an image's plane, None where it does not tell its plane."""
    try:
        orientation = elements.numbers("ImageOrientationPatient", 6)
    except SeriesError:
        return None
    normal = np.cross(orientation[:3], orientation[3:])
    length = np.linalg.norm(normal)
    return normal / length if 0 < length < np.inf else None


def _in_usual_plane(normals: list[np.ndarray | None]) -> list[bool]:
    """Whether each image lies in the plane of most; all do where there is no such plane, or one is not told."""
    known = [normal for normal in normals if normal is not None]
    if not known:
        return [True] * len(normals)
    usual = np.median(known, axis=0)
    inside = [normal is None or abs(normal @ usual) > ANOTHER_PLANE * np.linalg.norm(usual) for normal in normals]
    return inside if sum(inside) >= FEWEST_OF_PLANE * len(inside) else [True] * len(normals)
