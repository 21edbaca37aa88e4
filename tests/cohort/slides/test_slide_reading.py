"""Reading DICOM-WSI: places, scales and colours, and what is refused."""

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pydicom
import pytest
from openslide import OpenSlide
from pydicom.encaps import encapsulate

from lung_ssp.cohort.slides.reading import _level, open_slide
from lung_ssp.errors import SlideError

JPEG_ERROR = 8  # grey values, away from edges


def test_the_pyramid_has_its_sizes_and_scales(make_slide: Callable[..., Path], picture: np.ndarray) -> None:
    with open_slide(make_slide(picture, mpp=0.5)) as slide:
        assert [level.size for level in slide.levels] == [(600, 400), (150, 100)]
        assert [level.mpp for level in slide.levels] == pytest.approx([0.5, 2.0])
        assert [slide.level_for(mpp) for mpp in (0.5, 1.9, 2.0, 30.0)] == [0, 0, 1, 1]
        with pytest.raises(SlideError, match=r"finest level has 0\.5 micrometres"):
            slide.level_for(0.25)


def test_what_is_read_stands_where_it_was_written(slide_folder: Path, picture: np.ndarray) -> None:
    with open_slide(slide_folder) as slide:
        part = slide.read(0, (300, 60), (80, 50))
        coarse = slide.read(1, (16, 24), (64, 48))
    expected = picture[60:110, 300:380]
    assert part.shape == (50, 80, 3) and part.dtype == np.uint8
    away = np.ones((50, 80), bool)
    away[:, 12:28] = away[28:44] = False  # JPEG's own blocks about the edge of the tissue
    assert np.abs(part.astype(int) - expected)[away].max() <= JPEG_ERROR
    assert np.abs(part.astype(int) - expected).mean() < 3
    assert np.abs(coarse.astype(int) - (150, 70, 160))[2:-2, 2:-2].max() <= JPEG_ERROR  # nothing but tissue


def test_beyond_the_edge_is_white_glass(slide_folder: Path) -> None:
    with open_slide(slide_folder) as slide:
        part = slide.read(0, (-10, 390), (20, 20))
        far = slide.read(0, (700, 500), (4, 3))
    assert (part[:, :10] == 255).all() and (part[10:] == 255).all()
    assert (part[:9, 10:] != 255).any()
    assert far.shape == (3, 4, 3) and (far == 255).all()


def test_openslide_sees_the_same_slide(slide_folder: Path) -> None:
    with open_slide(slide_folder) as slide, OpenSlide(str(slide_folder / "level-0.dcm")) as other:
        assert other.level_dimensions == tuple(level.size for level in slide.levels)
        assert float(other.properties["openslide.mpp-x"]) == pytest.approx(slide.levels[0].mpp)
        for level, (x, y) in enumerate([(40, 80), (10, 20)]):
            step = round(other.level_downsamples[level])
            theirs = np.asarray(other.read_region((x * step, y * step), level, (90, 60)))[:, :, :3]
            assert np.abs(slide.read(level, (x, y), (90, 60)).astype(int) - theirs).mean() < 1


def test_a_folder_without_a_slide_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SlideError, match="is not a folder"), open_slide(tmp_path / "none"):
        pass
    (tmp_path / "note.txt").write_text("no slide")
    with pytest.raises(SlideError, match="holds no readable pathology slide"), open_slide(tmp_path):
        pass


def test_two_slides_in_one_folder_are_refused(
    make_slide: Callable[..., Path], slide_folder: Path, picture: np.ndarray, tmp_path: Path
) -> None:
    folder = tmp_path / "two"
    shutil.copytree(slide_folder, folder)
    for file in make_slide(picture, patient="PHANTOM-00002").iterdir():
        shutil.copy(file, folder / f"other-{file.name}")
    with pytest.raises(SlideError, match="more than one slide"), open_slide(folder):
        pass


@pytest.mark.parametrize("kept", [300, 2000])
def test_a_damaged_level_is_not_passed_over(slide_folder: Path, tmp_path: Path, kept: int) -> None:
    folder = tmp_path / "cut"
    shutil.copytree(slide_folder, folder)
    whole = (folder / "level-0.dcm").read_bytes()
    (folder / "level-0.dcm").write_bytes(whole[:kept])
    with pytest.raises(SlideError, match="download it again"), open_slide(folder):
        pass


def test_other_files_beside_a_slide_do_no_harm(slide_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "with a note"
    shutil.copytree(slide_folder, folder)
    (folder / "LICENSE").write_text("CC BY")
    with open_slide(folder) as slide:
        assert len(slide.levels) == 2


def changed(folder: Path, tmp_path: Path, change: Callable[[pydicom.Dataset], None]) -> Path:
    """A copy of a slide with the files of all levels changed."""
    copy = tmp_path / "changed"
    shutil.copytree(folder, copy)
    for file in copy.iterdir():
        dataset = pydicom.dcmread(file)
        change(dataset)
        dataset.save_as(file)
    return copy


def test_a_slide_without_a_scale_is_refused(slide_folder: Path, tmp_path: Path) -> None:
    def without_scale(dataset: pydicom.Dataset) -> None:
        del dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence

    with pytest.raises(SlideError), open_slide(changed(slide_folder, tmp_path, without_scale)):
        pass


def test_pixels_that_are_not_square_are_refused(slide_folder: Path, tmp_path: Path) -> None:
    def oblong(dataset: pydicom.Dataset) -> None:
        measures = dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
        measures.PixelSpacing = [measures.PixelSpacing[0] * 2, measures.PixelSpacing[1]]

    with pytest.raises(SlideError, match="not square"), open_slide(changed(slide_folder, tmp_path, oblong)):
        pass


def test_damaged_pixels_are_told_in_one_sentence(slide_folder: Path, tmp_path: Path) -> None:
    def damaged(dataset: pydicom.Dataset) -> None:
        dataset.PixelData = encapsulate([b"\x00\x01" * 8] * int(dataset.NumberOfFrames))

    with (
        pytest.raises(SlideError, match="cannot be decoded"),
        open_slide(changed(slide_folder, tmp_path, damaged)) as slide,
    ):
        slide.read(0, (0, 0), (10, 10))


@pytest.mark.parametrize(
    ("width", "mpp"),
    [(10, 0.001), (4_000_000_000, 0.25), (10, 1e6), (0, 1.0)],
)
def test_a_slide_that_no_glass_holds_is_refused(tmp_path: Path, width: int, mpp: float) -> None:
    level = SimpleNamespace(
        level=0, size=SimpleNamespace(width=width, height=10), mpp=SimpleNamespace(width=mpp, height=mpp)
    )
    with pytest.raises(SlideError, match="which no glass has: download it again, or leave it out"):
        _level(tmp_path, level)


def test_a_slide_without_the_size_of_its_pixels_is_refused(tmp_path: Path) -> None:
    level = SimpleNamespace(level=0, size=None, mpp=SimpleNamespace(width=1.0, height=1.0))
    with pytest.raises(SlideError, match="does not say how large its pixels are"):
        _level(tmp_path, level)
