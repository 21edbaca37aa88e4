"""Which series of a public collection are wanted, and for each of the others the reason why it is not."""

import re

import numpy as np
import pandas as pd

from lung_ssp.cohort.public.settings import AnnotationSource, CollectionSettings

CT = "ct"
OTHER_MODALITY = "neither a CT nor an annotation of the description"
OTHER_ANALYSIS = "an annotation that the description does not name"
DERIVED = "derived by an analysis"
TOO_FEW = "too few slices"
LEFT_OUT = "no chest scan, by its description"
NO_SCAN = "an annotation of a study without a usable CT"
NOT_ASKED_FOR = "the patient was not asked for"
NOT_ANNOTATED = "a scan without annotation"
BEYOND_SIZE = "beyond the size asked for"


def classify(index: pd.DataFrame, source: CollectionSettings) -> pd.DataFrame:
    """Give each series its role and, where it is not wanted, the reason.

    Args:
        index: the collection's series, as `read_collection` gives them.

    Returns:
        the same rows with the columns role ("ct", a Role, or "") and reason ("" where the series is wanted).
    """
    description = index["description"].astype(object).fillna("")
    modality, analysis = index["modality"].astype(object), index["analysis"].astype(object)
    is_scan = modality.eq(source.scans.modality)
    role = pd.Series(np.where(is_scan, CT, ""), index.index, dtype=object)
    for own in source.annotations:
        role[role.eq("") & _fits(own, modality, analysis, description)] = own.role
    is_annotation = modality.isin(["SEG", "SR", "RTSTRUCT"])
    reason = pd.Series("", index.index, dtype=object)
    reason[role.eq("")] = np.where(is_annotation[role.eq("")], OTHER_ANALYSIS, OTHER_MODALITY)
    reason[is_scan & index["instances"].lt(source.scans.min_slices)] = TOO_FEW
    reason[is_scan & description.map(source.scans.leaves_out).astype(bool)] = LEFT_OUT
    reason[is_scan & analysis.ne("")] = DERIVED
    studies = index.loc[is_scan & reason.eq(""), "study_uid"]
    reason[role.ne("") & ~is_scan & ~index["study_uid"].isin(studies)] = NO_SCAN
    return index.assign(role=role, reason=reason)


def _fits(source: AnnotationSource, modality: pd.Series, analysis: pd.Series, description: pd.Series) -> pd.Series:
    form = re.compile(source.description)
    named = description.map(lambda text: form.fullmatch(text) is not None).astype(bool)
    return modality.eq(source.modality) & analysis.eq(source.analysis) & named


def narrow(series: pd.DataFrame, wanted: set[str] | None, only_annotated: bool, max_mb: float | None) -> pd.DataFrame:
    """Leave out studies that were not asked for, with the reason of each of their series.

    For `max_mb`, whole patients are taken in the order of their names, up to the first that would pass the limit.

    Args:
        series: as `classify` gives it.
        wanted: names of patients; None for all.
    """
    reason = series["reason"].copy()
    patient = series["participant"].astype(object)

    def leave_out(chosen: pd.Series, why: str) -> None:
        reason[reason.eq("") & chosen] = why

    if wanted is not None:
        leave_out(~patient.isin(wanted), NOT_ASKED_FOR)
    if only_annotated:
        annotated = series.loc[reason.eq("") & series["role"].ne(CT), "study_uid"]
        leave_out(~series["study_uid"].isin(annotated), NOT_ANNOTATED)
    if max_mb is not None:
        sizes = series["size_mb"].where(reason.eq(""), 0.0).groupby(patient).sum().sort_index().cumsum()
        leave_out(patient.isin(sizes.index[sizes > max_mb]), BEYOND_SIZE)
    return series.assign(reason=reason)
