"""A synthetic slide's DICOM files: what they say of themselves (what readers see: tests/cohort/slides)."""

from pathlib import Path

import numpy as np
import pydicom
import pytest

from lung_ssp.cohort.phantom.slide_dicom import write_slide


@pytest.fixture
def levels(tmp_path: Path) -> list[pydicom.Dataset]:
    pixels = np.random.default_rng(0).integers(0, 255, (300, 520, 3)).astype(np.uint8)
    write_slide(tmp_path / "slide", pixels, 0.5, "PHANTOM-00007", "key")
    return [pydicom.dcmread(path) for path in sorted((tmp_path / "slide").iterdir())]


def test_a_pyramid_of_two_tiled_levels(levels: list[pydicom.Dataset]) -> None:
    assert [(level.TotalPixelMatrixColumns, level.TotalPixelMatrixRows) for level in levels] == [(520, 300), (130, 75)]
    assert [int(level.NumberOfFrames) for level in levels] == [3 * 2, 1]
    spacings = [
        [float(value) for value in level.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing]
        for level in levels
    ]
    assert spacings == [[0.0005, 0.0005], [0.002, 0.002]]
    for level in levels:
        assert level.SOPClassUID == pydicom.uid.VLWholeSlideMicroscopyImageStorage
        assert level.DimensionOrganizationType == "TILED_FULL"
        assert level.ImagedVolumeWidth == pytest.approx(0.26) and level.ImagedVolumeHeight == pytest.approx(0.15)


def test_every_file_says_that_it_is_synthetic(levels: list[pydicom.Dataset]) -> None:
    for level in levels:
        for text in (level.Manufacturer, level.StudyDescription, level.SeriesDescription):
            assert "synthetic" in text
        assert level.PatientID == "PHANTOM-00007"


def test_identifiers_are_of_one_slide_and_valid(levels: list[pydicom.Dataset]) -> None:
    assert len({level.SOPInstanceUID for level in levels}) == 2
    for name in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "PyramidUID"):
        (uid,) = {getattr(level, name) for level in levels}
        assert uid.is_valid
