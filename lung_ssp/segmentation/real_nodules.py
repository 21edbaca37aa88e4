"""Real nodules in cubes as a test of a network that has learned from synthetic ones, or from other patients."""

from collections.abc import Collection
from pathlib import Path

import numpy as np
from pydantic import Field
from tqdm import tqdm

from lung_ssp.ct.volume import Volume
from lung_ssp.ct.working_grid import inference_grid
from lung_ssp.errors import CohortError, DamagedFile
from lung_ssp.files import read_npz
from lung_ssp.records import TableRow, read_table
from lung_ssp.segmentation.figures import save_nodule_figure
from lung_ssp.segmentation.metrics import RealNoduleMetrics, dice_by_lesion, scores_of
from lung_ssp.segmentation.predict import NodulePredictor, probability_of_slices
from lung_ssp.segmentation.settings import SegmentationSettings

REAL_NODULES_FILE, TABLE = "lidc_nodules_3d.npz", "lidc_nodules_3d.csv"
REMEDY = "copy the cubes of real nodules again"
SPACING_MM = (1.0, 1.0, 1.0)
SOURCE = {
    "name": "real LIDC nodules, never trained on",
    "truth": "the outline of one reader",
    "licence": "LIDC-IDRI: CC BY 3.0; the repository that cut the cubes (franciscapessanha/Pulmonary-nodules-analysis) "
    "states none",
    "citation": "Armato SG III et al. (2015). Data From LIDC-IDRI. The Cancer Imaging Archive. "
    "doi:10.7937/K9/TCIA.2015.LO9QL9SX",
}


class CubeRow(TableRow):
    """A row of lidc_nodules_3d.csv, in the order of the cubes. patient: its number in the names LIDC-IDRI-nnnn."""

    patient: int = Field(ge=1, le=9999)

    @property
    def name(self) -> str:
        return f"LIDC-IDRI-{self.patient:04d}"


def evaluate_real_nodules(
    predict: NodulePredictor,
    settings: SegmentationSettings,
    path: Path,
    figure: Path,
    trained_on: str,
    learned: Collection[str] = (),
) -> RealNoduleMetrics:
    """Segment real nodules, each in a cube of 51 mm around it, and set the result against a reader's outline.

    A nodule's Dice is taken with all connected parts of the result that touch it. The cubes come without a lung mask,
    so the chest wall counts as lung here, unlike in a scan.

    Args:
        settings: of its run; the threshold of its candidates decides what counts as segmented.
        path: npz with `hu` int16 (n, z, y, x) at 1 mm and `mask` bool of the same shape.
        trained_on: the statement of the cohort that the weights come from.
        learned: patients that the run has learned from or been chosen by, whose nodules are not measured; if there are
            any, lidc_nodules_3d.csv beside the file says whose the cubes are.

    Raises:
        CohortError: the file or the table cannot be read, or no nodule is left to measure.
    """
    cubes, masks = _read(path)
    kept = _of_other_patients(path.with_name(TABLE), len(cubes), learned)
    if not kept.any():
        raise CohortError(f"The run has learned from every patient of {path}: nothing to measure.")
    left_out = len(cubes) - np.count_nonzero(kept)
    cubes, masks = cubes[kept], masks[kept]
    found = np.stack([_segment(predict, settings, cube) for cube in tqdm(cubes, "real nodules", unit="nodule")])
    scores = [dice_by_lesion(result, mask.astype(np.uint8))[1] for result, mask in zip(found, masks, strict=True)]
    caption = f"{SOURCE['name']}. {SOURCE['citation']}. Weights trained on: {trained_on}"
    save_nodule_figure(figure, cubes, masks, found, settings.slices.window_hu, caption)
    return RealNoduleMetrics(
        **SOURCE,
        nodules=len(scores),
        left_out=int(left_out),
        dice_per_nodule=scores_of(scores),
        touched=float(np.mean([score > 0 for score in scores])),
    )


def _segment(predict: NodulePredictor, settings: SegmentationSettings, cube: np.ndarray) -> np.ndarray:
    """bool (z, y, x): where a cube's probability reaches the threshold."""
    grid = inference_grid(Volume(cube, SPACING_MM), np.ones(cube.shape, bool), settings.slices)
    return grid.to_part(probability_of_slices(predict, grid.slices, settings)) >= settings.nodules.threshold


def _of_other_patients(table: Path, cubes: int, learned: Collection[str]) -> np.ndarray:
    """bool (cubes,), whether the nodule is of a patient that was not learned from."""
    if not learned:
        return np.ones(cubes, bool)
    if not table.is_file():
        raise CohortError(
            f"The run has learned from patients, and {table}, which says whose the cubes are, is missing."
        )
    try:
        rows = read_table(table, CubeRow, REMEDY)
    except DamagedFile as error:
        raise CohortError(str(error)) from error
    if len(rows) != cubes:
        raise CohortError(f"{table} has {len(rows)} rows, the file beside it {cubes} cubes: {REMEDY}.")
    return np.array([row.name not in learned for row in rows])


def _read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    try:
        arrays = read_npz(path, ["hu", "mask"], REMEDY)
    except DamagedFile as error:
        raise CohortError(str(error)) from error
    return arrays["hu"], arrays["mask"]
