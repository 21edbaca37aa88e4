"""The synthetic cohort as tables of its own: sections, scans and the lesions in the scans."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lung_ssp.cohort.phantom.attributes import LesionAttributes
from lung_ssp.cohort.phantom.scans import PlannedScan
from lung_ssp.cohort.phantom.sections import PlannedSection
from lung_ssp.cohort.phantom.settings import PhantomSettings
from lung_ssp.cohort.phantom.slides import PlannedSlide, attributes_of
from lung_ssp.cohort.store import load_arrays
from lung_ssp.files import write_text


def write_sections_table(root: Path, sections: Sequence[PlannedSection], labels: Mapping[str, np.ndarray]) -> None:
    """Write sections.csv: patient, split, both labels (by task name) and the true attributes of each section."""
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
        for section, image, pathology in zip(sections, labels["image"], labels["pathology"], strict=True)
    ]
    write_table(root / "sections.csv", rows)


def write_scans_tables(root: Path, scans: Sequence[PlannedScan]) -> None:
    """Write scans.csv, one row a series, and lesions.csv, one row a lesion in them (x, y, z in LPS mm)."""
    rows, lesions = [], []
    for scan in scans:
        masks = Path("scans") / f"{scan.patient}.npz"
        rows.append(
            {"patient": scan.patient, "split": scan.split, "series": f"scans/{scan.patient}", "masks": masks.as_posix()}
        )
        centres = load_arrays(root / masks, ["centres_mm"])["centres_mm"]
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
    write_table(root / "scans.csv", rows)
    write_table(root / "lesions.csv", lesions)


def write_slides_table(root: Path, slides: Sequence[PlannedSlide], settings: PhantomSettings, seed: int) -> None:
    """Write slides.csv: patient, split, folder, the cancer's class and what the slide shows of it."""
    rows = [
        {
            "patient": slide.patient,
            "split": slide.split,
            "slide": slide.folder,
            "pathology_label": slide.label,
            **asdict(attributes_of(slide, settings, seed)[0]),
        }
        for slide in slides
    ]
    write_text(root / "slides.csv", pd.DataFrame(rows).round(3).to_csv(index=False))


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


def write_table(path: Path, rows: list[dict[str, Any]], columns: Sequence[str] | None = None) -> None:
    """Write rows as CSV, with these columns or those of the rows; whole numbers with gaps stay whole."""
    table = pd.DataFrame(rows, columns=columns)
    for column in table.select_dtypes("float"):
        if (table[column].dropna() % 1 == 0).all():
            table[column] = table[column].astype("Int64")
    write_text(path, table.to_csv(index=False))
