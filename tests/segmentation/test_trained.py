"""A trained network at work on a scan."""

import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lung_ssp.ct.lesion import find_candidates
from lung_ssp.ct.parenchyma import segment_lungs
from lung_ssp.ct.series import read_series
from lung_ssp.ct.working_grid import lung_box
from lung_ssp.errors import CheckpointError
from lung_ssp.segmentation.trained import TrainedSegmenter, finder_of, load_segmenter


@pytest.fixture(scope="module")
def segmenter(runs: tuple[Path, Path]) -> TrainedSegmenter:
    return load_segmenter(runs[0])


def test_candidates_are_those_of_the_whole_scan(segmenter, series):
    volume = read_series(series)
    lungs = segment_lungs(volume, segmenter.settings.parenchyma).mask
    probability = segmenter.segment(volume, lungs).probability_in(volume.shape)
    highest = float(np.quantile(probability[lungs], 0.999))  # untrained weights find some things then
    nodules = segmenter.settings.nodules.model_copy(update={"threshold": highest, "min_diameter_mm": 0.0})
    chosen = replace(segmenter, settings=segmenter.settings.model_copy(update={"nodules": nodules}))
    expected = find_candidates(probability, volume, lungs, nodules)
    found = chosen.segment(volume, lungs).candidates
    assert len(found) == len(expected) > 1
    for one, other in zip(found, expected, strict=True):
        assert (one.lesion.box, one.lesion.slice_index, one.mean_hu) == (
            other.lesion.box,
            other.lesion.slice_index,
            other.mean_hu,
        )
        assert one.score == pytest.approx(other.score, abs=1e-6)
        assert np.array_equal(one.lesion.voxels, other.lesion.voxels)
        assert np.allclose(one.lesion.centre_mm, other.lesion.centre_mm, atol=1e-9)


def test_the_scan_is_segmented_within_the_box_of_its_lungs(segmenter, series):
    volume = read_series(series)
    lungs = segment_lungs(volume, segmenter.settings.parenchyma).mask
    segmentation = segmenter.segment(volume, lungs)
    box = segmentation.box
    assert box == lung_box(lungs, volume.spacing, segmenter.settings.slices.margin_mm)
    part = segmenter.segment(volume.crop(box), lungs[box])  # cropped to the lungs already: nothing more to crop
    whole = segmentation.probability_in(volume.shape)
    np.testing.assert_array_equal(whole[box], part.probability)
    assert np.count_nonzero(whole) == np.count_nonzero(part.probability) > 0 and not whole[~lungs].any()


def test_a_finder_travels_as_the_name_of_its_run_and_finds_the_same(runs, series):
    finder = pickle.loads(pickle.dumps(finder_of(runs[0])))
    volume = read_series(series)
    lungs = segment_lungs(volume, load_segmenter(runs[0]).settings.parenchyma).mask
    expected = load_segmenter(runs[0]).segment(volume, lungs).candidates
    found = finder(volume, lungs)
    assert [one.lesion.box for one in found] == [one.lesion.box for one in expected]
    assert len(pickle.dumps(finder)) < 1000


def test_a_run_that_changed_finds_nothing(runs, series, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(runs[0], run)
    before = finder_of(run)
    volume = read_series(series)
    lungs = np.ones(volume.shape, bool)
    (run / "config.yml").write_text((run / "config.yml").read_text() + "\n# retrained\n")
    assert finder_of(run) != before
    with pytest.raises(CheckpointError, match="has changed"):
        before(volume, lungs)
