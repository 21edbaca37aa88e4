"""Single slices of lung tumours measured: Dice by patch and by patient, and what counts without a tumour."""

from functools import partial
from pathlib import Path

import cv2
import h5py
import numpy as np
import paddle
import pytest

from lung_ssp.errors import CohortError
from lung_ssp.segmentation.evaluate import patch_lines
from lung_ssp.segmentation.metrics import PatchMetrics, Scores
from lung_ssp.segmentation.predict import probability_of_images
from lung_ssp.segmentation.real_patches import evaluate_real_patches
from lung_ssp.segmentation.settings import SegmentationSettings


class SolidInAll(paddle.nn.Layer):
    """Calls nodule what is denser than -300 HU, the middle of the window, in the slice and in both its neighbours."""

    def forward(self, x: paddle.Tensor) -> list[paddle.Tensor]:
        least = x.min(axis=1, keepdim=True)
        return [paddle.concat([0.5 - least, least - 0.5], axis=1) * 100]


PREDICT = partial(probability_of_images, SolidInAll())


@pytest.fixture
def settings(shipped_tree: dict) -> SegmentationSettings:
    shipped_tree["model"]["in_channels"] = 3
    shipped_tree["slices"] |= {"window_hu": [-1000.0, 400.0], "spacing_mm": [2.0, 0.8, 0.8]}
    return SegmentationSettings.model_validate(shipped_tree)


def write(path: Path, hu: np.ndarray, tumour: np.ndarray) -> Path:
    """hu and tumour: (n, y, x)."""
    with h5py.File(path, "w") as file:
        file["images"] = ((np.clip(hu, -1000, 100) + 1000) / 1100)[:, None].astype(np.float32)
        file["labels"] = tumour[:, None].astype(float)
    return path


def two_patients() -> tuple[np.ndarray, np.ndarray]:
    """Tumours of 20 x 20 pixels: of the first patient all 10 are dense, of the second 1; 3 patches show none."""
    hu, tumour = np.full((20, 48, 48), -850), np.zeros((20, 48, 48), bool)
    tumour[:17, 10:30, 10:30] = True
    hu[:11][tumour[:11]] = 40
    hu[17, 5:9, 5:9] = 40  # a vessel, where there is no tumour
    hu[0, 40:44, :] = 40  # and a wall beside one
    return hu, tumour


@pytest.mark.slow
def test_means_by_patch_and_by_patient(settings: SegmentationSettings, tmp_path: Path) -> None:
    path = write(tmp_path / "val_patches.h5", *two_patients())
    metrics = evaluate_real_patches(PREDICT, settings, path, tmp_path / "patches.png", "SYNTHETIC")
    assert (metrics.patches, metrics.patients, metrics.without_tumour, metrics.marked_without_tumour) == (17, 2, 3, 1)
    found = metrics.dice_per_patch.values
    assert min(found[:11]) > 0.95 and found[11:] == (0,) * 6  # back on 2 mm from 0.8
    assert metrics.touched == pytest.approx(11 / 17)
    assert metrics.dice_per_patch.mean == pytest.approx(np.mean(found))
    assert metrics.dice_per_patient.values == pytest.approx([np.mean(found[:10]), found[10] / 7])
    low, high = metrics.interval_per_patient  # of two patients either, both or the other are drawn
    assert (low, high) == pytest.approx(tuple(sorted(metrics.dice_per_patient.values)))
    low, high = metrics.interval_per_patch
    assert (low, high) == pytest.approx((found[10] / 7, np.mean(found[:10])))
    assert 0 < metrics.dice_per_patch.mean - metrics.dice_of_all < 0.05  # the wall beside the first tumour
    assert metrics.licence == "CC BY-SA 4.0" and "Medical Segmentation Decathlon" in metrics.citation
    assert cv2.imread(str(tmp_path / "patches.png")) is not None


def test_patches_without_any_tumour_cannot_be_measured(settings: SegmentationSettings, tmp_path: Path) -> None:
    path = write(tmp_path / "val_patches.h5", np.full((10, 16, 16), -850), np.zeros((10, 16, 16), bool))
    with pytest.raises(CohortError, match=r"val_patches\.h5 holds no patch with a tumour: nothing to measure"):
        evaluate_real_patches(PREDICT, settings, path, tmp_path / "patches.png", "SYNTHETIC")
    assert not (tmp_path / "patches.png").exists()


def test_the_report_word_for_word() -> None:
    scores = Scores(0.5, 0.25, (0.25, 0.75))
    metrics = PatchMetrics(
        **{"name": "tumours", "truth": "an outline", "licence": "CC BY-SA 4.0", "citation": "by whom"},
        **{"patches": 111, "patients": 13, "dice_of_all": 0.4, "touched": 0.8},
        **{"interval_per_patch": (0.1, 0.9), "interval_per_patient": (0.2, 0.7)},
        **{"without_tumour": 19, "marked_without_tumour": 2},
        **dict.fromkeys(("dice_per_patch", "dice_per_patient"), scores),
    )
    assert "\n".join(patch_lines(metrics)) == (
        "111 patches with a tumour of 13 patients: tumours\n"
        "  Dice per patch          mean 0.500 (0.100 to 0.900), median 0.250\n"
        "  Dice per patient        mean 0.500 (0.200 to 0.700), median 0.250\n"
        "  Dice of the whole patch mean 0.400, what is marked beside the tumour included\n"
        "  tumours touched         0.800\n"
        "  without a tumour        19 patches, in 2 of them something is marked\n"
        "  In brackets: the 95 % interval of the mean by bootstrap over the patients\n"
        "  CC BY-SA 4.0; by whom"
    )
