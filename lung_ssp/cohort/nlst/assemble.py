"""The samples of all series made into one prepared cohort, in the layout of cohort/store.py."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd

from lung_ssp.cohort.classes import MISSING, TASK_NAMES
from lung_ssp.cohort.description import (
    COHORT_FILE,
    CohortDescription,
    NlstDescription,
    PublicDescription,
    read_cohort,
    write_cohort,
)
from lung_ssp.cohort.fingerprint import cohort_fingerprint
from lung_ssp.cohort.nlst.jobs import PlannedSeries
from lung_ssp.cohort.nlst.sample_files import read_series_samples
from lung_ssp.cohort.nlst.series_preparation import without_paths
from lung_ssp.cohort.nlst.text import source_kind
from lung_ssp.cohort.settings import SplitSettings
from lung_ssp.cohort.slices import slices_path
from lung_ssp.cohort.slides.settings import SlideSettings
from lung_ssp.cohort.slides.store import prepare_tiles
from lung_ssp.cohort.split import split_patients
from lung_ssp.cohort.store import SPLITS, Sections, mark_folder, section_counts, write_sections
from lung_ssp.cohort.verify import record_files
from lung_ssp.ct.settings import SectionSettings
from lung_ssp.errors import CohortError
from lung_ssp.files import copy, write_text


class CohortFolders(Protocol):
    """Where the samples lie, and where the cohort goes."""

    @property
    def samples(self) -> str: ...

    @property
    def cohort(self) -> str: ...


class SectionedSeries(Protocol):
    """How a series was turned into samples."""

    @property
    def section(self) -> SectionSettings: ...


class StepwiseSettings(Protocol):
    """What the settings of every cohort from public images have."""

    @property
    def name(self) -> str: ...

    @property
    def synthetic(self) -> bool: ...

    @property
    def folders(self) -> CohortFolders: ...

    @property
    def series(self) -> SectionedSeries: ...

    @property
    def split(self) -> SplitSettings: ...


@dataclass(frozen=True)
class Origin:
    """Where a cohort's images and labels come from.

    statement: in words. collection: the public collection that its description names; None for NLST's.
    candidates: the statement of the cohort on which the network that finds candidates was trained; None for none.
    slides: how tiles of pathology slides are cut; None for none. slide_folders: of each participant.
    labels: a hash of what the labels are given by, where the jobs' names do not cover it.
    """

    statement: str
    collection: PublicDescription | None = None
    candidates: str | None = None
    slides: SlideSettings | None = None
    slide_folders: Mapping[str, Sequence[Path]] = field(default_factory=dict)
    labels: str | None = None


@dataclass(frozen=True, eq=False)
class Samples:
    """The samples of all series.

    table: one row a sample: participant, study_year, series (pseudonym), image_label, pathology_label, and where each
        label and the position come from. images: float32 (n, size, size), in the table's order.
    """

    table: pd.DataFrame
    images: np.ndarray


def assemble_cohort(
    jobs: Sequence[PlannedSeries],
    samples: Samples,
    settings: StepwiseSettings,
    classes: Mapping[str, Sequence[str]],
    origin: Origin,
    leaky: bool,
) -> CohortDescription:
    """Write the prepared cohort from the jobs' files; a finished cohort is only read.

    Args:
        jobs: the finished ones. samples: those of these jobs. classes: the names of each task's classes.
        leaky: divide sections instead of patients, to show what that costs.

    Raises:
        CohortError: there is no sample, a split stays empty, or the folder holds another cohort.
    """
    root, out = Path(settings.folders.cohort), Path(settings.folders.samples)
    key = _key(jobs, settings, origin, leaky)
    mark_folder(root, key)
    if (root / COHORT_FILE).is_file():
        record_files(root)
        return read_cohort(root)
    split = split_of_samples(samples.table, settings, leaky)
    stored = _write_sections(root, samples, split)
    split_of = _split_of_participants(samples.table, jobs, split, settings)
    _write_scans(root, out, jobs, split_of)
    _write_splits(root, samples.table, split, split_of)
    failed_slides: dict[str, str] = {}
    if origin.slides is not None:
        prepare_tiles(root, origin.slide_folders, split_of, origin.slides, settings.split.seed, failed_slides)
    description = CohortDescription(
        name=settings.name,
        synthetic=settings.synthetic,
        origin=origin.statement,
        leaky=leaky,
        fingerprint=cohort_fingerprint(root),
        key=key,
        section=settings.series.section,
        split=settings.split,
        tiles=origin.slides,
        image_classes=tuple(classes["image"]),
        pathology_classes=tuple(classes["pathology"]),
        counts=section_counts(stored),
        nlst=None if origin.collection else _describe_nlst(samples.table, origin, failed_slides),
        public=origin.collection,
    )
    write_cohort(root, description)
    record_files(root)
    return description


def read_samples(jobs: Sequence[PlannedSeries], out: Path, size: int, remedy: str) -> Samples:
    """Join the samples of the jobs, in the jobs' order.

    Args:
        remedy: why there may be none, and what to do: part of a sentence.

    Raises:
        CohortError: there is none, or a file is damaged.
    """
    tables, images = [], []
    for job in jobs:
        samples = read_series_samples(job.samples_in(out), size)
        if samples.rows:
            labels = {f"{task}_label": own for task, own in samples.labels.items()}
            tables.append(pd.DataFrame(samples.rows).assign(**labels))
            images.append(samples.images)
    if not tables:
        raise CohortError(f"None of the series gave a sample: {remedy}.")
    return Samples(pd.concat(tables, ignore_index=True), np.concatenate(images))


def split_of_samples(table: pd.DataFrame, settings: StepwiseSettings, leaky: bool) -> pd.Series:
    """The split of each sample: that of its participant, stratified by the participant's highest class.

    Raises:
        CohortError: a split stays empty.
    """
    names = table.index.map("{:09d}".format) if leaky else table["participant"]
    highest = table.groupby(names)["pathology_label"].max()
    strata = {str(name): int(label) for name, label in highest.items()}
    rng = np.random.default_rng(settings.split.seed)
    split_of = split_patients(strata, settings.split.shares, rng)
    split = pd.Series(names, index=table.index).map(split_of)
    empty = [
        name for name, share in zip(SPLITS, settings.split.shares, strict=True) if share and name not in set(split)
    ]
    if empty:
        raise CohortError(
            f"Patients with samples: {len(strata)}, too few: the {' and the '.join(empty)} split stays empty. Plan "
            "more of them, or change split.shares."
        )
    return split


def _write_sections(root: Path, samples: Samples, split: pd.Series) -> dict[str, Sections]:
    stored = {}
    order = []
    for name in SPLITS:
        chosen = split == name
        rows = samples.table[chosen]
        stored[name] = Sections(
            images=samples.images[chosen.to_numpy()],
            labels={task: rows[f"{task}_label"].to_numpy(np.int64) for task in TASK_NAMES},
            patients=rows["participant"].to_numpy(str),
        )
        write_sections(root, name, stored[name])
        order.append(rows.assign(split=name))
    table = pd.concat(order).rename(columns={"participant": "patient"})
    if "abnormality" in table:
        table = table.astype({"abnormality": "Int64"})
    write_text(root / "sections.csv", table.to_csv(index=False))
    return stored


def _split_of_participants(
    table: pd.DataFrame, jobs: Sequence[PlannedSeries], split: pd.Series, settings: StepwiseSettings
) -> dict[str, str]:
    """The split of every participant of the jobs; participants without samples are divided separately."""
    split_of = dict(zip(table["participant"], split, strict=True))
    others = {job.participant: MISSING for job in jobs if job.participant not in split_of}
    return split_of | split_patients(others, settings.split.shares, np.random.default_rng(settings.split.seed + 1))


def _write_splits(root: Path, samples: pd.DataFrame, split: pd.Series, split_of: Mapping[str, str]) -> None:
    """Write splits.csv, one row a participant; a leaky split has a participant once for each split."""
    patients = pd.DataFrame({"patient": samples["participant"], "split": split})
    others = pd.DataFrame({"patient": list(split_of), "split": list(split_of.values())})
    table = pd.concat([patients, others]).drop_duplicates().sort_values(["split", "patient"])
    write_text(root / "splits.csv", table.to_csv(index=False))


def _describe_nlst(samples: pd.DataFrame, origin: Origin, failed_slides: Mapping[str, str]) -> NlstDescription:
    """Where positions and labels come from, and which slides could not be read (without paths)."""
    folders = [folder for own in origin.slide_folders.values() for folder in own]
    return NlstDescription(
        sources={
            column: {str(k): int(n) for k, n in samples[column].map(source_kind).value_counts().items()}
            for column in ("position_source", "image_source", "pathology_source")
        },
        candidates_found_by=origin.candidates,
        slides_that_failed={name: without_paths(message, folders) for name, message in failed_slides.items()},
    )


def _write_scans(root: Path, out: Path, jobs: Sequence[PlannedSeries], split_of: Mapping[str, str]) -> None:
    """Write scans.csv and copy the masks and slices of series with drawn lesions into the cohort."""
    rows = []
    for job in jobs:
        if job.masks_in(out).is_file():
            copy(job.masks_in(out), root / "scans" / f"{job.name}.npz")
            copy(job.slices_in(out), slices_path(root, job.name))
            rows.append(
                {
                    "name": job.name,
                    "patient": job.participant,
                    "split": split_of[job.participant],
                    "series": os.path.relpath(job.folder, root),
                    "masks": f"scans/{job.name}.npz",
                }
            )
    if rows:
        write_text(root / "scans.csv", pd.DataFrame(rows).to_csv(index=False))


def _key(jobs: Sequence[PlannedSeries], settings: StepwiseSettings, origin: Origin, leaky: bool) -> str:
    """What the cohort is made from."""
    made_from = {
        "name": settings.name,
        "jobs": [job.name for job in jobs],
        "split": settings.split.model_dump(),
        "slides": origin.slides.model_dump() if origin.slides else None,
        "slide_folders": sorted(path.name for folders in origin.slide_folders.values() for path in folders)
        if origin.slides
        else [],
        "synthetic": settings.synthetic,
        "leaky": leaky,
    }
    if origin.labels is not None:
        made_from["labels"] = origin.labels
    return hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()
