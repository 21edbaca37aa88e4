"""Whether a prepared cohort still is what was prepared."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lung_ssp.cohort.description import NlstDescription, read_cohort, write_cohort
from lung_ssp.cohort.fingerprint import cohort_fingerprint
from lung_ssp.cohort.store import read_sections
from lung_ssp.cohort.unchanged import FILES, check_unchanged
from lung_ssp.cohort.verify import record_files, verify_cohort
from lung_ssp.errors import CohortError
from lung_ssp.files import read_json, sha256_of, write_json


@pytest.fixture
def cohort(tiny_cohort: Path, tmp_path: Path) -> Path:
    shutil.copytree(tiny_cohort, tmp_path / "cohort")
    return tmp_path / "cohort"


def test_a_cohort_that_nobody_touched_is_whole(tiny_cohort):
    check = verify_cohort(str(tiny_cohort))
    description = read_cohort(tiny_cohort)
    assert (check.root, check.description, check.leaky) == (tiny_cohort, description, False)
    assert check.fingerprint == cohort_fingerprint(tiny_cohort)
    assert check.sections == description.counts.sections
    assert check.files == len(read_json(tiny_cohort / FILES))


def test_the_fingerprint_is_told_by_the_files_alone(tiny_cohort):
    assert cohort_fingerprint(tiny_cohort) == read_cohort(tiny_cohort).fingerprint


def test_the_record_of_a_finished_cohort_is_never_written_again(cohort):
    before = (cohort / FILES).read_bytes()
    (cohort / "sections.csv").write_text("changed")
    record_files(cohort)
    assert (cohort / FILES).read_bytes() == before


def flip_a_bit(root: Path) -> None:
    path = next((root / "slices").glob("*.npz"))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def record_also(root: Path, name: str) -> None:
    write_json(root / FILES, {**read_json(root / FILES), name: "0" * 64})


DAMAGES: dict[str, Callable[[Path], object]] = {
    r"slices/PHANTOM-\d+\.npz has changed": flip_a_bit,
    r"scans/PHANTOM-00001\.npz is missing": lambda root: (root / "scans" / "PHANTOM-00001.npz").unlink(),
    r"sections/more\.npz was not there": lambda root: (root / "sections" / "more.npz").write_bytes(b""),
    r"its preparation did not end": lambda root: (root / FILES).unlink(),
    r"files\.json is damaged": lambda root: (root / FILES).write_text("5"),
    r"files\.json is damaged(?#by a path)": lambda root: record_also(root, "../evil.json"),
    r"holds no prepared cohort": lambda root: (root / "cohort.json").unlink(),
}


@pytest.mark.parametrize("fault", DAMAGES)
def test_a_file_that_changed_went_or_came_is_named(cohort, fault):
    DAMAGES[fault](cohort)
    with pytest.raises(CohortError, match=fault):
        verify_cohort(cohort)


@pytest.mark.parametrize("name", ["../evil.json", "/etc/evil.json", "a/../../evil.json", "out/evil.json"])
def test_a_record_that_names_files_elsewhere_is_damaged_and_they_are_not_read(tmp_path, name):
    root = tmp_path / "cohort"
    (root / "sections").mkdir(parents=True)
    (root / "out").symlink_to(tmp_path)
    (tmp_path / "evil.json").write_text("5")
    write_json(root / FILES, {name: sha256_of(tmp_path / "evil.json")})
    with pytest.raises(
        CohortError, match=rf"files\.json is damaged, it names '{name}'.*restore it from a copy"
    ) as error:
        check_unchanged(root)
    assert str(root / FILES) in str(error.value)


def test_a_record_of_endless_size_is_refused_unread(tmp_path):
    with (tmp_path / FILES).open("wb") as file:
        file.truncate(10**12)
    with pytest.raises(CohortError, match=r"files\.json has more than 64 MB"):
        check_unchanged(tmp_path)


def rewrite_sections(root: Path, **changes: np.ndarray) -> None:
    path = root / "sections" / "test.npz"
    with np.load(path) as arrays:
        content = dict(arrays)
    np.savez(path, **{**content, **changes})


def share_a_patient(root: Path) -> None:
    table = pd.read_csv(root / "splits.csv")
    table.loc[len(table)] = [table.loc[table["split"] == "train", "patient"].iloc[0], "test"]
    table.to_csv(root / "splits.csv", index=False)


def lose_a_patient(root: Path) -> None:
    table = pd.read_csv(root / "splits.csv")
    table[table["patient"] != read_sections(root, "test").patients[0]].to_csv(root / "splits.csv", index=False)


def relabel(root: Path) -> None:
    labels = read_sections(root, "test").labels["pathology"].copy()
    labels[0] = (labels[0] + 1) % 9
    rewrite_sections(root, pathology_labels=labels)


def brighten(root: Path) -> None:
    images = read_sections(root, "test").images.copy()
    images[0, 0, 0] = 1.5
    rewrite_sections(root, images=images)


def darken(root: Path) -> None:
    images = read_sections(root, "test").images.copy()
    images[0, 0, 0] = 0.0 if images[0, 0, 0] else 0.5
    rewrite_sections(root, images=images)


def relabel_table(root: Path, label: str) -> None:
    table = pd.read_csv(root / "sections.csv", dtype=str)
    table.loc[0, "pathology_label"] = label
    table.to_csv(root / "sections.csv", index=False)


def darken_slices(root: Path) -> None:
    path = next((root / "slices").glob("*.npz"))
    with np.load(path) as arrays:
        content = dict(arrays)
    content["hu"][0, 0, 0] = -2000
    np.savez(path, **content)


def move_a_scan(root: Path) -> None:
    table = pd.read_csv(root / "scans.csv", dtype=str)
    table["split"] = table["split"].map({"train": "test", "test": "train"}).fillna(table["split"])
    table.to_csv(root / "scans.csv", index=False)


def forget_sources(root: Path) -> None:
    nlst = NlstDescription(sources={}, candidates_found_by=None, slides_that_failed={})
    write_cohort(root, read_cohort(root).model_copy(update={"nlst": nlst}))


def forget_how_sections_were_made(root: Path) -> None:
    cohort = read_json(root / "cohort.json")
    write_json(root / "cohort.json", {name: value for name, value in cohort.items() if name != "section"})


def lose_a_column(root: Path) -> None:
    pd.read_csv(root / "sections.csv").drop(columns="image_label").to_csv(root / "sections.csv", index=False)


FORGERIES: dict[str, Callable[[Path], object]] = {
    "is in both the": share_a_patient,
    "splits.csv lacks patients of train": move_a_scan,
    "does not say where some pathology labels": forget_sources,
    r"cohort\.json is damaged .*section: Field required": forget_how_sections_were_made,
    r"sections\.csv lacks the columns image_label: remove the folder": lose_a_column,
    r"sections\.csv, line 2: pathology_label is '9+'\.\.\.: ": lambda root: relabel_table(root, "9" * 5000),
    r"sections\.csv, line 2: pathology_label is 'nan'": lambda root: relabel_table(root, "nan"),
    r"splits\.csv is damaged \(byte 0 is not in UTF-8\)": lambda root: (root / "splits.csv").write_bytes(b"\xff"),
    r"splits\.csv is damaged \(line 2: field larger than field limit": lambda root: (root / "splits.csv").write_text(
        "patient,split\n" + "x" * 200_000 + ",test\n"
    ),
    r"test\.npz cannot be read \(image_labels holds text": lambda root: rewrite_sections(
        root, image_labels=np.array(["a"])
    ),
    r"test\.npz is damaged, a label is none of -1 to 999": lambda root: rewrite_sections(
        root, image_labels=read_sections(root, "test").labels["image"] + 1000
    ),
    "it has no splits.csv": lambda root: (root / "splits.csv").unlink(),
    "splits.csv lacks patients of test": lose_a_patient,
    "other pathology labels in test": relabel,
    "label counts of test": relabel,
    "values outside 0..1": brighten,
    "HU below -1024": darken_slices,
    "are \\(20, 20\\) pixels, not 28x28": lambda root: rewrite_sections(
        root, images=read_sections(root, "test").images[:, 4:24, 4:24]
    ),
    "the fingerprint is [0-9a-f]{16}, cohort.json says": darken,
}


@pytest.mark.parametrize("fault", FORGERIES)
def test_contents_that_do_not_fit_are_named_even_where_the_record_was_forged_too(cohort, fault):
    FORGERIES[fault](cohort)
    recorded = [name for name in read_json(cohort / FILES) if (cohort / name).is_file()]
    write_json(cohort / FILES, {name: sha256_of(cohort / name) for name in recorded})
    with pytest.raises(CohortError, match=fault):
        verify_cohort(cohort)
