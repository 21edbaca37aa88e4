"""Labels of a public collection's nodules: the same as those of an archive."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lung_ssp.cohort.nlst.results import SeriesResult
from lung_ssp.cohort.nodules.archive import RecordedDiagnosis, read_archive
from lung_ssp.cohort.nodules.diagnosis_table import TableDiagnosis
from lung_ssp.cohort.nodules.rules import label_of
from lung_ssp.cohort.public.jobs import PublicJob
from lung_ssp.cohort.public.labels import NoduleLabels, nodules_of_patients
from lung_ssp.cohort.public.settings import LabelSettings, PublicSettings
from lung_ssp.config import load_config
from lung_ssp.errors import ConfigError

RULES = NoduleLabels.read(LabelSettings())


def labelled(labels: NoduleLabels, nodules: dict[str, int], **ratings: str) -> list[dict[str, Any]]:
    """The rows of a sample of each patient, by the patient's name; nodules: how many each has."""
    samples = pd.DataFrame({"participant": list(ratings), "malignancy": list(ratings.values())})
    return labels.of(samples, nodules).to_dict("records")


def with_table(tissue_only: bool = False, **patients: TableDiagnosis) -> NoduleLabels:
    return NoduleLabels(RULES.malignancy, RULES.diagnosis, tissue_only, patients)


def said(patient: tuple[int, int], *nodules: tuple[int, int]) -> TableDiagnosis:
    return TableDiagnosis(RecordedDiagnosis(*patient), tuple(RecordedDiagnosis(*own) for own in nodules))


def test_the_mean_malignancy_is_the_image_diagnosis() -> None:
    rows = labelled(RULES, dict.fromkeys("ABCD", 1), A="5;5;5;4", B="2;2;3", C="5;5", D="3")
    assert [row["image_label"] for row in rows] == [2, 0, -1, -1]
    assert [row["image_source"] for row in rows] == ["readers' malignancy ratings"] * 2 + ["fewer than 3 readers"] * 2
    assert {row["pathology_label"] for row in rows} == {-1}
    assert {row["pathology_source"] for row in rows} == {"no table of diagnoses"}


def test_the_table_is_the_pathology_diagnosis() -> None:
    labels = with_table(
        A=said((2, 3), (2, 3)), B=said((3, 2), (1, 1), (0, 0)), C=said((1, 1)), D=said((0, 0)), E=said((3, 4), (3, 4))
    )
    rows = labelled(labels, {**dict.fromkeys("ABCDF", 1), "E": 2}, **dict.fromkeys("ABCDEF", "3;3;3"))
    assert [(row["pathology_label"], row["diagnosis_method"], row["pathology_source"]) for row in rows] == [
        (1, 3, "table, of the nodule: resection"),
        (2, 2, "table, of the patient: biopsy"),  # two entries: neither is known to be of the nodule
        (0, 1, "table, of the patient: two years stable"),
        (-1, -1, "table, unknown"),
        (-1, -1, "table, which nodule is not known"),
        (-1, -1, "not in the table"),
    ]


def test_tissue_alone_leaves_diagnoses_out() -> None:
    rows = labelled(with_table(True, A=said((1, 1)), B=said((2, 2))), {"A": 1, "B": 1}, A="1;1;1", B="1;1;1")
    assert [(row["pathology_label"], row["pathology_source"]) for row in rows] == [
        (-1, "table, not proven by tissue"),
        (1, "table, of the patient: biopsy"),
    ]


def test_rules_are_replaced_by_a_user_s_own(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yml"
    mine.write_text("classes: [low, middle, high]\nbenign_below: 3\nmalignant_above: 3\nleast_readers: 1\n")
    labels = NoduleLabels.read(LabelSettings(malignancy=str(mine)))
    assert labels.classes == {"image": ("low", "middle", "high"), "pathology": tuple(RULES.diagnosis.classes)}
    assert labelled(labels, {"A": 1}, A="2")[0]["image_label"] == 0
    assert labels.key != RULES.key and with_table().key != RULES.key
    assert "mean malignancy rating of 1 readers or more, low below 3, high above 3" in labels.statement
    with pytest.raises(ConfigError, match=r"malignancy\.yml"):
        NoduleLabels.read(LabelSettings(malignancy="nodules/malignacy.yml"))


def job(patient: str, readings_known: bool = True) -> PublicJob:
    return PublicJob(
        *("name", "S", patient, 1, 1.0, "1.2", Path("x")), (), (), (), None, readings_known, {}, letter="", pathology=-1
    )


def test_a_patient_s_nodules_are_counted_over_all_series() -> None:
    jobs = [job("A"), job("A"), job("B"), job("B"), job("C", readings_known=False), job("D")]
    counts = [("done", 1, 0), ("done", 0, 1), ("done", 1, 0), ("failed", 0, 0), ("done", 0, 0), ("done", 0, 0)]
    results = [SeriesResult("n", "S", status, samples=n, unplaced=m) for status, n, m in counts]
    assert nodules_of_patients(jobs, results) == {"A": 2, "B": 0, "C": 0, "D": 0}


def test_letter_and_table_together_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"labels and source\.pathology both give the pathology"):
        load_config("cohort/lung_pet_ct_dx.yml", PublicSettings, ["labels.table=x.csv"])


@pytest.mark.slow
def test_an_archive_s_nodules_get_the_archive_s_labels(shared_data: Path) -> None:
    """614 nodules of LIDC-IDRI (CC BY 3.0): what nodules.csv says of the table, read as the table."""
    folder = shared_data / "lidc-nodules-hu"
    if not folder.is_dir():
        pytest.skip(f"no archive of LIDC's nodules: {folder} is missing")
    nodules = read_archive(folder)
    entries = pd.read_csv(folder / "nodules.csv", dtype=str, keep_default_na=False)
    known = entries[entries["in_dx_table"] == "1"]
    table = {
        row.nodule_id.partition("/")[0]: said(
            (int(row.patient_dx), int(row.patient_dx_method)),
            *[tuple(map(int, entry.split("/"))) for entry in row.dx_table_nodules.split(";") if entry],
        )
        for row in known.itertuples()
    }
    assert len(table) == 72
    for tissue_only in (False, True):
        labels = with_table(tissue_only, **table)
        samples = pd.DataFrame(
            {
                "participant": [nodule.patient for nodule in nodules],
                "malignancy": [";".join(map(str, nodule.ratings["malignancy"])) for nodule in nodules],
            }
        )
        rows = labels.of(samples, {nodule.patient: nodule.nodules_of_patient for nodule in nodules})
        assert rows["image_label"].tolist() == [
            RULES.malignancy.label(nodule.ratings["malignancy"]) for nodule in nodules
        ]
        recorded = [RULES.diagnosis.of_nodule(nodule, tissue_only) for nodule in nodules]
        assert rows["pathology_label"].tolist() == [label_of(own) for own in recorded]
        assert rows["diagnosis_method"].tolist() == [own.method for own in recorded]
