"""The HU of a slice: padding becomes air, and HU that no chest has are refused."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from lung_ssp.ct.volume import AIR_HU
from lung_ssp.errors import SeriesError

LOWEST_HU = -1024  # the CT number scale begins here; lower values mark what lies outside the field of view
FAT_AND_AIR_END_HU = -50
AIR_AND_LUNG_END_HU = -500
AIR_END_HU = -700  # air reaches far below it, in the airways and around the patient, and most lung lies there
SOFT_TISSUE_HU = (-250, 250)
MIN_SHARE = 0.01
SCALE = "its scale (RescaleSlope and RescaleIntercept in DICOM)"
BRIGHTEST_HU = np.iinfo(np.int16).max
MOST_CLIPPED = 0.01  # of a slice's pixels; metal is small, a wrong slope is everywhere


@dataclass(frozen=True)
class TissueShares:
    """What a slice shows.

    pixels: how many it has, padding left out; of them these shares are:
    air: air and lung. dark: what air alone would be. soft_tissue: soft tissue. below_muscle: all below muscle in HU.
    clipped: how many pixels were brighter than 16 bits can hold.
    """

    pixels: int
    clipped: int
    air: float
    dark: float
    soft_tissue: float
    below_muscle: float


def replace_padding(
    values: np.ndarray, padding_hu: tuple[float, float] | None, name: str
) -> tuple[np.ndarray, TissueShares]:
    """Replace the padding of a slice by air and measure its shares of air, fat and soft tissue.

    Args:
        values: (y, x), HU as `read_pixels` gives them, padding included.
        padding_hu: lowest and highest HU that mark padding, or None where nothing tells them.
        name: of the slice, for the message.

    Returns:
        int16 (y, x) HU with padding at -1000, and the shares of its tissues. Pixels beyond 16 bits, such as metal that
        the scanner stored as its largest number, are clipped.

    Raises:
        SeriesError: too many of them.
    """
    padding = values < LOWEST_HU
    if padding_hu is not None:
        lowest, highest = padding_hu
        if highest + 0.5 > LOWEST_HU:  # else all that it marks is padding already
            marked = (values > lowest - 0.5) & (values < highest + 0.5)
            padding |= _joined_to_edge(marked) if highest > AIR_HU else marked
    hu = np.where(padding, AIR_HU, values)
    clipped = 0
    if hu.max() > BRIGHTEST_HU:
        clipped = int(np.count_nonzero(hu > BRIGHTEST_HU))
        if clipped > MOST_CLIPPED * hu.size:
            raise implausible(name, f"holds {hu.max():.0f} HU")
        hu = np.minimum(hu, BRIGHTEST_HU)
    if np.issubdtype(hu.dtype, np.integer):
        hu = hu.astype(np.int16, copy=False)
    padded = int(np.count_nonzero(padding))  # they are air by now, and as such below both ends
    shown = max(1, hu.size - padded)
    tissue = (hu >= SOFT_TISSUE_HU[0]) & (hu <= SOFT_TISSUE_HU[1])
    return hu if hu.dtype == np.int16 else np.rint(hu).astype(np.int16), TissueShares(
        pixels=hu.size - padded,
        clipped=clipped,
        air=(np.count_nonzero(hu < AIR_AND_LUNG_END_HU) - padded) / shown,
        dark=(np.count_nonzero(hu < AIR_END_HU) - padded) / shown,
        soft_tissue=np.count_nonzero(tissue) / shown,
        below_muscle=(np.count_nonzero(hu < FAT_AND_AIR_END_HU) - padded) / shown,
    )


def _joined_to_edge(marked: np.ndarray) -> np.ndarray:
    """Of bool (y, x), what reaches the slice's edge: a value that tissue may have as well is padding only there."""
    inside = np.zeros_like(marked)
    inside[1:-1, 1:-1] = True
    return ndimage.binary_propagation(marked & ~inside, mask=marked)


def check_chest(series: str, name_of: Callable[[int], str], shares: list[TissueShares]) -> None:
    """Refuse slices, sorted by position, whose HU cannot be those of a chest.

    A wrong or missing slope or intercept shows in three ways: no fat and no air (attenuation too high), no soft
    tissue in a slice between others that have it (attenuation too low, or blank), or no air or no soft tissue in the
    whole series.

    Args:
        series: its name, with which a message begins.
        name_of: the name of the slice with an index.

    Raises:
        SeriesError: names the series, and the slice where one is the cause.
    """
    for index, share in enumerate(shares):
        if share.pixels and share.below_muscle < MIN_SHARE:
            raise implausible(name_of(index), f"has neither air nor fat (nothing below {FAT_AND_AIR_END_HU} HU)")
    tissue = [index for index, share in enumerate(shares) if share.soft_tissue >= MIN_SHARE]
    if not tissue or max(share.air for share in shares) < MIN_SHARE:
        kind = "air" if tissue else "soft tissue"
        raise SeriesError(
            f"{series} shows no {kind} in any slice: its HU are implausible for a chest, check {SCALE}.",
            reason="implausible HU",
        )
    if max(share.dark for share in shares) < MIN_SHARE:
        raise SeriesError(
            f"{series} shows nothing below {AIR_END_HU} HU, where air is: its HU are clipped or scaled, export it "
            f"without a window, or check {SCALE}.",
            reason="implausible HU",
        )
    for index in range(tissue[0], tissue[-1]):
        if shares[index].soft_tissue < MIN_SHARE:
            raise implausible(name_of(index), "is blank or has no soft tissue, unlike its neighbours")


def clipped_sentence(clipped: int) -> list[str]:
    """How many pixels were clipped, in a sentence; none where none was."""
    return [f"{clipped} pixel{'s' * (clipped > 1)} above {BRIGHTEST_HU} HU clipped"] if clipped else []


def implausible(name: str, what: str) -> SeriesError:
    """The error for a slice whose HU cannot be right."""
    return SeriesError(
        f"{name} {what}: implausible HU for a chest, check {SCALE}, or copy the scan again.", reason="implausible HU"
    )
