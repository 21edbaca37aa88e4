"""DICOM structured reports (PS3.3 A.35) as files: the only one of a folder, and its content items."""

from collections.abc import Iterator
from pathlib import Path

import pydicom

from lung_ssp.ct.dicom_file import DicomFile, read_dicom
from lung_ssp.ct.elements import Elements
from lung_ssp.errors import CohortError

TAGS = tuple(
    pydicom.tag.Tag(name)
    for name in (
        "SOPClassUID",
        "Modality",
        "SeriesInstanceUID",
        "SeriesDescription",
        "ContentSequence",
        "CurrentRequestedProcedureEvidenceSequence",
    )
)
DEEPEST = 20  # levels of a report; those that are read here have five


def only_report(folder: Path) -> DicomFile:
    """The only structured report in a folder.

    Raises:
        CohortError: there is none or more than one.
        LungSspError: a file is damaged.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []
    found = [report for path in files if (report := read_dicom(path, TAGS)) is not None]
    reports = [report for report in found if report.elements.text("Modality") == "SR"]
    if len(reports) != 1:
        raise CohortError(f"{folder} holds {len(reports)} structured reports, not one: download it again.")
    return reports[0]


def content_items(elements: Elements, depth: int = 0) -> Iterator[Elements]:
    """The content items of a report at every level."""
    for item in elements.items("ContentSequence") if depth < DEEPEST else []:
        yield item
        yield from content_items(item, depth + 1)


def code_of(item: Elements, sequence: str) -> str:
    """The CodeValue of the first code of a sequence, empty where there is none."""
    codes = item.items(sequence)
    return codes[0].text("CodeValue") if codes else ""
