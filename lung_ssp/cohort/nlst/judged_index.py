"""The index by what its series are for: usable CT series, one for each exam, and the masks and slides beside them."""

from collections.abc import Set
from dataclasses import dataclass

import pandas as pd

from lung_ssp.cohort.nlst.mask_links import link_masks
from lung_ssp.cohort.nlst.plan_table import LESION_MASK, LUNG_MASK
from lung_ssp.cohort.nlst.selection import choose_series, exclusion_reasons
from lung_ssp.cohort.nlst.series_description import parse_descriptions
from lung_ssp.cohort.nlst.settings import PlanSettings
from lung_ssp.errors import CohortError


@dataclass(frozen=True)
class JudgedIndex:
    """The index of a collection, each CT series judged.

    ct: all CT series, with the fields of their descriptions, reason ("" where usable), boxed, annotated, chosen (bool).
    masks: segmentations of the analyses in the settings, with their role.
    links: mask_uid, ct_uid.
    slides: pathology slides of the whole collection.
    """

    ct: pd.DataFrame
    masks: pd.DataFrame
    links: pd.DataFrame
    slides: pd.DataFrame


def judge_index(index: pd.DataFrame, boxed: Set[str], settings: PlanSettings) -> JudgedIndex:
    """Judge the CT series, choose one for each exam, and find the masks that belong to them.

    Args:
        index: as `read_index` gives it.
        boxed: UIDs of the series that files of boxes name.

    Raises:
        CohortError: the index has no masks of an analysis in the settings.
    """
    ct = index[index["modality"].eq("CT")]
    ct = ct.join(parse_descriptions(ct["description"]))
    ct["reason"] = exclusion_reasons(ct, settings.selection)
    roles = dict.fromkeys(settings.lesion_masks, LESION_MASK) | dict.fromkeys(settings.lung_masks, LUNG_MASK)
    masks = index[index["modality"].eq("SEG") & index["analysis"].isin(list(roles))]
    masks = masks.assign(role=masks["analysis"].astype(object).map(roles))
    absent = sorted(set(roles) - set(masks["analysis"]))
    if absent:
        raise CohortError(f"the index holds no masks of {', '.join(absent)}: correct lesion_masks or lung_masks.")
    links = link_masks(masks, ct[ct["analysis"].eq("")])
    lesions = links.loc[links["mask_uid"].isin(masks.loc[masks["role"].eq(LESION_MASK), "series_uid"]), "ct_uid"]
    ct["boxed"] = ct["series_uid"].isin(boxed)
    masked = ct["series_uid"].isin(lesions)
    ct["annotated"] = ct["boxed"] | masked
    # Masks are preferred to boxes, and both of one series to either.
    ct["preference"] = (2 * masked + ct["boxed"]) * settings.prefer_annotated
    usable = ct[ct["reason"].eq("")]
    ct["chosen"] = ct.index.isin(choose_series(usable, settings.selection).index)
    slides = index[index["modality"].eq("SM")] if settings.slides else index.iloc[:0]
    return JudgedIndex(ct, masks, links, slides)
