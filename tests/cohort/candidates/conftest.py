"""A nodule of an archive."""

import numpy as np
import pytest

from lung_ssp.cohort.nodules.store import NoduleRow, StoredNodule
from lung_ssp.cohort.ratings import RATINGS


@pytest.fixture
def archived_nodule() -> StoredNodule:
    """A nodule at (4, 60, 60) of 80 mm of lung, which two of three readers mark with 5 x 5 pixels in slices 3 to 5."""
    hu = np.full((9, 120, 120), -850, np.int16)
    hu[:, 88:92] = 0  # a vessel
    readers = np.zeros(hu.shape, np.uint8)
    readers[2:7, 56:65, 56:65] = 1
    readers[3:6, 58:63, 58:63] = 2
    numbers = dict.fromkeys(("image_label", "pathology_label", "diagnosis_method", "patient_diagnosis"), -1)
    row = NoduleRow.model_construct(
        name="one", patient="p", split="train", fold=0, n_readers=3, pixel_mm=0.7, slice_spacing_mm=2.0,
        diameter_mm=8.0, **dict.fromkeys(RATINGS, (3, 3, 3)), **numbers,
    )  # fmt: skip
    return StoredNodule(row, hu, readers, 2.0 * np.arange(9), np.array([2.0, 0.7, 0.7]))
