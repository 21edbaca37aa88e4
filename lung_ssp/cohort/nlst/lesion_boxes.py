"""The boxes around lesions that the settings name, by series."""

from collections.abc import Mapping
from pathlib import Path

from lung_ssp.cohort.annotations.box_files import MarkedBox, read_nlstx, read_sybil
from lung_ssp.cohort.nlst.settings import BoxFiles

Boxes = Mapping[str, tuple[MarkedBox, ...]]


def read_boxes(files: BoxFiles) -> dict[str, Boxes]:
    """The boxes of each file, by source ("sybil", "nlstx"), then by series UID; a series may have none.

    Raises:
        CohortError: a file is missing, of another form, or has an impossible box.
    """
    boxes: dict[str, Boxes] = {}
    if files.sybil is not None:
        boxes["sybil"] = read_sybil(Path(files.sybil))
    if files.nlstx is not None:
        boxes["nlstx"] = read_nlstx(Path(files.nlstx))
    return boxes
