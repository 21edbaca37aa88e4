"""The header of one DICOM slice: its series, its place, and the scale of its HU."""

from dataclasses import dataclass
from pathlib import Path

import pydicom

from lung_ssp.ct.dicom_file import ACQUISITION_TAGS, DicomFile
from lung_ssp.ct.elements import Elements
from lung_ssp.ct.limits import LARGEST_FIELD_MM, LARGEST_POSITION_MM, LARGEST_SIDE, SPACING_MM
from lung_ssp.errors import SeriesError

HOUNSFIELD = ("HU", "US", "HOUNSFIELD")  # how RescaleType begins; US is "unspecified", which of a CT means HU
IDENTIFIERS = ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "SOPInstanceUID")
LARGEST_ALLOCATED = 32  # bits of a pixel
LARGEST_RESCALING = 2**24  # of slope and intercept; no scanner needs more
UNCOMPRESSED = (
    pydicom.uid.ImplicitVRLittleEndian,
    pydicom.uid.ExplicitVRLittleEndian,
    pydicom.uid.ExplicitVRBigEndian,
    pydicom.uid.DeflatedExplicitVRLittleEndian,
)
COMPRESSED = (  # what GDCM decodes within SimpleITK
    pydicom.uid.RLELossless,
    pydicom.uid.JPEGBaseline8Bit,
    pydicom.uid.JPEGExtended12Bit,
    pydicom.uid.JPEGLossless,
    pydicom.uid.JPEGLosslessSV1,
    pydicom.uid.JPEGLSLossless,
    pydicom.uid.JPEGLSNearLossless,
    pydicom.uid.JPEG2000Lossless,
    pydicom.uid.JPEG2000,
)


@dataclass(frozen=True)
class PixelLayout:
    """Where the pixels of a slice lie in its file, and how they become HU.

    at: where the element with the pixels begins.
    frame, frames: the number of the slice's frame from 0, of so many.
    allocated, stored, high: BitsAllocated; BitsStored, those that hold the number; HighBit, the highest of them.
    signed: whether a number may be negative (PixelRepresentation).
    slope, intercept: RescaleSlope and RescaleIntercept.
    """

    syntax: pydicom.uid.UID
    at: int
    frame: int
    frames: int
    allocated: int
    stored: int
    high: int
    signed: bool
    slope: float
    intercept: float


@dataclass(frozen=True)
class Instance:
    """The DICOM object that holds a slice.

    study_uid: StudyInstanceUID, or empty.
    sop_class, sop_uid: SOPClassUID and SOPInstanceUID, or empty.
    frame: of a multi-frame object the number of the slice's frame from 1, else None.
    """

    study_uid: str
    sop_class: str
    sop_uid: str
    frame: int | None


@dataclass(frozen=True)
class SliceHeader:
    """The geometry and the scale of one slice.

    position: (x, y, z) mm, LPS, of the centre of the first pixel (ImagePositionPatient).
    orientation: directions of a row and of a column (ImageOrientationPatient).
    pixel_spacing: (between rows, between columns) in mm (PixelSpacing).
    shape: (rows, columns).
    padding_hu: lowest and highest HU that mark pixels outside the field of view (PixelPaddingValue and
        PixelPaddingRangeLimit after slope and intercept), or None where the file names none.
    pixels: where its pixels lie; None of a slice that is made up in memory.
    sop_uid: the slice's own name (SOPInstanceUID), empty where the file has none, and of a frame, which shares it.
    instance_number: its number in the series (InstanceNumber), of a frame its number in the file; or None.
    kernel: of the reconstruction (ConvolutionKernel), empty where the file names none.
    acquisition: what tells one acquisition or reconstruction from another: the name of an element, and its text, which
        is empty where the file does not say it.
    frame_of_reference: FrameOfReferenceUID, or empty.
    instance: the object that holds it; None of a slice that is made up in memory.
    cut_uids: which of IDENTIFIERS are longer in the file than the standard allows, and were cut.
    """

    path: Path
    series_uid: str
    position: tuple[float, ...]
    orientation: tuple[float, ...]
    pixel_spacing: tuple[float, ...]
    shape: tuple[int, int]
    padding_hu: tuple[float, float] | None
    pixels: PixelLayout | None = None
    sop_uid: str = ""
    instance_number: int | None = None
    kernel: str = ""
    acquisition: tuple[tuple[str, str], ...] = ()
    frame_of_reference: str = ""
    instance: Instance | None = None
    cut_uids: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """Where the slice is, for messages: its file, and which frame of it."""
        several = self.pixels is not None and self.pixels.frames > 1
        return f"frame {self.pixels.frame + 1} of {self.path}" if several and self.pixels else str(self.path)

    @property
    def name(self) -> str:
        """The slice for messages: its file, frame and series."""
        return f"{self.place} (series {self.series_uid})"


@dataclass(frozen=True)
class Groups:
    """What tells the geometry, the scale and the making of one slice; of a file with one slice, its own elements."""

    position: Elements
    orientation: Elements
    measures: Elements
    rescaling: Elements
    kernel: str
    acquisition: tuple[tuple[str, str], ...]


def parse_header(file: DicomFile) -> SliceHeader:
    """The geometry and the scale of a file with one CT slice.

    Raises:
        SeriesError: an element is missing or impossible, the file is no single grey-scale slice, it ends before its
            pixels, or it is compressed in a way that cannot be decoded.
    """
    elements = file.elements
    if (elements.whole_number("NumberOfFrames") if "NumberOfFrames" in elements else 1) != 1:
        raise _no_slice(file)
    acquisition = tuple((tag, elements.text(tag)) for tag in ACQUISITION_TAGS)
    kernel = elements.text("ConvolutionKernel")
    return slice_of(file, Groups(elements, elements, elements, elements, kernel, acquisition), 0, 1)


def slice_of(file: DicomFile, groups: Groups, frame: int, frames: int) -> SliceHeader:
    """One slice of a file, whose geometry and scale are told by `groups`.

    Raises:
        SeriesError: as `parse_header`.
    """
    elements = file.elements
    layout = _layout(file, groups.rescaling, frame, frames)
    spacing = groups.measures.numbers("PixelSpacing", 2)
    if min(spacing) <= 0:
        raise elements.problem("has a zero or negative", "PixelSpacing")
    shape = tuple(elements.whole_number(tag, 1, LARGEST_SIDE) for tag in ("Rows", "Columns"))
    position = groups.position.numbers("ImagePositionPatient", 3)
    field = max(size * step for size, step in zip(shape, spacing, strict=True))
    plausible = SPACING_MM[0] <= min(spacing) and max(spacing) <= SPACING_MM[1]
    if not plausible or field > LARGEST_FIELD_MM:
        raise elements.problem("has an impossible", "PixelSpacing")
    if max(map(abs, position)) > LARGEST_POSITION_MM:
        raise elements.problem("has an impossible", "ImagePositionPatient")
    return SliceHeader(
        path=file.path,
        series_uid=file.series_uid,
        position=position,
        orientation=groups.orientation.numbers("ImageOrientationPatient", 6),
        pixel_spacing=spacing,
        shape=(shape[0], shape[1]),
        padding_hu=_padding_hu(elements, layout),
        pixels=layout,
        sop_uid=elements.uid("SOPInstanceUID") if frames == 1 else "",
        instance_number=frame + 1 if frames > 1 else _number_or_none(elements, "InstanceNumber"),
        kernel=groups.kernel,
        acquisition=groups.acquisition,
        frame_of_reference=elements.uid("FrameOfReferenceUID"),
        instance=Instance(
            elements.uid("StudyInstanceUID"),
            file.kind,
            elements.uid("SOPInstanceUID"),
            frame + 1 if frames > 1 else None,
        ),
        cut_uids=tuple(name for name in IDENTIFIERS if elements.is_uid_cut(name)),
    )


def is_localizer(elements: Elements) -> bool:
    """Whether a CT image is a projection for planning, no slice (third value of ImageType, PS3.3 C.8.2.1.1.1)."""
    return "LOCALIZER" in elements.texts("ImageType")


def _layout(file: DicomFile, rescaling: Elements, frame: int, frames: int) -> PixelLayout:
    elements = file.elements
    if file.syntax not in UNCOMPRESSED + COMPRESSED:
        raise SeriesError(
            f"{file.path} (series {file.series_uid}) is compressed as {file.syntax.name} ({file.syntax}), which cannot "
            "be decoded: export the series uncompressed or with a lossless JPEG.",
            reason="compressed",
        )
    if file.pixels_at is None:
        raise truncated(file)
    if (
        elements.whole_number("SamplesPerPixel") != 1
        or _required(elements, "PhotometricInterpretation") != "MONOCHROME2"
    ):
        raise _no_slice(file)
    allocated = elements.whole_number("BitsAllocated", 8, LARGEST_ALLOCATED)
    if allocated % 8:
        raise elements.problem("has an impossible", "BitsAllocated")
    stored = elements.whole_number("BitsStored", 1, allocated)
    slope = rescaling.number("RescaleSlope")
    intercept = rescaling.number("RescaleIntercept")
    if slope <= 0:
        raise elements.problem("has a zero or negative", "RescaleSlope")
    if slope > LARGEST_RESCALING or abs(intercept) > LARGEST_RESCALING:
        tag = "RescaleSlope" if slope > LARGEST_RESCALING else "RescaleIntercept"
        raise elements.problem("has an impossible", tag)
    unit = rescaling.text("RescaleType")
    if unit and not unit.upper().startswith(HOUNSFIELD):
        raise SeriesError(
            f"{file.path} (series {file.series_uid}) is measured in {unit} (RescaleType), not in Hounsfield units: "
            "choose a series in HU.",
            reason="implausible HU",
        )
    return PixelLayout(
        syntax=file.syntax,
        at=file.pixels_at,
        frame=frame,
        frames=frames,
        allocated=allocated,
        stored=stored,
        high=elements.whole_number("HighBit", stored - 1, allocated - 1) if "HighBit" in elements else stored - 1,
        signed=elements.whole_number("PixelRepresentation", 0, 1) == 1,
        slope=slope,
        intercept=intercept,
    )


def _padding_hu(elements: Elements, layout: PixelLayout) -> tuple[float, float] | None:
    if "PixelPaddingValue" not in elements:
        return None
    tags = [tag for tag in ("PixelPaddingValue", "PixelPaddingRangeLimit") if tag in elements]
    ends = [_stored(elements.whole_number(tag, lowest=-(2**31)), layout) for tag in tags]
    return min(ends) * layout.slope + layout.intercept, max(ends) * layout.slope + layout.intercept


def _stored(value: int, layout: PixelLayout) -> int:
    """A padding value as such a pixel is read: the lowest bits of it, with its sign if pixels have one.

    A signed image may carry its padding as an unsigned number (63536 for -2000), an unsigned one as a negative number,
    and one of 12 bits as a number of 16.
    """
    value %= 2**layout.stored
    return value - 2**layout.stored if layout.signed and value >= 2 ** (layout.stored - 1) else value


def _number_or_none(elements: Elements, keyword: str) -> int | None:
    """A whole number that the reading can do without, None where it is missing or none."""
    try:
        return elements.whole_number(keyword, lowest=-(2**31))
    except SeriesError:
        return None


def _required(elements: Elements, keyword: str) -> str:
    if keyword not in elements:
        raise elements.problem("has no", keyword)
    return elements.text(keyword)


def truncated(file: DicomFile) -> SeriesError:
    """The error of a file that ends before its pixels."""
    return SeriesError(
        f"{file.path} (series {file.series_uid or 'unknown'}) is truncated, it ends before its pixel data: copy it "
        "again from its source.",
        reason="damaged",
    )


def _no_slice(file: DicomFile) -> SeriesError:
    return SeriesError(
        f"{file.path} (series {file.series_uid}) is not one grey-scale slice (MONOCHROME2, one frame): export the "
        "series as single CT slices.",
        reason="header",
    )
