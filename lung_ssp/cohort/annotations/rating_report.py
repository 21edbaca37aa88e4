"""The ratings of one reader for one nodule, out of a DICOM structured report (DICOM-LIDC-IDRI-Nodules)."""

from dataclasses import dataclass
from pathlib import Path

from lung_ssp.cohort.annotations.report_file import code_of, content_items, only_report
from lung_ssp.ct.dicom_file import DicomFile
from lung_ssp.errors import CohortError, LungSspError, shown

# What a report calls each rating: CodeValue of the concept, in either version of the authors' list
# (github.com/QIICR/lidc2dicom, concepts_dict.json and lidc2dicom.py).
CONCEPTS = {
    "C45992": "subtlety",
    "200": "internalStructure",
    "C3672": "calcification",
    "400": "sphericity",
    "C25563": "margin",
    "C62175": "lobulation",
    "600": "lobulation",
    "C28749": "spiculation",
    "700": "spiculation",
    "C41144": "texture",
    "RID36042": "malignancy",
    "900": "malignancy",
}
# What it calls each value: of every rating "n out of 5", or by a word (values_dict.json there).
GENERIC = {f"00{value}": value for value in range(1, 6)}
VALUES = {
    "subtlety": {f"10{value}": value for value in range(1, 6)},
    "internalStructure": {"C12471": 1, "C25278": 2, "C12472": 3, "C73434": 4},
    "calcification": {
        **{"RID35453": 1, "302": 2, "RID5741": 3, "303": 3, "304": 4, "RID5827": 5, "305": 5, "RID28473": 6}
    },
    "sphericity": {**GENERIC, "RID5811": 1, "RID5800": 3, "RID5799": 5},
    "margin": {**GENERIC, "RID5709": 1, "RID5707": 5},
    "lobulation": {**GENERIC, "601": 1, "605": 5},
    "spiculation": {**GENERIC, "701": 1, "705": 5},
    "texture": {**GENERIC, "RID50153": 1, "RID50152": 3, "RID50151": 5},
    "malignancy": {f"90{value}": value for value in range(1, 6)},
}
SUFFIX = " evaluations"


@dataclass(frozen=True)
class RatingReport:
    """One report: its file, the name of the annotation that it rates, and the ratings by name."""

    path: Path
    name: str
    ratings: dict[str, int]


def read_rating_report(folder: Path) -> RatingReport:
    """Read the only structured report in a folder.

    Raises:
        CohortError: there is none or more than one, it is damaged, or holds a value that is not in LIDC's lists.
    """
    try:
        report = only_report(folder)
        return RatingReport(report.path, _name_of(report), _ratings_of(report))
    except CohortError:
        raise
    except LungSspError as error:
        raise CohortError(f"{folder}: the structured report cannot be read ({error})") from error


def _name_of(report: DicomFile) -> str:
    """`Nodule 1 - Annotation Nodule 001`, of the SeriesDescription `Nodule 1 - Annotation Nodule 001 evaluations`."""
    description = report.elements.text("SeriesDescription")
    if not description.endswith(SUFFIX):
        raise CohortError(f"{report.path} is described as {shown(description)}, not as the evaluations of a nodule.")
    return description.removesuffix(SUFFIX)


def _ratings_of(report: DicomFile) -> dict[str, int]:
    ratings: dict[str, int] = {}
    for item in content_items(report.elements):
        concept, value = code_of(item, "ConceptNameCodeSequence"), code_of(item, "ConceptCodeSequence")
        name = CONCEPTS.get(concept)
        if name is None or not value:
            continue
        if value not in VALUES[name]:
            raise CohortError(f"{report.path} has the {name} code {shown(value)}, which is not in LIDC's list.")
        if ratings.setdefault(name, VALUES[name][value]) != VALUES[name][value]:
            raise CohortError(f"{report.path} has two values of {name}: download it again.")
    return ratings
