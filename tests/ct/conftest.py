"""A small chest, and DICOM files of it, as scanners write them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from scipy import ndimage

from lung_ssp.ct.volume import Volume
from lung_ssp.errors import SeriesError

SERIES_UID = "1.2.826.0.1.3680043.8.498.1"
PATIENT_ID, PATIENT_NAME = "SECRET-4711", "Doe^Jane"


@dataclass(frozen=True)
class Chest:
    """A schematic chest and the truth about its parts, all (z, y, x), 4 mm voxels, z towards the head."""

    volume: Volume
    lungs: np.ndarray
    trachea: np.ndarray
    gas: np.ndarray
    table: np.ndarray
    lesion: np.ndarray


@pytest.fixture(scope="session")
def chest() -> Chest:
    """Two lungs, trachea, bowel gas and a table's hollow, and a lesion on the wall of the left lung."""
    rng = np.random.default_rng(0)
    z, y, x = (index * 4.0 for index in np.indices((60, 80, 96)))
    body = ((y - 150) / 115) ** 2 + ((x - 190) / 165) ** 2 < 1
    table = (np.abs(y - 300) < 6) & (np.abs(x - 190) < 150)
    shell = (np.abs(y - 300) < 12) & (np.abs(x - 190) < 156) & ~table
    right, left = (((x - side) / 62) ** 2 + ((y - 150) / 80) ** 2 + ((z - 110) / 90) ** 2 < 1 for side in (115, 265))
    lesion = left & ((x - 318) ** 2 + (y - 150) ** 2 + (z - 110) ** 2 < 12**2)
    trachea = ((x - 190) ** 2 + (y - 120) ** 2 < 8.5**2) & (z > 120)
    gas = (x - 250) ** 2 + (y - 100) ** 2 + (z - 5) ** 2 < 25**2
    hu = np.full(z.shape, -1000.0)
    hu[body] = 40
    hu[shell] = 100
    hu[right | left] = -850
    hu[lesion] = 30
    hu[trachea | (gas & ~left)] = -1000
    hu = ndimage.gaussian_filter(hu, 0.5) + rng.normal(0, 15, z.shape)
    volume = Volume(np.rint(hu).astype(np.int16), (4.0, 4.0, 4.0), (-190.0, -150.0, 0.0))
    return Chest(volume, right | left, trachea & ~left & ~right, gas & ~left, table, lesion)


@pytest.fixture
def hu() -> np.ndarray:
    """Eighteen small slices with air, lung, fat, soft tissue and bone, int16 (z, y, x), no two alike."""
    rng = np.random.default_rng(1)
    slices = rng.normal(0, 10, (18, 20, 24))
    slices += np.array([-1000, -850, -100, 40, 40, 700])[np.arange(24) // 4]
    slices[np.arange(18), 5, 10] = 1000 + np.arange(18)
    return np.rint(np.clip(slices, -1024, 3071)).astype(np.int16)


SeriesWriter = Callable[..., list[Path]]


@pytest.fixture
def write_series() -> SeriesWriter:
    """A function that writes slices as DICOM files under shuffled names; it gives the files in the order of z."""
    return _write_series


def _write_series(
    folder: Path,
    hu: np.ndarray,
    *,
    spacing: tuple[float, float, float] = (2.5, 0.8, 0.7),
    origin: tuple[float, float, float] = (-100.0, -120.0, 30.0),
    orientation: tuple[float, ...] = (1, 0, 0, 0, 1, 0),
    series_uid: str = SERIES_UID,
    slopes: np.ndarray | float = 1.0,
    intercepts: np.ndarray | float = -1024.0,
    edit: Callable[[FileDataset, int], None] | None = None,
) -> list[Path]:
    """Slice i lies at origin + i * spacing[0] along the normal; `edit` may change its tags before it is saved."""
    folder.mkdir(parents=True, exist_ok=True)
    row, column = np.array(orientation[:3], float), np.array(orientation[3:], float)
    normal = np.cross(row, column)
    names = np.random.default_rng(2).permutation(len(hu))
    slopes, intercepts = np.broadcast_to(slopes, len(hu)), np.broadcast_to(intercepts, len(hu))
    paths = []
    for index, plane in enumerate(hu):
        meta = FileMetaDataset()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        meta.MediaStorageSOPClassUID = CTImageStorage
        meta.MediaStorageSOPInstanceUID = f"{series_uid}.{index + 1}"
        path = folder / f"{names[index]:06d}.dcm"
        dataset = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
        dataset.SOPClassUID = CTImageStorage
        dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
        dataset.SeriesInstanceUID = series_uid
        dataset.PatientID, dataset.PatientName = PATIENT_ID, PATIENT_NAME
        dataset.Modality = "CT"
        dataset.InstanceNumber = int(names[index])
        dataset.SliceThickness = 99
        dataset.ImagePositionPatient = [f"{value:.6f}" for value in origin + index * spacing[0] * normal]
        dataset.ImageOrientationPatient = [f"{value:.9f}" for value in orientation]
        dataset.PixelSpacing = [f"{value:.6f}" for value in spacing[1:]]
        dataset.Rows, dataset.Columns = plane.shape
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 1
        dataset.RescaleSlope, dataset.RescaleIntercept = float(slopes[index]), float(intercepts[index])
        stored = np.rint((plane - intercepts[index]) / slopes[index])
        dataset.PixelData = stored.astype("<i2").tobytes()
        if edit is not None:
            edit(dataset, index)
        dataset.save_as(path, enforce_file_format=True)
        paths.append(path)
    return paths


@pytest.fixture
def refused() -> Callable[..., str]:
    """A function that wants a SeriesError of another and gives its message, which must not tell who the patient is."""

    def call(function: Callable, *arguments: object, reason: str | None = None) -> str:
        with pytest.raises(SeriesError) as caught:
            function(*arguments)
        message = str(caught.value)
        assert reason in (None, caught.value.reason)
        assert PATIENT_ID not in message
        assert "Doe" not in message
        return message

    return call


@pytest.fixture
def change_tag() -> Callable[..., None]:
    """A function that sets a tag of one DICOM file, or removes it where the value is None."""

    def change(path: Path, **tags: object) -> None:
        dataset = pydicom.dcmread(path)
        for tag, value in tags.items():
            if value is None:
                delattr(dataset, tag)
            else:
                setattr(dataset, tag, value)
        dataset.save_as(path)

    return change
