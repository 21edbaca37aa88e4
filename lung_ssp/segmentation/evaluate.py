"""A segmentation run measured: how well it finds nodules in scans and of patients that it has never seen."""

from pathlib import Path

from lung_ssp.candidates.trained import load_candidate_judge
from lung_ssp.cohort.description import read_cohort
from lung_ssp.cohort.nodules.store import has_nodules
from lung_ssp.errors import CohortError, ConfigError
from lung_ssp.segmentation.metrics import PatchMetrics, SegmentationMetrics
from lung_ssp.segmentation.nodule_evaluation import evaluate_nodules, learned_patients
from lung_ssp.segmentation.nodule_report import NODULE_FIGURE, NODULE_TABLE, nodule_lines, write_nodule_table
from lung_ssp.segmentation.patch_file import PATCH_FILE
from lung_ssp.segmentation.real_nodules import REAL_NODULES_FILE, evaluate_real_nodules
from lung_ssp.segmentation.real_patches import evaluate_real_patches
from lung_ssp.segmentation.scan_evaluation import evaluate_test_scans, scan_lines
from lung_ssp.segmentation.trained import load_segmenter
from lung_ssp.training.evaluation import write_metrics
from lung_ssp.training.run import FIGURES, check_cohort

PATCH_FIGURE = "real-patches.png"  # among the figures of a run


def evaluate_segmenter(
    run: Path, real_nodules: Path | None, nodules: Path | None, candidates: Path | None = None
) -> SegmentationMetrics:
    """Measure the best checkpoint of a run and write metrics.json, metrics.txt and figures/ into the run's folder.

    The test scans are those of the run's first cohort, if it is one of scans. Nodules are those of the cohort of
    nodules that it learned from, if there is one, whose patients it has not learned from; they get nodules.csv. Where
    that cohort has no test split nothing is measured, unless `nodules` names another one.

    Args:
        real_nodules: folder with lidc_nodules_3d.npz, real nodules in cubes, of which those of patients that the run
            has learned from are left out, or with val_patches.h5, real tumours in single slices, or with both; None
            for none.
        nodules: folder of another cohort of nodules to measure instead; None for none.
        candidates: folder of a run of the false-positive reduction, with which the test scans are measured as well.

    Raises:
        ConfigError, CheckpointError: a folder holds no such run, or it is damaged, or there are no test scans to judge.
        CohortError: there are no test scans, or no real nodules where they should be.
    """
    cubes, patches = (None, None) if real_nodules is None else real_nodule_files(real_nodules)
    trained = load_segmenter(run)
    predict, settings = trained.predict, trained.settings
    root, figures = settings.cohort, run / FIGURES
    cohort = check_cohort(run, *settings.cohorts)
    if candidates is not None and has_nodules(root):
        raise ConfigError(
            f"{root}, from which {run} learned first, has no test scans to judge: leave out --candidates."
        )
    judge = None if candidates is None else load_candidate_judge(candidates)
    learned = learned_patients(settings.cohorts)
    figures.mkdir(exist_ok=True)
    measured = nodules or next((own for own in settings.cohorts if has_tested_nodules(own)), None)
    test_scans = None if has_nodules(root) else evaluate_test_scans(predict, settings, root, figures, judge)
    real = None
    if cubes is not None:
        of_others = set() if cohort.synthetic else learned
        real = evaluate_real_nodules(
            predict, settings, cubes, figures / "real-nodules.png", cohort.statement, of_others
        )
    of_nodules = of_patches = None
    for old in (run / NODULE_TABLE, figures / NODULE_FIGURE, figures / PATCH_FIGURE):
        old.unlink(missing_ok=True)  # of an evaluation on other nodules
    if measured is not None:
        of_nodules = evaluate_nodules(predict, settings, measured, learned, figures / NODULE_FIGURE)
        write_nodule_table(run, of_nodules.by_nodule)
    if patches is not None:
        of_patches = evaluate_real_patches(predict, settings, patches, figures / PATCH_FIGURE, cohort.statement)
    metrics = SegmentationMetrics(
        statement=cohort.statement,
        synthetic=cohort.synthetic,
        fingerprint=cohort.fingerprint,
        checkpoint=trained.checkpoint,
        test_scans=test_scans,
        real_nodules=real,
        nodules=of_nodules,
        real_patches=of_patches,
    )
    write_metrics(run, metrics, text_report(metrics))
    return metrics


def real_nodule_files(folder: Path) -> tuple[Path | None, Path | None]:
    """The file of the cubes and that of the patches in a folder with real nodules; one may be missing.

    Raises:
        CohortError: both are.
    """
    cubes, patches = (path if path.is_file() else None for path in (folder / REAL_NODULES_FILE, folder / PATCH_FILE))
    if cubes is None and patches is None:
        raise CohortError(
            f"{folder} holds neither {REAL_NODULES_FILE} nor {PATCH_FILE}: name the folder that holds one, or leave it "
            "out."
        )
    return cubes, patches


def has_tested_nodules(root: Path) -> bool:
    """Whether a prepared cohort holds nodules of patients to test on."""
    return has_nodules(root) and read_cohort(root).has_test_split


def text_report(metrics: SegmentationMetrics) -> str:
    """Dice, lesions found and false candidates in the test scans, and Dice of real nodules."""
    lines = [metrics.statement, f"checkpoint: step {metrics.checkpoint.step}, the best on the validation scans"]
    if metrics.test_scans:
        lines += ["", *scan_lines(metrics.test_scans)]
    if real := metrics.real_nodules:
        nodule = real.dice_per_nodule
        lines += [
            "",
            f"{real.nodules} nodules: {real.name}{_left_out(real.left_out)}",
            f"  Dice per nodule         mean {nodule.mean:.3f}, median {nodule.median:.3f}",
            f"  nodules touched         {real.touched:.3f}",
            f"  {real.citation}",
        ]
    if metrics.real_patches:
        lines += ["", *patch_lines(metrics.real_patches)]
    if metrics.nodules:
        lines += ["", *nodule_lines(metrics.nodules)]
    return "\n".join(lines) + "\n"


def patch_lines(patches: PatchMetrics) -> list[str]:
    """Lines of a report: Dice of real tumours in single slices, and what is marked where there is none."""
    lines = [f"{patches.patches} patches with a tumour of {patches.patients} patients: {patches.name}"]
    for what, scores, (low, high) in (
        ("patch", patches.dice_per_patch, patches.interval_per_patch),
        ("patient", patches.dice_per_patient, patches.interval_per_patient),
    ):
        name = f"Dice per {what}"
        lines.append(f"  {name:<23} mean {scores.mean:.3f} ({low:.3f} to {high:.3f}), median {scores.median:.3f}")
    return [
        *lines,
        f"  Dice of the whole patch mean {patches.dice_of_all:.3f}, what is marked beside the tumour included",
        f"  tumours touched         {patches.touched:.3f}",
        f"  without a tumour        {patches.without_tumour} patches, in {patches.marked_without_tumour} of them "
        "something is marked",
        "  In brackets: the 95 % interval of the mean by bootstrap over the patients",
        f"  {patches.licence}; {patches.citation}",
    ]


def _left_out(nodules: int) -> str:
    return f" ({nodules} left out, of patients that the run has learned from)" if nodules else ""
