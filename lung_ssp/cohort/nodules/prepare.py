"""A prepared cohort from an archive of nodules: folds by patient, both labels, sections, and the nodules themselves."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lung_ssp.cohort.classes import TASK_NAMES
from lung_ssp.cohort.description import (
    COHORT_FILE,
    BinaryDiagnosis,
    CohortDescription,
    NoduleDescription,
    read_cohort,
    write_cohort,
)
from lung_ssp.cohort.leaks import SectionOrigin, find_leaks
from lung_ssp.cohort.nodules.archive import FILES, ArchivedNodule, read_archive
from lung_ssp.cohort.nodules.folds import FoldMember, draw_folds, split_of_fold, write_folds
from lung_ssp.cohort.nodules.rules import DiagnosisRule, MalignancyRule, label_of
from lung_ssp.cohort.nodules.settings import FOLDS, NodulePreparationSettings
from lung_ssp.cohort.nodules.store import nodule_digests, write_nodules
from lung_ssp.cohort.store import (
    SPLITS,
    Sections,
    contents_digest,
    mark_folder,
    refuse_other_cohort,
    section_counts,
    write_sections,
    write_table,
)
from lung_ssp.config import load_config
from lung_ssp.ct.section import make_section
from lung_ssp.files import sha256_of

Row = Mapping[str, Any]


@dataclass(frozen=True)
class NoduleSection:
    """The section of one slice of a nodule: its image, float32 (size, size), 0..1, and the slice's place in it."""

    image: np.ndarray
    slice: int


def prepare_nodules(settings: NodulePreparationSettings) -> CohortDescription:
    """Make the cohort of an archive's nodules and write it into its folder.

    Returns:
        its description.

    Raises:
        CohortError: the archive is wrong, or the folder holds another cohort.
        ConfigError: one of the rules is.
    """
    root, archive = Path(settings.cohort.root), Path(settings.cohort.archive)
    malignancy = load_config(settings.cohort.malignancy, MalignancyRule).settings
    diagnosis = load_config(settings.cohort.diagnosis, DiagnosisRule).settings
    nodules = read_archive(archive)
    key = _key(archive, settings, malignancy, diagnosis)
    refuse_other_cohort(root, key)
    if (root / COHORT_FILE).is_file():
        return read_cohort(root)

    labels = {nodule.name: malignancy.label(nodule.ratings["malignancy"]) for nodule in nodules}
    folds = draw_folds(
        [FoldMember(nodule.name, nodule.patient, labels[nodule.name]) for nodule in nodules], settings.cohort.fold_seed
    )
    rows = [_row(nodule, folds, labels[nodule.name], diagnosis, settings) for nodule in nodules]
    stored, table = _sections(nodules, rows, settings)
    mark_folder(root, key)
    write_folds(root, folds)
    write_nodules(root, nodules, rows)
    for split, sections in stored.items():
        write_sections(root, split, sections)
    write_table(root / "sections.csv", table)
    origins = {split: [_origin_of(row) for row in table if row["split"] == split] for split in SPLITS}
    leaks = find_leaks(stored, origins)
    description = CohortDescription(
        name=settings.cohort.name,
        synthetic=settings.cohort.source.synthetic,
        origin=_origin(settings, len(folds)),
        leaks=(*leaks.lesions, *leaks.scans),
        fingerprint=contents_digest(stored.values(), *nodule_digests(root)),
        key=key,
        section=settings.section,
        image_classes=tuple(malignancy.classes),
        pathology_classes=tuple(diagnosis.classes),
        counts=section_counts(stored),
        nodules=_description(settings, nodules, diagnosis),
    )
    write_cohort(root, description)
    return description


def _key(
    archive: Path, settings: NodulePreparationSettings, malignancy: MalignancyRule, diagnosis: DiagnosisRule
) -> str:
    """What the cohort is made from: the archive's files, the rules and the settings, wherever the files lie."""
    places = {"cohort": {"root", "archive", "malignancy", "diagnosis"}}
    made_from = [
        *(sha256_of(archive / name) for name in FILES),
        settings.model_dump_json(exclude=places),
        malignancy.model_dump_json(),
        diagnosis.model_dump_json(),
    ]
    return hashlib.sha256("\n".join(made_from).encode()).hexdigest()


def _row(
    nodule: ArchivedNodule,
    folds: Mapping[str, int],
    image_label: int,
    rule: DiagnosisRule,
    settings: NodulePreparationSettings,
) -> Row:
    """What nodules.csv says of a nodule (`NoduleRow`)."""
    own = rule.of_nodule(nodule, settings.cohort.tissue_proven_only)
    patients = rule.of_patient(nodule, settings.cohort.tissue_proven_only)
    fold = folds[nodule.patient]
    agreement = nodule.dice_vs_majority
    return {
        "name": nodule.name,
        "patient": nodule.patient,
        "split": split_of_fold(fold, settings.cohort.tested),
        "fold": fold,
        "n_readers": nodule.n_readers,
        "reader_mask_missing": int(nodule.reader_mask_missing),
        "pixel_mm": nodule.spacing[1],
        "slice_spacing_mm": nodule.spacing[0],
        "diameter_mm": nodule.diameter_mm,
        "texture_mean": round(float(np.mean(nodule.ratings["texture"])), 4),
        "malignancy_mean": round(float(np.mean(nodule.ratings["malignancy"])), 4),
        **nodule.ratings,
        "image_label": image_label,
        "pathology_label": label_of(own),
        "diagnosis_method": own.method,
        "patient_diagnosis": label_of(patients),
        "patient_diagnosis_method": patients.method,
        "dice_vs_majority": round(float(np.mean(agreement)), 4) if agreement else None,
        "dice_pairwise": nodule.dice_pairwise,
    }


def _sections(
    nodules: Sequence[ArchivedNodule], rows: Sequence[Row], settings: NodulePreparationSettings
) -> tuple[dict[str, Sections], list[Row]]:
    """The sections of each split with their labels, and a row of sections.csv for each, in the same order."""
    stored, table = {}, []
    for split in SPLITS:
        most = settings.cohort.train_slices if split == "train" else 1
        own: list[Row] = []
        images = []
        for nodule, row in zip(nodules, rows, strict=True):
            for section in sections_of(nodule, settings, most) if row["split"] == split else ():
                images.append(section.image)
                own.append(
                    {
                        **{column: row[column] for column in ("patient", "split")},
                        "nodule": nodule.name,
                        "slice": section.slice,
                        "series": nodule.series,
                        **{f"{task}_label": row[f"{task}_label"] for task in TASK_NAMES},
                        "diagnosis_method": row["diagnosis_method"],
                    }
                )
        size = settings.section.size
        stored[split] = Sections(
            images=np.array(images, dtype=np.float32).reshape(-1, size, size),
            labels={task: np.array([row[f"{task}_label"] for row in own], dtype=np.int64) for task in TASK_NAMES},
            patients=np.array([row["patient"] for row in own], dtype=str),
        )
        table += own
    return stored, table


def sections_of(nodule: ArchivedNodule, settings: NodulePreparationSettings, most: int) -> list[NoduleSection]:
    """The sections of a nodule's largest slices, by the majority's area, the largest first."""
    majority = nodule.majority
    areas = np.count_nonzero(majority, axis=(1, 2))
    largest = np.argsort(-areas, kind="stable")[:most]
    return [
        NoduleSection(make_section(nodule.hu[[place]], nodule.spacing, majority[[place]], settings.section), int(place))
        for place in largest
        if areas[place]
    ]


def _origin_of(row: Row) -> SectionOrigin:
    return SectionOrigin(f"the nodule {row['nodule']}", tuple(filter(None, (row["series"],))))


def _origin(settings: NodulePreparationSettings, patients: int) -> str:
    """Whose nodules they are, how many patients, and which of them are tested: part of every output's sentence."""
    source, fold = settings.cohort.source, settings.cohort.tested
    folds = f"of the folds 0 to {FOLDS - 1} only fold 0 was not trained on, none is the test split"
    if fold is not None:
        folds = f"fold {fold} of 0 to {FOLDS - 1} is the test split"
    return (
        f"{source.origin}, nodules of {patients} REAL patients, {folds}; "
        f"{source.licence}; {source.citation.rstrip('.')}"
    )


def _description(
    settings: NodulePreparationSettings, nodules: Sequence[ArchivedNodule], rule: DiagnosisRule
) -> NoduleDescription:
    benign = tuple(k for k, name in enumerate(rule.classes) if name in rule.benign)
    cancer = tuple(k for k in range(len(rule.classes)) if k not in benign)
    cohort = settings.cohort
    return NoduleDescription(
        licence=cohort.source.licence,
        citation=cohort.source.citation,
        nodules=len(nodules),
        patients=len({nodule.patient for nodule in nodules}),
        folds=FOLDS,
        fold_seed=cohort.fold_seed,
        test_fold=cohort.tested,
        tissue_proven_only=cohort.tissue_proven_only,
        binary={
            "image": BinaryDiagnosis(negative=(0,), positive=(2,)),
            "pathology": BinaryDiagnosis(negative=benign, positive=cancer),
        },
    )
