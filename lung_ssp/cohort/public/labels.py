"""Both labels of a public collection's nodules, as an archive's have them (cohort/nodules/rules.py).

They are given to finished samples: another rule or table needs no scan again.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from lung_ssp.cohort.classes import MISSING
from lung_ssp.cohort.nlst.results import SeriesResult
from lung_ssp.cohort.nodules.archive import RecordedDiagnosis
from lung_ssp.cohort.nodules.diagnosis_table import METHODS, UNKNOWN, TableDiagnosis, read_diagnosis_table
from lung_ssp.cohort.nodules.rules import DiagnosisRule, MalignancyRule, label_of
from lung_ssp.cohort.public.jobs import PublicJob
from lung_ssp.cohort.public.settings import LabelSettings
from lung_ssp.config import load_config

NO_TABLE = "no table of diagnoses"


@dataclass(frozen=True)
class NoduleLabels:
    """The rules of both diagnoses, and what a table says of each patient.

    tissue_only: whether a diagnosis without tissue counts as none. table: None where none is named.
    """

    malignancy: MalignancyRule
    diagnosis: DiagnosisRule
    tissue_only: bool
    table: Mapping[str, TableDiagnosis] | None

    @classmethod
    def read(cls, settings: LabelSettings) -> "NoduleLabels":
        """The rules and the table that the settings name.

        Raises:
            ConfigError: a rule is wrong. CohortError: the table is.
        """
        return cls(
            load_config(settings.malignancy, MalignancyRule).settings,
            load_config(settings.diagnosis, DiagnosisRule).settings,
            settings.tissue_proven_only,
            None if settings.table is None else read_diagnosis_table(Path(settings.table)),
        )

    @property
    def classes(self) -> dict[str, tuple[str, ...]]:
        """The names of each task's classes."""
        return {"image": tuple(self.malignancy.classes), "pathology": tuple(self.diagnosis.classes)}

    @property
    def key(self) -> str:
        """Of all that labels depend on beside the readings."""
        table = None if self.table is None else sorted(self.table.items())
        made_from = [self.malignancy.model_dump_json(), self.diagnosis.model_dump_json(), self.tissue_only, table]
        return hashlib.sha256(repr(made_from).encode()).hexdigest()

    @property
    def statement(self) -> str:
        """Where the labels come from, in words."""
        rule = self.malignancy
        image = (
            f"image: mean malignancy rating of {rule.least_readers} readers or more, {rule.classes[0]} below "
            f"{rule.benign_below:g}, {rule.classes[2]} above {rule.malignant_above:g}, an opinion"
        )
        proof = "proven by tissue" if self.tissue_only else "also without tissue"
        return f"{image}; pathology: {NO_TABLE if self.table is None else f'table of diagnoses, {proof}'}"

    def of(self, samples: pd.DataFrame, nodules_of: Mapping[str, int]) -> pd.DataFrame:
        """The samples with labels and where these come from.

        Args:
            samples: one row a nodule with `participant`, and `malignancy`, the readers' ratings joined by ;.
            nodules_of: how many nodules each patient has, 0 where that is not known.
        """
        patients = samples["participant"]
        rated = [self._image_label(text) for text in samples["malignancy"].astype(str)]
        proven = [self._diagnosis_of(patient, nodules_of[patient]) for patient in patients]
        return samples.assign(
            image_label=[label for label, _ in rated],
            image_source=[source for _, source in rated],
            pathology_label=[label_of(diagnosis) for diagnosis, _ in proven],
            pathology_source=[source for _, source in proven],
            diagnosis_method=[diagnosis.method for diagnosis, _ in proven],
            nodules_of_patient=[nodules_of[patient] for patient in patients],
        )

    def _image_label(self, text: str) -> tuple[int, str]:
        ratings = tuple(int(rating) for rating in text.split(";") if rating)
        label = self.malignancy.label(ratings)
        few = f"fewer than {self.malignancy.least_readers} readers"
        return label, few if label == MISSING else "readers' malignancy ratings"

    def _diagnosis_of(self, patient: str, nodules_of_patient: int) -> tuple[RecordedDiagnosis, str]:
        """The diagnosis of a patient's nodule, and where it comes from."""
        if self.table is None:
            return RecordedDiagnosis(MISSING, MISSING), NO_TABLE
        nodule = self.table.get(patient, TableDiagnosis(UNKNOWN)).of_nodule(nodules_of_patient)
        diagnosis = self.diagnosis.of_nodule(nodule, self.tissue_only)
        if diagnosis.code >= 1:
            whose = "nodule" if nodule.diagnosis.code >= 1 else "patient"
            return diagnosis, f"table, of the {whose}: {METHODS.get(diagnosis.method, 'unknown')}"
        if patient not in self.table:
            return diagnosis, "not in the table"
        if nodule.patient_diagnosis.code < 1 and nodule.diagnosis.code < 1:
            return diagnosis, "table, unknown"
        if self.tissue_only and self.diagnosis.of_nodule(nodule, tissue_only=False).code >= 1:
            return diagnosis, "table, not proven by tissue"
        return diagnosis, "table, which nodule is not known"


def nodules_of_patients(jobs: Sequence[PublicJob], results: Sequence[SeriesResult]) -> dict[str, int]:
    """How many nodules of 3 mm or more each patient has in all planned series: 0 where one of these was not read."""
    counts: dict[str, int] = {}
    unread: set[str] = set()
    for job, result in zip(jobs, results, strict=True):
        counts[job.participant] = counts.get(job.participant, 0) + result.samples + result.unplaced
        if result.status != "done" or not job.readings_known:
            unread.add(job.participant)
    return {patient: 0 if patient in unread else count for patient, count in counts.items()}
