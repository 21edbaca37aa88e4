"""findings.csv of one scan, with the columns that it has for a folder of scans."""

from pathlib import Path

from lung_ssp.cohort.classes import CLASS_NAMES, TASK_NAMES, class_name
from lung_ssp.diagnosis.diagnosis import Diagnosis
from lung_ssp.diagnosis.findings_table import FINDINGS_TABLE, finding_columns, finding_row, write_table
from lung_ssp.diagnosis.learnt_from import learnt_from
from lung_ssp.diagnosis.saved import SavedFinding

HERE = "."  # the folder of the scan's pictures, as seen from the table


def write_findings_csv(diagnosis: Diagnosis, folder: Path) -> Path:
    """Write findings.csv, a row a finding, with the same numbers as findings.json.

    Args:
        folder: made if it is missing; a table in it is replaced.

    Returns:
        the file.

    Raises:
        OSError: the system refuses to write it.
    """
    path = Path(folder) / FINDINGS_TABLE
    classes, learnt = classes_of(diagnosis), learnt_from(diagnosis.weights)
    saved = [SavedFinding.model_validate(finding.as_json()) for finding in diagnosis.findings]
    drawn = [
        own if (path.parent / str(own.figure)).is_file() else own.model_copy(update={"figure": None}) for own in saved
    ]
    rows = (finding_row(HERE, finding, classes, learnt, diagnosis.notice) for finding in drawn)
    write_table(path, finding_columns(classes, diagnosis.is_judged), rows)
    return path


def classes_of(diagnosis: Diagnosis) -> dict[str, list[str]]:
    """By task the names of its classes: those of the findings, the paper's where there are none."""
    if not diagnosis.findings:
        return {task: list(CLASS_NAMES) for task in TASK_NAMES}
    first = diagnosis.findings[0]
    outputs = {task: len(first.probabilities.get(task, first.names[task])) for task in TASK_NAMES}
    return {task: [class_name(k, first.names[task]) for k in range(count)] for task, count in outputs.items()}
