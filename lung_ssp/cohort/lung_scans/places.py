"""Places in scans that are not learned from: a CSV file that a person writes, after a look at what a network found.

    scan              name of the scan
    x_mm, y_mm, z_mm  centre in the patient's coordinates (LPS, as in DICOM), as a diagnosis tells those of candidates
    diameter_mm       side of the cube around it that is left out

Further columns, such as a remark, are left alone.
"""

from collections.abc import Collection
from pathlib import Path

import numpy as np
from pydantic import Field

from lung_ssp.config import SHIPPED_CONFIGS
from lung_ssp.ct.volume import Box, Volume
from lung_ssp.errors import CohortError, DamagedFile, shown
from lung_ssp.records import TableRow, read_table


class ExcludedPlace(TableRow):
    """A cube of a scan, in mm."""

    scan: str
    x_mm: float
    y_mm: float
    z_mm: float
    diameter_mm: float = Field(gt=0, le=300)

    def box_in(self, volume: Volume) -> Box | None:
        """The voxels of a scan in the cube, at least the nearest one; None where the cube lies beside the scan."""
        middle = volume.to_index(np.array([self.x_mm, self.y_mm, self.z_mm]))
        reach = np.divide(self.diameter_mm / 2, volume.spacing)
        low = np.minimum(np.ceil(middle - reach), np.rint(middle)).astype(int)
        high = np.maximum(np.floor(middle + reach), np.rint(middle)).astype(int) + 1
        low, high = np.maximum(low, 0), np.minimum(high, volume.shape)
        if (low >= high).any():
            return None
        z, y, x = (slice(int(start), int(stop)) for start, stop in zip(low, high, strict=True))
        return z, y, x


def find_places(name: str) -> Path:
    """The file by its path: from the working folder, else among the shipped configurations."""
    path = Path(name)
    return path if path.exists() or not (SHIPPED_CONFIGS / path).is_file() else SHIPPED_CONFIGS / path


def read_places(path: Path, scans: Collection[str]) -> list[ExcludedPlace]:
    """The rows of the file.

    Args:
        scans: the names that there are.

    Raises:
        CohortError: it is missing or damaged, or names another scan.
    """
    if not path.is_file():
        raise CohortError(f"{path} does not exist: name the CSV file of excluded places (cohort.excluded), or null.")
    try:
        places = read_table(path, ExcludedPlace, "correct it")
    except DamagedFile as error:
        raise CohortError(str(error)) from error
    if unknown := next((place.scan for place in places if place.scan not in scans), None):
        raise CohortError(f"{path} excludes a place in the scan {shown(unknown)}, which the cohort does not have.")
    return places
