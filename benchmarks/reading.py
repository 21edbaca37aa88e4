"""The reading of a series, with all its checks, beside SimpleITK's reader of a series, which checks nothing."""

import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import SimpleITK as sitk

from command import run, seconds_of, series_arguments
from lung_ssp.ct.series import open_series
from lung_ssp.ct.volume import AIR_HU, Volume
from lung_ssp.errors import LungSspError


@dataclass(frozen=True)
class ReadingComparison:
    """shape_zyx of the scan; the seconds of each repeat both ways; times_its_time is the ratio of their medians."""

    shape_zyx: tuple[int, ...]
    seconds: list[float]
    simpleitk_seconds: list[float]
    times_its_time: float


def compare_reading(source: Path, repeats: int) -> ReadingComparison:
    """Read one series both ways, in turns; each way has read it once before, so its files are in the memory.

    Raises:
        LungSspError: the series is invalid, or its HU differ elsewhere than in padding.
    """
    series = open_series(source)
    file = series.slices[0].path
    if file is None or any(part.path is None or part.path.parent != file.parent for part in series.slices):
        raise LungSspError(f"{source} spreads its series over several folders, SimpleITK reads one: name that one.")
    theirs = simpleitk_series(file.parent, series.volume.series_uid)
    differing = series.volume.hu != Volume.from_image(sitk.DICOMOrient(theirs, "LPS")).hu
    if np.any(series.volume.hu[differing] != AIR_HU):
        raise LungSspError(f"{source} is read differently by SimpleITK: nothing to time.")
    package, simpleitk = [], []
    for _ in range(repeats):
        package.append(round(seconds_of(lambda: open_series(source)), 3))
        simpleitk.append(round(seconds_of(lambda: simpleitk_series(file.parent, series.volume.series_uid)), 3))
    return ReadingComparison(series.volume.shape, package, simpleitk, round(median(package) / median(simpleitk), 2))


def simpleitk_series(folder: Path, series_uid: str) -> sitk.Image:
    """A series as SimpleITK's documentation reads it."""
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), series_uid))
    return reader.Execute()


if __name__ == "__main__":
    arguments = series_arguments(__doc__)
    sys.exit(run(lambda: compare_reading(arguments.series, arguments.repeats)))
