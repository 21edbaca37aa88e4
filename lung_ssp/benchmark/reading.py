"""The reading of a series, with all that it checks, against SimpleITK's reader of a series, which checks nothing."""

import statistics
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from lung_ssp.benchmark.lungs import seconds_of
from lung_ssp.ct.series import open_series
from lung_ssp.ct.volume import AIR_HU, Volume
from lung_ssp.errors import LungSspError


def benchmark_reading(source: Path, repeats: int) -> dict[str, Any]:
    """Read one series both ways, in turns; each way has read it once before, so its files are in the memory.

    Returns:
        the scan's shape, the seconds of each repeat both ways, and the ratio of their medians.

    Raises:
        LungSspError: the series is at fault, or its HU differ elsewhere than in padding.
    """
    series = open_series(source)
    file = series.slices[0].path
    if file is None or any(part.path is None or part.path.parent != file.parent for part in series.slices):
        raise LungSspError(f"{source} spreads its series over several folders, SimpleITK reads one: name that one.")
    theirs = sitk_series(file.parent, series.volume.series_uid)
    differing = series.volume.hu != Volume.from_image(sitk.DICOMOrient(theirs, "LPS")).hu
    if np.any(series.volume.hu[differing] != AIR_HU):
        raise LungSspError(f"{source} is read differently by SimpleITK: nothing to time.")
    package, itk = [], []
    for _ in range(repeats):
        package.append(seconds_of(lambda: open_series(source)))
        itk.append(seconds_of(lambda: sitk_series(file.parent, series.volume.series_uid)))
    return {
        "shape_zyx": list(series.volume.shape),
        "seconds": [round(value, 3) for value in package],
        "simpleitk_seconds": [round(value, 3) for value in itk],
        "times_its_time": round(statistics.median(package) / statistics.median(itk), 2),
    }


def sitk_series(folder: Path, series_uid: str) -> sitk.Image:
    """A series as SimpleITK's documentation reads it."""
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), series_uid))
    return reader.Execute()
