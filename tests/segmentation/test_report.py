"""The report of a segmentation run, word for word."""

from dataclasses import replace

from lung_ssp.segmentation import metrics
from lung_ssp.segmentation.evaluate import text_report
from lung_ssp.training.run import BestCheckpoint

MEASURED = metrics.SegmentationMetrics(
    statement="SYNTHETIC",
    synthetic=True,
    fingerprint="abcd",
    checkpoint=BestCheckpoint(7, "dice", 0.5, "00ff"),
    test_scans=metrics.TestScanMetrics(
        cohort="SYNTHETIC",
        synthetic=True,
        scans=2,
        lesions=3,
        dice_per_scan=metrics.scores_of([0.25, 0.5]),
        dice_per_lesion=metrics.scores_of([0.0, 0.5, 0.7]),
        lesion_sensitivity=2 / 3,
        false_candidates_per_scan=1.5,
        by_scan=(),
    ),
    real_nodules=None,
)
SCANS = """\
SYNTHETIC
checkpoint: step 7, the best on the validation scans

2 test scans with 3 lesions (synthetic: True)
  Dice per lesion         mean 0.400, median 0.500
  Dice per scan           mean 0.375, median 0.375
  lesions found           0.667
  false candidates a scan 1.5
"""
NODULES = """
4 nodules: real ones
  Dice per nodule         mean 0.250, median 0.000
  nodules touched         0.250
  by whom
"""


def test_test_scans_alone() -> None:
    assert text_report(MEASURED) == SCANS


def test_real_nodules_follow_where_they_were_measured() -> None:
    real = metrics.RealNoduleMetrics(
        "real ones", "an outline", "CC BY 3.0", "by whom", 4, 0, metrics.scores_of([0, 0, 0, 1.0]), 0.25
    )
    assert text_report(replace(MEASURED, real_nodules=real)) == SCANS + NODULES
    some = text_report(replace(MEASURED, real_nodules=replace(real, left_out=3)))
    assert "4 nodules: real ones (3 left out, of patients that the run has learned from)" in some
