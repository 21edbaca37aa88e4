"""The jobs of a public collection: one a series, with the annotations and the label that belong to it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from lung_ssp.cohort.annotations.lidc import series_of
from lung_ssp.cohort.annotations.voc_boxes import voc_files
from lung_ssp.cohort.classes import CLASS_NAMES, MISSING
from lung_ssp.cohort.nlst.jobs import PlannedSeries, hashed
from lung_ssp.cohort.nlst.pseudonyms import Pseudonyms
from lung_ssp.cohort.public.plan import CT
from lung_ssp.cohort.public.settings import PatientLetter, PublicSettings
from lung_ssp.errors import CohortError
from lung_ssp.files import sha256_of

ROLES = ("outlines", "ratings", "boxes")
FORMAT = 2  # to be raised whenever the same series and settings give other contents


@dataclass(frozen=True)
class PublicJob(PlannedSeries):
    """One series of a public collection.

    outlines, ratings: folders of its study's DICOM-SEG and DICOM-SR. reports: likewise of DICOM-SR with boxes.
    readings: LIDC's XML file of it, or None.
    readings_known: whether all that readers outlined in it is at hand; not where its XML file is missing.
    boxes: Pascal VOC files of its patient, by the SOPInstanceUID of their image.
    letter: of the patient's name, "" where none is known. pathology: a class 0..8, or -1.
    """

    outlines: tuple[Path, ...] = field(repr=False)
    ratings: tuple[Path, ...] = field(repr=False)
    reports: tuple[Path, ...] = field(repr=False)
    readings: Path | None = field(repr=False)
    readings_known: bool
    boxes: Mapping[str, Path] = field(repr=False)
    letter: str
    pathology: int

    @property
    def needed(self) -> tuple[Path, ...]:
        """The folders without which it cannot be prepared."""
        return (self.folder, *self.outlines, *self.ratings, *self.reports)

    @property
    def named(self) -> tuple[Path, ...]:
        """Public collections name nobody: what is wrong is told with its file."""
        return ()


def make_public_jobs(plan: pd.DataFrame, images: Path, settings: PublicSettings) -> list[PublicJob]:
    """The jobs of a plan, in the plan's order.

    Args:
        plan: as `read_public_plan` gives it. images: folder with one folder a series, named by its UID.

    Raises:
        CohortError: the folder of annotation files is missing or holds none of a planned series, or a patient's name
            has not the form that the description gives.
    """
    scans = plan[plan["role"].eq(CT)]
    files = settings.source.files
    below = None if settings.folders.annotations is None else Path(settings.folders.annotations).resolve()
    if below is not None and not below.is_dir():
        raise CohortError(f"{below} does not exist: put the annotation files there, or set folders.annotations.")
    xml = lidc_files(below, set(scans["series_uid"])) if below is not None and files.form == "lidc" else {}
    folders = {} if below is not None else annotations_of_studies(plan)
    names = Pseudonyms(settings.source.collection.encode())  # for short names alone: the collection is public
    jobs = []
    for row in scans.itertuples():
        letter, pathology = pathology_of(row.participant, settings.source.pathology)
        boxes: dict[str, Path] = {}
        if below is not None and files.form == "voc":
            boxes = voc_files(below / row.participant.removeprefix(files.patient_prefix))
        readings = xml.get(row.series_uid)
        own = {role: folders.get((role, row.study_uid), ()) for role in ROLES}
        made_from = {
            "format": FORMAT,
            "series": row.series_uid,
            "settings": settings.series.model_dump(),
            "annotations": own,
            "readings": None if readings is None else sha256_of(readings),
            "boxes": {uid: sha256_of(path) for uid, path in boxes.items()},
            "pathology": [letter, pathology],
        }
        jobs.append(
            PublicJob(
                name=hashed(names, made_from),
                pseudonym=names.series(row.series_uid),
                participant=row.participant,
                files=int(row.instances),
                megabytes=float(row.size_mb),
                series_uid=row.series_uid,
                folder=images / row.series_uid,
                outlines=tuple(images / uid for uid in own["outlines"]),
                ratings=tuple(images / uid for uid in own["ratings"]),
                reports=tuple(images / uid for uid in own["boxes"]),
                readings=readings,
                readings_known=below is None or readings is not None,
                boxes=boxes,
                letter=letter,
                pathology=pathology,
            )
        )
    if below is not None and not any(job.readings or job.boxes for job in jobs):
        raise CohortError(f"{below} holds no annotation file of a planned series: check folders.annotations.")
    return jobs


def annotations_of_studies(plan: pd.DataFrame) -> dict[tuple[str, str], tuple[str, ...]]:
    """The planned series of annotations by their role and study, sorted."""
    folders: dict[tuple[str, str], list[str]] = {}
    for row in plan[plan["role"].ne(CT)].itertuples():
        folders.setdefault((row.role, row.study_uid), []).append(row.series_uid)
    return {key: tuple(sorted(own)) for key, own in folders.items()}


def lidc_files(folder: Path, planned: set[str]) -> dict[str, Path]:
    """LIDC's XML files below a folder by the series that each is of; those of other series are left alone.

    Raises:
        CohortError: a file is no XML, or two are of one planned series.
    """
    files: dict[str, Path] = {}
    for path in sorted(folder.rglob("*.xml")):
        uid = series_of(path)
        if uid in planned and files.setdefault(uid, path) != path:
            raise CohortError(f"{path} and {files[uid]} are of one series: remove one of them.")
    return files


def pathology_of(patient: str, rule: PatientLetter | None) -> tuple[str, int]:
    """The letter in a patient's name and the class that it stands for; "" and -1 where there is no rule.

    Raises:
        CohortError: the name has another form, or an unknown letter.
    """
    if rule is None:
        return "", MISSING
    found = re.fullmatch(rule.pattern, patient)
    if found is None or found.group(1) not in rule.classes:
        raise CohortError(
            f"the patient {patient} has no letter of {', '.join(rule.classes)} in the name: correct source.pathology."
        )
    return found.group(1), CLASS_NAMES.index(rule.classes[found.group(1)])
