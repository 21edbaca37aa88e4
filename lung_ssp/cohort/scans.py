"""The CT series of a prepared cohort: <root>/scans.csv and the true masks beside it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from lung_ssp.cohort.store import SPLITS, load_arrays
from lung_ssp.errors import CohortError


@dataclass(frozen=True, eq=False)
class Scan:
    """One row of scans.csv: a CT series and, where they are known, its masks (npz with `lungs` and `lesions`).

    name: what its slices are called; the patient, where each patient has one scan.
    """

    name: str
    patient: str
    split: str
    series: Path
    masks: Path | None

    def lesions(self) -> np.ndarray:
        """The true lesions, uint8 (z, y, x) on the series' own grid: 0 background, 1..n the lesions.

        Raises:
            CohortError: the masks are unknown or cannot be read.
        """
        if self.masks is None:
            raise CohortError(f"The lesions of patient {self.patient} are not known: scans.csv names no masks.")
        return load_arrays(self.masks, ["lesions"])["lesions"]


def read_scans(root: Path) -> list[Scan]:
    """The scans of a cohort, in the order of <root>/scans.csv.

    Raises:
        CohortError: there is no scans.csv, or it lacks a column or names an unknown split.
    """
    path = Path(root) / "scans.csv"
    if not path.is_file():
        raise CohortError(f"{path} does not exist: this cohort has no scans to segment.")
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    missing = {"patient", "split", "series", "masks"} - set(table.columns)
    if missing:
        raise CohortError(f"{path} lacks the columns {', '.join(sorted(missing))}.")
    unknown = set(table["split"]) - set(SPLITS)
    if unknown:
        raise CohortError(f"{path} names the split {min(unknown)!r}: a split is one of {', '.join(SPLITS)}.")
    return [
        Scan(
            row.name if "name" in table else row.patient,
            row.patient,
            row.split,
            Path(root) / row.series,
            Path(root) / row.masks if row.masks else None,
        )
        for row in table.itertuples()
    ]
