"""TCIA's table of diagnoses, with the names of its columns as the sheet has them; the rows are invented."""

from pathlib import Path

import pytest

from lung_ssp.cohort.nodules.archive import RecordedDiagnosis
from lung_ssp.cohort.nodules.diagnosis_table import NOTHING, TableDiagnosis, read_diagnosis_table
from lung_ssp.errors import CohortError

CODES = "0=Unknown\n1=benign or non-malignant disease\n2= malignant, primary lung cancer\n3 = malignant metastatic"
METHODS = "0 = unknown\n1 = review of radiological images to show 2 years of stable nodule"
METHODS += "\n2 = biopsy\n3 = surgical resection"
PATIENT = f'TCIA Patient ID,"Diagnosis at the Patient Level\n{CODES}\n","Diagnosis Method\n{METHODS}\n",'
SITE = "Primary tumor site for metastatic disease"
NODULES = "".join(
    f',"Nodule {n}\nDiagnosis at the Nodule Level \n{CODES})\n"'
    f',"Nodule {n}\nDiagnosis Method at the Nodule Level\n{METHODS}\n"'
    for n in range(1, 6)
)
HEADER = f"{PATIENT}{SITE}{NODULES}\n"
ROWS = "LIDC-IDRI-0068,3,4,Head & Neck Cancer,3,4,,,,,,,,\nLIDC-IDRI-0171,1,1,,1,1,1,4,,,,,,\n"
ROWS += "LIDC-IDRI-0314,2,2,,,,,,,,,,,\n"


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "diagnoses.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_the_sheet_s_columns_are_known_by_the_words_that_they_begin_with(tmp_path: Path) -> None:
    assert read_diagnosis_table(write(tmp_path, HEADER + ROWS)) == {
        "LIDC-IDRI-0068": TableDiagnosis(RecordedDiagnosis(3, 4), (RecordedDiagnosis(3, 4),)),
        "LIDC-IDRI-0171": TableDiagnosis(RecordedDiagnosis(1, 1), (RecordedDiagnosis(1, 1), RecordedDiagnosis(1, 4))),
        "LIDC-IDRI-0314": TableDiagnosis(RecordedDiagnosis(2, 2)),
    }


def test_semicolons_and_numbers_with_a_decimal_point_make_no_difference(tmp_path: Path) -> None:
    plain = read_diagnosis_table(write(tmp_path, HEADER + ROWS))
    for text in (
        (HEADER + ROWS).replace(",", ";").replace("malignant;", "malignant,"),
        HEADER + ROWS.replace("3,4", "3.0,4.0"),
    ):
        assert read_diagnosis_table(write(tmp_path, text)) == plain
    assert read_diagnosis_table(write(tmp_path, b"\xef\xbb\xbf" + (HEADER + ROWS).encode())) == plain


def test_the_names_of_the_imaging_data_commons_are_read_as_well(tmp_path: Path) -> None:
    names = "dicom_patient_id,source_batch,tcia_patient_id,diagnosis_at_the_patient_level_,diagnosis_method,"
    names += "nodule_1_diagnosis_at_the_nodule_level__,nodule_1_diagnosis_method_at_the_nodule_level_\n"
    read = read_diagnosis_table(write(tmp_path, f"{names}LIDC-IDRI-0068,0,LIDC-IDRI-0068,3,4,3,4\n"))
    assert read == {"LIDC-IDRI-0068": TableDiagnosis(RecordedDiagnosis(3, 4), (RecordedDiagnosis(3, 4),))}


@pytest.mark.parametrize(
    ("entries", "nodules", "own"),
    [(["2/3"], 1, "2/3"), (["2/3"], 2, None), (["2/3", "0/0"], 1, None), ([], 1, None), (["2/3"], 0, None)],
)
def test_a_nodule_s_entry_is_meant_where_table_and_scan_know_of_one(
    entries: list[str], nodules: int, own: str | None
) -> None:
    said = TableDiagnosis(RecordedDiagnosis(2, 3), tuple(RecordedDiagnosis(*map(int, e.split("/"))) for e in entries))
    found = said.of_nodule(nodules)
    assert found.diagnosis == (NOTHING if own is None else RecordedDiagnosis(2, 3))
    assert found.patient_diagnosis == RecordedDiagnosis(2, 3) and found.nodules_of_patient == nodules


WRONG = {
    r"diagnoses\.csv, line \d+, 'LIDC-IDRI-0171': Diagnosis at the Patient Level is '7': it must be one of 0 unknown, "
    r"1 benign, 2 primary cancer, 3 metastatic; correct the row": HEADER + ROWS.replace("0171,1,1", "0171,7,1"),
    r"Diagnosis Method is '5': it must be one of 0 unknown, 1 two years stable": HEADER
    + ROWS.replace("0314,2,2", "0314,2,5"),
    r"Nodule 2 Diagnosis at the Nodule Level is 'x'": HEADER + ROWS.replace("1,4,", "x,4,"),
    r"lacks the column 'Diagnosis at the Patient Level': save the sheet": (HEADER + ROWS).replace(
        "Patient Level", "Level"
    ),
    r"lacks the column 'Diagnosis Method'": (HEADER + ROWS).replace('"Diagnosis Method', '"Method'),
    r"lacks the column 'TCIA Patient ID'": (HEADER + ROWS).replace("TCIA Patient", "Patient"),
    r"lacks the column 'Nodule 1 Diagnosis at the Nodule Level'": f"{PATIENT}{SITE}\nA,1,1,\n",
    r"lacks the column 'Nodule 3 Diagnosis Method at the Nodule Level'": HEADER.replace(
        "Nodule 3\nDiagnosis Method", "x"
    ),
    r"line \d+: LIDC-IDRI-0068 stands there a second time: remove a row": HEADER + ROWS + ROWS,
    r"line \d+: '' names no patient": f"{HEADER},1,1,,,,,,,,,,,\n",
    r"has no rows: save the sheet": HEADER,
    r"is a file of Excel's, not CSV: save the sheet of tcia-diagnosis-data-2012-04-20\.xls": b"\xd0\xcf\x11\xe0",
    r"cannot be read as a table \(it is empty\)": "",
    r"cannot be read as a table \(byte 0 is not in UTF-8\)": b"\xff\xfe",
}


@pytest.mark.parametrize("message", WRONG)
def test_a_table_that_is_wrong_is_told(tmp_path: Path, message: str) -> None:
    with pytest.raises(CohortError, match=message):
        read_diagnosis_table(write(tmp_path, WRONG[message]))
    with pytest.raises(CohortError, match=r"none\.csv cannot be opened .*: name the table of diagnoses"):
        read_diagnosis_table(tmp_path / "none.csv")
