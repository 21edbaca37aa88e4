"""What no chest CT exceeds: a scan beyond it is refused before memory is taken for it."""

from collections.abc import Sequence

import numpy as np

from lung_ssp.errors import SeriesError

MIN_SLICES = 16  # fewer are a localizer or a fragment
LARGEST_SIDE = 4096  # pixels of a slice along one side; reconstructions have 512 to 2048
MOST_SLICES = 10_000
MOST_VOXELS = 2**29  # of 2 bytes each: 2,048 slices of 512 x 512
SPACING_MM = (0.01, 20.0)
LARGEST_FIELD_MM = 1000.0  # a gantry is narrower
LARGEST_LENGTH_MM = 2500.0  # a table does not move further
LARGEST_POSITION_MM = 1e5


def check_grid(what: str, shape: Sequence[int], spacing: Sequence[float]) -> None:
    """Refuse the grid of a scan that no scanner makes.

    Args:
        what: the scan's name, with which the message begins.
        shape, spacing: (z, y, x), the latter in mm.

    Raises:
        SeriesError: naming the limit.
    """
    depth, height, width = shape
    extent = np.multiply(shape, spacing)
    problem, advice = "", "give a complete axial chest CT with its true geometry"
    if depth < MIN_SLICES:
        raise SeriesError(
            f"{what} has {depth} slices, at least {MIN_SLICES} are needed: {advice}.", reason="too few slices"
        )
    if max(height, width) > LARGEST_SIDE or depth > MOST_SLICES or depth * height * width > MOST_VOXELS:
        limit = f"at most {MOST_VOXELS:,} voxels are read"
        problem = f"has {depth} slices of {height} x {width}, {depth * height * width:,} voxels, {limit}"
        advice = "reconstruct thicker slices or a smaller matrix"
    elif not (SPACING_MM[0] <= min(spacing) and max(spacing) <= SPACING_MM[1]):
        steps = " x ".join(f"{step:.4g}" for step in spacing)
        problem = f"has voxels of {steps} mm (z, y, x), expected are {SPACING_MM[0]:g} to {SPACING_MM[1]:g}"
    elif extent[0] > LARGEST_LENGTH_MM or max(extent[1:]) > LARGEST_FIELD_MM:
        sides = f"{extent[0]:.0f} x {extent[1]:.0f} x {extent[2]:.0f}"
        problem = f"is {sides} mm large (z, y, x), more than a scanner can see"
    if problem:
        raise SeriesError(f"{what} {problem}: {advice}.", reason="header")
