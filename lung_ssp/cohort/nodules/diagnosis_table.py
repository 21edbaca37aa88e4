"""TCIA's table of LIDC-IDRI's diagnoses (tcia-diagnosis-data-2012-04-20.xls), its sheet saved as CSV: docs/lidc.md."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lung_ssp.cohort.nodules.archive import RecordedDiagnosis
from lung_ssp.cohort.store import check_patient
from lung_ssp.errors import CohortError, DamagedFile, cut, shown
from lung_ssp.files import read_bytes
from lung_ssp.records import CsvTable, Line, delimiter_of, parse_table

REMEDY = "save the sheet of tcia-diagnosis-data-2012-04-20.xls as CSV in UTF-8 and name that file"
PATIENT, DIAGNOSIS, METHOD = "TCIA Patient ID", "Diagnosis at the Patient Level", "Diagnosis Method"
NODULE_DIAGNOSIS, NODULE_METHOD = "Diagnosis at the Nodule Level", "Diagnosis Method at the Nodule Level"
DIAGNOSES = {0: "unknown", 1: "benign", 2: "primary cancer", 3: "metastatic"}
METHODS = {0: "unknown", 1: "two years stable", 2: "biopsy", 3: "resection", 4: "progression or response"}
UNKNOWN, NOTHING = RecordedDiagnosis(0, 0), RecordedDiagnosis(-1, -1)
# how files begin that are no text: Excel's of either kind
EXCEL = (b"\xd0\xcf\x11\xe0", b"PK\x03\x04")


@dataclass(frozen=True)
class NoduleDiagnoses:
    """What is known of a nodule: of itself, of its patient, and how many nodules of 3 mm or more the patient has.

    nodules_of_patient: 0 where that is not known.
    """

    diagnosis: RecordedDiagnosis
    patient_diagnosis: RecordedDiagnosis
    nodules_of_patient: int


@dataclass(frozen=True)
class TableDiagnosis:
    """What the table says of a patient, and of single nodules; which nodules of the scan these are, it does not say."""

    patient: RecordedDiagnosis
    nodules: tuple[RecordedDiagnosis, ...] = ()

    def of_nodule(self, nodules_of_patient: int) -> NoduleDiagnoses:
        """What it says of a nodule of the scan: the entry of a nodule is meant where both know of one nodule alone."""
        alone = nodules_of_patient == 1 and len(self.nodules) == 1
        return NoduleDiagnoses(self.nodules[0] if alone else NOTHING, self.patient, nodules_of_patient)


def read_diagnosis_table(path: Path) -> dict[str, TableDiagnosis]:
    """The diagnoses by PatientID.

    A column is known by the words that its name begins with, whatever stands between and behind them: the sheet's names
    go on with the codes and their meaning. The table of the Imaging Data Commons (lidc_idri_clinical) has such names.

    Raises:
        CohortError: the file is missing or no CSV file, lacks a column, names a patient twice, or has an unknown code;
            it names the line.
    """
    try:
        content = read_bytes(path)
        if content.startswith(EXCEL):
            raise CohortError(f"{path} is a file of Excel's, not CSV: {REMEDY}.")
        table = parse_table(content, delimiter_of(content), pad=True)
    except OSError as error:
        raise CohortError(f"{path} cannot be opened ({error.strerror}): name the table of diagnoses.") from error
    except DamagedFile as error:
        raise CohortError(str(error)) from error
    except ValueError as error:
        raise CohortError(f"{path} cannot be read as a table ({cut(error)}): {REMEDY}.") from error
    columns = _Columns.of(path, table)
    diagnoses: dict[str, TableDiagnosis] = {}
    for line in table.lines:
        patient, said = columns.row(path, line)
        if patient in diagnoses:
            raise CohortError(f"{path}, line {line.number}: {patient} stands there a second time: remove a row.")
        diagnoses[patient] = said
    if not diagnoses:
        raise CohortError(f"{path} has no rows: {REMEDY}.")
    return diagnoses


@dataclass(frozen=True)
class _Columns:
    """Where the columns stand; nodules: the diagnosis and the method of each of the table's nodules."""

    patient: int
    diagnosis: int
    method: int
    nodules: Mapping[str, tuple[int, int]]

    @classmethod
    def of(cls, path: Path, table: CsvTable) -> "_Columns":
        words = [_words(name) for name in table.columns]

        def find(name: str) -> int:
            wanted = _words(name)
            places = [place for place, own in enumerate(words) if own[: len(wanted)] == wanted]
            if len(places) != 1:
                problem = "lacks the column" if not places else f"has {len(places)} columns of the name"
                raise CohortError(f"{path} {problem} '{name}': {REMEDY}.")
            return places[0]

        numbers = [own[1] for own in words if own[:1] == ["nodule"] and own[2:7] == _words(NODULE_DIAGNOSIS)]
        names = [f"Nodule {number}" for number in numbers or ["1"]]
        nodules = {name: (find(f"{name} {NODULE_DIAGNOSIS}"), find(f"{name} {NODULE_METHOD}")) for name in names}
        return cls(find(PATIENT), find(DIAGNOSIS), find(METHOD), nodules)

    def row(self, path: Path, line: Line) -> tuple[str, TableDiagnosis]:
        """The patient and the diagnoses of a line."""

        patient = line.fields[self.patient].strip()
        try:
            check_patient(patient)
        except ValueError:
            raise CohortError(f"{path}, line {line.number}: {shown(patient)} names no patient: correct it.") from None

        def read(place: int, column: str, meanings: Mapping[int, str], empty: int) -> int:
            text = line.fields[place].strip()
            found = re.fullmatch(r"([0-9])(\.0+)?", text)  # of numbers with gaps, programs write 3.0
            if text and (found is None or int(found.group(1)) not in meanings):
                known = ", ".join(f"{code} {meaning}" for code, meaning in meanings.items())
                raise CohortError(
                    f"{path}, line {line.number}, {shown(patient)}: {column} is {shown(text)}: it must be one of "
                    f"{known}; correct the row."
                )
            return empty if found is None else int(found.group(1))

        whole = RecordedDiagnosis(read(self.diagnosis, DIAGNOSIS, DIAGNOSES, 0), read(self.method, METHOD, METHODS, 0))
        entries = [
            RecordedDiagnosis(
                read(diagnosis, f"{name} {NODULE_DIAGNOSIS}", DIAGNOSES, -1),
                read(method, f"{name} {NODULE_METHOD}", METHODS, -1),
            )
            for name, (diagnosis, method) in self.nodules.items()
        ]
        return patient, TableDiagnosis(whole, tuple(entry for entry in entries if entry != NOTHING))


def _words(name: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", name.lower())
