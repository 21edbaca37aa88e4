"""Batches with the shares that the settings ask for, and cohorts that cannot be learned from."""

import shutil

import numpy as np
import pytest

from lung_ssp.candidates.dataset import CandidateDataset, TrainingCandidates
from lung_ssp.candidates.settings import CandidateSplitSettings, CandidateTrainingSettings
from lung_ssp.ct.settings import PatchSettings
from lung_ssp.errors import CohortError, ConfigError

SEEN = PatchSettings(slices=3, size=16)
WINDOW = [-1000.0, 400.0]


def training(root, **changes) -> TrainingCandidates:
    return TrainingCandidates(CandidateTrainingSettings(dataset_root=str(root), mode="train", **changes), SEEN, WINDOW)


def test_every_source_has_its_share_of_a_batch_and_nodules_theirs_of_a_source(candidate_cohort):
    dataset = training(candidate_cohort, shares={"archive": 0.75, "scans": 0.25}, nodule_share=1 / 3)
    assert len(dataset) == 32
    for step in range(5):
        batch = dataset.batch(np.arange(8 * step, 8 * step + 8), np.random.default_rng(step))
        assert batch.patches.shape == (8, 3, 16, 16) and batch.patches.dtype == np.float32
        assert batch.patches.min() >= 0 and batch.patches.max() <= 1
        assert batch.labels[:, 0].sum() == 2  # a third of three quarters of eight


def test_all_sources_have_the_same_share_unless_it_is_set(candidate_cohort):
    dataset = training(candidate_cohort)
    assert np.diff(dataset.ends, prepend=0).tolist() == [
        0.25,
        0.25,
        0.5,
    ]  # bars and balls of the archive, bars of scans


def test_a_batch_depends_on_its_indices_and_its_generator_alone(candidate_cohort):
    dataset, indices = training(candidate_cohort), np.arange(8)
    one, again, other = (dataset.batch(indices, np.random.default_rng(seed)).patches for seed in (1, 1, 2))
    assert np.array_equal(one, again) and not np.array_equal(one, other)


def test_what_is_measured_is_the_middle_of_the_stored_patches(candidate_cohort):
    dataset = CandidateDataset(CandidateSplitSettings(dataset_root=str(candidate_cohort), mode="test"), SEEN, WINDOW)
    whole = dataset.whole()
    assert whole.shape == (32, 3, 16, 16) and dataset.nodule.sum() == 12
    expected = np.clip((dataset.candidates.hu[5, :, 4:20, 4:20] + 1000) / 1400, 0, 1)
    np.testing.assert_allclose(whole[5], expected, atol=1e-6)


def test_shares_of_other_sources_are_refused(candidate_cohort):
    with pytest.raises(ConfigError, match=r"names scan, but .* has candidates of archive, scans: name these"):
        training(candidate_cohort, shares={"scan": 1.0})
    with pytest.raises(ValueError, match=r"shares must sum to 1, but sum to 0\.5"):
        training(candidate_cohort, shares={"scans": 0.5})


@pytest.mark.parametrize(
    "patch, expected",
    [
        (PatchSettings(slices=5, size=16), "made with .*slices=3.* the run asks for .*slices=5.*: change patch"),
        (PatchSettings(slices=3, size=32), "patches of 24 pixels, of which 32 cannot be the middle"),
    ],
)
def test_other_patches_than_the_stored_ones_are_refused(candidate_cohort, patch, expected):
    settings = CandidateSplitSettings(dataset_root=str(candidate_cohort), mode="train")
    with pytest.raises(CohortError, match=expected):
        CandidateDataset(settings, patch, WINDOW)


def test_a_split_without_nodules_teaches_nothing(candidate_cohort, tmp_path):
    root = shutil.copytree(candidate_cohort, tmp_path / "cohort")
    table = (root / "candidates.csv").read_text()
    (root / "candidates.csv").write_text(table.replace(",nodule,", ",random,"))
    with pytest.raises(CohortError, match=r"\(train\) holds no nodule or no false candidate"):
        training(root)
