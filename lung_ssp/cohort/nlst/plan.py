"""From the index to a plan: one CT series for each exam, the masks and slides that belong to it, and their sizes."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from lung_ssp.cohort.nlst.download_manifest import manifest_text
from lung_ssp.cohort.nlst.index import own_index, read_index
from lung_ssp.cohort.nlst.mask_links import link_masks, read_boxed_series
from lung_ssp.cohort.nlst.narrowing import narrow, read_participants
from lung_ssp.cohort.nlst.plan_summary import summarise, summary_text
from lung_ssp.cohort.nlst.plan_table import CT, LESION_MASK, LUNG_MASK, SCHEMA, SLIDE, read_plan, write_plan
from lung_ssp.cohort.nlst.pseudonyms import Pseudonyms
from lung_ssp.cohort.nlst.selection import choose_series, nearest_reasons, reasons_left_out
from lung_ssp.cohort.nlst.series_description import parse_descriptions
from lung_ssp.cohort.nlst.settings import PlanSettings
from lung_ssp.errors import CohortError
from lung_ssp.files import read_json, sha256_of, write_json, write_text

__all__ = ["make_plan", "read_plan"]

SUMMARY, SUMMARY_TEXT, MANIFEST = "summary.json", "summary.txt", "manifest.s5cmd"
OTHER_STUDY = "another study of the same year is planned"


@dataclass(frozen=True)
class Indexed:
    """The index by what its series are for.

    ct: all CT series, with what their descriptions say, reason ("" where usable), boxed, annotated, chosen (bool).
    masks: segmentations of the analyses in the settings, with their role.
    links: mask_uid, ct_uid.
    slides: pathology slides of the whole collection.
    """

    ct: pd.DataFrame
    masks: pd.DataFrame
    links: pd.DataFrame
    slides: pd.DataFrame


def make_plan(
    settings: PlanSettings,
    out: Path,
    pseudonyms: Pseudonyms,
    *,
    patients: Path | None = None,
    only_annotated: bool = False,
    max_gb: float | None = None,
) -> str:
    """Plan which series to have, offline, and write the plan, its summary and the download manifest into `out`.

    NLST's 73,113 exams (studies) are 73,006 screening years of participants: where a year has two exams, the best
    series of both stands for it, since labels are known by the year. The same inputs give the same bytes.

    Args:
        out: gets plan.parquet (cohort/nlst/plan_table.py), summary.json, summary.txt, manifest.s5cmd.
        patients: text file with one participant a line, pid or pseudonym, to plan only these.
        only_annotated: plan only exams whose series has a lesion mask or boxes.
        max_gb: plan whole exams up to this size (1e9 bytes), masks and slides included.

    Returns:
        the summary as text.

    Raises:
        CohortError: an input is at fault, no exam is left, or `out` holds another plan.
        EnvironmentFault: no index is named and idc-index-data is not installed.
    """
    out = Path(out)
    if max_gb is not None and not max_gb > 0:
        raise CohortError(f"--max-gb is {max_gb:g}: it must be a positive number of GB.")
    path = Path(settings.index) if settings.index is not None else own_index()
    boxed = read_boxed_series(settings.boxes)
    index = read_index(path, settings.collection, pseudonyms)
    known = set(index["participant"].cat.categories)
    wanted = None if patients is None else read_participants(patients, known, pseudonyms)
    asked_for = None if wanted is None else sorted(wanted)
    narrowing = {"participants": asked_for, "only_annotated": only_annotated, "max_gb": max_gb}
    key = _key(settings, path, boxed, pseudonyms, narrowing)
    _refuse_other_plan(out, key)

    indexed = _sort_out(index, boxed, settings)
    rows = _rows(indexed)
    exams = _exams(rows)
    slides_mb = rows[rows["role"].eq(SLIDE)].groupby("participant")["size_mb"].sum()
    exams["fate"] = narrow(exams, slides_mb, wanted, only_annotated, max_gb)
    kept = exams[exams["fate"].eq("")]
    fates = _fates(indexed.ct, exams)
    if kept.empty:
        reasons = "; ".join(f"{n:,} exams: {reason}" for reason, n in fates.value_counts().items())
        raise CohortError(f"no exam is left to plan ({reasons}): mend the settings, or ask for more.")
    plan = rows[rows["study_uid"].isin(kept["study_uid"]) | rows["role"].eq(SLIDE)]
    plan = plan[plan["participant"].isin(kept["participant"])]
    plan = plan.sort_values(["participant", "study_year", "role", "series_uid"], ignore_index=True)

    summary = {
        "key": key,
        "salt": pseudonyms.series("salt"),
        **summarise(plan, indexed.ct, fates, indexed.masks, indexed.links, indexed.slides, boxed),
    }
    text = summary_text(summary)
    # The plan itself comes last: where it stands, all stands.
    write_json(out / SUMMARY, summary)
    write_text(out / SUMMARY_TEXT, text)
    write_text(out / MANIFEST, manifest_text(plan))
    write_plan(out, plan)
    return text


def require_salt(out: Path, pseudonyms: Pseudonyms) -> None:
    """Make sure that a plan was made with these pseudonyms: with others no table would fit it.

    Raises:
        CohortError: it was made with another salt.
    """
    if read_json(out / SUMMARY).get("salt") != pseudonyms.series("salt"):
        raise CohortError(f"the plan in {out} was made with another salt: put that one back, or make the plan anew.")


def _key(settings: PlanSettings, path: Path, boxed: set[str], pseudonyms: Pseudonyms, narrowing: dict[str, Any]) -> str:
    """What a plan is made from, as one hash: files by their contents, the salt by what it makes of a fixed text."""
    rule = settings.model_dump(exclude={"index", "boxes"})
    made_from = [rule, narrowing, sha256_of(path), sorted(boxed), pseudonyms.series("")]
    return hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()


def _refuse_other_plan(out: Path, key: str) -> None:
    if (out / SUMMARY).is_file():
        summary = read_json(out / SUMMARY)
        if not isinstance(summary, dict) or summary.get("key") != key:
            raise CohortError(
                f"{out} holds a plan of another index, of other settings, salt or narrowing: choose another folder "
                "(folders.plan), or remove that one."
            )
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise CohortError(f"{out} is not empty and holds no plan: choose another folder.")


def _sort_out(index: pd.DataFrame, boxed: set[str], settings: PlanSettings) -> Indexed:
    """Judge the CT series and find the masks that belong to them."""
    ct = index[index["modality"].eq("CT")]
    ct = ct.join(parse_descriptions(ct["description"]))
    ct["reason"] = reasons_left_out(ct, settings.selection)
    roles = dict.fromkeys(settings.lesion_masks, LESION_MASK) | dict.fromkeys(settings.lung_masks, LUNG_MASK)
    masks = index[index["modality"].eq("SEG") & index["analysis"].isin(list(roles))]
    masks = masks.assign(role=masks["analysis"].astype(object).map(roles))
    absent = sorted(set(roles) - set(masks["analysis"]))
    if absent:
        raise CohortError(f"the index holds no masks of {', '.join(absent)}: mend lesion_masks or lung_masks.")
    links = link_masks(masks, ct[ct["analysis"].eq("")])
    lesions = links.loc[links["mask_uid"].isin(masks.loc[masks["role"].eq(LESION_MASK), "series_uid"]), "ct_uid"]
    ct["boxed"] = ct["series_uid"].isin(boxed)
    masked = ct["series_uid"].isin(lesions)
    ct["annotated"] = ct["boxed"] | masked
    # A mask says more than boxes, and both of one series more than either.
    ct["preference"] = (2 * masked + ct["boxed"]) * settings.prefer_annotated
    usable = ct[ct["reason"].eq("")]
    ct["chosen"] = ct.index.isin(choose_series(usable, settings.selection).index)
    slides = index[index["modality"].eq("SM")] if settings.slides else index.iloc[:0]
    return Indexed(ct, masks, links, slides)


def _rows(indexed: Indexed) -> pd.DataFrame:
    """The rows of a plan that is not narrowed, with each one's bucket and whether its CT is annotated."""
    chosen = indexed.ct[indexed.ct["chosen"]]
    ct = chosen.assign(role=CT, source="", has_boxes=chosen["boxed"])
    linked = indexed.links.merge(ct[["series_uid", "study_year"]], left_on="ct_uid", right_on="series_uid")
    masks = indexed.masks.merge(linked[["mask_uid", "study_year"]], left_on="series_uid", right_on="mask_uid")
    masks = masks.assign(source=masks["analysis"].astype(str), model=None)
    slides = indexed.slides.assign(role=SLIDE, source="", model=None)
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


def _fates(ct: pd.DataFrame, exams: pd.DataFrame) -> pd.Series:
    """What becomes of each study that has a CT series: "" for planned, else why not; indexed by study_uid."""
    fates = pd.Series(OTHER_STUDY, index=ct["study_uid"].astype(str).unique())
    fates.update(nearest_reasons(ct))
    fates.update(exams.set_index("study_uid")["fate"])
    return fates
