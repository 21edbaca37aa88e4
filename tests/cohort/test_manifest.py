"""One's own cohort from a manifest, with real DICOM series (the phantom's)."""

import os
import shutil

import numpy as np
import pytest
import SimpleITK as sitk

from lung_ssp.cohort.classes import CLASS_NAMES
from lung_ssp.cohort.manifest import prepare_manifest
from lung_ssp.cohort.manifest_rows import read_manifest
from lung_ssp.cohort.phantom.dicom import write_series
from lung_ssp.cohort.phantom.scans import PhantomScan, make_scan, plan_scans
from lung_ssp.cohort.phantom.settings import PhantomSettings
from lung_ssp.cohort.settings import ManifestSettings
from lung_ssp.cohort.store import read_sections
from lung_ssp.ct.series import read_series
from lung_ssp.errors import CohortError


@pytest.fixture(scope="module")
def clinic(tmp_path_factory):
    """A folder with one series, its truth, and the lesion's mask in three formats."""
    folder = tmp_path_factory.mktemp("clinic")
    settings = PhantomSettings.model_validate({"scans": {"size": 96, "slices": [40, 40], "slice_mm": [6.4, 6.5]}})
    planned = plan_scans(settings, 1)[0]
    scan: PhantomScan = make_scan(planned, settings, 1)
    write_series(folder / "series", scan, planned, "clinic", np.random.default_rng(0))
    np.savez(folder / "mask.npz", mask=scan.lesions)
    image = sitk.GetImageFromArray(scan.lesions)
    image.SetSpacing(scan.spacing[::-1])
    image.SetOrigin(scan.origin)
    sitk.WriteImage(image, str(folder / "mask.nii.gz"))
    sitk.WriteImage(sitk.Flip(image, [False, False, True]), str(folder / "flipped.nrrd"))
    image.SetOrigin((0.0, 0.0, 0.0))
    sitk.WriteImage(image, str(folder / "elsewhere.nrrd"))
    return folder, scan, planned


def write(folder, *lines: str, name: str = "manifest.csv"):
    path = folder / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def settings_for(manifest, root, **changes) -> ManifestSettings:
    cohort = {"name": "clinic", "root": str(root), "manifest": str(manifest), **changes}
    return ManifestSettings.model_validate({"task": "manifest", "cohort": cohort})


def prepare(manifest, root, **changes):
    return prepare_manifest(settings_for(manifest, root, **changes))


@pytest.mark.slow
def test_masks_in_any_format_give_the_same_section(clinic, tmp_path):
    folder, _, _ = clinic
    manifest = write(
        folder,
        "patient,split,series,mask,mask_value,image_label,pathology_label",
        "A,train,series,mask.npz,1,1,adenocarcinoma",
        "B,validation,series,mask.nii.gz,1,,0",
        "C,test,series,flipped.nrrd,1,carcinoid tumor,",
    )
    cohort = prepare(manifest, tmp_path / "cohort")
    train, validation, test = (read_sections(tmp_path / "cohort", s) for s in ("train", "validation", "test"))
    np.testing.assert_array_equal(train.images, validation.images)
    np.testing.assert_array_equal(train.images, test.images)
    assert train.images.shape == (1, 28, 28)
    assert (train.labels["image"][0], train.labels["pathology"][0]) == (1, 1)
    assert (validation.labels["image"][0], validation.labels["pathology"][0]) == (-1, 0)
    assert (test.labels["image"][0], test.labels["pathology"][0]) == (CLASS_NAMES.index("carcinoid tumor"), -1)
    assert cohort.synthetic is False and "SYNTHETIC" not in cohort.statement
    assert cohort.counts.sections == {"train": 1, "validation": 1, "test": 1}
    assert (tmp_path / "cohort" / "sections.csv").read_text().splitlines()[1].startswith("A,train,2,")


def test_a_mask_on_a_finer_grid_gives_the_same_section(clinic, tmp_path):
    folder, _, _ = clinic
    image = sitk.ReadImage(str(folder / "mask.nii.gz"))
    finer = sitk.ResampleImageFilter()
    finer.SetReferenceImage(image)
    finer.SetOutputSpacing([spacing / 2 for spacing in image.GetSpacing()])
    finer.SetSize([2 * size - 1 for size in image.GetSize()])
    finer.SetInterpolator(sitk.sitkNearestNeighbor)
    sitk.WriteImage(finer.Execute(image), str(folder / "finer.mha"))
    manifest = write(
        folder,
        "patient,split,series,mask,mask_value",
        "A,train,series,mask.npz,1",
        "B,test,series,finer.mha,1",
        name="finer.csv",
    )
    prepare(manifest, tmp_path / "cohort")
    train, test = (read_sections(tmp_path / "cohort", split) for split in ("train", "test"))
    np.testing.assert_array_equal(train.images, test.images)


def test_a_position_shows_the_same_lesion_as_its_mask(clinic, tmp_path):
    folder, scan, planned = clinic
    x, y, z = scan.centres_mm[0]
    manifest = write(
        folder,
        "patient,split,series,x_mm,y_mm,z_mm,diameter_mm,mask,mask_value",
        f"A,train,series,{x},{y},{z},{planned.lesions[0].diameter_mm},,",
        "B,test,series,,,,,mask.npz,1",
    )
    prepare(manifest, tmp_path / "cohort")
    by_position, by_mask = (read_sections(tmp_path / "cohort", s).images[0] for s in ("train", "test"))
    assert np.corrcoef(by_position.ravel(), by_mask.ravel())[0, 1] > 0.6


def test_without_splits_patients_are_divided(clinic, tmp_path):
    folder, _, _ = clinic
    rows = [f"P{number % 8},series,mask.npz,1,{number % 8}" for number in range(16)]
    manifest = write(folder, "patient,series,mask,mask_value,pathology_label", *rows)
    prepare(manifest, tmp_path / "cohort", split={"shares": [0.5, 0.25, 0.25]})
    patients = [set(read_sections(tmp_path / "cohort", s).patients) for s in ("train", "validation", "test")]
    assert [len(own) for own in patients] == [4, 2, 2]
    assert len(set.union(*patients)) == 8


def test_preparing_again_reads_and_another_manifest_is_refused(clinic, tmp_path):
    folder, _, _ = clinic
    header = "patient,split,series,mask,mask_value"
    manifest = write(folder, header, "A,train,series,mask.npz,1")
    first = prepare(manifest, tmp_path / "cohort")
    assert prepare(manifest, tmp_path / "cohort") == first
    other = write(folder, header, "A,train,series,mask.npz,2", name="other.csv")
    with pytest.raises(CohortError, match="holds another cohort"):
        prepare(other, tmp_path / "cohort")


HEADER = "patient,split,series,x_mm,y_mm,z_mm,diameter_mm,mask,mask_value,image_label,pathology_label"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("A,train,series,1,2,3,,,,,", "line 3: diameter_mm is missing"),
        ("A,train,series,1,2,3,-4,,,,", "line 3: diameter_mm must be positive"),
        ("A,train,series,1,two,3,4,,,,", "line 3: y_mm is 'two', not a number"),
        ("A,train,series,1,nan,3,4,,,,", "line 3: y_mm is 'nan', not a finite number"),
        ("A,train,series,,,,,,,,", "line 3: it needs either a mask or"),
        ("A,train,series,1,2,3,4,mask.npz,,,", "line 3: it needs either a mask or"),
        ("A,train,series,,,,,mask.npz,one,,", "line 3: mask_value is 'one'"),
        ("A,trian,series,,,,,mask.npz,,,", "line 3: the split 'trian' is none of train, validation, test"),
        (",train,series,,,,,mask.npz,,,", "line 3: the patient is missing"),
        ("A,train,nowhere,,,,,mask.npz,,,", "line 3: series 'nowhere' does not exist"),
        ("A,train,../series,,,,,mask.npz,,,", "line 3: series is '../series': it must be a path inside"),
        ("A,train,/etc,,,,,mask.npz,,,", "line 3: series is '/etc': it must be a path inside"),
        ("A,train,series,,,,,mask.npz,,9,", "line 3: image_label is '9'"),
        ("A,train,series,,,,,mask.npz,,,cancer", "line 3: pathology_label is 'cancer'"),
    ],
)
def test_a_faulty_line_is_named(clinic, line, message):
    manifest = write(clinic[0], HEADER, "A,train,series,,,,,mask.npz,1,0,0", line)
    with pytest.raises(CohortError, match=message):
        read_manifest(manifest)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["patient,mask", "A,mask.npz"], "lacks the column 'series'"),
        (["patient,series,pathologylabel", "A,series,1"], "unknown column 'pathologylabel'"),
        ([HEADER], "has no rows"),
    ],
)
def test_a_faulty_table_is_described(clinic, lines, message):
    with pytest.raises(CohortError, match=message):
        read_manifest(write(clinic[0], *lines))


def test_a_manifest_that_is_not_there(tmp_path):
    with pytest.raises(CohortError, match="does not exist"):
        read_manifest(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("A,train,series,,,,,elsewhere.nrrd,,,", "line 2: the mask .* another origin or spacing"),
        ("A,train,series,,,,,mask.npz,99,,", "line 2: the mask .* no voxel of the lesion"),
        ("A,train,series,9999,0,0,5,,,,", "line 2: the position lies outside the series"),
        ("A,train,series,,,,,notes.txt,,,", "line 2: the mask .* cannot be read"),
        ("A,train,empty,,,,,mask.npz,,,", "line 2: .*holds no CT slice"),
        ("A,train,series,,,,,small.npz,,,", "line 2: the mask .* has the size"),
    ],
)
def test_files_that_do_not_fit_are_named_by_their_line(clinic, tmp_path, line, message):
    folder = clinic[0]
    (folder / "notes.txt").write_text("no image")
    (folder / "empty").mkdir(exist_ok=True)
    np.savez(folder / "small.npz", mask=np.ones((2, 2, 2), bool))
    with pytest.raises(CohortError, match=message):
        prepare(write(folder, HEADER, line), tmp_path / "cohort")
    assert not (tmp_path / "cohort").exists()


def test_a_patient_in_two_splits_and_half_a_column_are_refused(clinic, tmp_path):
    folder = clinic[0]
    header = "patient,split,series,mask"
    shared = write(folder, header, "A,train,series,mask.npz", "A,test,series,mask.npz")
    with pytest.raises(CohortError, match="patient A is in both"):
        prepare(shared, tmp_path / "cohort")
    half = write(folder, header, "A,train,series,mask.npz", "B,,series,mask.npz")
    with pytest.raises(CohortError, match="line 3 has no split"):
        prepare(half, tmp_path / "cohort")


def test_paths_are_relative_to_the_manifest_not_to_the_working_folder(clinic, tmp_path, monkeypatch):
    folder = tmp_path / "moved"
    shutil.copytree(clinic[0], folder)
    monkeypatch.chdir(tmp_path)
    row = read_manifest(write(folder, "patient,series,mask", "A,series,mask.npz"))[0]
    assert row.series == (folder / "series").resolve()
    assert read_series(row.series).hu.ndim == 3


def test_a_changed_mask_or_seed_is_another_cohort(clinic, tmp_path):
    folder, _, _ = clinic
    header = "patient,split,series,mask,mask_value"
    manifest = write(folder, header, "A,train,series,mask.npz,1", name="changed.csv")
    prepare(manifest, tmp_path / "cohort")
    with pytest.raises(CohortError, match="holds another cohort"):
        prepare(manifest, tmp_path / "cohort", split={"seed": 1})
    os.utime(folder / "mask.npz")
    with pytest.raises(CohortError, match="holds another cohort"):
        prepare(manifest, tmp_path / "cohort")


def test_an_interrupted_preparation_goes_on(clinic, tmp_path):
    folder, _, _ = clinic
    manifest = write(folder, "patient,split,series,mask,mask_value", "A,train,series,mask.npz,1", name="again.csv")
    whole = prepare(manifest, tmp_path / "whole")
    prepare(manifest, tmp_path / "broken")
    for name in ("cohort.json", "sections.csv", "sections/test.npz"):
        (tmp_path / "broken" / name).unlink()
    assert prepare(manifest, tmp_path / "broken").fingerprint == whole.fingerprint


def test_a_damaged_npz_mask_is_told(clinic, tmp_path):
    folder, _, _ = clinic
    for name, content in (("empty.npz", b""), ("broken.npz", b"PK\x03\x04 no archive")):
        (folder / name).write_bytes(content)
        manifest = write(folder, "patient,split,series,mask", f"A,train,series,{name}", name="damaged.csv")
        with pytest.raises(CohortError, match=f"line 2: the mask .*{name} cannot be read"):
            prepare(manifest, tmp_path / name)


def test_a_volume_in_one_file_is_as_good_as_its_series(clinic, tmp_path):
    folder, _, _ = clinic
    sitk.WriteImage(read_series(folder / "series").to_image(), str(folder / "volume.nii.gz"))
    manifest = write(
        folder,
        "patient,split,series,mask,mask_value",
        "A,train,series,mask.nii.gz,1",
        "B,validation,volume.nii.gz,mask.nii.gz,1",
        "C,test,volume.nii.gz,mask.npz,1",
        name="volumes.csv",
    )
    prepare(manifest, tmp_path / "cohort")
    train, validation, test = (read_sections(tmp_path / "cohort", s) for s in ("train", "validation", "test"))
    # NIfTI keeps spacing and place in 32 bits
    np.testing.assert_allclose(train.images, validation.images, atol=1e-5)
    np.testing.assert_array_equal(validation.images, test.images)


def test_readers_of_lidc_give_a_mask_as_far_as_they_agree(lidc_series, shared_data, tmp_path):
    folder = tmp_path / "lidc"
    folder.mkdir()
    xml = next(lidc_series.rglob("*.xml"))
    shutil.copytree(next(lidc_series.rglob("*.dcm")).parent, folder / "scan")
    shutil.copy(xml, folder / "readers.xml")
    with np.load(shared_data / "lidc-idri" / "LIDC-IDRI-0001_nodules.npz") as arrays:
        np.savez(folder / "labels.npz", mask=arrays["labels"])
    lines = ["A,train,scan,readers.xml,1", "B,validation,scan,labels.npz,1", "C,test,scan,readers.xml,"]
    manifest = write(folder, "patient,split,series,mask,mask_value", *lines)
    prepare(manifest, tmp_path / "cohort")
    train, validation, _ = (read_sections(tmp_path / "cohort", s) for s in ("train", "validation", "test"))
    np.testing.assert_array_equal(train.images, validation.images)
    manifest = write(folder, "patient,split,series,mask,mask_value", "A,train,scan,readers.xml,7")
    with pytest.raises(CohortError, match=r"line 2: the mask .*readers\.xml holds no nodule 7"):
        prepare(manifest, tmp_path / "none")
