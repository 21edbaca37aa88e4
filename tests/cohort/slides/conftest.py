"""Small slides with a known picture, as real DICOM-WSI files."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lung_ssp.cohort.phantom.slide_dicom import write_slide

GLASS, STAINED, INK = (244, 243, 245), (150, 70, 160), (60, 60, 60)


@pytest.fixture(scope="session")
def picture() -> np.ndarray:
    """White glass, 600 wide and 400 high, with stained tissue at x 64..320, y 96..288 and a line of black ink."""
    pixels = np.full((400, 600, 3), GLASS, np.uint8)
    pixels[96:288, 64:320] = STAINED
    pixels[320:384, 400:560] = INK
    return pixels


@pytest.fixture(scope="session")
def make_slide(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Writes a picture as a slide and gives its folder; 1 micrometre a pixel unless told."""

    def make(pixels: np.ndarray, mpp: float = 1.0, patient: str = "PHANTOM-00001") -> Path:
        folder = tmp_path_factory.mktemp("slides") / "slide"
        write_slide(folder, pixels, mpp, patient, "key")
        return folder

    return make


@pytest.fixture(scope="session")
def slide_folder(make_slide: Callable[..., Path], picture: np.ndarray) -> Path:
    """The slide of `picture`."""
    return make_slide(picture)
