"""The synthetic cohort as tables: sections and scans, and patients, cancers and abnormalities as NLST has them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lung_ssp.cohort.classes import NORMAL
from lung_ssp.cohort.phantom.attributes import LesionAttributes
from lung_ssp.cohort.phantom.scans import PlannedScan
from lung_ssp.cohort.phantom.sections import PlannedSection
from lung_ssp.files import write_text

# ICD-O-3 morphology of the classes 1..8: the first code of each in the ranges that NLST's tables hold
MORPHOLOGY = {1: 8140, 2: 8070, 3: 8250, 4: 8012, 5: 8041, 6: 8240, 7: 8022, 8: 8046}

NODULE, CALCIFIED_NODULE = 51, 53  # sct_ab_desc: non-calcified nodule or mass >= 4 mm, benign calcified nodule
SPICULATED, SMOOTH, POORLY_DEFINED = 1, 2, 3  # sct_margins
ATTENUATION = {"solid": 1, "ground glass": 2, "part-solid": 3}  # sct_pre_att: soft tissue, ground glass, mixed
POSITIVE_SCREEN, NO_CANCER = 1, 0  # can_scr
NO_SLICE = 999  # sct_slice_num where the slice is not known


def write_sections_table(
    root: Path, sections: Sequence[PlannedSection], image_labels: np.ndarray, pathology_labels: np.ndarray
) -> None:
    """Write sections.csv: patient, split, both labels and the true attributes of each section."""
    rows = [
        {
            "patient": section.patient,
            "split": section.split,
            "study_yr": section.study_year,
            "lesion": "-".join(map(str, section.key)),
            "image_label": int(image),
            "pathology_label": int(pathology),
            **_attributes(section.attributes),
        }
        for section, image, pathology in zip(sections, image_labels, pathology_labels, strict=True)
    ]
    _write(root / "sections.csv", rows)


def write_scans_tables(root: Path, scans: Sequence[PlannedScan]) -> None:
    """Write scans.csv, one row a series, and lesions.csv, one row a lesion in them (x, y, z in LPS mm)."""
    rows, lesions = [], []
    for scan in scans:
        masks = Path("scans") / f"{scan.patient}.npz"
        rows.append(
            {"patient": scan.patient, "split": scan.split, "series": f"scans/{scan.patient}", "masks": masks.as_posix()}
        )
        with np.load(root / masks, allow_pickle=False) as arrays:
            centres = arrays["centres_mm"]
        for number, (lesion, label, centre) in enumerate(zip(scan.lesions, scan.labels, centres, strict=True), start=1):
            lesions.append(
                {
                    "patient": scan.patient,
                    "split": scan.split,
                    "study_yr": scan.study_year,
                    "lesion": number,
                    "label": label,
                    **dict(zip(("x_mm", "y_mm", "z_mm"), np.round(centre, 2).tolist(), strict=True)),
                    **_attributes(lesion),
                }
            )
    _write(root / "scans.csv", rows)
    _write(root / "lesions.csv", lesions)


def write_nlst_tables(root: Path, sections: Sequence[PlannedSection], scans: Sequence[PlannedScan]) -> None:
    """Write the cohort under NLST's names and codes: nlst_prsn.csv, nlst_canc.csv and nlst_ctab.csv."""
    seen = [
        (s.patient, s.study_year, s.label, s.pathology, "-".join(map(str, s.key)), s.attributes) for s in sections
    ] + [
        (scan.patient, scan.study_year, label, label, str(number), lesion)
        for scan in scans
        for number, (lesion, label) in enumerate(zip(scan.lesions, scan.labels, strict=True), start=1)
    ]
    persons: dict[str, dict[str, Any]] = {}
    cancers: dict[tuple[str, str], dict[str, Any]] = {}
    abnormalities: list[dict[str, Any]] = []
    for patient, year, label, pathology, lesion, attributes in seen:
        person = persons.setdefault(patient, {"pid": patient, "can_scr": NO_CANCER, "cancyr": None, "de_type": None})
        if label != NORMAL:
            person["can_scr"] = POSITIVE_SCREEN
            person["cancyr"] = year
            if pathology == label:  # else nobody took a specimen
                person["de_type"] = person["de_type"] or MORPHOLOGY[label]
                cancers[patient, lesion] = {
                    "pid": patient,
                    "lc_morph": MORPHOLOGY[label],
                    "de_type": MORPHOLOGY[label],
                    "study_yr": year,
                    "lesionsize": round(attributes.diameter_mm),
                }
        if attributes.finding_name == "nodule":
            abnormalities.append({"pid": patient, "study_yr": year, **_abnormality(attributes)})
    _number(list(cancers.values()), ("pid",), "lc_order")
    _number(abnormalities, ("pid", "study_yr"), "sct_ab_num")
    _write(root / "tables" / "nlst_prsn.csv", list(persons.values()))
    _write(root / "tables" / "nlst_canc.csv", list(cancers.values()))
    _write(root / "tables" / "nlst_ctab.csv", abnormalities)


def _abnormality(attributes: LesionAttributes) -> dict[str, Any]:
    """The columns of nlst_ctab that describe one abnormality; the details are filled for code 51 only."""
    if attributes.calcification_name == "central":
        return {"sct_ab_desc": CALCIFIED_NODULE, "sct_slice_num": NO_SLICE}
    margins = SPICULATED if attributes.spiculation > 0.5 else SMOOTH
    return {
        "sct_ab_desc": NODULE,
        "sct_long_dia": round(attributes.diameter_mm),
        "sct_margins": POORLY_DEFINED if attributes.texture_name == "ground glass" else margins,
        "sct_pre_att": ATTENUATION[attributes.texture_name],
        "sct_slice_num": NO_SLICE,
    }


def _attributes(lesion: LesionAttributes) -> dict[str, Any]:
    return {
        "finding": lesion.finding_name,
        "diameter_mm": round(lesion.diameter_mm, 2),
        "texture": lesion.texture_name,
        "spiculation": round(lesion.spiculation, 3),
        "lobulation": round(lesion.lobulation, 3),
        "elongation": round(lesion.elongation, 3),
        "cavity": int(lesion.cavity),
        "calcification": lesion.calcification_name,
        "necrosis": int(lesion.necrosis),
        "location": lesion.location_name,
    }


def _number(rows: list[dict[str, Any]], group: tuple[str, ...], column: str) -> None:
    """Number the rows of each group from 1, in place."""
    counts: dict[tuple[Any, ...], int] = {}
    for row in rows:
        key = tuple(row[name] for name in group)
        row[column] = counts[key] = counts.get(key, 0) + 1


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    table = pd.DataFrame(rows)
    for column in table.select_dtypes("float"):
        if (table[column].dropna() % 1 == 0).all():
            table[column] = table[column].astype("Int64")  # whole numbers with gaps stay whole
    write_text(path, table.to_csv(index=False))
