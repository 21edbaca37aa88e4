"""From the plan of a public collection and its series to a prepared cohort, on a synthetic scan of four patients."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
import pytest
import yaml

from lung_ssp.cli.app import main
from lung_ssp.cohort.classes import CLASS_NAMES
from lung_ssp.cohort.description import read_cohort
from lung_ssp.cohort.public.jobs import pathology_of
from lung_ssp.cohort.public.settings import PublicSettings
from lung_ssp.config import load_config
from lung_ssp.ct.series import open_series
from lung_ssp.errors import CohortError

RATING = {"internalStructure": 1, "calcification": 6}
NAMES = ("subtlety", "internalStructure", "calcification", "sphericity", "margin", "lobulation", "spiculation")
FILE = """<LidcReadMessage xmlns="http://www.nih.gov"><ResponseHeader><SeriesInstanceUid>{}</SeriesInstanceUid>
</ResponseHeader>{}</LidcReadMessage>"""

# what the table of diagnoses says of two of the patients; the names of its columns go on in the sheet
TABLE = """TCIA Patient ID,Diagnosis at the Patient Level,Diagnosis Method,Nodule 1 Diagnosis at the Nodule Level,\
Nodule 1 Diagnosis Method at the Nodule Level
LIDC-IDRI-0001,2,3,2,3
LIDC-IDRI-0002,1,1,,
"""


def reader(series, z: int, size: int, malignancy: int) -> str:  # type: ignore[no-untyped-def]
    """A reading session with one square outline around the middle of the image."""
    rows, columns = series.slices[z].header.shape
    left, top = columns // 2 - size // 2, rows // 2 - size // 2
    corners = [(left, top), (left + size, top), (left + size, top + size), (left, top + size)]
    rated = {**dict.fromkeys((*NAMES, "texture"), 3), **RATING, "malignancy": malignancy}
    ratings = "".join(f"<{name}>{value}</{name}>" for name, value in rated.items())
    edges = "".join(f"<edgeMap><xCoord>{x}</xCoord><yCoord>{y}</yCoord></edgeMap>" for x, y in corners)
    height = series.volume.to_world(np.array([z, 0, 0]))[2]
    return (
        f"<readingSession><unblindedReadNodule><noduleID>n</noduleID><characteristics>{ratings}</characteristics>"
        f"<roi><imageZposition>{height}</imageZposition><imageSOP_UID>{series.slices[z].sop_uid}</imageSOP_UID>"
        f"<inclusion>TRUE</inclusion>{edges}</roi></unblindedReadNodule></readingSession>"
    )


@pytest.fixture
def collection(series: Path, index_row, write_index, tmp_path: Path) -> Path:  # type: ignore[no-untyped-def]
    """A configuration of four patients with the same scan, each with its readers' XML file."""
    rows = []
    for number in range(1, 5):
        uid = f"1.2.3.{number}"
        folder = tmp_path / "images" / uid
        folder.mkdir(parents=True)
        for path in sorted(series.iterdir()):
            dataset = pydicom.dcmread(path)
            dataset.SeriesInstanceUID = uid
            dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"{uid}.{dataset.InstanceNumber}"
            dataset.save_as(folder / path.name)
        scan = open_series(folder)
        z = len(scan.slices) // 2 + number  # else verify would find one lesion under several names
        sessions = reader(scan, z, 12, 5) + reader(scan, z, 10, 4) + reader(scan, z, 10, 5)
        (tmp_path / "xml").mkdir(exist_ok=True)
        (tmp_path / "xml" / f"{number}.xml").write_text(FILE.format(uid, sessions))
        files = list(folder.iterdir())
        size = sum(path.stat().st_size for path in files) / 1e6
        named = {"PatientID": f"LIDC-IDRI-{number:04d}", "StudyInstanceUID": f"1.2.9.{number}"}
        own = {"collection_id": "lidc_idri", "license_short_name": "CC BY 3.0", "source_DOI": "10.1/x"}
        rows.append(index_row(number, **named, **own, instanceCount=len(files), series_size_MB=size))
    overrides = [f"folders.{name}={tmp_path / name}" for name in ("plan", "images", "samples", "cohort")]
    overrides += [f"folders.annotations={tmp_path / 'xml'}", f"source.index={write_index(rows)}", "workers.count=1"]
    (tmp_path / "diagnoses.csv").write_text(TABLE)
    overrides += [f"labels.table={tmp_path / 'diagnoses.csv'}", "split.shares=[0.5,0.25,0.25]"]
    settings = load_config("cohort/lidc.yml", PublicSettings, overrides).settings
    config = tmp_path / "config.yml"
    config.write_text(yaml.safe_dump(settings.model_dump()))
    return config


@pytest.mark.slow
def test_every_step_goes_from_the_command_line(collection: Path, tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    again = ["--config", str(collection)]
    assert main(["prepare", "plan", *again]) == 0
    assert "4 patients of lidc_idri, 4 of them planned" in capsys.readouterr().out
    assert main(["prepare", "download", *again]) == 0
    assert "4 series" in capsys.readouterr().out
    wrong = tmp_path / "xml" / "4.xml"  # of a fourth scan the reading has a rating of 9
    wrong.write_text(wrong.read_text().replace("<malignancy>5", "<malignancy>9"))
    assert main(["prepare", "run", *again]) == 0
    printed = capsys.readouterr().out
    assert "4: 3 done, 1 failed" in printed
    assert "image: mean malignancy rating of 3 readers or more, benign below 2.5, malignant above 3.5" in printed
    for word in ("abnormalit", "exam", "tables", "participant", "candidate", "NLST"):
        assert word not in printed, word
    failed = pd.read_csv(tmp_path / "samples" / "failed.csv")
    assert "has the malignancy '9': it must be a whole number from 1 to 5" in failed["message"][0]
    assert main(["prepare", "verify", str(tmp_path / "cohort")]) == 0
    assert "CC BY 3.0; Armato" in capsys.readouterr().out
    table = pd.read_csv(tmp_path / "cohort" / "sections.csv").sort_values("patient")
    assert table["malignancy"].tolist() == ["5;4;5"] * 3 and table["calcification"].tolist() == ["6;6;6"] * 3
    assert table["readers"].tolist() == [3] * 3 and set(table["image_label"]) == {2}
    assert table["pathology_label"].tolist() == [1, 0, -1] and table["diagnosis_method"].tolist() == [3, 1, -1]
    assert read_cohort(tmp_path / "cohort").class_names == {
        "image": ("benign", "indeterminate", "malignant"),
        "pathology": ("benign", "primary cancer", "metastatic"),
    }
    with np.load(next((tmp_path / "cohort" / "scans").glob("*.npz"))) as masks:
        assert (masks["lesions"] != 0).sum() == 9 * 9  # two of three readers are enough; the outline is left out


@pytest.mark.slow
def test_another_rule_or_table_needs_no_scan_again(collection: Path, tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    again = ["--config", str(collection)]
    assert main(["prepare", "plan", *again]) == 0
    (tmp_path / "diagnoses.csv").write_text(TABLE.replace("0002,1,1", "0002,4,1"))
    assert main(["prepare", "run", *again]) == 2
    error = capsys.readouterr().err
    assert "diagnoses.csv, line 3, 'LIDC-IDRI-0002': Diagnosis at the Patient Level is '4'" in error
    assert error.count("\n") == 1 and not (tmp_path / "samples").exists() and not (tmp_path / "cohort").exists()
    (tmp_path / "diagnoses.csv").write_text(TABLE)
    assert main(["prepare", "run", *again]) == 0
    samples = {path: path.stat().st_mtime_ns for path in (tmp_path / "samples").glob("*.npz")}
    (tmp_path / "diagnoses.csv").write_text(TABLE.replace("0002,1,1", "0002,3,1"))
    assert main(["prepare", "run", *again]) == 2
    assert "holds another cohort, of other settings, data or another seed" in capsys.readouterr().err
    assert main(["prepare", "run", *again, "-o", f"folders.cohort={tmp_path / 'other'}"]) == 0
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "samples").glob("*.npz")} == samples
    table = pd.read_csv(tmp_path / "other" / "sections.csv").sort_values("patient")
    assert table["pathology_label"].tolist() == [1, 2, -1, -1]


@pytest.mark.slow
def test_where_nothing_can_be_read_nothing_is_written(collection: Path, tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    again = ["--config", str(collection)]
    assert main(["prepare", "plan", *again]) == 0
    for path in (tmp_path / "xml").iterdir():
        path.write_text(path.read_text().replace("1.2.3.", "1.2.77."))
    assert main(["prepare", "run", *again]) == 2
    error = capsys.readouterr().err
    assert "holds no annotation file of a planned series: check folders.annotations" in error
    assert not (tmp_path / "cohort").exists()
    shutil.rmtree(tmp_path / "xml")
    assert main(["prepare", "run", *again]) == 2
    assert "put the annotation files there, or set folders.annotations" in capsys.readouterr().err


def test_the_pathology_stands_in_the_patients_name() -> None:
    rule = load_config("cohort/lung_pet_ct_dx.yml", PublicSettings, []).settings.source.pathology
    classes = {letter: CLASS_NAMES[pathology_of(f"Lung_Dx-{letter}0001", rule)[1]] for letter in "ABEG"}
    assert classes == {"A": "adenocarcinoma", "B": "small cell", "E": "large cell", "G": "squamous cell carcinoma"}
    assert [pathology_of(f"Lung_Dx-{letter}0001", rule)[1] for letter in "ABEG"] == [1, 5, 4, 2]
    assert pathology_of("anybody", None) == ("", -1)
    for name in ("Lung_Dx-C0001", "Lung_Dx-A", "A0001"):
        with pytest.raises(CohortError, match=f"the patient {name} has no letter of A, B, E, G in the name"):
            pathology_of(name, rule)
