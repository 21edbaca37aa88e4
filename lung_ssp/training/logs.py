"""The logs of a run: the console, a CSV file and VisualDL's file; a resumed run truncates the files exactly."""

import math
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm
from visualdl import LogWriter

from lung_ssp.errors import CheckpointError
from lung_ssp.files import append, naming, write_text
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
        if positions is not None and not ends_a_line(self._csv_path, positions[csv_name]):
            raise CheckpointError(
                f"{self._csv_path} has no end of a line where the run's checkpoint says: restore it from a copy or "
                "train afresh in another folder."
            )
        # VisualDL appends to the file and begins with a record of its own, which a resumed file already has. So the
        # file is truncated after the writer is opened, not before.
        visualdl_path.parent.mkdir(parents=True, exist_ok=True)
        self._writer = _Writer(visualdl_path)
        if positions is None:
            write_text(self._csv_path, ",".join(columns) + "\n")
            return
        for path in self._files:
            os.truncate(path, positions[path.name])

    def positions(self) -> dict[str, int]:
        """The size of each file in bytes, with all records so far on disk."""
        for path in self._files:
            with naming(path), path.open("rb") as file:
                os.fsync(file.fileno())
        return {path.name: path.stat().st_size for path in self._files}

    def row(self, values: dict[str, float]) -> None:
        """Add one line to the CSV file and print it; above the first line, print the columns."""
        cells = [str(int(values[name])) if i < 2 else f"{values[name]:.7f}" for i, name in enumerate(self.columns)]
        first = self._csv_path.stat().st_size == len(",".join(self.columns)) + 1
        append(self._csv_path, (",".join(cells) + "\n").encode())
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


def ends_a_line(path: Path, size: int) -> bool:
    """Whether the first `size` bytes of a file end with a line."""
    with path.open("rb") as file:
        file.seek(max(0, size - 1))
        return size > 0 and file.read(1) == b"\n"


class _Writer(LogWriter):
    """VisualDL's writer, whose records go to one file at once.

    VisualDL's own thread tells a full disk on the console, drops records, and may then wait for itself for ever.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(logdir=str(path.parent), file_name=path.name)

    def _get_file_writer(self) -> "_Writer":
        return self

    def add_record(self, record: Any) -> None:
        """Append a record: its length as uint64, little-endian, and its bytes."""
        content = record.SerializeToString()
        append(self.path, struct.pack("<Q", len(content)) + content)

    @property
    def file_name(self) -> str:
        """The file, by whose name the dashboard tells runs' settings apart."""
        return str(self.path)
