"""The jobs of a preparation: one a series, named by all that its samples depend on."""

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pandas as pd

from lung_ssp.cohort.annotations.box_files import MarkedBox
from lung_ssp.cohort.nlst.exams import Exam
from lung_ssp.cohort.nlst.image_rule import ImageRule
from lung_ssp.cohort.nlst.pseudonyms import Pseudonyms
from lung_ssp.cohort.nlst.settings import SeriesSettings

FORMAT = 1  # to be raised whenever the same series and settings give other contents


@dataclass(frozen=True)
class PlannedSeries:
    """One series of a plan, of whatever collection, and the files of its samples.

    name: of its files: a hash of the series, the settings and everything else that its samples depend on.
    pseudonym: of the series, for logs and reports.
    participant: what the cohort calls the patient.
    folder: its DICOM files. files, megabytes: their number and size in the index.
    """

    name: str
    pseudonym: str
    participant: str
    files: int
    megabytes: float
    # not shown in Dask's logs
    series_uid: str = field(repr=False)
    folder: Path = field(repr=False)

    def samples_in(self, out: Path) -> Path:
        """The file of its samples."""
        return out / f"{self.name}.npz"

    def masks_in(self, out: Path) -> Path:
        """The file of its masks; only series with drawn lesions have one."""
        return out / f"{self.name}.masks.npz"

    def slices_in(self, out: Path) -> Path:
        """The file of its slices; only series with drawn lesions have one."""
        return out / f"{self.name}.slices.npz"

    @property
    def needed(self) -> tuple[Path, ...]:
        """The folders without which it cannot be prepared."""
        return (self.folder,)

    @property
    def named(self) -> tuple[Path, ...]:
        """The folders whose paths no report may hold."""
        return self.needed

    @property
    def in_tables(self) -> bool:
        """Whether the collection's tables know it; a collection without tables knows all."""
        return True


@dataclass(frozen=True)
class SeriesJob(PlannedSeries):
    """One exam's series of NLST with all that is known of it.

    study_year: 0, 1, 2.
    exam: what the tables record; None where they have no such exam.
    lesion_masks, lung_masks: source and folder of each DICOM-SEG series of the exam; of the latter only those that have
        been downloaded, since samples can be made without them.
    boxes: source ("sybil", "nlstx") to the boxes on this series.
    """

    study_year: int
    exam: Exam | None = field(repr=False)
    lesion_masks: tuple[tuple[str, Path], ...] = field(repr=False)
    lung_masks: tuple[tuple[str, Path], ...] = field(repr=False)
    boxes: Mapping[str, tuple[MarkedBox, ...]] = field(repr=False)

    @property
    def needed(self) -> tuple[Path, ...]:
        """The folders without which it cannot be prepared."""
        return (self.folder, *(folder for _, folder in self.lesion_masks))

    @property
    def named(self) -> tuple[Path, ...]:
        """The folders whose paths no report may hold."""
        return (*self.needed, *(folder for _, folder in self.lung_masks))

    @property
    def in_tables(self) -> bool:
        """Whether the tables have its exam."""
        return self.exam is not None


def make_jobs(
    plan: pd.DataFrame,
    images: Path,
    exams: Mapping[tuple[str, int], Exam],
    boxes: Mapping[str, Mapping[str, Sequence[MarkedBox]]],
    settings: SeriesSettings,
    rule: ImageRule,
    candidates: str,
    pseudonyms: Pseudonyms,
) -> list[SeriesJob]:
    """The jobs of a plan, in the plan's order.

    Args:
        plan: as `read_plan` gives it.
        images: folder with one folder a series, named by its UID.
        exams: by participant and study year.
        boxes: by source, then by series UID.
        rule: what the settings' image_rule names.
        candidates: fingerprint of the network that finds candidates, empty for none.
    """
    masks: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for row in plan[plan["role"].isin(["lesion_mask", "lung_mask"])].itertuples():
        masks.setdefault((row.role, row.study_uid), []).append((row.source, row.series_uid))
    jobs = []
    for row in plan[plan["role"] == "ct"].itertuples():
        exam = exams.get((row.participant, int(row.study_year)))
        lesion_masks = sorted(masks.get(("lesion_mask", row.study_uid), []))
        of_lungs = sorted(masks.get(("lung_mask", row.study_uid), []))
        lung_masks = [(source, uid) for source, uid in of_lungs if (images / uid).is_dir()]
        own_boxes = {source: tuple(of_series.get(row.series_uid, ())) for source, of_series in boxes.items()}
        made_from = {
            "format": FORMAT,
            "series": row.series_uid,
            "settings": settings.model_dump(),
            "image_rule": repr(rule),  # since the settings only name a file, which may change
            "exam": None if exam is None else asdict(exam),
            "lesion_masks": lesion_masks,
            "lung_masks": lung_masks,
            "boxes": {source: [asdict(box) for box in found] for source, found in own_boxes.items()},
            "candidates": candidates,
        }
        jobs.append(
            SeriesJob(
                name=hashed(pseudonyms, made_from),
                pseudonym=pseudonyms.series(row.series_uid),
                participant=row.participant,
                study_year=int(row.study_year),
                series_uid=row.series_uid,
                folder=images / row.series_uid,
                files=int(row.instances),
                megabytes=float(row.size_mb),
                exam=exam,
                lesion_masks=tuple((source, images / uid) for source, uid in lesion_masks),
                lung_masks=tuple((source, images / uid) for source, uid in lung_masks),
                boxes=own_boxes,
            )
        )
    return jobs


def hashed(pseudonyms: Pseudonyms, made_from: object) -> str:
    """32 hexadecimal digits; salted, since the series and their tables are public and could be tried one by one."""
    text = json.dumps(made_from, sort_keys=True, default=_plain)
    return hmac.new(pseudonyms.salt, text.encode(), hashlib.sha256).hexdigest()[:32]


def _plain(value: object) -> object:
    """What JSON does not know: sets in a fixed order, the rest as text."""
    return sorted(value) if isinstance(value, frozenset) else str(value)
