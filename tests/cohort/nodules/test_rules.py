"""Labels from ratings and from a table of diagnoses."""

from pathlib import Path

import pytest

from lung_ssp.cohort.nodules.archive import ArchivedNodule, RecordedDiagnosis, read_archive
from lung_ssp.cohort.nodules.rules import DiagnosisRule, MalignancyRule, label_of
from lung_ssp.config import load_config
from lung_ssp.errors import ConfigError

SHIPPED = load_config("nodules/malignancy.yml", MalignancyRule).settings
DIAGNOSIS = load_config("nodules/diagnosis.yml", DiagnosisRule).settings
UNKNOWN = RecordedDiagnosis(-1, -1)


@pytest.mark.parametrize(
    ("ratings", "label"),
    [((2, 2, 3), 0), ((2, 3, 2, 3), 1), ((3, 4, 3, 4), 1), ((3, 4, 4), 2), ((5, 5), -1), ((1, 1, 1), 0)],
)
def test_the_mean_of_the_ratings_gives_the_class(ratings: tuple[int, ...], label: int) -> None:
    assert SHIPPED.label(ratings) == label  # 2.5 and 3.5 themselves are indeterminate


def nodule(archive: Path, own: tuple[int, int], patients: tuple[int, int], nodules: int) -> ArchivedNodule:
    first = read_archive(archive)[0]
    changes = {
        "diagnosis": RecordedDiagnosis(*own),
        "patient_diagnosis": RecordedDiagnosis(*patients),
        "nodules_of_patient": nodules,
    }
    return ArchivedNodule(**{**first.__dict__, **changes})


@pytest.mark.parametrize(
    ("rule", "own", "patients", "nodules", "tissue_only", "expected"),
    [
        ("one_nodule", (2, 3), (1, 1), 5, False, RecordedDiagnosis(2, 3)),  # its own goes before the patient's
        ("one_nodule", (-1, -1), (3, 2), 1, False, RecordedDiagnosis(3, 2)),
        ("one_nodule", (0, 0), (3, 2), 1, False, RecordedDiagnosis(3, 2)),  # its own is unknown
        ("one_nodule", (-1, -1), (3, 2), 2, False, UNKNOWN),
        ("one_nodule", (-1, -1), (0, 0), 1, False, UNKNOWN),
        ("every_nodule", (-1, -1), (3, 2), 2, False, RecordedDiagnosis(3, 2)),
        ("none", (-1, -1), (3, 2), 1, False, UNKNOWN),
        ("one_nodule", (1, 1), (1, 1), 1, True, UNKNOWN),  # stable for two years is no tissue
        ("one_nodule", (1, 2), (1, 2), 1, True, RecordedDiagnosis(1, 2)),
    ],
)
def test_which_nodule_has_a_pathology_diagnosis(archive, rule, own, patients, nodules, tissue_only, expected) -> None:
    made = DIAGNOSIS.model_copy(update={"patient_diagnosis": rule})
    assert made.of_nodule(nodule(archive, own, patients, nodules), tissue_only) == expected
    assert label_of(expected) == (expected.code - 1 if expected != UNKNOWN else -1)


@pytest.mark.parametrize(
    ("kind", "file", "change", "message"),
    [
        (MalignancyRule, "malignancy", "benign_below=4.5", "benign_below 4.5 is above malignant_above 3.5"),
        (MalignancyRule, "malignancy", "classes=[a, a, b]", "a class is named twice"),
        (MalignancyRule, "malignancy", "classes=[a, b]", "at least 3 items"),
        (DiagnosisRule, "diagnosis", "benign=[harmless]", "benign names 'harmless', which is none of the classes"),
    ],
)
def test_a_rule_that_is_none_is_told(kind, file: str, change: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(f"nodules/{file}.yml", kind, [change])
