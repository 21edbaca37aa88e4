"""From readers' ratings and a table of diagnoses to the labels of both tasks, by files that a user can replace."""

from typing import Annotated, Literal, Protocol

import numpy as np
from pydantic import Field, model_validator

from lung_ssp.cohort.classes import MISSING
from lung_ssp.cohort.nodules.archive import RecordedDiagnosis
from lung_ssp.settings import Settings

Name = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")]
Code = Annotated[int, Field(ge=0, le=4)]


class Diagnosed(Protocol):
    """A nodule with what a table of diagnoses says of it and of its patient, who has so many nodules."""

    @property
    def diagnosis(self) -> RecordedDiagnosis: ...

    @property
    def patient_diagnosis(self) -> RecordedDiagnosis: ...

    @property
    def nodules_of_patient(self) -> int: ...


class ThreeClassRule(Settings):
    """A rule that gives one of three classes."""

    classes: Annotated[list[Name], Field(min_length=3, max_length=3)] = Field(description="names of its three classes")

    @model_validator(mode="after")
    def _no_class_is_named_twice(self) -> "ThreeClassRule":
        if len(set(self.classes)) < len(self.classes):
            raise ValueError("a class is named twice")
        return self


class MalignancyRule(ThreeClassRule):
    """The image diagnosis: the mean of the readers' malignancy ratings between two limits.

    Its classes are benign, between, malignant, in this order.
    """

    benign_below: float = Field(ge=1, le=5, description="a lower mean is benign")
    malignant_above: float = Field(ge=1, le=5, description="a higher mean is malignant")
    least_readers: int = Field(ge=1, le=20, description="of fewer ratings there is no diagnosis")

    @model_validator(mode="after")
    def _limits_rise(self) -> "MalignancyRule":
        if self.benign_below > self.malignant_above:
            raise ValueError(f"benign_below {self.benign_below:g} is above malignant_above {self.malignant_above:g}")
        return self

    def label(self, ratings: tuple[int, ...]) -> int:
        """0 benign, 1 between, 2 malignant, or -1 where too few readers have rated."""
        if len(ratings) < self.least_readers:
            return MISSING
        mean = float(np.mean(ratings))
        return 0 if mean < self.benign_below else 2 if mean > self.malignant_above else 1


class DiagnosisRule(ThreeClassRule):
    """The pathology diagnosis from TCIA's table; its classes are the table's codes 1, 2 and 3, in this order."""

    benign: Annotated[list[Name], Field(min_length=1, max_length=2)] = Field(description="which of them are no cancer")
    tissue_methods: list[Code] = Field(description="methods of the table that come from tissue")
    patient_diagnosis: Literal["none", "one_nodule", "every_nodule"] = Field(
        description="which nodules have their patient's diagnosis, where the table does not say which one it means"
    )

    @model_validator(mode="after")
    def _benign_are_classes(self) -> "DiagnosisRule":
        for name in self.benign:
            if name not in self.classes:
                raise ValueError(f"benign names '{name}', which is none of the classes {', '.join(self.classes)}")
        return self

    def of_nodule(self, nodule: Diagnosed, tissue_only: bool) -> RecordedDiagnosis:
        """What the table says of a nodule: of itself, else of its patient where that may be said of it.

        Args:
            tissue_only: whether a diagnosis without tissue counts as none.
        """
        recorded = nodule.diagnosis
        takes_patients = self.patient_diagnosis == "every_nodule" or (
            self.patient_diagnosis == "one_nodule" and nodule.nodules_of_patient == 1
        )
        if recorded.code < 1 and takes_patients:
            recorded = nodule.patient_diagnosis
        return self._accepted(recorded, tissue_only)

    def of_patient(self, nodule: Diagnosed, tissue_only: bool) -> RecordedDiagnosis:
        """What the table says of a nodule's patient; `tissue_only` as above."""
        return self._accepted(nodule.patient_diagnosis, tissue_only)

    def _accepted(self, recorded: RecordedDiagnosis, tissue_only: bool) -> RecordedDiagnosis:
        proven = recorded.method in self.tissue_methods
        known = recorded.code >= 1 and (proven or not tissue_only)
        return recorded if known else RecordedDiagnosis(MISSING, MISSING)


def label_of(diagnosis: RecordedDiagnosis) -> int:
    """The class 0 to 2 of a table's code 1 to 3, or -1."""
    return diagnosis.code - 1 if diagnosis.code >= 1 else MISSING
