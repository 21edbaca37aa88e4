"""Scans of Hounsfield units in one file."""

import numpy as np
import pytest
import SimpleITK as sitk

from lung_ssp.ct.series import open_series, read_series
from lung_ssp.ct.volume import Volume
from lung_ssp.errors import SeriesError

SPACING, ORIGIN = (2.0, 0.5, 0.5), (-10.0, 20.0, 30.0)


@pytest.fixture
def volume():
    hu = np.random.default_rng(0).integers(-1000, 400, (6, 7, 8)).astype(np.int16)
    return Volume(hu, SPACING, ORIGIN)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".mha", ".nrrd"])
def test_a_volume_is_read_from_every_format(volume, tmp_path, suffix):
    path = tmp_path / f"ct{suffix}"
    sitk.WriteImage(sitk.DICOMOrient(volume.to_image(), "RAS"), str(path))
    read = read_series(path)
    np.testing.assert_array_equal(read.hu, volume.hu)
    np.testing.assert_allclose(read.spacing, SPACING, atol=1e-5)
    np.testing.assert_allclose(read.origin, ORIGIN, atol=1e-4)
    np.testing.assert_allclose(read.direction, volume.direction, atol=1e-6)


def test_fractions_become_whole_hounsfield_units_and_other_values_are_refused(volume, tmp_path):
    path = tmp_path / "ct.mha"
    sitk.WriteImage(sitk.Cast(volume.to_image(), sitk.sitkFloat32) + 0.3, str(path))
    np.testing.assert_array_equal(read_series(path).hu, volume.hu)
    for wrong in (volume.to_image() + 1000, sitk.Cast(volume.to_image(), sitk.sitkFloat32) * 1e4):
        sitk.WriteImage(wrong, str(path))
        with pytest.raises(SeriesError, match="no Hounsfield units"):
            read_series(path)


def test_a_volume_file_has_slices_without_files_and_no_series_uid(volume, tmp_path, refused):
    path = tmp_path / "CT.NII.GZ"
    sitk.WriteImage(volume.to_image(), str(tmp_path / "ct.nii.gz"))
    (tmp_path / "ct.nii.gz").rename(path)
    series = open_series(str(path))
    assert len(series.slices) == 6 and {reference.path for reference in series.slices} == {None}
    assert series.corrections == ()
    message = refused(open_series, path, "1.2.3", reason="not found")
    assert message.startswith(str(path)) and "leave the UID 1.2.3 out" in message


def test_files_that_hold_no_scan_are_told(tmp_path, refused):
    (tmp_path / "broken.nrrd").write_text("no image")
    sitk.WriteImage(sitk.Image(4, 4, sitk.sitkUInt8), str(tmp_path / "flat.mha"))
    for name, reason, what in (
        ("broken.nrrd", "damaged", "it is damaged or of another format"),
        ("none.nrrd", "not found", "there is no such file"),
        ("flat.mha", "foreign file", "2 dimensions and 1 values"),
    ):
        message = refused(read_series, tmp_path / name, reason=reason)
        assert message.startswith(str(tmp_path / name)) and what in message
