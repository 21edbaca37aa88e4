"""The pixel values of one slice in HU (rescale slope and intercept applied); its padding is not yet replaced."""

import os
import struct

import numpy as np
import SimpleITK as sitk

from lung_ssp.ct.slice_header import SliceHeader, UncompressedPixels
from lung_ssp.errors import SeriesError

PIXEL_DATA_TAG = struct.pack("<HH", 0x7FE0, 0x0010)
INT16 = np.iinfo(np.int16)


def read_pixels(header: SliceHeader) -> np.ndarray:
    """The pixel values of one slice, (y, x), in HU (rescale slope and intercept applied); padding not yet replaced.

    Uncompressed pixels are read straight from the end of the file, where they nearly always lie; GDCM reads the rest.

    Raises:
        SeriesError: GDCM cannot decode them.
    """
    values = None if header.uncompressed is None else _uncompressed_values(header, header.uncompressed)
    return _by_gdcm(header) if values is None else values


def _uncompressed_values(header: SliceHeader, layout: UncompressedPixels) -> np.ndarray | None:
    """Whole numbers (y, x), or None where the file does not end with just these pixels, or one has too many bits."""
    rows, columns = header.shape
    size = 2 * rows * columns
    element = PIXEL_DATA_TAG + (b"OW\0\0" if layout.explicit else b"") + struct.pack("<I", size)
    with header.path.open("rb") as file:
        begin = os.fstat(file.fileno()).st_size - size - len(element)
        if begin < 0:
            return None
        file.seek(begin)
        if file.read(len(element)) != element:
            return None
        stored = np.fromfile(file, "<i2" if layout.signed else "<u2")
    if stored.size != rows * columns:
        return None
    half = 2 ** (layout.bits - 1)
    lowest, highest = (-half, half - 1) if layout.signed else (0, 2 * half - 1)
    darkest, brightest = int(stored.min()), int(stored.max())
    if darkest < lowest or brightest > highest:
        return None
    pixels = stored.reshape(rows, columns)
    if darkest + layout.intercept < INT16.min or brightest + layout.intercept > INT16.max:
        return pixels.astype(np.int32) + layout.intercept
    # a sum that fits 16 bits is the same modulo 2^16, whatever overflows on the way
    return (pixels.view(np.uint16) + np.uint16(layout.intercept % 2**16)).view(np.int16)


def _by_gdcm(header: SliceHeader) -> np.ndarray:
    try:
        image = sitk.ReadImage(str(header.path), imageIO="GDCMImageIO")
    except RuntimeError as error:
        raise SeriesError(
            f"{header.path} (series {header.series_uid}) cannot be decoded, it is truncated or damaged: copy it "
            "again from its source.",
            reason="damaged",
        ) from error
    return sitk.GetArrayFromImage(image).reshape(header.shape)
