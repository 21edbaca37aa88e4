"""The shipped files are valid, and what cannot work together is refused."""

import subprocess
import sys

import pytest
from pydantic import ValidationError

from lung_ssp.segmentation.settings import SegmentationSettings


def test_the_shipped_file_spells_out_every_setting_that_paddleseg_reads(shipped_tree):
    settings = SegmentationSettings.model_validate(shipped_tree).model_dump()
    for group in ("slices", "train_dataset", "val_dataset", "model", "loss", "optimizer", "lr_scheduler", "prediction"):
        assert shipped_tree[group] == settings[group], group


def test_settings_import_no_paddle():
    code = "import sys, lung_ssp.segmentation.settings; sys.exit('paddle' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    "group, key, value",
    [
        ("model", "widht", 8),
        ("model", "width", "8"),
        ("model", "width", 0),
        ("model", "in_channels", 1),
        ("model", "type", "UNet"),  # which has no growth_rate
        ("train_dataset", "type", "SingleNoduleSlices"),
        ("train_dataset", "lesion_share", 1.0),
        ("train_dataset", "patch_size", 40),
        ("val_dataset", "mode", "train"),
        ("slices", "spacing_mm", [2.5, 0.0, 1.4]),
        ("slices", "window_hu", [400.0, -1000.0]),
        ("loss", "coef", []),
    ],
)
def test_what_cannot_work_is_refused(shipped_tree, group, key, value):
    shipped_tree[group][key] = value
    with pytest.raises(ValidationError):
        SegmentationSettings.model_validate(shipped_tree)
