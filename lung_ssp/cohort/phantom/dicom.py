"""A synthetic scan as a series of DICOM files (CT Image Storage, DICOM PS3.3 A.3)."""

import uuid
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian

from lung_ssp.cohort.description import PHANTOM_MAKER
from lung_ssp.cohort.phantom.scans import PhantomScan, PlannedScan

STUDY_DATES = ("19990102", "20000102", "20010102")  # T0, T1, T2, as NLST's anonymised series have them
RESCALE_INTERCEPT = -1024
KERNEL = "PHANTOM"
MANUFACTURER = "lung_ssp phantom (synthetic, no patient)"


def write_series(folder: Path, scan: PhantomScan, planned: PlannedScan, key: str, rng: np.random.Generator) -> None:
    """Write a scan as DICOM files into `folder`, which is made; their names say nothing about their order.

    Args:
        key: what the unique identifiers are derived from, beside the patient: the same key gives the same ones.
    """
    folder.mkdir(parents=True)
    series = _series(scan, planned, key)
    names = rng.permutation(len(scan.hu)) + 1
    for index, (pixels, name) in enumerate(zip(scan.hu, names, strict=True)):
        _slice(series, scan, pixels, index, image_uid(key, planned, index)).save_as(
            folder / f"{name:06d}.dcm", enforce_file_format=True
        )


def unique_identifier(*parts: object) -> UID:
    """A unique identifier under 2.25, the root for UUIDs (PS3.5 B.2)."""
    return UID(f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, '/'.join(map(str, parts))).int}")


def study_uid(key: str, planned: PlannedScan) -> UID:
    """StudyInstanceUID (0020,000D) of a scan."""
    return unique_identifier(key, planned.patient, "study", planned.study_year)


def series_uid(key: str, planned: PlannedScan) -> UID:
    """SeriesInstanceUID (0020,000E) of a scan."""
    return unique_identifier(key, planned.patient, "series", planned.study_year)


def image_uid(key: str, planned: PlannedScan, index: int) -> UID:
    """SOPInstanceUID (0008,0018) of a scan's slice, counted from 0 at the feet."""
    return unique_identifier(key, planned.patient, "image", index)


def series_description(study_year: int, field_mm: float, thickness_mm: float) -> str:
    """What stands in SeriesDescription (0008,103E), in the order that NLST's series have.

    Screening year, type (original, primary, axial), maker, model, kernel, field of view and slice thickness in mm, tube
    voltage in kV, tube current, effective current, pitch.
    """
    return f"{study_year},OPA,{PHANTOM_MAKER},SYNTHETIC,{KERNEL},{field_mm:.0f},{thickness_mm:.2f},120,na,na,na"


def _series(scan: PhantomScan, planned: PlannedScan, key: str) -> Dataset:
    """What all slices have in common."""
    date = STUDY_DATES[planned.study_year]
    series = Dataset()
    series.SpecificCharacterSet = "ISO_IR 100"
    series.ImageType = ["DERIVED", "PRIMARY", "AXIAL"]
    series.SOPClassUID = CTImageStorage
    series.StudyDate = series.SeriesDate = series.ContentDate = date
    series.StudyTime = series.SeriesTime = series.ContentTime = "120000"
    series.AccessionNumber = ""
    series.Modality = "CT"
    series.Manufacturer = MANUFACTURER
    series.ReferringPhysicianName = ""
    series.StudyDescription = "NLST-like screening, synthetic"
    series.SeriesDescription = series_description(
        planned.study_year, scan.spacing[2] * scan.hu.shape[2], scan.spacing[0]
    )
    series.ManufacturerModelName = "phantom"
    series.PatientName = planned.patient
    series.PatientID = planned.patient
    series.PatientBirthDate = ""
    series.PatientSex = ""
    series.PatientIdentityRemoved = "YES"
    series.BodyPartExamined = "CHEST"
    series.SliceThickness = _decimal(scan.spacing[0])
    series.KVP = "120"
    series.SpacingBetweenSlices = _decimal(scan.spacing[0])
    series.ReconstructionDiameter = _decimal(scan.spacing[2] * scan.hu.shape[2])
    series.ConvolutionKernel = KERNEL
    series.PatientPosition = "HFS"
    series.StudyInstanceUID = study_uid(key, planned)
    series.SeriesInstanceUID = series_uid(key, planned)
    series.StudyID = f"T{planned.study_year}"
    series.SeriesNumber = "2"
    series.AcquisitionNumber = "1"
    series.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    series.FrameOfReferenceUID = unique_identifier(key, planned.patient, "frame of reference", planned.study_year)
    series.PositionReferenceIndicator = ""
    series.SamplesPerPixel = 1
    series.PhotometricInterpretation = "MONOCHROME2"
    series.Rows, series.Columns = scan.hu.shape[1:]
    series.PixelSpacing = [_decimal(scan.spacing[1]), _decimal(scan.spacing[2])]
    series.BitsAllocated = series.BitsStored = 16
    series.HighBit = 15
    series.PixelRepresentation = 1
    series.PixelPaddingValue = scan.padding_hu - RESCALE_INTERCEPT
    series.BurnedInAnnotation = "NO"
    series.LossyImageCompression = "00"
    series.WindowCenter = "-600"
    series.WindowWidth = "1500"
    series.RescaleIntercept = str(RESCALE_INTERCEPT)
    series.RescaleSlope = "1"
    series.RescaleType = "HU"
    return series


def _slice(series: Dataset, scan: PhantomScan, pixels: np.ndarray, index: int, uid: UID) -> Dataset:
    """One file: the series' attributes with this slice's position, number and pixels."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = uid
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image = Dataset(series)
    image.file_meta = meta
    image.SOPInstanceUID = uid
    image.InstanceNumber = str(len(scan.hu) - index)  # the head comes first
    x, y, z = scan.origin
    height = z + index * scan.spacing[0]
    image.ImagePositionPatient = [_decimal(x), _decimal(y), _decimal(height)]
    image.SliceLocation = _decimal(height)
    image.PixelData = (pixels - RESCALE_INTERCEPT).astype("<i2").tobytes()
    return image


def _decimal(value: float) -> str:
    """A number as a decimal string of at most 16 characters (PS3.5 6.2)."""
    return f"{value:.6f}".rstrip("0").rstrip(".")
