"""Find, verify and read one CT series: a DICOM series of axial slices, or one file that holds a volume."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from lung_ssp.ct.archive import is_archive, unpacked
from lung_ssp.ct.consistency import (
    alternation_remark,
    check_scales,
    require_one_acquisition,
    require_one_frame_of_reference,
    require_one_kernel,
)
from lung_ssp.ct.dicom_file import MULTI_FRAME_CT_CLASSES, DicomFile, without_warnings
from lung_ssp.ct.dicom_source import DicomSource, dicom_source
from lung_ssp.ct.gaps import fill_gaps, number_planes
from lung_ssp.ct.geometry import axes_of, drop_duplicates, sort_slices, stack_geometry
from lung_ssp.ct.hounsfield import TissueShares, check_chest, clipped_sentence, replace_padding
from lung_ssp.ct.limits import MIN_SLICES, check_grid
from lung_ssp.ct.multi_frame import frame_headers
from lung_ssp.ct.pictures import without_pictures
from lung_ssp.ct.pixels import read_pixels
from lung_ssp.ct.settings import GapSettings, check_accept
from lung_ssp.ct.slice_header import SliceHeader, parse_header
from lung_ssp.ct.source import FORMS, Contents, LeftOut, Source, contents_of
from lung_ssp.ct.tilt import TiltCorrection, tilt_correction
from lung_ssp.ct.volume import AXIAL, Volume
from lung_ssp.ct.volume_file import is_volume_file, read_volume
from lung_ssp.errors import SeriesError


@dataclass(frozen=True)
class SliceReference:
    """Where a slice of a volume comes from.

    path: its file, or None where it was interpolated. Of an archive, the file's path below the archive's.
    sop_uid: its SOPInstanceUID (0008,0018), empty where it was interpolated or has none of its own.
    instance_number: its InstanceNumber (0020,0013), of a multi-frame file the number of its frame; or None.
    header: what its file says of it, or None where it was interpolated.
    """

    path: Path | None = None
    sop_uid: str = ""
    instance_number: int | None = None
    header: SliceHeader | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, eq=False)
class Series:
    """A CT series that was read.

    volume: the scan, z ascending towards the head.
    slices: one for each volume.hu[z]. The volume's axes may be turned against the stored rows and columns: what is
        given in stored pixels comes to the volume through patient coordinates (SliceHeader of the slice's file).
    corrections: what was corrected in the series, in sentences without file names and UIDs.
    doubts: what is unusual about the series and was left as it is, in such sentences.
    left_out: the files of the source that are not in the volume, and why.
    stored_direction: the directions of the axes in which the source stores the scan, as Volume.direction; of a DICOM
        series those of a row, a column and their normal.
    dicom: the DICOM series; None where the volume was in a file of another kind.
    """

    volume: Volume
    slices: tuple[SliceReference, ...]
    corrections: tuple[str, ...]
    doubts: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    stored_direction: tuple[float, ...] = AXIAL
    dicom: DicomSource | None = None

    @property
    def remarks(self) -> tuple[str, ...]:
        """What was corrected, what is unusual and what was left out, in sentences without file names and UIDs."""
        kinds = Counter(one.why for one in self.left_out)
        return (*self.corrections, *self.doubts, *(f"{count} x {why} left out" for why, count in sorted(kinds.items())))


def read_series(source: Source, series_uid: str | None = None) -> Volume:
    """Read one CT series as a volume.

    Nothing is corrected: the series must be one regular stack. `open_series` can correct some others, and tells the
    files of the slices.

    Args:
        source: as for `open_series`.
        series_uid: which series, its SeriesInstanceUID; needed where the source holds several.

    Returns:
        The scan: HU int16 (z, y, x), spacing (z, y, x) in mm; x runs to the patient's left, y to the back, z to the
        head.

    Raises:
        SeriesError: as `open_series`.
    """
    return open_series(source, series_uid).volume


def open_series(
    source: Source,
    series_uid: str | None = None,
    accept: Collection[str] = (),
    gaps: GapSettings | None = None,
    contents: Contents | None = None,
    keep_patient: bool = False,
) -> Series:
    """Read one CT series.

    Slices are found by SeriesInstanceUID (0020,000E), sorted by ImagePositionPatient (0020,0032) along the normal, and
    spaced by those positions, never by SliceThickness. RescaleSlope and RescaleIntercept are applied slice by slice.
    PixelPaddingValue, and anything below -1024 HU, becomes air. The axes are turned so that x runs to the patient's
    left, y to the back and z to the head, whatever the order in which the scanner stored them. In a folder, other
    files, localizers and screen shots are left out.

    Args:
        source: a folder, searched with its subfolders (other files may lie there); the slices' files themselves; a
            zip archive; a DICOMDIR, of whose files those it lists are read; one file with a slice a frame (Enhanced or
            Legacy Converted Enhanced CT); or one file that holds a volume of HU (.nii, .nii.gz, .mha, .mhd, .nrrd).
        series_uid: which series, needed where the source holds several; a volume file holds no UID.
        accept: what is corrected instead of refused. "tilt": the slices of a tilted gantry are moved within their
            planes onto a straight grid, wide enough for all. "gaps": missing slices are interpolated. "duplicates": of
            identical slices at one position one is kept.
        gaps: limits of the gaps that are accepted.
        contents: of the source, where it has been looked through before.
        keep_patient: whether the patient's name and number and the study's numbers and dates are read (Series.dicom).

    Returns:
        The scan: HU int16 (z, y, x), spacing (z, y, x) in mm; its slices' files; what was corrected, and what was left
        out.

    Raises:
        SeriesError: no such source or series, a choice to be made, a damaged or foreign file, fewer than 16 slices,
            missing or duplicate slices, mixed sizes, orientations, kernels, acquisitions or scales, a tilted gantry,
            implausible HU.
        ConfigError: `accept` names something else.
    """
    check_accept(accept)
    path = Path(source) if isinstance(source, str | Path) else None
    if path is not None and is_volume_file(path) and not path.is_dir():
        if series_uid is not None:
            raise SeriesError(
                f"{path} is one volume without a series UID: leave the UID {series_uid} out, or give a DICOM series.",
                reason="not found",
            )
        volume, corrections, direction = read_volume(path)
        nowhere = (SliceReference(),) * len(volume.hu)
        return Series(volume, nowhere, tuple(corrections), stored_direction=direction)
    choices = Choices(frozenset(accept), gaps or GapSettings(), keep_patient)
    if path is not None and is_archive(path) and not path.is_dir():
        return _open_archive(path, series_uid, choices)
    return _open_slices(source, series_uid, choices, contents)


@dataclass(frozen=True)
class Choices:
    """What is corrected, within which limits, and whether the patient is read; as for `open_series`."""

    accept: frozenset[str]
    gaps: GapSettings
    keep_patient: bool


def _open_archive(path: Path, series_uid: str | None, choices: Choices) -> Series:
    """Read a series out of a zip archive; its files are then named as if the archive were their folder."""

    def outside(file: Path) -> Path:
        return path / file.relative_to(folder)

    with unpacked(path) as folder:
        try:
            series = _open_slices(folder, series_uid, choices)
        except SeriesError as error:
            raise error.in_words(str(error).replace(str(folder), str(path))) from error
        slices = tuple(
            one
            if one.path is None or one.header is None
            else replace(one, path=outside(one.path), header=replace(one.header, path=outside(one.path)))
            for one in series.slices
        )
        return replace(
            series, slices=slices, left_out=tuple(replace(one, path=outside(one.path)) for one in series.left_out)
        )


def _open_slices(source: Source, series_uid: str | None, choices: Choices, contents: Contents | None = None) -> Series:
    with without_warnings():  # sequences and UIDs are looked at long after a file was read
        found = contents_of(source) if contents is None else contents
        return _series_of(found, found.choose(_name(source), series_uid), choices)


def _series_of(contents: Contents, chosen: list[DicomFile], choices: Choices) -> Series:
    headers, accept = _headers(chosen, contents), choices.accept
    _require_enough(headers, chosen)
    require_one_kernel(headers)
    require_one_frame_of_reference(headers)

    found = sort_slices(headers)
    headers = drop_duplicates(
        found, "duplicates" in accept, lambda one: replace_padding(read_pixels(one), one.padding_hu, one.name)[0]
    )
    _require_enough(headers, chosen)
    corrections = _count(len(found) - len(headers), "duplicate slice")
    doubts = require_one_acquisition(headers)
    planes = number_planes(headers, choices.gaps if "gaps" in accept else None)
    origin, spacing, direction = stack_geometry(headers, planes)
    tilt = tilt_correction(headers, "tilt" in accept)
    if tilt is not None:
        origin = tilt.origin
        corrections.append(f"gantry tilt of {tilt.degrees:.1f} degrees straightened")
    check_grid(
        f"Series {headers[0].series_uid}",
        (planes[-1] + 1, *(headers[0].shape if tilt is None else tilt.shape)),
        spacing,
    )
    hu, shares = _read_stack(headers, planes, tilt)
    corrections += clipped_sentence(sum(share.clipped for share in shares))
    if tilt is None:
        check_scales(headers, planes, hu)
    corrections += fill_gaps(hu, planes)
    doubts += alternation_remark(hu)

    volume = Volume(hu, spacing, origin, direction, headers[0].series_uid)
    if sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(direction) != "LPS":
        volume = Volume.from_image(sitk.DICOMOrient(volume.to_image(), "LPS"), volume.series_uid)
    references = [SliceReference()] * len(hu)
    for header, plane in zip(headers, planes, strict=True):
        references[plane] = SliceReference(header.path, header.sop_uid, header.instance_number, header)
    if axes_of(headers[0])[2, 2] < 0:  # sorted along their normal, which points to the feet
        references.reverse()
    source = dicom_source([one.header for one in references], tilt is not None, choices.keep_patient)
    remarks = tuple(corrections), tuple(doubts)
    return Series(volume, tuple(references), *remarks, tuple(contents.left_out), direction, source)


def _headers(chosen: list[DicomFile], contents: Contents) -> list[SliceHeader]:
    """The headers of a series' slices; what is no slice of it is left out: screen shots, and projections.

    Raises:
        SeriesError: a slice's header is incomplete or impossible.
    """
    several = [file for file in chosen if file.kind in MULTI_FRAME_CT_CLASSES]
    single = [file for file in chosen if file.kind not in MULTI_FRAME_CT_CLASSES]
    slices, scouts, pictures = without_pictures(single, len(several) > 0)
    contents.left_out += [LeftOut(file.path, "CT image without geometry (screen shot)") for file in pictures]
    contents.left_out += [LeftOut(file.path, "CT image in another plane (scout)") for file in scouts]
    headers = [parse_header(file) for file in slices]
    for file in several:
        frames, localizers = frame_headers(file.path)
        headers += frames
        contents.left_out += [LeftOut(file.path, "localizer frame")] * localizers
    return headers


def _require_enough(headers: list[SliceHeader], chosen: list[DicomFile]) -> None:
    if len(headers) < MIN_SLICES:
        first = chosen[0]
        raise SeriesError(
            f"Series {first.series_uid} has {len(headers)} slices (first: {first.path}), at least {MIN_SLICES} are "
            f"needed: give the whole of an axial series as {FORMS}.",
            reason="too few slices",
        )


def _count(number: int, what: str) -> list[str]:
    """ "2 duplicate slices left out", or nothing for none."""
    return [f"{number} {what}{'s' * (number > 1)} left out"] if number else []


def _read_stack(
    headers: list[SliceHeader], planes: np.ndarray, tilt: TiltCorrection | None
) -> tuple[np.ndarray, list[TissueShares]]:
    """The slices' HU, each in its plane, on the straight grid if there is one; missing planes are not yet filled.

    Raises:
        SeriesError: a slice that cannot be decoded, or HU that no chest has.
    """
    rows, columns = headers[0].shape if tilt is None else tilt.shape
    hu = np.empty((planes[-1] + 1, rows, columns), np.int16)
    shares = []
    for index, (header, plane) in enumerate(zip(headers, planes, strict=True)):
        pixels, share = replace_padding(read_pixels(header), header.padding_hu, header.name)
        hu[plane] = pixels if tilt is None else tilt.place(pixels, index)
        shares.append(share)
    check_chest(f"Series {headers[0].series_uid}", lambda index: headers[index].name, shares)
    return hu, shares


def _name(source: Source) -> str:
    return str(source) if isinstance(source, str | Path) else f"The list of {len(source)} files"
