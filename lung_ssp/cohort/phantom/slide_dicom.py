"""A synthetic slide as DICOM files (VL Whole Slide Microscopy Image Storage, DICOM PS3.3 A.32.8), one a level."""

import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGBaseline8Bit

from lung_ssp.cohort.phantom.data import shipped
from lung_ssp.cohort.phantom.dicom import STUDY_DATES, save_file, unique_identifier

TILE = 256  # pixels along each side
STEP = 4  # between the resolutions of two levels
LEVELS = 2
QUALITY = 90  # of JPEG


def write_slide(folder: Path, pixels: np.ndarray, mpp: float, patient: str, key: str) -> None:
    """Write a slide's pyramid into `folder`, which is made.

    Args:
        pixels: uint8 (height, width, 3), red, green, blue.
        mpp: micrometres a pixel.
        key: what the unique identifiers are derived from, beside the patient: the same key gives the same ones.
    """
    folder.mkdir(parents=True)
    slide = _slide(pixels, mpp, patient, key)
    for level in range(LEVELS):
        step = STEP**level
        size = pixels.shape[1] // step, pixels.shape[0] // step
        smaller = pixels if level == 0 else cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
        own = _level(smaller, mpp * step, level)
        own["SOPInstanceUID"] = unique_identifier(key, patient, "slide level", level)
        save_file(folder / f"level-{level}.dcm", slide, own, JPEGBaseline8Bit)


def _slide(pixels: np.ndarray, mpp: float, patient: str, key: str) -> dict[str, Any]:
    """What all levels have in common."""
    series = unique_identifier(key, patient, "series of the slide")
    specimen = {
        "SpecimenIdentifier": "SYNTHETIC",
        "SpecimenUID": series,
        "IssuerOfTheSpecimenIdentifierSequence": [],
        "SpecimenPreparationSequence": [],
    }
    height, width = (side * mpp / 1000 for side in pixels.shape[:2])
    return {
        **shipped("dicom_attributes")["slide"],
        **dict.fromkeys(("StudyDate", "SeriesDate", "ContentDate"), STUDY_DATES[0]),
        "AcquisitionDateTime": f"{STUDY_DATES[0]}120000",
        "PatientName": patient,
        "PatientID": patient,
        "StudyInstanceUID": unique_identifier(key, patient, "study of the slide"),
        "SeriesInstanceUID": series,
        "FrameOfReferenceUID": unique_identifier(key, patient, "frame of reference of the slide"),
        "PyramidUID": unique_identifier(key, patient, "pyramid"),
        "SpecimenDescriptionSequence": [specimen],
        "ImagedVolumeHeight": height,
        "ImagedVolumeWidth": width,
    }


def _level(pixels: np.ndarray, mpp: float, level: int) -> dict[str, Any]:
    """One level's own attributes: its resolution and tiles."""
    tiles = _tiles(pixels)
    image_type = ["DERIVED", "PRIMARY", "VOLUME", "NONE" if level == 0 else "RESAMPLED"]
    spacing = {"PixelSpacing": [f"{mpp / 1000:.6f}"] * 2, "SliceThickness": "0.004", "SpacingBetweenSlices": "0.004"}
    shared = {
        "PixelMeasuresSequence": [spacing],
        "WholeSlideMicroscopyImageFrameTypeSequence": [{"FrameType": image_type}],
        "OpticalPathIdentificationSequence": [{"OpticalPathIdentifier": "1"}],
    }
    return {
        "InstanceNumber": str(level + 1),
        "ImageType": image_type,
        "TotalPixelMatrixRows": pixels.shape[0],
        "TotalPixelMatrixColumns": pixels.shape[1],
        "Rows": TILE,
        "Columns": TILE,
        "NumberOfFrames": str(len(tiles)),
        "LossyImageCompressionRatio": f"{len(tiles) * TILE * TILE * 3 / sum(map(len, tiles)):.3f}",
        "SharedFunctionalGroupsSequence": [shared],
        "PixelData": encapsulate(tiles),
    }


def _tiles(pixels: np.ndarray) -> list[bytes]:
    """The tiles as JPEG, row by row; those that reach beyond the edge are filled with its pixels."""
    beyond = [(0, -side % TILE) for side in pixels.shape[:2]]
    padded = np.pad(pixels, [*beyond, (0, 0)], mode="edge")
    tiles = []
    for row in range(0, padded.shape[0], TILE):
        for column in range(0, padded.shape[1], TILE):
            buffer = io.BytesIO()
            tile = Image.fromarray(padded[row : row + TILE, column : column + TILE])
            tile.save(buffer, "JPEG", quality=QUALITY, subsampling="4:2:2")
            tiles.append(buffer.getvalue())
    return tiles
