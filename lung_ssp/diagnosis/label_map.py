"""The findings of a diagnosis as one array of numbers."""

from collections.abc import Sequence

import numpy as np

from lung_ssp.diagnosis.finding import Finding


def findings_map(findings: Sequence[Finding], shape: tuple[int, int, int]) -> np.ndarray:
    """The findings of a scan of this shape: (z, y, x), 0 where there is none, else the number of the finding.

    No voxel belongs to two findings. The numbers are uint8, of more than 255 findings uint16.
    """
    labels = np.zeros(shape, np.uint8 if len(findings) <= np.iinfo(np.uint8).max else np.uint16)
    for finding in findings:
        lesion = finding.candidate.lesion
        labels[lesion.box][lesion.voxels] = finding.number
    return labels
