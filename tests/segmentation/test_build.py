"""The configuration file is plain PaddleSeg."""

from pathlib import Path

import numpy as np
import paddle
import pytest
import yaml
from paddleseg.core import train as paddleseg_train
from paddleseg.cvlibs import Config, SegBuilder

from lung_ssp.config import load_config
from lung_ssp.errors import CohortError
from lung_ssp.segmentation.build import build_network, build_segmentation
from lung_ssp.segmentation.dataset import NoduleSlices, SingleNoduleSlices
from lung_ssp.segmentation.losses import DiceCrossEntropyLoss
from lung_ssp.segmentation.networks import ImprovedUNet, UNet
from lung_ssp.segmentation.settings import SegmentationSettings, UNetSettings
from lung_ssp.training.task import Training

SHIPPED = Path(__file__).parents[2] / "configs" / "segmentation"


def with_cohort(name: str, cohort: Path, folder: Path, **changes) -> Path:
    """A shipped file, through PaddleSeg's own `_base_`, on the tests' cohort."""
    tree = {
        "_base_": str(SHIPPED / name),
        "train_dataset": {"dataset_root": str(cohort), "patch_size": 32},
        "val_dataset": {"dataset_root": str(cohort), "slices_per_scan": 4},
        "model": {"width": 2},
        **changes,
    }
    path = folder / "config.yml"
    path.write_text(yaml.safe_dump(tree))
    return path


def build(path: Path) -> Training:
    return build_segmentation(load_config(path, SegmentationSettings))


@pytest.mark.parametrize("name, kind", [("improved_unet.yml", ImprovedUNet), ("unet.yml", UNet)])
def test_paddlesegs_config_and_builder_build_everything(name, kind, slice_cohort, tmp_path, recwarn):
    builder = SegBuilder(Config(str(with_cohort(name, slice_cohort, tmp_path))))
    assert type(builder.model) is kind
    assert type(builder.train_dataset) is NoduleSlices and builder.train_dataset.mode == "train"
    assert type(builder.val_dataset) is NoduleSlices and builder.val_dataset.mode == "val"
    assert type(builder.loss["types"][0]) is DiceCrossEntropyLoss and builder.loss["coef"] == [1.0]
    assert isinstance(builder.optimizer, paddle.optimizer.Adam)
    assert builder.optimizer.get_lr() == pytest.approx(yaml.safe_load((SHIPPED / "improved_unet.yml").read_text())
                                                       ["lr_scheduler"]["learning_rate"])  # fmt: skip
    assert not [warning for warning in recwarn if "exists already" in str(warning.message)]


def test_paddlesegs_own_training_loop_runs_on_it(slice_cohort, tmp_path):
    config = Config(str(with_cohort("improved_unet.yml", slice_cohort, tmp_path)))
    builder = SegBuilder(config)
    before = builder.model.classifier.weight.numpy()
    paddleseg_train(
        builder.model, builder.train_dataset, optimizer=builder.optimizer, losses=builder.loss, iters=2, batch_size=2,
        log_iters=1, save_dir=str(tmp_path / "run"),
    )  # fmt: skip
    assert not np.array_equal(before, builder.model.classifier.weight.numpy())


def test_one_slice_alone_is_a_matter_of_configuration(slice_cohort, tmp_path):
    path = with_cohort(
        "improved_unet.yml",
        slice_cohort,
        tmp_path,
        train_dataset={"type": "SingleNoduleSlices", "dataset_root": str(slice_cohort), "patch_size": 32},
        val_dataset={"type": "SingleNoduleSlices", "dataset_root": str(slice_cohort)},
        model={"in_channels": 1, "width": 2},
    )
    task = build(path).task
    assert type(task.train_dataset) is SingleNoduleSlices
    batch = task.load(np.array([0, 1]), np.random.default_rng(0))
    assert batch.images.shape == (2, 1, 32, 32)
    assert np.isfinite(float(task.losses(batch)["total"]))


def test_the_seed_settles_the_first_weights(slice_cohort, tmp_path):
    def weights(seed):
        task = build(with_cohort("unet.yml", slice_cohort, tmp_path, seed=seed)).task
        return np.concatenate([value.numpy().ravel() for value in task.network.state_dict().values()])

    assert np.array_equal(weights(3), weights(3))
    assert not np.array_equal(weights(3), weights(4))


def test_the_network_alone_needs_no_cohort(tmp_path):
    network = build_network(
        load_config(with_cohort("improved_unet.yml", tmp_path / "nowhere", tmp_path), SegmentationSettings)
    )
    assert isinstance(network, ImprovedUNet) and network.in_channels == 3


def test_what_the_file_leaves_out_takes_the_default_of_the_settings(tmp_path):
    model = {"_inherited_": False, "type": "UNet"}
    network = build_network(
        load_config(with_cohort("unet.yml", tmp_path / "nowhere", tmp_path, model=model), SegmentationSettings)
    )
    assert isinstance(network, UNet) and network.in_channels == 3
    assert network.classifier.weight.shape == [2, UNetSettings(type="UNet").width, 1, 1]


def test_slices_of_another_grid_are_refused(slice_cohort, tmp_path):
    path = with_cohort("unet.yml", slice_cohort, tmp_path, slices={"spacing_mm": [2.5, 2.0, 2.0]})
    with pytest.raises(CohortError, match="made with"):
        build(path)


def test_a_cohort_without_slices_is_refused_in_its_own_words(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(CohortError, match="has no scans to segment"):
        build(with_cohort("unet.yml", tmp_path / "empty", tmp_path))
