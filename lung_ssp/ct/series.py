"""Find, verify and read one CT series: a DICOM series of axial slices, or one file that holds a volume."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk

from lung_ssp.ct.gaps import fill_gaps, number_planes
from lung_ssp.ct.geometry import axes_of, drop_duplicates, sort_slices, stack_geometry
from lung_ssp.ct.hounsfield import check_chest, replace_padding
from lung_ssp.ct.pixels import read_pixels
from lung_ssp.ct.settings import GapSettings, check_accept
from lung_ssp.ct.slice_header import (
    CT_IMAGE_STORAGE,
    ENHANCED_CT_IMAGE_STORAGE,
    SliceHeader,
    is_localizer,
    parse_header,
    read_dataset,
)
from lung_ssp.ct.tilt import TiltCorrection, tilt_correction
from lung_ssp.ct.volume import Volume
from lung_ssp.ct.volume_file import is_volume_file, read_volume
from lung_ssp.errors import SeriesError

MIN_SLICES = 16  # fewer are a localizer or a fragment
DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")

Source = str | Path | Sequence[str | Path]  # a folder, one file, or a list of files


@dataclass(frozen=True)
class SliceReference:
    """Where a slice of a volume comes from.

    path: its file, or None where it was interpolated.
    sop_uid: its SOPInstanceUID (0008,0018), empty where it was interpolated or has none.
    instance_number: its InstanceNumber (0020,0013), or None.
    """

    path: Path | None = None
    sop_uid: str = ""
    instance_number: int | None = None


@dataclass(frozen=True, eq=False)
class Series:
    """A CT series that was read.

    volume: the scan, z ascending towards the head.
    slices: one for each volume.hu[z]. The volume's axes may be turned against the stored rows and columns: what is
        given in stored pixels comes to the volume through patient coordinates (SliceHeader of the slice's file).
    corrections: what was corrected in the series, in sentences without file names and UIDs.
    """

    volume: Volume
    slices: tuple[SliceReference, ...]
    corrections: tuple[str, ...]


def read_series(source: Source, series_uid: str | None = None) -> Volume:
    """Read one CT series as a volume.

    Nothing is corrected: the series must be one regular stack. `open_series` can correct some others, and tells the
    files of the slices.

    Args:
        source: a folder, searched with its subfolders (other files may lie there); the slices' files themselves; or
            one file that holds a volume of HU (.nii, .nii.gz, .mha, .nrrd).
        series_uid: which series, its SeriesInstanceUID; needed where the source holds several.

    Returns:
        The scan: HU int16 (z, y, x), spacing (z, y, x) in mm; x runs to the patient's left, y to the back, z to the
        head.

    Raises:
        SeriesError: no such source or series, a choice to be made, a damaged or foreign file, fewer than 16 slices,
            missing or duplicate slices, mixed sizes, orientations or kernels, a tilted gantry, implausible HU.
    """
    return open_series(source, series_uid).volume


def open_series(
    source: Source,
    series_uid: str | None = None,
    accept: Collection[str] = (),
    gaps: GapSettings | None = None,
) -> Series:
    """Read one CT series.

    Slices are found by SeriesInstanceUID (0020,000E), sorted by ImagePositionPatient (0020,0032) along the normal, and
    spaced by those positions, never by SliceThickness. RescaleSlope and RescaleIntercept are applied slice by slice.
    PixelPaddingValue, and anything below -1024 HU, becomes air. The axes are turned so that x runs to the patient's
    left, y to the back and z to the head, whatever the order in which the scanner stored them. Localizers in a folder
    are left out.

    Args:
        source: a folder, searched with its subfolders (other files may lie there); the slices' files themselves; or
            one file that holds a volume of HU (.nii, .nii.gz, .mha, .nrrd).
        series_uid: which series, needed where the source holds several; a volume file holds no UID.
        accept: what is corrected instead of refused. "tilt": the slices of a tilted gantry are moved within their
            planes onto a straight grid, wide enough for all. "gaps": missing slices are interpolated. "duplicates": of
            identical slices at one position one is kept.
        gaps: limits of the gaps that are accepted.

    Returns:
        The scan: HU int16 (z, y, x), spacing (z, y, x) in mm; its slices' files; and what was corrected.

    Raises:
        SeriesError: no such source or series, a choice to be made, a damaged or foreign file, fewer than 16 slices,
            missing or duplicate slices, mixed sizes, orientations or kernels, a tilted gantry, implausible HU.
        ConfigError: `accept` names something else.
    """
    check_accept(accept)
    if not isinstance(source, str | Path) or not is_volume_file(Path(source)):
        return _open_slices(source, series_uid, accept, gaps or GapSettings())
    if series_uid is not None:
        raise SeriesError(
            f"{source} is one volume without a series UID: leave the UID {series_uid} out, or give a DICOM series.",
            reason="not found",
        )
    volume = read_volume(Path(source))
    return Series(volume, (SliceReference(),) * len(volume.hu), ())


def _open_slices(source: Source, series_uid: str | None, accept: Collection[str], gaps: GapSettings) -> Series:
    datasets, localizers = _ct_datasets(source)
    chosen = _choose_series(datasets, _name(source), series_uid)
    uid = _uid(next(iter(chosen.values())))
    _require_enough(uid, list(chosen))
    headers = [parse_header(path, dataset) for path, dataset in chosen.items()]
    _require_one_kernel(headers)
    corrections = _count(sum(_uid(localizer) == uid for localizer in localizers), "localizer")

    found = sort_slices(headers)
    headers = drop_duplicates(
        found, "duplicates" in accept, lambda header: replace_padding(read_pixels(header), header)[0]
    )
    _require_enough(uid, [header.path for header in headers])
    corrections += _count(len(found) - len(headers), "duplicate slice")
    planes = number_planes(headers, gaps if "gaps" in accept else None)
    origin, spacing, direction = stack_geometry(headers, planes)
    tilt = tilt_correction(headers, "tilt" in accept)
    if tilt is not None:
        origin = tilt.origin
        corrections.append(f"gantry tilt of {tilt.degrees:.1f} degrees straightened")
    hu = _read_stack(headers, planes, tilt)
    corrections += fill_gaps(hu, planes)

    volume = Volume(hu, spacing, origin, direction, headers[0].series_uid)
    if sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(direction) != "LPS":
        volume = Volume.from_image(sitk.DICOMOrient(volume.to_image(), "LPS"), volume.series_uid)
    references = [SliceReference()] * len(hu)
    for header, plane in zip(headers, planes, strict=True):
        references[plane] = SliceReference(header.path, header.sop_uid, header.instance_number)
    if axes_of(headers[0])[2, 2] < 0:  # sorted along their normal, which points to the feet
        references.reverse()
    return Series(volume, tuple(references), tuple(corrections))


def _ct_datasets(source: Source) -> tuple[dict[Path, pydicom.Dataset], list[pydicom.Dataset]]:
    """The tags of every CT slice in the source, by file, and those of the localizers.

    In a folder other files are left out; a file that was named must be a CT slice.
    """
    files, named = _files_of(source)
    found: dict[Path, pydicom.Dataset] = {}
    localizers: list[pydicom.Dataset] = []
    for path in files:
        dataset = read_dataset(path)
        if dataset is None:
            if named or path.suffix.lower() in DICOM_SUFFIXES:
                raise SeriesError(
                    f"{path} is not a DICOM file: remove it, or copy it again from its source.", reason="foreign file"
                )
            continue
        kind = dataset.get("SOPClassUID")
        if kind == ENHANCED_CT_IMAGE_STORAGE:
            raise SeriesError(
                f"{path} (series {_uid(dataset)}) is an enhanced multi-frame CT: convert the series to single slices.",
                reason="foreign file",
            )
        if kind == CT_IMAGE_STORAGE and not is_localizer(dataset):
            found[path] = dataset
        elif named:
            what = "a localizer, no slice" if kind == CT_IMAGE_STORAGE else "not a CT slice"
            raise SeriesError(f"{path} (series {_uid(dataset)}) is {what}: leave it out.", reason="foreign file")
        elif kind == CT_IMAGE_STORAGE:
            localizers.append(dataset)
    if not found:
        besides = f" besides {len(localizers)} localizer(s)" if localizers else ""
        raise SeriesError(
            f"{_name(source)} holds no CT slice{besides}: give the folder of a DICOM series.", reason="not found"
        )
    return found, localizers


def _files_of(source: Source) -> tuple[list[Path], bool]:
    """The files that may be slices, and whether they were named one by one."""
    if not isinstance(source, str | Path):
        return [Path(path) for path in source], True
    folder = Path(source)
    if folder.is_file():
        return [folder], True
    if not folder.is_dir():
        raise SeriesError(f"{folder} does not exist: give the folder of a DICOM series.", reason="not found")
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")), False


def _choose_series(
    datasets: dict[Path, pydicom.Dataset], name: str, series_uid: str | None
) -> dict[Path, pydicom.Dataset]:
    by_series: dict[str, dict[Path, pydicom.Dataset]] = {}
    for path, dataset in datasets.items():
        by_series.setdefault(_uid(dataset), {})[path] = dataset
    inventory = ", ".join(f"{uid} ({len(slices)} slices)" for uid, slices in sorted(by_series.items()))
    if series_uid is None and len(by_series) > 1:
        raise SeriesError(
            f"{name} holds {len(by_series)} series, choose one by its UID: {inventory}.",
            reason="several series",
        )
    if series_uid is not None and series_uid not in by_series:
        raise SeriesError(
            f"{name} holds no series {series_uid}, choose one of those there: {inventory}.",
            reason="not found",
        )
    return by_series[series_uid if series_uid is not None else next(iter(by_series))]


def _require_enough(series_uid: str, files: list[Path]) -> None:
    if len(files) < MIN_SLICES:
        raise SeriesError(
            f"Series {series_uid} has {len(files)} slices (first: {files[0]}), at least {MIN_SLICES} are needed: "
            "give the folder of a complete axial series, not a localizer or a single slice.",
            reason="too few slices",
        )


def _require_one_kernel(headers: list[SliceHeader]) -> None:
    """A series that holds two reconstructions would alternate between a smooth and a sharp one."""
    kernels = Counter(header.kernel for header in headers if header.kernel)
    if len(kernels) > 1:
        counts = ", ".join(f"{kernel} ({count} slices)" for kernel, count in sorted(kernels.items()))
        raise SeriesError(
            f"Series {headers[0].series_uid} mixes reconstructions with {len(kernels)} kernels: {counts}; keep the "
            "slices of one.",
            reason="mixed",
        )


def _count(number: int, what: str) -> list[str]:
    """ "2 duplicate slices left out", or nothing for none."""
    return [f"{number} {what}{'s' * (number > 1)} left out"] if number else []


def _read_stack(headers: list[SliceHeader], planes: np.ndarray, tilt: TiltCorrection | None) -> np.ndarray:
    """The slices' HU, each in its plane, on the straight grid if there is one; missing planes are not yet filled.

    Raises:
        SeriesError: a slice that cannot be decoded, or HU that no chest has.
    """
    rows, columns = headers[0].shape if tilt is None else tilt.shape
    hu = np.empty((planes[-1] + 1, rows, columns), np.int16)
    shares = []
    for index, (header, plane) in enumerate(zip(headers, planes, strict=True)):
        pixels, share = replace_padding(read_pixels(header), header)
        hu[plane] = pixels if tilt is None else tilt.place(pixels, index)
        shares.append(share)
    check_chest(headers, shares)
    return hu


def _uid(dataset: pydicom.Dataset) -> str:
    return str(dataset.get("SeriesInstanceUID", "without SeriesInstanceUID"))


def _name(source: Source) -> str:
    return str(source) if isinstance(source, str | Path) else f"The list of {len(source)} files"
