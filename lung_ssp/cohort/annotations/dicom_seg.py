"""DICOM segmentations (Segmentation Storage, PS3.3 A.51), read onto the voxels of a series."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from lung_ssp.cohort.annotations.masks import mask_onto
from lung_ssp.cohort.annotations.planes import LARGEST_DRIFT, slice_voxels
from lung_ssp.cohort.annotations.seg_file import Segment, SegmentationFile
from lung_ssp.cohort.annotations.settings import LARGEST_LOSS
from lung_ssp.ct.dicom_file import read_dicom
from lung_ssp.ct.limits import MOST_VOXELS
from lung_ssp.ct.series import Series
from lung_ssp.ct.source import DICOM_SUFFIXES
from lung_ssp.errors import CohortError

SEGMENTATION_CLASSES = (
    "1.2.840.10008.5.1.4.1.1.66.4",  # Segmentation Storage
    "1.2.840.10008.5.1.4.1.1.66.7",  # Label Map Segmentation Storage
)
STEP_TOLERANCE = 0.1  # how far a frame may lie from its place in a regular stack, as a share of the step
HALF_SLICE = 0.5 + 1e-6  # a frame further from its slice than that is another slice's
POSITION_DECIMALS = 3  # of a millimetre: what is smaller comes from rounded positions


@dataclass(frozen=True, eq=False)
class SegmentMask(Segment):
    """One segment on the voxels of a series: what the file says about it, and mask, bool (z, y, x), not empty."""

    mask: np.ndarray


def read_segmentation(
    source: Path,
    series: Series,
    labels: Sequence[str] = ("*",),
    accept_other_series: bool = False,
    largest_loss: float = LARGEST_LOSS,
    own_series_only: bool = False,
) -> list[SegmentMask]:
    """Read the segments of DICOM segmentations onto the voxels of a series, frame by frame.

    A frame goes to the slice it was made from (ReferencedSOPInstanceUID), else to the nearest one by its position;
    within the slice its pixels go by their coordinates. Where the frames lie on another grid than the series, such as
    that of another reconstruction of the exam, the whole segment is brought over by coordinates (see `mask_onto`).

    Args:
        source: a file, or a folder whose segmentations are all read; other DICOM files may lie there.
        labels: patterns (* and ?, in any case); a segment is read where one fits its label or its kind.
        accept_other_series: take a segmentation that names another series though it has, or may have, another frame
            of reference; within one frame of reference it is taken in any case.
        largest_loss: by how much the volume of a segment may change on another grid, as a share.
        own_series_only: refuse one of another series also within one frame of reference.

    Raises:
        CohortError: no segmentation, none of the labels, a segmentation of another series, a damaged file, or a
            segment that is empty or lies outside the series.
    """
    found: list[SegmentMask] = []
    present: list[str] = []
    for path in _segmentations(source):
        file = SegmentationFile(path)
        present += [segment.label for segment in file.segments]
        wanted = [
            s for s in file.segments if any(fnmatch(t.lower(), p.lower()) for p in labels for t in (s.label, s.kind))
        ]
        if wanted:
            if own_series_only and not _is_of(file, series):
                raise CohortError(
                    f"{file.path} is a segmentation of another series than {series.volume.series_uid}: give the series "
                    "that it was made from."
                )
            _require_place(file, series, accept_other_series)
            found += [_on_series(file, segment, series, largest_loss) for segment in wanted]
    if not found:
        raise CohortError(
            f"{source} holds no segment that fits {', '.join(labels)}: its segments are {', '.join(present) or 'none'}."
        )
    return found


def _require_place(file: SegmentationFile, series: Series, accept_other_series: bool) -> None:
    """Refuse a segmentation of another series, unless it shares the frame of reference or is accepted."""
    if accept_other_series or _is_of(file, series):
        return
    header = next((reference.header for reference in series.slices if reference.header is not None), None)
    ours = "" if header is None else header.frame_of_reference
    if not ours or ours != file.frame_of_reference:
        raise CohortError(
            f"{file.path} is a segmentation of another series than {series.volume.series_uid} and has another frame of "
            "reference: give the series that it was made from."
        )


def _is_of(file: SegmentationFile, series: Series) -> bool:
    slices = {reference.sop_uid for reference in series.slices} - {""}
    return series.volume.series_uid in file.series_uids or any(frame.source_uid in slices for frame in file.frames)


def _on_series(file: SegmentationFile, segment: Segment, series: Series, largest_loss: float) -> SegmentMask:
    what = f"The segment {segment.number} ({segment.label}) of {file.path}"
    if not file.frames_of(segment):
        raise CohortError(f"{what} has no frame.")
    if _lies_on_slices(file, segment, series):
        mask = _from_slices(file, segment, series, what)
    else:
        mask = mask_onto(_stack(file, segment, what), series.volume, what, largest_loss)
    if not mask.any():
        raise CohortError(f"{what} holds no voxel.")
    return SegmentMask(**vars(segment), mask=mask)


def _lies_on_slices(file: SegmentationFile, segment: Segment, series: Series) -> bool:
    """Whether the frames have the voxels of the series; those of another one must lie on its slices, too."""
    planes = {frame.plane for frame in file.frames_of(segment)}
    if not all(plane.fits(series.volume) for plane in planes):
        return False
    depths = np.array([plane.depth(series.volume) for plane in planes])
    return _is_of(file, series) or bool(np.abs(depths - np.rint(depths)).max() < LARGEST_DRIFT)


def _from_slices(file: SegmentationFile, segment: Segment, series: Series, what: str) -> np.ndarray:
    """Copied from frame to slice."""
    volume = series.volume
    index_of = {reference.sop_uid: index for index, reference in enumerate(series.slices) if reference.sop_uid}
    mask = np.zeros(volume.shape, bool)
    for frame in file.frames_of(segment):
        pixels = file.pixels(frame, segment)
        if not pixels.any():
            continue
        depth = frame.plane.depth(volume)
        index = index_of.get(frame.source_uid, round(depth))
        if not 0 <= index < len(mask):
            raise CohortError(f"{what} lies partly outside the series {volume.series_uid}.")
        if abs(depth - index) > HALF_SLICE:
            raise CohortError(
                f"{what} has a frame that lies {abs(depth - index):.1f} slices beside its own, {frame.source_uid}: its "
                "geometry is wrong."
            )
        y, x = slice_voxels(pixels, frame.plane, volume, what)
        mask[index, y, x] = True
    return mask


def _stack(file: SegmentationFile, segment: Segment, what: str) -> sitk.Image:
    """The segment on the grid of its own frames, 8-bit, 0 or 1."""
    frames = file.frames_of(segment)
    first = frames[0].plane
    row, column = np.array(first.orientation[:3]), np.array(first.orientation[3:])
    normal = np.cross(row, column)
    positions = np.array([frame.plane.position for frame in frames])
    depths = positions @ normal
    step = _step(file, normal)
    places = (depths - depths.min()) / step
    sideways = np.abs((positions - positions[0]) @ np.stack([row, column], axis=1)).max()
    alike = {(frame.plane.orientation, frame.plane.pixel_spacing) for frame in frames}
    irregular = np.abs(places - np.rint(places)).max() > STEP_TOLERANCE
    if len(alike) > 1 or sideways > LARGEST_DRIFT * min(first.pixel_spacing) or irregular:
        raise CohortError(f"{what} has frames that make no regular stack: it cannot be brought onto the series.")
    shape = (round(places.max()) + 1, *first.shape)
    if shape[0] * shape[1] * shape[2] > MOST_VOXELS:
        raise CohortError(
            f"{what} has frames so far apart that its stack has {shape[0]:,} planes: its geometry is wrong."
        )
    stack = np.zeros(shape, np.uint8)
    for frame, place in zip(frames, places, strict=True):
        stack[round(place)] |= file.pixels(frame, segment)
    image = sitk.GetImageFromArray(stack)
    image.SetSpacing((first.pixel_spacing[1], first.pixel_spacing[0], step))
    image.SetOrigin(positions[depths.argmin()].tolist())
    image.SetDirection(np.stack([row, column, normal], axis=1).ravel().tolist())
    return image


def _step(file: SegmentationFile, normal: np.ndarray) -> float:
    """Between the planes of all frames, mm; a single plane is as thick as the file says."""
    depths = np.unique(np.round([np.array(frame.plane.position) @ normal for frame in file.frames], POSITION_DECIMALS))
    return float(np.diff(depths).min()) if len(depths) > 1 else file.thickness_mm()


def _segmentations(source: Path) -> list[Path]:
    if not source.exists():
        raise CohortError(f"{source} does not exist: give a DICOM segmentation or its folder.")
    files = [source] if source.is_file() else sorted(path for path in source.rglob("*") if path.is_file())
    found = []
    for path in files:
        file = read_dicom(path)
        if file is None and (path == source or path.suffix.lower() in DICOM_SUFFIXES):
            raise CohortError(f"{path} is not a DICOM file: remove it, or copy it again from its source.")
        if file is not None and file.kind in SEGMENTATION_CLASSES:
            found.append(path)
    if not found:
        raise CohortError(f"{source} holds no DICOM segmentation: give the folder of one.")
    return found
