"""Boxes around tumours in Pascal VOC's XML files, one file an image, named by its SOPInstanceUID (Lung-PET-CT-Dx)."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from pathlib import Path

from lung_ssp.cohort.annotations.box_files import MarkedBox
from lung_ssp.cohort.annotations.lidc import parse_xml
from lung_ssp.cohort.uids import is_uid
from lung_ssp.ct.series import Series
from lung_ssp.errors import CohortError, shown

SIDES = ("xmin", "ymin", "xmax", "ymax")
LARGEST = 100_000.0  # pixels


def voc_files(folder: Path) -> dict[str, Path]:
    """The XML files below a folder by the SOPInstanceUID that is their name; empty where there is no such folder.

    Raises:
        CohortError: two files have one name.
    """
    files: dict[str, Path] = {}
    for path in sorted(folder.rglob("*.xml")) if folder.is_dir() else []:
        if is_uid(path.stem) and files.setdefault(path.stem, path) != path:
            raise CohortError(f"{path} and {files[path.stem]} are of one image: remove one of them.")
    return files


def read_voc_boxes(files: Mapping[str, Path], series: Series, name: str) -> tuple[MarkedBox, ...]:
    """The boxes on the slices of a series; of a patient's files those of its images.

    Args:
        files: by the SOPInstanceUID of their image.
        name: what each box is called, in Lung-PET-CT-Dx the letter of the histology.

    Raises:
        CohortError: a file is no annotation, of another image size, has an impossible box, or one of another name.
    """
    boxes: list[MarkedBox] = []
    for reference in series.slices:
        path = files.get(reference.sop_uid)
        if path is not None and reference.header is not None:
            boxes += _boxes_of(path, series.volume.series_uid, reference.sop_uid, reference.header.shape, name)
    return tuple(boxes)


def _boxes_of(path: Path, series_uid: str, sop_uid: str, shape: tuple[int, int], name: str) -> list[MarkedBox]:
    root = parse_xml(path)
    if root.tag != "annotation":
        raise CohortError(f"{path} is no Pascal VOC file: its root is {shown(root.tag)}, not 'annotation'.")
    size = (_number(path, root, "size/height"), _number(path, root, "size/width"))
    if size != shape:
        raise CohortError(
            f"{path} is of an image of {size[0]:g} rows and {size[1]:g} columns, the slice has {shape[0]} and "
            f"{shape[1]}: check which image it is of."
        )
    boxes = []
    for item in root.findall("object"):
        named = (item.findtext("name") or "").strip()
        if named != name:
            raise CohortError(f"{path} has a box of {shown(named)}, but the patient's name says {name}: check both.")
        left, top, right, bottom = (_number(path, item, f"bndbox/{side}") for side in SIDES)
        if not (left < right <= shape[1] and top < bottom <= shape[0]):
            raise CohortError(f"{path} has a box that is empty or leaves the image: copy it again from its source.")
        boxes.append(MarkedBox(series_uid, sop_uid, None, left, top, right - left, bottom - top, fractions=False))
    return boxes


def _number(path: Path, element: ElementTree.Element, name: str) -> float:
    text = (element.findtext(name) or "").strip()
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= LARGEST:
        raise CohortError(f"{path} has the {name} {shown(text)}, no number of pixels: copy it again from its source.")
    return value
