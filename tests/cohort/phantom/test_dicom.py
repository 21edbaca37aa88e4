"""The DICOM files of a scan: valid, readable, and in the right place."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.uid import ExplicitVRLittleEndian

from lung_ssp.cohort.phantom.dicom import save_file
from lung_ssp.ct.series import read_series

# PS3.3 A.3: attributes of type 1 (a value) and 2 (may be empty) of the modules of CT Image Storage
TYPE_1 = (
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "Modality",
    "FrameOfReferenceUID",
    "ImageType",
    "PixelSpacing",
    "ImageOrientationPatient",
    "ImagePositionPatient",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PixelData",
    "RescaleIntercept",
    "RescaleSlope",
)
TYPE_2 = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
    "StudyID",
    "AccessionNumber",
    "SeriesNumber",
    "PatientPosition",
    "PositionReferenceIndicator",
    "Manufacturer",
    "InstanceNumber",
    "SliceThickness",
    "KVP",
    "AcquisitionNumber",
)


@pytest.fixture(scope="module")
def series(tiny_cohort):
    return tiny_cohort / "scans" / "PHANTOM-00001"


@pytest.fixture(scope="module")
def files(series):
    return [pydicom.dcmread(path) for path in sorted(series.glob("*.dcm"))]


def test_every_file_has_the_attributes_of_a_ct_image(files):
    for image in files:
        assert image.file_meta.MediaStorageSOPInstanceUID == image.SOPInstanceUID
        assert all(image.get(name) not in (None, "") for name in TYPE_1)
        assert all(name in image for name in TYPE_2)
        assert image.Modality == "CT" and image.BurnedInAnnotation == "NO"
        assert "synthetic" in image.Manufacturer
        assert image.PatientID == "PHANTOM-00001"
        assert image.StudyDate in ("19990102", "20000102", "20010102")
        assert all(len(str(value)) <= 16 for value in image.ImagePositionPatient)


def test_identifiers_are_unique_under_the_uuid_root(files):
    uids = [image.SOPInstanceUID for image in files]
    assert len(set(uids)) == len(uids)
    for image in files:
        for uid in (image.SOPInstanceUID, image.StudyInstanceUID, image.SeriesInstanceUID, image.FrameOfReferenceUID):
            assert uid.is_valid and uid.startswith("2.25.") and len(uid) <= 64
    assert len({image.SeriesInstanceUID for image in files}) == 1


def test_file_names_do_not_follow_the_position(files):
    heights = [float(image.ImagePositionPatient[2]) for image in files]
    assert heights != sorted(heights) and heights != sorted(heights, reverse=True)
    numbers = [int(image.InstanceNumber) for image in files]
    assert np.corrcoef(heights, numbers)[0, 1] == pytest.approx(-1)  # numbered from the head


def test_padding_is_what_the_tag_says(files):
    for image in files:
        assert image.pixel_array[0, 0] == image.PixelPaddingValue
        hu = int(image.PixelPaddingValue) * float(image.RescaleSlope) + float(image.RescaleIntercept)
        assert hu in (-2000, -2048, -3024)


def test_simpleitk_reads_the_same_volume(series, tiny_cohort):
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(series))
    image = sitk.ReadImage(names)
    hu = sitk.GetArrayFromImage(image)
    with np.load(tiny_cohort / "scans" / "PHANTOM-00001.npz") as truth:
        assert hu.shape == truth["lungs"].shape
        np.testing.assert_allclose(image.GetSpacing(), truth["spacing"][::-1], atol=1e-4)
        np.testing.assert_allclose(image.GetOrigin(), truth["origin"], atol=1e-4)
        assert image.GetDirection() == (1, 0, 0, 0, 1, 0, 0, 0, 1)
        assert -900 < np.median(hu[truth["lungs"]]) < -690


def test_the_package_reads_it_with_masks_aligned(series, tiny_cohort):
    volume = read_series(series)
    with np.load(tiny_cohort / "scans" / "PHANTOM-00001.npz") as truth:
        lungs, lesions, centres = truth["lungs"], truth["lesions"], truth["centres_mm"]
    assert volume.shape == lungs.shape == lesions.shape
    assert np.mean(volume.hu[lungs] < -500) > 0.85
    assert np.mean(volume.hu[~lungs] < -500) < 0.75  # the air around the body
    for number, centre in enumerate(centres, start=1):
        index = np.rint(volume.to_index(centre)).astype(int)
        nearby = tuple(slice(max(i - 3, 0), i + 4) for i in index)
        assert (lesions[nearby] == number).any()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_a_full_disk_is_told_with_the_file():
    own = {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.2", "SOPInstanceUID": "1.2.3", "PatientID": "A"}
    with pytest.raises(OSError, match="No space left on device: '/dev/full'"):
        save_file(Path("/dev/full"), {}, own, ExplicitVRLittleEndian)
