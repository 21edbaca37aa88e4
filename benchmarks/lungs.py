"""The lung mask beside the same recipe in scikit-image and scipy alone, on one series, with equal masks."""

import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Literal

import numpy as np

from command import run, seconds_of, series_arguments
from lung_ssp.ct.parenchyma import segment_lungs
from lung_ssp.ct.series import read_series
from lung_ssp.ct.settings import ParenchymaSettings
from lung_ssp.errors import EnvironmentProblem, LungSspError
from plain_lungs import plain_lungs

RECIPES: tuple[Literal["paper", "lesion_preserving"], ...] = ("paper", "lesion_preserving")


@dataclass(frozen=True)
class RecipeTimes:
    """The seconds of each repeat both ways; times_as_fast is the ratio of their medians."""

    recipe: str
    seconds: list[float]
    plain_seconds: list[float]
    times_as_fast: float


@dataclass(frozen=True)
class LungsComparison:
    """shape_zyx: of the scan."""

    shape_zyx: tuple[int, ...]
    recipes: list[RecipeTimes]


def compare_lungs(series: Path, repeats: int) -> LungsComparison:
    """Time both ways with both recipes on one series, in turns; the series is read and each way has run once before.

    Raises:
        LungSspError: the series is invalid, or the masks differ.
        EnvironmentProblem: scikit-image is missing.
    """
    try:
        import skimage  # noqa: F401
    except ImportError as error:
        raise EnvironmentProblem("The plain lung mask needs scikit-image: pip install scikit-image.") from error
    volume = read_series(series)
    recipes = []
    for recipe in RECIPES:
        settings = ParenchymaSettings(recipe=recipe)
        differing = np.count_nonzero(segment_lungs(volume, settings).mask != plain_lungs(volume, settings))
        if differing:
            raise LungSspError(
                f"The two lung masks of {series} differ in {differing} voxels ({recipe}): nothing to time."
            )
        package, plain = [], []
        for _ in range(repeats):
            package.append(round(seconds_of(lambda: segment_lungs(volume, settings)), 3))  # noqa: B023
            plain.append(round(seconds_of(lambda: plain_lungs(volume, settings)), 3))  # noqa: B023
        recipes.append(RecipeTimes(recipe, package, plain, round(median(plain) / median(package), 2)))
    return LungsComparison(volume.shape, recipes)


if __name__ == "__main__":
    arguments = series_arguments(__doc__)
    sys.exit(run(lambda: compare_lungs(arguments.series, arguments.repeats)))
