"""The plain lung mask is what the package's is set beside; speed itself is not tested."""

import sys
from pathlib import Path

import numpy as np
import pytest

import lungs
from lung_ssp.ct.parenchyma import segment_lungs
from lung_ssp.ct.series import read_series
from lung_ssp.ct.settings import ParenchymaSettings
from lung_ssp.ct.volume import Volume
from lung_ssp.errors import EnvironmentProblem, LungSspError
from lungs import RECIPES, compare_lungs
from plain_lungs import plain_lungs


def test_a_missing_library_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(EnvironmentProblem, match="pip install scikit-image"):
        compare_lungs(tmp_path, repeats=1)


def test_both_recipes_give_equal_masks_both_ways(series: Path) -> None:
    pytest.importorskip("skimage", reason="the plain lung mask needs scikit-image")
    compared = compare_lungs(series, repeats=1)
    assert compared.shape_zyx == read_series(series).shape
    assert [times.recipe for times in compared.recipes] == ["paper", "lesion_preserving"]
    for times in compared.recipes:
        (package,), (plain,) = times.seconds, times.plain_seconds
        assert times.times_as_fast == pytest.approx(plain / package, rel=0.05, abs=0.02)


def test_the_plain_recipes_differ_from_one_another(series: Path) -> None:
    pytest.importorskip("skimage", reason="the plain lung mask needs scikit-image")
    volume = read_series(series)
    paper, preserving = (plain_lungs(volume, ParenchymaSettings(recipe=recipe)) for recipe in RECIPES)
    assert np.any(paper != preserving)


def test_masks_that_differ_are_never_timed(series: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("skimage", reason="the plain lung mask needs scikit-image")

    def wrong(volume: Volume, settings: ParenchymaSettings) -> np.ndarray:
        mask = segment_lungs(volume, settings).mask
        mask[0, 0, 0] ^= True
        return mask

    monkeypatch.setattr(lungs, "plain_lungs", wrong)
    with pytest.raises(LungSspError, match=r"differ in 1 voxels \(paper\)"):
        compare_lungs(series, repeats=1)
