"""The synthetic cohort as tables of its own: sections, scans and the lesions in them, slides."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from lung_ssp.cohort.phantom.attributes import LesionAttributes
from lung_ssp.cohort.phantom.scans import PlannedScan
from lung_ssp.cohort.phantom.sections import PlannedSection
from lung_ssp.cohort.phantom.settings import PhantomSettings
from lung_ssp.cohort.phantom.slides import PlannedSlide, attributes_of
from lung_ssp.cohort.store import Sections, load_arrays, write_table
from lung_ssp.formats import ArrayForm


def write_sections_table(
    root: Path, sections: Mapping[str, Sequence[PlannedSection]], stored: Mapping[str, Sections]
) -> None:
    """Write sections.csv: patient, split, both labels (by task name) and the true attributes of each section."""
    rows = [
        {
            "patient": section.patient,
            "split": split,
            "study_yr": section.study_year,
            "lesion": "-".join(map(str, section.key)),
            **{f"{task}_label": int(labels[index]) for task, labels in stored[split].labels.items()},
            **_attributes(section.attributes),
        }
        for split, planned in sections.items()
        for index, section in enumerate(planned)
    ]
    write_table(root / "sections.csv", rows)


def write_scans_tables(root: Path, scans: Sequence[PlannedScan]) -> None:
    """Write scans.csv, one row a series, and lesions.csv, one row a lesion in them (x, y, z in LPS mm), if any."""
    if not scans:
        return
    rows, lesions = [], []
    for scan in scans:
        whose = {"patient": scan.patient, "split": scan.split}
        masks = f"scans/{scan.patient}.npz"
        rows.append({**whose, "series": f"scans/{scan.patient}", "masks": masks})
        form = ArrayForm("f", shape=(len(scan.lesions), 3))
        centres = load_arrays(root / masks, {"centres_mm": form})["centres_mm"]
        for number, (lesion, label, centre) in enumerate(zip(scan.lesions, scan.labels, centres, strict=True), start=1):
            place = dict(zip(("x_mm", "y_mm", "z_mm"), np.round(centre, 2).tolist(), strict=True))
            known = {"study_yr": scan.study_year, "lesion": number, "label": label}
            lesions.append({**whose, **known, **place, **_attributes(lesion)})
    write_table(root / "scans.csv", rows)
    write_table(root / "lesions.csv", lesions)


def write_slides_table(root: Path, slides: Sequence[PlannedSlide], settings: PhantomSettings, seed: int) -> None:
    """Write slides.csv, if there are any: patient, split, folder, the cancer's class and what the slide shows of it."""
    rows = []
    for slide in slides:
        known = {"patient": slide.patient, "split": slide.split, "slide": slide.folder, "pathology_label": slide.label}
        rows.append({**known, **asdict(attributes_of(slide, settings, seed)[0])})
    if rows:
        write_table(root / "slides.csv", rows, decimals=3)


def _attributes(lesion: LesionAttributes) -> dict[str, Any]:
    """A lesion's attributes as a row holds them: rounded, 0 or 1 for whether there is one, without the years grown."""
    row = asdict(lesion) | {"diameter_mm": round(lesion.diameter_mm, 2)}
    row |= {"cavity": int(lesion.cavity), "necrosis": int(lesion.necrosis)}
    del row["years_grown"]
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in row.items()}
