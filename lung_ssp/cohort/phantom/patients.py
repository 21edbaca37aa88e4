"""The patients of the sections: who has which lesions, seen in which screening years, with which pathology."""

from dataclasses import dataclass

import numpy as np

from lung_ssp.cohort.classes import NORMAL
from lung_ssp.cohort.phantom.attributes import LesionAttributes, draw_lesion
from lung_ssp.cohort.phantom.randomness import LESION, SECTION_PLAN, between, draw_index, generator
from lung_ssp.cohort.phantom.settings import PhantomSettings
from lung_ssp.cohort.store import SPLITS

STUDY_YEARS = 3  # T0, T1, T2
LUNG_HU = (-885.0, -715.0)  # medians between patients, less the vessels and the noise that come on top


@dataclass(frozen=True)
class PhantomLesion:
    """One lesion, or what may be taken for one, in the years in which it is seen.

    key: the random numbers that make it (seed sequence's spawn key). label: pathology, 0..8. first_year: 0..2.
    years: its attributes in successive screening years.
    """

    key: tuple[int, ...]
    label: int
    first_year: int
    years: tuple[LesionAttributes, ...]


@dataclass(frozen=True)
class Patient:
    """A patient: identity, split, findings, whether the pathology is known, and the HU of the lungs."""

    name: str
    split: str
    findings: tuple[PhantomLesion, ...]
    has_pathology: bool
    lung_hu: float


def patient_name(number: int) -> str:
    """PatientID of the patient with this number, from 1."""
    return f"PHANTOM-{number:05d}"


def plan_patients(settings: PhantomSettings, seed: int) -> list[Patient]:
    """Draw the patients of all splits, so that each split holds exactly the configured sections of each class.

    A cancer is one patient's; harmless findings lie in patients without cancer or beside a cancer. Patients of the
    sections are numbered after those of the scans, who are others.
    """
    number = sum(settings.scans.patients)
    patients = []
    for split_index, split in enumerate(SPLITS):
        rng = generator(seed, SECTION_PLAN, split_index)
        groups = _group_by_patient(_draw_findings(settings, seed, split_index, split), settings, rng)
        for index in rng.permutation(len(groups)):
            number += 1
            patients.append(
                Patient(
                    name=patient_name(number),
                    split=split,
                    findings=tuple(groups[index]),
                    has_pathology=bool(rng.random() < settings.patients.pathology_share),
                    lung_hu=between(LUNG_HU, rng),
                )
            )
    return patients


def _draw_findings(settings: PhantomSettings, seed: int, split_index: int, split: str) -> list[PhantomLesion]:
    """Lesions of each class until its sections are reached; the last is seen in fewer years if need be."""
    classes = settings.looks.of_classes()
    findings: list[PhantomLesion] = []
    for label, wanted in enumerate(settings.sections.counts.of(split).as_list()):
        while wanted > 0:
            key = (LESION, split_index, len(findings))
            rng = generator(seed, *key)
            seen = min(1 + draw_index(settings.patients.years_seen, rng), wanted)
            years = draw_lesion(classes[label], seen, rng)
            findings.append(PhantomLesion(key, label, int(rng.integers(0, STUDY_YEARS - seen + 1)), tuple(years)))
            wanted -= seen
    return findings


def _group_by_patient(
    findings: list[PhantomLesion], settings: PhantomSettings, rng: np.random.Generator
) -> list[list[PhantomLesion]]:
    cancers = [[finding] for finding in findings if finding.label != NORMAL]
    harmless = [finding for finding in findings if finding.label == NORMAL]
    for patient in cancers:
        if harmless and rng.random() < settings.patients.normal_beside_cancer:
            patient.append(harmless.pop())
    others = []
    while harmless:
        count = 1 + draw_index(settings.patients.normal_lesions, rng)
        others.append([harmless.pop() for _ in range(min(count, len(harmless)))])
    return cancers + others
