"""How many samples there are by position, class and source, as a text table."""

import re
from collections.abc import Sequence

import pandas as pd

from lung_ssp.cohort.classes import CLASS_NAMES, MISSING
from lung_ssp.errors import CohortError

POSITION_SOURCE = "position_source"
COLUMNS = (POSITION_SOURCE, "image_label", "image_source", "pathology_label", "pathology_source")


def describe_samples(frame: pd.DataFrame, image_classes: Sequence[str] = CLASS_NAMES) -> str:
    """Counts by position, and for both tasks by class and source; sources without an abnormality's number.

    Args:
        frame: one row a sample, with the columns position_source, image_label, image_source, pathology_label,
            pathology_source.
        image_classes: the names of the image task's classes.

    Raises:
        CohortError: a column is missing.
    """
    missing = [name for name in COLUMNS if name not in frame.columns]
    if missing:
        raise CohortError(f"The samples have no column {missing[0]}: their columns are {', '.join(COLUMNS)}.")
    parts = [f"{len(frame)} samples", _counted("position", frame[POSITION_SOURCE].map(source_kind), None)]
    for task, names in (("image", image_classes), ("pathology", CLASS_NAMES)):
        sources = frame[f"{task}_source"].map(source_kind)
        parts.append(
            _counted(f"{task} label", frame[f"{task}_label"].map(lambda label, n=names: _name(label, n)), sources)
        )
    return "\n\n".join(parts) + "\n"


def source_kind(source: str) -> str:
    """A source without the number of the abnormality or cancer: "nlst_ctab 51 #2" is of the kind "nlst_ctab 51"."""
    return re.sub(r" #\d+", "", source)


def _name(label: int, names: Sequence[str]) -> str:
    return "(no label)" if label == MISSING else f"{label} {names[label]}"


def _counted(title: str, values: pd.Series, sources: pd.Series | None) -> str:
    """Rows "value, source, count" in the order of the values, the most frequent source first."""
    table = pd.DataFrame({title: values, "source": "" if sources is None else sources})
    counts = table.value_counts().rename("samples").reset_index()
    counts = counts.sort_values([title, "samples", "source"], ascending=[True, False, True])
    if sources is None:
        counts = counts.drop(columns="source")
    texts = [list(counts.columns), *counts.astype(str).to_numpy().tolist()]
    widths = [max(len(row[column]) for row in texts) for column in range(len(texts[0]))]
    return "\n".join(
        "  ".join(
            [*(text.ljust(width) for text, width in zip(row[:-1], widths, strict=False)), row[-1].rjust(widths[-1])]
        )
        for row in texts
    )
