"""Patches of several cohorts: scans, single nodules, and scans without lesions."""

import shutil

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from lung_ssp.cohort.nodules.store import read_nodules
from lung_ssp.ct.settings import WorkingGridSettings
from lung_ssp.errors import CohortError
from lung_ssp.segmentation.dataset import NoduleSlices
from lung_ssp.segmentation.settings import TrainDatasetSettings
from lung_ssp.segmentation.sources import AERATED_HU, SOLID_TEXTURE, NoduleSource, ScanSource, SetInSource, open_source

GRID = WorkingGridSettings(spacing_mm=[2.5, 1.4, 1.4])
COARSE = {"spacing_mm": [2.5, 1.4, 1.4]}
FINE = {"spacing_mm": [2.0, 0.7, 0.7]}


def further(*cohorts):
    return [{"dataset_root": str(root), "share": share} for root, share in cohorts]


def test_nodules_keep_their_own_slices_and_take_the_grid_in_the_plane(nodule_cohort):
    source, grid = open_source(nodule_cohort, "validation", GRID, 0.5)
    assert isinstance(source, NoduleSource) and grid == GRID and len(source) == 2
    stack = source.stacks[0]
    assert stack.hu.shape == (5, 20, 20)  # 40 pixels of 0.7 mm are 20 of 1.4 mm
    assert stack.z_mm.tolist() == [-10, -8, -6, -2, 0]
    assert stack.searched.all() and set(np.unique(stack.lesions)) == {0, 1}
    nodule = read_nodules(nodule_cohort, "validation")[0]
    area = np.count_nonzero(nodule.majority, axis=(1, 2)) * 0.7**2
    assert np.count_nonzero(stack.lesions, axis=(1, 2)) * 1.4**2 == pytest.approx(area, rel=0.25)


def test_training_nodules_keep_their_own_pixels_which_a_patch_is_cut_out_of(nodule_cohort):
    source, _ = open_source(nodule_cohort, "train", GRID, 0.5)
    nodule = read_nodules(nodule_cohort, "train")[0]
    assert np.array_equal(source.stacks[0].hu, nodule.hu) and len(source) == 3
    assert np.array_equal(source.stacks[0].lesions, nodule.majority)
    assert source.stacks[0].pixel == pytest.approx((2, 2))  # 1.4 mm are two pixels of 0.7 mm


def test_patches_of_a_nodule_lie_where_a_reader_marked_it_as_often_as_asked(nodule_cohort):
    source, _ = open_source(nodule_cohort, "train", WorkingGridSettings(**FINE), 0.75)
    nodule = read_nodules(nodule_cohort, "train")[0]
    places = [source.place(0, np.random.default_rng(seed)) for seed in range(400)]
    assert {place.index for place in places} == set(range(5))
    on_nodule = [place.target for place in places if not place.target.all()]
    assert len(on_nodule) / len(places) == pytest.approx(0.75, abs=0.07)
    assert np.array_equal(on_nodule[0], (nodule.readers > 0).any(axis=0))


def test_a_nodule_without_every_readers_mask_is_not_learned_from(write_nodules_to, tmp_path):
    source, _ = open_source(write_nodules_to(tmp_path, test_first=True), "train", GRID, 0.5)
    assert len(source) == 2


def test_a_grid_on_which_a_nodule_vanishes_is_refused(nodule_cohort):
    with pytest.raises(CohortError, match=r"patient-\d-nodule-0 in .* vanishes .* 14 x 14 mm: choose a finer slices"):
        open_source(nodule_cohort, "validation", WorkingGridSettings(spacing_mm=[2.5, 14, 14]), 0.5)


def test_scans_without_lesions_are_all_lung_patches(lungs_without_lesions):
    source, _ = open_source(lungs_without_lesions, "train", None, 0.5)
    assert isinstance(source, ScanSource) and not source.lesions and len(source) == 10


def test_the_first_cohort_keeps_its_patches_and_the_others_have_their_shares(
    slice_cohort, nodule_cohort, lungs_without_lesions
):
    alone = NoduleSlices(str(slice_cohort), "train", patch_size=32)
    also = further((nodule_cohort, 0.5), (lungs_without_lesions, 0.25))
    together = NoduleSlices(str(slice_cohort), "train", patch_size=32, also=also)
    assert len(alone) == 60 and len(together) == 60 + 120 + 60
    for index in (3, 45):
        for key in ("img", "label"):
            assert np.array_equal(alone[index][key], together[index][key])
    labels = [together[index]["label"] for index in range(len(together))]
    assert np.mean([(label == 1).any() for label in labels[60:180]]) > 0.6  # the ends of nodules show none
    assert not any((label == 1).any() for label in labels[180:])
    assert any((label == 255).any() for label in labels[180:])
    assert not any((label == 255).any() for label in labels[:180])


def test_nodules_first_and_alone(nodule_cohort):
    data = NoduleSlices(str(nodule_cohort), "train", slices=FINE, patch_size=32)
    assert len(data) == 3 and data.slice_settings.spacing_mm == [2.0, 0.7, 0.7]
    assert data[0]["img"].shape == (3, 32, 32)


def test_validation_shows_every_slice_of_a_nodule(nodule_cohort):
    data = NoduleSlices(str(nodule_cohort), "val", slices=FINE, slices_per_scan=2)
    assert [len(group) for group in data.indices_by_scan()] == [5, 5]
    labels = np.concatenate([data[index]["label"] for index in data.indices_by_scan()[1]])
    assert np.array_equal(labels == 1, read_nodules(nodule_cohort, "validation")[1].majority)


def test_a_cohort_of_no_lesions_can_not_be_the_first(lungs_without_lesions):
    with pytest.raises(CohortError, match="has no lesion in its train scans"):
        NoduleSlices(str(lungs_without_lesions), "train")


def test_a_further_cohort_of_another_grid_is_refused(nodule_cohort, slice_cohort):
    with pytest.raises(CohortError, match=r"were made with \(.*2\.5.*, the run asks for \(.*0\.7.*prepare the cohort"):
        NoduleSlices(str(nodule_cohort), "train", slices=FINE, also=further((slice_cohort, 0.5)))


@pytest.mark.parametrize(
    "also, reason",
    [
        ([("b", 0.6), ("c", 0.4)], "sum to 1 and leave nothing of the first cohort"),
        ([("a", 0.5)], "named twice"),
        ([("b", 0.0)], "greater than 0"),
    ],
)
def test_shares_that_cannot_be_are_refused(also, reason):
    with pytest.raises(ValidationError, match=reason):
        TrainDatasetSettings(type="NoduleSlices", dataset_root="a", mode="train", also=further(*also))


def test_nodules_are_set_into_aerated_lung_as_often_as_asked(nodule_cohort, lungs_without_lesions):
    nodules, _ = open_source(nodule_cohort, "train", GRID, 0.5)
    scans, _ = open_source(lungs_without_lesions, "train", None, 0.5)
    source = SetInSource(scans, nodules, 0.25)
    places = [source.place(seed % len(source), np.random.default_rng(seed)) for seed in range(400)]
    with_nodule = [place for place in places if place.set_in]
    assert len(with_nodule) / len(places) == pytest.approx(0.25, abs=0.07)
    assert all((place.stack.hu[place.index][place.target] < AERATED_HU).all() for place in with_nodule)
    assert all(place.set_in.stack.lesions[place.set_in.index].any() for place in with_nodule)
    assert len({id(place.set_in.stack) for place in with_nodule}) == 3  # every nodule of the training


def test_what_is_set_in_is_the_nodule_and_its_contour(nodule_cohort):
    nodules, _ = open_source(nodule_cohort, "train", GRID, 0.5)
    drawn = nodules.slice_with_nodule(np.random.default_rng(0))
    (marked,) = [n.readers > 0 for n in read_nodules(nodule_cohort, "train") if np.array_equal(n.hu, drawn.stack.hu)]
    assert not (marked & ~drawn.own).any()
    one_row = marked.any(axis=(0, 2)).nonzero()[0], drawn.own.any(axis=(0, 2)).nonzero()[0]
    assert one_row[1].min() == one_row[0].min() - 1 and one_row[1].max() == one_row[0].max() + 1
    assert np.array_equal(marked.any(axis=(1, 2)), drawn.own.any(axis=(1, 2)))  # not above or below


def test_the_opacity_is_drawn_down_to_the_least(nodule_cohort, lungs_without_lesions):
    nodules, _ = open_source(nodule_cohort, "train", GRID, 0.5)
    scans, _ = open_source(lungs_without_lesions, "train", None, 0.5)
    for least, spread in ((1.0, (1.0, 1.0)), (0.2, (0.2, 1.0))):
        source = SetInSource(scans, nodules, 1.0, least)
        drawn = [source.place(0, np.random.default_rng(seed)).set_in.opacity for seed in range(200)]
        assert (min(drawn), max(drawn)) == pytest.approx(spread, abs=0.02)


def test_patches_with_nodules_set_in(nodule_cohort, lungs_without_lesions):
    also = [{"dataset_root": str(lungs_without_lesions), "share": 0.5, "set_in": 0.99}]
    data = NoduleSlices(str(nodule_cohort), "train", slices=COARSE, patch_size=32, also=also)
    labels = [data.sample(3, np.random.default_rng(seed))["label"] for seed in range(20)]
    assert np.mean([(label == 1).any() for label in labels]) > 0.8
    without = NoduleSlices(str(nodule_cohort), "train", slices=COARSE, patch_size=32, also=[{**also[0], "set_in": 0.0}])
    assert not any((without.sample(3, np.random.default_rng(seed))["label"] == 1).any() for seed in range(20))


@pytest.mark.parametrize("first, second", [("slice", "lungs"), ("nodule", "nodule")])
def test_nodules_are_set_into_scans_only(
    first, second, slice_cohort, nodule_cohort, lungs_without_lesions, write_nodules_to, tmp_path
):
    roots = {"slice": slice_cohort, "nodule": nodule_cohort, "lungs": lungs_without_lesions}
    other = write_nodules_to(tmp_path) if first == second else roots[second]
    also = [{"dataset_root": str(other), "share": 0.5, "set_in": 0.5}]
    with pytest.raises(CohortError, match=r"set_in of .* sets single nodules of the first cohort .* into scans"):
        NoduleSlices(str(roots[first]), "train", slices=COARSE, also=also)


def test_nodules_that_are_not_solid_are_shown_as_often_as_asked(nodule_cohort, tmp_path):
    root = shutil.copytree(nodule_cohort, tmp_path / "cohort")
    table = pd.read_csv(root / "nodules.csv")
    first = table.index[table["split"] == "train"][0]
    table["texture_mean"] = table["texture_mean"].astype(float)
    table.loc[table["split"] == "train", "texture_mean"] = SOLID_TEXTURE
    table.loc[first, "texture_mean"] = 2.0
    table.to_csv(root / "nodules.csv", index=False)
    source, _ = open_source(root, "train", GRID, 0.5, faint_times=4)
    rng = np.random.default_rng(0)
    shown = [source.stacks.index(source.place(index, rng).stack) for index in range(len(source))]
    assert [shown.count(number) for number in range(3)] == [4, 1, 1]
    drawn = [source.slice_with_nodule(rng).stack is source.stacks[0] for _ in range(600)]
    assert np.mean(drawn) == pytest.approx(4 / 6, abs=0.06)
