"""The pixel values of one slice in HU (rescale slope and intercept applied); its padding is not yet replaced."""

import struct
import zlib
from typing import BinaryIO

import numpy as np
import pydicom

from lung_ssp.ct.decoding import decode_frame
from lung_ssp.ct.dicom_file import open_content
from lung_ssp.ct.slice_header import COMPRESSED, UNCOMPRESSED, PixelLayout, SliceHeader
from lung_ssp.errors import SeriesError, is_of_the_system

PIXEL_DATA = (0x7FE0, 0x0010)
BITS_AS_STORED = (*UNCOMPRESSED, pydicom.uid.RLELossless)  # JPEG packs the numbers themselves
INT16 = np.iinfo(np.int16)
UNDEFINED_LENGTH = 0xFFFFFFFF  # of the element: it is made of fragments, as compressed pixels are


def read_pixels(header: SliceHeader) -> np.ndarray:
    """The pixel values of one slice, (y, x), in HU (rescale slope and intercept applied); padding not yet replaced.

    Returns:
        whole numbers where the slope is 1 and the intercept whole, else float64.

    Raises:
        SeriesError: they are cut short, cannot be decoded, or contradict what the header says of their bits.
    """
    layout = header.pixels
    assert layout is not None
    try:
        with open_content(header.path) as content:
            length = _begin(content, layout)
            if layout.syntax in COMPRESSED:
                stored = decode_frame(content, header.shape, layout)
            else:
                stored = _plain_frame(content, header.shape, layout, length)
    except (OSError, ValueError, EOFError, RuntimeError, struct.error, zlib.error) as error:
        if is_of_the_system(error):
            raise
        raise SeriesError(
            f"{header.name} cannot be decoded, it is truncated or damaged: copy it again from its source.",
            reason="damaged",
        ) from error
    return rescale(_numbers(stored, header, layout), layout.slope, layout.intercept)


def rescale(numbers: np.ndarray, slope: float, intercept: float) -> np.ndarray:
    """Stored numbers (y, x) to HU: whole ones where nothing but a whole number is added, else float64."""
    if slope != 1 or not intercept.is_integer():
        return numbers * np.float64(slope) + intercept
    lowest, highest = int(numbers.min()) + int(intercept), int(numbers.max()) + int(intercept)
    if numbers.dtype.itemsize != 2 or lowest < INT16.min or highest > INT16.max:
        return numbers.astype(np.int64) + int(intercept)
    # a sum that fits 16 bits is the same modulo 2^16, whatever overflows on the way
    return (numbers.view(np.uint16) + np.uint16(int(intercept) % 2**16)).view(np.int16)


def _begin(content: BinaryIO, layout: PixelLayout) -> int:
    """Go to the value of the element with the pixels, and give its length.

    Raises:
        ValueError: the element is not there.
    """
    content.seek(layout.at)
    big = layout.syntax == pydicom.uid.ExplicitVRBigEndian
    order = ">" if big else "<"
    implicit = layout.syntax == pydicom.uid.ImplicitVRLittleEndian
    head = content.read(8 if implicit else 12)
    if struct.unpack(f"{order}HH", head[:4]) != PIXEL_DATA:
        raise ValueError("no pixels")
    (length,) = struct.unpack(f"{order}I", head[-4:])
    if (length == UNDEFINED_LENGTH) != (layout.syntax in COMPRESSED):
        raise ValueError("compressed pixels in an uncompressed file, or the other way round")
    return int(length)


def _plain_frame(content: BinaryIO, shape: tuple[int, int], layout: PixelLayout, length: int) -> np.ndarray:
    """The frame's pixels (y, x) as stored, in the machine's byte order.

    Raises:
        ValueError: the element or the file is shorter, or the element is longer, than its frames.
    """
    size = shape[0] * shape[1] * layout.allocated // 8
    beyond = length - size * layout.frames
    if not 0 <= beyond < size // shape[0]:  # less than a row: some writers fill the element up
        raise ValueError("the pixels have another size than rows and columns")
    content.seek(size * layout.frame, 1)
    data = content.read(size)
    if len(data) < size:
        raise ValueError("cut short")
    order = ">" if layout.syntax == pydicom.uid.ExplicitVRBigEndian else "<"
    kind = "i" if layout.signed else "u"
    return np.frombuffer(data, f"{order}{kind}{layout.allocated // 8}").reshape(shape)


def _numbers(stored: np.ndarray, header: SliceHeader, layout: PixelLayout) -> np.ndarray:
    """What the stored bits of each pixel say: without overlays in the bits beside them, and with their sign.

    Raises:
        SeriesError: the number is said to lie in the upper bits, but the lower ones are not empty.
    """
    spare, below = layout.allocated - layout.stored, layout.high + 1 - layout.stored
    if spare == 0 or layout.syntax not in BITS_AS_STORED:
        return stored.astype(stored.dtype.newbyteorder("="), copy=False)
    if below and np.any(stored & (2**below - 1)):
        raise SeriesError(
            f"{header.name} has HighBit {layout.high} with {layout.stored} bits stored, which its pixels contradict: "
            "export the series again.",
            reason="header",
        )
    # to the top, where what lies above falls off, and back down, which repeats the sign
    up = stored.astype(stored.dtype.newbyteorder("=")) << (spare - below)
    return up >> spare
