"""Masks in files of several formats, orientations and grids."""

import itertools

import numpy as np
import pytest
import SimpleITK as sitk

from lung_ssp.cohort.annotations.masks import mask_onto, read_mask
from lung_ssp.ct.series import read_series
from lung_ssp.ct.volume import Volume
from lung_ssp.errors import CohortError

SPACING, ORIGIN = (2.0, 0.5, 0.5), (-10.0, 20.0, 30.0)
ORIENTATIONS = ["".join(axes) for one in itertools.permutations(("LR", "PA", "SI")) for axes in itertools.product(*one)]


@pytest.fixture
def volume():
    hu = np.random.default_rng(0).integers(-1000, 400, (6, 7, 8)).astype(np.int16)
    return Volume(hu, SPACING, ORIGIN)


def image_of(mask, spacing=SPACING, origin=ORIGIN):
    image = sitk.GetImageFromArray(mask.astype(np.uint8))
    image.SetSpacing(spacing[::-1])
    image.SetOrigin(origin)
    return image


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_the_same_grid_is_copied_in_every_orientation(volume, tmp_path, orientation):
    mask = np.random.default_rng(1).random(volume.shape) < 0.2
    path = tmp_path / "mask.nii.gz"
    sitk.WriteImage(sitk.DICOMOrient(image_of(mask), orientation), str(path))
    np.testing.assert_array_equal(read_mask(path, volume), mask)


def test_one_value_of_a_mask(volume, tmp_path):
    labels = np.zeros(volume.shape, np.uint8)
    labels[2, 3, 4], labels[5, 6, 7] = 1, 7
    sitk.WriteImage(image_of(labels), str(tmp_path / "mask.nrrd"))
    np.savez(tmp_path / "mask.npz", mask=labels)
    for name in ("mask.nrrd", "mask.npz"):
        np.testing.assert_array_equal(read_mask(tmp_path / name, volume, 7), labels == 7)
        np.testing.assert_array_equal(read_mask(tmp_path / name, volume), labels != 0)
        with pytest.raises(CohortError, match="no voxel of the lesion"):
            read_mask(tmp_path / name, volume, 3)


def test_another_grid_goes_by_coordinates(volume):
    fine = np.zeros((24, 14, 16), bool)
    fine[8:16, 4:10, 6:12] = True  # z 34..38, y 21..22.5, x -8.5..-7: the first voxel's centre lies at -0.375, -0.125
    image = image_of(fine, (0.5, 0.25, 0.25), (ORIGIN[0] - 0.125, ORIGIN[1] - 0.125, ORIGIN[2] - 0.75))
    expected = np.zeros(volume.shape, bool)
    expected[2:4, 2:5, 3:6] = True
    np.testing.assert_array_equal(mask_onto(image, volume, "A mask"), expected)
    np.testing.assert_array_equal(mask_onto(sitk.DICOMOrient(image, "RAS"), volume, "A mask"), expected)


def test_a_mask_that_is_partly_outside_is_refused(volume):
    mask = np.zeros(volume.shape, bool)
    mask[3, 3, 3:7] = True
    with pytest.raises(CohortError, match=r"another origin or spacing .* 50.0% of it lie outside"):
        mask_onto(image_of(mask, origin=(ORIGIN[0] + 1.5, *ORIGIN[1:])), volume, "A mask")


def test_a_mask_that_the_volume_cannot_resolve_is_refused(volume):
    fine = np.zeros((24, 7, 8), bool)
    fine[9, 3, 3] = True
    spacing = (0.5, 0.5, 0.5)
    with pytest.raises(CohortError, match="loses 100% of its volume"):
        mask_onto(image_of(fine, spacing), volume, "A mask")
    fine[8] = fine[9]
    fine[8:10, 3, 3] = True
    with pytest.raises(CohortError, match="gains 100% of its volume, more than 50%"):
        mask_onto(image_of(fine, spacing), volume, "A mask")
    assert mask_onto(image_of(fine, spacing), volume, "A mask", largest_loss=1.5)[2, 3, 3]


def test_a_mask_of_a_real_series_survives_a_change_of_grid(lidc_series, shared_data):
    volume = read_series(lidc_series)
    with np.load(shared_data / "lidc-idri" / "LIDC-IDRI-0001_nodules.npz") as arrays:
        truth = arrays["labels"] == 1
    z, y, x = (slice(values.min() - 2, values.max() + 3) for values in np.nonzero(truth))
    part = volume.crop((z, y, x))
    fine = part.with_spacing((0.5, 0.5, 0.5))
    image = sitk.Resample(
        image_of(truth[z, y, x], part.spacing, part.origin), fine.to_image(), sitk.Transform(), sitk.sitkNearestNeighbor
    )
    back = mask_onto(image, volume, "A mask")
    assert 2 * np.count_nonzero(back & truth) / (np.count_nonzero(back) + np.count_nonzero(truth)) > 0.98


def test_a_real_scan_and_its_lung_mask(shared_data):
    volume = read_series(shared_data / "cip" / "ct-64.nrrd")
    lungs = read_mask(shared_data / "cip" / "lm-64.nrrd", volume)
    assert volume.shape == lungs.shape == (79, 64, 64)
    assert np.median(volume.hu[lungs]) < -700 < np.median(volume.hu[60:, 30:35, 30:35])


def test_files_that_cannot_be_read_are_told(volume, tmp_path):
    (tmp_path / "broken.nrrd").write_text("no image")
    (tmp_path / "mask.txt").write_text("no image")
    (tmp_path / "mask.npz").write_bytes(b"PK\x03\x04 no archive")
    np.savez(tmp_path / "small.npz", mask=np.ones((2, 2, 2)))
    np.savez(tmp_path / "other.npz", lesion=np.ones(volume.shape))
    sitk.WriteImage(sitk.Image(4, 4, sitk.sitkUInt8), str(tmp_path / "flat.mha"))
    for name, message in {
        "broken.nrrd": "has a damaged header",
        "none.nrrd": "cannot be read",
        "mask.txt": "must end in one of",
        "mask.npz": "cannot be read",
        "other.npz": "cannot be read",
        "small.npz": r"has the size \(2, 2, 2\)",
        "flat.mha": "has the size 4 x 4: three dimensions",
    }.items():
        with pytest.raises(CohortError, match=message) as caught:
            read_mask(tmp_path / name, volume)
        assert str(caught.value).startswith(str(tmp_path / name))
