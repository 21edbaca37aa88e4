"""findings.csv: a row a finding, of one scan or of many. Loads no Paddle."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO

from lung_ssp.cohort.classes import TASK_NAMES
from lung_ssp.diagnosis.learnt_from import NODULE
from lung_ssp.diagnosis.saved import SavedFinding
from lung_ssp.files import write_atomically

FINDINGS_TABLE = "findings.csv"

Row = Mapping[str, object]


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Row]) -> None:
    """Write a CSV file, atomically and row by row: memory does not grow with it."""

    def write(file: IO[bytes]) -> None:
        text = io.TextIOWrapper(file, "utf-8", newline="")
        writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        text.detach()  # which writes what it holds

    write_atomically(path, write)


def finding_columns(classes: Mapping[str, Sequence[str]], judged: bool) -> list[str]:
    """The columns of findings.csv; `judged`: whether a second stage has judged the candidates."""
    return [
        *("scan", "number", "score", "score_learnt_from"),
        *((NODULE, f"{NODULE}_learnt_from") if judged else ()),
        *("diameter_mm", "longest_axial_diameter_mm", "volume_mm3", "mean_hu"),
        *("lps_x_mm", "lps_y_mm", "lps_z_mm", "slice"),
        *(f"{task}_{what}" for task in TASK_NAMES for what in ("diagnosis", "probability", "learnt_from")),
        *(f"{task}: {name}" for task in TASK_NAMES for name in classes[task]),
        *("picture", "notice"),
    ]


def finding_row(
    scan: str, finding: SavedFinding, classes: Mapping[str, Sequence[str]], learnt: Mapping[str, str], notice: str
) -> Row:
    """A row of findings.csv; the slice counts from 1 at the feet, as in the pictures.

    Args:
        scan: the folder with the scan's pictures, as seen from the table.
        classes: by task, the names of its classes.
        learnt: what the weights behind each number have learnt from (`learnt_from`).
    """
    x, y, z = finding.centre_lps_mm
    row: dict[str, object] = {
        "scan": scan,
        "number": finding.number,
        "score": finding.score,
        "diameter_mm": finding.diameter_mm,
        "longest_axial_diameter_mm": finding.longest_axial_diameter_mm,
        "volume_mm3": finding.volume_mm3,
        "mean_hu": finding.mean_hu,
        "lps_x_mm": x,
        "lps_y_mm": y,
        "lps_z_mm": z,
        "slice": finding.slice_index + 1,
        "picture": f"{scan}/{finding.figure}" if finding.figure else "",
        "notice": notice,
    }
    row |= {f"{number}_learnt_from": words for number, words in learnt.items()}
    if finding.nodule_probability is not None:
        row[NODULE] = finding.nodule_probability
    for task, diagnosis in zip(TASK_NAMES, (finding.image_diagnosis, finding.pathology_diagnosis), strict=True):
        if isinstance(diagnosis, str):  # no slide
            row[f"{task}_diagnosis"] = diagnosis
            continue
        best = max(diagnosis, key=lambda name: diagnosis[name])
        row |= {f"{task}_diagnosis": best, f"{task}_probability": diagnosis[best]}
        row |= {f"{task}: {name}": diagnosis[name] for name in classes[task] if name in diagnosis}
    return row
