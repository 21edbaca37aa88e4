"""The lobes of the lungs out of a segmentation of organs, such as TotalSegmentator's in the Imaging Data Commons."""

import re
from collections.abc import Sequence

import numpy as np

from lung_ssp.cohort.annotations.dicom_seg import SegmentMask
from lung_ssp.cohort.annotations.seg_file import Segment
from lung_ssp.errors import CohortError

# The number of each lobe in a label volume is its place in this list, from 1. The lungs are all of them together.
NUMBERED_LOBES = ("RUL", "RML", "RLL", "LUL", "LLL")
# Patterns of the labels by which `read_segmentation` finds the lobes.
LOBE_PATTERNS = ("*lobe of*lung", "lung_*_lobe_*")
# By their codes: "Left Upper lobe of lung" (modifier and SNOMED CT 45653009; lower 90572001) and "Middle lobe of right
# lung" (72481006). By TotalSegmentator's own labels: "lung_upper_lobe_left".
_BY_KIND = re.compile(r"(?:(left|right) )?(upper|middle|lower) lobe of (?:(left|right) )?lung", re.IGNORECASE)
# In a lesion's label or region, such as NLSTSeg's "Lesion 1 - Tumor - Upper lobe of right lung".
_NAMED = re.compile(r"(?:\b(left|right) )?\b(upper|middle|lower) lobe of (?:(left|right) )?lung", re.IGNORECASE)
_BY_LABEL = re.compile(r"lung_(upper|middle|lower)_lobe_(left|right)", re.IGNORECASE)


def lung_lobes(segments: Sequence[SegmentMask]) -> np.ndarray:
    """The lobes among some segments; other segments, such as lesions in a lobe, are ignored.

    Returns:
        uint8 (z, y, x), numbered as in NUMBERED_LOBES, 0 outside the lungs. A lobe that was resected, or that the scan
        does not show, is missing.

    Raises:
        CohortError: none of the segments is a lobe, two are the same, or two overlap.
    """
    found: dict[int, SegmentMask] = {}
    for segment in segments:
        number = _lobe_number(segment)
        if number in found:
            raise CohortError(
                f"The segments '{found[number].label}' and '{segment.label}' are the same lobe: keep one."
            )
        if number:
            found[number] = segment
    if not found:
        raise CohortError("None of the segments is a lobe of the lungs: give TotalSegmentator's segmentation.")
    labels = np.zeros(next(iter(found.values())).mask.shape, np.uint8)
    for number, segment in found.items():
        if labels[segment.mask].any():
            raise CohortError(f"The lobe '{segment.label}' overlaps another one: make the segmentation again.")
        labels[segment.mask] = number
    return labels


def lobe_named(segment: Segment) -> str | None:
    """The lobe that a lesion's region or label names: RUL, RML, RLL, LUL or LLL; None where neither names one."""
    for text in (segment.region, segment.label):
        if match := _NAMED.search(text):
            return _lobe_name(match[1] or match[3] or "", match[2])
    return None


def lobe_of_voxels(numbers: np.ndarray) -> str | None:
    """The lobe of most voxels (uint8, of a label volume of `lung_lobes`); None where none of them lies in a lobe."""
    counts = np.bincount(numbers, minlength=len(NUMBERED_LOBES) + 1)[1:]
    return NUMBERED_LOBES[int(counts.argmax())] if counts.any() else None


def _lobe_number(segment: SegmentMask) -> int:
    """The number of the lobe that a segment is; 0 where it is none."""
    name = None
    if match := _BY_KIND.fullmatch(segment.kind):
        name = _lobe_name(match[1] or match[3] or "", match[2])
    elif match := _BY_LABEL.fullmatch(segment.label):
        name = _lobe_name(match[2], match[1])
    return NUMBERED_LOBES.index(name) + 1 if name else 0


def _lobe_name(side: str, level: str) -> str | None:
    """RUL of right and upper; None where there is no such lobe."""
    name = f"{side[:1]}{level[:1]}L".upper()
    return name if name in NUMBERED_LOBES else None
