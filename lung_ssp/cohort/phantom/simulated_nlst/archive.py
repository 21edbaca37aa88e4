"""The scans of the embedded cohort as the Imaging Data Commons holds NLST's: an index, series by UID, masks and boxes.

Together with the tables that the cohort writes, these are all the inputs that NLST has, in the same formats and under
the same names, so that every step of its preparation can be tried:

    <root>/simulated_nlst/index.parquet   the columns of the Imaging Data Commons' index
    <root>/simulated_nlst/images/<uid>/   the CT series (hard links to the cohort's files), DICOM segmentations of their
                                          lesions, and pathology slides
    <root>/simulated_nlst/boxes.json      boxes in the format of Sybil's annotations

Of every three patients one has masks, one boxes, and one nothing; of every two with a cancer one has a pathology slide.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import ndimage

from lung_ssp.cohort.classes import NORMAL
from lung_ssp.cohort.phantom.dicom import STUDY_DATES, image_uid, scan_uid, series_description, unique_identifier
from lung_ssp.cohort.phantom.randomness import SLIDE
from lung_ssp.cohort.phantom.scans import PlannedScan, plan_scans
from lung_ssp.cohort.phantom.settings import PhantomSettings
from lung_ssp.cohort.phantom.slides import PlannedSlide, make_slide
from lung_ssp.cohort.store import SPLITS, load_arrays
from lung_ssp.files import link_or_copy, write_atomically, write_json
from lung_ssp.formats import ArrayForm

COLLECTION = "lung_ssp_phantom"
LESION_MASKS = "nlstseg"  # analysis_result_id of the lesion masks of NLST
FOLDER = "simulated_nlst"
SCAN_ARRAYS = {"lesions": ArrayForm("u", 3), "spacing": ArrayForm("f", shape=(3,))}


@dataclass(frozen=True)
class _Archive:
    """What every series of the archive is made from; see `write_simulated_nlst`."""

    root: Path
    settings: PhantomSettings
    seed: int
    key: str

    def folder(self, uid: str) -> Path:
        return self.root / FOLDER / "images" / uid

    def ct_files(self, scan: PlannedScan) -> list[Path]:
        return sorted((self.root / "scans" / scan.patient).glob("*.dcm"))


def write_simulated_nlst(root: Path, settings: PhantomSettings, seed: int, key: str) -> None:
    """Write <root>/simulated_nlst from the scans of a finished cohort; an archive that exists is left alone.

    Args:
        settings, seed: those that made the cohort.
        key: the cohort's key, from which the UIDs are derived.
    """
    index = root / FOLDER / "index.parquet"
    if index.is_file():
        return
    archive = _Archive(root, settings, seed, key)
    rows: list[dict[str, Any]] = []
    boxes: dict[str, dict[str, list[dict[str, float]]]] = {}
    for scan in plan_scans(settings, seed):
        uid = scan_uid(key, scan, "series")
        arrays = load_arrays(root / "scans" / f"{scan.patient}.npz", SCAN_ARRAYS)
        # a lesion may be smaller than any voxel of a coarse scan, so the numbers may have gaps: close them
        lesions = np.unique(arrays["lesions"], return_inverse=True)[1].reshape(arrays["lesions"].shape).astype(np.uint8)
        rows.append(_add_ct(archive, scan, uid, arrays))
        if scan.index % 3 == 0 and lesions.any():
            rows.append(_add_masks(archive, scan, lesions))
        if scan.index % 3 == 1:
            boxes[uid] = _boxes(lesions, scan, key)
        cancers = [label for label in scan.labels if label != NORMAL]
        if cancers and scan.index % 2 == 0:
            rows.append(_add_slide(archive, scan, cancers[0]))
    write_json(root / FOLDER / "boxes.json", boxes)
    write_atomically(index, lambda file: pd.DataFrame(rows).to_parquet(file, index=False))


def _add_ct(archive: _Archive, scan: PlannedScan, uid: str, arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Link the CT's files into the archive; its row of the index."""
    for file in archive.ct_files(scan):
        link_or_copy(file, archive.folder(uid) / file.name)
    field_mm = arrays["lesions"].shape[2] * float(arrays["spacing"][2])
    description = series_description(scan.study_year, field_mm, float(arrays["spacing"][0]))
    return _row(archive, scan, "CT", uid) | {"SeriesDescription": description}


def _add_masks(archive: _Archive, scan: PlannedScan, lesions: np.ndarray) -> dict[str, Any]:
    """Write the lesions, uint8 (z, y, x), as a DICOM segmentation; its row of the index."""
    from lung_ssp.cohort.annotations.dicom_seg_writer import write_segmentation  # needs the extra nlst

    uid = scan_uid(archive.key, scan, "lesion masks")
    names = [f"Lesion {number}" for number in range(1, int(lesions.max()) + 1)]
    path = archive.folder(uid) / "segmentation.dcm"
    write_segmentation(path, archive.ct_files(scan), lesions, names, key=f"{archive.key}/{scan.patient}")
    return _row(archive, scan, "SEG", uid) | {"analysis_result_id": LESION_MASKS, "SeriesDescription": "lesions"}


def _add_slide(archive: _Archive, scan: PlannedScan, label: int) -> dict[str, Any]:
    """Write a pathology slide of a cancer of class `label`; its row of the index."""
    uid = unique_identifier(archive.key, scan.patient, "slide")
    folder = archive.folder(uid).relative_to(archive.root).as_posix()
    slide = PlannedSlide(scan.patient, scan.split, label, (SLIDE, len(SPLITS), scan.index), folder)
    make_slide(slide, archive.root, archive.settings, archive.seed, archive.key)
    return _row(archive, scan, "SM", uid) | {"SeriesDescription": "tumour"}


def _row(archive: _Archive, scan: PlannedScan, modality: str, uid: str) -> dict[str, Any]:
    """A series' row in the columns of the index."""
    files = sorted(archive.folder(uid).iterdir())
    date = STUDY_DATES[scan.study_year]
    return {
        "collection_id": COLLECTION,
        "analysis_result_id": None,
        "PatientID": scan.patient,
        "SeriesInstanceUID": str(uid),
        "StudyInstanceUID": str(scan_uid(archive.key, scan, "study")),
        "StudyDate": f"{date[:4]}-{date[4:6]}-{date[6:]}",
        "Modality": modality,
        "Manufacturer": "lung_ssp",
        "ManufacturerModelName": "phantom",
        "SeriesNumber": "2",
        "instanceCount": len(files),
        "crdc_series_uuid": str(uuid.uuid5(uuid.NAMESPACE_OID, uid)),
        "aws_bucket": "none",
        "series_size_MB": sum(file.stat().st_size for file in files) / 1e6,
    }


def _boxes(lesions: np.ndarray, scan: PlannedScan, key: str) -> dict[str, list[dict[str, float]]]:
    """The box around each lesion in each slice, in shares of the slice's width and height, by SOPInstanceUID."""
    _, height, width = lesions.shape
    boxes: dict[str, list[dict[str, float]]] = {}
    for z, plane in enumerate(lesions):
        for rows, columns in (box for box in ndimage.find_objects(plane) if box is not None):
            boxes.setdefault(str(image_uid(key, scan, z)), []).append(
                {
                    "x": columns.start / width,
                    "y": rows.start / height,
                    "width": (columns.stop - columns.start) / width,
                    "height": (rows.stop - rows.start) / height,
                }
            )
    return boxes
