"""Lesions of a CT series, written as a DICOM segmentation (Segmentation Storage, PS3.3 A.51)."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydicom.uid import generate_uid
from pydicom.valuerep import DA, TM

from lung_ssp.cohort.annotations.planes import stored_plane
from lung_ssp.cohort.annotations.seg_file import require_highdicom
from lung_ssp.ct.series import Series, open_series
from lung_ssp.errors import CohortError
from lung_ssp.files import write_atomically

if TYPE_CHECKING:
    from highdicom.seg import Segmentation, SegmentDescription

MANUFACTURER = "lung_ssp"


def write_segmentation(
    path: Path, source_files: Sequence[Path], masks: np.ndarray, descriptions: Sequence[str], key: str
) -> None:
    """Write lesions of a CT series as a DICOM segmentation, the same bytes for the same arguments.

    Args:
        source_files: the CT's DICOM files, in any order.
        masks: uint8 (z, y, x), z ascending, as `open_series` gives the volume: 0 background, 1..n the lesions.
        descriptions: the label of each lesion, n of them.
        key: what the unique identifiers are derived from.

    Raises:
        CohortError: the masks have another shape than the series, or another number of lesions than descriptions.
        SeriesError: the files are no regular series.
    """
    require_highdicom()
    import highdicom
    from highdicom.seg import Segmentation

    from lung_ssp import __version__

    series = open_series(list(source_files))
    if masks.shape != series.volume.shape:
        raise CohortError(f"The masks have the size {masks.shape} (z, y, x), the series {series.volume.shape}.")
    if not descriptions or masks.max() != len(descriptions):
        raise CohortError(
            f"The masks hold lesions up to {masks.max()}, but {len(descriptions)} descriptions are given."
        )
    slices = [highdicom.imread(reference.path) for reference in series.slices if reference.path is not None]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # it would print names of patients that it finds unusual
        image = Segmentation(
            slices,
            _as_stored(masks, series),
            "BINARY",
            _segments(descriptions, key),
            series_instance_uid=_uid(key, "series"),
            series_number=100,
            sop_instance_uid=_uid(key, "image"),
            instance_number=1,
            manufacturer=MANUFACTURER,
            manufacturer_model_name=MANUFACTURER,
            software_versions=__version__,
            device_serial_number="0",
        )
    _date_like(image, slices[0])
    dimensions = _uid(key, "dimensions")
    for item in [*image.DimensionOrganizationSequence, *image.DimensionIndexSequence]:
        item.DimensionOrganizationUID = dimensions
    write_atomically(path, lambda file: image.save_as(file, enforce_file_format=True))


def _segments(descriptions: Sequence[str], key: str) -> list["SegmentDescription"]:
    """What the file says of each lesion."""
    from highdicom.seg import SegmentDescription
    from pydicom.sr.codedict import codes

    return [
        SegmentDescription(
            number,
            label,
            codes.SCT.MorphologicallyAbnormalStructure,
            codes.SCT.Nodule,
            "MANUAL",
            tracking_uid=_uid(key, "lesion", number),
            tracking_id=label,
        )
        for number, label in enumerate(descriptions, start=1)
    ]


def _as_stored(masks: np.ndarray, series: Series) -> np.ndarray:
    """The masks in the rows and columns of the series' files, (z, rows, columns)."""
    frames = []
    for mask, reference in zip(masks, series.slices, strict=True):
        plane = stored_plane(reference)
        y, x = plane.to_voxels(np.indices(plane.shape).reshape(2, -1), series.volume)
        frames.append(mask[y, x].reshape(plane.shape))
    return np.stack(frames)


def _date_like(image: "Segmentation", source: Any) -> None:
    """Give a segmentation the date of its source instead of today's, so that it can be made again."""
    date = str(source.get("ContentDate") or source.get("StudyDate") or "19000101")
    time = str(source.get("ContentTime") or "000000")
    image.InstanceCreationDate = image.ContentDate = DA(date)
    image.InstanceCreationTime = image.ContentTime = TM(time)
    for equipment in image.get("ContributingEquipmentSequence", []):
        equipment.ContributionDateTime = date + time


def _uid(*parts: object) -> str:
    return str(generate_uid(entropy_srcs=[str(part) for part in parts]))
