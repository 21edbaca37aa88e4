import math
import os
import shutil
from itertools import product
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.data import get_testdata_file

from lung_ssp.ct.dicom_file import read_dicom
from lung_ssp.ct.limits import MIN_SLICES
from lung_ssp.ct.series import open_series, read_series
from lung_ssp.ct.slice_header import parse_header
from lung_ssp.ct.source import LeftOut
from lung_ssp.errors import ConfigError, SeriesError

UID = "1.2.826.0.1.3680043.8.498.1"


def test_hu_and_geometry_come_from_positions_and_slope(tmp_path, hu, write_series):
    write_series(tmp_path, hu)
    volume = read_series(tmp_path)
    np.testing.assert_array_equal(volume.hu, hu)
    assert volume.hu.dtype == np.int16
    assert volume.spacing == pytest.approx((2.5, 0.8, 0.7))  # SliceThickness says 99
    assert volume.origin == pytest.approx((-100, -120, 30))
    assert volume.series_uid == UID
    assert volume.to_world((17, 19, 23)) == pytest.approx((-100 + 23 * 0.7, -120 + 19 * 0.8, 30 + 17 * 2.5))


def test_slope_and_intercept_are_those_of_each_slice(tmp_path, hu, write_series):
    slopes = np.where(np.arange(len(hu)) % 2, 1.0, 0.5)
    write_series(tmp_path, hu, slopes=slopes, intercepts=-1024.0 + 8 * np.arange(len(hu)))
    np.testing.assert_array_equal(read_series(tmp_path).hu, hu)


def test_list_of_files_in_any_order(tmp_path, hu, write_series):
    paths = write_series(tmp_path, hu)
    np.testing.assert_array_equal(read_series(paths[::-1]).hu, hu)


def test_a_list_is_exactly_its_files(tmp_path, hu, write_series):
    paths = {path.stem: path for path in write_series(tmp_path, hu)}
    named = sorted(paths.values(), key=lambda path: pydicom.dcmread(path).ImagePositionPatient[2])[:-1]
    np.testing.assert_array_equal(read_series(named).hu, hu[:-1])


def test_sources_may_be_texts(tmp_path, hu, write_series, refused):
    paths = write_series(tmp_path, hu)
    np.testing.assert_array_equal(read_series(str(tmp_path)).hu, hu)
    np.testing.assert_array_equal(read_series([str(path) for path in paths]).hu, hu)
    assert f"{tmp_path / 'none'} does not exist" in refused(read_series, str(tmp_path / "none"), reason="not found")


def test_one_slice_is_no_series(tmp_path, hu, write_series, refused):
    first, *_ = write_series(tmp_path, hu)
    for source in (first, str(first), [first]):
        message = refused(read_series, source, reason="too few slices")
        assert f"Series {UID} has 1 slices" in message and "give the whole of an axial series as a folder" in message


def test_one_file_that_is_no_slice_is_told(tmp_path, refused):
    (tmp_path / "notes").write_text("no image")
    assert f"{tmp_path / 'notes'} is not a DICOM file" in refused(
        read_series, tmp_path / "notes", reason="foreign file"
    )


@pytest.mark.parametrize("turned", [(-1, 0, 0, 0, -1, 0), (1, 0, 0, 0, -1, 0), (-1, 0, 0, 0, 1, 0), (0, 1, 0, 1, 0, 0)])
def test_axes_are_turned_to_the_patient(tmp_path, hu, write_series, turned):
    """However the scanner stores its axes, z runs to the head, y to the back, x to the left."""
    marked = hu.copy()
    marked[3, 4, 5] = 2500
    write_series(tmp_path, marked, orientation=turned)
    volume = read_series(tmp_path)
    row, column = np.array(turned[:3]), np.array(turned[3:])
    place = np.array([-100, -120, 30]) + 5 * 0.7 * row + 4 * 0.8 * column + 3 * 2.5 * np.cross(row, column)
    assert volume.direction == pytest.approx((1, 0, 0, 0, 1, 0, 0, 0, 1))
    assert volume.hu[tuple(np.rint(volume.to_index(place)).astype(int))] == 2500


AXES = [np.array(axis) for axis in ([1.0, 0, 0], [-1.0, 0, 0], [0, 1.0, 0], [0, -1.0, 0])]
POSITIONS = {
    "HFS": (1, 0, 0, 0, 1, 0),
    "HFP": (-1, 0, 0, 0, -1, 0),
    "FFS": (-1, 0, 0, 0, 1, 0),
    "FFP": (1, 0, 0, 0, -1, 0),
}


@pytest.mark.parametrize(
    ("row", "column"), [(row, column) for row, column in product(AXES, AXES) if not row @ column], ids=str
)
def test_every_orientation_gives_the_same_volume(tmp_path, hu, write_series, row, column):
    """Feet first, prone, mirrored, on the side, slices from the head down: the patient is the same one."""
    steps = np.array([0.7, 0.8, 2.5])  # along x, y, z
    extent = np.array(hu.shape[::-1]) - 1
    axes = np.stack([row, column, np.cross(row, column)])  # of the stored columns, rows and slices
    stored = hu.transpose([2 - np.flatnonzero(axis)[0] for axis in axes[::-1]])
    stored = np.flip(stored, [i for i, axis in enumerate(axes[::-1]) if axis.sum() < 0])
    corner = np.array([-100.0, -120.0, 30.0]) + steps * extent * (axes.sum(axis=0) < 0)
    spacing = tuple(float(abs(axis @ steps)) for axis in axes[::-1])
    name = next((name for name, place in POSITIONS.items() if np.array_equal(place, [*row, *column])), "HFDR")
    paths = write_series(
        tmp_path,
        stored,
        spacing=spacing,
        origin=tuple(corner),
        orientation=(*row, *column),
        edit=lambda dataset, index: setattr(dataset, "PatientPosition", name),
    )
    series = open_series(tmp_path)
    np.testing.assert_array_equal(series.volume.hu, hu)
    assert series.volume.spacing == pytest.approx((2.5, 0.8, 0.7))
    assert series.volume.origin == pytest.approx((-100, -120, 30))
    assert series.volume.direction == pytest.approx((1, 0, 0, 0, 1, 0, 0, 0, 1))
    assert [reference.path for reference in series.slices] == (paths if axes[2, 2] > 0 else paths[::-1])
    heights = [parse_header(read_dicom(r.path)).position[2] for r in series.slices]
    assert heights == pytest.approx(30 + 2.5 * np.arange(18))


def test_each_slice_is_told_by_its_file_and_names(tmp_path, hu, write_series, change_tag):
    paths = write_series(tmp_path, hu)
    change_tag(paths[2], InstanceNumber=None)
    series = open_series(tmp_path)
    assert len(series.slices) == 18
    assert [reference.path for reference in series.slices] == paths
    assert [reference.sop_uid for reference in series.slices] == [f"{UID}.{index + 1}" for index in range(18)]
    numbers = [int(path.stem) if path != paths[2] else None for path in paths]
    assert [reference.instance_number for reference in series.slices] == numbers
    assert series.corrections == ()


def test_what_nobody_knows_cannot_be_accepted(tmp_path, hu, write_series):
    write_series(tmp_path, hu)
    with pytest.raises(ConfigError, match="'tlit' cannot be accepted: choose from tilt, gaps, duplicates"):
        open_series(tmp_path, accept=["gaps", "tlit"])


def test_oblique_slices_keep_their_direction(tmp_path, hu, write_series):
    turn = math.radians(10)
    orientation = (1, 0, 0, 0, math.cos(turn), math.sin(turn))
    write_series(tmp_path, hu, orientation=orientation)
    volume = read_series(tmp_path)
    column = np.array(orientation[3:])
    normal = np.cross(orientation[:3], column)
    expected = np.array([-100, -120, 30]) + 2 * 0.8 * column + 7 * 2.5 * normal
    assert volume.to_world((7, 2, 0)) == pytest.approx(expected, abs=1e-5)
    np.testing.assert_array_equal(volume.hu, hu)


def test_other_files_may_lie_in_the_folder(tmp_path, hu, write_series):
    paths = write_series(tmp_path / "study" / "series", hu)
    (tmp_path / "README").write_text("about the scan")
    (tmp_path / "study" / "069.xml").write_text("<readings/>")
    (tmp_path / "study" / "series" / "._000001.dcm").write_bytes(b"resource fork")
    directory = pydicom.dcmread(paths[0])
    directory.SOPClassUID = directory.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.1.3.10"
    del directory.PixelData
    directory.save_as(tmp_path / "DICOMDIR")
    np.testing.assert_array_equal(read_series(tmp_path).hu, hu)


def test_one_of_several_series_is_chosen_by_its_uid(tmp_path, hu, write_series, refused):
    write_series(tmp_path / "a", hu)
    write_series(tmp_path / "b", hu[:, ::-1], series_uid=UID + ".2")
    message = refused(read_series, tmp_path, reason="several series")
    assert f"{UID} (18 slices)" in message
    assert f"{UID}.2 (18 slices)" in message
    np.testing.assert_array_equal(read_series(tmp_path, UID + ".2").hu, hu[:, ::-1])
    assert f"no series {UID}.3" in refused(read_series, tmp_path, UID + ".3")


def test_sixteen_slices_are_needed(tmp_path, hu, write_series, refused):
    paths = write_series(tmp_path, hu[:MIN_SLICES])
    assert read_series(tmp_path).shape == (16, 20, 24)
    paths[-1].unlink()
    message = refused(read_series, tmp_path, reason="too few slices")
    assert UID in message
    assert "15 slices" in message


def test_nothing_there(tmp_path, refused):
    assert "does not exist" in refused(read_series, tmp_path / "nowhere", reason="not found")
    assert "holds no CT slice" in refused(read_series, tmp_path, reason="not found")
    assert "cannot be opened" in refused(read_series, [tmp_path / "nothing.dcm"], reason="not found")


@pytest.mark.parametrize("content", [b"", b"not an image at all", b"\0" * 400])
def test_what_claims_to_be_dicom_and_is_not(tmp_path, hu, write_series, refused, content):
    paths = write_series(tmp_path, hu)
    broken = tmp_path / "broken.dcm"
    broken.write_bytes(content)
    message = refused(read_series, tmp_path, reason="foreign file")
    assert str(broken) in message
    assert "not a DICOM file" in message
    unnamed = broken.rename(tmp_path / "broken")
    np.testing.assert_array_equal(read_series(tmp_path).hu, hu)
    assert str(unnamed) in refused(read_series, [*paths, unnamed])


def test_other_images_are_left_out_of_a_folder_but_not_of_a_list(tmp_path, hu, write_series, refused, change_tag):
    paths = write_series(tmp_path, hu)
    other = tmp_path / "other.dcm"
    shutil.copy(paths[0], other)
    change_tag(other, SOPClassUID="1.2.840.10008.5.1.4.1.1.4", SeriesInstanceUID=UID + ".9")
    np.testing.assert_array_equal(read_series(tmp_path).hu, hu)
    message = refused(read_series, [*paths, other])
    assert str(other) in message
    assert "not a CT slice" in message


def test_truncation_is_found_wherever_it_is(tmp_path, hu, write_series, refused):
    paths = write_series(tmp_path, hu)
    whole = paths[7].read_bytes()
    pixels = 2 * hu[0].size
    for length in (140, 300, len(whole) - pixels - 40, len(whole) - pixels, len(whole) - pixels // 2, len(whole) - 1):
        paths[7].write_bytes(whole[:length])
        message = refused(read_series, tmp_path, reason="damaged")
        assert str(paths[7]) in message, length
        assert "truncated" in message, length
        if length > 600:
            assert UID in message, length


def test_the_directory_of_a_disc_is_passed_over(tmp_path, hu, write_series):
    write_series(tmp_path / "IMAGES", hu)
    shutil.copy(get_testdata_file("DICOMDIR"), tmp_path / "DICOMDIR")  # one that pydicom brings along
    np.testing.assert_array_equal(read_series(tmp_path).hu, hu)


def jpeg_lossless(dataset):
    """Compress by GDCM, which SimpleITK writes with; pydicom has no encoder for it."""
    image = sitk.GetImageFromArray(dataset.pixel_array[None])
    path = str(dataset.filename) + ".jpeg.dcm"
    writer = sitk.ImageFileWriter()
    writer.SetImageIO("GDCMImageIO")
    writer.UseCompressionOn()
    writer.SetCompressor("JPEG")
    writer.SetFileName(path)
    writer.Execute(image)
    compressed = pydicom.dcmread(path)
    Path(path).unlink()
    dataset.PixelData = compressed.PixelData
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = compressed.file_meta.TransferSyntaxUID


def by_pydicom(syntax):
    return lambda dataset: dataset.compress(syntax, generate_instance_uid=False)


def as_written(syntax):
    return lambda dataset: setattr(dataset.file_meta, "TransferSyntaxUID", syntax)


ENCODINGS = {
    "1.2.840.10008.1.2": as_written(pydicom.uid.ImplicitVRLittleEndian),
    "1.2.840.10008.1.2.1.99": as_written(pydicom.uid.DeflatedExplicitVRLittleEndian),
    "1.2.840.10008.1.2.4.70": jpeg_lossless,
    "1.2.840.10008.1.2.4.80": by_pydicom(pydicom.uid.JPEGLSLossless),
    "1.2.840.10008.1.2.4.90": by_pydicom(pydicom.uid.JPEG2000Lossless),
    "1.2.840.10008.1.2.5": by_pydicom(pydicom.uid.RLELossless),
}


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("syntax", ENCODINGS)
def test_compressed_pixels_are_read_bit_by_bit(tmp_path, hu, write_series, refused, syntax, signed):
    hu = np.tile(hu, (1, 3, 3))  # JPEG 2000 halves a slice several times
    paths = write_series(tmp_path, hu, edit=lambda dataset, index: setattr(dataset, "PixelRepresentation", int(signed)))
    for path in paths:
        dataset = pydicom.dcmread(path)
        ENCODINGS[syntax](dataset)
        dataset.save_as(path, enforce_file_format=True)
    assert pydicom.dcmread(paths[0]).file_meta.TransferSyntaxUID == syntax
    np.testing.assert_array_equal(read_series(tmp_path).hu, hu)
    paths[3].write_bytes(paths[3].read_bytes()[:-60])
    assert str(paths[3]) in refused(read_series, tmp_path, reason="damaged")


def test_a_compression_that_cannot_be_decoded_is_named(tmp_path, hu, write_series, refused):
    paths = write_series(tmp_path, np.tile(hu, (1, 3, 3)))
    dataset = pydicom.dcmread(paths[4])
    dataset.compress(pydicom.uid.JPEG2000Lossless, generate_instance_uid=False)
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.HTJ2KLossless
    dataset.save_as(paths[4])
    message = refused(read_series, tmp_path, reason="compressed")
    assert f"{paths[4]} (series {UID}) is compressed as High-Throughput JPEG 2000" in message
    assert "(1.2.840.10008.1.2.4.201), which cannot be decoded" in message


def test_one_series_of_two_kernels(tmp_path, hu, write_series, refused):
    """Two reconstructions under one SeriesInstanceUID, each position twice."""

    def soft(dataset, index):
        dataset.ConvolutionKernel = ["B30f", "1"]  # as Siemens writes it

    def sharp(dataset, index):
        dataset.ConvolutionKernel = "B80f"

    write_series(tmp_path / "a", hu, edit=soft)
    write_series(tmp_path / "b", hu[:16], edit=sharp)
    message = refused(open_series, tmp_path, None, ["duplicates"], reason="mixed")
    assert f"Series {UID} mixes reconstructions with 2 kernels: B30f\\1 (18 slices), B80f (16 slices)" in message
    np.testing.assert_array_equal(read_series(tmp_path / "b").hu, hu[:16])


def test_two_series_of_two_kernels_are_two_series(tmp_path, hu, write_series, refused):
    for name, kernel in (("1", "STANDARD"), ("2", "BONE")):
        write_series(
            tmp_path / name,
            hu,
            series_uid=f"{UID}.{name}",
            edit=lambda dataset, index, kernel=kernel: setattr(dataset, "ConvolutionKernel", kernel),
        )
    assert "holds 2 series" in refused(read_series, tmp_path, reason="several series")
    np.testing.assert_array_equal(read_series(tmp_path, f"{UID}.2").hu, hu)


@pytest.fixture
def localizer(hu, write_series):
    """A function that writes a scout view, as a coronal projection under a given series."""

    def write(folder, series_uid=UID):
        def kind(dataset, index):
            dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
            dataset.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]

        return write_series(folder, hu[:1, :16], series_uid=series_uid, edit=kind)[0]

    return write


def test_a_localizer_in_the_series_is_left_out(tmp_path, hu, write_series, refused, localizer):
    paths = write_series(tmp_path / "a", hu, edit=lambda dataset, index: setattr(dataset, "ImageType", ["AXIAL"]))
    scout = localizer(tmp_path / "b")
    series = open_series(tmp_path)
    np.testing.assert_array_equal(series.volume.hu, hu)
    assert (series.corrections, series.left_out) == ((), (LeftOut(scout, "localizer"),))
    assert series.remarks == ("1 x localizer left out",)
    assert f"{scout} (series {UID}) is a localizer" in refused(read_series, [*paths, scout], reason="foreign file")


def test_a_localizer_beside_the_series_is_no_choice(tmp_path, hu, write_series, refused, localizer):
    write_series(tmp_path / "a", hu)
    localizer(tmp_path / "b", f"{UID}.7")
    series = open_series(tmp_path)
    np.testing.assert_array_equal(series.volume.hu, hu)
    assert "no CT slice, only 1 x localizer" in refused(read_series, tmp_path / "b", reason="not found")


def test_a_scout_that_is_not_marked_is_known_by_its_plane(tmp_path, hu, write_series):
    write_series(tmp_path / "a", hu)
    coronal = lambda dataset, index: setattr(dataset, "ImageOrientationPatient", [1, 0, 0, 0, 0, -1])  # noqa: E731
    scout = write_series(tmp_path / "b", hu[:1, :16], edit=coronal)[0]
    series = open_series(tmp_path)
    np.testing.assert_array_equal(series.volume.hu, hu)
    assert series.left_out == (LeftOut(scout, "CT image in another plane (scout)"),)


def test_a_scout_without_pixel_size_or_scale_is_left_out(tmp_path, hu, write_series, change_tag):
    write_series(tmp_path / "a", hu)
    scout = write_series(tmp_path / "b", hu[:1, :16])[0]
    change_tag(scout, ImageOrientationPatient=[1, 0, 0, 0, 0, -1], PixelSpacing=None, RescaleSlope=None)
    assert [one.path for one in open_series(tmp_path).left_out] == [scout]


def test_a_screen_shot_may_have_a_pixel_size(tmp_path, hu, write_series, change_tag):
    write_series(tmp_path / "a", hu)
    shot = write_series(tmp_path / "b", hu[:1])[0]
    change_tag(shot, ImagePositionPatient=None, ImageOrientationPatient=None)
    assert [one.path for one in open_series(tmp_path).left_out] == [shot]


def test_a_series_of_two_planes_is_refused(tmp_path, hu, write_series, refused):
    write_series(tmp_path / "a", hu)
    write_series(tmp_path / "b", hu[:4], orientation=(1, 0, 0, 0, 0, -1))
    assert "mixes orientations" in refused(read_series, tmp_path, reason="mixed")


def test_a_screen_shot_in_the_series_is_left_out(tmp_path, hu, write_series, refused, change_tag):
    write_series(tmp_path / "a", hu)
    shot = write_series(tmp_path / "b", hu[:1])[0]
    change_tag(shot, ImagePositionPatient=None, ImageOrientationPatient=None, PixelSpacing=None)
    series = open_series(tmp_path)
    np.testing.assert_array_equal(series.volume.hu, hu)
    assert series.left_out == (LeftOut(shot, "CT image without geometry (screen shot)"),)


def test_slices_of_two_acquisitions_that_alternate_are_refused(tmp_path, hu, write_series, refused):
    """Two passes, the second half a slice higher: together they look like one finer scan."""

    def of(number):
        return lambda dataset, index: setattr(dataset, "AcquisitionNumber", number)

    write_series(tmp_path / "a", hu, edit=of(1))
    write_series(tmp_path / "b", hu, origin=(-100.0, -120.0, 31.25), edit=of(2))
    message = refused(read_series, tmp_path, reason="mixed")
    assert f"Series {UID} mixes the slices of 2 acquisitions (AcquisitionNumber changes to and fro" in message


@pytest.mark.parametrize("numbers", [[1] * 9 + [2] + [1] * 8, [2] + [1] * 17, ["120"] * 9 + ["120.0"] * 9])
def test_a_slice_or_two_with_another_number_are_no_second_acquisition(tmp_path, hu, write_series, numbers):
    write_series(tmp_path, hu, edit=lambda dataset, index: setattr(dataset, "KVP", numbers[index]))
    np.testing.assert_array_equal(read_series(tmp_path).hu, hu)


def test_each_sign_of_two_acquisitions_is_looked_at(tmp_path, hu, write_series, refused):
    """One above the other by their numbers, and two voltages that alternate."""

    def change(dataset, index):
        dataset.AcquisitionNumber, dataset.KVP = 1 + index // 9, 80 + 60 * (index % 2)

    paths = write_series(tmp_path, hu, edit=change)
    assert f"KVP changes to and fro from slice to slice, first at {paths[1]}" in refused(read_series, tmp_path)


def test_times_of_slices_are_no_acquisitions(tmp_path, hu, write_series):
    times = [f"1200{(index * 7 // 10) % 18:02d}" for index in range(18)]
    times[5], times[6] = times[6], times[5]
    write_series(tmp_path, hu, edit=lambda dataset, index: setattr(dataset, "AcquisitionTime", times[index]))
    np.testing.assert_array_equal(read_series(tmp_path).hu, hu)


def test_slices_that_alternate_without_saying_so_are_told(tmp_path, hu, write_series):
    """Two passes under one number; in the second one the patient has breathed."""
    steady = np.repeat(hu[:1], 18, axis=0)
    write_series(tmp_path / "a", steady)
    write_series(tmp_path / "b", np.roll(steady, 3, axis=1), origin=(-100.0, -120.0, 31.25))
    series = open_series(tmp_path)
    (doubt,) = series.doubts
    assert doubt.startswith("neighbouring slices differ more") and "two acquisitions may alternate" in doubt
    assert series.corrections == () and series.remarks == (doubt,)


def test_acquisitions_one_above_the_other_are_one_scan(tmp_path, hu, write_series):
    write_series(tmp_path, hu, edit=lambda dataset, index: setattr(dataset, "AcquisitionNumber", 1 + index // 9))
    series = open_series(tmp_path)
    np.testing.assert_array_equal(series.volume.hu, hu)
    assert series.doubts == ("2 acquisitions one above the other make up the scan (AcquisitionNumber)",)


@pytest.mark.parametrize(("slope", "intercept"), [(2.0, -1024.0), (1.0, -900.0), (1.1, -1024.0)])
@pytest.mark.parametrize("index", [0, 9, 17])
def test_a_slice_whose_scale_does_not_fit_its_neighbours_is_named(
    tmp_path, hu, write_series, refused, change_tag, slope, intercept, index
):
    paths = write_series(tmp_path, hu)
    change_tag(paths[index], RescaleSlope=slope, RescaleIntercept=intercept)
    assert f"{paths[index]} (series {UID})" in refused(read_series, tmp_path, reason="implausible HU")


def test_a_slice_may_have_a_scale_of_its_own(tmp_path, hu, write_series):
    slopes, intercepts = np.ones(len(hu)), np.full(len(hu), -1024.0)
    slopes[4], intercepts[9] = 0.5, -1000.0
    write_series(tmp_path, hu, slopes=slopes, intercepts=intercepts)
    np.testing.assert_array_equal(read_series(tmp_path).hu, hu)


def test_a_grid_that_no_scanner_makes_is_refused_before_it_is_read(tmp_path, hu, write_series, refused):
    write_series(tmp_path / "a", hu, spacing=(2.5, 60.0, 0.0001))
    assert "impossible PixelSpacing" in refused(read_series, tmp_path / "a", reason="header")
    write_series(tmp_path / "b", hu, spacing=(25.0, 0.8, 0.7))
    assert "expected are 0.01 to 20" in refused(read_series, tmp_path / "b", reason="header")


def test_names_of_files_in_any_encoding(tmp_path, hu, write_series):
    """As a zip archive from a Chinese Windows gives them; slopes other than 1 once went through a C++ library."""
    for path in write_series(tmp_path / "a", hu, slopes=0.5):
        path.rename(path.with_name(os.fsdecode("肺".encode("gbk")) + path.name))
    np.testing.assert_array_equal(read_series(tmp_path / "a").hu, hu)


def test_real_series(lidc_series: Path):
    """LIDC-IDRI-0001: shuffled names, an XML file, -2048 HU outside the field, PixelPaddingValue 63536."""
    volume = read_series(lidc_series)
    assert volume.shape == (133, 512, 512)
    assert volume.spacing == pytest.approx((2.5, 0.703125, 0.703125))
    assert volume.origin == pytest.approx((-166, -171.7, -340), abs=1e-3)
    assert volume.hu.min() >= -1024
    assert volume.hu[60, 0, 0] == -1000
    files = sorted(lidc_series.rglob("*.dcm"))
    headers = sorted((pydicom.dcmread(file) for file in files), key=lambda header: header.ImagePositionPatient[2])
    for index in (0, 50, 132):
        pixels = headers[index].pixel_array.astype(int) - 1024
        inside = pixels >= -1024
        np.testing.assert_array_equal(volume.hu[index][inside], pixels[inside])
    missing = [file for file in files if pydicom.dcmread(file).ImagePositionPatient[2] != -190]
    with pytest.raises(SeriesError, match=r"lacks 1 slice\(s\) between"):
        read_series(missing)


ALTERNATING = {
    "AcquisitionDateTime": ("20200101100000", "20200101110000"),
    "AcquisitionDate": ("20200101", "20200102"),
    "KVP": ("120", "80"),
    "SliceThickness": ("1", "5"),
    "ContrastBolusAgent": ("", "iodine"),
    "AcquisitionNumber": ("", "1"),
    "ConvolutionKernel": ("B30f", ""),
    "StudyInstanceUID": (f"{UID}.5", f"{UID}.6"),
}


@pytest.mark.parametrize("tag", ALTERNATING)
def test_whatever_tells_acquisitions_apart_may_not_alternate(tmp_path, hu, write_series, refused, tag):
    write_series(tmp_path, hu, edit=lambda dataset, index: setattr(dataset, tag, ALTERNATING[tag][index % 2]))
    assert f"({tag} changes to and fro" in refused(read_series, tmp_path, reason="mixed")


def test_alternation_is_found_beside_parts_one_above_the_other(tmp_path, hu, write_series, refused):
    def edit(dataset, index):
        dataset.AcquisitionNumber, dataset.KVP = 1 + index // 9, (80, 120)[index % 2]

    write_series(tmp_path, hu, edit=edit)
    assert "KVP changes to and fro" in refused(read_series, tmp_path, reason="mixed")


@pytest.mark.parametrize("tag", ["AcquisitionTime", "InstanceNumber"])
def test_two_passes_that_interleave_are_refused(tmp_path, hu, write_series, refused, tag):
    """Every slice has a number of its own: 1, 10, 2, 11, 3, 12 from below."""
    write_series(tmp_path, hu, edit=lambda dataset, index: setattr(dataset, tag, str(1 + index // 2 + 9 * (index % 2))))
    assert f"({tag} changes to and fro" in refused(read_series, tmp_path, reason="mixed")


@pytest.mark.parametrize("order", [lambda index: index, lambda index: 50 - index, lambda index: index ^ 1])
def test_numbers_in_any_order_of_one_pass_are_one_scan(tmp_path, hu, write_series, order):
    """The last: the two slices of each rotation are numbered from the top, 2, 1, 4, 3."""
    write_series(tmp_path, hu, edit=lambda dataset, index: setattr(dataset, "InstanceNumber", order(index)))
    np.testing.assert_array_equal(read_series(tmp_path).hu, hu)


def test_what_a_single_slice_lacks_tells_nothing(tmp_path, hu, write_series):
    write_series(tmp_path, hu, edit=lambda dataset, index: setattr(dataset, "KVP", "" if index == 5 else "120"))
    np.testing.assert_array_equal(read_series(tmp_path).hu, hu)


@pytest.mark.parametrize("second", [lambda index: index % 2, lambda index: index // 9, lambda index: index == 17])
def test_frames_of_reference_are_not_mixed(tmp_path, hu, write_series, refused, second):
    frame = lambda dataset, index: setattr(dataset, "FrameOfReferenceUID", f"{UID}.7{int(second(index))}")  # noqa: E731
    write_series(tmp_path, hu, edit=frame)
    message = refused(read_series, tmp_path, reason="mixed")
    assert f"{UID}.70" in message and f"{UID}.71" in message and "keep the slices of one" in message


@pytest.mark.parametrize("unit", ["Z_EFF", "OD", "MGML", "PCT"])
def test_what_is_not_in_hounsfield_units_is_refused(tmp_path, hu, write_series, refused, change_tag, unit):
    paths = write_series(tmp_path, hu)
    change_tag(paths[5], RescaleType=unit)
    message = refused(read_series, tmp_path, reason="implausible HU")
    assert f"{paths[5]} (series {UID}) is measured in {unit} (RescaleType)" in message


@pytest.mark.parametrize("unit", ["HU", "US", "HU_MOD", "", "hounsfield"])
def test_hounsfield_units_by_any_name(tmp_path, hu, write_series, unit):
    write_series(tmp_path, hu, edit=lambda dataset, index: setattr(dataset, "RescaleType", unit))
    np.testing.assert_array_equal(read_series(tmp_path).hu, hu)
