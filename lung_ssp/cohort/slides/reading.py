"""A pathology slide as a pyramid of colour images, read piece by piece from DICOM-WSI files by wsidicom.

Only the pyramid is read: labels and overviews of the glass, which may show writing, are never opened.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.misc import is_dicom

from lung_ssp.errors import EnvironmentProblem, SlideError

FINEST_MPP = 0.05  # micrometres a pixel; light shows no more
LARGEST_SLIDE_UM = 200_000.0  # a glass is 76 mm long
WHITE = 255  # what lies beyond the slide's edge is glass


@dataclass(frozen=True)
class Level:
    """One resolution of a slide: its number in the file's own count, (width, height) in pixels, micrometres a pixel."""

    number: int
    size: tuple[int, int]
    mpp: float


@dataclass(frozen=True)
class Slide:
    """An open slide.

    levels: from the finest to the coarsest.
    """

    folder: Path
    levels: tuple[Level, ...]
    pyramid: Any

    def read(self, level: int, corner: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
        """Part of a level, uint8 (height, width, 3), red, green, blue; white where it reaches beyond the slide.

        Args:
            level: index into `levels`.
            corner: (x, y) of the part's upper left pixel, in pixels of that level.
            size: (width, height) of the part in pixels of that level.

        Raises:
            SlideError: the pixels cannot be decoded, or are not of three colours.
        """
        whole = self.levels[level]
        low = [max(0, start) for start in corner]
        high = [min(side, start + length) for side, start, length in zip(whole.size, corner, size, strict=True)]
        part = np.full((size[1], size[0], 3), WHITE, np.uint8)
        width, height = high[0] - low[0], high[1] - low[1]
        if width <= 0 or height <= 0:
            return part
        try:
            pixels = self.pyramid.read_region((low[0], low[1]), whole.number, (width, height), as_array=True)
        except Exception as error:  # each decoder raises errors of its own
            raise SlideError(f"{self.folder}: the slide's pixels cannot be decoded: download it again.") from error
        if pixels.shape != (height, width, 3) or pixels.dtype != np.uint8:
            raise SlideError(f"{self.folder}: the slide is not of three colours with 8 bits each: leave it out.")
        left, top = low[0] - corner[0], low[1] - corner[1]
        part[top : top + height, left : left + width] = pixels
        return part

    def level_for(self, mpp: float) -> int:
        """Index of the coarsest level that still has `mpp` micrometres a pixel or fewer.

        Raises:
            SlideError: even the finest is coarser.
        """
        fine_enough = [i for i, level in enumerate(self.levels) if level.mpp <= mpp * 1.001]
        if not fine_enough:
            raise SlideError(
                f"{self.folder}: the slide's finest level has {self.levels[0].mpp:.3g} micrometres a pixel, {mpp:.3g} "
                "are asked for: raise the settings mpp and tissue_mpp, or leave the slide out."
            )
        return max(fine_enough)


@contextmanager
def open_slide(folder: Path) -> Iterator[Slide]:
    """Open the one slide whose DICOM files lie in `folder`, and close it again.

    Raises:
        SlideError: there is no slide, more than one, or one without a scale.
        EnvironmentProblem: wsidicom is not installed.
    """
    try:
        from wsidicom import WsiDicom
        from wsidicom.file import WsiDicomFileSource
    except ImportError as error:
        raise EnvironmentProblem(
            "Slides are read by wsidicom, which is not installed: pip install 'lung-ssp[nlst]'."
        ) from error
    folder = Path(folder)
    if not folder.is_dir():
        raise SlideError(f"{folder} is not a folder: name the folder that holds a slide's DICOM files.")
    try:
        with _without_log("wsidicom.file.wsidicom_file_source"):
            files = WsiDicomFileSource.open(folder)
            series = {file.dataset.uids.slide.series_instance for file in files.readers}
            read = {Path(str(path)).resolve() for path in files.files}
            pyramid = WsiDicom(files, source_owned=True)
    except Exception as error:  # foreign files fail in pydicom, damaged ones wherever their damage is met
        raise SlideError(
            f"{folder} holds no readable pathology slide (VL Whole Slide Microscopy Image): download it again."
        ) from error
    with pyramid:
        if passed_over := {path.resolve() for path in folder.iterdir() if path.is_file() and is_dicom(path)} - read:
            raise SlideError(
                f"{min(passed_over)} is damaged or of no slide, and the slide may lack its finest level without it: "
                "download it again, or take it away."
            )
        if max(len(series), len(pyramid.pyramids)) > 1:
            raise SlideError(f"{folder} holds more than one slide: give each a folder of its own.")
        yield Slide(folder, tuple(_level(folder, level) for level in pyramid.levels), pyramid)


@contextmanager
def _without_log(name: str) -> Iterator[None]:
    """Silence a library's log: it would print paths and tracebacks of errors that are raised here anyway."""
    logger = logging.getLogger(name)
    disabled, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = disabled


def _level(folder: Path, level: Any) -> Level:
    """One level with its scale, PixelSpacing of the shared functional groups, which must be that of square pixels."""
    try:
        across, down = float(level.mpp.width), float(level.mpp.height)
        number, size = int(level.level), (int(level.size.width), int(level.size.height))
    except Exception as error:
        raise SlideError(f"{folder}: the slide does not say how large its pixels are: leave it out.") from error
    if not (0 < across < np.inf and abs(across - down) <= 0.01 * across):
        raise SlideError(f"{folder}: the slide's pixels are {across:.3g} x {down:.3g} micrometres, not square.")
    if across < FINEST_MPP or min(size) < 1 or max(size) * across > LARGEST_SLIDE_UM:
        raise SlideError(
            f"{folder}: the slide has {size[0]} x {size[1]} pixels of {across:.3g} micrometres, which no glass has: "
            "download it again, or leave it out."
        )
    return Level(number, size, across)
