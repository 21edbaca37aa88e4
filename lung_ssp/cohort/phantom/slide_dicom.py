"""A synthetic slide as DICOM files (VL Whole Slide Microscopy Image Storage, DICOM PS3.3 A.32.8), one a level."""

import io
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import UID, JPEGBaseline8Bit, VLWholeSlideMicroscopyImageStorage

from lung_ssp.cohort.phantom.dicom import MANUFACTURER, STUDY_DATES, unique_identifier

TILE = 256  # pixels along each side
STEP = 4  # between the resolutions of two levels
LEVELS = 2
QUALITY = 90  # of JPEG


def write_slide(folder: Path, pixels: np.ndarray, mpp: float, patient: str, key: str) -> None:
    """Write a slide's pyramid into `folder`, which is made.

    Args:
        pixels: uint8 (height, width, 3), red, green, blue.
        mpp: micrometres a pixel.
        key: what the unique identifiers are derived from, beside the patient: the same key gives the same ones.
    """
    folder.mkdir(parents=True)
    slide = _slide(pixels, mpp, patient, key)
    for level in range(LEVELS):
        step = STEP**level
        size = pixels.shape[1] // step, pixels.shape[0] // step
        smaller = pixels if level == 0 else cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
        image = _level(slide, smaller, mpp * step, level, unique_identifier(key, patient, "slide level", level))
        image.save_as(folder / f"level-{level}.dcm", enforce_file_format=True)


def _slide(pixels: np.ndarray, mpp: float, patient: str, key: str) -> Dataset:
    """What all levels have in common."""
    slide = Dataset()
    slide.SpecificCharacterSet = "ISO_IR 100"
    slide.SOPClassUID = VLWholeSlideMicroscopyImageStorage
    slide.StudyDate = slide.SeriesDate = slide.ContentDate = STUDY_DATES[0]
    slide.StudyTime = slide.SeriesTime = slide.ContentTime = "120000"
    slide.AcquisitionDateTime = f"{STUDY_DATES[0]}120000"
    slide.AccessionNumber = ""
    slide.Modality = "SM"
    slide.Manufacturer = MANUFACTURER
    slide.ManufacturerModelName = "phantom"
    slide.DeviceSerialNumber = "0"
    slide.SoftwareVersions = "1"
    slide.ReferringPhysicianName = ""
    slide.StudyDescription = "NLST-like pathology, synthetic"
    slide.SeriesDescription = "tumour in haematoxylin and eosin, synthetic"
    slide.PatientName = slide.PatientID = patient
    slide.PatientBirthDate = slide.PatientSex = ""
    slide.PatientIdentityRemoved = "YES"
    slide.StudyInstanceUID = unique_identifier(key, patient, "study of the slide")
    slide.SeriesInstanceUID = unique_identifier(key, patient, "series of the slide")
    slide.FrameOfReferenceUID = unique_identifier(key, patient, "frame of reference of the slide")
    slide.PyramidUID = unique_identifier(key, patient, "pyramid")
    slide.StudyID = "SLIDE"
    slide.SeriesNumber = "1"
    slide.PositionReferenceIndicator = "SLIDE_CORNER"
    slide.ContainerIdentifier = slide.StudyID
    slide.IssuerOfTheContainerIdentifierSequence = Sequence()
    slide.ContainerTypeCodeSequence = Sequence([_code("433466003", "SCT", "Microscope slide")])
    slide.SpecimenDescriptionSequence = Sequence([_specimen(slide.SeriesInstanceUID)])
    slide.AcquisitionContextSequence = Sequence()
    slide.DimensionOrganizationType = "TILED_FULL"
    slide.SamplesPerPixel = 3
    slide.PhotometricInterpretation = "YBR_FULL_422"
    slide.PlanarConfiguration = 0
    slide.BitsAllocated = slide.BitsStored = 8
    slide.HighBit = 7
    slide.PixelRepresentation = 0
    slide.VolumetricProperties = "VOLUME"
    slide.BurnedInAnnotation = "NO"
    slide.SpecimenLabelInImage = "NO"
    slide.FocusMethod = "AUTO"
    slide.ExtendedDepthOfField = "NO"
    slide.LossyImageCompression = "01"
    slide.LossyImageCompressionMethod = "ISO_10918_1"
    slide.ImagedVolumeHeight, slide.ImagedVolumeWidth = (side * mpp / 1000 for side in pixels.shape[:2])
    slide.ImagedVolumeDepth = 4.0  # micrometres, the usual thickness of a section
    slide.ImageOrientationSlide = [0, -1, 0, -1, 0, 0]
    slide.TotalPixelMatrixFocalPlanes = 1
    slide.NumberOfOpticalPaths = 1
    slide.OpticalPathSequence = Sequence([_optical_path()])
    slide.TotalPixelMatrixOriginSequence = Sequence([Dataset()])
    slide.TotalPixelMatrixOriginSequence[0].XOffsetInSlideCoordinateSystem = "20"
    slide.TotalPixelMatrixOriginSequence[0].YOffsetInSlideCoordinateSystem = "40"
    return slide


def _level(slide: Dataset, pixels: np.ndarray, mpp: float, level: int, uid: UID) -> Dataset:
    """One file: the slide's attributes with this level's resolution and tiles."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = VLWholeSlideMicroscopyImageStorage
    meta.MediaStorageSOPInstanceUID = uid
    meta.TransferSyntaxUID = JPEGBaseline8Bit
    image = Dataset(slide)
    image.file_meta = meta
    image.SOPInstanceUID = uid
    image.InstanceNumber = str(level + 1)
    image.ImageType = ["DERIVED", "PRIMARY", "VOLUME", "NONE" if level == 0 else "RESAMPLED"]
    image.TotalPixelMatrixRows, image.TotalPixelMatrixColumns = pixels.shape[:2]
    image.Rows = image.Columns = TILE
    tiles = _tiles(pixels)
    image.NumberOfFrames = str(len(tiles))
    image.LossyImageCompressionRatio = f"{len(tiles) * TILE * TILE * 3 / sum(map(len, tiles)):.3f}"
    measures = Dataset()
    measures.PixelSpacing = [f"{mpp / 1000:.6f}"] * 2
    measures.SliceThickness = "0.004"
    measures.SpacingBetweenSlices = "0.004"
    frame_type = Dataset()
    frame_type.FrameType = image.ImageType
    path = Dataset()
    path.OpticalPathIdentifier = "1"
    shared = Dataset()
    shared.PixelMeasuresSequence = Sequence([measures])
    shared.WholeSlideMicroscopyImageFrameTypeSequence = Sequence([frame_type])
    shared.OpticalPathIdentificationSequence = Sequence([path])
    image.SharedFunctionalGroupsSequence = Sequence([shared])
    image.PixelData = encapsulate(tiles)
    return image


def _tiles(pixels: np.ndarray) -> list[bytes]:
    """The tiles as JPEG, row by row; those that reach beyond the edge are filled with its pixels."""
    beyond = [(0, -side % TILE) for side in pixels.shape[:2]]
    padded = np.pad(pixels, [*beyond, (0, 0)], mode="edge")
    return [
        _jpeg(padded[row : row + TILE, column : column + TILE])
        for row in range(0, padded.shape[0], TILE)
        for column in range(0, padded.shape[1], TILE)
    ]


def _jpeg(tile: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(tile).save(buffer, "JPEG", quality=QUALITY, subsampling="4:2:2")
    return buffer.getvalue()


def _specimen(uid: str) -> Dataset:
    specimen = Dataset()
    specimen.SpecimenIdentifier = "SYNTHETIC"
    specimen.SpecimenUID = uid
    specimen.IssuerOfTheSpecimenIdentifierSequence = Sequence()
    specimen.SpecimenPreparationSequence = Sequence()
    return specimen


def _optical_path() -> Dataset:
    path = Dataset()
    path.OpticalPathIdentifier = "1"
    path.IlluminationTypeCodeSequence = Sequence([_code("111744", "DCM", "Brightfield illumination")])
    path.IlluminationColorCodeSequence = Sequence([_code("414298005", "SCT", "Full Spectrum")])
    return path


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, meaning
    return code
