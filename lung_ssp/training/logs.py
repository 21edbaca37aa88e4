"""The logs of a run: the console, a CSV file and VisualDL's file; a resumed run truncates the files exactly."""

import contextlib
import csv
import io
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm
from visualdl import LogWriter

from lung_ssp.errors import CheckpointError

VISUALDL_FILE = "vdlrecords.run.log"  # VisualDL asks for "vdlrecords" in the name
HISTOGRAM_BUCKETS = 50


class RunLog:
    """The log of one run folder.

    Args:
        folder: the run's folder.
        csv_name: the CSV file's name.
        columns: its columns; the first two are written as integers, the others with seven decimals.
        positions: sizes in bytes to truncate the files to, from `positions()`; None starts new files.
    """

    def __init__(self, folder: Path, csv_name: str, columns: tuple[str, ...], positions: dict[str, int] | None) -> None:
        self.columns = columns
        self._csv_path = folder / csv_name
        self._visualdl_path = folder / "visualdl" / VISUALDL_FILE
        if positions is not None:
            for path in (self._csv_path, self._visualdl_path):
                check_length(path, positions[path.name])
        else:
            self._visualdl_path.unlink(missing_ok=True)  # left by a process killed before its first checkpoint
        # VisualDL appends to the file and begins with a record of its own, which a resumed file already has. So the
        # file is truncated after the writer is opened, not before.
        with contextlib.redirect_stdout(io.StringIO()):  # it prints that the file exists
            self._writer = LogWriter(logdir=str(self._visualdl_path.parent), file_name=VISUALDL_FILE)
        self._writer.flush()
        if positions is None:
            self._csv_path.write_text(",".join(columns) + "\n")
        else:
            os.truncate(self._csv_path, positions[self._csv_path.name])
            os.truncate(self._visualdl_path, positions[self._visualdl_path.name])

    def positions(self) -> dict[str, int]:
        """The size of each file in bytes, with all records so far on disk."""
        self._writer.flush()
        for path in (self._csv_path, self._visualdl_path):
            with path.open("rb") as file:
                os.fsync(file.fileno())
        return {path.name: path.stat().st_size for path in (self._csv_path, self._visualdl_path)}

    def row(self, values: dict[str, float]) -> None:
        """Add one line to the CSV file and print it; above the first line, print the columns."""
        cells = [str(int(values[name])) if i < 2 else f"{values[name]:.7f}" for i, name in enumerate(self.columns)]
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerow(cells)
        first = self._csv_path.stat().st_size == len(",".join(self.columns)) + 1
        with self._csv_path.open("a") as file:
            file.write(text.getvalue())
        if first:
            tqdm.write("  ".join(self.columns))
        tqdm.write("  ".join(cell.rjust(len(name)) for name, cell in zip(self.columns, cells, strict=True)))

    def scalars(self, step: int, values: dict[str, float]) -> None:
        """Add one point to each scalar's curve, except for values that are not finite."""
        for tag, value in values.items():
            if math.isfinite(value):
                self._writer.add_scalar(tag=tag, value=value, step=step)

    def histograms(self, step: int, arrays: dict[str, np.ndarray]) -> None:
        """Add one histogram for each array."""
        for tag, values in arrays.items():
            self._writer.add_histogram(tag=tag, values=values.ravel(), step=step, buckets=HISTOGRAM_BUCKETS)

    def images(self, pictures: dict[str, np.ndarray]) -> None:
        """Add pictures, uint8 (height, width, 3), at step 0."""
        for tag, picture in pictures.items():
            self._writer.add_image(tag=tag, img=picture, step=0)

    def hyperparameters(self, values: dict[str, Any], measures: list[str]) -> None:
        """Add the run's flat settings, and the names of the scalars by which runs are compared."""
        self._writer.add_hparams(hparams_dict=values, metrics_list=measures)

    def close(self) -> None:
        """Write pending records and close VisualDL's file."""
        self._writer.close()


def check_length(path: Path, least: int) -> None:
    """Refuse a log that is missing or shorter than the checkpoint says: something else has changed it.

    Raises:
        CheckpointError: naming the file.
    """
    if not path.is_file() or path.stat().st_size < least:
        raise CheckpointError(
            f"{path} is missing or shorter than the run's checkpoint says: restore it from a copy or train afresh in "
            "another folder."
        )
