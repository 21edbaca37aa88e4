"""A small series of DICOM files, and the same one stored with other rows, columns and order."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest

from lung_ssp.cohort.phantom.dicom import write_series
from lung_ssp.cohort.phantom.scans import PhantomScan, PlannedScan

SHAPE = (18, 30, 40)
SPACING = (2.5, 0.75, 0.75)
ORIGIN = (-110.0, -90.0, -200.0)


@pytest.fixture(scope="session")
def make_scan() -> Callable[..., Path]:
    """A function that writes a series of air, lung and soft tissue into a folder, under shuffled names."""

    def make(
        folder: Path,
        shape: tuple[int, int, int] = SHAPE,
        spacing: tuple[float, float, float] = SPACING,
        origin: tuple[float, float, float] = ORIGIN,
        key: str = "scan",
    ) -> Path:
        hu = np.random.default_rng(1).normal(0, 10, shape)
        hu += np.array([-1000, -850, -100, 40, 40, 700])[np.arange(shape[2]) * 6 // shape[2]]
        nothing = np.zeros(shape, np.uint8)
        scan = PhantomScan(
            np.rint(hu).astype(np.int16), spacing, origin, nothing > 0, nothing, np.empty((0, 3)), padding_hu=-2000
        )
        planned = PlannedScan(0, "P", "train", 0, (), ())
        write_series(folder, scan, planned, key, np.random.default_rng(0))
        return folder

    return make


@pytest.fixture(scope="session")
def scan(make_scan, tmp_path_factory) -> Path:
    """The folder of one series; its slice numbers count from the head."""
    return make_scan(tmp_path_factory.mktemp("plain") / "scan")


@pytest.fixture(scope="session")
def turned(make_scan, tmp_path_factory) -> Path:
    """The same series with each image stored upside down (rotated by half a turn), as of a patient lying prone."""
    folder = make_scan(tmp_path_factory.mktemp("turned") / "scan")
    for path in folder.iterdir():
        dataset = pydicom.dcmread(path)
        pixels = dataset.pixel_array[::-1, ::-1]
        x, y, z = dataset.ImagePositionPatient
        rows, columns = pixels.shape
        dataset.ImagePositionPatient = [x + (columns - 1) * SPACING[2], y + (rows - 1) * SPACING[1], z]
        dataset.ImageOrientationPatient = [-1, 0, 0, 0, -1, 0]
        dataset.PixelData = np.ascontiguousarray(pixels).tobytes()
        dataset.save_as(path)
    return folder
