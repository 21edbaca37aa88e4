"""Samples as PaddleSeg expects them, drawn as the settings say."""

import numpy as np
import pytest
from paddleseg.cvlibs import manager
from pydantic import ValidationError

from lung_ssp.errors import CohortError
from lung_ssp.segmentation.dataset import NoduleSlices, SingleNoduleSlices
from lung_ssp.segmentation.settings import CHANNELS, TrainDatasetSettings, ValidationDatasetSettings

LUNG_SLICES = 30  # ten in each of three training scans


@pytest.fixture(scope="module")
def patches(slice_cohort):
    return NoduleSlices(str(slice_cohort), "train", patch_size=32)


def test_paddlesegs_contract(patches, slice_cohort):
    assert manager.DATASETS["NoduleSlices"] is NoduleSlices
    for kind in (NoduleSlices, SingleNoduleSlices):
        assert kind.NUM_CLASSES == 2 and kind.IGNORE_INDEX == 255
        assert CHANNELS[kind.__name__] == kind.IMG_CHANNELS
        data = kind(str(slice_cohort), "train", patch_size=32)
        assert (data.num_classes, data.ignore_index) == (2, 255)
        sample = data[0]
        assert set(sample) == {"img", "label", "trans_info"}
        assert sample["img"].shape == (kind.IMG_CHANNELS, 32, 32) and sample["img"].dtype == np.float32
        assert sample["label"].shape == (32, 32) and sample["label"].dtype == np.int64
        assert sample["img"].min() >= 0 and sample["img"].max() <= 1
        whole = kind(str(slice_cohort), "val")[0]
        assert whole["img"].shape == (kind.IMG_CHANNELS, 48, 56) and whole["label"].shape == (1, 48, 56)


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
def test_the_share_of_patches_on_lesions(slice_cohort, share):
    data = NoduleSlices(str(slice_cohort), "train", patch_size=32, lesion_share=share)
    on_lesions = len(data) - LUNG_SLICES
    assert on_lesions / len(data) == pytest.approx(share, abs=0.01)


def test_patches_of_the_second_kind_show_a_lesion(patches):
    rng = np.random.default_rng(0)
    with_lesion = [patches.sample(index, rng)["label"].any() for index in range(LUNG_SLICES, len(patches))]
    assert np.mean(with_lesion) > 0.95
    without = [patches.sample(index, rng)["label"].any() for index in range(LUNG_SLICES)]
    assert np.mean(without) < 0.9


def test_every_lesion_gets_as_many_patches(patches):
    assert len(patches.lesions) == 6
    drawn = [(index - LUNG_SLICES) % len(patches.lesions) for index in range(LUNG_SLICES, len(patches))]
    assert len(set(np.bincount(drawn))) == 1


def test_samples_are_deterministic(patches, slice_cohort):
    again = NoduleSlices(str(slice_cohort), "train", patch_size=32)
    other = NoduleSlices(str(slice_cohort), "train", patch_size=32, seed=1)
    assert np.array_equal(patches[7]["img"], again[7]["img"])
    assert not np.array_equal(patches[7]["img"], other[7]["img"])
    one, two = (patches.sample(40, np.random.default_rng(3)) for _ in range(2))
    assert np.array_equal(one["img"], two["img"]) and np.array_equal(one["label"], two["label"])


def test_validation_shows_whole_slices_half_of_them_with_a_lesion(slice_cohort):
    data = NoduleSlices(str(slice_cohort), "val", slices_per_scan=4)
    assert [len(group) for group in data.indices_by_scan()] == [4, 4]
    with_lesion = [[(data[index]["label"] == 1).any() for index in group] for group in data.indices_by_scan()]
    assert [sum(group) for group in with_lesion] == [2, 2]
    assert len(set(data.slices)) == 8


def test_validation_leaves_out_what_lies_outside_the_lungs(slice_cohort, ball_scan):
    data = NoduleSlices(str(slice_cohort), "val", slices_per_scan=6)
    first = ball_scan(3)
    for index in data.indices_by_scan()[0]:
        slice_index = data.slices[index][1]
        label = data[index]["label"][0]
        assert np.array_equal(label == 255, ~first.lungs[slice_index] & (first.lesions[slice_index] == 0))
        assert np.array_equal(label == 1, first.lesions[slice_index] > 0)
        middle = np.clip((first.scan.hu[slice_index] + 1000) / 1400, 0, 1)
        np.testing.assert_allclose(data[index]["img"][1], middle, atol=1e-6)


def test_a_cohort_without_lesions_is_refused(slice_cohort, tmp_path):
    with pytest.raises(CohortError, match=r"scans\.csv does not exist"):
        NoduleSlices(str(tmp_path), "train")


def test_defaults_are_those_of_the_settings(slice_cohort):
    root = str(slice_cohort)
    settings = TrainDatasetSettings(type="NoduleSlices", dataset_root=root, mode="train")
    data = NoduleSlices(root, "train")
    assert (data.patch_size, data.seed, data.augmentation) == (
        settings.patch_size,
        settings.seed,
        settings.augmentation,
    )
    assert len(data) == len(NoduleSlices(root, "train", lesion_share=settings.lesion_share))
    count = ValidationDatasetSettings(type="NoduleSlices", dataset_root=root, mode="val").slices_per_scan
    assert len(NoduleSlices(root, "val")) == len(NoduleSlices(root, "val", slices_per_scan=count))


def test_an_unknown_option_is_refused(slice_cohort):
    with pytest.raises(ValidationError, match="patch_sise"):
        NoduleSlices(str(slice_cohort), "train", patch_sise=32)
