"""The lobes of the lungs among segments."""

import numpy as np
import pytest

from lung_ssp.cohort.annotations.dicom_seg import SegmentMask
from lung_ssp.cohort.annotations.lobe_masks import lung_lobes
from lung_ssp.errors import CohortError

KINDS = {
    1: "Right Upper lobe of lung",
    2: "Middle lobe of right lung",
    3: "Right Lower lobe of lung",
    4: "Left Upper lobe of lung",
    5: "Left Lower lobe of lung",
}
LABELS = {
    1: "lung_upper_lobe_right",
    2: "lung_middle_lobe_right",
    3: "lung_lower_lobe_right",
    4: "lung_upper_lobe_left",
    5: "lung_lower_lobe_left",
}


def segment(label, kind, place):
    mask = np.zeros((2, 3, 7), bool)
    mask[0, 1, place] = True
    return SegmentMask(label, 40 - place, "Anatomical Structure", kind, "", "", mask)


@pytest.mark.parametrize("by", ["kind", "label"])
def test_the_lobes_are_numbered_from_right_to_left_and_from_above(by):
    names = KINDS if by == "kind" else LABELS
    segments = [segment("", name, n) if by == "kind" else segment(name, "Lobe", n) for n, name in names.items()]
    labels = lung_lobes(segments[::-1])
    assert labels[0, 1].tolist() == [0, 1, 2, 3, 4, 5, 0]
    assert labels.sum() == 15 and labels.dtype == np.uint8


def test_other_segments_are_passed_over():
    lesion = segment("Lesion 1 - Tumor - Upper lobe of right lung", "Neoplasm", 3)
    heart = segment("heart", "Heart", 4)
    left = segment("", KINDS[5], 5)
    assert lung_lobes([lesion, heart, left])[0, 1].tolist() == [0, 0, 0, 0, 0, 5, 0]
    with pytest.raises(CohortError, match="None of the segments"):
        lung_lobes([lesion, heart])


def test_a_lobe_that_exists_twice_or_overlaps_is_refused():
    with pytest.raises(CohortError, match="the same lobe"):
        lung_lobes([segment("a", KINDS[5], 5), segment(LABELS[5], "", 4)])
    with pytest.raises(CohortError, match="overlaps"):
        lung_lobes([segment("a", KINDS[5], 5), segment("b", KINDS[4], 5)])
