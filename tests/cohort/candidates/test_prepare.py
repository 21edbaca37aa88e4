"""A cohort of candidates out of scans with and without lesions and an archive's nodules, by a finder that is told."""

from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
import pytest

from lung_ssp.cohort.candidates.places import of_nodule
from lung_ssp.cohort.candidates.prepare import FinderSource, prepare_candidates
from lung_ssp.cohort.candidates.settings import CandidatesSettings, PlaceSettings
from lung_ssp.cohort.candidates.store import read_candidate_table, read_candidates
from lung_ssp.cohort.fingerprint import cohort_fingerprint
from lung_ssp.cohort.lung_scans.settings import LungScansSettings
from lung_ssp.cohort.nodules.store import StoredNodule
from lung_ssp.cohort.split import patients_by_split, record_splits
from lung_ssp.cohort.verify import record_files, verify_cohort
from lung_ssp.ct.lesion import Candidate, lesion_from_mask
from lung_ssp.ct.volume import Volume
from lung_ssp.errors import CohortError
from lung_ssp.preparation import prepare_lung_scan_cohort

SHAPE = (40, 70, 80)  # z, y, x of 3 x 2 x 2 mm
AFFINE = np.diag([-2.0, -2.0, 3.0, 1.0])


def block(shape: tuple[int, ...], z: int, y: int, x: int) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[z - 1 : z + 2, y - 2 : y + 3, x - 2 : x + 3] = True
    return mask


@dataclass(frozen=True)
class ToldFinder:
    """Finds a block at each of the places (z, y, x), with scores from 0.9 down."""

    places: tuple[tuple[int, int, int], ...]

    def in_scan(self, volume: Volume, lungs: np.ndarray) -> list[Candidate]:
        assert lungs.shape == volume.shape
        masks = [block(volume.shape, *place) for place in self.places]
        return [Candidate(lesion_from_mask(mask, volume), 0.9 - 0.1 * k, 0.0) for k, mask in enumerate(masks)]

    def in_nodule(self, nodule: StoredNodule) -> tuple[Volume, list[Candidate]]:
        volume = Volume(nodule.hu, tuple(nodule.spacing.tolist()))
        return volume, self.in_scan(volume, np.ones(volume.shape, bool))


@pytest.fixture
def lungs(tmp_path: Path) -> Path:
    """Two prepared scans of lung without marked lesions; one place of the first is excluded."""
    folder = tmp_path / "data"
    folder.mkdir()
    inside = np.zeros(SHAPE, np.uint8)
    inside[1:39, 5:65, 5:75] = 1
    hu = np.where(inside, -850, 40).astype(np.int16)
    hu[:, 20:22, 10:60] = -100  # a vessel
    for name in ("one", "two"):
        for what, values in (("ct", hu), ("lung", inside)):
            nibabel.save(nibabel.Nifti1Image(values.transpose(2, 1, 0), AFFINE), folder / f"{name}_{what}.nii.gz")
    excluded = tmp_path / "excluded.csv"
    excluded.write_text("scan,x_mm,y_mm,z_mm,diameter_mm\none,100,80,15,16\n")
    scans = [{"name": name, "series": f"{name}_ct.nii.gz", "lungs": f"{name}_lung.nii.gz"} for name in ("one", "two")]
    source = {"origin": "a trial", "licence": "CC BY 3.0", "citation": "by whom."}
    cohort = {"name": "lungs", "root": str(tmp_path / "lungs"), "folder": str(folder), "scans": scans, "source": source}
    tree = {"task": "lung_scans", "cohort": {**cohort, "excluded": str(excluded)}}
    return prepare_lung_scan_cohort(LungScansSettings.model_validate(tree)).root


def settings_of(lungs: Path, **scans) -> CandidatesSettings:
    cohort = {"name": "candidates", "root": str(lungs.parent / "cohort"), "segmentation": "none"}
    places = {"random_per_scan": 3, "lung_share": 0.2}
    tree = {"task": "candidates", "cohort": {**cohort, "scans": [{"root": str(lungs), **scans}]}, "places": places}
    return CandidatesSettings.model_validate(tree)


SOURCE = FinderSource(ToldFinder(((5, 20, 30), (5, 40, 50))), "0123", "a trial")


def test_what_is_found_in_lungs_without_lesions_is_false_but_for_excluded_places(lungs: Path) -> None:
    settings = settings_of(lungs, test=["two"])
    description = prepare_candidates(settings, SOURCE)
    root = Path(settings.cohort.root)
    rows = read_candidate_table(root)
    found = [(row.scan, row.split, row.kind, row.z, row.y, row.x, row.score) for row in rows if row.kind == "found"]
    assert found == [
        ("one", "train", "found", 5.0, 20.0, 30.0, 0.9),  # the other place of this scan is excluded
        ("two", "test", "found", 5.0, 20.0, 30.0, 0.9),
        ("two", "test", "found", 5.0, 40.0, 50.0, 0.8),
    ]
    random = [row for row in rows if row.kind == "random"]
    assert len(random) == 6 and all(row.y in (20.0, 21.0) and row.score is None for row in random)  # on the vessel
    assert not any(row.is_nodule for row in rows)
    train = read_candidates(root, "train")
    assert train.hu.shape == (4, 5, 64, 64) and train.hu[0, 2, 32, 32] == -100
    assert "by the segmentation weights 0123 trained on: a trial" in description.origin
    assert "2 REAL scans" in description.statement and not description.synthetic


def test_the_cohort_is_verified_and_its_patients_are_known(lungs: Path) -> None:
    settings = settings_of(lungs, test=["two"])
    description = prepare_candidates(settings, SOURCE)
    root = Path(settings.cohort.root)
    assert cohort_fingerprint(root) == description.fingerprint
    assert patients_by_split(root) == {"train": ["one"], "validation": [], "test": ["two"]}
    record_splits(root)
    record_files(root)
    assert verify_cohort(root).fingerprint == description.fingerprint
    assert prepare_candidates(settings, SOURCE) == description  # finished, so read
    with pytest.raises(CohortError, match="holds another cohort"):
        prepare_candidates(settings_of(lungs, test=["one"]), SOURCE)
    table = root / "candidates.csv"
    table.write_text(table.read_text().replace(",found,", ",nodule,"))
    with pytest.raises(CohortError, match=r"candidates.csv has changed"):
        verify_cohort(root)


def test_a_scan_that_is_not_there_cannot_be_moved(lungs: Path) -> None:
    settings = settings_of(lungs, validation=["three"])
    with pytest.raises(CohortError, match=r"moves the scan 'three' of .*, which that cohort does not have"):
        prepare_candidates(settings, SOURCE)
    assert not Path(settings.cohort.root).exists()
    with pytest.raises(ValueError, match="the scan one is named twice"):
        settings_of(lungs, validation=["one"], test=["one"])


def test_beside_a_nodule_only_what_is_well_away_from_its_marks_is_false(archived_nodule: StoredNodule) -> None:
    # 0.7 mm pixels: the marks end at row 64; 10 mm away and 16 mm from the border (row 97) lies row 90, not row 74
    finder = ToldFinder(((4, 60, 60), (4, 74, 60), (4, 90, 60), (4, 110, 60)))
    nodule, rng = archived_nodule, np.random.default_rng(0)
    found = of_nodule(nodule, finder, PlaceSettings(random_per_nodule=2), alone=True, rng=rng)
    assert [(one.kind, one.spot.centre[1]) for one in found[:2]] == [("nodule", 60.0), ("found", 90.0)]
    assert (found[0].spot.first, found[0].spot.last, found[0].diameter_mm) == (3, 5, 8.0)
    assert [one.kind for one in found[2:]] == ["random", "random"]
    assert all(88 <= one.spot.centre[1] < 92 for one in found[2:])
    assert all(one.spot.first <= one.spot.centre[0] <= one.spot.last for one in found)
    crowded = of_nodule(nodule, finder, PlaceSettings(), alone=False, rng=rng)
    assert [one.kind for one in crowded] == ["nodule"]
