"""Masks as NIfTI and NRRD, read back by other libraries than wrote them."""

from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from lung_ssp.ct.nrrd import read_nrrd
from lung_ssp.diagnosis.diagnosis import Diagnosis
from lung_ssp.diagnosis.label_map import findings_map

FILES = {"nifti": ".nii.gz", "nrrd": ".nrrd"}


@pytest.fixture(params=[(1, 0, 0, 0, 1, 0), (1, 0, 0, 0, -1, 0)])
def diagnosis(
    request: pytest.FixtureRequest, new_series: Callable[..., Path], made_up: Callable[..., Diagnosis], tmp_path: Path
) -> Diagnosis:
    return made_up(new_series(tmp_path / "in", request.param))


def masks_of(diagnosis: Diagnosis) -> dict[str, np.ndarray]:
    return {
        "lungs": diagnosis.lungs.mask,
        "findings": findings_map(diagnosis.findings, diagnosis.scan.shape),
    }


@pytest.mark.parametrize("name", FILES)
def test_every_voxel_is_where_it_was(diagnosis: Diagnosis, tmp_path: Path, name: str) -> None:
    """By SimpleITK, each voxel through patient coordinates."""
    diagnosis.save(tmp_path / "out", [name])
    for mask, expected in masks_of(diagnosis).items():
        image = sitk.ReadImage(str(tmp_path / "out" / f"{mask}{FILES[name]}"))
        values = sitk.GetArrayFromImage(image)
        assert values.dtype == np.uint8 and np.count_nonzero(values) == np.count_nonzero(expected)
        for z, y, x in np.argwhere(values):
            place = np.array(image.TransformIndexToPhysicalPoint((int(x), int(y), int(z))))
            index = np.rint(diagnosis.scan.to_index(place)).astype(int)
            assert expected[tuple(index)] == values[z, y, x]


def test_other_readers_agree(diagnosis: Diagnosis, tmp_path: Path) -> None:
    diagnosis.save(tmp_path / "out", ["nifti", "nrrd"])
    for mask, expected in masks_of(diagnosis).items():
        nifti = nibabel.load(tmp_path / "out" / f"{mask}.nii.gz")
        assert nifti.header["descrip"].item().startswith(b"Research use only")
        values, grid = read_nrrd(tmp_path / "out" / f"{mask}.nrrd")
        for voxels, to_lps in (
            (np.asarray(nifti.dataobj).T, np.diag([-1, -1, 1, 1]) @ nifti.affine),
            (values, np.vstack([np.column_stack([grid.axes, grid.origin]), [0, 0, 0, 1]])),
        ):
            index = np.argwhere(voxels)
            places = index[:, ::-1] @ to_lps[:3, :3].T + to_lps[:3, 3]
            there = np.rint(diagnosis.scan.to_index(places)).astype(int)
            np.testing.assert_array_equal(expected[tuple(there.T)], voxels[tuple(index.T)])
            assert len(index) == np.count_nonzero(expected)
    head = (tmp_path / "out" / "lungs.nrrd").read_bytes()[:4000]
    assert b"Research use only, not for diagnosis." in head and b"SYNTHETIC" in head


@pytest.mark.parametrize("axes", ["RAS", "LPS", "RAI", "PIL"])
def test_masks_of_a_volume_file_have_its_own_axes(
    small_series: Path, made_up: Callable[..., Diagnosis], tmp_path: Path, axes: str
) -> None:
    """So that scan[mask > 0] holds of the arrays of both files."""
    scan = made_up(small_series).scan
    sitk.WriteImage(sitk.DICOMOrient(scan.to_image(), axes), str(tmp_path / "scan.nii.gz"))
    diagnosis = made_up(tmp_path / "scan.nii.gz")
    diagnosis.save(tmp_path / "out", ["nifti"])
    source = nibabel.load(tmp_path / "scan.nii.gz")
    hu = np.asarray(source.dataobj)
    for mask, expected in masks_of(diagnosis).items():
        image = nibabel.load(tmp_path / "out" / f"{mask}.nii.gz")
        np.testing.assert_allclose(image.affine, source.affine, atol=1e-4)
        voxels = np.asarray(image.dataobj)
        for label in np.unique(expected[expected > 0]):
            assert sorted(hu[voxels == label].tolist()) == sorted(diagnosis.scan.hu[expected == label].tolist())


def test_without_findings_the_map_is_empty(
    small_series: Path, made_up: Callable[..., Diagnosis], tmp_path: Path
) -> None:
    made_up(small_series, findings=0).save(tmp_path / "out", ["nrrd"])
    assert not read_nrrd(tmp_path / "out" / "findings.nrrd")[0].any()


def test_the_same_diagnosis_gives_the_same_bytes(
    small_series: Path, made_up: Callable[..., Diagnosis], tmp_path: Path
) -> None:
    for out in ("1", "2"):
        made_up(small_series).save(tmp_path / out, ["nifti", "nrrd"])
    for path in (tmp_path / "1").iterdir():
        assert path.read_bytes() == (tmp_path / "2" / path.name).read_bytes()
