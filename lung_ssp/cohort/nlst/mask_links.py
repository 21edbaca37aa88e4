"""Which CT series the annotations of others belong to, as far as the index tells."""

import json
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from lung_ssp.cohort.nlst.index import UID
from lung_ssp.cohort.nlst.settings import BoxFiles
from lung_ssp.errors import CohortError

# NLSTSeg and TotalSegmentator name the SeriesNumber of their CT: "NLSTSeg Segmentation of Series: 2",
# "TotalSegmentator(v1.5.6) Segmentation of Series 3".
NAMED_SERIES = r"Segmentation of Series:? (\d+)$"
STUDY = ["participant", "study_uid"]
BOX_COLUMN = "seriesinstanceuids"


def link_masks(masks: pd.DataFrame, ct: pd.DataFrame) -> pd.DataFrame:
    """The CT series that each mask may belong to.

    A mask belongs to its study and, where its description names a series number, to the series of that number. A
    number can stand twice in a study; then, as where none is named, the mask is linked to each, and what it really
    refers to is checked when it is read.

    Args:
        masks, ct: series of one index (cohort/nlst/index.py), whose participants and studies are numbered alike.

    Returns:
        mask_uid, ct_uid: the series UIDs, one row a link.
    """
    named = pd.to_numeric(masks["description"].astype(object).str.extract(NAMED_SERIES)[0])
    left = _study_keys(masks, "mask_uid", named)
    right = _study_keys(ct, "ct_uid", pd.to_numeric(ct["series_number"].astype(object), errors="coerce"))
    by_number = left[left["number"].notna()].merge(right, on=[*STUDY, "number"])
    by_study = left[left["number"].isna()].merge(right, on=STUDY)
    return pd.concat([part[["mask_uid", "ct_uid"]] for part in (by_number, by_study)], ignore_index=True)


def _study_keys(series: pd.DataFrame, name: str, numbers: pd.Series) -> pd.DataFrame:
    """What masks and CT series are joined by; numbers stand for texts, which take four times the memory."""
    keys = {column: series[column].cat.codes for column in STUDY}
    return pd.DataFrame({name: series["series_uid"], **keys, "number": numbers})


def read_boxed_series(settings: BoxFiles) -> set[str]:
    """The UIDs of all series that the files of boxes name.

    Raises:
        CohortError: a file is missing, of another form, or names what is no UID.
    """
    uids: set[str] = set()
    if settings.sybil is not None:
        uids |= _series_of_sybil(Path(settings.sybil))
    if settings.nlstx is not None:
        uids |= _series_of_nlstx(Path(settings.nlstx))
    return uids


def _series_of_sybil(path: Path) -> set[str]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CohortError(f"{path} cannot be read ({error.strerror}): name Sybil's file of boxes, or null.") from error
    except (ValueError, RecursionError) as error:
        raise CohortError(f"{path} holds no JSON: get Sybil's file of boxes again.") from error
    if not isinstance(content, dict):
        raise CohortError(f"{path} holds no mapping of series UIDs to boxes: get Sybil's file of boxes again.")
    return _checked(content, path)


def _series_of_nlstx(path: Path) -> set[str]:
    try:
        table = pd.read_csv(path, usecols=[BOX_COLUMN], dtype=str)
    except OSError as error:
        raise CohortError(f"{path} cannot be read ({error.strerror}): name NLSTx's table of boxes, or null.") from error
    except ValueError as error:  # of pandas' parser, of UTF-8, or of the missing column
        raise CohortError(f"{path} is no CSV table with the column {BOX_COLUMN}: get NLSTx's table again.") from error
    return _checked(table[BOX_COLUMN].dropna().str.strip(), path)


def _checked(uids: Iterable[str], path: Path) -> set[str]:
    found = set(uids)
    wrong = sum(not UID.fullmatch(uid) for uid in found)
    if wrong:
        raise CohortError(f"{path} names {wrong} series by what is no DICOM UID: get the file again.")
    return found
