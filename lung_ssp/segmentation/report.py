"""The figures of a segmentation run as a text to read."""

from lung_ssp.segmentation.metrics import SegmentationMetrics


def text_report(metrics: SegmentationMetrics) -> str:
    """Dice, lesions found and false candidates in the test scans, and Dice of real nodules."""
    scans, real = metrics.test_scans, metrics.real_nodules
    lesion, scan = scans.dice_per_lesion, scans.dice_per_scan
    lines = [
        metrics.statement,
        f"checkpoint: step {metrics.checkpoint.step}, the best on the validation scans",
        "",
        f"{scans.scans} test scans with {scans.lesions} lesions (synthetic: {metrics.synthetic})",
        f"  Dice per lesion         mean {lesion.mean:.3f}, median {lesion.median:.3f}",
        f"  Dice per scan           mean {scan.mean:.3f}, median {scan.median:.3f}",
        f"  lesions found           {scans.lesion_sensitivity:.3f}",
        f"  false candidates a scan {scans.false_candidates_per_scan:.1f}",
    ]
    if real:
        nodule = real.dice_per_nodule
        lines += [
            "",
            f"{real.nodules} nodules: {real.name}",
            f"  Dice per nodule         mean {nodule.mean:.3f}, median {nodule.median:.3f}",
            f"  nodules touched         {real.touched:.3f}",
            f"  {real.citation}",
        ]
    return "\n".join(lines) + "\n"
