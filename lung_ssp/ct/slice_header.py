"""The header of one DICOM slice: its series, its place, and the scale of its HU."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom
from pydicom.errors import InvalidDicomError

from lung_ssp.errors import SeriesError

CT_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.2"
ENHANCED_CT_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.2.1"
TAGS = [
    "ImageType",
    "SOPClassUID",
    "SOPInstanceUID",
    "SeriesInstanceUID",
    "FrameOfReferenceUID",
    "InstanceNumber",
    "ConvolutionKernel",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "Rows",
    "Columns",
    "SamplesPerPixel",
    "NumberOfFrames",
    "PhotometricInterpretation",
    "RescaleSlope",
    "RescaleIntercept",
    "PixelPaddingValue",
    "PixelPaddingRangeLimit",
    "PixelRepresentation",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
]
TAG_NUMBERS = [pydicom.tag.Tag(name) for name in TAGS]  # looked up once, not for every file
LAYOUT = ("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation")
LARGEST_INTERCEPT = 2**15  # beyond it a sum might leave 32 bits; no scanner needs more
# What GDCM decodes within SimpleITK.
SUPPORTED_TRANSFER_SYNTAXES = (
    pydicom.uid.ImplicitVRLittleEndian,
    pydicom.uid.ExplicitVRLittleEndian,
    pydicom.uid.ExplicitVRBigEndian,
    pydicom.uid.DeflatedExplicitVRLittleEndian,
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
class UncompressedPixels:
    """Uncompressed 16-bit pixels, little-endian, whose rescaling adds a whole number only.

    signed: whether they may be negative (PixelRepresentation).
    bits: how many of the 16 hold the number (BitsStored), the lowest ones.
    intercept: RescaleIntercept, where RescaleSlope is 1.
    explicit: whether the file names the kind of each element (its transfer syntax).
    """

    signed: bool
    bits: int
    intercept: int
    explicit: bool


@dataclass(frozen=True)
class SliceHeader:
    """The geometry and the scale of one slice.

    position: (x, y, z) mm, LPS, of the centre of the first pixel (ImagePositionPatient).
    orientation: directions of a row and of a column (ImageOrientationPatient).
    pixel_spacing: (between rows, between columns) in mm (PixelSpacing).
    shape: (rows, columns).
    padding_hu: lowest and highest HU that mark pixels outside the field of view (PixelPaddingValue and
        PixelPaddingRangeLimit after slope and intercept), or None where the file names none.
    sop_uid: the slice's own name (SOPInstanceUID), empty where the file has none.
    instance_number: its number in the series (InstanceNumber), or None.
    kernel: of the reconstruction (ConvolutionKernel), empty where the file names none.
    uncompressed: how its pixels can be read without a decoder, or None.
    """

    path: Path
    series_uid: str
    position: tuple[float, ...]
    orientation: tuple[float, ...]
    pixel_spacing: tuple[float, ...]
    shape: tuple[int, int]
    padding_hu: tuple[float, float] | None
    sop_uid: str = ""
    instance_number: int | None = None
    kernel: str = ""
    uncompressed: UncompressedPixels | None = None


def read_dataset(path: Path) -> pydicom.Dataset | None:
    """Read the tags of one file that a series needs, or None if it is not DICOM.

    Raises:
        SeriesError: the file cannot be opened, or is a CT slice that ends before its pixel data.
    """
    try:
        with path.open("rb") as file:
            dataset = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=list(TAG_NUMBERS))
            ended = not file.read(1)
    except InvalidDicomError:
        return None
    except OSError as error:
        raise SeriesError(
            f"{path} cannot be opened ({error.strerror}): check the path and its permissions.", reason="not found"
        ) from error
    except Exception as error:  # pydicom raises errors of many kinds where a header is cut or garbled
        raise SeriesError(
            f"{path} has a damaged or truncated DICOM header: copy it again from its source.", reason="damaged"
        ) from error
    # MediaStorageSOPClassUID in the file meta information tells a DICOMDIR, which has no SOPClassUID, from a slice that
    # is cut before it.
    kind = dataset.get("SOPClassUID", dataset.file_meta.get("MediaStorageSOPClassUID", CT_IMAGE_STORAGE))
    # To read the header of a deflated file is to inflate the whole of it, which fails where it is cut.
    if ended and kind == CT_IMAGE_STORAGE and _syntax(dataset) != pydicom.uid.DeflatedExplicitVRLittleEndian:
        raise SeriesError(
            f"{path} (series {dataset.get('SeriesInstanceUID', 'unknown')}) is truncated, it ends before its pixel "
            "data: copy it again from its source.",
            reason="damaged",
        )
    return dataset


def parse_header(path: Path, dataset: pydicom.Dataset) -> SliceHeader:
    """The geometry and the scale of a CT slice from its tags.

    Raises:
        SeriesError: a tag is missing or impossible, the file is no single grey-scale slice, or it is compressed in a
            way that cannot be decoded.
    """
    series_uid = str(dataset.get("SeriesInstanceUID", ""))

    def read(tag: str, convert: Callable[[Any], Any]) -> Any:
        try:
            return convert(dataset[tag].value)
        except KeyError as error:
            raise _tag_error(path, series_uid, "has no", tag) from error
        except (ValueError, TypeError) as error:
            raise _tag_error(path, series_uid, "has an unreadable", tag) from error

    syntax = _syntax(dataset)
    if syntax not in SUPPORTED_TRANSFER_SYNTAXES:
        raise SeriesError(
            f"{path} (series {series_uid}) is compressed as {syntax.name} ({syntax}), which cannot be decoded: export "
            "the series uncompressed or with a lossless JPEG.",
            reason="compressed",
        )
    frames = read("NumberOfFrames", int) if dataset.get("NumberOfFrames") is not None else 1
    samples = read("SamplesPerPixel", int)
    if frames != 1 or samples != 1 or read("PhotometricInterpretation", str) != "MONOCHROME2":
        raise SeriesError(
            f"{path} (series {series_uid}) is not one grey-scale slice (MONOCHROME2, one frame): "
            "export the series as single CT slices.",
            reason="header",
        )
    slope, intercept = read("RescaleSlope", float), read("RescaleIntercept", float)
    spacing = read("PixelSpacing", _numbers(2))
    if slope <= 0 or min(spacing) <= 0:
        tag = "RescaleSlope" if slope <= 0 else "PixelSpacing"
        raise _tag_error(path, series_uid, "has a zero or negative", tag)
    padding = None
    if dataset.get("PixelPaddingValue") is not None:
        bits, signed = read("BitsStored", int), read("PixelRepresentation", int) == 1
        tags = [tag for tag in ("PixelPaddingValue", "PixelPaddingRangeLimit") if dataset.get(tag) is not None]
        ends = [_stored(read(tag, int), bits, signed) for tag in tags]
        padding = min(ends), max(ends)
    return SliceHeader(
        path=path,
        series_uid=series_uid,
        position=read("ImagePositionPatient", _numbers(3)),
        orientation=read("ImageOrientationPatient", _numbers(6)),
        pixel_spacing=spacing,
        shape=(read("Rows", int), read("Columns", int)),
        padding_hu=None if padding is None else (padding[0] * slope + intercept, padding[1] * slope + intercept),
        sop_uid=str(dataset.get("SOPInstanceUID") or ""),
        instance_number=_instance_number(dataset),
        kernel=_kernel(dataset),
        uncompressed=_uncompressed_pixels(dataset, syntax, slope, intercept),
    )


def is_localizer(dataset: pydicom.Dataset) -> bool:
    """Whether a CT image is a projection for planning, no slice (third value of ImageType, PS3.3 C.8.2.1.1.1)."""
    kind = dataset.get("ImageType")
    return not isinstance(kind, str) and "LOCALIZER" in (kind or ())


def _syntax(dataset: pydicom.Dataset) -> pydicom.uid.UID:
    return pydicom.uid.UID(dataset.file_meta.get("TransferSyntaxUID", pydicom.uid.ImplicitVRLittleEndian))


def _instance_number(dataset: pydicom.Dataset) -> int | None:
    try:
        return int(dataset["InstanceNumber"].value)
    except (KeyError, ValueError, TypeError):
        return None


def _uncompressed_pixels(
    dataset: pydicom.Dataset, syntax: pydicom.uid.UID, slope: float, intercept: float
) -> UncompressedPixels | None:
    explicit = syntax == pydicom.uid.ExplicitVRLittleEndian
    if not (explicit or syntax == pydicom.uid.ImplicitVRLittleEndian):
        return None
    try:
        allocated, bits, highest, representation = (int(dataset[tag].value) for tag in LAYOUT)
    except (KeyError, ValueError, TypeError):
        return None
    lowest_bits = allocated == 16 and 1 <= bits <= 16 and highest == bits - 1 and representation in (0, 1)
    whole = slope == 1 and intercept.is_integer() and abs(intercept) <= LARGEST_INTERCEPT
    return UncompressedPixels(representation == 1, bits, int(intercept), explicit) if lowest_bits and whole else None


def _kernel(dataset: pydicom.Dataset) -> str:
    """The kernel as one text; Siemens gives several values."""
    value = dataset.get("ConvolutionKernel") or ""
    return value if isinstance(value, str) else "\\".join(value)


def _stored(value: int, bits: int, signed: bool) -> int:
    """A padding value as GDCM reads such a pixel: the lowest `bits` of it, with its sign if pixels have one.

    A signed image may carry its padding as an unsigned number (63536 for -2000), an unsigned one as a negative number,
    and one of 12 bits as a number of 16.
    """
    value %= 2**bits
    return value - 2**bits if signed and value >= 2 ** (bits - 1) else value


def _numbers(count: int) -> Callable[[Any], tuple[float, ...]]:
    def convert(value: Any) -> tuple[float, ...]:
        numbers = tuple(float(number) for number in value)
        if len(numbers) != count:
            raise ValueError(f"{count} numbers expected")
        return numbers

    return convert


def _tag_error(path: Path, series_uid: str, problem: str, tag: str) -> SeriesError:
    return SeriesError(
        f"{path} (series {series_uid}) {problem} {tag}: export the series again with its geometry and its HU scale.",
        reason="header",
    )
