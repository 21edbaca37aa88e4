"""Small valid inputs of every kind that the package reads; a fuzzer changes them."""

import gc
import io
import zipfile
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.fileset import FileSet
from pydicom.sequence import Sequence
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

SERIES_UID = "1.2.826.0.1.3680043.8.498.1"
SPACING = (5.0, 4.0, 4.0)
PATIENT = {"PatientName": "Doe^Jane", "PatientID": "SECRET-4711"}


COMPRESSED = {3: pydicom.uid.RLELossless, 5: pydicom.uid.JPEGLSLossless}  # by the slice's number


def chest() -> np.ndarray:
    """Sixteen slices of 12 x 16 pixels with air, lung, fat, soft tissue and bone, int16 (z, y, x) HU."""
    rng = np.random.default_rng(0)
    columns = np.array([-1000, -850, -100, 40, 40, 700, -850, -1000])[np.arange(16) // 2]
    return np.rint(rng.normal(0, 10, (16, 12, 16)) + columns).clip(-1024, 3071).astype(np.int16)


def slice_dataset(plane: np.ndarray, number: int) -> FileDataset:
    """A CT slice, `number` from 0 upwards from the feet."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = f"{SERIES_UID}.{number + 1}"
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = f"{SERIES_UID}.9", SERIES_UID
    dataset.FrameOfReferenceUID, dataset.StudyID, dataset.SeriesNumber = f"{SERIES_UID}.8", "1", 1
    dataset.StudyDate, dataset.StudyTime, dataset.AccessionNumber = "20200101", "120000", "A1"
    dataset.PatientName, dataset.PatientID = PATIENT["PatientName"], PATIENT["PatientID"]
    dataset.PatientBirthDate, dataset.PatientSex, dataset.ReferringPhysicianName = "19500101", "F", "Panza^Sancho"
    dataset.Modality, dataset.ImageType, dataset.InstanceNumber = "CT", ["ORIGINAL", "PRIMARY", "AXIAL"], number + 1
    dataset.AcquisitionNumber, dataset.KVP, dataset.ConvolutionKernel = 1, 120, "B30f"
    dataset.ImagePositionPatient = [-32.0, -24.0, SPACING[0] * number]
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.PixelSpacing, dataset.SliceThickness = list(SPACING[1:]), SPACING[0]
    dataset.Rows, dataset.Columns = plane.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.RescaleSlope, dataset.RescaleIntercept, dataset.PixelPaddingValue = 1, -1024, 0
    dataset.PixelData = (plane + 1024).astype("<u2").tobytes()
    return dataset


def write_series(folder: Path) -> None:
    """A series, two of its files compressed, one without preamble, and a file of another kind."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, plane in enumerate(chest()):
        dataset = slice_dataset(plane, number)
        if number in COMPRESSED:
            dataset.compress(COMPRESSED[number], generate_instance_uid=False)
        dataset.save_as(folder / f"{number:02d}.dcm", enforce_file_format=True)
    (folder / "README").write_text("about the scan")


def write_multi_frame(folder: Path) -> None:
    """The same series as one Enhanced CT."""
    folder.mkdir(parents=True, exist_ok=True)
    hu = chest()
    dataset = slice_dataset(hu[0], 0)
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = pydicom.uid.UID("1.2.840.10008.5.1.4.1.1.2.1")
    dataset.NumberOfFrames = len(hu)
    dataset.PixelData = (hu + 1024).astype("<u2").tobytes()
    shared = Dataset()
    shared.PixelMeasuresSequence = Sequence([_item(PixelSpacing=list(SPACING[1:]))])
    shared.PlaneOrientationSequence = Sequence([_item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])])
    shared.PixelValueTransformationSequence = Sequence([_item(RescaleSlope=1, RescaleIntercept=-1024)])
    dataset.SharedFunctionalGroupsSequence = Sequence([shared])
    places = []
    for number in range(len(hu)):
        place = Dataset()
        place.PlanePositionSequence = Sequence([_item(ImagePositionPatient=[-32.0, -24.0, SPACING[0] * number])])
        places.append(place)
    dataset.PerFrameFunctionalGroupsSequence = Sequence(places)
    dataset.save_as(folder / "enhanced.dcm", enforce_file_format=True)


def _item(**elements: object) -> Dataset:
    item = Dataset()
    for keyword, value in elements.items():
        setattr(item, keyword, value)
    return item


def write_disc(folder: Path) -> None:
    """The series with a DICOMDIR."""
    files = FileSet()
    for number, plane in enumerate(chest()):
        files.add(slice_dataset(plane, number))
    files.write(folder)
    del files
    gc.collect()  # removes its temporary folder now, not while a reader is watched


def write_zip(folder: Path) -> None:
    """The series in a zip archive."""
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / "series.zip", "w") as archive:
        for number, plane in enumerate(chest()):
            content = io.BytesIO()
            slice_dataset(plane, number).save_as(content, enforce_file_format=True)
            archive.writestr(f"study/{number:02d}.dcm", content.getvalue())


def write_volume(folder: Path, suffix: str) -> None:
    """The series as a volume file."""
    folder.mkdir(parents=True, exist_ok=True)
    image = sitk.GetImageFromArray(chest())
    image.SetSpacing(SPACING[::-1])
    sitk.WriteImage(image, str(folder / f"scan{suffix}"), useCompression=True)
