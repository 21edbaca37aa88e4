"""Slices as JPEG: both windows can be shown from them, and they do not become too many bytes."""

import cv2
import numpy as np
import pytest

from lung_ssp.ct.volume import window
from lung_ssp.diagnosis.report import images
from lung_ssp.diagnosis.report.images import HU_OF_LEVELS, QUALITIES, encode_slices, grey_levels, jpeg
from lung_ssp.diagnosis.report.pictures import WINDOWS_HU


def hu_of(levels: np.ndarray) -> np.ndarray:
    """What grey levels stand for, in HU, as the page computes it."""
    at, hu = zip(*HU_OF_LEVELS, strict=True)
    return np.interp(levels, at, hu)


def test_levels_of_known_hu() -> None:
    hu = np.array([-32768, -2000, -1350, -755, -160, 40, 240, 3071, 32767], np.int16)
    assert grey_levels(hu).tolist() == [0, 0, 0, 60, 119, 187, 255, 255, 255]


@pytest.mark.parametrize("name", WINDOWS_HU)
def test_a_level_is_less_than_two_shades_of_the_screen(name: str) -> None:
    hu = np.arange(-1400, 400, dtype=np.int16)
    shown = window(hu_of(grey_levels(hu)), WINDOWS_HU[name]) * 255
    assert np.abs(shown - window(hu, WINDOWS_HU[name]) * 255).max() < 1


def test_a_slice_comes_back_from_its_jpeg() -> None:
    """Smooth contents within a few HU, in the layout of the scan: its rows and columns differ."""
    hu = np.tile(np.linspace(-1000, 200, 48).astype(np.int16), (3, 32, 1))
    encoded = encode_slices(hu)
    assert len(encoded) == 3
    back = cv2.imdecode(np.frombuffer(encoded[1], np.uint8), cv2.IMREAD_GRAYSCALE)
    assert back.shape == (32, 48)
    assert np.abs(hu_of(back) - hu[1]).max() < 25


def test_noise_lowers_the_quality_until_the_slices_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    hu = np.random.default_rng(0).integers(-1000, 200, (8, 64, 64), dtype=np.int16)
    qualities: list[int] = []
    monkeypatch.setattr(images, "jpeg", lambda plane, quality: qualities.append(quality) or jpeg(plane, quality))
    encode_slices(np.zeros_like(hu))
    assert set(qualities) == {QUALITIES[0]}
    qualities.clear()
    encode_slices(hu)
    assert qualities[-8:] == [QUALITIES[-1]] * 8
    assert qualities[:-8] == [quality for quality in QUALITIES[:-1] for _ in range(8)]
    qualities.clear()
    monkeypatch.setattr(images, "MOST_BYTES", 10)
    encode_slices(np.zeros_like(hu))
    assert qualities[-1] == QUALITIES[-1]


def test_the_same_slices_have_the_same_bytes() -> None:
    hu = np.random.default_rng(1).integers(-1000, 200, (4, 40, 40), dtype=np.int16)
    assert encode_slices(hu) == encode_slices(hu.copy())
    assert encode_slices(hu[:, ::-1]) != encode_slices(hu)
