"""A lung that looks like none: a small one, emphysema, a pneumothorax. What tells it from bowel gas is its place."""

from collections.abc import Collection, Iterator

import numpy as np

from lung_ssp.ct.parts import BORDER_FACES, GAS_HU, Parts, Rectangle
from lung_ssp.ct.sides import UNEQUAL, are_unequal, both_sides, middle_column

SMALLEST_SHARE = 0.01  # of the other lung
SMALLEST_GAS_ML = 100.0  # more than the trachea and the main bronchi hold
TALL_GAS = 0.5  # of the height of the lungs: the bubble of a stomach is less tall
LARGE_GAS_ML, TALL_GAS_MM = 500.0, 150.0  # instead of both, where there is no other lung to compare with
GAS_BORDER_FACES = 1.0  # air around the body lies along the border on more than one side
ABOVE = 1 / 3  # of the height of the lungs: stomach and bowel lie below it
BESIDE = 0.07  # in widths of the body from its middle: the trachea and the oesophagus lie nearer to it
BOTH_SIDES = 0.25  # a part with that much on either side is both lungs in one


def add_lost_lungs(
    lungs: np.ndarray, parts: Parts, kept: Collection[int], spacing: tuple[float, float, float], body: Rectangle
) -> None:
    """Add to the lungs, in place, the parts that are lung by their place, where one side of the chest holds hardly any.

    Such a part lies in the body and beside its middle, on a side with less than half of the other side's lung, and
    mostly above the lowest third of the lungs that were found. First what is no gas is taken, then gas, which must be
    more than a trachea holds, half as tall as the other lung, and off the border of the field of view; the larger parts
    go first.

    Args:
        lungs: bool (z, y, x), what was found so far; changed.
        parts: of the whole scan.
        kept: the numbers of those in `lungs`.
        spacing: (z, y, x) mm.
        body: the rows and columns of the body.
    """
    columns = body[1]
    middle = middle_column(lungs, columns)
    held = both_sides(lungs, middle)
    voxel_ml = float(np.prod(spacing)) / 1000
    if sum(held) * voxel_ml < SMALLEST_GAS_ML:
        held = 0, 0  # loops of bowel
        least_gas = LARGE_GAS_ML / voxel_ml, TALL_GAS_MM / spacing[0]
    elif are_unequal(*held):
        first, last = _lowest_and_highest(lungs)
        least_gas = SMALLEST_GAS_ML / voxel_ml, TALL_GAS * (last + 1 - first)
    else:
        return
    no_lung_yet = not any(held)
    for label, part in _candidates(parts, kept, body, max(held), least_gas):
        z, _, x = box = parts.boxes[label]
        own = both_sides(part, max(0, middle - x.start))
        beside = abs(parts.centroids[label][2] - middle) >= BESIDE * (columns.stop - columns.start)
        if _is_missing(own, held, beside) and (not any(held) or _lies_high(part, z.start, lungs)):
            lungs[box] |= part
            held = held[0] + own[0], held[1] + own[1]
    if no_lung_yet and any(held):
        for label in kept:
            lungs[parts.boxes[label]] &= ~parts.voxels(label)


def _candidates(
    parts: Parts, kept: Collection[int], body: Rectangle, other_lung: int, least_gas: tuple[float, float]
) -> Iterator[tuple[int, np.ndarray]]:
    """The number and the voxels of each part that is large enough: first those that are no gas, each time by size.

    Args:
        other_lung: voxels of the larger lung found so far.
        least_gas: how many voxels and slices gas must fill.
    """
    voxels, slices = least_gas
    least = min(voxels, SMALLEST_SHARE * other_lung) if other_lung else voxels
    gas = []
    for label in parts.within(body):
        if parts.sizes[label] < least:
            break
        if label in kept or parts.contact[label] > BORDER_FACES:
            continue
        part = parts.voxels(label)
        if parts.median_hu(label, part) > GAS_HU:
            yield label, part
        elif parts.sizes[label] >= voxels and len(part) >= slices and parts.contact[label] <= GAS_BORDER_FACES:
            gas.append((label, part))
    yield from gas


def _is_missing(own: tuple[int, int], held: tuple[int, int], beside: bool) -> bool:
    """Whether there is hardly any lung yet on the side that a part lies on, or on both, if it lies on both."""
    both = min(own) >= BOTH_SIDES * sum(own)
    sides = (0, 1) if both else (int(np.argmax(own)),)
    return (both or beside) and all(held[side] < UNEQUAL * max(held[1 - side], own[side]) for side in sides)


def _lies_high(part: np.ndarray, start: int, lungs: np.ndarray) -> bool:
    """Whether most of a part, from slice `start` on, lies above the lowest third of the lungs."""
    first, last = _lowest_and_highest(lungs)
    above = part[max(0, round(first + ABOVE * (last + 1 - first)) - start) :]
    return 2 * np.count_nonzero(above) > np.count_nonzero(part)


def _lowest_and_highest(lungs: np.ndarray) -> tuple[int, int]:
    """The first and the last slice that shows lung."""
    slices = np.flatnonzero(lungs.any(axis=(1, 2)))
    return int(slices[0]), int(slices[-1])
