"""Lung tumours in single slices of real patients as a test of a network that has learned from other patients."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from lung_ssp.ct.volume import Volume
from lung_ssp.ct.working_grid import in_plane, inference_grid
from lung_ssp.errors import CohortError
from lung_ssp.segmentation.figures import NodulePanel, ranked, save_nodules_by_dice
from lung_ssp.segmentation.metrics import PatchMetrics, dice, dice_by_lesion, scores_of
from lung_ssp.segmentation.nodule_metrics import interval_by_patient
from lung_ssp.segmentation.patch_file import SPACING_MM, Patches, read_patches
from lung_ssp.segmentation.predict import NodulePredictor, probability_of_slices
from lung_ssp.segmentation.settings import SegmentationSettings

SOURCE = {
    "name": "real lung tumours of the Medical Segmentation Decathlon",
    "truth": "the outline of one radiologist",
    "licence": "CC BY-SA 4.0",
    "citation": "Antonelli M et al. The Medical Segmentation Decathlon. Nat Commun 2022;13:4128, Task06; patches at 2 "
    "mm by github.com/shizoda/data",
}


@dataclass(frozen=True)
class PatchResult:
    """One patch with a tumour; dice and dice_of_all as in NoduleResult."""

    place: int
    patient: int
    dice: float
    dice_of_all: float


def evaluate_real_patches(
    predict: NodulePredictor, settings: SegmentationSettings, path: Path, figure: Path, trained_on: str
) -> PatchMetrics:
    """Segment single slices of lung tumours, and set the result against a radiologist's outline.

    A patch has no neighbours: the network sees its slice in their place. It comes without a lung mask, so the chest
    wall counts as lung here, unlike in a scan. Of patches without a tumour there is no Dice; how many of them the
    network marks is told beside it.

    Args:
        settings: of its run; the threshold of its candidates decides what counts as segmented.
        path: val_patches.h5, see `read_patches`.
        figure: the picture of the best, the median and the worst patches.
        trained_on: the statement of the cohort that the weights come from.

    Raises:
        CohortError: the file cannot be read, or holds no tumour.
        EnvironmentProblem: h5py is missing.
    """
    patches = read_patches(path)
    with_tumour = patches.tumour.any(axis=(1, 2))
    if not with_tumour.any():
        raise CohortError(f"{path} holds no patch with a tumour: nothing to measure.")
    found = np.array([_segment(predict, settings, patch) for patch in tqdm(patches.hu, "patches", unit="patch")])
    results = [_result(patches, found, int(place)) for place in np.flatnonzero(with_tumour)]
    caption = f"{SOURCE['name']} ({SOURCE['licence']}). {SOURCE['citation']}. Weights trained on: {trained_on}"
    _save_figure(figure, patches, found, results, settings, caption)
    owners = sorted({own.patient for own in results})
    means = [float(np.mean([own.dice for own in results if own.patient == patient])) for patient in owners]
    return PatchMetrics(
        **SOURCE,
        patches=len(results),
        patients=len(owners),
        dice_per_patch=scores_of([own.dice for own in results]),
        interval_per_patch=interval_by_patient(
            np.array([own.dice for own in results]), [str(own.patient) for own in results]
        ),
        dice_per_patient=scores_of(means),
        interval_per_patient=interval_by_patient(np.array(means), [str(patient) for patient in owners]),
        dice_of_all=float(np.mean([own.dice_of_all for own in results])),
        touched=float(np.mean([own.dice > 0 for own in results])),
        without_tumour=int(np.count_nonzero(~with_tumour)),
        marked_without_tumour=int(np.count_nonzero(found[~with_tumour].any(axis=(1, 2)))),
    )


def _segment(predict: NodulePredictor, settings: SegmentationSettings, patch: np.ndarray) -> np.ndarray:
    """bool (y, x): where a patch's probability reaches the threshold."""
    volume = Volume(patch[np.newaxis], (SPACING_MM,) * 3)
    grid = inference_grid(volume, np.ones(volume.shape, bool), in_plane(settings.slices, volume.spacing))
    probability = grid.to_part(probability_of_slices(predict, grid.slices, settings))
    return np.asarray(probability[0] >= settings.nodules.threshold)


def _result(patches: Patches, found: np.ndarray, place: int) -> PatchResult:
    result, tumour = found[place], patches.tumour[place]
    return PatchResult(
        place=place,
        patient=int(patches.patients[place]),
        dice=dice_by_lesion(result, tumour.astype(np.uint8))[1],
        dice_of_all=float(dice(result, tumour)),
    )


def _save_figure(
    path: Path,
    patches: Patches,
    found: np.ndarray,
    results: list[PatchResult],
    settings: SegmentationSettings,
    caption: str,
) -> None:
    panels = []
    for kind, index in ranked([result.dice for result in results]):
        result = results[index]
        title = f"{kind}: patient {result.patient}, patch {result.place + 1}, Dice {result.dice:.2f}"
        one = patches.hu[result.place], patches.tumour[result.place], found[result.place]
        panels.append(NodulePanel(title, *one))
    save_nodules_by_dice(path, panels, settings.slices.window_hu, caption)
