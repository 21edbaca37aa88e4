"""The slices of a scan as JPEG, from which a page shows the lung window as well as the mediastinal one.

A grey level stands for HU, finely where soft tissue lies and coarsely where air does, so that 8 bits are enough for
both windows: one level is 10 HU below -160 HU and 2.9 HU above, in either window less than two of the screen's grey
levels.
"""

import base64
from collections.abc import Sequence
from functools import cache

import cv2
import numpy as np

from lung_ssp.ct.volume import window

HU_OF_LEVELS = ((0, -1350), (119, -160), (255, 240))  # linear between these
QUALITIES = (90, 85, 75, 60, 50)  # of JPEG, the best first
MOST_BITS_A_PIXEL = 1.25  # 133 slices of 512 x 512 pixels in base64 are at most 7.3 MB
MOST_BYTES = 20_000_000  # of all slices; a scan with many has a lower quality instead
SAMPLED = 16  # slices by which the quality is chosen


def encode_slices(hu: np.ndarray) -> list[bytes]:
    """Every axial slice as a grey JPEG of the levels of `HU_OF_LEVELS`.

    The quality is the best of QUALITIES whose slices, by the size of some of them, fit into MOST_BITS_A_PIXEL and
    MOST_BYTES; else the last.

    Args:
        hu: int16 (z, y, x).
    """
    most = min(MOST_BITS_A_PIXEL * hu.size / 8, MOST_BYTES)
    sample = [grey_levels(plane) for plane in hu[:: max(1, len(hu) // SAMPLED)]]
    quality = QUALITIES[-1]
    for better in QUALITIES[:-1]:
        if sum(len(jpeg(plane, better)) for plane in sample) * len(hu) / len(sample) <= most:
            quality = better
            break
    return [jpeg(grey_levels(plane), quality) for plane in hu]


def grey_levels(hu: np.ndarray) -> np.ndarray:
    """HU, int16 of any shape, as grey levels, uint8."""
    return np.take(_level_of_bits(), np.ascontiguousarray(hu).view(np.uint16))


@cache
def _level_of_bits() -> np.ndarray:
    """The grey level of an int16, found by its bits read as an unsigned number."""
    levels, hu = zip(*HU_OF_LEVELS, strict=True)
    of_hu = np.rint(np.interp(np.arange(-(2**15), 2**15), hu, levels)).astype(np.uint8)
    return np.roll(of_hu, 2**15)


def jpeg(grey: np.ndarray, quality: int) -> bytes:
    """A grey image, uint8 (rows, columns), as JPEG."""
    _, encoded = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return encoded.tobytes()


def base64_of(image: bytes) -> str:
    """The bytes of an image as text."""
    return base64.b64encode(image).decode("ascii")


def scaled(hu: np.ndarray, window_hu: Sequence[float]) -> np.ndarray:
    """HU in a window (from black to white) as grey, uint8 of the same shape."""
    return np.rint(window(hu, window_hu) * 255).astype(np.uint8)
