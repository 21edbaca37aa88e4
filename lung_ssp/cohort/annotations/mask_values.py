"""The values of a mask: which of them is meant, and whether they can be a mask's at all."""

import numpy as np

from lung_ssp.errors import CohortError

LARGEST_SHARE = 0.5  # of a scan that a lesion's mask may mark


def marked(values: np.ndarray, value: int | None, what: str) -> np.ndarray:
    """Where a mask has a value.

    Args:
        values: of any whole or decimal type, or bool.
        value: which of them is meant; None: everything but 0.
        what: the mask's name, with which a message begins.

    Returns:
        bool of the same shape.

    Raises:
        CohortError: the values are no whole numbers, or are of a type that cannot hold the value.
    """
    if values.dtype.kind not in "biuf":
        raise CohortError(f"{what} holds {values.dtype.name} values, a mask holds whole numbers: export it as such.")
    if values.dtype.kind == "f" and not (np.isfinite(values).all() and np.array_equal(np.rint(values), values)):
        raise CohortError(f"{what} holds values that are no whole numbers, as a mask does: export it as a label image.")
    if value is None:
        return values != 0
    if values.dtype.kind in "iu" and not np.iinfo(values.dtype).min <= value <= np.iinfo(values.dtype).max:
        raise CohortError(
            f"{what} holds no voxel of the lesion, values of {values.dtype.name} cannot be {value}: correct mask_value."
        )
    return values == values.dtype.type(value) if values.dtype.kind != "b" else values & (value == 1)


def require_part(mask: np.ndarray, what: str) -> None:
    """Make sure that a mask marks something, and not most of its scan.

    Raises:
        CohortError: it does not; the message begins with `what`.
    """
    count = np.count_nonzero(mask)
    if not count:
        raise CohortError(f"{what} holds no voxel of the lesion.")
    if count > LARGEST_SHARE * mask.size:
        raise CohortError(
            f"{what} marks {count / mask.size:.0%} of the scan as the lesion: give the lesion's mask or mask_value."
        )
