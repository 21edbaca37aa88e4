"""What a DICOM object that refers to a series, such as a segmentation, takes over from it: identifiers, patient."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.valuerep import DA, TM

from lung_ssp.ct.dicom_file import read_dicom, without_warnings
from lung_ssp.ct.slice_header import SliceHeader
from lung_ssp.errors import SeriesError

UID = re.compile(r"[0-9]+(\.[0-9]+)+")
DATE, TIME = re.compile(r"[0-9]{8}"), re.compile(r"[0-9]{2}([0-9]{2}([0-9]{2}(\.[0-9]{1,6})?)?)?")
SEXES = ("M", "F", "O")
LOSSY = "01"  # LossyImageCompression of an image that has lost something
LOSSY_TAGS = ("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod")
PATIENT_TAGS = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
    *("StudyDate", "StudyTime", "StudyID", "AccessionNumber"),
)
READ = (*LOSSY_TAGS, *PATIENT_TAGS, "SpecificCharacterSet", "SOPClassUID", "SeriesInstanceUID")
TAG_NUMBERS = tuple(pydicom.tag.Tag(name) for name in READ)


@dataclass(frozen=True)
class PatientAndStudy:
    """What an archive needs to put an object to its patient and study, as texts; each may be empty.

    name, patient_id, birth_date, sex: of type 2 in the Patient module (PS3.3 C.7.1.1).
    study_date, study_time, study_id, accession_number: of type 2 in the General Study module (PS3.3 C.7.2.1).
    """

    name: str
    patient_id: str
    birth_date: str
    sex: str
    study_date: str
    study_time: str
    study_id: str
    accession_number: str


@dataclass(frozen=True)
class DicomSource:
    """The DICOM series behind a volume.

    slices: the header of the slice behind each volume.hu[z], None where it was interpolated.
    straightened: whether the slices of a tilted gantry were moved within their planes, so that the volume's pixels are
        not the stored ones.
    lossy: LossyImageCompression, its ratio and its method, texts; empty where nothing was lost.
    patient: None unless it was asked for.
    """

    slices: tuple[SliceHeader | None, ...]
    straightened: bool
    lossy: tuple[str, ...] = ()
    patient: PatientAndStudy | None = None

    @property
    def headers(self) -> list[SliceHeader]:
        """Those of the slices that were not interpolated, from the feet to the head."""
        return [header for header in self.slices if header is not None]

    @property
    def missing(self) -> str:
        """The first identifier that the series lacks, without which nothing can refer to it; empty where it has all.

        One that was cut is lacking: it names another object.
        """
        wanted = {"SeriesInstanceUID": [header.series_uid for header in self.headers]}
        wanted["FrameOfReferenceUID"] = [header.frame_of_reference for header in self.headers]
        instances = [header.instance for header in self.headers]
        for name, field in (("StudyInstanceUID", "study_uid"), ("SOPInstanceUID", "sop_uid")):
            wanted[name] = [getattr(one, field, "") for one in instances]
        cut = {name for header in self.headers for name in header.cut_uids}
        return next((name for name, uids in wanted.items() if name in cut or not all(map(UID.fullmatch, uids))), "")

    def nearest(self, planes: Collection[int]) -> SliceHeader:
        """The slice that is nearest to any of these planes of the volume, of two the one towards the head.

        Planes are evenly spaced, so that their numbers tell the distance.
        """
        distances = {
            index: (min(abs(index - plane) for plane in planes), -index)
            for index, header in enumerate(self.slices)
            if header is not None
        }
        header = self.slices[min(distances, key=distances.__getitem__)]
        assert header is not None
        return header


def dicom_source(slices: Sequence[SliceHeader | None], straightened: bool, keep_patient: bool) -> DicomSource:
    """The series behind a volume; one file's header is read once more, with what is of the whole series.

    Args:
        slices: as in DicomSource.
        keep_patient: whether name, number and dates are read too.

    Raises:
        SeriesError: that file cannot be read any more, or is another one by now.
    """
    first = next(header for header in slices if header is not None)
    lossy, patient = _of_the_series(first.path, keep_patient)
    return DicomSource(tuple(slices), straightened, lossy, patient)


def _of_the_series(path: Path, keep_patient: bool) -> tuple[tuple[str, ...], PatientAndStudy | None]:
    file = read_dicom(path, TAG_NUMBERS)
    if file is None:
        raise SeriesError(
            f"{path} is no DICOM file any more, it was changed while the series was read: wait until the series is "
            "copied, and start again.",
            reason="damaged",
        )
    elements = file.elements
    lossy = tuple(elements.text(tag) for tag in LOSSY_TAGS)
    if not keep_patient:
        return lossy if lossy[0] == LOSSY else (), None
    sex = elements.text("PatientSex")
    patient = PatientAndStudy(
        name=elements.in_any_script("PatientName"),
        patient_id=elements.in_any_script("PatientID"),
        birth_date=_fitting(DATE, DA, elements.text("PatientBirthDate")),
        sex=sex if sex in SEXES else "",
        study_date=_fitting(DATE, DA, elements.text("StudyDate")),
        study_time=_fitting(TIME, TM, elements.text("StudyTime")),
        study_id=elements.in_any_script("StudyID"),
        accession_number=elements.in_any_script("AccessionNumber"),
    )
    return lossy if lossy[0] == LOSSY else (), patient


def _fitting(form: re.Pattern[str], kind: type[DA] | type[TM], text: str) -> str:
    """A date or a time as the standard has it; empty where it is none, such as a month 13 or an hour 24."""
    if not form.fullmatch(text):
        return ""
    try:
        with without_warnings():  # of the second 60, which is allowed
            kind(text)
    except ValueError:
        return ""
    return text
