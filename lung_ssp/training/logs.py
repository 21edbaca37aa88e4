"""The logs of a run: the console, a CSV file and VisualDL's file; a resumed run truncates the files exactly."""

import contextlib
import io
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm
from visualdl import LogWriter

from lung_ssp.errors import CheckpointError
from lung_ssp.training.run import VISUALDL_FILE, VISUALDL_FOLDER

HISTOGRAM_BUCKETS = 50


class RunLog:
    """The log of one run folder.

    Args:
        folder: the run's folder.
        csv_name: the CSV file's name.
        columns: its columns; the first two are written as integers, the others with seven decimals.
        positions: sizes in bytes to truncate the files to, from `positions()`; None starts new files.

    Raises:
        CheckpointError: a file is missing or shorter than that: something else has changed it.
    """

    def __init__(self, folder: Path, csv_name: str, columns: tuple[str, ...], positions: dict[str, int] | None) -> None:
        self.columns = columns
        self._csv_path, visualdl_path = folder / csv_name, folder / VISUALDL_FOLDER / VISUALDL_FILE
        self._files = (self._csv_path, visualdl_path)
        if positions is None:
            visualdl_path.unlink(missing_ok=True)  # left by a process killed before its first checkpoint
        for path in self._files:
            if positions is not None and (not path.is_file() or path.stat().st_size < positions[path.name]):
                raise CheckpointError(
                    f"{path} is missing or shorter than the run's checkpoint says: restore it from a copy or train "
                    "afresh in another folder."
                )
        # VisualDL appends to the file and begins with a record of its own, which a resumed file already has. So the
        # file is truncated after the writer is opened, not before.
        with contextlib.redirect_stdout(io.StringIO()):  # it prints that the file exists
            self._writer = LogWriter(logdir=str(visualdl_path.parent), file_name=VISUALDL_FILE)
        self._writer.flush()
        if positions is None:
            self._csv_path.write_text(",".join(columns) + "\n")
            return
        for path in self._files:
            os.truncate(path, positions[path.name])

    def positions(self) -> dict[str, int]:
        """The size of each file in bytes, with all records so far on disk."""
        self._writer.flush()
        for path in self._files:
            with path.open("rb") as file:
                os.fsync(file.fileno())
        return {path.name: path.stat().st_size for path in self._files}

    def row(self, values: dict[str, float]) -> None:
        """Add one line to the CSV file and print it; above the first line, print the columns."""
        cells = [str(int(values[name])) if i < 2 else f"{values[name]:.7f}" for i, name in enumerate(self.columns)]
        first = self._csv_path.stat().st_size == len(",".join(self.columns)) + 1
        with self._csv_path.open("a") as file:
            file.write(",".join(cells) + "\n")
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
