"""The plain lung mask and SimpleITK's reading are what the package's are set beside; speed itself is not tested."""

import numpy as np
import pytest

from lung_ssp.benchmark import lungs
from lung_ssp.benchmark.lungs import benchmark_lungs, plain_lungs
from lung_ssp.benchmark.reading import benchmark_reading
from lung_ssp.ct.parenchyma import segment_lungs
from lung_ssp.ct.series import read_series
from lung_ssp.ct.settings import ParenchymaSettings
from lung_ssp.errors import LungSspError, SeriesError

pytest.importorskip("skimage", reason="the plain lung mask needs scikit-image")


def test_both_recipes_give_equal_masks_both_ways(series):
    figures = benchmark_lungs(series, repeats=1)
    assert figures["shape_zyx"] == list(read_series(series).shape)
    assert list(figures["recipes"]) == ["paper", "lesion_preserving"]
    for times in figures["recipes"].values():
        (package,), (plain,) = times["seconds"], times["plain_seconds"]
        assert times["times_as_fast"] == pytest.approx(plain / package, rel=0.05, abs=0.02)


def test_the_plain_recipes_differ_from_one_another(series):
    volume = read_series(series)
    paper, preserving = (plain_lungs(volume, ParenchymaSettings(recipe=recipe)) for recipe in lungs.RECIPES)
    assert np.any(paper != preserving)


def test_masks_that_differ_are_never_timed(series, monkeypatch):
    def wrong(volume, settings):
        mask = segment_lungs(volume, settings).mask
        mask[0, 0, 0] ^= True
        return mask

    monkeypatch.setattr(lungs, "plain_lungs", wrong)
    with pytest.raises(LungSspError, match=r"differ in 1 voxels \(paper\)"):
        benchmark_lungs(series, repeats=1)


def test_reading_is_timed_both_ways(series):
    figures = benchmark_reading(series, repeats=3)
    assert len(figures["seconds"]) == len(figures["simpleitk_seconds"]) == 3
    ratio = sorted(figures["seconds"])[1] / sorted(figures["simpleitk_seconds"])[1]
    assert figures["times_its_time"] == pytest.approx(ratio, rel=0.1, abs=0.02)


def test_a_series_that_cannot_be_read_is_told(tmp_path):
    with pytest.raises(SeriesError, match="holds no CT slice"):
        benchmark_reading(tmp_path, repeats=1)
