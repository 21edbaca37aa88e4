"""Which CT series a segmentation belongs to, as far as the index tells."""

import pandas as pd

# NLSTSeg and TotalSegmentator name the SeriesNumber of their CT: "NLSTSeg Segmentation of Series: 2",
# "TotalSegmentator(v1.5.6) Segmentation of Series 3".
NAMED_SERIES = r"Segmentation of Series:? (\d+)$"
STUDY = ["participant", "study_uid"]


def link_masks(masks: pd.DataFrame, ct: pd.DataFrame) -> pd.DataFrame:
    """The CT series that each mask may belong to.

    A mask belongs to its study and, where its description names a series number, to the series of that number. A
    number can occur twice in a study; then, as where none is named, the mask is linked to each, and reading the mask
    checks which series it really refers to.

    Args:
        masks, ct: series of one index (cohort/nlst/index.py), with the same categories of participants and studies.

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
    """What masks and CT series are joined by; codes instead of texts, which take four times the memory."""
    keys = {column: series[column].cat.codes for column in STUDY}
    return pd.DataFrame({name: series["series_uid"], **keys, "number": numbers})
