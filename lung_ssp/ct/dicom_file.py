"""One DICOM file: what kind of object it is, and where in it the pixels begin. Pixels are not read."""

import io
import logging
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pydicom

from lung_ssp.ct.elements import LONGEST_UID, LONGEST_VALUE, Elements, printable
from lung_ssp.errors import SeriesError

CT_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.2"
MULTI_FRAME_CT_CLASSES = (
    "1.2.840.10008.5.1.4.1.1.2.1",  # Enhanced CT Image Storage
    "1.2.840.10008.5.1.4.1.1.2.2",  # Legacy Converted Enhanced CT Image Storage
)
CT_CLASSES = (CT_IMAGE_STORAGE, *MULTI_FRAME_CT_CLASSES)
# What tells one acquisition or reconstruction from another.
ACQUISITION_TAGS = (
    "AcquisitionNumber",
    "AcquisitionDateTime",
    "AcquisitionDate",
    "AcquisitionTime",
    "KVP",
    "SliceThickness",
    "ContrastBolusAgent",
    "FilterType",
    "TemporalPositionIdentifier",
    "NominalPercentageOfCardiacPhase",
    "ConvolutionKernel",
    "StudyInstanceUID",
)
TAGS = (
    *ACQUISITION_TAGS,
    "ImageType",
    "SOPClassUID",
    "SOPInstanceUID",
    "Modality",
    "SeriesInstanceUID",
    "FrameOfReferenceUID",
    "InstanceNumber",
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
    "RescaleType",
    "PixelPaddingValue",
    "PixelPaddingRangeLimit",
    "PixelRepresentation",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
)
TAG_NUMBERS = tuple(pydicom.tag.Tag(name) for name in TAGS)  # looked up once, not for every file
PREAMBLE, MAGIC = 128, b"DICM"
HEAD = 2048  # bytes in which the transfer syntax of a file with preamble is named
FIRST_GROUPS = (b"\x02\x00", b"\x08\x00", b"\x00\x08")  # one of which begins a file without preamble
EXPLICIT, DEFLATED = (
    syntax.encode() for syntax in (pydicom.uid.ExplicitVRLittleEndian, pydicom.uid.DeflatedExplicitVRLittleEndian)
)
LARGEST_INFLATED = 2**28  # bytes; a deflated slice has less than a megabyte


@dataclass(frozen=True, eq=False)
class DicomFile:
    """A DICOM file without its pixels.

    elements: those of TAGS, or those that were asked for.
    kind: SOPClassUID (0008,0016), or what stands for it in the file; empty where nothing tells.
    syntax: its transfer syntax.
    pixels_at: where in its content (see `open_content`) the element with the pixels begins; None where the file ends
        before.
    """

    path: Path
    elements: Elements
    kind: str
    syntax: pydicom.uid.UID
    pixels_at: int | None

    @property
    def series_uid(self) -> str:
        """SeriesInstanceUID (0020,000E), empty where there is none."""
        return self.elements.series_uid


def read_dicom(
    path: Path, tags: Sequence[pydicom.tag.BaseTag] = TAG_NUMBERS, longest: int = LONGEST_VALUE
) -> DicomFile | None:
    """Read the header of one file, or None if it is not DICOM.

    Files without preamble, as archives of raw network streams hold, are DICOM as well.

    Args:
        tags: of the elements that are read.
        longest: bytes of an element; of longer ones no value is read.

    Raises:
        SeriesError: the file cannot be opened, or its header is damaged.
    """
    try:
        with open_content(path) as content, without_warnings():
            has_preamble = content.read(PREAMBLE + len(MAGIC)).endswith(MAGIC)
            content.seek(0)
            if not has_preamble and content.read(2) not in FIRST_GROUPS:
                return None
            content.seek(0)
            dataset = pydicom.dcmread(
                content, defer_size=longest, stop_before_pixels=True, force=not has_preamble, specific_tags=list(tags)
            )
            position = content.tell()
            pixels_at = position if content.read(1) else None
            syntax = pydicom.uid.DeflatedExplicitVRLittleEndian if isinstance(content, io.BytesIO) else _syntax(dataset)
            # DICOMDIR has no SOPClassUID, and a file may be cut before it.
            media_kind = printable(str(dataset.file_meta.get("MediaStorageSOPClassUID") or ""))[:LONGEST_UID]
    except OSError as error:
        raise SeriesError(
            f"{path} cannot be opened ({error.strerror}): check the path and its permissions.", reason="not found"
        ) from error
    except SeriesError:
        raise
    except Exception as error:  # pydicom raises errors of many kinds where a header is cut or garbled
        raise SeriesError(
            f"{path} has a damaged or truncated DICOM header: copy it again from its source.", reason="damaged"
        ) from error
    elements = Elements(dataset, path)
    if not has_preamble and not elements.series_uid and "SOPClassUID" not in elements:
        return None
    return DicomFile(path, elements, _kind(elements, media_kind), syntax, pixels_at)


@contextmanager
def open_content(path: Path) -> Iterator[BinaryIO]:
    """Open a file to be read; one that is deflated is inflated, and is then an ordinary one (explicit little-endian).

    Raises:
        SeriesError: it is larger than any slice when inflated.
        OSError, zlib.error: it cannot be opened or inflated.
    """
    with path.open("rb") as file:
        head = file.read(HEAD)
        begin = _end_of_meta(head) if DEFLATED in head else None
        if begin is None:
            file.seek(0)
            yield file
            return
        file.seek(begin)
        inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        dataset = inflate.decompress(file.read(), LARGEST_INFLATED)
        if inflate.unconsumed_tail:
            raise SeriesError(
                f"{path} is larger than {LARGEST_INFLATED >> 20} MB when it is inflated: export the series again "
                "without compression.",
                reason="damaged",
            )
    # of one length, so that the length of the meta information stays true
    yield io.BytesIO(head[:begin].replace(DEFLATED, EXPLICIT.ljust(len(DEFLATED), b"\0")) + dataset)


@contextmanager
def without_warnings() -> Iterator[None]:
    """Keep pydicom's warnings of odd values away: they would show them, and what a header holds is judged here."""
    logger = logging.getLogger("pydicom")
    before, logger.disabled = logger.disabled, True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.disabled = before


def _end_of_meta(head: bytes) -> int | None:
    """Where the file meta information ends, by its first element (0002,0000); None where it does not begin with it."""
    begin = PREAMBLE + len(MAGIC)
    if head[begin : begin + 8] != b"\x02\0\0\0UL\4\0":
        return None
    return begin + 12 + int.from_bytes(head[begin + 8 : begin + 12], "little")


def _syntax(dataset: pydicom.FileDataset) -> pydicom.uid.UID:
    """The transfer syntax as the file names it; of a file without meta information, as pydicom has found it to be."""
    if named := dataset.file_meta.get("TransferSyntaxUID"):
        return pydicom.uid.UID(printable(str(named))[:LONGEST_UID])
    implicit, little_endian = dataset.original_encoding
    if implicit:
        return pydicom.uid.ImplicitVRLittleEndian
    return pydicom.uid.ExplicitVRLittleEndian if little_endian else pydicom.uid.ExplicitVRBigEndian


def _kind(elements: Elements, media_kind: str) -> str:
    """The SOP class; of a file that names none, CT Image Storage where it has what a CT slice has."""
    kind = elements.uid("SOPClassUID") or media_kind
    is_slice = all(name in elements for name in ("ImagePositionPatient", "RescaleIntercept"))
    return CT_IMAGE_STORAGE if not kind and is_slice and elements.text("Modality") in ("CT", "") else kind
