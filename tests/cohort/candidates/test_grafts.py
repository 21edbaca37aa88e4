"""A nodule of an archive set into the lung of a scan."""

import numpy as np

from lung_ssp.cohort.candidates.grafts import graft_of, grafted
from lung_ssp.ct.patch import Spot, Stack
from lung_ssp.ct.settings import PatchSettings

SETTINGS = PatchSettings(slices=5, slice_mm=2.0, size=32, pixel_mm=0.7)


def test_inside_its_marks_it_is_the_nodule_and_outside_the_lung_of_the_scan(archived_nodule):
    nodule = archived_nodule
    nodule.hu[nodule.readers > 0] = 30
    graft = graft_of(nodule, Spot((4.0, 60.0, 60.0), 2, 6), SETTINGS)
    assert (graft.below_mm, graft.above_mm, graft.diameter_mm) == (4.0, 4.0, 8.0)
    lung = np.broadcast_to(np.arange(-900, -880, dtype=np.int16)[:, None, None], (20, 80, 80))
    stack = Stack(lung, 3.0 * np.arange(20), (0.7, 0.7))
    spot, patch = grafted(graft, stack, np.array([10, 40, 41]), SETTINGS)
    assert spot == Spot((10.0, 40.0, 41.0), 9, 11)  # 4 mm up and down of slices 3 mm apart
    assert (patch[:, 15:17, 15:17] == 30).all()
    assert patch[:, 0, 0].tolist() == [-891, -891, -890, -889, -889]
    assert (
        set(np.unique(graft.share).tolist()) >= {0.0, 1.0} and graft.share[2, 16].sum() == 11
    )  # 9 marked, one each side
