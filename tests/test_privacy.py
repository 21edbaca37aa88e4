"""No command tells who the patient is: names, numbers, dates and institutions are planted in the scans, and sought in
everything that the commands print and write. NLST's own steps are tested in tests/cohort/nlst/.
"""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
import pytest
from PIL import Image

from lung_ssp.cli.app import main

IDENTITY = {
    "PatientName": "Quixote^Dulcinea",
    "PatientID": "MRN-7391-X",
    "OtherPatientIDs": "ALT-88120",
    "PatientBirthDate": "19510203",
    "PatientAddress": "Windmill Lane 12",
    "StudyDate": "20190817",
    "SeriesDate": "20190818",
    "AcquisitionDate": "20190819",
    "ContentDate": "20190820",
    "StudyTime": "131415.161",
    "AccessionNumber": "ACC-55501",
    "StudyID": "STUDY-404",
    "InstitutionName": "Hospital El Toboso",
    "ReferringPhysicianName": "Panza^Sancho",
    "OperatorsName": "Carrasco^Sanson",
    "StationName": "ROCINANTE1",
    "StudyDescription": "Chest of Dulcinea",
    "SeriesDescription": "Thorax Quixote",
    "ImageComments": "seen by Panza",
    "DeviceSerialNumber": "SN-171819",
}
WORDS = sorted({word for value in IDENTITY.values() for word in re.split(r"[\^ ]", value) if len(word) > 5})


@pytest.fixture(scope="module")
def clinic(series: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a scan whose files name the patient everywhere, a cut copy of it, and a manifest of both."""
    folder = tmp_path_factory.mktemp("clinic")
    for number, path in enumerate(sorted(series.iterdir())):
        dataset = pydicom.dcmread(path)
        for keyword, value in IDENTITY.items():
            setattr(dataset, keyword, value)
        dataset.private_block(0x0011, "TOBOSO", create=True).add_new(1, "LO", "Quixote")
        for name in ("scan", "cut"):
            (folder / name).mkdir(exist_ok=True)
            dataset.save_as(folder / name / f"{number:03d}.dcm")
    last = sorted((folder / "cut").iterdir())[-1]
    last.write_bytes(last.read_bytes()[:-1000])
    header = "patient,split,series,x_mm,y_mm,z_mm,diameter_mm,image_label,pathology_label"
    for name, scan in (("manifest", "scan"), ("broken", "cut")):
        rows = [f"P{k},{split},{scan},{-40 - 8 * k},10,0,{10 + k},1,1" for k, split in enumerate(SPLIT_OF_ROW)]
        (folder / f"{name}.csv").write_text("\n".join([header, *rows]) + "\n")
    return folder


SPLIT_OF_ROW = ("train", "train", "validation", "test")


def spoken(capfd: pytest.CaptureFixture[str], *words: object) -> str:
    """What a command prints."""
    main([str(word) for word in words])
    out, err = capfd.readouterr()
    return f"{out}\n{err}"


def texts_of(folder: Path) -> list[str]:
    """The names and the contents of all files of a folder, in every encoding that a text may have in them."""
    found = []
    for path in folder.rglob("*"):
        found.append(path.name)
        if not path.is_file():
            continue
        content = path.read_bytes()
        found += [content.decode(encoding, "replace") for encoding in ("utf-8", "utf-16-le", "utf-32-le")]
        if path.suffix == ".npz":
            with np.load(path) as arrays:
                found += [str(arrays[name].tolist()) for name in arrays.files if arrays[name].dtype.kind in "US"]
        if path.suffix == ".png":
            with Image.open(path) as picture:
                found.append(str(picture.info))
        if path.suffix == ".parquet":
            found.append(pd.read_parquet(path).to_csv())
    return found


def test_the_search_finds_what_is_planted(clinic: Path) -> None:
    text = "\n".join(texts_of(clinic / "scan"))
    assert [word for word in WORDS if word not in text] == []


@pytest.mark.slow
def test_no_command_tells_who_the_patient_is(
    clinic: Path, runs: tuple[Path, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    root, run = tmp_path / "cohort", tmp_path / "run"
    small = ["-o", "batch_size=1", "-o", "epochs=1"]
    roots = [word for part in ("train", "val", "test") for word in ("-o", f"{part}_dataset.dataset_root={root}")]
    config = ["--config", "cohort/manifest.yml", "-o", f"cohort.root={root}"]
    networks = ["--segmentation", runs[0], "--classification", runs[1]]
    printed = {
        "prepare, broken": spoken(capfd, "prepare", *config, "-o", f"cohort.manifest={clinic / 'broken.csv'}"),
        "prepare": spoken(capfd, "prepare", *config, "-o", f"cohort.manifest={clinic / 'manifest.csv'}"),
        "verify": spoken(capfd, "prepare", "verify", root),
        "train": spoken(capfd, "train", "--config", "classification/smoke.yml", "--output", run, *small, *roots),
        "eval": spoken(capfd, "eval", run),
        "export": spoken(capfd, "export", run),
        "diagnose": spoken(capfd, "diagnose", clinic / "scan", *networks, "--out", tmp_path / "out"),
        "diagnose, all": spoken(
            capfd, "diagnose", clinic, "--all", *networks, "--out", tmp_path / "many", "-o", "nodules.max_candidates=1"
        ),
        "diagnose, broken": spoken(capfd, "diagnose", clinic / "cut", *networks, "--out", tmp_path / "none"),
    }
    assert "truncated" in printed["prepare, broken"] and "truncated" in printed["diagnose, broken"]
    assert "2 scans: 1 done, 1 refused" in printed["diagnose, all"] and (tmp_path / "many" / "findings.csv").is_file()
    assert (tmp_path / "out" / "findings.json").is_file() and (run / "metrics.json").is_file()
    assert (tmp_path / "out" / "findings-seg.dcm").is_file() and (tmp_path / "out" / "findings-sr.dcm").is_file()
    texts = [*printed.values(), *texts_of(tmp_path)]
    assert [word for word in WORDS if any(word.lower() in text.lower() for text in texts)] == []


@pytest.mark.slow
def test_an_archive_is_told_who_the_patient_is_and_no_more(
    clinic: Path, runs: tuple[Path, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Where it is asked for, in the DICOM objects alone."""
    networks = ["--segmentation", runs[0], "--classification", runs[1]]
    out = tmp_path / "out"
    printed = spoken(capfd, "diagnose", clinic / "scan", *networks, "--out", out, "--keep-patient")
    objects = [path.name for path in out.glob("*.dcm")]
    assert objects and "written to" in printed
    for name in objects:
        dataset = pydicom.dcmread(out / name)
        for keyword in ("PatientName", "PatientID", "PatientBirthDate", "StudyDate", "AccessionNumber", "StudyID"):
            assert str(dataset[keyword].value) == IDENTITY[keyword]
    kept = {"PatientName", "PatientID", "PatientBirthDate", "StudyDate", "StudyTime", "StudyID", "AccessionNumber"}
    allowed = {word for keyword in kept for word in re.split(r"[\^ ]", IDENTITY[keyword])}
    others = [word for word in WORDS if word not in allowed]
    assert len(others) > 10 and [word for word in others if any(word in text for text in texts_of(out))] == []
    for name in objects:
        (out / name).unlink()
    texts = [printed, *texts_of(out)]
    assert [word for word in WORDS if any(word.lower() in text.lower() for text in texts)] == []
