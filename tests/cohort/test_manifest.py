"""One's own cohort from a manifest, with real DICOM series (the phantom's)."""

import hashlib
import os
import re
import shutil

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from lung_ssp.cohort.classes import CLASS_NAMES
from lung_ssp.cohort.manifest import _key, prepare_manifest
from lung_ssp.cohort.manifest_rows import read_manifest
from lung_ssp.cohort.phantom.dicom import write_series
from lung_ssp.cohort.phantom.scans import PhantomScan, make_scan, plan_scans
from lung_ssp.cohort.phantom.settings import PhantomSettings
from lung_ssp.cohort.settings import ManifestSettings
from lung_ssp.cohort.store import read_sections
from lung_ssp.cohort.verify import verify_cohort
from lung_ssp.ct.series import read_series
from lung_ssp.errors import CohortError
from lung_ssp.preparation import prepare_manifest_cohort


@pytest.fixture(scope="module")
def clinic(tmp_path_factory):
    """A folder with one series, its truth, and the lesion's mask in three formats."""
    folder = tmp_path_factory.mktemp("clinic")
    settings = PhantomSettings.model_validate({"scans": {"size": 96, "slices": [40, 40], "slice_mm": [6.4, 6.5]}})
    planned = plan_scans(settings, 4)[0]
    scan: PhantomScan = make_scan(planned, settings, 4)
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
        ([HEADER], "has no rows: list a lesion in each line below"),
    ],
)
def test_a_faulty_table_is_described(clinic, lines, message):
    with pytest.raises(CohortError, match=message):
        read_manifest(write(clinic[0], *lines))


def test_a_manifest_that_is_not_there(tmp_path):
    with pytest.raises(CohortError, match=r"none\.csv does not exist: name the CSV file .*cohort\.manifest"):
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


def table_of(folder, text: str, name: str = "guise.csv", encoding: str = "utf-8"):
    (folder / name).write_bytes(text.encode(encoding))
    return folder / name


PLACE = "patient,split,series,x_mm,y_mm,z_mm,diameter_mm,image_label,pathology_label"
ONE, TWO = "A,train,series,1,2,3,4,1,1", "B,test,series,1,2,3,4,0,"
GUISES = {
    "plain": f"{PLACE}\n{ONE}\n{TWO}\n",
    "a byte order mark and quotes": "\ufeff" + ",".join(f'"{name}"' for name in PLACE.split(",")) + f"\n{ONE}\n{TWO}\n",
    "Windows": f"{PLACE}\r\n{ONE}\r\n{TWO}\r\n",
    "semicolons": f"{PLACE}\n{ONE}\n{TWO}\n".replace(",", ";"),
    "tabs": f"{PLACE}\n{ONE}\n{TWO}\n".replace(",", "\t"),
    "rows of commas": f"{PLACE}\n{ONE}\n,,,,,,,,\n{TWO}\n,,,,,,,,\n",
    "blank lines": f"\n{PLACE}\n\n{ONE}\n\n\n{TWO}\n\n",
    "a comma behind the data": f"{PLACE}\n{ONE},\n{TWO},\n",
    "a comma behind every line": f"{PLACE},\n{ONE},\n{TWO},\n",
    "spaces": f"{PLACE}\n{ONE}\n{TWO}\n".replace(",", " , "),
    "labels as spreadsheets write them": f"{PLACE}\nA,train,series,1,2,3,4,1.0,1\nB,test,series,1,2,3,4,0.,\n",
    "a field less": f"{PLACE}\n{ONE}\n{TWO.removesuffix(',')}\n",
}


@pytest.mark.parametrize("guise", GUISES)
def test_a_manifest_reads_the_same_however_it_was_exported(clinic, guise):
    rows = read_manifest(table_of(clinic[0], GUISES[guise]))
    assert [(row.patient, row.split, row.position, row.labels) for row in rows] == [
        ("A", "train", (1, 2, 3, 4), (1, 1)),
        ("B", "test", (1, 2, 3, 4), (0, -1)),
    ]


WRONG_TABLES = {
    "a blank line": (f"{PLACE}\n{ONE}\n\nB,test,series,1,2,3,4,nonsense,\n", "line 4: image_label is 'nonsense'"),
    "a line break in quotes": (f'{PLACE}\n"A\n1",train,series,1,2,3,4,1,1\n', "line 2: the patient is .* in one line"),
    "lines after it": (f'{PLACE}\n"A",train,"ser\nies",1,2,3,4,1,1\n{TWO}9x\n', "line 2: series is"),
    "a field more": (f"{PLACE}\n{ONE},9\n", "line 2 has 10 fields, but there are 9 columns"),
    "a column twice": (f"{PLACE},split\n{ONE},test\n", "has the column 'split' twice"),
    "no name of a column": (f"{PLACE},,x\n{ONE},,\n", "does not name the columns"),
    "an open quotation mark": (f'{PLACE}\n"A,train\n', "line 2: unexpected end of data"),
    "nothing": ("", "it is empty"),
    "a NUL": (f"{PLACE}\n{ONE}\0\n", "holds a NUL"),
    "a decimal comma": (
        f"{PLACE}\n{ONE}\n".replace(",", ";").replace(";3;", ";3,5;"),
        r"z_mm is '3,5', not a number .*point",
    ),
    "another digit": (f"{PLACE}\n{ONE.replace(',3,', ',1_0,')}\n", "z_mm is '1_0', not a number"),
    "a long label": (f"{PLACE}\n{ONE[:-1]}{'9' * 5000}\n", r"pathology_label is '9+'\.\.\.: it must be 0 to 8"),
    "a half label": (f"{PLACE}\n{ONE[:-1]}1.5\n", "pathology_label is '1.5': it must be 0 to 8"),
    "a giant lesion": (
        f"{PLACE}\n{ONE.replace(',4,', ',1e9,')}\n",
        r"diameter_mm is 1e\+09, a lesion has at most 300 mm",
    ),
    "a giant field": (f"{PLACE}\n{ONE}{'x' * 200_000}\n", "field larger than field limit"),
    "a giant path": (f"{PLACE}\n{ONE.replace('series', 's' * 5000)}\n", "it must be a path inside"),
    "an escape sequence": (f"{PLACE}\n{ONE.replace('series', 'a' + chr(27) + '[2J')}\n", r"series is 'a\\x1b\[2J'"),
    "the background": (
        "patient,series,mask,mask_value\nA,series,mask.npz,0\n",
        "line 2: mask_value is 0, the background",
    ),
    "a UID that is none": ("patient,series,series_uid,mask\nA,series,x,mask.npz\n", "series_uid is 'x', not a Series"),
}


@pytest.mark.parametrize("what", WRONG_TABLES)
def test_what_is_wrong_with_a_table_is_told_with_its_line(clinic, what):
    text, message = WRONG_TABLES[what]
    with pytest.raises(CohortError, match=message) as caught:
        read_manifest(table_of(clinic[0], text))
    assert "guise.csv" in str(caught.value) and len(str(caught.value)) < 1000
    assert "\x1b" not in str(caught.value) and "\n" not in str(caught.value)


def test_a_manifest_of_another_encoding_or_kind_is_told(clinic, tmp_path):
    with pytest.raises(CohortError, match=r"byte 0 is not in UTF-8: save it as CSV in UTF-8"):
        read_manifest(table_of(clinic[0], GUISES["plain"], encoding="utf-16"))
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(CohortError, match=r"pipe\.csv is no ordinary file"):
        read_manifest(tmp_path / "pipe.csv")
    with (tmp_path / "large.csv").open("wb") as file:
        file.truncate(10**9)
    with pytest.raises(CohortError, match=r"large\.csv has more than 64 MB"):
        read_manifest(tmp_path / "large.csv")


def test_a_manifest_accepts_what_a_diagnosis_accepts_and_chooses_a_series(clinic, tmp_path):
    folder = tmp_path / "clinic"
    for name in ("a", "b"):
        shutil.copytree(clinic[0] / "series", folder / "twice" / name)
    shutil.copy(clinic[0] / "mask.npz", folder)
    uid = read_series(clinic[0] / "series").series_uid
    header = "patient,split,series,series_uid,mask,mask_value"
    manifest = write(folder, header, f"A,train,twice,{uid},mask.npz,1")
    for accept, told in (([], "duplicates"), (["tilt", "gaps"], "tilt,gaps,duplicates")):
        with pytest.raises(
            CohortError, match=rf"line 2: .*have identical ones left out with -o cohort\.accept=\[{told}\]"
        ):
            prepare(manifest, tmp_path / "cohort", accept=accept)
    assert prepare(manifest, tmp_path / "cohort", accept=["duplicates"]).counts.sections["train"] == 1
    assert "series_uid" not in (tmp_path / "cohort" / "sections.csv").read_text()
    other = write(folder, header, "A,train,twice,1.2.3,mask.npz,1", name="other.csv")
    with pytest.raises(CohortError, match=r"line 2: .*1\.2\.3"):
        prepare(other, tmp_path / "other", accept=["duplicates"])


def test_a_series_is_chosen_and_corrected_in_the_words_of_a_manifest(clinic, tmp_path):
    folder = tmp_path / "clinic"
    shutil.copytree(clinic[0] / "series", folder / "gap")
    sorted((folder / "gap").iterdir())[20].unlink()
    shutil.copytree(clinic[0] / "series", folder / "several")
    for number, path in enumerate(sorted((clinic[0] / "series").iterdir())):
        dataset = pydicom.dcmread(path)
        dataset.SeriesInstanceUID = "1.2.3"
        dataset.save_as(folder / "several" / f"other{number}.dcm")
        x, y, z = map(float, dataset.ImagePositionPatient)
        dataset.ImagePositionPatient = [x, round(y + 0.2 * z, 3), z]
        (folder / "tilt").mkdir(exist_ok=True)
        dataset.save_as(folder / "tilt" / f"{number}.dcm")
    shutil.copy(clinic[0] / "mask.npz", folder)
    for name, told in (
        ("gap", r"small gaps filled with -o cohort\.accept=\[gaps\]"),
        ("tilt", r"straightened with -o cohort\.accept=\[tilt\]"),
        ("several", r"holds 2 series, choose one by its UID \(the manifest's column series_uid\): 1\."),
    ):
        manifest = write(folder, "patient,split,series,mask,mask_value", f"A,train,{name},mask.npz,1")
        with pytest.raises(CohortError, match=rf"The manifest's line 2: .*{told}") as error:
            prepare(manifest, tmp_path / "cohort")
        assert "--" not in str(error.value)


def test_a_changed_file_below_a_series_folder_or_beside_its_header_is_another_cohort(clinic, tmp_path):
    folder = tmp_path / "clinic"
    shutil.copytree(clinic[0] / "series", folder / "series" / "a" / "b")
    shutil.copy(clinic[0] / "mask.npz", folder)
    sitk.WriteImage(read_series(folder / "series").to_image(), str(folder / "scan.mhd"))
    sitk.WriteImage(sitk.ReadImage(str(clinic[0] / "mask.nii.gz")), str(folder / "mask.mhd"), useCompression=True)
    for name, series, mask, changed in (
        ("folder", "series", "mask.npz", next((folder / "series" / "a" / "b").iterdir())),
        ("header", "scan.mhd", "mask.npz", folder / "scan.raw"),
        ("mask", "scan.mhd", "mask.mhd", folder / "mask.zraw"),
    ):
        manifest = write(
            folder, "patient,split,series,mask,mask_value", f"A,train,{series},{mask},1", name=f"{name}.csv"
        )
        first = prepare(manifest, tmp_path / name)
        assert prepare(manifest, tmp_path / name) == first
        os.utime(changed)
        with pytest.raises(CohortError, match="holds another cohort"):
            prepare(manifest, tmp_path / name)


def test_a_cohort_within_the_folder_of_its_series_is_no_part_of_what_it_is_made_from(clinic, tmp_path):
    shutil.copytree(clinic[0] / "series", tmp_path / "clinic")
    shutil.copy(clinic[0] / "mask.npz", tmp_path / "clinic")
    manifest = write(tmp_path / "clinic", "patient,split,series,mask,mask_value", "A,train,.,mask.npz,1")
    first = prepare(manifest, tmp_path / "clinic" / "cohort")
    assert prepare(manifest, tmp_path / "clinic" / "cohort") == first


def test_the_key_of_a_flat_folder_is_as_it_always_was(clinic, tmp_path):
    (tmp_path / "series").mkdir()
    for name in ("series/a.dcm", "series/b.dcm", "mask.npz"):
        (tmp_path / name).write_bytes(b"12345")
        os.utime(tmp_path / name, ns=(7, 10**18))
    manifest = write(tmp_path, "patient,split,series,mask", "A,train,series,mask.npz")
    settings = settings_for(manifest, tmp_path / "cohort")
    names = [tmp_path / name for name in ("mask.npz", "series/a.dcm", "series/b.dcm")]
    made_from = [
        hashlib.sha256(manifest.read_bytes()).hexdigest(),
        settings.model_dump_json(exclude={"cohort": {"accept", "gaps"}}),
        *(f"{path.resolve()} 5 {10**18}" for path in names),
    ]
    assert _key(read_manifest(manifest), settings) == hashlib.sha256("\n".join(made_from).encode()).hexdigest()


def test_what_lies_on_both_sides_of_the_splits_is_told_everywhere(clinic, tmp_path):
    folder = clinic[0]
    scan = clinic[1]
    header = "patient,split,series,x_mm,y_mm,z_mm,diameter_mm"
    x, y, z = (float(value) for value in scan.centres_mm[0])
    same, other = f"series,{x},{y},{z},12", f"series,{x + 9},{y},{z},12"
    leak = write(folder, header, f"A,train,{same}", f"B,train,{other}", f"D,test,{same}", name="leak.csv")
    first, second = r"line 2 of the manifest \(patient A, train\)", r"line 4 of the manifest \(patient D, test\)"
    both = f"{first} and {second} show the same lesion"
    description = prepare_manifest_cohort(settings_for(leak, tmp_path / "leak")).description
    assert re.match(both, description.leaks[0])
    assert description.statement.startswith("LEAKY split")
    with pytest.raises(CohortError, match=f"lesions on both sides .*{both}.*one split, and prepare it again"):
        verify_cohort(tmp_path / "leak")
    scans = write(folder, header, f"A,train,{same}", f"D,test,{other}", name="scans.csv")
    description = prepare_manifest_cohort(settings_for(scans, tmp_path / "scans")).description
    assert description.statement.startswith("LEAKY split")
    (finding,) = verify_cohort(tmp_path / "scans").findings
    assert finding.endswith("(patient D, test) are of the same scan") and description.leaks == (finding,)
    clean = write(folder, header, f"A,train,{same}", f"A,train,{other}", name="clean.csv")
    assert prepare_manifest_cohort(settings_for(clean, tmp_path / "clean")).description.leaks == ()
    assert verify_cohort(tmp_path / "clean").findings == ()


def in_subfolders(folder, scan):
    shutil.copytree(folder / "series", folder / "study" / "inner")
    return "study", next((folder / "study" / "inner").iterdir())


def with_voxels_beside(folder, scan):
    image = sitk.GetImageFromArray(scan.hu)
    image.SetSpacing(scan.spacing[::-1])
    image.SetOrigin(scan.origin)
    sitk.WriteImage(image, str(folder / "scan.mhd"), useCompression=False)
    (folder / "scan.raw").rename(folder / "voxels.bin")
    (folder / "scan.mhd").write_text((folder / "scan.mhd").read_text().replace("scan.raw", "voxels.bin"))
    return "scan.mhd", folder / "voxels.bin"


@pytest.mark.slow
@pytest.mark.parametrize("stored", [in_subfolders, with_voxels_beside])
def test_a_changed_scan_is_another_cohort_wherever_its_voxels_are(clinic, tmp_path, stored):
    folder, scan, _ = clinic
    shutil.copytree(folder / "series", tmp_path / "series")
    series, file = stored(tmp_path, scan)
    x, y, z = scan.origin
    manifest = write(
        tmp_path, "patient,series,x_mm,y_mm,z_mm,diameter_mm", *(f"{p},{series},{x},{y},{z},10" for p in "ABCDEFGHIJ")
    )
    prepare(manifest, tmp_path / "cohort")
    os.utime(file, (1, 1))
    with pytest.raises(CohortError, match="holds another cohort"):
        prepare(manifest, tmp_path / "cohort")


def test_a_value_without_a_mask_is_told(clinic):
    manifest = write(clinic[0], "patient,series,x_mm,y_mm,z_mm,diameter_mm,mask_value", "A,series,0,0,0,5,2")
    with pytest.raises(
        CohortError, match=r"line 2: it has a mask_value but no mask: name the mask, or leave the value"
    ):
        read_manifest(manifest)


def test_a_series_of_many_lines_is_sought_once(clinic, monkeypatch):
    sought = []
    monkeypatch.setattr("lung_ssp.cohort.manifest_rows.inside", lambda root, text: sought.append(text) or root / text)
    line = "A,series,0,0,0,5"
    rows = read_manifest(write(clinic[0], "patient,series,x_mm,y_mm,z_mm,diameter_mm", *[line] * 50))
    assert (len(rows), sought) == (50, ["series"])
