"""Preparing the embedded cohort: reproducible, resumable, never mixed."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from lung_ssp.cohort.description import read_cohort
from lung_ssp.cohort.phantom.make import make_phantom_cohort
from lung_ssp.cohort.store import SPLITS, contents_digest, read_sections
from lung_ssp.ct.settings import SectionSettings
from lung_ssp.errors import CohortError
from lung_ssp.files import sha256_of

SEED = 7


def files_of(root) -> dict[str, str]:
    return {path.relative_to(root).as_posix(): sha256_of(path) for path in sorted(root.rglob("*")) if path.is_file()}


def test_what_cohort_json_says(tiny_cohort, tiny_settings):
    cohort = read_cohort(tiny_cohort)
    generator = cohort.generator
    assert cohort.synthetic is True and cohort.name == "tiny" and generator.seed == SEED
    assert cohort.counts.sections == {"train": 26, "validation": 10, "test": 16}
    assert cohort.counts.classes["test"]["pathology"] == [6, 2, 2, 1, 1, 1, 1, 1, 1]
    assert cohort.counts.scans == {"train": 1, "validation": 1, "test": 0}
    assert cohort.counts.lesions_in_scans == 6
    assert 0 <= generator.agreement["test"] <= 1
    assert 0 < generator.bayes_accuracy.population < 1
    assert "synthetic generator" in generator.bayes_accuracy.statement
    assert generator.settings == tiny_settings.phantom.model_dump()
    assert cohort.fingerprint in cohort.statement


def test_no_patient_is_in_two_splits(tiny_cohort):
    patients = [set(read_sections(tiny_cohort, split).patients.tolist()) for split in SPLITS]
    assert not patients[0] & patients[1] and not patients[0] & patients[2] and not patients[1] & patients[2]


def test_two_processes_make_the_same_files(tiny_cohort, tiny_settings, tmp_path):
    make_phantom_cohort(tmp_path / "again", tiny_settings, SectionSettings(), SEED, processes=2)
    assert files_of(tmp_path / "again") == files_of(tiny_cohort)


def test_an_interrupted_preparation_goes_on_and_ends_alike(tiny_cohort, tiny_settings, tmp_path):
    root = tmp_path / "interrupted"
    shutil.copytree(tiny_cohort, root)
    for lost in ("cohort.json", "sections.csv", "sections/test.npz", "scans/PHANTOM-00002.npz"):
        (root / lost).unlink()
    kept = (root / "sections/train.npz").stat().st_mtime_ns
    make_phantom_cohort(root, tiny_settings, SectionSettings(), SEED, processes=1)
    assert files_of(root) == files_of(tiny_cohort)
    assert (root / "sections/train.npz").stat().st_mtime_ns == kept


def test_a_finished_cohort_is_only_read(tiny_cohort, tiny_settings):
    before = {path: path.stat().st_mtime_ns for path in tiny_cohort.rglob("*")}
    cohort = make_phantom_cohort(tiny_cohort, tiny_settings, SectionSettings(), SEED, processes=1)
    assert cohort == read_cohort(tiny_cohort)
    assert {path: path.stat().st_mtime_ns for path in tiny_cohort.rglob("*")} == before


def test_the_fingerprint_is_of_the_contents(tiny_cohort):
    """It changes with a pixel, with a label, with a patient's name and with a scan."""
    stored = read_sections(tiny_cohort, "test")
    pixels, labels, names = stored.images.copy(), stored.labels["image"].copy(), stored.patients.copy()
    pixels[0, 0, 0] += 1e-3
    labels[0] = (labels[0] + 1) % 9
    names[0] = "PHANTOM-99999"
    changed = [
        contents_digest([replace(stored, **change)], b"scan")
        for change in ({}, {"images": pixels}, {"labels": {**stored.labels, "image": labels}}, {"patients": names})
    ]
    assert len({*changed, contents_digest([stored], b"another scan")}) == 5
    assert changed[0] == contents_digest([stored], b"scan")


def test_another_cohort_in_the_folder_is_refused_and_left_alone(tiny_cohort, tiny_settings):
    before = files_of(tiny_cohort)
    with pytest.raises(CohortError, match="holds another cohort, of other settings"):
        make_phantom_cohort(tiny_cohort, tiny_settings, SectionSettings(), SEED + 1, processes=1)
    with pytest.raises(CohortError, match="other settings"):
        make_phantom_cohort(tiny_cohort, tiny_settings, SectionSettings(size=32), SEED, processes=1)
    assert files_of(tiny_cohort) == before


def test_a_folder_with_other_files_is_refused(tiny_settings, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(CohortError, match="not an empty folder"):
        make_phantom_cohort(tmp_path, tiny_settings, SectionSettings(), SEED, processes=1)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.slow
def test_a_cohort_without_scans_and_with_few_pathologies(tiny_settings, tmp_path):
    tree = tiny_settings.model_dump()
    tree["phantom"]["scans"]["patients"] = [0, 0, 0]
    tree["phantom"]["scans"]["lesions"] = dict.fromkeys(tree["phantom"]["scans"]["lesions"], 0)
    tree["phantom"]["patients"]["pathology_share"] = 0.4
    settings = type(tiny_settings).model_validate(tree)
    cohort = make_phantom_cohort(tmp_path / "sections", settings, SectionSettings(), SEED, processes=1)
    assert not (tmp_path / "sections" / "scans.csv").exists()
    train = read_sections(tmp_path / "sections", "train")
    image, pathology = train.labels["image"], train.labels["pathology"]
    assert (image >= 0).all()
    assert 0 < np.count_nonzero(pathology == -1) < len(train)
    known = pathology >= 0
    assert cohort.generator.agreement["train"] == np.mean(image[known] == pathology[known])
