"""Pictures: outlines where they belong, and PNG files that can be read."""

import cv2
import numpy as np

from lung_ssp.ct.volume import Volume
from lung_ssp.segmentation.figures import FOUND, TRUTH, outlined, save_nodule_figure, save_scan_figure


def test_outlines_run_along_the_inside_of_the_mask():
    image = np.full((6, 7), 0.5)
    mask = np.zeros((6, 7), bool)
    mask[1:4, 2:5] = True
    picture = outlined(image, {TRUTH: mask}, zoom=3)
    assert picture.shape == (18, 21, 3) and picture.dtype == np.uint8
    green = (picture == TRUTH).all(axis=2)
    expected = np.zeros((18, 21), bool)
    expected[3:12, 6:15] = True
    expected[4:11, 7:14] = False
    assert np.array_equal(green, expected)
    assert (picture[~green] == 128).all()


def test_values_beyond_the_window_are_black_and_white():
    assert outlined(np.array([[-1.0, 2.0]]), {}, zoom=1)[0, :, 0].tolist() == [0, 255]


def shows(path, colour) -> bool:
    picture = cv2.imread(str(path))[..., ::-1].astype(int)
    return bool((np.abs(picture - colour).sum(axis=2) < 60).any())


def test_a_scan_and_nodules_are_written_as_png(tmp_path):
    rng = np.random.default_rng(0)
    volume = Volume(rng.integers(-900, 100, (6, 40, 50), dtype=np.int16), (2.5, 1.4, 1.4))
    lesions = np.zeros(volume.shape, np.uint8)
    lesions[2:4, 10:20, 10:20] = 1
    found = np.zeros(volume.shape, bool)
    found[1:4, 15:30, 15:30] = True
    save_scan_figure(tmp_path / "scan.png", volume, lesions, found, [-1000, 400], "a caption")
    save_nodule_figure(
        tmp_path / "nodules.png", volume.hu[None], (lesions > 0)[None], found[None], [-1000, 400], "real"
    )
    for name in ("scan.png", "nodules.png"):
        assert shows(tmp_path / name, TRUTH) and shows(tmp_path / name, FOUND)


def test_a_scan_without_lesions_and_result_is_still_a_picture(tmp_path):
    volume = Volume(np.zeros((3, 20, 20), np.int16), (2.5, 1.4, 1.4))
    nothing = np.zeros(volume.shape, np.uint8)
    save_scan_figure(tmp_path / "empty.png", volume, nothing, nothing > 0, [-1000, 400], "a caption")
    assert cv2.imread(str(tmp_path / "empty.png")) is not None
