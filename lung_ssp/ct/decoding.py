"""Compressed pixels, decoded by GDCM within SimpleITK.

GDCM is given a file of its own, made of one frame and what describes it: what else the original holds, and its name,
are none of its business.
"""

import mmap
import os
import struct
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate, get_frame

from lung_ssp.ct.dicom_file import CT_IMAGE_STORAGE
from lung_ssp.ct.slice_header import PixelLayout

# Markers after which a codestream names its size: the start of frame of JPEG and JPEG-LS, and JPEG 2000's SIZ.
JPEG_FRAMES = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}
JPEG_2000_START = b"\xff\x4f\xff\x51"  # of the codestream, and SIZ, which comes first
TEMPORARY = "lung_ssp-"  # how the names of temporary folders begin
_ERROR_STREAM = threading.Lock()
LONGEST_CONTAINER = 512  # bytes that some writers put before a JPEG 2000 codestream


def decode_frame(content: BinaryIO, shape: tuple[int, int], layout: PixelLayout) -> np.ndarray:
    """Decode one frame.

    Args:
        content: at the value of the element with the pixels.

    Returns:
        the pixels (y, x) as whole numbers: of JPEG with their sign, of RLE with all bits as they are stored.

    Raises:
        ValueError, RuntimeError: they are damaged, or another size than the header says is hidden in them.
    """
    # mapped: to read a fragment that declares gigabytes gives what the file has, and takes no memory for the rest
    with mmap.mmap(content.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        mapped.seek(content.tell())
        frame = get_frame(cast(BinaryIO, mapped), layout.frame, number_of_frames=layout.frames)
    _require_size(frame, shape, layout)
    with tempfile.TemporaryDirectory(prefix=TEMPORARY) as folder:
        path = Path(folder) / "frame.dcm"
        _file_of(frame, shape, layout).save_as(path, enforce_file_format=True)
        with _silent():
            image = sitk.ReadImage(str(path), imageIO="GDCMImageIO")
    return sitk.GetArrayFromImage(image).reshape(shape)


@contextmanager
def _silent() -> Iterator[None]:
    """Keep away what the decoder writes of a damaged frame to standard error: it is told in words."""
    with _ERROR_STREAM:  # of two threads, the second would take the silence for the stream
        stream, silence = os.dup(2), os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(silence, 2)
            yield
        finally:
            os.dup2(stream, 2)
            os.close(stream)
            os.close(silence)


def _file_of(frame: bytes, shape: tuple[int, int], layout: PixelLayout) -> FileDataset:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = layout.syntax
    meta.MediaStorageSOPClassUID = pydicom.uid.UID(CT_IMAGE_STORAGE)
    meta.MediaStorageSOPInstanceUID = pydicom.uid.UID("2.25.1")
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    dataset.Rows, dataset.Columns = shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    stored = layout.allocated if layout.syntax == pydicom.uid.RLELossless else layout.stored
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = layout.allocated, stored, stored - 1
    dataset.PixelRepresentation = int(layout.signed)
    dataset.PixelData = encapsulate([frame])
    dataset["PixelData"].VR = "OB"
    return dataset


def _require_size(frame: bytes, shape: tuple[int, int], layout: PixelLayout) -> None:
    """Refuse a frame that would unpack to another size than its header says: memory is taken for what it says itself.

    Raises:
        ValueError: it has another size, or names none.
    """
    if layout.syntax == pydicom.uid.RLELossless:
        return  # it names no size: it is unpacked into the header's
    start = frame.find(JPEG_2000_START, 0, LONGEST_CONTAINER)
    size = _jpeg_size(frame) if start < 0 else _jpeg_2000_size(frame[start + len(JPEG_2000_START) :])
    if size != shape:
        raise ValueError(f"the compressed frame has {size[0]} rows and {size[1]} columns")


def _jpeg_2000_size(after_marker: bytes) -> tuple[int, int]:
    """Rows and columns of a JPEG 2000 codestream, by what follows its SIZ marker (ISO/IEC 15444-1 A.5.1)."""
    right, bottom, left, top = struct.unpack(">4I", after_marker[4:20])
    return bottom - top, right - left


def _jpeg_size(frame: bytes) -> tuple[int, int]:
    """Rows and columns of a JPEG or JPEG-LS codestream, by its start of frame (ISO/IEC 10918-1 B.2.2).

    Raises:
        ValueError, struct.error: it names none.
    """
    at = 2  # after the marker of its start
    while at + 4 <= len(frame):
        marker, code, length = struct.unpack(">BBH", frame[at : at + 4])
        if marker != 0xFF:
            break
        if code in JPEG_FRAMES:
            rows, columns = struct.unpack(">HH", frame[at + 5 : at + 9])
            return rows, columns
        at += 2 + length
    raise ValueError("a JPEG codestream without a frame")
