"""Who the DICOM objects of a diagnosis are: their unique identifiers, their dates, and whom they are about.

Nothing here comes from a clock or from chance: the same diagnosis gives the same objects.
"""

import hashlib
import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from warnings import catch_warnings, simplefilter

import numpy as np
from pydicom.dataset import Dataset

from lung_ssp import __version__
from lung_ssp.ct.dicom_file import without_warnings
from lung_ssp.ct.dicom_source import DicomSource, PatientAndStudy
from lung_ssp.ct.slice_header import Instance
from lung_ssp.diagnosis.diagnosis import Diagnosis
from lung_ssp.diagnosis.label_map import findings_map
from lung_ssp.files import write_atomically

NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "lung_ssp")
MANUFACTURER = "lung_ssp"
NEUTRAL_DATE, NEUTRAL_TIME = "19000101", "000000"  # where the standard demands a date and none may be told
SEG_CLASS = "1.2.840.10008.5.1.4.1.1.66.4"  # Segmentation Storage
NOBODY = PatientAndStudy(*[""] * 8)


@dataclass(frozen=True, eq=False)
class Identity:
    """The identifiers of a diagnosis's objects.

    key: a fingerprint of all that they hold.
    source: the series that they refer to.
    findings: as `findings_map` gives them.
    """

    key: str
    source: DicomSource
    findings: np.ndarray

    def uid(self, *parts: object) -> str:
        """A unique identifier (2.25., PS3.5 section B.2) of a part of this diagnosis, the same in every object."""
        return f"2.25.{uuid.uuid5(NAMESPACE, '/'.join(map(str, (self.key, *parts)))).int}"

    @property
    def study_uid(self) -> str:
        """StudyInstanceUID of the series."""
        return self.source_instance(0).study_uid

    @property
    def series_uid(self) -> str:
        """SeriesInstanceUID of the series."""
        return self.source.headers[0].series_uid

    def source_instance(self, index: int) -> Instance:
        """The object of slice `index` of those that are not interpolated."""
        instance = self.source.headers[index].instance
        assert instance is not None  # DicomSource.missing has been looked at
        return instance

    @property
    def content_date(self) -> dict[str, Any]:
        """ContentDate and ContentTime, which are demanded: the study's where the patient is named, else neutral."""
        about = self.source.patient or NOBODY
        date = about.study_date
        return {
            "content_date": date or NEUTRAL_DATE,
            "content_time": (about.study_time if date else "") or NEUTRAL_TIME,
        }

    @property
    def equipment(self) -> dict[str, Any]:
        """What made the object."""
        return {"manufacturer": MANUFACTURER, "manufacturer_model_name": MANUFACTURER, "software_versions": __version__}

    def about(self) -> Dataset:
        """A data set with the patient and the study: as the series has them where that was asked for, else empty."""
        about = self.source.patient or NOBODY
        dataset = Dataset()
        dataset.SpecificCharacterSet = "ISO_IR 192"
        dataset.PatientName, dataset.PatientID = about.name, about.patient_id
        dataset.PatientBirthDate, dataset.PatientSex = about.birth_date, about.sex
        dataset.StudyInstanceUID = self.study_uid
        dataset.StudyDate, dataset.StudyTime = about.study_date, about.study_time
        dataset.StudyID, dataset.AccessionNumber = about.study_id, about.accession_number
        dataset.ReferringPhysicianName = ""
        dataset.SeriesInstanceUID = self.series_uid
        dataset.FrameOfReferenceUID = self.source.headers[0].frame_of_reference
        dataset.Modality = "CT"
        return dataset


APART = ("seconds", "left_out")  # of a diagnosis, what its objects do not say


def identity_of(diagnosis: Diagnosis) -> Identity:
    """The identity of a diagnosis whose scan was read from DICOM slices.

    Its key covers the source's objects, the program's version, weights, settings, findings and masks, and whom the
    objects name; other objects never have the same identifiers. What lies beside the series does not change it.
    """
    source = diagnosis.dicom
    assert source is not None and not source.missing
    findings = findings_map(diagnosis.findings, diagnosis.scan.shape)
    facts = {name: value for name, value in diagnosis.as_json().items() if name not in APART}
    instances = [None if one is None or one.instance is None else asdict(one.instance) for one in source.slices]
    patient = None if source.patient is None else asdict(source.patient)
    text = json.dumps([__version__, facts, instances, patient, source.lossy, source.headers[0].series_uid])
    digest = hashlib.sha256(text.encode())
    digest.update(np.packbits(diagnosis.lungs.mask).tobytes())
    for finding in diagnosis.findings:
        digest.update(np.packbits(finding.candidate.lesion.voxels).tobytes())
        digest.update(repr(finding.candidate.lesion.box).encode())
    return Identity(digest.hexdigest(), source, findings)


def save_object(image: Any, path: Path) -> None:
    """Write a highdicom object, without what it takes from the clock."""
    for name in ("InstanceCreationDate", "InstanceCreationTime"):
        del image[name]
    for item in image.get("ContributingEquipmentSequence", []):
        if "ContributionDateTime" in item:
            del item.ContributionDateTime
    write_atomically(path, lambda file: image.save_as(file, enforce_file_format=True))


@contextmanager
def quietly() -> Iterator[None]:
    """Keep away the warnings of highdicom and pydicom, which show names that they find unusual."""
    with without_warnings(), catch_warnings():
        simplefilter("ignore")
        yield
