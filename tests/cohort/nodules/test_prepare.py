"""From an archive to a prepared cohort, and back."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lung_ssp.cli import main
from lung_ssp.cohort.description import read_cohort
from lung_ssp.cohort.fingerprint import cohort_fingerprint
from lung_ssp.cohort.nodules.archive import read_archive
from lung_ssp.cohort.nodules.settings import NodulePreparationSettings
from lung_ssp.cohort.nodules.store import read_nodule_table, read_nodules
from lung_ssp.cohort.store import SPLITS, read_sections
from lung_ssp.cohort.verify import verify_cohort
from lung_ssp.ct.section import make_section
from lung_ssp.errors import CohortError
from lung_ssp.preparation import prepare, prepare_nodule_cohort

SettingsOf = Callable[..., NodulePreparationSettings]


@pytest.fixture
def root(archive: Path, settings_of: SettingsOf, tmp_path: Path) -> Path:
    return prepare_nodule_cohort(settings_of(archive, tmp_path / "cohort")).root


def test_the_cohort_is_whole_and_says_whose_nodules_they_are(root: Path) -> None:
    check = verify_cohort(root)
    about = read_cohort(root)
    assert check.fingerprint == about.fingerprint == cohort_fingerprint(root)
    assert not about.synthetic and about.nodules is not None
    assert about.class_names == {
        "image": ("benign", "indeterminate", "malignant"),
        "pathology": ("benign", "primary cancer", "metastatic"),
    }
    assert (about.nodules.nodules, about.nodules.patients, about.nodules.test_fold) == (12, 11, 0)
    assert about.nodules.binary["image"].positive == (2,) and about.nodules.binary["pathology"].positive == (1, 2)
    for said in ("SYNTHETIC disks", "11 REAL patients", "fold 0 of 0 to 4", "none; Nobody. Tests of lung_ssp"):
        assert said in about.statement


def test_without_a_test_fold_nobody_is_left_to_test_on(archive: Path, settings_of: SettingsOf, tmp_path: Path) -> None:
    root = prepare_nodule_cohort(settings_of(archive, tmp_path / "cohort", test_fold="none")).root
    check = verify_cohort(root)
    about = read_cohort(root)
    assert about.nodules is not None and about.nodules.test_fold is None and not about.has_test_split
    assert check.sections["test"] == 0 and check.sections["train"] + check.sections["validation"] == 12
    assert "only fold 0 was not trained on, none is the test split" in about.statement
    for row in read_nodule_table(root):
        assert row.split == ("validation" if row.fold == 0 else "train")


def test_nodules_of_no_patients_are_never_called_real(archive: Path, settings_of: SettingsOf, tmp_path: Path) -> None:
    source = {"origin": "disks", "licence": "none", "citation": "Nobody.", "synthetic": True}
    about = read_cohort(prepare_nodule_cohort(settings_of(archive, tmp_path / "synthetic", source=source)).root)
    assert about.synthetic and "no number here is about patients" in about.statement and "REAL" not in about.statement


def test_nodules_come_back_as_they_were_in_the_archive(root: Path, archive: Path) -> None:
    stored = {nodule.name: nodule for split in SPLITS for nodule in read_nodules(root, split)}
    originals = read_archive(archive)
    assert set(stored) == {nodule.name for nodule in originals}
    for original in originals:
        nodule = stored[original.name]
        assert (nodule.hu == original.hu).all() and (nodule.readers == original.readers).all()
        assert (nodule.majority == original.majority).all() and nodule.hu.dtype == np.int16
        assert nodule.z_mm.tolist() == original.z_mm.tolist() and nodule.spacing.tolist() == [2.5, 2, 2]
        assert (nodule.patient, nodule.n_readers) == (original.patient, 3)
        assert nodule.row.dice_vs_majority == 0.8 and nodule.row.spiculation == original.ratings["spiculation"]


def test_labels_splits_and_sections_belong_together(root: Path, archive: Path) -> None:
    originals = {nodule.name: nodule for nodule in read_archive(archive)}
    settings = read_cohort(root).section
    for split in SPLITS:
        sections, nodules = read_sections(root, split), read_nodules(root, split)
        assert sections.patients.tolist() == [nodule.patient for nodule in nodules]
        for i, nodule in enumerate(nodules):
            original = originals[nodule.name]
            number = int(nodule.patient.partition("-")[2])
            assert sections.labels["image"][i] == nodule.row.image_label == (0, 0, 1, 2, 2)[number % 5]
            known = number % 4 if number else 0
            assert sections.labels["pathology"][i] == nodule.row.pathology_label == known - 1
            expected = make_section(original.hu, original.spacing, original.majority, settings)
            assert (sections.images[i] == expected).all()
    folds = {row.patient: row.fold for row in read_nodule_table(root)}
    splits = {row.patient: row.split for row in read_nodule_table(root)}
    assert all(splits[patient] == {0: "test", 1: "validation"}.get(fold, "train") for patient, fold in folds.items())


def test_only_training_nodules_have_more_slices(archive: Path, settings_of: SettingsOf, tmp_path: Path) -> None:
    root = prepare_nodule_cohort(settings_of(archive, tmp_path / "cohort", train_slices=2)).root
    nodules = {split: len(read_nodules(root, split)) for split in SPLITS}
    sections = read_cohort(root).counts.sections
    assert sections == {**nodules, "train": 2 * nodules["train"]}
    verify_cohort(root)


def test_the_order_of_the_archive_s_rows_makes_no_difference(
    root: Path, archive: Path, settings_of: SettingsOf, tmp_path: Path
) -> None:
    table = pd.read_csv(archive / "nodules.csv", dtype=str, keep_default_na=False)
    table.iloc[::-1].to_csv(archive / "nodules.csv", index=False)
    other = prepare_nodule_cohort(settings_of(archive, tmp_path / "other"))
    assert other.description.fingerprint == read_cohort(root).fingerprint
    for file in ("nodules.csv", "folds.csv", "sections.csv", "sections/train.npz", "nodules/SYN-03-nodule-4.npz"):
        assert (other.root / file).read_bytes() == (root / file).read_bytes()


def test_what_is_finished_is_not_made_again_and_other_settings_are_refused(
    root: Path, archive: Path, settings_of: SettingsOf
) -> None:
    before = (root / "cohort.json").stat().st_mtime_ns
    prepare_nodule_cohort(settings_of(archive, root))
    assert (root / "cohort.json").stat().st_mtime_ns == before
    with pytest.raises(CohortError, match="holds another cohort"):
        prepare_nodule_cohort(settings_of(archive, root, test_fold=1))


def test_tissue_alone_leaves_diagnoses_out(archive: Path, settings_of: SettingsOf, tmp_path: Path) -> None:
    root = prepare_nodule_cohort(settings_of(archive, tmp_path / "cohort", tissue_proven_only=True)).root
    rows = read_nodule_table(root)
    assert {row.diagnosis_method for row in rows} == {-1, 2, 3}
    assert {row.pathology_label for row in rows} == {-1, 1, 2}


def test_a_wrong_archive_writes_nothing(archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (archive / "slices.csv").write_text("slice,nodule\n")
    root = tmp_path / "cohort"
    words = ["-o", f"cohort.archive={archive}", "-o", f"cohort.root={root}"]
    assert main(["prepare", "--config", "cohort/lidc_nodules.yml", *words]) == 2
    said = capsys.readouterr().err
    assert "slices.csv lacks the columns patient, z_mm: correct the archive" in said and said.count("\n") == 1
    assert not (root / "preparation.json").exists() and not (root / "nodules").exists()


def damage(root: Path, **arrays: np.ndarray) -> None:
    path = root / "nodules" / "SYN-01-nodule-2.npz"
    with np.load(path) as file:
        stored = dict(file)
    np.savez(path, **{**stored, **arrays})


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"hu": np.full((3, 24, 24), -2000, np.int16)}, "it has HU below -1024"),
        ({"hu": np.zeros((3, 24, 24), np.int32)}, "its arrays are not int16, uint8 and float64"),
        ({"z_mm": np.zeros(2)}, "its arrays are not of one shape"),
        ({"z_mm": np.zeros(3)}, "its z_mm does not rise"),
        ({"spacing": np.ones(3)}, r"its spacing is not that of nodules\.csv"),
        ({"readers": np.full((3, 24, 24), 9, np.uint8)}, r"its readers are not the 3 of nodules\.csv"),
    ],
)
def test_a_damaged_nodule_is_told(root: Path, arrays: dict[str, np.ndarray], message: str) -> None:
    damage(root, **arrays)
    (row,) = (row for row in read_nodule_table(root) if row.name == "SYN-01-nodule-2")
    with pytest.raises(CohortError, match=rf"SYN-01-nodule-2\.npz is damaged, {message}: remove the folder"):
        read_nodules(root, row.split)
    with pytest.raises(CohortError, match=r"nodules/SYN-01-nodule-2\.npz has changed"):
        verify_cohort(root)


def test_a_cohort_without_nodules_is_told(tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="holds no nodules with readers' votes: prepare one with lung-ssp prepare"):
        read_nodules(tmp_path, "train")


@pytest.mark.slow
def test_lidc_s_nodules_are_prepared(shared_data: Path, tmp_path: Path) -> None:
    archive = shared_data / "lidc-nodules-hu"
    if not archive.is_dir():
        pytest.skip(f"no archive of LIDC's nodules: {archive} is missing")
    words = [f"cohort.archive={archive}", f"cohort.root={tmp_path / 'lidc'}"]
    description = prepare("cohort/lidc_nodules.yml", words).description
    assert description.nodules is not None and description.leaks == ()
    assert (description.nodules.nodules, description.nodules.patients) == (614, 358)
    classes = description.counts.classes
    totals = np.sum([classes[split]["image"] for split in SPLITS], axis=0)
    assert totals[:3].tolist() == [146, 319, 149]
    verify_cohort(tmp_path / "lidc")
