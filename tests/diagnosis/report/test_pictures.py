"""The pictures of a finding: the border lies on the bright ball, the head is above, the edges of a scan are empty."""

import base64
import re
from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest

from lung_ssp.ct.lesion import lesion_from_mask
from lung_ssp.diagnosis.diagnosis import Diagnosis
from lung_ssp.diagnosis.finding import Finding
from lung_ssp.diagnosis.report.pictures import Picture, pictures_of


def voxels(picture: Picture) -> np.ndarray:
    """The grey voxels of a picture, uint8 (rows, columns)."""
    return cv2.imdecode(np.frombuffer(base64.b64decode(picture.jpeg), np.uint8), cv2.IMREAD_GRAYSCALE)


def border_of(picture: Picture) -> np.ndarray:
    """The points (x, y) of its border, mm."""
    return np.array(re.findall(r"[ML]([\d.-]+) ([\d.-]+)", picture.border), dtype=float)


def grey_at(picture: Picture, x: float, y: float) -> int:
    """The voxel at a place of a picture, mm."""
    grey = voxels(picture)
    row = int((y - picture.top) / picture.height * grey.shape[0])
    column = int((x - picture.left) / picture.width * grey.shape[1])
    return int(grey[row, column])


def at(diagnosis: Diagnosis, mask: np.ndarray) -> Finding:
    """The first finding with another lesion."""
    first = diagnosis.findings[0]
    return replace(first, candidate=replace(first.candidate, lesion=lesion_from_mask(mask, diagnosis.scan)))


def test_all_pictures_of_a_finding(make_diagnosis: Callable[..., Diagnosis]) -> None:
    diagnosis = make_diagnosis(1)
    pictures = pictures_of(diagnosis.findings[0], diagnosis.scan)
    assert [picture.caption for picture in pictures] == [
        "slice 13",
        "axial, lung",
        "coronal, lung",
        "sagittal, lung",
        "axial, mediastinal",
        "seen by the classifier",
    ]
    assert all(picture.description.endswith(".") for picture in pictures)


@pytest.mark.parametrize("place", [1, 2, 3, 4])
def test_the_border_of_a_ball_lies_around_the_middle(make_diagnosis: Callable[..., Diagnosis], place: int) -> None:
    """It has a radius of 5 mm; voxels are 2.5 x 0.8 x 1 mm."""
    diagnosis = make_diagnosis(1)
    picture = pictures_of(diagnosis.findings[0], diagnosis.scan)[place]
    radii = np.linalg.norm(border_of(picture) - 35, axis=1)
    assert len(radii) > 8 and np.abs(radii - 5).max() < 1.5
    within, beside = (121, 0) if place == 4 else (235, 85)  # 30 and -850 HU in the mediastinal and in the lung window
    assert abs(grey_at(picture, 35, 35) - within) < 12
    assert abs(grey_at(picture, 35, 26) - beside) < 12


def test_the_head_is_above_and_the_back_below(make_diagnosis: Callable[..., Diagnosis]) -> None:
    diagnosis = make_diagnosis(1)
    finding = diagnosis.findings[0]
    z, y = 12, 30
    for place, upper in ((1, False), (2, True), (3, True)):
        hu = np.full(diagnosis.scan.shape, -1350, np.int16)
        if upper:
            hu[z + 1 :] = 150  # towards the head
        else:
            hu[:, y + 1 :] = 150  # towards the back
        picture = pictures_of(finding, replace(diagnosis.scan, hu=hu))[place]
        above, below = grey_at(picture, 35, 28), grey_at(picture, 35, 42)
        assert (above > 200 and below < 50) if upper else (above < 50 and below > 200)


def test_beyond_the_edge_of_the_scan_a_picture_is_empty(make_diagnosis: Callable[..., Diagnosis]) -> None:
    diagnosis = make_diagnosis(1)
    mask = np.zeros(diagnosis.scan.shape, bool)
    mask[0, 0, 0] = True
    for picture in pictures_of(at(diagnosis, mask), diagnosis.scan)[1:5]:
        corner = (picture.left, picture.top + picture.height if picture.caption[0] in "cs" else picture.top)
        centre = border_of(picture).mean(axis=0)
        assert np.abs(centre - 35).max() < 0.01  # the voxel is in the middle
        assert np.abs(np.subtract(corner, 35)).max() < 1.3  # and the scan ends half a voxel from it
        assert picture.left + picture.width <= 71 and picture.top + picture.height <= 71


def test_the_cross_of_the_whole_slice_is_at_the_centre(make_diagnosis: Callable[..., Diagnosis]) -> None:
    """A slice of 80 x 51.2 mm in a square of 80 mm; the ball's voxel is (30, 20)."""
    diagnosis = make_diagnosis(1)
    picture = pictures_of(diagnosis.findings[0], diagnosis.scan)[0]
    assert (picture.side, picture.width, picture.top) == pytest.approx((80, 80, 14.4))
    assert picture.cross == pytest.approx((20.5, 14.4 + 30.5 * 0.8))
    assert abs(grey_at(picture, *picture.cross) - 235) < 12


def test_a_large_slice_is_made_smaller(make_diagnosis: Callable[..., Diagnosis]) -> None:
    diagnosis = make_diagnosis(1)
    scan = replace(diagnosis.scan, hu=np.zeros((24, 512, 640), np.int16))
    assert voxels(pictures_of(diagnosis.findings[0], scan)[0]).shape == (205, 256)
