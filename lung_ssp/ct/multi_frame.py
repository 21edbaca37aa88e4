"""A whole series in one file: Enhanced CT and Legacy Converted Enhanced CT, a slice a frame (PS3.3 A.38, A.70)."""

from pathlib import Path

import pydicom

from lung_ssp.ct.dicom_file import TAG_NUMBERS, DicomFile, read_dicom
from lung_ssp.ct.elements import Elements
from lung_ssp.ct.slice_header import Groups, SliceHeader, slice_of
from lung_ssp.errors import SeriesError

MOST_FRAMES = 10_000
LONGEST_GROUPS = 2**26  # bytes of the sequences that describe the frames
SHARED, PER_FRAME = "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"
FRAME_TAGS = (  # what tells frames of one acquisition from those of another
    "FrameAcquisitionNumber",
    "FrameAcquisitionDateTime",
    "StackID",
    "TemporalPositionIndex",
)
GROUP_NUMBERS = tuple(pydicom.tag.Tag(name) for name in (SHARED, PER_FRAME))


def frame_headers(path: Path) -> tuple[list[SliceHeader], int]:
    """The headers of a file's frames, in the order of the file, and how many localizers are left out of them.

    Raises:
        SeriesError: the file or a frame lacks what a CT slice needs, or holds something impossible; or frames were
            reconstructed in different ways.
    """
    file = read_dicom(path, TAG_NUMBERS + GROUP_NUMBERS, LONGEST_GROUPS)
    if file is None:
        raise SeriesError(f"{path} is not a DICOM file any more: copy it again from its source.", reason="damaged")
    if file.syntax == pydicom.uid.DeflatedExplicitVRLittleEndian:  # it would be inflated again for each frame
        raise SeriesError(
            f"{path} (series {file.series_uid}) is deflated as a whole: export the series uncompressed.",
            reason="compressed",
        )
    frames = file.elements.whole_number("NumberOfFrames", 1, MOST_FRAMES)
    shared = next(iter(file.elements.items(SHARED)), None)
    of_frames = file.elements.items(PER_FRAME)
    if len(of_frames) != frames:
        raise SeriesError(
            f"{path} (series {file.series_uid}) has {frames} frames, but tells the place of {len(of_frames)} "
            f"({PER_FRAME}): export the series again, as single CT slices if need be.",
            reason="header",
        )
    slices = [(number, own) for number, own in enumerate(of_frames) if not _is_localizer(own, shared)]
    headers = [slice_of(file, _groups(file, own, shared), number, frames) for number, own in slices]
    return headers, frames - len(slices)


def _groups(file: DicomFile, own: Elements, shared: Elements | None) -> Groups:
    def group(sequence: str, keyword: str) -> Elements:
        found = _find(own, shared, sequence)
        if found is None:
            raise file.elements.problem("has a frame that has no", keyword)
        return found

    return Groups(
        position=group("PlanePositionSequence", "ImagePositionPatient"),
        orientation=group("PlaneOrientationSequence", "ImageOrientationPatient"),
        measures=group("PixelMeasuresSequence", "PixelSpacing"),
        rescaling=group("PixelValueTransformationSequence", "RescaleSlope"),
        kernel=_text(_find(own, shared, "CTReconstructionSequence"), "ConvolutionKernel"),
        acquisition=tuple((tag, _text(_find(own, shared, "FrameContentSequence"), tag)) for tag in FRAME_TAGS),
    )


def _find(own: Elements, shared: Elements | None, sequence: str) -> Elements | None:
    """A functional group of a frame, its own or the one shared by all."""
    for elements in (own, shared):
        items = elements.items(sequence) if elements is not None else []
        if items:
            return items[0]
    return None


def _text(elements: Elements | None, keyword: str) -> str:
    return "" if elements is None else elements.text(keyword)


def _is_localizer(own: Elements, shared: Elements | None) -> bool:
    kind = _find(own, shared, "CTImageFrameTypeSequence")
    return kind is not None and "LOCALIZER" in kind.texts("FrameType")
