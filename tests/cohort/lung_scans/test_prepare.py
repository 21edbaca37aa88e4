"""Scans with lung masks and without lesions, from NIfTI files to slices in which all is background."""

from pathlib import Path

import nibabel
import numpy as np
import pytest

from lung_ssp.cohort.lung_scans.places import ExcludedPlace, find_places, read_places
from lung_ssp.cohort.lung_scans.prepare import prepare_lung_scans
from lung_ssp.cohort.lung_scans.settings import LungScansSettings
from lung_ssp.cohort.slices import read_slices
from lung_ssp.cohort.verify import verify_cohort
from lung_ssp.config import load_config
from lung_ssp.ct.volume import Volume
from lung_ssp.errors import CohortError, ConfigError
from lung_ssp.preparation import prepare_lung_scan_cohort

SHAPE = (40, 70, 80)  # z, y, x, of 3 x 2 x 2 mm
AFFINE = np.diag([-2.0, -2.0, 3.0, 1.0])  # RAS: the array runs to the left, the back and the head


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A box of lung in a body, as two NIfTI files."""
    folder = tmp_path / "data"
    folder.mkdir()
    lungs = np.zeros(SHAPE, np.uint8)
    lungs[1:39, 5:65, 5:75] = 1
    rng = np.random.default_rng(0)
    hu = np.where(lungs, -850, 40) + rng.normal(0, 20, SHAPE)
    hu[:, :2] = -1000  # air before the chest
    for name, values in (("one_ct", hu.astype(np.int16)), ("one_lung", lungs)):
        nibabel.save(nibabel.Nifti1Image(values.transpose(2, 1, 0), AFFINE), folder / f"{name}.nii.gz")
    return folder


def settings_of(folder: Path, **cohort) -> LungScansSettings:
    return LungScansSettings.model_validate(
        {
            "task": "lung_scans",
            "cohort": {
                "name": "lungs",
                "root": str(folder.parent / "cohort"),
                "folder": str(folder),
                "scans": [{"name": "one", "series": "one_ct.nii.gz", "lungs": "one_lung.nii.gz"}],
                "source": {"origin": "a trial", "licence": "CC BY 3.0", "citation": "by whom."},
                **cohort,
            },
            "slices": {"spacing_mm": [3.0, 2.0, 2.0], "margin_mm": 100.0},
        }
    )


def places_in(folder: Path, *rows: str) -> str:
    path = folder.parent / "excluded.csv"
    path.write_text("\n".join(["scan,x_mm,y_mm,z_mm,diameter_mm,remark", *rows]) + "\n")
    return str(path)


def test_all_inside_the_lungs_is_background_and_nothing_else_counts(folder):
    settings = settings_of(folder)
    prepared = prepare_lung_scan_cohort(settings)
    grid, (scan,) = read_slices(prepared.root, "train")
    assert grid == settings.slices and scan.scan.hu.shape == SHAPE
    assert np.count_nonzero(scan.lungs) == 38 * 60 * 70
    assert np.array_equal(scan.lesions, np.where(scan.lungs, 0, 255))
    assert (
        "a trial, 1 REAL scans taken as without nodules, which no reader has certified" in prepared.description.origin
    )
    assert prepared.description.origin.endswith("CC BY 3.0; by whom")
    assert (prepared.root / "scans" / "one.nii.gz").is_file()
    assert verify_cohort(prepared.root).fingerprint == prepared.description.fingerprint
    assert prepare_lung_scan_cohort(settings).description == prepared.description  # finished, so read


def test_an_excluded_place_does_not_count(folder):
    # voxel (z 4, y 10, x 20) of the grid that starts at 0, 0, 0 mm; 6 mm are 3 voxels in the plane and along z
    rows = places_in(folder, "one,40,20,12,6,perhaps a nodule")
    prepared = prepare_lung_scans(settings_of(folder, excluded=rows))
    _, (scan,) = read_slices(folder.parent / "cohort", "train")
    assert np.argwhere((scan.lesions == 255) & scan.lungs).tolist() == [
        [z, y, x] for z in (3, 4, 5) for y in (9, 10, 11) for x in (19, 20, 21)
    ]
    assert prepared.counts.scans == {"train": 1}
    with pytest.raises(CohortError, match="holds another cohort"):
        prepare_lung_scans(settings_of(folder))


def test_what_a_diagnosis_would_search_is_searched_too(folder):
    """The given mask leaves out a part of the lung."""
    path = folder / "one_lung.nii.gz"
    given = np.asarray(nibabel.load(path).dataobj).copy()
    given[40:] = 0
    nibabel.save(nibabel.Nifti1Image(given, AFFINE), path)
    searched = []
    for name, own_lungs in (("given", False), ("own", True)):
        root = folder.parent / name
        prepare_lung_scans(settings_of(folder, root=str(root), own_lungs=own_lungs))
        _, (scan,) = read_slices(root, "train")
        assert np.array_equal(scan.lesions, np.where(scan.lungs, 0, 255))
        searched.append(scan.lungs)
    assert not (searched[0] & ~searched[1]).any()
    left_out = searched[1][5:35, 10:60, 45:70] & ~searched[0][5:35, 10:60, 45:70]
    assert left_out.mean() > 0.99


@pytest.mark.parametrize("centre, diameter, expected", [(4.2, 0.1, (2, 3)), (-1.5, 4, (0, 1)), (19, 100, (0, 10))])
def test_a_cube_has_at_least_the_nearest_voxel_and_ends_with_the_scan(centre, diameter, expected):
    volume = Volume(np.zeros((10, 10, 10), np.int16), (2.0, 2.0, 2.0))
    place = ExcludedPlace(scan="one", x_mm=centre, y_mm=centre, z_mm=centre, diameter_mm=diameter)
    assert place.box_in(volume) == (slice(*expected),) * 3


@pytest.mark.parametrize(
    "rows, reason",
    [
        (("two,0,0,0,5,",), r"excluded\.csv excludes a place in the scan 'two', which the cohort does not have"),
        (("one,0,0,0,0,",), r"excluded\.csv, line 2: diameter_mm is '0'.*correct it"),
        (("one,0,0,500,5,",), r"place 0, 0, 500 mm lies beside the scan one: give its centre in .*LPS"),
    ],
)
def test_a_wrong_place_is_named(folder, rows, reason):
    with pytest.raises(CohortError, match=reason):
        prepare_lung_scans(settings_of(folder, excluded=places_in(folder, *rows)))
    assert not (folder.parent / "cohort").exists()


def test_missing_files_are_named(folder):
    with pytest.raises(CohortError, match=r"none\.csv does not exist: name the CSV file of excluded places"):
        read_places(folder / "none.csv", ["one"])
    for scan, reason in (
        ({"name": "one", "series": "no.nii.gz", "lungs": "one_lung.nii.gz"}, r"no\.nii\.gz of the scan one does not"),
        ({"name": "one", "series": "../one.nii.gz", "lungs": "one_lung.nii.gz"}, "cohort.scans, one: .*must be a path"),
        ({"name": "a/b", "series": "one_ct.nii.gz", "lungs": "one_lung.nii.gz"}, "a/b cannot be the name of a file"),
    ):
        with pytest.raises(CohortError, match=reason):
            prepare_lung_scans(settings_of(folder, scans=[scan]))
        assert not (folder.parent / "cohort").exists()


def test_the_shipped_file_names_scans_once(tmp_path):
    tree = load_config("cohort/lctsc.yml", LungScansSettings)
    assert (
        len(tree.settings.cohort.scans) == 6 and "10.7937/K9/TCIA.2017.3R3FVZ08" in tree.settings.cohort.source.citation
    )
    scans = {scan.name for scan in tree.settings.cohort.scans}
    places = read_places(find_places(tree.settings.cohort.excluded), scans)
    assert len({place.scan for place in places}) == len(places) == 5
    text = tree.text().replace("Case_004\n", "Case_002\n")
    (tmp_path / "twice.yml").write_text(text)
    with pytest.raises(ConfigError, match="names Case_002 2 times"):
        load_config(tmp_path / "twice.yml", LungScansSettings)
