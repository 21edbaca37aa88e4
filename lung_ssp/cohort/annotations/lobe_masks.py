"""The lobes of the lungs out of a segmentation of organs, such as TotalSegmentator's in the Imaging Data Commons."""

import re
from collections.abc import Sequence

import numpy as np

from lung_ssp.cohort.annotations.dicom_seg import SegmentMask
from lung_ssp.cohort.annotations.seg_file import Segment
from lung_ssp.errors import CohortError

# The number of each lobe in a label volume. The lungs are all of them together.
LOBES = {
    ("right", "upper"): 1,
    ("right", "middle"): 2,
    ("right", "lower"): 3,
    ("left", "upper"): 4,
    ("left", "lower"): 5,
}
# What `read_segmentation` is to read for them, by its labels.
LOBE_LABELS = ("*lobe of*lung", "lung_*_lobe_*")
# By their codes: "Left Upper lobe of lung" (modifier and SNOMED CT 45653009; lower 90572001) and "Middle lobe of right
# lung" (72481006). By TotalSegmentator's own labels: "lung_upper_lobe_left".
_BY_KIND = re.compile(r"(?:(left|right) )?(upper|middle|lower) lobe of (?:(left|right) )?lung", re.IGNORECASE)
# In a lesion's label or region, such as NLSTSeg's "Lesion 1 - Tumor - Upper lobe of right lung".
_NAMED = re.compile(r"(?:\b(left|right) )?\b(upper|middle|lower) lobe of (?:(left|right) )?lung", re.IGNORECASE)
_BY_LABEL = re.compile(r"lung_(upper|middle|lower)_lobe_(left|right)", re.IGNORECASE)


def lung_lobes(segments: Sequence[SegmentMask]) -> np.ndarray:
    """The lobes among some segments; other segments, lesions in a lobe too, are passed over.

    Returns:
        uint8 (z, y, x), numbered as in LOBES, 0 outside the lungs. A lobe that was taken out, or that the scan does not
        show, is missing.

    Raises:
        CohortError: none of the segments is a lobe, two are the same, or two overlap.
    """
    found: dict[int, SegmentMask] = {}
    for segment in segments:
        number = _lobe(segment)
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


def lobe_named(segment: Segment) -> int:
    """The number of the lobe that a lesion's region or label names, or 0."""
    for text in (segment.region, segment.label):
        if match := _NAMED.search(text):
            return LOBES.get(((match[1] or match[3] or "").lower(), match[2].lower()), 0)
    return 0


def _lobe(segment: SegmentMask) -> int:
    """The number of a lobe, or 0 of what is none."""
    if match := _BY_KIND.fullmatch(segment.kind):
        return LOBES.get(((match[1] or match[3] or "").lower(), match[2].lower()), 0)
    if match := _BY_LABEL.fullmatch(segment.label):
        return LOBES.get((match[2].lower(), match[1].lower()), 0)
    return 0
