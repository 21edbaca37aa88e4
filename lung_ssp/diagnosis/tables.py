"""The tables of many diagnoses: a row a scan, and a row a finding."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from lung_ssp.cohort.classes import TASK_NAMES
from lung_ssp.diagnosis.learnt_from import NODULE
from lung_ssp.diagnosis.saved import SavedDiagnosis, SavedFinding, read_diagnosis
from lung_ssp.diagnosis.scan_work import Made, ScanResult
from lung_ssp.errors import DamagedFile
from lung_ssp.files import write_atomically

SCANS_TABLE, FINDINGS_TABLE = "scans.csv", "findings.csv"
STEPS = ("reading", "lungs", "segmentation", "classification", "figures", "together")
SCAN_COLUMNS = (
    *("scan", "place", "status", "reason", "message", "findings", "lungs_ml", "right_lung_ml", "left_lung_ml"),
    *("corrections", "doubts", "lung_remarks", "files_left_out", "slices", "series_uid"),
    *(f"seconds_{step}" for step in STEPS),
    "notice",
)

Row = Mapping[str, object]


def write_tables(out: Path, results: Sequence[ScanResult], made: Made) -> int:
    """Write scans.csv and findings.csv from the results and the diagnoses in their folders.

    Returns:
        how many findings there are.

    Raises:
        DamagedFile: a diagnosis that is done is not there.
    """
    notice = f"{made.notice} {made.training}"
    write_table(out / SCANS_TABLE, SCAN_COLUMNS, (scan_row(out, result, notice) for result in results))
    findings = 0

    def rows() -> Iterator[Row]:
        nonlocal findings
        for result in results:
            for finding in _saved(out, result).findings if result.status == "done" else []:
                findings += 1
                yield finding_row(result.scan, finding, made, notice)

    write_table(out / FINDINGS_TABLE, finding_columns(made.classes, "candidates" in made.weights), rows())
    return findings


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Row]) -> None:
    """Write a CSV file, atomically and row by row: memory does not grow with it."""

    def write(file: IO[bytes]) -> None:
        text = io.TextIOWrapper(file, "utf-8", newline="")
        writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        text.detach()  # which writes what it holds

    write_atomically(path, write)


def scan_row(out: Path, result: ScanResult, notice: str) -> Row:
    """A row of scans.csv."""
    row: dict[str, object] = {
        "scan": result.scan,
        "place": result.place,
        "status": result.status,
        "reason": result.reason,
        "message": result.message,
        "series_uid": result.series_uid,
        "notice": notice,
        **{f"seconds_{step}": result.seconds[step] for step in STEPS if step in result.seconds},
    }
    if result.status != "done":
        return row
    saved = _saved(out, result)
    return row | {
        "findings": len(saved.findings),
        "lungs_ml": saved.lungs.volume_ml,
        "right_lung_ml": saved.lungs.right.volume_ml,
        "left_lung_ml": saved.lungs.left.volume_ml,
        "corrections": len(saved.corrections),
        "doubts": len(saved.doubts),
        "lung_remarks": len(saved.lungs.remarks),
        "files_left_out": sum(map(len, saved.left_out.values())),
        "slices": saved.series.shape_zyx[0],
        "series_uid": saved.series.series_uid,
    }


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


def finding_row(scan: str, finding: SavedFinding, made: Made, notice: str) -> Row:
    """A row of findings.csv; the slice counts from 1 at the feet, as in the pictures."""
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
    row |= {f"{number}_learnt_from": words for number, words in made.learnt_from.items()}
    if finding.nodule_probability is not None:
        row[NODULE] = finding.nodule_probability
    for task, diagnosis in zip(TASK_NAMES, (finding.image_diagnosis, finding.pathology_diagnosis), strict=True):
        if isinstance(diagnosis, str):  # no slide
            row[f"{task}_diagnosis"] = diagnosis
            continue
        best = max(diagnosis, key=lambda name: diagnosis[name])
        row |= {f"{task}_diagnosis": best, f"{task}_probability": diagnosis[best]}
        row |= {f"{task}: {name}": diagnosis[name] for name in made.classes[task] if name in diagnosis}
    return row


def _saved(out: Path, result: ScanResult) -> SavedDiagnosis:
    saved = read_diagnosis(out / result.scan)
    if saved is None:
        raise DamagedFile(
            f"{out / result.scan} no longer holds the diagnosis that was made: the same command makes it again."
        )
    return saved
