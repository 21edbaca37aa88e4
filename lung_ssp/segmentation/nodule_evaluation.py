"""A run measured on single nodules of patients that it has not learned from."""

from collections.abc import Collection
from pathlib import Path

import numpy as np
from tqdm import tqdm

from lung_ssp.cohort.description import read_cohort
from lung_ssp.cohort.nodules.store import StoredNodule, has_nodules, read_nodule_table, read_nodules
from lung_ssp.cohort.split import patients_by_split
from lung_ssp.cohort.store import SPLITS
from lung_ssp.ct.working_grid import in_plane, inference_grid
from lung_ssp.errors import CohortError
from lung_ssp.segmentation.figures import NodulePanel, ranked, save_nodules_by_dice
from lung_ssp.segmentation.metrics import dice, dice_by_lesion
from lung_ssp.segmentation.nodule_metrics import NoduleMetrics, NoduleResult, groups_of
from lung_ssp.segmentation.predict import NodulePredictor, probability_of_slices
from lung_ssp.segmentation.settings import SegmentationSettings
from lung_ssp.segmentation.sources import known_nodules, volume_of

TRUTH = "Truth is what at least half of the readers marked"


def evaluate_nodules(
    predict: NodulePredictor, settings: SegmentationSettings, root: Path, learned: Collection[str], figure: Path
) -> NoduleMetrics:
    """Segment single nodules and set the result against what at least half of their readers marked.

    Args:
        settings: of the run; the threshold of its candidates decides what counts as nodule.
        root: folder of the cohort of nodules.
        learned: patients that the run has learned from or been chosen by, whose nodules are not measured.
        figure: the picture of the best, the median and the worst nodules.

    Raises:
        CohortError: the cohort holds no nodules, none of another patient, or is damaged.
    """
    cohort = read_cohort(root)
    found = [nodule for split in SPLITS for nodule in read_nodules(root, split) if nodule.patient not in learned]
    nodules = known_nodules(found)
    if not nodules:
        raise CohortError(f"{root} holds no nodule of a patient that the run has not learned from: nothing to measure.")
    masks = [segment_nodule(predict, settings, nodule) for nodule in tqdm(nodules, "nodules", unit="nodule")]
    results = [_result(nodule, mask) for nodule, mask in zip(nodules, masks, strict=True)]
    splits = sorted({nodule.row.split for nodule in nodules}, key=SPLITS.index)
    folds = sorted({nodule.row.fold for nodule in nodules})
    about = cohort.nodules
    metrics = NoduleMetrics(
        cohort=cohort.statement,
        synthetic=cohort.synthetic,
        fingerprint=cohort.fingerprint,
        which=f"split {', '.join(splits)}; fold {', '.join(map(str, folds))}; of patients that the run has not learned "
        "from",
        licence=about.licence if about else "",
        citation=about.citation if about else "",
        threshold=settings.nodules.threshold,
        left_out=len(found) - len(nodules),
        groups=groups_of(results),
        by_nodule=tuple(results),
    )
    _save_figure(figure, nodules, masks, results, settings, f"{TRUTH}; {cohort.statement}; {metrics.which}")
    return metrics


def learned_patients(roots: Collection[Path]) -> set[str]:
    """The patients of the training and validation splits of a run's cohorts; raises CohortError as its readers do."""
    by_split = patients_by_split(*roots)
    learned = {patient for split in SPLITS if split != "test" for patient in by_split[split]}
    rows = [row for root in roots if has_nodules(root) for row in read_nodule_table(root)]
    return learned | {row.patient for row in rows if row.split != "test"}


def segment_nodule(predict: NodulePredictor, settings: SegmentationSettings, nodule: StoredNodule) -> np.ndarray:
    """bool (z, y, x) on the nodule's own grid: where its probability reaches the threshold."""
    volume = volume_of(nodule)
    grid = inference_grid(volume, np.ones(volume.shape, bool), in_plane(settings.slices, volume.spacing))
    probability = probability_of_slices(predict, grid.slices, settings, nodule.z_mm)
    return grid.to_part(probability) >= settings.nodules.threshold


def _result(nodule: StoredNodule, mask: np.ndarray) -> NoduleResult:
    row, majority = nodule.row, nodule.majority
    return NoduleResult(
        nodule=row.name,
        patient=row.patient,
        fold=row.fold,
        readers=row.n_readers,
        diameter_mm=row.diameter_mm,
        texture=row.texture_mean,
        slices=len(mask),
        dice=dice_by_lesion(mask, majority.astype(np.uint8))[1],
        dice_of_all=float(dice(mask, majority)),
        touched=bool((mask & majority).any()),
        readers_dice=row.dice_vs_majority,
    )


def _save_figure(
    path: Path,
    nodules: list[StoredNodule],
    masks: list[np.ndarray],
    results: list[NoduleResult],
    settings: SegmentationSettings,
    caption: str,
) -> None:
    panels = []
    for kind, place in ranked([result.dice for result in results]):
        nodule, result = nodules[place], results[place]
        widest = int(nodule.majority.sum(axis=(1, 2)).argmax())
        title = f"{kind}: {result.nodule}, Dice {result.dice:.2f}, {result.diameter_mm:.0f} mm"
        panels.append(NodulePanel(title, nodule.hu[widest], nodule.majority[widest], masks[place][widest]))
    save_nodules_by_dice(path, panels, settings.slices.window_hu, caption)
