"""From the index to a plan: one CT series for each exam, the masks and slides that belong to it, and their sizes."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel

from lung_ssp.cohort.annotations.box_files import read_boxes
from lung_ssp.cohort.idc.amounts import MB_OF_GB
from lung_ssp.cohort.idc.download import manifest_text
from lung_ssp.cohort.idc.index import own_index
from lung_ssp.cohort.nlst.index import read_index
from lung_ssp.cohort.nlst.plan_summary import PlanSummary, summarise
from lung_ssp.cohort.nlst.plan_table import CT, SCHEMA, SLIDE, write_plan
from lung_ssp.cohort.nlst.pseudonyms import Pseudonyms
from lung_ssp.cohort.nlst.selection import ClassifiedIndex, classify_index, nearest_reasons
from lung_ssp.cohort.nlst.settings import PlanSettings
from lung_ssp.cohort.nlst.text import plan_text
from lung_ssp.errors import CohortError, DamagedFile
from lung_ssp.files import read_bytes, sha256_of, write_json, write_text
from lung_ssp.folders import alone_in, others_in
from lung_ssp.records import read_record

SUMMARY, SUMMARY_TEXT, MANIFEST = "summary.json", "summary.txt", "manifest.s5cmd"
OTHER_STUDY = "another study of the same year is planned"
NARROWED = (
    NOT_ASKED_FOR := "the participant was not asked for",
    NOT_ANNOTATED := "neither a lesion mask nor boxes",
    BEYOND_SIZE := "beyond the size asked for",
)


def make_plan(
    settings: PlanSettings,
    out: Path,
    pseudonyms: Pseudonyms,
    *,
    patients: Path | None = None,
    only_annotated: bool = False,
    max_gb: float | None = None,
) -> PlanSummary:
    """Plan which series to download, and write the plan, its summary and the download manifest into `out`.

    Nothing is downloaded. NLST's 73,113 exams (studies) are 73,006 screening years of participants: where a year has
    two exams, the best series of both stands for it, since labels are known by the year. The same inputs give the same
    bytes.

    Args:
        out: gets plan.parquet (cohort/nlst/plan_table.py), summary.json, summary.txt, manifest.s5cmd.
        patients: text file with one participant a line, pid or pseudonym, to plan only these.
        only_annotated: plan only exams whose series has a lesion mask or boxes.
        max_gb: plan whole exams up to this size (1e9 bytes), masks and slides included.

    Raises:
        CohortError: an input is missing or damaged, no exam is left, or `out` holds another plan.
        EnvironmentProblem: no index is named and idc-index-data is not installed.
    """
    out = Path(out)
    if max_gb is not None and not max_gb > 0:
        raise CohortError(f"--max-gb is {max_gb:g}: it must be a positive number of GB.")
    path = Path(settings.index) if settings.index is not None else own_index()
    with_boxes = {
        uid for of_series in read_boxes(settings.boxes.sybil, settings.boxes.nlstx).values() for uid in of_series
    }
    index = read_index(path, settings.collection, pseudonyms)
    known = set(index["participant"].cat.categories)
    wanted = None if patients is None else read_participants(patients, known, pseudonyms)
    participants = None if wanted is None else sorted(wanted)
    narrowing = {"participants": participants, "only_annotated": only_annotated, "max_gb": max_gb}
    key = _key(settings, path, with_boxes, pseudonyms, narrowing)
    _refuse_other_plan(out, key)

    classified = classify_index(index, with_boxes, settings)
    rows = _rows(classified)
    exams = _exams(rows)
    slides_mb = rows[rows["role"].eq(SLIDE)].groupby("participant")["size_mb"].sum()
    exams["reason"] = narrow(exams, slides_mb, wanted, only_annotated, max_gb)
    reasons = pd.Series(OTHER_STUDY, index=classified.ct["study_uid"].astype(str).unique())  # "" where it is planned
    reasons.update(nearest_reasons(classified.ct))
    reasons.update(exams.set_index("study_uid")["reason"])
    plan = _narrowed(rows, exams[exams["reason"].eq("")], reasons)

    summary = summarise(key, pseudonyms.series("salt"), plan, classified, reasons, with_boxes)
    with alone_in(out):
        _refuse_other_plan(out, key)
        # The plan itself comes last: where it exists, everything else does.
        write_json(out / SUMMARY, summary.as_json())
        write_text(out / SUMMARY_TEXT, plan_text(summary))
        write_text(out / MANIFEST, manifest_text(plan))
        write_plan(out, plan)
    return summary


def require_salt(out: Path, pseudonyms: Pseudonyms) -> None:
    """Make sure that a plan was made with these pseudonyms: with others no table would fit it.

    Raises:
        CohortError: it was made with another salt.
    """
    if not (out / SUMMARY).is_file():
        raise CohortError(f"{out} holds a plan without its {SUMMARY}: make the plan again.")
    if _noted(out).salt != pseudonyms.series("salt"):
        raise CohortError(f"the plan in {out} was made with another salt: restore that one, or make the plan again.")


class PlanNote(BaseModel):
    """What of summary.json tells whose plan it is."""

    key: str
    salt: str


def _noted(out: Path) -> PlanNote:
    try:
        return read_record(out / SUMMARY, PlanNote, "remove the folder and make the plan again")
    except DamagedFile as error:
        raise CohortError(str(error)) from error


def read_participants(path: Path, known: set[str], pseudonyms: Pseudonyms) -> set[str]:
    """The pseudonyms of the participants that a text file lists, one pid or pseudonym a line; # begins a comment.

    Raises:
        CohortError: the file cannot be read, lists no participant, or a line names none of the index (the message gives
            the line's number, since it must not hold a pid).
    """
    try:
        lines = read_bytes(path).decode("utf-8-sig").splitlines()
    except OSError as error:
        raise CohortError(
            f"{path} cannot be read ({error.strerror}): name a file with one participant a line."
        ) from error
    except (UnicodeDecodeError, DamagedFile) as error:
        raise CohortError(f"{path} is no text: name a file with one participant a line.") from error
    wanted = set()
    for number, line in enumerate(lines, start=1):
        name = line.partition("#")[0].strip()
        if not name:
            continue
        participant = name if name in known else pseudonyms.participant(name)
        if participant not in known:
            raise CohortError(f"{path}, line {number}: no such participant in the index; correct or remove the line.")
        wanted.add(participant)
    if not wanted:
        raise CohortError(f"{path} lists no participant: write one a line.")
    return wanted


def narrow(
    exams: pd.DataFrame, slides_mb: pd.Series, wanted: set[str] | None, only_annotated: bool, max_gb: float | None
) -> pd.Series:
    """Why each exam is not in the narrowed plan, one of NARROWED; "" where it is.

    For `max_gb`, whole exams are taken in the order of their participants' pseudonyms, which is a shuffled one, then of
    their years, up to the first that would pass the limit: a larger limit only adds exams.

    Args:
        exams: participant, study_year, annotated (bool), mb (of the CT series and its masks).
        slides_mb: by participant; downloaded with the participant's first exam in the plan.
        wanted: pseudonyms, None for all.
    """
    reasons = pd.Series("", index=exams.index)
    if wanted is not None:
        reasons[~exams["participant"].isin(wanted)] = NOT_ASKED_FOR
    if only_annotated:
        reasons[reasons.eq("") & ~exams["annotated"]] = NOT_ANNOTATED
    if max_gb is not None:
        left = exams[reasons.eq("")].sort_values(["participant", "study_year"])
        slides = left["participant"].map(slides_mb).fillna(0.0).where(~left["participant"].duplicated(), 0.0)
        total = (left["mb"] + slides).to_numpy(dtype=float).cumsum()
        reasons[left.index[np.flatnonzero(total > max_gb * MB_OF_GB)]] = BEYOND_SIZE
    return reasons


def _key(
    settings: PlanSettings, path: Path, with_boxes: set[str], pseudonyms: Pseudonyms, narrowing: dict[str, Any]
) -> str:
    """What a plan is made from, as one hash: files by their contents, the salt by what it makes of a fixed text."""
    rule = settings.model_dump(exclude={"index", "boxes"})
    made_from = [rule, narrowing, sha256_of(path), sorted(with_boxes), pseudonyms.series("")]
    return hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()


def _refuse_other_plan(out: Path, key: str) -> None:
    if (out / SUMMARY).is_file():
        if _noted(out).key != key:
            raise CohortError(
                f"{out} holds a plan of another index, of other settings, salt or narrowing: choose another folder "
                "(folders.plan), or remove that one."
            )
    elif out.exists() and (not out.is_dir() or others_in(out)):
        raise CohortError(f"{out} is not empty and holds no plan: choose another folder.")


def _rows(classified: ClassifiedIndex) -> pd.DataFrame:
    """The rows of a plan before narrowing, with each one's bucket and whether its CT is annotated."""
    chosen = classified.ct[classified.ct["chosen"]]
    ct = chosen.assign(role=CT, source="")
    linked = classified.links.merge(ct[["series_uid", "study_year"]], left_on="ct_uid", right_on="series_uid")
    masks = classified.masks.merge(linked[["mask_uid", "study_year"]], left_on="series_uid", right_on="mask_uid")
    masks = masks.assign(source=masks["analysis"].astype(str), model=None)
    slides = classified.slides.assign(role=SLIDE, source="", model=None)
    slides = slides[slides["participant"].isin(ct["participant"])]
    columns = [*SCHEMA.names, "bucket", "annotated"]
    parts = [part.reindex(columns=columns).astype(object) for part in (ct, masks, slides)]
    rows = pd.concat(parts, ignore_index=True)
    return rows.astype({"instances": "int64", "size_mb": "float64", "study_year": "Int64"})


def _exams(rows: pd.DataFrame) -> pd.DataFrame:
    """The exams with a series, by that series' study: participant, study_year, study_uid, annotated, mb."""
    ct = rows[rows["role"].eq(CT)]
    mb = rows[rows["role"].ne(SLIDE)].groupby("study_uid")["size_mb"].sum()
    exams = ct[["participant", "study_year", "study_uid"]].reset_index(drop=True)
    return exams.assign(annotated=ct["annotated"].to_numpy(dtype=bool), mb=exams["study_uid"].map(mb))


def _narrowed(rows: pd.DataFrame, kept: pd.DataFrame, reasons: pd.Series) -> pd.DataFrame:
    """The rows of the exams that are kept, in the plan's order.

    Raises:
        CohortError: no exam is kept.
    """
    if kept.empty:
        counted = "; ".join(f"{n:,} exams: {reason}" for reason, n in reasons.value_counts().items())
        raise CohortError(f"no exam is left to plan ({counted}): change the settings, or narrow the plan less.")
    plan = rows[rows["study_uid"].isin(kept["study_uid"]) | rows["role"].eq(SLIDE)]
    plan = plan[plan["participant"].isin(kept["participant"])]
    return plan.sort_values(["participant", "study_year", "role", "series_uid"], ignore_index=True)
