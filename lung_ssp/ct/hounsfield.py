"""The HU of a slice: padding becomes air, and HU that no chest has are refused."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from lung_ssp.ct.slice_header import SliceHeader
from lung_ssp.ct.volume import AIR_HU
from lung_ssp.errors import SeriesError

LOWEST_HU = -1024  # the CT number scale begins here; lower values mark what lies outside the field of view
FAT_AND_AIR_END_HU = -50
AIR_AND_LUNG_END_HU = -500
SOFT_TISSUE_HU = (-250, 250)
MIN_SHARE = 0.01


@dataclass(frozen=True)
class TissueShares:
    """Shares of a slice's pixels, padding left out: air and lung, soft tissue, and all below muscle in HU."""

    pixels: int
    air: float
    soft_tissue: float
    below_muscle: float


def replace_padding(values: np.ndarray, header: SliceHeader) -> tuple[np.ndarray, TissueShares]:
    """Replace the padding of a slice by air and measure its shares of air, fat and soft tissue.

    Args:
        values: (y, x), HU as `read_pixels` gives them, padding included.

    Returns:
        int16 (y, x) HU with padding at -1000, and the shares of its tissues.

    Raises:
        SeriesError: values beyond 16 bits.
    """
    padding = values < LOWEST_HU
    if header.padding_hu is not None:
        lowest, highest = header.padding_hu
        if highest + 0.5 > LOWEST_HU:  # else all that it marks is padding already
            marked = (values > lowest - 0.5) & (values < highest + 0.5)
            padding |= _joined_to_edge(marked) if highest > AIR_HU else marked
    hu = np.where(padding, AIR_HU, values)
    if hu.max() > np.iinfo(np.int16).max:
        raise implausible(header, f"holds {hu.max():.0f} HU")
    if np.issubdtype(hu.dtype, np.integer):
        hu = hu.astype(np.int16, copy=False)
    padded = int(np.count_nonzero(padding))  # they are air by now, and as such below both ends
    shown = max(1, hu.size - padded)
    tissue = (hu >= SOFT_TISSUE_HU[0]) & (hu <= SOFT_TISSUE_HU[1])
    return hu if hu.dtype == np.int16 else np.rint(hu).astype(np.int16), TissueShares(
        pixels=hu.size - padded,
        air=(np.count_nonzero(hu < AIR_AND_LUNG_END_HU) - padded) / shown,
        soft_tissue=np.count_nonzero(tissue) / shown,
        below_muscle=(np.count_nonzero(hu < FAT_AND_AIR_END_HU) - padded) / shown,
    )


def _joined_to_edge(marked: np.ndarray) -> np.ndarray:
    """Of bool (y, x), what reaches the slice's edge: a value that tissue may have as well is padding only there."""
    inside = np.zeros_like(marked)
    inside[1:-1, 1:-1] = True
    return ndimage.binary_propagation(marked & ~inside, mask=marked)


def check_chest(headers: list[SliceHeader], shares: list[TissueShares]) -> None:
    """Refuse slices, sorted by position, whose HU cannot be those of a chest.

    A wrong or missing slope or intercept shows in three ways: no fat and no air (attenuation too high), no soft
    tissue in a slice between others that have it (attenuation too low, or blank), or no air or no soft tissue in the
    whole series.

    Raises:
        SeriesError: names the series, and the slice where one is the cause.
    """
    for header, share in zip(headers, shares, strict=True):
        if share.pixels and share.below_muscle < MIN_SHARE:
            raise implausible(header, f"has neither air nor fat (nothing below {FAT_AND_AIR_END_HU} HU)")
    tissue = [index for index, share in enumerate(shares) if share.soft_tissue >= MIN_SHARE]
    if not tissue or max(share.air for share in shares) < MIN_SHARE:
        kind = "air" if tissue else "soft tissue"
        raise SeriesError(
            f"Series {headers[0].series_uid} shows no {kind} in any slice: its HU are implausible for a chest, check "
            "RescaleSlope and RescaleIntercept.",
            reason="implausible HU",
        )
    for index in range(tissue[0], tissue[-1]):
        if shares[index].soft_tissue < MIN_SHARE:
            raise implausible(headers[index], "is blank or has no soft tissue, unlike its neighbours")


def implausible(header: SliceHeader, what: str) -> SeriesError:
    """The error for a slice whose HU cannot be right."""
    return SeriesError(
        f"{header.path} (series {header.series_uid}) {what}: implausible HU for a chest, check its RescaleSlope and "
        "RescaleIntercept or copy it again.",
        reason="implausible HU",
    )
