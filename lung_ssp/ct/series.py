"""Find, verify and read one DICOM series of axial CT slices."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk

from lung_ssp.ct.geometry import sort_slices, stack_geometry
from lung_ssp.ct.hounsfield import check_chest, to_hounsfield
from lung_ssp.ct.slice_header import (
    CT_IMAGE_STORAGE,
    ENHANCED_CT_IMAGE_STORAGE,
    SliceHeader,
    parse_header,
    read_dataset,
)
from lung_ssp.ct.volume import Volume
from lung_ssp.errors import SeriesError

MIN_SLICES = 16  # fewer are a localizer or a fragment
DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")


def read_series(source: Path | Sequence[Path], series_uid: str | None = None) -> Volume:
    """Read one CT series.

    Slices are found by SeriesInstanceUID (0020,000E), sorted by ImagePositionPatient (0020,0032) along the normal, and
    spaced by those positions, never by SliceThickness. RescaleSlope and RescaleIntercept are applied slice by slice.
    PixelPaddingValue, and anything below -1024 HU, becomes air. The axes are turned so that x runs to the patient's
    left, y to the back and z to the head, whatever the order in which the scanner stored them.

    Args:
        source: a folder, searched with its subfolders (other files may lie there), or the slices' files themselves.
        series_uid: which series, needed where the source holds several.

    Returns:
        The scan: HU int16 (z, y, x), spacing (z, y, x) in mm.

    Raises:
        SeriesError: no such source or series, a choice to be made, a damaged or foreign file, fewer than 16 slices,
            missing or duplicate slices, mixed sizes or orientations, a tilted gantry, implausible HU.
    """
    datasets = _ct_datasets(source)
    chosen = _choose_series(datasets, source, series_uid)
    if len(chosen) < MIN_SLICES:
        raise SeriesError(
            f"Series {_uid(next(iter(chosen.values())))} has {len(chosen)} slices (first: {next(iter(chosen))}), at "
            f"least {MIN_SLICES} are needed: choose a complete axial series, not a localizer."
        )
    headers = sort_slices([parse_header(path, dataset) for path, dataset in chosen.items()])
    origin, spacing, direction = stack_geometry(headers)
    slices, shares = zip(*(to_hounsfield(_read_pixels(header), header) for header in headers), strict=True)
    check_chest(headers, list(shares))
    volume = Volume(np.stack(slices), spacing, origin, direction, headers[0].series_uid)
    return _to_lps(volume)


def _ct_datasets(source: Path | Sequence[Path]) -> dict[Path, pydicom.Dataset]:
    """The tags of every CT slice in the source, by file; in a folder, what is plainly something else is left out."""
    named = not isinstance(source, Path)
    found: dict[Path, pydicom.Dataset] = {}
    for path in _files_in(source) if isinstance(source, Path) else source:
        dataset = read_dataset(path)
        if dataset is None:
            if named or path.suffix.lower() in DICOM_SUFFIXES:
                raise SeriesError(f"{path} is not a DICOM file: remove it, or copy it again from its source.")
            continue
        kind = dataset.get("SOPClassUID")
        if kind == ENHANCED_CT_IMAGE_STORAGE:
            raise SeriesError(
                f"{path} (series {_uid(dataset)}) is an enhanced multi-frame CT: convert the series to single slices."
            )
        if kind == CT_IMAGE_STORAGE:
            found[path] = dataset
        elif named:
            raise SeriesError(f"{path} (series {_uid(dataset)}) is not a CT slice: leave it out.")
    if not found:
        raise SeriesError(f"{_name(source)} holds no CT slice: give the folder of a DICOM series.")
    return found


def _files_in(folder: Path) -> list[Path]:
    if folder.is_file():
        return [folder]
    if not folder.is_dir():
        raise SeriesError(f"{folder} does not exist: give the folder of a DICOM series.")
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))


def _choose_series(
    datasets: dict[Path, pydicom.Dataset], source: Path | Sequence[Path], series_uid: str | None
) -> dict[Path, pydicom.Dataset]:
    by_series: dict[str, dict[Path, pydicom.Dataset]] = {}
    for path, dataset in datasets.items():
        by_series.setdefault(_uid(dataset), {})[path] = dataset
    inventory = ", ".join(f"{uid} ({len(slices)} slices)" for uid, slices in sorted(by_series.items()))
    if series_uid is None and len(by_series) > 1:
        raise SeriesError(f"{_name(source)} holds {len(by_series)} series, choose one by its UID: {inventory}.")
    if series_uid is not None and series_uid not in by_series:
        raise SeriesError(f"{_name(source)} holds no series {series_uid}, choose one of those there: {inventory}.")
    return by_series[series_uid if series_uid is not None else next(iter(by_series))]


def _read_pixels(header: SliceHeader) -> np.ndarray:
    """The pixels of one slice, (y, x), with its own slope and intercept applied by GDCM."""
    try:
        image = sitk.ReadImage(str(header.path), imageIO="GDCMImageIO")
    except RuntimeError as error:
        raise SeriesError(
            f"{header.path} (series {header.series_uid}) cannot be decoded, it is truncated, damaged or compressed in "
            "an unknown way: copy it again from its source."
        ) from error
    return sitk.GetArrayFromImage(image).reshape(header.shape)


def _to_lps(volume: Volume) -> Volume:
    orientation = sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(volume.direction)
    if orientation == "LPS":
        return volume
    return Volume.from_image(sitk.DICOMOrient(volume.to_image(), "LPS"), volume.series_uid)


def _uid(dataset: pydicom.Dataset) -> str:
    return str(dataset.get("SeriesInstanceUID", "without SeriesInstanceUID"))


def _name(source: Path | Sequence[Path]) -> str:
    return str(source) if isinstance(source, Path) else f"The list of {len(source)} files"
