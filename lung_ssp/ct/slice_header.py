"""What one DICOM file says about its slice: which series, where, and how its numbers become HU."""

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
    "SOPClassUID",
    "SeriesInstanceUID",
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
]


@dataclass(frozen=True)
class SliceHeader:
    """The geometry and the scale of one slice.

    position: (x, y, z) mm, LPS, of the centre of the first pixel (ImagePositionPatient).
    orientation: directions of a row and of a column (ImageOrientationPatient).
    pixel_spacing: (between rows, between columns) in mm (PixelSpacing).
    shape: (rows, columns).
    padding_hu: lowest and highest HU that mark pixels outside the field of view (PixelPaddingValue and
        PixelPaddingRangeLimit after slope and intercept), or None where the file names none.
    """

    path: Path
    series_uid: str
    position: tuple[float, ...]
    orientation: tuple[float, ...]
    pixel_spacing: tuple[float, ...]
    shape: tuple[int, int]
    padding_hu: tuple[float, float] | None


def read_dataset(path: Path) -> pydicom.Dataset | None:
    """Read the tags of one file that matter here, or None if it is not DICOM.

    Raises:
        SeriesError: the file cannot be opened, or is a CT slice that ends before its pixel data.
    """
    try:
        with path.open("rb") as file:
            dataset = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=list(TAGS))
            ended = not file.read(1)
    except InvalidDicomError:
        return None
    except OSError as error:
        raise SeriesError(f"{path} cannot be opened ({error.strerror}): check the path and its permissions.") from error
    except Exception as error:  # pydicom raises errors of many kinds where a header is cut or garbled
        raise SeriesError(f"{path} has a damaged or truncated DICOM header: copy it again from its source.") from error
    # The preamble's copy of the class tells a DICOMDIR, which has none of its own, from a slice cut before it.
    kind = dataset.get("SOPClassUID", dataset.file_meta.get("MediaStorageSOPClassUID", CT_IMAGE_STORAGE))
    if ended and kind == CT_IMAGE_STORAGE:
        raise SeriesError(
            f"{path} (series {dataset.get('SeriesInstanceUID', 'unknown')}) is truncated, it ends before its pixel "
            "data: copy it again from its source."
        )
    return dataset


def parse_header(path: Path, dataset: pydicom.Dataset) -> SliceHeader:
    """The geometry and the scale of a CT slice from its tags.

    Raises:
        SeriesError: a tag is missing or impossible, or the file is no single grey-scale slice.
    """
    series_uid = str(dataset.get("SeriesInstanceUID", ""))

    def read(tag: str, convert: Callable[[Any], Any]) -> Any:
        try:
            return convert(dataset[tag].value)
        except KeyError as error:
            fault = "has no"
            raise SeriesError(_tag_message(path, series_uid, fault, tag)) from error
        except (ValueError, TypeError) as error:
            fault = "has an unreadable"
            raise SeriesError(_tag_message(path, series_uid, fault, tag)) from error

    frames, samples = int(dataset.get("NumberOfFrames") or 1), read("SamplesPerPixel", int)
    if frames != 1 or samples != 1 or read("PhotometricInterpretation", str) != "MONOCHROME2":
        raise SeriesError(
            f"{path} (series {series_uid}) is not one grey-scale slice (MONOCHROME2, one frame): "
            "export the series as single CT slices."
        )
    slope, intercept = read("RescaleSlope", float), read("RescaleIntercept", float)
    spacing = read("PixelSpacing", _numbers(2))
    if slope <= 0 or min(spacing) <= 0:
        tag = "RescaleSlope" if slope <= 0 else "PixelSpacing"
        raise SeriesError(_tag_message(path, series_uid, "has a zero or negative", tag))
    return SliceHeader(
        path=path,
        series_uid=series_uid,
        position=read("ImagePositionPatient", _numbers(3)),
        orientation=read("ImageOrientationPatient", _numbers(6)),
        pixel_spacing=spacing,
        shape=(read("Rows", int), read("Columns", int)),
        padding_hu=_padding_hu(dataset, slope, intercept),
    )


def _padding_hu(dataset: pydicom.Dataset, slope: float, intercept: float) -> tuple[float, float] | None:
    """The range of HU of the padding; a signed image may carry its padding value as unsigned (63536 for -2000)."""
    if dataset.get("PixelPaddingValue") is None:
        return None
    ends = [int(dataset.PixelPaddingValue)]
    if dataset.get("PixelPaddingRangeLimit") is not None:
        ends.append(int(dataset.PixelPaddingRangeLimit))
    bits = int(dataset.get("BitsAllocated", 16))
    if dataset.get("PixelRepresentation") == 1:
        ends = [end - 2**bits if end >= 2 ** (bits - 1) else end for end in ends]
    else:
        ends = [end % 2**bits for end in ends]
    return min(ends) * slope + intercept, max(ends) * slope + intercept


def _numbers(count: int) -> Callable[[Any], tuple[float, ...]]:
    def convert(value: Any) -> tuple[float, ...]:
        numbers = tuple(float(number) for number in value)
        if len(numbers) != count:
            raise ValueError(f"{count} numbers expected")
        return numbers

    return convert


def _tag_message(path: Path, series_uid: str, fault: str, tag: str) -> str:
    return f"{path} (series {series_uid}) {fault} {tag}: export the series again with its geometry and its HU scale."
