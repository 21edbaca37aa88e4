"""The pictures of findings: outlines where the lesion is, true proportions, bars as long as the probabilities."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from lung_ssp.cohort.classes import CLASS_NAMES
from lung_ssp.ct.lesion import Candidate, Lesion, lesion_from_mask
from lung_ssp.ct.volume import Volume
from lung_ssp.diagnosis import figures
from lung_ssp.diagnosis.figures import (
    DETAIL_MM,
    OUTLINE,
    TASK_COLOURS,
    DetailPanel,
    Overview,
    ProbabilityPanel,
    SlicePanel,
    lesion_outline,
    outlines,
    save_overviews,
)
from lung_ssp.diagnosis.finding import Finding
from lung_ssp.figures import Redrawing, new_figure

SIDE = 280  # pixels of a panel
SPACING = (2.5, 0.8, 1.0)
SHAPE = (40, 110, 100)
MIDDLE = (20, 50, 60)
LEARNT = {"score": "a SYNTHETIC cohort (a)", "image": "REAL patients (b)", "pathology": "REAL patients (b)"}


def ball(centre: tuple[int, int, int] = MIDDLE, radius_mm: float = 10.0) -> np.ndarray:
    """A ball around a voxel of a scan of SHAPE, bool (z, y, x)."""
    z, y, x = ((np.arange(size) - middle) * step for size, middle, step in zip(SHAPE, centre, SPACING, strict=True))
    return z[:, None, None] ** 2 + y[:, None] ** 2 + x**2 <= radius_mm**2


def scan(inside: np.ndarray) -> Volume:
    """Soft tissue in air."""
    return Volume(np.where(inside, 30, -850).astype(np.int16), SPACING, origin=(-40.0, 20.0, 7.0))


def finding(volume: Volume, lesion: Lesion, number: int = 1, seed: int = 0) -> Finding:
    random = np.random.default_rng(seed)
    probabilities = {task: random.dirichlet(np.ones(9)) for task in ("image", "pathology")}
    section = random.random((28, 28), dtype=np.float32)
    names = {"image": CLASS_NAMES, "pathology": CLASS_NAMES}
    return Finding(number, Candidate(lesion, 0.9, 30.0), section, probabilities, names)


def panel_axes() -> tuple[Figure, Axes]:
    """Axes that fill a figure of SIDE x SIDE pixels."""
    figure = new_figure(SIDE / 100, SIDE / 100, constrained=False, dots_per_inch=100)
    return figure, figure.add_axes((0, 0, 1, 1))


def coloured(pixels: np.ndarray, colour: str, tolerance: float = 0.15) -> np.ndarray:
    """Which pixels have a colour, bool (rows, columns)."""
    return (np.abs(pixels / 255 - to_rgb(colour)) < tolerance).all(axis=-1)


def test_the_outline_of_one_pixel_is_halfway_to_its_neighbours() -> None:
    mask = np.zeros((4, 5), bool)
    mask[1, 3] = True
    (line,) = outlines(mask, first_row=10, first_column=20)
    assert {tuple(point) for point in line} == {(23, 10.5), (23.5, 11), (23, 11.5), (22.5, 11)}
    assert outlines(np.zeros((4, 5), bool)) == []


def test_a_ring_has_two_outlines_and_a_plane_beside_the_lesion_none() -> None:
    voxels = np.ones((3, 5, 5), bool)
    voxels[1, 2, 2] = False
    mask = np.zeros(SHAPE, bool)
    mask[20:23, 50:55, 60:65] = voxels
    lesion = lesion_from_mask(mask, scan(mask))
    assert [len(lesion_outline(lesion, 0, z)) for z in (19, 20, 21, 22, 23)] == [0, 1, 2, 1, 0]
    assert [len(lesion_outline(lesion, 2, x)) for x in (59, 60, 62, 65)] == [0, 1, 2, 0]
    x, y = lesion_outline(lesion, 0, 20)[0].T
    assert (x.min(), x.max(), y.min(), y.max()) == (59.5, 64.5, 49.5, 54.5)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_ball_is_a_circle_around_the_middle_in_every_plane(axis: int) -> None:
    """Though its voxels are 2.5 x 0.8 x 1 mm; the outline runs along the border of what is bright."""
    mask = ball()
    volume = scan(mask)
    figure, axes = panel_axes()
    panel = DetailPanel(axes, volume, axis)
    panel.set(lesion_from_mask(mask, volume), MIDDLE)
    pixels = Redrawing(figure, panel.changing).pixels()
    border = np.argwhere(coloured(pixels, OUTLINE))
    radii = np.linalg.norm(border - (SIDE - 1) / 2, axis=1) * DETAIL_MM / SIDE
    assert len(border) > 100
    assert np.abs(radii - 10).max() < 1.5  # a slice is 2.5 mm thick
    grey = pixels[SIDE // 2, SIDE // 2], pixels[SIDE // 2, SIDE // 2 + SIDE // 4]  # within, and 17.5 mm beside it
    assert [int(shade[0]) for shade in grey] == [235, 85]  # 30 and -850 HU between -1350 and 150


def test_the_head_is_above_and_the_back_below() -> None:
    """Of a scan whose upper half is bright; and of one whose half towards the back is."""
    mask = ball()
    lesion = lesion_from_mask(mask, scan(mask))
    upper, back = np.zeros(SHAPE, bool), np.zeros(SHAPE, bool)
    upper[MIDDLE[0] + 1 :] = True
    back[:, MIDDLE[1] + 1 :] = True
    for bright, axis, bright_above in ((upper, 1, True), (upper, 2, True), (back, 0, False)):
        figure, axes = panel_axes()
        panel = DetailPanel(axes, scan(bright), axis)
        panel.set(lesion, MIDDLE)
        grey = Redrawing(figure, panel.changing).pixels()[:, SIDE // 8].mean(axis=1)  # beside the lesion
        assert bool(grey[: SIDE // 3].mean() > grey[-SIDE // 3 :].mean()) is bright_above


def test_what_is_cut_away_of_a_plane_is_not_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the middle and at an edge of the scan, beside which the panel is empty."""
    volume = Volume(np.random.default_rng(0).integers(-1000, 300, SHAPE, dtype=np.int16), SPACING)
    for centre in (MIDDLE, (1, 3, 97)):
        lesion = lesion_from_mask(ball(centre), volume)
        for axis in range(3):
            pictures = []
            for beyond in (figures.BEYOND, 1000):
                monkeypatch.setattr(figures, "BEYOND", beyond)
                figure, axes = panel_axes()
                panel = DetailPanel(axes, volume, axis)
                panel.set(lesion, centre)
                pictures.append(Redrawing(figure, panel.changing).pixels())
                monkeypatch.undo()
            np.testing.assert_array_equal(*pictures)


def test_the_whole_slice_shows_where_the_lesion_is() -> None:
    mask = ball()
    volume = scan(mask)
    figure, axes = panel_axes()
    panel = SlicePanel(axes, volume)
    panel.set(np.zeros(SHAPE[1:], bool), lesion_from_mask(mask, volume), MIDDLE)
    pixels = Redrawing(figure, panel.changing).pixels()
    rows, columns = np.nonzero(coloured(pixels, OUTLINE))
    middle = (columns.min() + columns.max() + 1) / 2, SIDE - (rows.min() + rows.max() + 1) / 2  # y runs upwards
    assert axes.transData.inverted().transform(middle) == pytest.approx((MIDDLE[2], MIDDLE[1]), abs=0.5)


def test_bars_are_as_long_as_the_probabilities() -> None:
    volume = scan(ball())
    one = finding(volume, lesion_from_mask(ball(), volume))
    figure, axes = panel_axes()
    panel = ProbabilityPanel(axes, one, LEARNT)
    drawing = Redrawing(figure, panel.changing)
    for seed in (0, 1):
        other = finding(volume, one.candidate.lesion, seed=seed)
        panel.set(other)
        pixels = drawing.pixels()
        for task, colour in TASK_COLOURS.items():
            lengths = coloured(pixels, colour).sum(axis=1)
            tops = np.flatnonzero(np.diff((lengths > 3).astype(int), prepend=0) == 1)
            seen = [float(lengths[top + 3]) / SIDE for top in tops]  # from the first class, at the top, to the last
            expected = [float(value) for value in other.probabilities[task] if value > 5 / SIDE]
            assert seen == pytest.approx(expected, abs=2 / SIDE)


def test_a_picture_does_not_depend_on_those_before_it(tmp_path: Path) -> None:
    masks = [ball(), ball((1, 3, 97), 4.0), ball((30, 80, 20), 15.0)]
    volume = scan(np.logical_or.reduce(masks))
    lungs = np.zeros(SHAPE, bool)
    lungs[:, 10:100, 5:95] = True
    found = [finding(volume, lesion_from_mask(mask, volume), k + 1, k) for k, mask in enumerate(masks)]
    save_overviews(found, volume, lungs, "Research use only.", tmp_path, LEARNT)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"finding-0{k}.png" for k in (1, 2, 3)]
    pictures = []
    for one in found:
        with Image.open(tmp_path / one.figure_name) as picture:
            assert picture.size == (1280, 608) and picture.text == {"Description": "Research use only."}
            pictures.append(np.asarray(picture))
        by_itself = Overview(volume, lungs, "Research use only.", one, LEARNT).pixels(one)
        np.testing.assert_array_equal(by_itself, pictures[-1])
    assert (pictures[0] != pictures[1]).any() and (pictures[1] != pictures[2]).any()
    assert coloured(pictures[0][:50], "#b00020").sum() > 20  # the notice, across the top


@pytest.mark.parametrize("count", [1, 5])
def test_a_picture_that_cannot_be_written_ends_the_drawing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    def refuse(pixels: np.ndarray, path: Path, notice: str) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(figures, "write_picture", refuse)
    volume = scan(ball())
    found = [finding(volume, lesion_from_mask(ball(), volume), k + 1, k) for k in range(count)]
    with pytest.raises(OSError, match=r"No space left on device: .*finding-01\.png"):
        save_overviews(found, volume, ball(), "a notice", tmp_path, LEARNT)


def test_no_findings_no_pictures(tmp_path: Path) -> None:
    save_overviews([], scan(ball()), ball(), "a notice", tmp_path, LEARNT)
    assert list(tmp_path.iterdir()) == []
