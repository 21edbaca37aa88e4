"""The scans of the embedded cohort dressed as the trial: an index, series by their UIDs, masks and boxes by others.

Together with the tables that the cohort writes, this is all that the real trial gives, in the same formats and under
the same names, so that every step for the real one can be tried:

    <root>/trial/index.parquet      the columns of the Imaging Data Commons' index
    <root>/trial/images/<uid>/      the CT series (other names of the same files), and DICOM-SEG series of their lesions
    <root>/trial/boxes.json         boxes in the format of Sybil's annotations

Of every three patients one has masks, one boxes, and one nothing; of every two with a cancer one has a pathology slide.
"""

import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import ndimage

from lung_ssp.cohort.classes import NORMAL
from lung_ssp.cohort.phantom.dicom import (
    STUDY_DATES,
    image_uid,
    series_description,
    series_uid,
    study_uid,
    unique_identifier,
)
from lung_ssp.cohort.phantom.randomness import SLIDE
from lung_ssp.cohort.phantom.scans import PlannedScan, plan_scans
from lung_ssp.cohort.phantom.slides import PlannedSlide, make_slide
from lung_ssp.cohort.settings import PhantomSettings
from lung_ssp.cohort.store import SPLITS, load_arrays
from lung_ssp.files import link_or_copy, write_atomically, write_json

COLLECTION = "lung_ssp_phantom"
MASKS = "nlstseg"  # analysis_result_id of the trial's real lesion masks
MEGABYTE = 1e6


def write_trial(root: Path, settings: PhantomSettings, seed: int, key: str) -> None:
    """Write <root>/trial from the scans of a finished cohort; what is there is left alone.

    Args:
        settings, seed: those that made the cohort.
        key: the cohort's key, from which the UIDs are derived.
    """
    from lung_ssp.cohort.annotations.dicom_seg_writer import write_segmentation  # needs the extra nlst

    trial = root / "trial"
    if (trial / "index.parquet").is_file():
        return
    rows: list[dict[str, Any]] = []
    boxes: dict[str, dict[str, list[dict[str, float]]]] = {}
    for scan in plan_scans(settings, seed):
        uid = series_uid(key, scan)
        files = sorted((root / "scans" / scan.patient).glob("*.dcm"))
        for file in files:
            link_or_copy(file, trial / "images" / uid / file.name)
        arrays = load_arrays(root / "scans" / f"{scan.patient}.npz", ["lesions", "spacing"])
        field = arrays["lesions"].shape[2] * float(arrays["spacing"][2])
        rows.append(
            _row(scan, key, "CT", uid, trial / "images" / uid)
            | {"SeriesDescription": series_description(scan.study_year, field, float(arrays["spacing"][0]))}
        )
        # numbered anew: a lesion may be smaller than any voxel of a coarse scan
        lesions = np.unique(arrays["lesions"], return_inverse=True)[1].reshape(arrays["lesions"].shape).astype(np.uint8)
        if scan.index % 3 == 0 and lesions.any():
            mask_uid = unique_identifier(key, scan.patient, "lesion masks", scan.study_year)
            folder = trial / "images" / mask_uid
            names = [f"Lesion {number}" for number in range(1, int(lesions.max()) + 1)]
            write_segmentation(folder / "segmentation.dcm", files, lesions, names, key=f"{key}/{scan.patient}")
            rows.append(
                _row(scan, key, "SEG", mask_uid, folder) | {"analysis_result_id": MASKS, "SeriesDescription": "lesions"}
            )
        if scan.index % 3 == 1:
            boxes[uid] = _boxes(lesions, scan, key)
        cancers = [label for label in scan.labels if label != NORMAL]
        if cancers and scan.index % 2 == 0:
            slide_uid = unique_identifier(key, scan.patient, "slide")
            slide = PlannedSlide(scan.patient, scan.split, cancers[0], (SLIDE, len(SPLITS), scan.index))
            make_slide(trial / "images" / slide_uid, slide, settings, seed, key)
            rows.append(
                _row(scan, key, "SM", slide_uid, trial / "images" / slide_uid) | {"SeriesDescription": "tumour"}
            )
    write_json(trial / "boxes.json", boxes)
    table = pd.DataFrame(rows)
    write_atomically(trial / "index.parquet", lambda file: table.to_parquet(file, index=False))


def _row(scan: PlannedScan, key: str, modality: str, uid: str, folder: Path) -> dict[str, Any]:
    """A series' row in the columns of the index."""
    files = sorted(folder.iterdir())
    date = STUDY_DATES[scan.study_year]
    return {
        "collection_id": COLLECTION,
        "analysis_result_id": None,
        "PatientID": scan.patient,
        "SeriesInstanceUID": str(uid),
        "StudyInstanceUID": str(study_uid(key, scan)),
        "StudyDate": f"{date[:4]}-{date[4:6]}-{date[6:]}",
        "Modality": modality,
        "Manufacturer": "lung_ssp",
        "ManufacturerModelName": "phantom",
        "SeriesNumber": "2",
        "instanceCount": len(files),
        "crdc_series_uuid": str(uuid.uuid5(uuid.NAMESPACE_OID, uid)),
        "aws_bucket": "none",
        "series_size_MB": sum(file.stat().st_size for file in files) / MEGABYTE,
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
