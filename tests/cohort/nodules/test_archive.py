"""An archive of nodules is read whole, or refused in one sentence."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lung_ssp.cohort.nodules.archive import RecordedDiagnosis, read_archive
from lung_ssp.errors import CohortError


def change(archive: Path, file: str, edit: Callable[[pd.DataFrame], object]) -> None:
    table = pd.read_csv(archive / file, dtype=str, keep_default_na=False)
    edited = edit(table)
    (table if edited is None else edited).to_csv(archive / file, index=False)


def put(column: str, row: int, value: str) -> Callable[[pd.DataFrame], None]:
    def edit(table: pd.DataFrame) -> None:
        table.loc[row, column] = value

    return edit


def change_array(archive: Path, name: str, edit: Callable[[np.ndarray], np.ndarray]) -> None:
    path = archive / "lidc_nodules.npz"
    with np.load(path) as file:
        arrays = dict(file)
    np.savez(path, **{**arrays, name: edit(arrays[name].copy())})


def test_a_nodule_comes_with_all_that_was_said_of_it(archive: Path) -> None:
    nodules = read_archive(archive)
    assert [nodule.name for nodule in nodules[:3]] == ["SYN-00-nodule-0", "SYN-00-nodule-1", "SYN-01-nodule-2"]
    nodule = nodules[2]
    assert (nodule.patient, nodule.spacing, nodule.n_readers) == ("SYN-01", (2.5, 2.0, 2.0), 3)
    assert nodule.z_mm.tolist() == [-100, -97.5, -95]
    assert nodule.ratings["malignancy"] == (2, 2, 2) and nodule.ratings["internalStructure"] == (2, 2, 2)
    assert nodule.patient_diagnosis == RecordedDiagnosis(1, 1) and nodule.diagnosis == RecordedDiagnosis(-1, -1)
    assert nodule.dice_vs_majority == (0.7, 0.8, 0.9) and nodule.dice_pairwise == 0.75
    assert nodule.majority.tolist() == (nodule.readers >= 2).tolist() and nodule.majority.any()


def test_padding_becomes_the_lowest_number_of_the_scale(archive: Path) -> None:
    nodule = read_archive(archive)[0]
    assert nodule.hu.min() == nodule.hu[-1, 0, 0] == -1024


def test_half_of_an_even_number_of_readers_is_a_majority(archive: Path) -> None:
    change(
        archive, "nodules.csv", lambda table: table.assign(n_readers="2", reader_mask_missing="1", dice_vs_majority="")
    )
    change_array(archive, "n_readers", lambda values: values - 1)
    change_array(archive, "readers", lambda votes: np.minimum(votes, 2).astype(np.uint8))
    nodule = read_archive(archive)[0]
    assert nodule.majority.tolist() == (nodule.readers >= 1).tolist()


TABLES = {
    r"nodules\.csv lacks the columns malignancy": ("nodules.csv", lambda table: table.drop(columns="malignancy")),
    r"nodules\.csv, line 2: malignancy is '3;6;3': .*whole numbers from 1 to 5": (
        "nodules.csv",
        put("malignancy", 0, "3;6;3"),
    ),
    r"internalStructure is '5;1;1': .*from 1 to 4": ("nodules.csv", put("internalStructure", 3, "5;1;1")),
    r"calcification is '7;6;6': .*from 1 to 6": ("nodules.csv", put("calcification", 0, "7;6;6")),
    r"SYN-00/nodule-1 has 2 ratings of texture, but n_annotations is 3": ("nodules.csv", put("texture", 1, "3;4")),
    r"patient_dx is '4'": ("nodules.csv", put("patient_dx", 0, "4")),
    r"patient_dx_method is '5'": ("nodules.csv", put("patient_dx_method", 0, "5")),
    r"nodule_dx is '-2'": ("nodules.csv", put("nodule_dx", 0, "-2")),
    r"dice_vs_majority is '1\.5'": ("nodules.csv", put("dice_vs_majority", 0, "1.5")),
    r"nodule_id is '\.\./x'.*expected PATIENT/NODULE": ("nodules.csv", put("nodule_id", 0, "../x")),
    r"the nodule_id SYN-00-nodule-0 stands there 2 times": ("nodules.csv", put("nodule_id", 1, "SYN-00/nodule-0")),
    r"the nodule 0 stands there 2 times": ("nodules.csv", put("nodule", 1, "0")),
    r"SYN-00/nodule-1 has another patient_dx": ("nodules.csv", put("patient_dx", 1, "2")),
    r"the patient 0 of SYN-99/a is another one": ("nodules.csv", put("nodule_id", 1, "SYN-99/a")),
    r"the nodule SYN-01/nodule-2 has 3 slices, but n_slices is 4": ("nodules.csv", put("n_slices", 2, "4")),
    r"the nodule SYN-01/nodule-2 has n_readers 2, but other": (
        "nodules.csv",
        lambda table: table.assign(n_readers="2", reader_mask_missing="1", dice_vs_majority="").iloc[
            [2, 0, 1, *range(3, len(table))]
        ],
    ),
    r"SYN-01/nodule-2 has 2 readers' masks \(n_readers\) of 3 annotations, but reader_mask_missing is not 1": (
        "nodules.csv",
        put("n_readers", 2, "2"),
    ),
    r"SYN-01/nodule-2 has 4 readers' masks \(n_readers\) of 3 annotations": ("nodules.csv", put("n_readers", 2, "4")),
    r"SYN-00/nodule-0 has 2 values of dice_vs_majority, but n_readers is 3": (
        "nodules.csv",
        put("dice_vs_majority", 0, "0.7;0.8"),
    ),
    r"pixel_mm is '0'": ("nodules.csv", put("pixel_mm", 0, "0")),
    r"it has no nodules": ("nodules.csv", lambda table: table.iloc[:0]),
    r"slice 4 is of the nodule 77, which nodules\.csv does not have": ("slices.csv", put("nodule", 4, "77")),
    r"slice 4 is of the nodule 0, but of 1 in lidc_nodules\.npz": ("slices.csv", put("nodule", 4, "0")),
    r"slice 4 is of patient 8, but its nodule of 0": ("slices.csv", put("patient", 4, "8")),
    r"slices\.csv: row 5 is of slice 9, not 4": ("slices.csv", put("slice", 4, "9")),
    r"slices\.csv: it has 35 rows, but lidc_nodules\.npz 36 slices": ("slices.csv", lambda table: table.iloc[:-1]),
    r"SYN-00/nodule-1 has slices whose z_mm does not rise": ("slices.csv", put("z_mm", 4, "-100")),
    r"z_mm is 'nan'": ("slices.csv", put("z_mm", 4, "nan")),
}


@pytest.mark.parametrize("message", TABLES)
def test_a_table_that_is_wrong_is_told(archive: Path, message: str) -> None:
    change(archive, *TABLES[message])
    with pytest.raises(CohortError, match=rf"{message}.*: correct the archive as docs/nodule-archive\.md describes it"):
        read_archive(archive)


ARRAYS = {
    "hu is int32 and readers uint8, not int16 and uint8": ("hu", lambda a: a.astype(np.int32)),
    "hu holds .*not whole numbers": ("hu", lambda a: a.astype(np.float32)),
    r"hu has the shape \(35, 24, 24\), readers \(36, 24, 24\)": ("hu", lambda a: a[:-1]),
    "it has 36 slices, but n_readers has 35 values": ("n_readers", lambda a: a[:-1]),
    "SYN-00/nodule-0 has voxels that 9 readers marked, but n_readers is 3": ("readers", lambda a: np.where(a, 9, a)),
    "SYN-00/nodule-0 has no voxel that half of its readers marked": ("readers", lambda a: np.minimum(a, 1)),
}


@pytest.mark.parametrize("message", ARRAYS)
def test_arrays_that_are_wrong_are_told(archive: Path, message: str) -> None:
    name, edit = ARRAYS[message]
    change_array(archive, name, lambda array: edit(array).astype(np.uint8) if name == "readers" else edit(array))
    with pytest.raises(CohortError, match=f"{message}.*: correct the archive"):
        read_archive(archive)


def test_a_folder_that_is_no_archive_is_told(archive: Path) -> None:
    (archive / "slices.csv").unlink()
    with pytest.raises(CohortError, match=r"is no archive of nodules, it lacks slices\.csv: .*-o cohort\.archive="):
        read_archive(archive)


def test_pickles_are_refused(archive: Path) -> None:
    change_array(archive, "n_readers", lambda a: a.astype(object))
    with pytest.raises(CohortError, match=r"lidc_nodules\.npz cannot be read"):
        read_archive(archive)
