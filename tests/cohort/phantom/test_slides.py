"""Slides in the embedded cohort: whose, of what, and that a cohort without them stays what it was."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lung_ssp.cohort.description import CohortDescription, read_cohort
from lung_ssp.cohort.fingerprint import cohort_fingerprint
from lung_ssp.cohort.phantom.make import make_phantom_cohort
from lung_ssp.cohort.phantom.patients import plan_patients
from lung_ssp.cohort.phantom.settings import PhantomCohortSettings, PhantomSettings
from lung_ssp.cohort.phantom.slides import plan_slides
from lung_ssp.cohort.slides.settings import SlideSettings
from lung_ssp.cohort.slides.store import read_tiles, write_tiles
from lung_ssp.cohort.store import SPLITS, read_sections
from lung_ssp.ct.settings import SectionSettings
from lung_ssp.errors import CohortError

SEED = 7
TILES = SlideSettings(tiles_per_slide=5)


def with_slides(settings: PhantomCohortSettings, patients: list[int]) -> PhantomCohortSettings:
    changes = {"slides": {"patients": patients, "size": 400}, "scans": {"patients": [0, 0, 0], "lesions": {}}}
    changes["scans"]["lesions"] = dict.fromkeys(settings.phantom.scans.lesions.model_dump(), 0)
    return PhantomCohortSettings.model_validate({"phantom": settings.phantom.model_dump() | changes})


def make(root: Path, settings: PhantomCohortSettings, tiles: SlideSettings = TILES) -> CohortDescription:
    return make_phantom_cohort(root, settings, SectionSettings(), SEED, 1, tiles)


@pytest.fixture(scope="module")
def cohort(tiny_settings: PhantomCohortSettings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("slides") / "cohort"
    make(root, with_slides(tiny_settings, [4, 1, 3]))
    return root


def test_slides_are_of_cancers_with_a_known_pathology(tiny_settings: PhantomCohortSettings) -> None:
    settings = with_slides(tiny_settings, [3, 1, 2]).phantom
    half = settings.model_copy(update={"patients": settings.patients.model_copy(update={"pathology_share": 0.6})})
    patients = {patient.name: patient for patient in plan_patients(half, SEED)}
    slides = plan_slides(list(patients.values()), half, SEED)
    assert [slide.split for slide in slides] == ["train"] * 3 + ["validation"] + ["test"] * 2
    assert len({slide.patient for slide in slides}) == 6
    for slide in slides:
        patient = patients[slide.patient]
        assert patient.has_pathology and patient.split == slide.split
        assert slide.label in [finding.label for finding in patient.findings] and slide.label > 0


def test_more_slides_than_cancers_are_refused(tiny_settings: PhantomCohortSettings) -> None:
    settings = with_slides(tiny_settings, [0, 50, 0]).phantom
    with pytest.raises(CohortError, match="asks for 50 validation patients"):
        plan_slides(plan_patients(settings, SEED), settings, SEED)


@pytest.mark.slow
def test_the_cohort_counts_its_slides_and_tiles(cohort: Path) -> None:
    described, table = read_cohort(cohort), pd.read_csv(cohort / "slides.csv")
    assert described.counts.slides == {"train": 4, "validation": 1, "test": 3}
    assert table["split"].value_counts().to_dict() == {"train": 4, "validation": 1, "test": 3}
    for split in SPLITS:
        tiles = read_tiles(cohort, split)
        assert len(tiles) == described.counts.tiles[split] > 0
        assert set(tiles.patients.tolist()) <= set(read_sections(cohort, split).patients.tolist())
    for row in table.itertuples():
        assert len(list((cohort / row.slide).glob("*.dcm"))) == 2


@pytest.mark.slow
def test_the_sections_are_those_of_the_cohort_without_slides(cohort: Path, tiny_cohort: Path) -> None:
    for split in SPLITS:
        assert np.array_equal(read_sections(cohort, split).images, read_sections(tiny_cohort, split).images)
    described = read_cohort(tiny_cohort)
    assert (described.counts.slides, described.counts.tiles, described.tiles) == ({}, {}, None)
    assert not any((tiny_cohort / name).exists() for name in ("slides.csv", "slides", "tiles"))


@pytest.mark.slow
def test_the_fingerprint_is_of_the_tiles_too(cohort: Path, tmp_path: Path) -> None:
    shutil.copytree(cohort, tmp_path / "copy")
    assert cohort_fingerprint(tmp_path / "copy") == read_cohort(cohort).fingerprint
    test = read_tiles(cohort, "test")
    test.images[0, 0, 0, 0] ^= 1
    write_tiles(tmp_path / "copy", "test", test)
    assert cohort_fingerprint(tmp_path / "copy") != read_cohort(cohort).fingerprint


@pytest.mark.slow
def test_how_tiles_are_cut_matters_to_a_cohort_with_slides_alone(
    tiny_settings: PhantomCohortSettings, cohort: Path
) -> None:
    with pytest.raises(CohortError, match="another cohort, of other settings"):
        make(cohort, with_slides(tiny_settings, [4, 1, 3]), tiles=SlideSettings(tiles_per_slide=6))


@pytest.mark.slow
def test_an_interrupted_preparation_ends_alike(
    cohort: Path, tiny_settings: PhantomCohortSettings, tmp_path: Path
) -> None:
    root = tmp_path / "interrupted"
    shutil.copytree(cohort, root)
    lost = pd.read_csv(cohort / "slides.csv")["slide"].iloc[[1, 5]]
    for folder in lost:
        shutil.rmtree(root / folder)
    for name in ("cohort.json", "tiles/test.npz"):
        (root / name).unlink()
    again = make(root, with_slides(tiny_settings, [4, 1, 3]))
    assert again == read_cohort(cohort)
    for folder in lost:
        for file in (cohort / folder).iterdir():
            assert (root / folder / file.name).read_bytes() == file.read_bytes()


def test_settings_of_slides_are_checked() -> None:
    with pytest.raises(ValueError, match="patients"):
        PhantomSettings.model_validate({"slides": {"patients": [1, 2]}})
