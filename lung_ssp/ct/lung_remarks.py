"""How much lung either side holds, and in sentences what is unusual about it: one missing, one small, emphysema."""

from dataclasses import dataclass

import numpy as np

from lung_ssp.ct.morphology import rows_and_columns
from lung_ssp.ct.sides import are_unequal, both_sides

EMPHYSEMA_HU = -950  # the share of the lung below it (LAA-950) measures emphysema (Gevenois et al., AJRCCM 1996)
MUCH_BELOW = 0.35  # of a lung: eleven real scans have 0.00 to 0.22, and 0.30 at most by the paper's recipe
NO_LUNG = 0.01  # of the other side's: what of a lung reaches beyond the middle


@dataclass(frozen=True)
class SideOfLungs:
    """The lung of one side.

    name: "right" or "left", the patient's.
    volume_ml: its volume in the mask.
    share_below_950_hu: how much of it lies below -950 HU (LAA-950), 0..1; 0 where there is no lung.
    """

    name: str
    volume_ml: float
    share_below_950_hu: float


def measure_sides(
    mask: np.ndarray, hu: np.ndarray, middle: int, voxel_mm3: float, first_is_right: bool
) -> tuple[SideOfLungs, SideOfLungs]:
    """The right and the left lung.

    Args:
        mask: bool (z, y, x), the lungs.
        hu: int16 (z, y, x).
        middle: the first column of the second side (`middle_column`).
        voxel_mm3: the volume of a voxel.
        first_is_right: whether the first columns are the patient's right.
    """
    box = slice(None), *rows_and_columns(mask)
    below = hu[box] < EMPHYSEMA_HU
    below &= mask[box]
    held = zip(both_sides(mask, middle), both_sides(below, max(0, middle - box[2].start)), strict=True)
    names = ("right", "left") if first_is_right else ("left", "right")
    first, last = (
        SideOfLungs(name, voxels * voxel_mm3 / 1000, low / max(1, voxels))
        for name, (voxels, low) in zip(names, held, strict=True)
    )
    return (first, last) if first_is_right else (last, first)


def lung_remarks(right: SideOfLungs, left: SideOfLungs) -> tuple[str, ...]:
    """What a reader of the findings has to know about the lungs; mostly nothing. Sentences without their full stop."""
    remarks = []
    less, more = sorted((right, left), key=lambda side: side.volume_ml)
    if less.volume_ml < NO_LUNG * more.volume_ml:
        remarks.append(
            f"no lung was found on the {less.name} (the {more.name} lung holds {_litres(more)}): it may be missing, "
            f"collapsed, consolidated or outside the scan; nodules on the {less.name} cannot be found"
        )
    elif are_unequal(less.volume_ml, more.volume_ml):
        remarks.append(
            f"the {less.name} lung holds {_litres(less)}, the {more.name} {_litres(more)}: the {less.name} one may be "
            "collapsed, consolidated or cut off; nodules in what is lost of it cannot be found"
        )
    for side in (right, left):
        if side.share_below_950_hu > MUCH_BELOW and side.volume_ml >= NO_LUNG * more.volume_ml:
            remarks.append(
                f"{100 * side.share_below_950_hu:.0f} % of the {side.name} lung lies below {EMPHYSEMA_HU} HU: "
                "emphysema, a pneumothorax or other gas; the outline of this lung may be inexact"
            )
    return tuple(remarks)


def _litres(side: SideOfLungs) -> str:
    return f"{side.volume_ml / 1000:.{1 if side.volume_ml >= 100 else 2}f} l"
