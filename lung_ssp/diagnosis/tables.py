"""The tables of many diagnoses: a row a scan, and a row a finding."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from lung_ssp.diagnosis.findings_table import FINDINGS_TABLE, Row, finding_columns, finding_row, write_table
from lung_ssp.diagnosis.saved import SavedDiagnosis, read_diagnosis
from lung_ssp.diagnosis.scan_work import Made, ScanResult
from lung_ssp.errors import DamagedFile

SCANS_TABLE = "scans.csv"
STEPS = ("reading", "lungs", "segmentation", "candidates", "classification", "figures", "together")


def write_tables(out: Path, results: Sequence[ScanResult], made: Made) -> int:
    """Write scans.csv and findings.csv from the results and the diagnoses in their folders.

    Returns:
        how many findings there are.

    Raises:
        DamagedFile: a diagnosis that is done is not there.
    """
    notice = f"{made.notice} {made.training}"
    judged = "candidates" in made.weights
    write_table(out / SCANS_TABLE, scan_columns(judged), (scan_row(out, result, notice) for result in results))
    findings = 0

    def rows() -> Iterator[Row]:
        nonlocal findings
        for result in results:
            for finding in _saved(out, result).findings if result.status == "done" else []:
                findings += 1
                yield finding_row(result.scan, finding, made.classes, made.learnt_from, notice)

    write_table(out / FINDINGS_TABLE, finding_columns(made.classes, judged), rows())
    return findings


def scan_columns(judged: bool) -> list[str]:
    """The columns of scans.csv; `judged`: whether a second stage has judged the candidates."""
    return [
        *("scan", "place", "status", "reason", "message", "findings", "lungs_ml", "right_lung_ml", "left_lung_ml"),
        *("corrections", "doubts", "lung_remarks", "files_left_out", "slices", "series_uid"),
        *(f"seconds_{step}" for step in STEPS if judged or step != "candidates"),
        "notice",
    ]


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


def _saved(out: Path, result: ScanResult) -> SavedDiagnosis:
    saved = read_diagnosis(out / result.scan)
    if saved is None:
        raise DamagedFile(
            f"{out / result.scan} no longer holds the diagnosis that was made: the same command makes it again."
        )
    return saved
